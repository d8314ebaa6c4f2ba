"""Volumes moved back to where their reference shows the sample."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError

from .blocks import EDGE
from .layout import PLACES
from .results import described
from .voxels import as_volume, voxel

Floats = NDArray[np.float64]

_REACH = 26
"""Voxels after which the prefilter of a cubic spline has forgotten an edge: 0.268^26 = 1e-15."""
_NEEDED = ("translation", "matrix", "center")


def align(
    volumes: xr.DataArray, motion: xr.Dataset, *, order: int = 3, fill: float = np.nan, dtype: str = "float32"
) -> xr.DataArray:
    """Return volumes moved so that every voxel shows the same place of the sample as in the reference.

    out(x) = volume(A (x - c) + c + t), by splines.

    Parameters
    ----------
    volumes
        Dims (..., z, y, x), in memory or dask.
    motion
        What :func:`~operando.tomo.register` returns for them: ``translation``, ``matrix`` and ``center``.
    order
        Of the splines, 0 to 3.
    fill
        Value where the volume shows nothing of the place, and next to voxels that are NaN.
    dtype
        Of the result; whole numbers need a ``fill`` of their own.

    Returns
    -------
    xarray.DataArray
        As given, computed chunk by chunk when needed if the volumes are lazy.

    Raises
    ------
    OperandoError
        If the motion does not belong to the volumes, or order or fill are out of range.

    Notes
    -----
    The equation is the definition of the motion.
    """
    moving = as_volume(volumes, "align")
    _check(moving, motion, order, fill, dtype)
    lead = moving.dims[: -len(PLACES)]
    edges = np.array(voxel(moving, "align").edges)
    first = np.array([float(moving[name][0]) if name in moving.coords else 0.5 for name in PLACES])
    matrix = motion["matrix"].transpose(*lead, "axis", "column").to_numpy()
    center = motion["center"].to_numpy()
    shift = motion["translation"].transpose(*lead, "axis").to_numpy() + center - matrix @ center
    index_matrix = np.round(matrix * edges / edges[:, np.newaxis], 12)
    offset = np.round((shift + matrix @ first - first) / edges, 9)
    lazy = moving.chunks is not None
    array = _resampled(moving, index_matrix, offset, {"order": order, "fill": fill, "dtype": dtype})
    result = moving.copy(data=array if lazy else array.compute(scheduler="threads")).drop_attrs()
    return described(
        result,
        volumes,
        name=str(moving.name or "grey"),
        units=str(volumes.attrs.get("units", "")),
        long_name=str(volumes.attrs.get("long_name", "grey value")),
        step="tomo.align",
        parameters={"order": order, "fill": fill, "dtype": dtype},
    )


def _check(moving: xr.DataArray, motion: xr.Dataset, order: int, fill: float, dtype: str) -> None:
    lacking = [name for name in _NEEDED if name not in motion.variables]
    lead = {str(dim): moving.sizes[dim] for dim in moving.dims[: -len(PLACES)]}
    if lacking or any(motion["translation"].sizes.get(dim) != size for dim, size in lead.items()):
        got = f"no {' and '.join(lacking)}" if lacking else f"{dict(motion['translation'].sizes)} for {lead}"
        raise OperandoError(f"align: expected the motion of the same volumes, got {got}")
    if order not in range(4):
        raise OperandoError(f"align: expected an order from 0 to 3, got {order}")
    if np.dtype(dtype).kind in "iu" and not np.isfinite(fill):
        raise OperandoError(f"align: expected a finite fill for {dtype}, got {fill}")


def _resampled(moving: xr.DataArray, matrix: Floats, offset: Floats, how: dict[str, Any]) -> Any:
    """Return a dask array of the moved volumes: every chunk reads the part of the volume that it shows."""
    import dask.array as da

    lead = moving.ndim - len(PLACES)
    array = moving.data if moving.chunks is not None else da.from_array(moving.data, chunks=EDGE, name=False)  # type: ignore[no-untyped-call]
    lengths = array.chunks[lead:]
    starts = [np.cumsum((0, *sizes[:-1])) for sizes in lengths]
    counts = tuple(map(len, lengths))
    scans = []
    for scan in np.ndindex(*moving.shape[:lead]):
        blocks = np.empty(counts, dtype=object)
        for place in product(*map(range, counts)):
            low = np.array([starts[axis][number] for axis, number in enumerate(place)])
            shape = tuple(int(lengths[axis][number]) for axis, number in enumerate(place))
            blocks[place] = _chunk(array[scan], (matrix[scan], offset[scan]), low, shape, how)
        scans.append(da.block(blocks.tolist()))  # type: ignore[no-untyped-call]
    if not lead:
        return scans[0]
    return da.stack(scans).reshape((*moving.shape[:lead], *scans[0].shape))  # type: ignore[no-untyped-call]


def _chunk(
    array: Any, motion: tuple[Floats, Floats], low: NDArray[np.intp], shape: tuple[int, ...], how: dict[str, Any]
) -> Any:
    import dask.array as da
    from dask.delayed import delayed

    matrix, offset = motion
    corners = np.array(list(product(*((at, at + size - 1) for at, size in zip(low, shape, strict=True)))))
    reached = corners @ matrix.T + offset
    sizes = np.array(array.shape)
    start = np.clip(np.floor(reached.min(axis=0)).astype(int) - _REACH, 0, sizes)
    stop = np.clip(np.ceil(reached.max(axis=0)).astype(int) + _REACH + 1, 0, sizes)
    if (start >= stop).any():
        return da.full(shape, how["fill"], dtype=how["dtype"], chunks=shape)  # type: ignore[no-untyped-call]
    part = array[tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))]
    value = delayed(moved_part)(part, matrix, matrix @ low + offset, start=start, sizes=sizes, shape=shape, **how)
    return da.from_delayed(value, shape, dtype=how["dtype"])  # type: ignore[no-untyped-call]


def moved_part(
    part: NDArray[np.generic],
    matrix: Floats,
    offset: Floats,
    *,
    start: NDArray[np.intp],
    sizes: NDArray[np.intp],
    shape: tuple[int, ...],
    order: int,
    fill: float,
    dtype: str,
) -> NDArray[np.generic]:
    """Return values at matrix i + offset of the voxels i of ``shape``; ``part`` begins at voxel ``start``."""
    from scipy import ndimage

    values = part.astype(np.float64)
    known = np.isfinite(values)
    lost = ~known.all()
    if lost:
        values[~known] = values[known].mean() if known.any() else 0.0
    common = {"output_shape": shape, "mode": "mirror"}
    moved = ndimage.affine_transform(values, matrix, offset - start, order=order, **common)
    outside = _beyond(matrix, offset, shape, sizes)
    if lost:
        near = ndimage.affine_transform((~known).astype(np.float32), matrix, offset - start, order=1, **common)
        outside |= near > 1e-6
    moved[outside] = fill
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        moved = np.clip(np.rint(moved), np.iinfo(kind).min, np.iinfo(kind).max)
    found: NDArray[np.generic] = moved.astype(kind)
    return found


def _beyond(matrix: Floats, offset: Floats, shape: tuple[int, ...], sizes: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which voxels lie outside the volume, by more than the rounding of their places."""
    out = np.zeros(shape, dtype=bool)
    along = np.ogrid[tuple(slice(size) for size in shape)]
    for row, first, size in zip(matrix, offset, sizes, strict=True):
        place = first + sum(part * at for part, at in zip(row, along, strict=True))
        out |= (place < -1e-6) | (place > size - 1 + 1e-6)
    return out
