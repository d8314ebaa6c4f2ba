"""How the sample lies in every volume of a series: shift, rotation and stretch against a reference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.flags import Flag, attrs
from operando.history import recorded

from .intensity_alignment import Found, aligned
from .layout import PLACES
from .rigid_motion import KINDS, rotation_of
from .voxels import as_volume, voxel

_LEAST_EDGE = 8
_MOST = 2e7
"""Voxels of the copies that are compared, unless told otherwise."""


def register(
    moving: xr.DataArray,
    fixed: xr.DataArray | None = None,
    *,
    kind: str = "rigid",
    chained: bool = False,
    most_voxels: float = _MOST,
) -> xr.Dataset:
    """Return where the sample of a reference lies in every volume.

    What is at x in the reference is at A (x - c) + c + t in the volume, c the middle of the reference. Found by least
    squares on smoothed grey values, from coarse to fine, starting at the peak of the phase correlation; a factor and an
    offset between the grey values are free.

    Parameters
    ----------
    moving
        Dims (..., z, y, x), in memory or dask; one volume or a series along ``scan``.
    fixed
        The reference, dims (z, y, x), as large voxels; by default the first of the series, which is then at rest.
    kind
        ``translation``, ``rigid`` (shift and rotation), or ``affine`` (A free: rotation, stretch and shear).
    chained
        Compare each volume with the one before and add up, for samples that change much; else each with the reference.
    most_voxels
        Larger volumes are compared as copies whose voxels are means of 2, 4, ... along each edge, so that memory stays
        within about 100 bytes times this number. Every doubling costs precision.

    Returns
    -------
    xarray.Dataset
        Per volume, with ``axis`` z, y, x: ``translation`` t (axis), um, with ``translation_std``; ``matrix`` A (axis,
        column), 1; ``rotation`` (axis), deg, the rotation vector of A, right-handed in the order z, y, x (one about z
        moves y toward x), and ``rotation_std`` if ``kind`` is rigid; ``matrix_std`` if affine; ``volume_ratio`` det A;
        ``quality``, the correlation of the grey values afterwards; ``overlap``, the share of the reference seen;
        ``flag`` (``not_converged``). Coordinate ``center`` c (axis), um. Volumes without coordinates: px.

    Raises
    ------
    OperandoError
        If volumes are too small, or reference and series do not fit, or ``kind`` is unknown.

    Notes
    -----
    The standard uncertainties come from how much 4 x 4 x 4 subvolumes disagree: noise, and changes of the sample that
    are not of this kind. Chained ones are added up as if independent. Rotations beyond about
    20 deg may not be found.

    Examples
    --------
    A volume that has moved by two voxels:

    >>> import numpy as np, xarray as xr
    >>> from operando import tomo
    >>> z, y, x = np.ogrid[:32, :32, :32]
    >>> ball = (z - 15.5) ** 2 + (y - 15.5) ** 2 + (x - 15.5) ** 2 < 10**2
    >>> from scipy.ndimage import gaussian_filter
    >>> fixed = gaussian_filter(np.random.default_rng(1).normal(size=(32, 32, 32)), 2)
    >>> dims = ("z", "y", "x")
    >>> moved = np.roll(fixed, 2, axis=2)
    >>> found = tomo.register(xr.DataArray(moved, dims=dims), xr.DataArray(fixed, dims=dims), kind="translation")
    >>> print(found["translation"].values.round(1)[2])
    2.0
    """
    series = as_volume(moving, "register")
    if kind not in KINDS:
        raise OperandoError(f"register: expected kind to be one of {', '.join(KINDS)}, got {kind!r}")
    if series.ndim > len(PLACES) + 1:
        raise OperandoError(f"register: expected volumes along one dim besides z, y, x, got {tuple(series.dims)}")
    scan = series.dims[0] if series.ndim > len(PLACES) else None
    if fixed is None and scan is None:
        raise OperandoError("register: expected a series of volumes or a reference 'fixed', got one volume alone")
    reference = as_volume(fixed, "register") if fixed is not None else series.isel({scan: 0})
    edges = _edges(series, reference)
    volumes = [series] if scan is None else [series.isel({scan: number}) for number in range(series.sizes[scan])]
    factor = _factor(reference, most_voxels)
    how: dict[str, Any] = {"edges": edges * factor, "kind": kind, "chained": chained, "factor": factor}
    found = list(_each(volumes, reference, first_is_reference=fixed is None, **how))
    ds = _table(found, kind, scan)
    unit = voxel(series, "register").units
    ds = ds.assign_coords({name: one.variable for name, one in series.coords.items() if set(one.dims) <= {scan}})
    first = np.array([float(reference[name][0]) if name in reference.coords else 0.5 for name in PLACES])
    middle = first + (np.array([reference.sizes[name] for name in PLACES]) - 1) / 2 * edges
    # Copies leave out the voxels that do not fill a larger one, so that their middle lies elsewhere.
    shift = (np.array([size // factor * factor for size in (reference.sizes[n] for n in PLACES)]) - 1) / 2 * edges
    ds = ds.assign_coords(center=("axis", middle if factor == 1 else first + shift))
    parameters = {"kind": kind, "chained": chained, "most_voxels": most_voxels, "averaged": factor}
    return recorded(_described(ds, unit), "tomo.register", parameters, after=xr.Dataset(attrs=moving.attrs))


def _edges(series: xr.DataArray, reference: xr.DataArray) -> NDArray[np.float64]:
    edges, others = (np.array(voxel(one, "register").edges) for one in (series, reference))
    if not np.allclose(edges, others, rtol=1e-3):
        raise OperandoError(f"register: expected voxels of one size, got {edges.tolist()} and {others.tolist()}")
    sizes = [one.sizes[name] for one in (series, reference) for name in PLACES]
    if min(sizes) < _LEAST_EDGE:
        raise OperandoError(f"register: expected at least {_LEAST_EDGE} voxels along every edge, got {min(sizes)}")
    if series.shape[-3:] != reference.shape[-3:]:
        raise OperandoError(
            f"register: expected a reference as large as the volumes, {series.shape[-3:]}, got {reference.shape}"
        )
    return edges


def _factor(reference: xr.DataArray, most: float) -> int:
    """Return how many voxels along each edge are averaged: a power of 2."""
    factor = 1
    while reference.size / factor**3 > most and min(reference.shape) // (2 * factor) >= _LEAST_EDGE:
        factor *= 2
    return factor


def _copy(volume: xr.DataArray, factor: int) -> NDArray[np.float32]:
    """Return a volume in memory, averaged; what is not finite becomes the mean."""
    small = volume if factor == 1 else volume.coarsen(dict.fromkeys(PLACES, factor), boundary="trim").mean()
    values: NDArray[np.float32] = small.astype(np.float32).to_numpy()
    finite = np.isfinite(values)
    if not finite.any():
        raise OperandoError("register: expected volumes with finite values, got none")
    if not finite.all():
        values = np.where(finite, values, values[finite].mean(dtype=np.float64)).astype(np.float32)
    return values


def _each(
    volumes: list[xr.DataArray],
    reference: xr.DataArray,
    *,
    first_is_reference: bool,
    edges: NDArray[np.float64],
    kind: str,
    chained: bool,
    factor: int,
) -> Iterator[Found]:
    """Yield the map of each volume, one after the other in memory."""
    still = _copy(reference, factor)
    width = {"translation": 3, "rigid": 6, "affine": 12}[kind]
    before = Found(np.eye(4), np.zeros((width, width)), 1.0, 1.0, True)
    for number, volume in enumerate(volumes):
        if number == 0 and first_is_reference:
            yield before
            continue
        now = _copy(volume, factor)
        found = aligned(still, now, edges, kind)
        if chained:
            motion = found.motion @ before.motion
            sure = found.converged and before.converged
            found = Found(motion, found.covariance + before.covariance, found.quality, found.overlap, sure)
            before, still = found, now
        yield found


def _table(found: list[Found], kind: str, scan: object) -> xr.Dataset:
    """Return the maps as variables; one volume alone has no dim ``scan``."""
    lead = () if scan is None else (str(scan),)
    motion = np.array([one.motion for one in found])
    variance = np.array([np.diag(one.covariance) for one in found])
    columns = {
        "translation": (("axis",), motion[:, :3, 3]),
        "translation_std": (("axis",), np.sqrt(variance[:, :3])),
        "matrix": (("axis", "column"), motion[:, :3, :3]),
        "rotation": (("axis",), np.array([rotation_of(one[:3, :3]) for one in motion])),
        "volume_ratio": ((), np.linalg.det(motion[:, :3, :3])),
        "quality": ((), np.array([one.quality for one in found])),
        "overlap": ((), np.array([one.overlap for one in found])),
    }
    if kind == "rigid":
        columns["rotation_std"] = (("axis",), np.rad2deg(np.sqrt(variance[:, 3:])))
    if kind == "affine":
        columns["matrix_std"] = (("axis", "column"), np.sqrt(variance[:, 3:]).reshape(-1, 3, 3))
    flag = np.array([0 if one.converged else int(Flag.not_converged) for one in found], dtype=np.int32)
    columns["flag"] = ((), flag)
    axis = np.array(PLACES, dtype=object)
    pick = 0 if scan is None else slice(None)
    return xr.Dataset(
        {name: ((*lead, *dims), values[pick]) for name, (dims, values) in columns.items()},
        {"axis": axis, "column": axis},
    )


def _described(ds: xr.Dataset, unit: str) -> xr.Dataset:
    texts = {
        "translation": (unit, "displacement of the sample at the center"),
        "translation_std": (unit, "standard uncertainty of the displacement"),
        "matrix": ("1", "linear part of the map from the reference"),
        "matrix_std": ("1", "standard uncertainty of the linear part"),
        "rotation": ("deg", "rotation vector of the sample"),
        "rotation_std": ("deg", "standard uncertainty of the rotation"),
        "volume_ratio": ("1", "volume relative to that in the reference"),
        "quality": ("1", "correlation of the grey values after the map"),
        "overlap": ("1", "share of the reference that the volume shows"),
        "center": (unit, "place that turns and stretches leave where it is"),
    }
    for name, (units, meaning) in texts.items():
        if name in ds.variables:
            ds[name].attrs = {"units": units, "long_name": meaning}
    ds["flag"].attrs = attrs()
    return ds
