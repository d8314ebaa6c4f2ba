"""Apply a kernel to volumes block by block, with a margin, in memory or lazily."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import dask
import numpy as np
import xarray as xr
from dask.system import CPU_COUNT
from numpy.typing import DTypeLike, NDArray

from .layout import PLACES
from .windows import over_windows

EDGE = 128
"""Edge of the blocks that a volume in memory is worked on in, voxels; half of it along z."""

THREADS = "operando.threads"
"""A setting of dask: how many threads a cluster has."""

BlockKernel = Callable[..., NDArray[np.generic]]


def over_blocks(
    kernel: BlockKernel, volume: xr.DataArray, *, margin: int | tuple[int, int, int], dtype: DTypeLike, **settings: Any
) -> xr.DataArray:
    """Return ``kernel(block, **settings)`` of every block of a volume, as if the whole had been one block.

    Parameters
    ----------
    kernel
        Function of an array of three dims (z, y, x) that returns one of the same shape. It is importable, so that
        workers in other processes find it. It treats the outer faces of what it gets as those of the volume.
    volume
        Dims (..., z, y, x), z, y, x last. A lazy one stays lazy; of one in memory, blocks of about ``EDGE`` voxels are
        worked on in threads.
    margin
        Voxels that the kernel looks away from its own, along all dims or along z, y, x.
    dtype
        Type of what the kernel returns.

    Returns
    -------
    xarray.DataArray
        Dims and coordinates of ``volume``, no attributes of its own.
    """
    reach = (margin,) * len(PLACES) if isinstance(margin, int) else tuple(margin)
    if volume.chunks is None:
        return _like(volume, _in_memory(kernel, volume.data, reach, dtype, settings))
    found = over_windows(_kept, volume.data, reach, dtype=dtype, kernel=kernel, settings=settings)
    return _like(volume, found)


def _like(volume: xr.DataArray, data: Any) -> xr.DataArray:
    """Return an array with the dims and coordinates of a volume; ``drop_attrs`` would copy the data."""
    found = volume.copy(deep=False, data=data)
    found.attrs = {}
    return found


def _in_memory(
    kernel: BlockKernel,
    array: NDArray[np.generic],
    reach: tuple[int, ...],
    dtype: DTypeLike,
    settings: dict[str, Any],
) -> NDArray[np.generic]:
    """Return what a kernel makes of an array; blocks with their margins are parts of the array itself, not copies."""
    whole = np.empty(array.shape, dtype=dtype)
    shape = array.shape[-len(PLACES) :]
    inner_of = list(product(*(_parts(size, edge) for size, edge in zip(shape, _block(shape), strict=True))))
    places = list(product(np.ndindex(array.shape[: -len(PLACES)]), inner_of))

    def work(place: tuple[tuple[int, ...], tuple[slice, ...]]) -> None:
        index, inner = place
        outer = tuple(
            slice(max(0, part.start - away), part.stop + away) for part, away in zip(inner, reach, strict=True)
        )
        kept = tuple(
            slice(part.start - begin.start, part.stop - begin.start) for part, begin in zip(inner, outer, strict=True)
        )
        whole[index + inner] = kernel(np.ascontiguousarray(array[index + outer]), **settings)[kept]

    if (workers := threads_at_hand()) == 1:
        for place in places:
            work(place)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, places))
    return whole


def threads_at_hand() -> int:
    """Return how many threads dask would use here."""
    if dask.config.get("scheduler", None) in ("sync", "synchronous", "single-threaded"):
        return 1
    return int(dask.config.get("num_workers", None) or CPU_COUNT)


def threads_computing() -> int:
    """Return how many threads compute lazy arrays: those of a cluster where ``THREADS`` is set, else those here."""
    return int(dask.config.get(THREADS, None) or threads_at_hand())


def _block(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the edges of blocks: flat ones, whole along y and x where that is not far."""
    return max(1, EDGE // 2), *(size if size <= 2 * EDGE else EDGE for size in shape[1:])


def _parts(size: int, edge: int) -> list[slice]:
    """Return slices of about an edge, of equal length, that cover a size."""
    count = max(1, math.ceil(size / max(edge, 1)))
    return [slice(size * part // count, size * (part + 1) // count) for part in range(count)]


def _kept(
    window: NDArray[np.generic], kept: tuple[slice, ...], *, kernel: BlockKernel, settings: dict[str, Any]
) -> NDArray[np.generic]:
    """Return what a kernel makes of a block with its margins, without these."""
    found = kernel(window.reshape(window.shape[-len(PLACES) :]), **settings)[kept[-len(PLACES) :]]
    return found.reshape(*window.shape[: -len(PLACES)], *found.shape)
