"""When a quantity starts to change: the change point of a series, from arrays, without labels.

The quantity is constant until then and afterwards a straight line (``ramp``) or another constant (``step``). Every
time is tried; what the rest of the model then leaves as chi-square weighs it. Mean, standard deviation and the middle
95 % of these weights are the onset, its error and its interval.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Shape = Literal["ramp", "step"]
SHAPES: tuple[Shape, ...] = ("ramp", "step")

FINE = 24
"""Times tried between two samples."""
LEAST = 6
"""Fewest samples in which a change can be found."""


class Rise(NamedTuple):
    """A change: when (s), its error, its interval, value before, slope or height after, gain in chi-square."""

    time: float
    std: float
    low: float
    high: float
    before: float
    change: float
    gain: float


def rise(time: Array, value: Array, noise: Array, shape: Shape) -> Rise | None:
    """Return the change in a quantity over ascending ``time``; None if it may be noise.

    A change counts when it takes more than ``10.8 + 2 ln n`` off chi-square: one in a thousand, and as many places to
    find it as samples. Where the model leaves more than the noise allows, the noise is taken to be that much larger.
    """
    if time.size < LEAST:
        return None
    tried = _tried(time)
    weight = 1 / noise**2
    left, before, change = _fits(time, value, weight, tried, shape)
    flat = float((weight * (value - np.average(value, weights=weight)) ** 2).sum())
    best = int(np.argmin(left))
    scale = max(1.0, float(left[best]) / (time.size - 3))
    gain = (flat - float(left[best])) / scale
    if gain <= 10.8 + 2 * np.log(time.size):
        return None
    share = np.exp(-0.5 * (left - left[best]) / scale) * np.gradient(tried)
    share /= share.sum()
    mean = float(share @ tried)
    std = float(np.sqrt(share @ (tried - mean) ** 2))
    low, high = np.interp([0.025, 0.975], np.cumsum(share) - 0.5 * share, tried)
    return Rise(mean, std, float(low), float(high), float(before[best]), float(change[best]), gain)


def _tried(time: Array) -> Array:
    """Return the times tried: several between all samples but those at the ends, which would fix nothing."""
    inner = time[1:-1]
    part = (np.arange(FINE) + 0.5) / FINE
    tried: Array = (inner[:-1, None] + np.diff(inner)[:, None] * part).ravel()
    return tried


def _fits(time: Array, value: Array, weight: Array, tried: Array, shape: Shape) -> tuple[Array, Array, Array]:
    """Return chi-square, value before and change after for every time tried, from sums over the samples after it."""
    center, middle = float(time.mean()), float(np.average(value, weights=weight))
    t, y, at = time - center, value - middle, tried - center
    after = np.searchsorted(t, at, side="right")

    def later(values: Array) -> Array:
        sums: Array = np.r_[np.cumsum(values[::-1])[::-1], 0.0][after]
        return sums

    w, wy = later(weight), later(weight * y)
    if shape == "ramp":
        wt, wtt, wty = later(weight * t), later(weight * t * t), later(weight * t * y)
        first, second, cross = wt - at * w, wtt - 2 * at * wt + at**2 * w, wty - at * wy
    else:
        first, second, cross = w, w, wy
    total, total_y, total_yy = weight.sum(), float((weight * y).sum()), float((weight * y * y).sum())
    det = total * second - first**2
    before = (second * total_y - first * cross) / det
    change = (total * cross - first * total_y) / det
    return total_yy - before * total_y - change * cross, before + middle, change
