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
_TALL = 1.5
_ROUNDS = 4


@dataclass(frozen=True)
class Noise:
    """The noise of normalized spectra, row by row.

    ``sides`` (row, 2, 2) are height and variance of the lowest points and of the highest, between which the variance
    is linear in the height; ``e0`` (row), ``covariance`` (row, 3, 3) and ``post_edge_gain`` (row) what the
    normalization says of its fits. ``known`` (row, point) is the variance of each point, NaN where it is not known.
    """

    sides: Floats
    e0: Floats
    covariance: Floats
    post_edge_gain: Floats
    known: Floats

    def variance(self, heights: Floats) -> Floats:
        """Return the variance of one point at heights (row, point), but never below that of the quieter side."""
        (y0, v0), (y1, v1) = (self.sides[:, k].T[:, :, None] for k in range(2))
        line = v0 + (v1 - v0) * (heights - y0) / np.where(y1 > y0, y1 - y0, 1.0)
        return np.asarray(np.maximum(line, np.minimum(v0, v1)))

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
        of_points = np.where(np.isfinite(self.known), self.known, self.variance(heights))
        variance = (weights**2 * of_points).sum(axis=1)
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
    """Return height and variance of the lowest and the highest points of each row (row, side, 2).

    The variance is that of the line through the variances ``given`` for points (row, point; NaN where it is not
    known), by their heights, else what the points near ``center`` differ by from a smooth curve; NaN where fewer than
    10 points can be judged.
    """
    sides = np.full((len(y), 2, 2), np.nan)
    known = np.isfinite(given).any(axis=1)
    sides[known] = _line_of(y[known], given[known])
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
            sides[rows] = lines_through(group_medians(inner[chosen], rough[chosen], level))
    return sides


def _line_of(heights: Floats, variances: Floats) -> Floats:
    """Return the ends (height, variance) of the line of least squares through the variances of points, row by row.

    Points without a variance are left out; each row has one that is known.
    """
    known = np.isfinite(variances)
    count, filled = known.sum(axis=1), np.where(known, variances, 0.0)
    y, v = np.where(known, heights, 0.0).sum(axis=1) / count, filled.sum(axis=1) / count
    off = np.where(known, heights - y[:, None], 0.0)
    spread = (off**2).sum(axis=1)
    slope = (off * filled).sum(axis=1) / np.where(spread > 0, spread, 1.0)
    ends = np.stack([heights.min(axis=1), heights.max(axis=1)], axis=1)
    line = v[:, None] + slope[:, None] * (ends - y[:, None])
    least = np.where(known, variances, np.inf).min(axis=1)
    return np.stack([ends, np.maximum(line, least[:, None])], axis=2)


@compiled
def group_medians(height: Floats, rough: Floats, level: float) -> Floats:
    """Return median height, variance and number of the points of each row below ``level``, up to 1.5, and above.

    The variance is (1.4826 median |residual|)^2. A group of fewer than 5 points, above 1.5 fewer than 10, counts with
    that before it; where the first is so small, all points are one group. Groups without points are zeros.
    """
    out = np.zeros((height.shape[0], 3, 3))
    for s in range(height.shape[0]):
        group = np.zeros(height.shape[1], np.int64)
        group[height[s] >= level] = 1
        group[height[s] > _TALL] = 2
        if (group == 2).sum() < 2 * _ENOUGH:
            group[group == 2] = 1
        if min((group == 0).sum(), (group == 1).sum()) < _ENOUGH:
            group[:] = 0
        for k in range(3):
            chosen = group == k
            if chosen.any():
                out[s, k, 0] = np.median(height[s][chosen])
                out[s, k, 1] = (1.4826 * np.median(rough[s][chosen])) ** 2
                out[s, k, 2] = chosen.sum()
    return out


@compiled
def lines_through(groups: Floats) -> Floats:
    """Return the ends (height, variance) of the line through the variances of each row's groups, by their heights.

    Each counts with its number of points over the square of its variance on the line.
    """
    out = np.empty((groups.shape[0], 2, 2))
    for s in range(groups.shape[0]):
        one = groups[s]
        line, least = one[:, 1].copy(), np.inf
        for k in range(one.shape[0]):
            least = min(least, one[k, 1]) if one[k, 2] > 0 else least
        for _ in range(_ROUNDS if least > 0.0 else 0):
            sums = np.zeros(5)
            for k in range(one.shape[0]):
                weight = one[k, 2] / (max(line[k], least) / least) ** 2
                sums += weight * np.array([1.0, one[k, 0], one[k, 0] ** 2, one[k, 1], one[k, 0] * one[k, 1]])
            spread = sums[0] * sums[2] - sums[1] ** 2
            slope = (sums[0] * sums[4] - sums[1] * sums[3]) / spread if spread > 1e-12 * sums[0] * sums[2] else 0.0
            for k in range(one.shape[0]):
                line[k] = (sums[3] - slope * sums[1]) / sums[0] + slope * one[k, 0]
        last = 2 if one[2, 2] > 0 else 1 if one[1, 2] > 0 else 0
        for side, k in enumerate((0, last)):
            out[s, side, 0], out[s, side, 1] = one[k, 0], max(line[k], least)
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
