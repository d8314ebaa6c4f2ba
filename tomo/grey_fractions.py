"""Fractions of two phases from their mean grey level, which voxels that both share keep."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

from operando.errors import OperandoError

from .blocks import over_blocks
from .counted_voxels import Array, kept_slices
from .layout import PLACES
from .phase_counts import Counted
from .subvolumes import sums

Floats = NDArray[np.float64]


def mixed(
    grey: xr.DataArray,
    mask: xr.DataArray | None,
    limits: Floats,
    levels: Floats,
    spread: Floats | None,
    *,
    boundary: int,
    margin: int,
    subvolumes: int,
) -> list[Counted]:
    """Return the voxels of each phase, where two phases share voxels in proportion to their grey level.

    Parameters
    ----------
    grey, mask
        Dims (..., z, y, x).
    limits, levels
        Thresholds between the phases and their levels, one row a volume.
    spread
        Standard uncertainties of the levels, one row a volume.
    boundary
        Number, from 1, of the boundary whose two phases mix.
    margin
        Voxels around those of other phases in which the two phases are not told apart: they are held to share them as
        they share the rest.

    Raises
    ------
    OperandoError
        If no voxel of a volume is left to mix.
    """
    near = None if limits.shape[-1] == 1 else _near_others(grey, limits, boundary - 1, margin)
    inside = mask if near is None else _both(~near, mask)
    within = sums(grey, inside, limits, subvolumes)
    beside = [0.0 * part for part in within] if near is None else sums(grey, _both(near, mask), limits, subvolumes)
    if not all(part[..., 0].any() for part in within):
        raise OperandoError(
            "tomo.fractions: expected voxels farther from other phases than 'margin' in every volume, got none; "
            "lower the margin, or look at thresholds and mask"
        )
    spreads = [None] * len(levels) if spread is None else list(spread)
    return [_one(*parts, boundary - 1) for parts in zip(within, beside, levels, spreads, strict=True)]


def _one(mixing: Floats, beside: Floats, level: Floats, spread: Floats | None, first: int) -> Counted:
    """Return the voxels of the phases of one volume, ``first`` and the next of which mix.

    What is beside the mixing voxels takes the ratio that those have in all; a part of the volume is given what it adds
    to that, so that the parts differ as ratios of sums do.
    """
    pair = slice(first, first + 2)
    shares, number = _shares(mixing, level, first), mixing[..., 0].sum(axis=-1)
    phases, rest = beside[..., 0].copy(), beside[..., pair, 0].sum(axis=-1)
    voxels = number + phases.sum(axis=-1)
    more, ratio = rest.sum() / max(number.sum(), 1), shares.sum(axis=(0, 1, 2)) / max(number.sum(), 1)
    phases[..., pair] = shares * (1 + more) + (rest - more * number)[..., np.newaxis] * ratio
    if spread is None:
        return Counted(phases, voxels, None, level)
    slope = phases[..., pair].sum(axis=(0, 1, 2)) / (level[first + 1] - level[first]) / max(voxels.sum(), 1)
    systematic = np.zeros(level.size)
    systematic[pair] = np.hypot(*(slope * spread[pair]))
    return Counted(phases, voxels, systematic, level)


def _shares(mixing: Floats, level: Floats, pair: int) -> Floats:
    """Return the voxels of the two phases (..., 2) from numbers and sums of levels (..., interval, 2)."""
    number, total = mixing[..., 0].sum(axis=-1), mixing[..., 1].sum(axis=-1)
    dark, bright = level[pair], level[pair + 1]
    both = np.stack([bright * number - total, total - dark * number], axis=-1)
    found: Floats = both / (bright - dark)
    return found


def _both(one: xr.DataArray, other: xr.DataArray | None) -> xr.DataArray:
    return one if other is None else (one & other).transpose(*one.dims)


def _near_others(grey: xr.DataArray, limits: Floats, pair: int, margin: int) -> xr.DataArray:
    """Return which voxels are of other phases than the two of a boundary, or within a margin of such."""
    leading = grey.dims[: grey.ndim - len(PLACES)]
    shape = [grey.sizes[name] for name in leading]
    others = xr.zeros_like(grey, dtype=bool)
    if pair > 0:
        others = others | (grey <= xr.DataArray(limits[:, pair - 1].reshape(shape), dims=leading))
    if pair + 1 < limits.shape[-1]:
        others = others | (grey > xr.DataArray(limits[:, pair + 1].reshape(shape), dims=leading))
    others = (others & kept_slices(grey)).transpose(*grey.dims)
    reach = tuple(min(margin, grey.sizes[name]) for name in PLACES)
    return over_blocks(_widened, others, margin=reach, dtype=bool, margin_voxels=margin)  # type: ignore[arg-type]


def _widened(block: Array, margin_voxels: int) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = ndimage.maximum_filter(block, 2 * margin_voxels + 1, mode="constant", cval=0)
    return found
