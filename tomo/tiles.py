"""Apply a kernel to volumes tile by tile: memory stays that of a few tiles, however large the blocks are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import DTypeLike, NDArray

from .blocks import EDGE
from .layout import PLACES

TILE = 64
"""Longest edge of a tile, voxels."""

Box = tuple[slice, slice, slice]
TileKernel = Callable[..., NDArray[np.generic]]

_DIMS = len(PLACES)


def window(volume: NDArray[np.generic], box: Box, margin: int) -> NDArray[np.float32]:
    """Return a box of a volume and what lies around it, in float32; beyond its faces the outermost voxels go on."""
    lows = [side.start - margin for side in box]
    highs = [side.stop + margin for side in box]
    there = tuple(slice(max(0, low), high) for low, high in zip(lows, highs, strict=True))
    lacking = [(max(0, -low), max(0, high - size)) for low, high, size in zip(lows, highs, volume.shape, strict=True)]
    with np.errstate(over="ignore"):
        found = np.ascontiguousarray(volume[there], dtype=np.float32)
    return np.pad(found, lacking, mode="edge") if any(map(any, lacking)) else found


def boxes(region: Box) -> Iterator[Box]:
    """Yield the tiles of a region."""
    sides = [
        [slice(start, min(start + TILE, side.stop)) for start in range(side.start, side.stop, TILE)] for side in region
    ]
    yield from product(*sides)


def over_tiles(
    kernel: TileKernel, volume: xr.DataArray, *, margin: int, dtype: DTypeLike, channels: int = 0, **settings: Any
) -> xr.DataArray:
    """Return ``kernel(window, **settings)`` of every tile of a volume, as if the whole had been one tile.

    Unlike :func:`operando.tomo.blocks.over_blocks` nothing is computed for the margin, and one voxel may give several
    numbers.

    Parameters
    ----------
    kernel
        Importable function of a float32 array (z, y, x), larger by ``margin`` at every face than what it returns:
        (z, y, x), or (channel, z, y, x). Beyond the faces of the volume the outermost voxels go on.
    volume
        Dims (..., z, y, x), z, y, x last. A lazy one stays lazy; one in memory is worked on in threads.
    margin
        Voxels that the kernel looks away from its own.
    dtype
        Type of what the kernel returns.
    channels
        How many numbers a voxel gives; their dim ``channel`` comes before z. 0: one, without the dim.
    settings
        What else the kernel is given. A large one may be ``dask.delayed``, so that it is sent once and not with every
        block.

    Returns
    -------
    xarray.DataArray
        Dims (..., [channel,] z, y, x) and coordinates of ``volume``, no attributes.
    """
    lazy = volume.chunks is not None
    leading = volume.ndim - _DIMS
    array = volume.data if lazy else da.from_array(volume.data, chunks=(1,) * leading + (EDGE,) * _DIMS, name=False)  # type: ignore[no-untyped-call]
    thin = [axis for axis in range(leading, array.ndim) if array.shape[axis] <= margin]
    array = array.rechunk(dict.fromkeys(range(leading), 1) | dict.fromkeys(thin, -1))
    depth = {axis: 0 if axis < leading or axis in thin else margin for axis in range(array.ndim)}
    around = da.overlap.overlap(array, depth=depth, boundary="none")  # type: ignore[no-untyped-call]
    sides = tuple(_kept(side, depth[axis]) for axis, side in enumerate(around.chunks))
    found = da.map_blocks(  # type: ignore[no-untyped-call]
        _each,
        around,
        dtype=dtype,
        chunks=(*sides[:leading], *([(channels,)] if channels else []), *sides[leading:]),
        new_axis=[leading] if channels else None,
        meta=np.empty((0,) * (volume.ndim + bool(channels)), dtype=dtype),
        kernel=kernel,
        margin=margin,
        channels=channels,
        **settings,
    )
    if not lazy:
        whole = np.empty(found.shape, dtype=dtype)
        da.store(found, whole, lock=False, scheduler="threads")
        found = whole
    dims = [*volume.dims[:leading], *(["channel"] if channels else []), *PLACES]
    return xr.DataArray(found, dims=dims, coords=volume.coords)


def _kept(side: tuple[int, ...], depth: int) -> tuple[int, ...]:
    """Return the lengths of blocks without their margins."""
    last = len(side) - 1
    return tuple(length - depth * ((at > 0) + (at < last)) for at, length in enumerate(side))


def _each(
    block: NDArray[np.generic],
    kernel: TileKernel,
    margin: int,
    channels: int,
    block_info: Any = None,
    **settings: Any,
) -> NDArray[np.generic]:
    """Return what the kernel makes of the tiles of a block, without its margins."""
    leading = block.shape[:-_DIMS]
    volume: NDArray[np.generic] = block.reshape(block.shape[-_DIMS:])
    info = block_info[0]
    place, count = info["chunk-location"][-_DIMS:], info["num-chunks"][-_DIMS:]
    first = [margin if at > 0 else 0 for at in place]
    last = [edge - (margin if at + 1 < many else 0) for edge, at, many in zip(volume.shape, place, count, strict=True)]
    z, y, x = map(slice, first, last)
    found = np.empty(
        ((channels,) if channels else ()) + tuple(side.stop - side.start for side in (z, y, x)),
        dtype=block_info[None]["dtype"],
    )
    for box in boxes((z, y, x)):
        oz, oy, ox = (slice(side.start - low, side.stop - low) for side, low in zip(box, first, strict=True))
        found[..., oz, oy, ox] = kernel(window(volume, box, margin), **settings)
    return found.reshape(*leading, *found.shape)
