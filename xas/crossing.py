"""Where rows of numbers rise through a level, and how noisy they are, on plain arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

Floats = NDArray[np.float64]

_REACH = 3
_NOISE_WINDOW = (-50.0, 100.0)
_ENOUGH = 5


@compiled
def crossings(x: Floats, y: Floats, start: Floats, stop: Floats, level: float) -> tuple[Floats, Floats, Floats]:
    """Return where each row of ``y`` first rises through ``level`` within [start, stop]; NaN where it does not.

    By linear interpolation; also the part of the way between its two points, and the slope there.
    """
    found, parts, slopes = np.full(y.shape[0], np.nan), np.full(y.shape[0], np.nan), np.full(y.shape[0], np.nan)
    for s in range(y.shape[0]):
        for i in range(x.size - 1):
            if x[i] < start[s] or x[i + 1] > stop[s]:
                continue
            if y[s, i] < level <= y[s, i + 1]:
                part = (level - y[s, i]) / (y[s, i + 1] - y[s, i])
                step = x[i + 1] - x[i]
                found[s], parts[s], slopes[s] = x[i] + part * step, part, (y[s, i + 1] - y[s, i]) / step
                break
    return found, parts, slopes


@compiled
def residuals(y: Floats, weights: Floats) -> Floats:
    """Return the weighted sum of each point and its neighbors, point by point but for the ends."""
    reach = weights.shape[1] // 2
    out = np.empty((y.shape[0], weights.shape[0]))
    for s in range(y.shape[0]):
        for i in range(weights.shape[0]):
            total = 0.0
            for k in range(2 * reach + 1):
                total += weights[i, k] * y[s, i + k]
            out[s, i] = abs(total)
    return out


def point_variance(x: Floats, y: Floats, center: Floats, heights: tuple[float, ...]) -> Floats:
    """Return the variance of one point of each row at several heights, from what is not smooth near ``center``.

    The points below the first height and those above it are judged apart, and the variance is taken as linear in the
    height between their medians and beyond. NaN where fewer than 10 points can be judged; one variance at all heights
    where a side has fewer than 5.
    """
    if x.size <= 2 * _REACH or np.diff(x).min() <= 0:
        x, y = _distinct(x, y)
    variance = np.full((len(y), len(heights)), np.nan)
    if x.size <= 2 * _REACH:
        return variance
    rough, middle, inner = residuals(y, _interpolation_weights(x)), x[_REACH:-_REACH], y[:, _REACH:-_REACH]
    for value in np.unique(center[np.isfinite(center)]):
        near = np.flatnonzero((middle >= value + _NOISE_WINDOW[0]) & (middle <= value + _NOISE_WINDOW[1]))
        rows = np.flatnonzero(center == value)
        if near.size >= 2 * _ENOUGH:
            chosen = np.ix_(rows, near)
            variance[rows] = _linear(side_medians(inner[chosen], rough[chosen], heights[0]), heights)
    return variance


@compiled
def side_medians(height: Floats, rough: Floats, level: float) -> Floats:
    """Return, for the points of each row below ``level`` and for the others: median height, variance.

    The variance is (1.4826 median |residual|)^2. Where a side has fewer than 5 points, both sides are all points.
    """
    out = np.empty((height.shape[0], 2, 2))
    for s in range(height.shape[0]):
        low = height[s] < level
        for side in range(2):
            chosen = low if side == 0 else ~low
            if min(low.sum(), low.size - low.sum()) < _ENOUGH:
                chosen = np.ones_like(low)
            out[s, side, 0] = np.median(height[s][chosen])
            out[s, side, 1] = (1.4826 * np.median(rough[s][chosen])) ** 2
    return out


def _linear(sides: Floats, heights: tuple[float, ...]) -> Floats:
    """Return the variance at each height on the line through both sides, but never below the smaller one."""
    (y0, v0), (y1, v1) = sides[:, 0].T[:, :, None], sides[:, 1].T[:, :, None]
    distance = np.where(y1 > y0, y1 - y0, 1.0)
    line: Floats = v0 + (v1 - v0) * (np.asarray(heights) - y0) / distance
    variance: Floats = np.maximum(line, np.minimum(v0, v1))
    return variance


def _distinct(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the first point at each energy."""
    values, first = np.unique(x, return_index=True)
    return values, np.ascontiguousarray(y[:, first])


def _interpolation_weights(x: Floats) -> Floats:
    """Return, for every inner point, the weights that give its distance to the polynomial through its neighbors.

    They are scaled to unit sum of squares, so that independent noise passes with its own standard deviation.
    """
    windows = np.lib.stride_tricks.sliding_window_view(x, 2 * _REACH + 1)
    offsets = windows - windows[:, [_REACH]]
    others = [k for k in range(2 * _REACH + 1) if k != _REACH]
    weights = np.ones_like(offsets)
    for k in others:
        for j in others:
            if j != k:
                weights[:, k] *= offsets[:, j] / (offsets[:, j] - offsets[:, k])
    weights[:, others] *= -1.0
    scale: Floats = np.sqrt((weights**2).sum(axis=1, keepdims=True))
    return weights / scale
