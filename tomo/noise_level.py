"""The noise of volumes, from what neighboring voxels do not share."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError

from .layout import PLACES

_PAIRS = 16
"""Pairs of slices that are looked at."""
_TO_SIGMA = 1.4826


def noise_level(volume: xr.DataArray, step: str) -> xr.DataArray:
    """Return the standard deviation of the noise of each volume (..., z, y, x), in its unit.

    1.4826 times the median of |d|, d the differences of 2 x 2 x 2 voxels along all three axes at once, divided by
    sqrt(8) (the finest diagonal Haar wavelet: D. L. Donoho, I. M. Johnstone, Biometrika 81, 425 (1994),
    doi:10.1093/biomet/81.3.425). Edges raise it by some percent where there are many; noise that
    neighbors share, as after smoothing, is underestimated. Taken from up to 16 pairs of slices, evenly spaced, so
    that it does not depend on chunks.

    Raises
    ------
    OperandoError
        If there are fewer than two voxels along an edge, or no finite values.

    Notes
    -----
    :func:`~operando.tomo.image_quality.estimate_noise` looks within phases, so that edges and the blur of noise leave
    it right; it needs phases that fill cubes of 6 voxels, and looks at the middle of one volume. This one does not.
    """
    if min(volume.sizes[name] for name in PLACES) < 2:
        raise OperandoError(f"{step}: expected at least 2 voxels along every edge, got {dict(volume.sizes)}")
    depth = volume.sizes["z"]
    count = min(_PAIRS, depth // 2)
    first = np.unique(np.round((np.arange(count) + 0.5) * depth / count - 1).astype(int).clip(0, depth - 2))
    lead = volume.shape[: -len(PLACES)]
    found = np.empty(lead)
    for index in np.ndindex(lead):
        one = volume[index]
        found[index] = _of_pairs([one[at : at + 2].to_numpy() for at in first.tolist()])
    if not np.isfinite(found).all():
        raise OperandoError(f"{step}: expected volumes with finite values to tell their noise, got none")
    return xr.DataArray(found, dims=volume.dims[: -len(PLACES)])


def _of_pairs(pairs: list[NDArray[np.generic]]) -> float:
    details = []
    for pair in pairs:
        one = np.diff(pair.astype(np.float64), axis=0)[0]
        y, x = (size // 2 * 2 for size in one.shape)
        part = one[:y, :x]
        detail = part[::2, ::2] - part[1::2, ::2] - part[::2, 1::2] + part[1::2, 1::2]
        details.append(detail[np.isfinite(detail)])
    every = np.concatenate(details)
    return float(_TO_SIGMA * np.median(np.abs(every)) / np.sqrt(8)) if every.size else float("nan")
