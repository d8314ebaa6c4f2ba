"""Which voxels of a volume count, and results of its blocks, each worked on once and alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import compute
from dask.delayed import delayed
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.flags import Flag

from .layout import PLACES

LEFT_OUT = Flag.missing_frame | Flag.saturated | Flag.surplus_frame
"""Reasons in ``frame_flag`` for which a slice counts for nothing."""

SLAB = 1 << 23
"""Voxels of a volume in memory that are worked on at a time."""

_BRANCHES = 16

Array = NDArray[np.generic]


@dataclass(frozen=True)
class Block:
    """A block of one volume: where it starts, its grey levels, and what of it counts.

    ``mask`` has the shape of ``grey``, or no voxel where all count; ``kept`` is one truth value a slice.
    """

    corner: tuple[int, int, int]
    grey: Array
    mask: NDArray[np.bool_]
    kept: NDArray[np.bool_]


BlockWork = Callable[..., Any]


def kept_slices(volume: xr.DataArray) -> xr.DataArray:
    """Return which slices count: those whose ``frame_flag`` tells of nothing in ``LEFT_OUT``, all without flags.

    Dim z, and the dims that ``frame_flag`` has besides.
    """
    if "frame_flag" not in volume.coords:
        return xr.DataArray(np.ones(volume.sizes["z"], dtype=bool), dims="z")
    return ((volume["frame_flag"] & int(LEFT_OUT)) == 0).drop_vars("frame_flag")


def as_mask(mask: xr.DataArray | Array | None, volume: xr.DataArray, step: str) -> xr.DataArray | None:
    """Return a mask with the dims of the volume or of its places; None where there is none.

    Raises
    ------
    OperandoError
        If it is not one truth value a voxel.
    """
    if mask is None:
        return None
    if not isinstance(mask, xr.DataArray):
        mask = xr.DataArray(mask, dims=PLACES if np.ndim(mask) == len(PLACES) else volume.dims)
    sizes = {name: volume.sizes.get(name) for name in mask.dims}
    if mask.dtype != bool or dict(mask.sizes) != sizes or not set(PLACES) <= set(mask.dims):
        raise OperandoError(
            f"{step}: expected a mask of truth values, one a voxel of {dict(volume.sizes)}, got {mask.dtype} "
            f"of {dict(mask.sizes)}"
        )
    return mask.transpose(*(name for name in volume.dims if name in mask.dims))


def of_each(
    work: BlockWork, volume: xr.DataArray, mask: xr.DataArray | None, **settings: Any
) -> list[tuple[tuple[int, ...], list[Any]]]:
    """Return, for the index of every single volume, what ``work(block, **settings)`` gives of its blocks, undone.

    Parameters
    ----------
    work
        Importable function of a :class:`Block`.
    volume
        Dims (..., z, y, x).
    mask
        Voxels that count, with the dims of ``volume`` or z, y, x; None: all.

    Returns
    -------
    list
        Index along the leading dims, and delayed results, the blocks in the order of their corners.
    """
    array = _chunked(volume)
    leading = volume.ndim - len(PLACES)
    kept = kept_slices(volume).broadcast_like(volume.isel(y=0, x=0, drop=True)).transpose(*volume.dims[: leading + 1])
    covers = None if mask is None else _covering(mask, volume, array)
    done = []
    for index in np.ndindex(*volume.shape[:leading]):
        cover = None if covers is None else covers[index]
        done.append((index, _of_one(work, array[index], cover, kept.to_numpy()[index], settings)))
    return done


def summed(parts: list[Any]) -> Any:
    """Return the delayed sum of delayed arrays, added in branches so that few are held at a time."""
    add: Any = delayed(_sum, pure=False)
    while len(parts) > 1:
        parts = [add(parts[first : first + _BRANCHES]) for first in range(0, len(parts), _BRANCHES)]
    return parts[0]


def computed(undone: list[Any], volume: xr.DataArray) -> list[Any]:
    """Return delayed results: of volumes in memory in threads, of lazy ones on the scheduler that is set."""
    scheduler = {} if volume.chunks is not None else {"scheduler": "threads"}
    done: list[Any] = list(compute(*undone, **scheduler))  # type: ignore[no-untyped-call]
    return done


def _chunked(volume: xr.DataArray) -> Any:
    if volume.chunks is not None:
        return volume.data
    leading = volume.ndim - len(PLACES)
    depth = max(1, SLAB // max(1, volume.sizes["y"] * volume.sizes["x"]))
    chunks = (*(1,) * leading, min(depth, -(-volume.sizes["z"] // 4)), -1, -1)
    return da.from_array(volume.data, chunks=chunks, name=False)  # type: ignore[no-untyped-call]


def _covering(mask: xr.DataArray, volume: xr.DataArray, array: Any) -> Any:
    lacking = [name for name in volume.dims if name not in mask.dims]
    whole = mask.expand_dims({name: volume.sizes[name] for name in lacking}).transpose(*volume.dims)
    data = whole.data
    lazy = data if whole.chunks is not None else da.from_array(data, chunks=array.chunks, name=False)  # type: ignore[no-untyped-call]
    return lazy.rechunk(array.chunks)


def _of_one(work: BlockWork, array: Any, cover: Any, kept: NDArray[np.bool_], settings: dict[str, Any]) -> list[Any]:
    starts = [np.concatenate([[0], np.cumsum(sizes)[:-1]]) for sizes in array.chunks]
    greys = array.to_delayed()
    covers = None if cover is None else cover.to_delayed()
    parts, later = [], delayed(_work, pure=False)
    for at in np.ndindex(greys.shape):
        corner = tuple(int(start[place]) for start, place in zip(starts, at, strict=True))
        slices = kept[corner[0] : corner[0] + array.chunks[0][at[0]]]
        if slices.any():
            parts.append(later(work, corner, greys[at], None if covers is None else covers[at], slices, settings))
    return parts


def _work(  # noqa: PLR0917
    work: BlockWork,
    corner: tuple[int, int, int],
    grey: Array,
    mask: NDArray[np.bool_] | None,
    kept: NDArray[np.bool_],
    settings: dict[str, Any],
) -> Any:
    cover = np.empty((0, 0, 0), dtype=bool) if mask is None else np.ascontiguousarray(mask)
    return work(Block(corner, native(grey), cover, kept), **settings)


def _sum(parts: list[Any]) -> Any:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def native(grey: Array) -> Array:
    """Return grey levels in the processor's byte order, contiguous."""
    return np.ascontiguousarray(grey, dtype=grey.dtype.newbyteorder("="))
