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
from .windows import over_windows

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
    found = over_windows(
        _each,
        array,
        (margin,) * _DIMS,
        dtype=dtype,
        channels=channels,
        kernel=kernel,
        margin=margin,
        made=(np.dtype(dtype), channels),
        **settings,
    )
    dims = [*volume.dims[:leading], *(["channel"] if channels else []), *PLACES]
    if lazy:
        return xr.DataArray(found, dims=dims, coords=volume.coords)
    whole = np.empty(found.shape, dtype=dtype)
    da.store(found, whole, lock=False, scheduler="threads")
    return xr.DataArray(whole, dims=dims, coords=volume.coords)


def _each(
    block: NDArray[np.generic],
    kept: tuple[slice, ...],
    *,
    kernel: TileKernel,
    margin: int,
    made: tuple[np.dtype[Any], int],
    **settings: Any,
) -> NDArray[np.generic]:
    """Return what the kernel makes of the tiles of a block, without its margins; ``made`` are type and channels."""
    volume = block.reshape(block.shape[-_DIMS:])
    z, y, x = kept[-_DIMS:]
    dtype, channels = made
    sides = tuple(side.stop - side.start for side in (z, y, x))
    found = np.empty(((channels,) if channels else ()) + sides, dtype)
    for box in boxes((z, y, x)):
        oz, oy, ox = (
            slice(side.start - low.start, side.stop - low.start) for side, low in zip(box, (z, y, x), strict=True)
        )
        found[..., oz, oy, ox] = kernel(window(volume, box, margin), **settings)
    return found.reshape(*block.shape[:-_DIMS], *found.shape)
