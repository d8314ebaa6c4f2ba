"""Projections divided by the beam: dark and flat images, and pixels that cannot be trusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]


def flat_shares(before: NDArray[np.integer] | None, flats: int, projections: NDArray[np.integer]) -> Floats:
    """Return what each flat counts for each projection, dims (projection, flat); rows add up to 1.

    The mean of all flats where it is not known when they were taken. Otherwise flats taken at one time are averaged,
    and between two times interpolated linearly; before the first and after the last the nearest counts.

    Parameters
    ----------
    before
        How many projections had been taken before each flat.
    flats
        How many there are.
    projections
        The number of each projection, from 0.
    """
    if before is None:
        return np.full((projections.size, flats), 1 / flats)
    times, group = np.unique(before, return_inverse=True)
    middle = projections + 0.5
    of_group = np.array([np.interp(middle, times, row) for row in np.eye(times.size)]).T
    found: Floats = (of_group / np.bincount(group))[:, group]
    return found


def transmission(
    projections: NDArray[np.generic], flat: NDArray[np.generic], dark: NDArray[np.generic], *, shares: Floats
) -> Singles:
    """Return (projection - dark)/(flat - dark) of a block of frames.

    Pixels that are saturated, not finite, without beam (flat no higher than dark) or without light (projection no
    higher than dark) are interpolated along x within their row; a row without a pixel to trust is NaN.

    Parameters
    ----------
    projections
        Dims (angle, y, x).
    flat, dark
        Dims (frame, y, x).
    shares
        What each flat counts, dims (angle, frame).
    """
    nothing: Singles = dark.astype(np.float32).mean(axis=0) if len(dark) else np.zeros(flat.shape[1:], np.float32)
    light = flat.astype(np.float32)
    weights = shares.astype(np.float32)
    if np.ptp(shares, axis=0).max(initial=0) == 0:
        beam = np.einsum("f,fyx->yx", weights[0], light)[np.newaxis] - nothing
    else:
        beam = np.einsum("af,fyx->ayx", weights, light) - nothing
    seen: Singles = projections.astype(np.float32) - nothing
    with np.errstate(divide="ignore", invalid="ignore"):
        share = seen / beam
    lost = ~(np.isfinite(share) & (seen > 0) & (beam > 0))
    if projections.dtype.kind in "iu":
        lost |= projections == np.iinfo(projections.dtype.str).max
    return _bridged(share, lost)


def attenuation(transmitted: Singles) -> Singles:
    """Return -ln of a transmission: the attenuation along the ray. Rows that are lost in one projection are bridged.

    They are interpolated between the projections before and after, dims (angle, y, x).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        found = -np.log(transmitted)
    lost = ~np.isfinite(found)
    if lost.any():
        found = np.moveaxis(_bridged(np.moveaxis(found, 0, -1), np.moveaxis(lost, 0, -1)), -1, 0)
    return found


def _bridged(values: Singles, lost: NDArray[np.bool_]) -> Singles:
    """Return values with those lost interpolated along the last axis."""
    at = np.arange(values.shape[-1])
    for index in zip(*np.nonzero(lost.any(axis=-1)), strict=True):
        gone = lost[index]
        values[index][gone] = np.nan if gone.all() else np.interp(at[gone], at[~gone], values[index][~gone])
    return values
