"""Where rows of numbers rise through a level, and how noisy they are, on plain arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

Floats = NDArray[np.float64]

_REACH = 3
_NOISE_WINDOW = (-50.0, 100.0)


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


def point_noise(x: Floats, y: Floats, center: Floats) -> Floats:
    """Return the standard deviation of one point of each row, from what is not smooth near ``center``.

    NaN where fewer than 5 points can be judged.
    """
    if x.size <= 2 * _REACH or np.diff(x).min() <= 0:
        x, y = _distinct(x, y)
    noise = np.full(len(y), np.nan)
    if x.size <= 2 * _REACH:
        return noise
    rough = residuals(y, _interpolation_weights(x))
    middle = x[_REACH:-_REACH]
    for value in np.unique(center[np.isfinite(center)]):
        near = (middle >= value + _NOISE_WINDOW[0]) & (middle <= value + _NOISE_WINDOW[1])
        rows = np.flatnonzero(center == value)
        if near.sum() >= 5:
            noise[rows] = 1.4826 * np.median(rough[np.ix_(rows, np.flatnonzero(near))], axis=1)
    return noise


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
