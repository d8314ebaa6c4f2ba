"""Apply a kernel to volumes block by block, with a margin, in memory or lazily."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import DTypeLike, NDArray

from .layout import PLACES

EDGE = 128
"""Edge of the blocks that a volume in memory is worked on in, voxels."""

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
        Dims (..., z, y, x), z, y, x last. A lazy one stays lazy; of one in memory, blocks of ``EDGE`` voxels are worked
        on in threads.
    margin
        Voxels that the kernel looks away from its own, along all dims or along z, y, x.
    dtype
        Type of what the kernel returns.

    Returns
    -------
    xarray.DataArray
        Dims and coordinates of ``volume``, no attributes.
    """
    lazy = volume.chunks is not None
    array = volume.data if lazy else da.from_array(volume.data, chunks=_chunks(volume), name=False)  # type: ignore[no-untyped-call]
    reach = (margin,) * len(PLACES) if isinstance(margin, int) else margin
    reach = tuple(min(far, volume.sizes[name]) for far, name in zip(reach, PLACES, strict=True))
    depth = dict(enumerate((0,) * (array.ndim - len(PLACES)) + reach))
    array = array.rechunk(dict.fromkeys(range(array.ndim - len(PLACES)), 1))
    found = da.map_overlap(  # type: ignore[no-untyped-call]
        _each,
        array,
        depth=depth,
        boundary="none",
        dtype=dtype,
        meta=np.empty((0,) * array.ndim, dtype=dtype),
        kernel=kernel,
        settings=settings,
    )
    if not lazy:
        whole = np.empty(array.shape, dtype=dtype)
        da.store(found, whole, lock=False, scheduler="threads")
        found = whole
    return volume.copy(data=found).drop_attrs()


def _each(block: NDArray[np.generic], kernel: BlockKernel, settings: dict[str, Any]) -> NDArray[np.generic]:
    leading = block.shape[: block.ndim - len(PLACES)]
    return kernel(block.reshape(block.shape[-len(PLACES) :]), **settings).reshape(
        *leading, *block.shape[-len(PLACES) :]
    )


def _chunks(volume: xr.DataArray) -> dict[int, int]:
    leading = volume.ndim - len(PLACES)
    return {axis: 1 if axis < leading else EDGE for axis in range(volume.ndim)}
