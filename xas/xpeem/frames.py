"""Stacks of images: what they must look like, which of their frames count, and one frame after the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.flags import Flag

ALONG = "energy"
PLANE = ("y", "x")
I0_NOISE = "i0_noise"
LOST = Flag.missing_frame | Flag.saturated | Flag.no_i0
"""Flags of frames whose values mean nothing."""
_AT_ONCE = 32 << 20
"""Bytes of frames that are read together."""


def images_of(images: xr.DataArray | xr.Dataset, step: str) -> xr.DataArray:
    """Return a stack of images, or the ``intensity`` of a Dataset with the Dataset's history.

    Raises
    ------
    OperandoError
        If a Dataset has no intensity, or the dims ``energy``, ``y``, ``x`` are not all there.
    """
    if isinstance(images, xr.Dataset):
        if "intensity" not in images:
            raise OperandoError(f"{step}: expected images named 'intensity', got none; apply xpeem.correct first")
        history = {name: images.attrs[name] for name in ("history",) if name in images.attrs}
        images = images["intensity"].assign_attrs(history)
    lacking = [name for name in (ALONG, *PLANE) if name not in images.dims]
    if lacking:
        raise OperandoError(f"{step}: expected images with the dims energy, y and x, got {tuple(images.dims)}")
    return images


def usable(images: xr.DataArray) -> xr.DataArray:
    """Return which frames are neither missing nor saturated nor without I0, by their ``frame_flag``."""
    if "frame_flag" not in images.coords:
        return xr.DataArray(np.ones(images.sizes[ALONG], dtype=bool), dims=ALONG)
    sound: xr.DataArray = (images["frame_flag"] & int(LOST)) == 0
    return sound.reset_coords(drop=True)


def whole_frames(images: xr.DataArray) -> xr.DataArray:
    """Return images with y and x last and, if lazy, in one chunk."""
    ordered = images.transpose(..., *PLANE)
    return ordered.chunk(dict.fromkeys(PLANE, -1)) if ordered.chunks else ordered


def loaded(stack: xr.DataArray, numbers: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
    """Yield the images of some frames, in ascending order, of a stack (energy, y, x).

    In memory is one chunk, or several of together at most 32 MiB: of small frames many are read at once.
    """
    counts = stack.variable.chunksizes[ALONG] if stack.chunks else (1,) * stack.sizes[ALONG]
    frame = stack.dtype.itemsize * stack.sizes["y"] * stack.sizes["x"]
    start = stop = 0
    for count, following in zip(counts, (*counts[1:], None), strict=True):
        stop += count
        if following is not None and (stop + following - start) * frame <= _AT_ONCE:
            continue
        mine = numbers[(numbers >= start) & (numbers < stop)]
        if mine.size:
            block = stack.isel({ALONG: slice(start, stop)}).to_numpy()
            yield from (block[at].astype(np.float32, copy=False) for at in mine - start)
        start = stop
