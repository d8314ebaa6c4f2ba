"""Which voxels of a volume count, and results of its blocks, each worked on once and alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
    shared = [name for name in mask.dims if name in mask.coords and name in volume.coords]
    if not all(np.array_equal(mask[name], volume[name]) for name in shared):
        raise OperandoError(f"{step}: expected a mask at the places of the volume, got one at others")
    return (
        mask.reset_coords(drop=True).drop_vars(shared).transpose(*(name for name in volume.dims if name in mask.dims))
    )


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
    chunks = _chunks(volume)
    leading = volume.ndim - len(PLACES)
    kept = kept_slices(volume).broadcast_like(volume.isel(y=0, x=0, drop=True)).transpose(*volume.dims[: leading + 1])
    cover = None if mask is None else mask.broadcast_like(volume).transpose(*volume.dims)
    done = []
    for index in np.ndindex(*volume.shape[:leading]):
        greys = _cut(volume.data[index], chunks)
        covers = np.full(greys.shape, None) if cover is None else _cut(cover.data[index], chunks)
        done.append((index, _of_one(work, (greys, covers), chunks, kept.to_numpy()[index], settings)))
    return done


def summed(parts: list[Any], empty: Array) -> Any:
    """Return the delayed sum of delayed arrays, added in branches, so that few are held at once; of none, ``empty``."""
    if not parts:
        return empty
    add: Any = delayed(_sum, pure=False)
    while len(parts) > 1:
        parts = [add(parts[first : first + _BRANCHES]) for first in range(0, len(parts), _BRANCHES)]
    return parts[0]


def computed(undone: list[Any], volume: xr.DataArray) -> list[Any]:
    """Return delayed results: of volumes in memory in threads, of lazy ones on the scheduler that is set."""
    scheduler = {} if volume.chunks is not None else {"scheduler": "threads"}
    done: list[Any] = list(compute(*undone, **scheduler))  # type: ignore[no-untyped-call]
    return done


class _View:
    """A part of an array in memory, which dask would copy if it knew of it."""

    def __init__(self, part: Array) -> None:
        self.part = part


Chunks = tuple[tuple[int, ...], ...]


def _chunks(volume: xr.DataArray) -> Chunks:
    """Return the sizes of the blocks along z, y, x."""
    if volume.chunks is not None:
        return volume.chunks[-len(PLACES) :]
    deep, wide, long = (volume.sizes[name] for name in PLACES)
    slab = max(1, min(SLAB // max(1, wide * long), -(-deep // 4)))
    return tuple(min(slab, deep - first) for first in range(0, deep, slab)), (wide,), (long,)


def _cut(array: Any, chunks: Chunks) -> NDArray[np.object_]:
    """Return the blocks of an array, delayed or as they are."""
    if not isinstance(array, np.ndarray):
        blocks: NDArray[np.object_] = array.rechunk(chunks).to_delayed()
        return blocks
    ends = [np.concatenate([[0], np.cumsum(sizes)]) for sizes in chunks]
    found = np.empty([len(sizes) for sizes in chunks], dtype=object)
    for at in np.ndindex(found.shape):
        found[at] = _View(array[tuple(slice(end[place], end[place + 1]) for end, place in zip(ends, at, strict=True))])
    return found


def _of_one(
    work: BlockWork,
    blocks: tuple[NDArray[np.object_], NDArray[np.object_]],
    chunks: Chunks,
    kept: NDArray[np.bool_],
    settings: dict[str, Any],
) -> list[Any]:
    starts = [np.concatenate([[0], np.cumsum(sizes)[:-1]]) for sizes in chunks]
    greys, covers = blocks
    parts, later = [], delayed(_work, pure=False)
    for at in np.ndindex(greys.shape):
        corner = tuple(int(start[place]) for start, place in zip(starts, at, strict=True))
        slices = kept[corner[0] : corner[0] + chunks[0][at[0]]]
        if slices.any():
            parts.append(later(work, corner, greys[at], covers[at], slices, settings))
    return parts


def _work(  # noqa: PLR0917
    work: BlockWork,
    corner: tuple[int, int, int],
    grey: Array | _View,
    mask: NDArray[np.bool_] | _View | None,
    kept: NDArray[np.bool_],
    settings: dict[str, Any],
) -> Any:
    levels = grey.part if isinstance(grey, _View) else grey
    cover = mask.part if isinstance(mask, _View) else mask
    known = np.empty((0, 0, 0), dtype=bool) if cover is None else np.ascontiguousarray(cover, dtype=bool)
    return work(Block(corner, native(levels), known, kept), **settings)


def _sum(parts: list[Any]) -> Any:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def native(grey: Array) -> Array:
    """Return grey levels in the processor's byte order, contiguous."""
    return np.ascontiguousarray(grey, dtype=grey.dtype.newbyteorder("="))
