"""The channels of a multi-element detector: which are alike, and their sum; kernels that know numbers only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

from .detector_faults import constant

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]

LEAST_LIKENESS = 0.5
"""Below it a channel is taken to see something else than the others do."""
_LEAST_HEIGHT = 0.1
_FEWEST_CHANNELS, _FEWEST_POINTS = 3, 10
_CERTAIN = 10.0


@compiled
def likenesses(channels: Floats, alive: Marks) -> Floats:
    """Return how much the shape of each channel (scan, channel, point) is that of the others.

    The shape is the median over the channels alive, each over its own mean. A channel is a + s times it + the rest:
    the likeness is what it shares with the shape over all that varies in it beyond noise, 1 for the same shape
    whatever scale and background, 0 for none of it, negative for the inverse. A channel whose height over its level
    is below a tenth of the others' counts as if the missing part were something else. NaN where fewer than three
    channels are alive, or the noise, taken from the differences of neighbors, leaves the slope of a sound channel
    uncertain by more than a tenth.
    """
    scans, count, size = channels.shape
    out = np.full((scans, count), np.nan)
    for s in range(scans):
        live = np.flatnonzero(alive[s])
        known = np.ones(size, np.bool_)
        for c in live:
            known &= np.isfinite(channels[s, c])
        points = np.flatnonzero(known)
        if live.size < _FEWEST_CHANNELS or points.size < _FEWEST_POINTS:
            continue
        rows = np.empty((live.size, points.size))
        levels = np.empty(live.size)
        for i in range(live.size):
            row = channels[s, live[i]][points]
            levels[i] = np.mean(row)
            rows[i] = row / (levels[i] if levels[i] != 0 else np.nan)
        shape = np.empty(points.size)
        for k in range(points.size):
            shape[k] = np.nanmedian(rows[:, k])
        shape -= np.mean(shape)
        spread = np.mean(shape**2)
        height = np.sqrt(np.maximum(spread - np.mean((shape[1:] - shape[:-1]) ** 2) / 2, 0.0))
        for i in range(live.size):
            if levels[i] == 0 or height == 0:
                continue
            slope = np.mean(rows[i] * shape) / spread
            rest = rows[i] - 1 - slope * shape
            noise = np.mean((rest[1:] - rest[:-1]) ** 2) / 2
            if noise * _CERTAIN**2 >= height**2 * points.size:
                continue
            shared, other = slope * height, np.maximum(np.mean(rest**2) - noise, 0.0)
            out[s, live[i]] = shared / np.maximum(np.sqrt(shared**2 + other), _LEAST_HEIGHT * height)
    return out


def summed(  # noqa: PLR0917
    counts: Floats, factor: Floats, weights: Floats, wanted: Marks, find_dead: bool, counting: str
) -> tuple[Floats, Floats, Floats]:
    """Return the sum of channels (..., channel, point), its standard deviation from counting, and which channels count.

    ``counting`` is "yes", "no", or "whole": if all numbers of a scan are whole.
    """
    shape = counts.shape
    n, f = counts.reshape(-1, *shape[-2:]), np.broadcast_to(factor, shape).reshape(-1, *shape[-2:])
    used = np.broadcast_to(wanted, n.shape[:2]).copy()
    with np.errstate(invalid="ignore", over="ignore"):
        true = n * f
        if find_dead:
            used &= ~constant(np.ascontiguousarray(n.reshape(-1, shape[-1]))).reshape(used.shape)
            used &= ~(likenesses(np.ascontiguousarray(true), used) < LEAST_LIKENESS)
        share = np.where(used, weights, 0.0)[..., None]
        taken = np.where(used[..., None], true, 0.0)
        total = (share * taken).sum(axis=1)
        variance = np.where(used[..., None], (share * f) ** 2 * np.clip(n, 0.0, None), 0.0).sum(axis=1)
        least = _mean_of_one(share, f, used)
    std = np.sqrt(np.maximum(variance, least))
    if counting != "yes":
        std[~_whole(n, used) if counting == "whole" else slice(None)] = np.nan
    none = ~used.any(axis=-1)
    total[none], std[none] = np.nan, np.nan
    outer = shape[:-2]
    return total.reshape(*outer, -1), std.reshape(*outer, -1), used.reshape(*outer, -1).astype(np.float64)


def _mean_of_one(share: Floats, factor: Floats, used: Marks) -> Floats:
    """Return the variance of one count, which a sum of none has at least."""
    each = np.where(used[..., None], (share * factor) ** 2, 0.0)
    mean: Floats = each.sum(axis=1) / np.maximum(used.sum(axis=1), 1)[:, None]
    return mean


def _whole(counts: Floats, used: Marks) -> Any:
    """Return the scans whose used channels hold numbers of events: whole, none negative."""
    odd = np.isfinite(counts) & ((counts < 0) | (counts != np.floor(counts)))
    return ~(odd & used[..., None]).any(axis=(1, 2))
