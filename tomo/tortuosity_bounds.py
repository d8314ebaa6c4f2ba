"""Bounds of the tortuosity factor of volumes that no memory holds, from parts that it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .conduction import Codes, Material, conduct
from .layout import PLACES
from .percolation import asked_axes, check_voxels
from .phase_numbers import conducting_labels, numbered
from .slab_threads import SlabThreads
from .voxels import as_volume, voxel

_STEP = "tomo.tortuosity_bracket"

Part = tuple[slice, ...]
Read = Callable[[Part], Codes]


def tortuosity_bracket(
    volume: xr.DataArray | NDArray[Any],
    dim: str = "z",
    *,
    tubes: int,
    slabs: int,
    conductivities: Mapping[int | str, float] | None = None,
    tol: float = 1e-4,
    workers: int | None = None,
) -> xr.Dataset:
    """Return between which values the tortuosity factor of a volume lies that may be larger than memory.

    Parameters
    ----------
    volume
        As :func:`operando.tomo.tortuosity` takes it, one volume (z, y, x). Of a lazy one a tube or a slab at a time is
        held in memory.
    dim
        Axis of transport.
    tubes
        Edge, voxels, of tubes that span the volume along the dim. Between them nothing flows, so that together they
        conduct less than the whole.
    slabs
        Thickness, voxels, of slabs of the full section, one after the other along the dim. Each face between them is
        held at one potential, so that together they conduct more than the whole.
    conductivities, tol, workers
        As in :func:`operando.tomo.tortuosity`.

    Returns
    -------
    xarray.Dataset
        ``tau_lower`` from slabs, ``tau_upper`` from tubes, 1; ``relative_width`` of the bracket, the difference over
        the mean of both; ``volume_fraction``. Thicker tubes and slabs make it narrower. Where a slab does not
        percolate, neither does the whole, and both are inf; where no tube does, only ``tau_upper`` is.

    Raises
    ------
    OperandoError
        If the volume is neither mask nor labels of z, y, x, or a setting cannot be.

    Notes
    -----
    Walls only add to the least energy that a current dissipates, and potentials held equal only take from the least
    that a potential does (Rayleigh's monotonicity law). What solutions may still lose at ``tol`` is taken off twice for
    tubes; the energies of slabs are bounds however far their solutions come.
    """
    whole = as_volume(volume, _STEP)
    (name,) = asked_axes([dim], _STEP)
    check_voxels(whole, _STEP)
    if whole.ndim != len(PLACES) or min(tubes, slabs) < 1 or not 0 < tol < 1:
        raise OperandoError(
            f"{_STEP}: expected one volume, tubes and slabs of a voxel or more, and a tol within 0 and 1, got "
            f"{dict(whole.sizes)}, {tubes}, {slabs} and {tol}"
        )
    table = conducting_labels(whole, conductivities, _STEP)
    material, axis = Material(np.array([0.0, *table.values()]), voxel(whole, _STEP).edges), PLACES.index(name)

    def read(part: Part) -> Codes:
        return numbered(whole.data[part], list(table))

    with SlabThreads(workers) as threads:
        most, mean, filled = by_slabs(read, whole.shape, material, axis, threads, tol=tol, planes=slabs)
        least = by_tubes(read, whole.shape, material, axis, threads, tol=tol, edge=tubes) if most > 0 else 0.0
    lower, upper = (mean / value if value > 0 else np.inf for value in (most, least))
    columns = {
        "tau_lower": (lower, "lower bound of the tortuosity factor, from slabs"),
        "tau_upper": (upper, "upper bound of the tortuosity factor, from tubes"),
        "relative_width": (
            2 * (upper - lower) / (upper + lower) if np.isfinite(upper) else np.inf,
            "width of the bracket",
        ),
        "volume_fraction": (filled, "volume fraction of all that conducts, isolated parts too"),
    }
    ds = xr.Dataset({key: ((), value, {"units": "1", "long_name": text}) for key, (value, text) in columns.items()})
    ds = ds.assign_coords(axis=((), name, {"long_name": "axis of transport"}))
    settings = {"dim": name, "tubes": tubes, "slabs": slabs, "conductivities": table, "tol": tol}
    return recorded(ds, _STEP, settings, after=xr.Dataset(attrs=whole.attrs))


def by_tubes(
    read: Read, shape: tuple[int, ...], material: Material, axis: int, threads: SlabThreads, *, tol: float, edge: int
) -> float:
    """Return the conductivity of a volume cut into tubes along an axis by walls that nothing crosses.

    What the unfinished solutions may still lose is taken off twice; those that did not converge count for nothing.
    """
    sides = [
        [slice(0, size)] if number == axis else [slice(start, start + edge) for start in range(0, size, edge)]
        for number, size in enumerate(shape)
    ]
    total = 0.0
    for part in product(*sides):
        tube = read(part)
        found = conduct(tube, material, axis, threads, tol)
        if found.converged:
            total += tube.size * max(0.0, 2 * found.conductivity - found.upper)
    return total / float(np.prod(shape))


def by_slabs(
    read: Read, shape: tuple[int, ...], material: Material, axis: int, threads: SlabThreads, *, tol: float, planes: int
) -> tuple[float, float, float]:
    """Return the conductivity of slabs in a row, with one potential on each face between them.

    Then the mean conductivity of all voxels, and the share of them that conducts.
    """
    resistance, mean, filled = 0.0, 0.0, 0.0
    for start in range(0, shape[axis], planes):
        slab = read(tuple(slice(start, start + planes) if number == axis else slice(None) for number in range(3)))
        share = slab.shape[axis] / shape[axis]
        upper = conduct(slab, material, axis, threads, tol).upper
        resistance += share / upper if upper > 0 else np.inf
        mean += share * material.mean(slab)
        filled += share * np.count_nonzero(slab) / slab.size
    return 1 / resistance, mean, filled
