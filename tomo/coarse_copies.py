"""Copies of volumes whose voxels are means of 2, 4, ... along each edge; lazy where they are large."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .intensity_alignment import Singles, halved
from .layout import PLACES

_MOST = 2e7
"""Voxels of copies that are held in memory."""


def coarse_copy(volume: xr.DataArray, level: int) -> xr.DataArray:
    """Return a volume (z, y, x) in voxels 2^level as wide, float32; what does not fill one is left out.

    A lazy volume is read chunk by chunk; its copy is lazy above 2e7 voxels. It does not depend on chunks.
    """
    if level == 0:
        return volume
    scale = 2**level
    whole = volume.isel({name: slice(volume.sizes[name] // scale * scale) for name in PLACES})
    if whole.chunks is None:
        return xr.DataArray(means(whole.data, level), dims=PLACES)
    import dask.array as da

    array: Any = whole.data.rechunk(tuple(max(scale, sizes[0] // scale * scale) for sizes in whole.data.chunks))
    chunks = tuple(tuple(size // scale for size in sizes) for sizes in array.chunks)
    small = da.map_blocks(means, array, level, dtype=np.float32, chunks=chunks, meta=np.empty((0, 0, 0), np.float32))  # type: ignore[no-untyped-call]
    return xr.DataArray(small.compute() if small.size <= _MOST else small, dims=PLACES)


def means(values: NDArray[Any], level: int) -> Singles:
    """Return the means of 2^level voxels along each edge."""
    found: Singles = np.ascontiguousarray(values, dtype=np.float32)
    for _ in range(level):
        found = halved(found)
    return found
