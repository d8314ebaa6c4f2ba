"""Tortuosity factor and effective diffusivity of phases, by finite volumes on the voxels."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError, OperandoWarning
from operando.history import recorded

from .conduction import Codes, Conducted, Material, conduct, conduct_repeated
from .layout import PLACES
from .percolation import Boundary, asked_axes, axis_names, check_boundary, check_voxels
from .phase_numbers import conducting_labels, numbered
from .slab_threads import SlabThreads
from .tortuosity_bounds import by_tubes
from .voxels import as_volume, voxel

_STEP = "tomo.tortuosity"
_NO_PATH = {
    "faces": "no path leads from the first to the last face along {}",
    "periodic_sides": "no path leads from the first to the last face along {}, around the sides either",
    "periodic": "no path leads to its image along {}",
}
_TEXTS = {
    "tortuosity_factor": "tortuosity factor, inf where nothing percolates",
    "tortuosity_factor_std": "standard deviation of the tortuosity factor",
    "tortuosity_factor_richardson": "tortuosity factor extrapolated from both coarse ones alone",
    "coarse_tortuosity_factor": "tortuosity factor of blocks",
    "tau_lower": "lower bound of the tortuosity factor of these voxels",
    "tau_upper": "upper bound of the tortuosity factor of these voxels",
    "effective_diffusivity": "effective diffusivity, in units of the conductivities",
    "volume_fraction": "volume fraction of all that conducts, isolated parts too",
    "percolating": "whether the conducting phases lead through the volume",
    "converged": "whether the solution converged",
    "iterations": "iterations of the solution",
    "reason": "why there is no tortuosity factor",
}


def tortuosity(
    volume: xr.DataArray | NDArray[Any],
    dim: str | Sequence[str] = "z",
    *,
    conductivities: Mapping[int | str, float] | None = None,
    boundary: Boundary = "faces",
    tol: float = 1e-4,
    tubes: int | None = None,
    potential: bool = False,
    workers: int | None = None,
) -> xr.Dataset:
    """Return the tortuosity factor and the effective diffusivity of a volume.

    Parameters
    ----------
    volume
        A mask of what conducts, or labels with ``conductivities``. Dims (..., z, y, x); voxels may be longer along one
        dim than along another. Of a lazy one a volume at a time is held in memory.
    dim
        Axis of transport: ``z``, ``y`` or ``x``, several of them, or ``all``.
    conductivities
        ``{label: conductivity}``, or by the names in the labels' attributes ``flag_values`` and ``flag_meanings``;
        labels without one conduct nothing.
    boundary
        ``faces``: the first and the last face along the dim are kept at potentials 1 and 0, nothing crosses the
        others. ``periodic_sides``: what crosses one of these comes in again opposite (what TauFactor calls periodic).
        ``periodic``: the volume repeats itself along z, y and x; the potential falls by 1 from one to the next.
    tol
        Relative error of the effective diffusivity at which the solution ends.
    tubes
        Edge, voxels, of tubes that span the volume along the dim: without flux between them they conduct less than the
        whole, and bound the tortuosity factor from above. Thin ones are quick and bound it loosely.
    potential
        Return the potential as well.
    workers
        Threads; as many as dask would use by default. Their number changes no digit of the results.

    Returns
    -------
    xarray.Dataset
        ``tortuosity_factor`` (..., axis), 1, ``axis`` a scalar coordinate where one dim is asked for.
        ``effective_diffusivity`` in units of the conductivities (those of a mask are 1), ``volume_fraction``,
        ``percolating``, ``iterations``, ``converged``. ``tau_lower``: bound by the energy of the potential, which no
        unfinished solution comes below. ``tau_upper`` with ``tubes``. ``reason`` tells in words why a factor is inf;
        nothing else gives an inf. ``potential`` (..., axis, z, y, x), float32, NaN where nothing flows.
        Of a periodic volume and several axes ``effective_tensor`` (..., axis, along).

    Raises
    ------
    OperandoError
        If the volume is neither mask nor labels, conductivities do not fit, or a setting cannot be.

    Warns
    -----
    OperandoWarning
        If a solution did not converge; its ``tortuosity_factor`` is then no more than a lower bound.

    Notes
    -----
    tau = <c>/D: the mean conductivity c of all voxels (the volume fraction of a mask, isolated parts included) over
    the effective one, D = L/A sum k (u_i - u_j)^2 for a potential difference of 1 across a length L and a section A.
    Faces conduct like half a voxel of either side in a row, electrodes lie half a voxel from the middles of voxels.
    Parts that do not percolate are found first. The deviation from a straight fall is solved for by conjugate
    gradients, preconditioned by a cycle of multigrid, in float32 with sums in float64. The energy bounds D from above
    with an error that is quadratic in that of the potential; ``tortuosity_factor`` takes off what the last iterations
    let expect. It takes 18 bytes a voxel beyond the volume for a mask of cubic voxels between ``faces``, else 42; 4 to
    12 more where potentials are kept. B. Tjaden et al., Int. Mater. Rev. 63, 47 (2018),
    doi:10.1080/09506608.2016.1249995; S. J. Cooper et al., SoftwareX 5, 203 (2016), doi:10.1016/j.softx.2016.09.002.

    Examples
    --------
    A straight channel does not hinder; half a volume conducts half as much:

    >>> import numpy as np
    >>> from operando import tomo
    >>> channel = np.zeros((16, 16, 16), bool)
    >>> channel[:, :8] = True
    >>> found = tomo.tortuosity(channel, "z")
    >>> print(round(float(found["tortuosity_factor"]), 4), round(float(found["effective_diffusivity"]), 4))
    1.0 0.5
    """
    whole = as_volume(volume, _STEP)
    axes = asked_axes(dim, _STEP)
    check_boundary(boundary, _STEP)
    check_voxels(whole, _STEP)
    if not 0 < tol < 1 or (tubes is not None and (tubes < 1 or boundary != "faces")):
        raise OperandoError(f"{_STEP}: expected a tol within 0 and 1, and tubes from 1 voxel on, between faces only")
    table = conducting_labels(whole, conductivities, _STEP)
    material = Material(np.array([0.0, *table.values()]), voxel(whole, _STEP).edges)
    leading = whole.dims[: -len(PLACES)]
    shape = tuple(whole.sizes[name] for name in leading)
    rows = []
    with SlabThreads(workers) as threads:
        for at in np.ndindex(shape):
            codes = numbered(whole.data[at], list(table))
            rows.append(
                _of_one(codes, material, axes, threads, boundary=boundary, tol=tol, tubes=tubes, keep=potential)
            )
    ds = as_dataset(rows, whole, axes, potential=potential)
    if isinstance(dim, str) and dim != "all":
        ds = ds.isel(axis=0)
    settings = {
        "dim": list(axes),
        "conductivities": {str(label): value for label, value in table.items()},
        "boundary": boundary,
        "tol": tol,
        "tubes": tubes,
    }
    return recorded(ds, _STEP, settings, after=xr.Dataset(attrs=whole.attrs))


def _of_one(
    codes: Codes,
    material: Material,
    axes: tuple[str, ...],
    threads: SlabThreads,
    *,
    boundary: Boundary,
    tol: float,
    tubes: int | None,
    keep: bool,
) -> dict[str, Any]:
    """Return all numbers of one volume."""
    numbers = [PLACES.index(name) for name in axes]
    mean = material.mean(codes)
    extra: dict[str, Any] = {}
    if boundary == "periodic":
        found, tensor = conduct_repeated(codes, material, numbers, threads, tol, keep=keep)
        extra = {"effective_tensor": tensor} if len(axes) > 1 else {}
    else:
        around = boundary == "periodic_sides"
        found = [conduct(codes, material, axis, threads, tol, around=around, keep=keep) for axis in numbers]
    if tubes is not None:
        lower = [
            by_tubes(lambda part: codes[part], codes.shape, material, axis, threads, tol=tol, edge=tubes)
            for axis in numbers
        ]
        extra["tau_upper"] = [ratio(mean, value) for value in lower]
    if keep:
        empty = np.full(codes.shape, np.nan, np.float32)
        extra["potential"] = np.stack([empty if one.potential is None else one.potential for one in found])
    return numbers_of(found, mean, np.count_nonzero(codes) / codes.size, axes, boundary) | extra


def numbers_of(
    found: list[Conducted], mean: float, filled: float, axes: Sequence[str], boundary: Boundary = "faces"
) -> dict[str, Any]:
    """Return the numbers of one volume along axes from how it conducts, its mean conductivity, and how much does."""
    return {
        "tortuosity_factor": [ratio(mean, one.conductivity) for one in found],
        "tau_lower": [ratio(mean, one.upper) for one in found],
        "effective_diffusivity": [one.conductivity for one in found],
        "volume_fraction": filled,
        "percolating": [one.percolates for one in found],
        "converged": [one.converged for one in found],
        "iterations": [one.iterations for one in found],
        "reason": ["" if one.percolates else no_path(name, boundary) for one, name in zip(found, axes, strict=True)],
    }


def no_path(name: str, boundary: Boundary = "faces") -> str:
    """Return why there is no tortuosity factor along an axis."""
    return _NO_PATH[boundary].format(name)


def ratio(mean: float, conductivity: float) -> float:
    """Return the tortuosity factor of a volume of a mean conductivity that conducts so well."""
    return mean / conductivity if conductivity > 0 else np.inf


def as_dataset(
    rows: list[dict[str, Any]], whole: xr.DataArray, axes: tuple[str, ...], *, potential: bool = False
) -> xr.Dataset:
    """Return the numbers of all volumes of a series as variables; warn where a solution did not converge."""
    leading = whole.dims[: -len(PLACES)]
    shape = tuple(whole.sizes[name] for name in leading)
    ends = {
        "volume_fraction": (),
        "effective_tensor": ("axis", "along"),
        "potential": ("axis", *PLACES),
        "coarse_tortuosity_factor": ("axis", "coarsening"),
    }
    texts = _TEXTS | {
        "effective_tensor": "tensor of the effective diffusivity, in units of the conductivities",
        "potential": "potential, from 1 at the first face to 0 at the last",
    }
    columns = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows], dtype=object if name == "reason" else None)
        attrs = {"long_name": texts[name]} if name == "reason" else {"units": "1", "long_name": texts[name]}
        columns[name] = ((*leading, *ends.get(name, ("axis",))), values.reshape(shape + values.shape[1:]), attrs)
    kept = {*leading, *PLACES} if potential else set(leading)
    coords = {name: array for name, array in whole.coords.items() if set(array.dims) <= kept}
    ds = xr.Dataset(columns, coords).assign_coords(axis=axis_names(axes))
    if "effective_tensor" in ds:
        ds = ds.assign_coords(along=("along", *axis_names(axes)[1:]))
    if not ds["converged"].all():
        warnings.warn(
            "tomo.tortuosity: not every solution converged, look at 'converged'", OperandoWarning, stacklevel=3
        )
    return ds
