"""How noisy single points are, and what their noise makes of the numbers found from them, on plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

from .normalization_kernels import APART

Floats = NDArray[np.float64]

_REACH = 3
_NOISE_WINDOW = (-50.0, 100.0)
_ENOUGH = 5


@dataclass(frozen=True)
class Noise:
    """The noise of normalized spectra, row by row.

    ``sides`` (row, side, 2) are height and variance of the points below and above the edge, of which the variance is
    linear in the height; ``e0`` (row), ``covariance`` (row, 3, 3) and ``post_edge_gain`` (row) what the normalization
    says of its fits.
    """

    sides: Floats
    e0: Floats
    covariance: Floats
    post_edge_gain: Floats

    def variance(self, heights: Floats) -> Floats:
        """Return the variance of one point at heights (row, point), but never below that of the quieter side."""
        (y0, v0), (y1, v1) = self.sides[:, 0].T[:, :, None], self.sides[:, 1].T[:, :, None]
        distance = np.where(y1 > y0, y1 - y0, 1.0)
        line: Floats = v0 + (v1 - v0) * (heights - y0) / distance
        above: Floats = np.maximum(line, np.minimum(v0, v1))
        return above

    def std(self, x: Floats, y: Floats, slopes: Floats) -> Floats:
        """Return the standard uncertainty of a number that changes by ``slopes`` (row, point) with each point.

        With w the slopes, v the variance of a point, C the covariance of the fits and g the post-edge gain,
        sum_i w_i^2 v(y_i) + a C a v(0) + (2 g sum_i w_i y_i)^2 v(1), where a are the number's derivatives with respect
        to the pre-edge at e0, to that 10 eV above, and to the edge step.
        """
        used = slopes != 0
        weights, heights = np.where(used, slopes, 0.0), np.where(used, y, 0.0)
        part = np.where(used, (x - np.nan_to_num(self.e0)[:, None]) / APART, 0.0)
        scaled = -(weights * heights).sum(axis=1)
        fits = np.stack([-(weights * (1 - part)).sum(axis=1), -(weights * part).sum(axis=1), scaled], axis=1)
        ends = self.variance(np.broadcast_to([0.0, 1.0], (len(y), 2)))
        variance = (weights**2 * self.variance(heights)).sum(axis=1)
        variance += np.einsum("ri,rij,rj->r", fits, self.covariance, fits) * ends[:, 0]
        variance += (2 * self.post_edge_gain * scaled) ** 2 * ends[:, 1]
        std: Floats = np.sqrt(variance)
        return std


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


def noise_sides(x: Floats, y: Floats, center: Floats, level: float, given: Floats) -> Floats:
    """Return height and variance of a point of each row below ``level`` and above (row, side, 2).

    The variance is that ``given`` as a standard deviation, else what the points near ``center`` differ by from a smooth
    curve; NaN where fewer than 10 points can be judged, one variance for both sides where a side has fewer than 5.
    """
    sides = np.full((len(y), 2, 2), np.nan)
    known = np.isfinite(given)
    sides[known] = np.stack([np.stack([given * 0, given**2], -1), np.stack([given * 0 + 1, given**2], -1)], 1)[known]
    if x.size <= 2 * _REACH or np.diff(x).min() <= 0:
        x, y = _distinct(x, y)
    if x.size <= 2 * _REACH or known.all():
        return sides
    rough, middle, inner = residuals(y, _interpolation_weights(x)), x[_REACH:-_REACH], y[:, _REACH:-_REACH]
    for value in np.unique(center[np.isfinite(center) & ~known]):
        near = np.flatnonzero((middle >= value + _NOISE_WINDOW[0]) & (middle <= value + _NOISE_WINDOW[1]))
        rows = np.flatnonzero((center == value) & ~known)
        if near.size >= 2 * _ENOUGH:
            chosen = np.ix_(rows, near)
            sides[rows] = side_medians(inner[chosen], rough[chosen], level)
    return sides


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
