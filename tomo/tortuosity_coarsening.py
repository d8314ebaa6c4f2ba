"""Tortuosity factor of volumes larger than memory, about: from blocks of 2 and 4 voxels, extrapolated to voxels."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError, OperandoWarning
from operando.history import recorded

from .coarse_conductivities import Coarse, Read, coarse_conductivities, in_blocks, mean_blocks
from .conduction import Conducted, Material, conduct, conduct_in_blocks
from .grids import three
from .layout import PLACES
from .multigrid_cells import Sizes
from .percolation import asked_axes, check_voxels
from .phase_numbers import conducting_labels, numbered
from .slab_threads import SlabThreads
from .tortuosity_factors import as_dataset, no_path, ratio
from .voxels import as_volume, voxel

_STEP = "tomo.tortuosity_coarsened"
_EDGES = (2, 4)
_SUBVOLUME, _LEAST = 128, 4
"""Voxels along a subvolume's edge at most, and at least where the volume is cut along an axis at all."""

_FEWEST = 3
_ORDERS = (0.5, 2.0)
_OTHERWISE = 0.25


def tortuosity_coarsened(
    volume: xr.DataArray | NDArray[Any],
    dim: str | Sequence[str] = "z",
    *,
    conductivities: Mapping[int | str, float] | None = None,
    tol: float = 1e-4,
    workers: int | None = None,
) -> xr.Dataset:
    """Return about what the tortuosity factor of a volume is, from its blocks of 2 and of 4 voxels along each edge.

    It is an approximation: :func:`operando.tomo.tortuosity_bracket` bounds the factor for certain, and
    :func:`operando.tomo.tortuosity_in_slabs` finds it exactly.

    Parameters
    ----------
    volume
        A mask of what conducts, or labels with ``conductivities``. Dims (..., z, y, x); of a lazy one some planes and
        a subvolume at a time are held in memory.
    dim
        Axis of transport: ``z``, ``y`` or ``x``, several of them, or ``all``.
    conductivities, tol, workers
        As in :func:`operando.tomo.tortuosity`.

    Returns
    -------
    xarray.Dataset
        ``tortuosity_factor`` (..., axis) of voxels, 1, with ``_std``; ``axis`` a scalar coordinate where one dim is
        asked for. ``coarse_tortuosity_factor`` (..., axis, coarsening) of blocks, and what it extrapolates to alone,
        ``tortuosity_factor_richardson``. ``effective_diffusivity``, ``volume_fraction``, ``percolating`` (found on the
        voxels), ``converged``, ``iterations`` and ``reason`` as :func:`operando.tomo.tortuosity` has them.

    Raises
    ------
    OperandoError
        If the volume is neither mask nor labels, conductivities do not fit, or a setting cannot be.

    Warns
    -----
    OperandoWarning
        If a solution did not converge, or fewer than three subvolumes percolate.

    Notes
    -----
    A block has the mean conductivity of its voxels: walls and gaps thinner than a block leak, so that factors of blocks
    come out too low, the more so the wider blocks are. By how much, ln tau(voxels) - ln tau(blocks of 2), is measured
    on up to eight subvolumes, 128 voxels wide at most: their median, with their standard error and a quarter of itself
    for all that a subvolume's ends change, and with the share of them that does not percolate. Where fewer than three
    do, Richardson's extrapolation takes its place, whose order p lies between 1/2 and 2: s (ln tau(blocks of 2) - ln
    tau(blocks of 4)), s the mean of 2^-p for both. It is no better than a guess there. L. F. Richardson, Philos. Trans.
    R. Soc. A 210, 307 (1911), doi:10.1098/rsta.1911.0009.

    Of 58 volumes (blobs 1 to 4 voxels wide and of 15 to 90 %, overlapping spheres, electrodes) 78 % came out within
    one standard deviation of the whole solution and 95 % within two, half of them within 0.4 %; those beyond were
    near the percolation threshold. Richardson's alone missed by 1.5 %. It takes 6.5 bytes a
    voxel.
    """
    whole = as_volume(volume, _STEP)
    axes = asked_axes(dim, _STEP)
    check_voxels(whole, _STEP)
    if not 0 < tol < 1:
        raise OperandoError(f"{_STEP}: expected a tol within 0 and 1, got {tol}")
    table = conducting_labels(whole, conductivities, _STEP)
    material = Material(np.array([0.0, *table.values()]), voxel(whole, _STEP).edges)
    rows = []
    with SlabThreads(workers) as threads:
        for at in np.ndindex(*(whole.sizes[name] for name in whole.dims[: -len(PLACES)])):

            def read(part: tuple[slice, ...], values: Any = whole.data[at]) -> NDArray[np.uint8]:
                return numbered(values[part], list(table))

            rows.append(_of_one(read, three(whole.shape[-len(PLACES) :]), material, axes, threads, tol))
    ds = as_dataset(rows, whole, axes)
    ds = ds.assign_coords(coarsening=("coarsening", list(_EDGES), {"units": "1", "long_name": "voxels along a block"}))
    if isinstance(dim, str) and dim != "all":
        ds = ds.isel(axis=0)
    settings = {"dim": list(axes), "conductivities": {str(label): value for label, value in table.items()}, "tol": tol}
    return recorded(ds, _STEP, settings, after=xr.Dataset(attrs=whole.attrs))


def _of_one(  # noqa: PLR0917
    read: Read, whole: Sizes, material: Material, axes: tuple[str, ...], threads: SlabThreads, tol: float
) -> dict[str, Any]:
    """Return all numbers of one volume."""
    numbers = [PLACES.index(name) for name in axes]
    coarse = coarse_conductivities(read, whole, material, numbers)
    halves = _in_subvolumes(read, whole, material, numbers, threads, tol)
    found = [
        _of_axis(coarse, material, axis, halves[:, place], threads, tol) if coarse.percolates[place] else _NO_FACTOR
        for place, axis in enumerate(numbers)
    ]
    row: dict[str, Any] = {name: [one[name] for one in found] for name in _NO_FACTOR}
    factors = row["tortuosity_factor"]
    return row | {
        "effective_diffusivity": [coarse.mean / tau for tau in factors],
        "volume_fraction": coarse.filled,
        "percolating": coarse.percolates,
        "reason": ["" if leads else no_path(name) for name, leads in zip(axes, coarse.percolates, strict=True)],
    }


_NO_FACTOR = {
    "tortuosity_factor": np.inf,
    "tortuosity_factor_std": np.nan,
    "tortuosity_factor_richardson": np.inf,
    "coarse_tortuosity_factor": [np.inf, np.inf],
    "converged": True,
    "iterations": 0,
}


def _of_axis(  # noqa: PLR0917
    coarse: Coarse, material: Material, axis: int, halving: NDArray[np.float64], threads: SlabThreads, tol: float
) -> dict[str, Any]:
    """Return the numbers along one axis; ``halving`` is ln tau(voxels) - ln tau(blocks) of each subvolume."""
    solved: list[Conducted] = []
    logs = []
    for values in (coarse.blocks, mean_blocks(coarse.blocks)):
        solved.append(conduct_in_blocks(values, material.edges, axis, threads, tol))
        logs.append(math.log(ratio(float(values.mean(dtype=np.float64)), solved[-1].conductivity)))
    shift, spread = _measured(halving) or (_richardson(logs), abs(logs[0] - logs[1]))
    tau = math.exp(logs[0] + shift)
    return {
        "tortuosity_factor": tau,
        "tortuosity_factor_std": tau * math.expm1(math.hypot(spread, tol)),
        "tortuosity_factor_richardson": math.exp(logs[0] + _richardson(logs)),
        "coarse_tortuosity_factor": [math.exp(log) for log in logs],
        "converged": all(one.converged for one in solved),
        "iterations": sum(one.iterations for one in solved),
    }


def _richardson(logs: list[float]) -> float:
    """Return by how much ln tau of voxels exceeds that of blocks of 2, from those of blocks of 2 and 4."""
    return float(np.mean([2.0**-order for order in _ORDERS])) * (logs[0] - logs[1])


def _measured(halving: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return what subvolumes say halving voxels does to ln tau, and how far that may be off; None if too few do."""
    known = halving[np.isfinite(halving)]
    if known.size < _FEWEST:
        warnings.warn(
            f"{_STEP}: {known.size} of {halving.size} subvolumes percolate; the factor is no better than a guess",
            OperandoWarning,
            stacklevel=5,
        )
        return None
    middle, error = float(np.median(known)), float(known.std(ddof=1) / math.sqrt(known.size))
    lacking = middle * (1 - known.size / halving.size)
    return middle, math.hypot(error, _OTHERWISE * middle, lacking)


def _in_subvolumes(  # noqa: PLR0917
    read: Read, whole: Sizes, material: Material, axes: list[int], threads: SlabThreads, tol: float
) -> NDArray[np.float64]:
    """Return ln tau(voxels) - ln tau(blocks) of subvolumes (subvolume, axis), NaN where they do not percolate."""
    rows = []
    for part in product(*(_parts(size) for size in whole)):
        codes = read(part)
        blocks = in_blocks(codes, material)
        mean = float(blocks.mean(dtype=np.float64))
        row = []
        for axis in axes:
            fine = ratio(material.mean(codes), conduct(codes, material, axis, threads, tol).conductivity)
            wide = ratio(mean, conduct_in_blocks(blocks, material.edges, axis, threads, tol).conductivity)
            row.append(math.log(fine / wide) if math.isfinite(fine) else math.nan)
        rows.append(row)
    return np.array(rows)


def _parts(size: int) -> list[slice]:
    """Return where subvolumes lie along an edge: in the middle of either half, or all along a short one."""
    if size < 2 * _LEAST:
        return [slice(0, size)]
    edge = min(_SUBVOLUME, size // 2 // 4 * 4)
    return [slice(start, start + edge) for start in (size // 4 - edge // 2, size - size // 4 - edge // 2)]
