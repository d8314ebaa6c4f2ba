"""Kernels that find the edge: the steepest point of a spectrum, plain and smoothed. They know numbers only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@compiled
def slope(y: Floats, x: Floats, out: Floats) -> None:
    """Write the ratio of the index gradients of ``y`` and ``x``; -1 where it is not finite."""
    last = y.size - 1
    out[0] = (y[1] - y[0]) / (x[1] - x[0])
    out[last] = (y[last] - y[last - 1]) / (x[last] - x[last - 1])
    for i in range(1, last):
        out[i] = (y[i + 1] - y[i - 1]) / (x[i + 1] - x[i - 1])
    for i in range(last + 1):
        if not np.isfinite(out[i]):
            out[i] = -1.0


@compiled
def count_above(scaled: Floats, limit: float) -> int:
    """Return how many values exceed ``limit``."""
    count = 0
    for value in scaled:
        if value > limit:
            count += 1
    return count


@compiled
def edge_margin(size: int) -> int:
    """Return how many points at either end of a scan are not searched."""
    return max(3, int(0.02 * size))


@compiled
def steepest(rate: Floats) -> int:
    """Return the index of the largest slope whose two neighbors are steep as well; 0 if there is none.

    ``rate`` is scaled in place by the range it has inside the margins. Steep is above 0.6 of that range (0.3 in
    scans of up to 20 points), a limit that is halved up to twice while fewer than 3 points pass it.
    """
    size = rate.size
    margin = edge_margin(size)
    low, high = rate[margin], rate[margin]
    for i in range(margin, size - margin):
        low = min(low, rate[i])
        high = max(high, rate[i])
    span = max(1e-10, high - low)
    for i in range(size):
        rate[i] = (rate[i] - low) / span
    limit = 0.6 if size > 20 else 0.3
    count = count_above(rate, limit)
    if count < 3:
        limit *= 0.5
        count = count_above(rate, limit)
        if count <= 3:
            limit *= 0.5
            count = count_above(rate, limit)
    if count < 3:
        limit = -np.inf
    best, best_rate = 0, 0.0
    for i in range(margin, size - margin + 1):
        if rate[i] > limit and rate[i] > best_rate and rate[i + 1] > limit and rate[i - 1] > limit:
            best, best_rate = i, rate[i]
    return best


@compiled
def steepest_points(mu: Floats, points: Ints, energy: Floats) -> Ints:
    """Return, for every row of ``mu`` taken at ``points``, the index of its steepest point."""
    found = np.empty(mu.shape[0], np.int64)
    size = points.size
    row, rate = np.empty(size), np.empty(size)
    for s in range(mu.shape[0]):
        for i in range(size):
            row[i] = mu[s, points[i]]
        slope(row, energy, rate)
        found[s] = steepest(rate)
    return found


@compiled
def steepest_smoothed_points(mu: Floats, rows: Ints, points: Ints, energy: Floats, operator: Floats) -> Ints:
    """Return the index of the steepest point of the smoothed slope of the chosen rows.

    ``operator[j, i]`` is the weight of slope ``j`` in the smoothed slope ``i``. The sums run in one fixed order, so
    that a spectrum gives the same bits alone and in any stack.
    """
    found = np.empty(rows.size, np.int64)
    size = points.size
    row, rate = np.empty(size), np.empty(size)
    for s in range(rows.size):
        for i in range(size):
            row[i] = mu[rows[s], points[i]]
        slope(row, energy, rate)
        row[:] = 0.0
        for j in range(size):
            weight = rate[j]
            for i in range(size):
                row[i] += weight * operator[j, i]
        for i in range(size):
            if not np.isfinite(row[i]):
                row[i] = -1.0
        found[s] = steepest(row)
    return found


@compiled
def smoothing_weights(x: Floats, grid: Floats) -> Floats:
    """Return the matrix, transposed, that smooths values given at ``x`` by a Lorentzian of one grid step.

    Three linear steps in one: interpolation onto the uniform ``grid`` (constant beyond its ends), convolution with
    1/(1 + lag^2) over a mirror image at either end, and interpolation back.
    """
    size, count = x.size, grid.size
    left, share = np.empty(count, np.int64), np.empty(count)
    at = 0
    for k in range(count):
        while at < size - 2 and x[at + 1] <= grid[k]:
            at += 1
        left[k] = at
        share[k] = min(1.0, max(0.0, (grid[k] - x[at]) / (x[at + 1] - x[at])))
    lorentzian = np.empty(2 * count)
    total = 0.0
    for m in range(2 * count):
        lorentzian[m] = 1.0 / (1.0 + (m - count) ** 2)
        total += lorentzian[m]
    operator = np.zeros((size, size))
    near, row, at = np.empty(count), np.empty(size), 0
    for i in range(size):
        while at < count - 2 and grid[at + 1] < x[i]:
            at += 1
        part = (x[i] - grid[at]) / (grid[at + 1] - grid[at])
        near[:] = 0.0
        for m in range(2 * count):
            weight = (1.0 - part) * lorentzian[2 * count - 1 - m]
            if m > 0:
                weight += part * lorentzian[2 * count - m]
            near[mirrored(at + m, count)] += weight
        near[mirrored(at + 2 * count, count)] += part * lorentzian[0]
        row[:] = 0.0
        for k in range(count):
            row[left[k]] += near[k] * (1.0 - share[k])
            row[left[k] + 1] += near[k] * share[k]
        for j in range(size):
            operator[j, i] = row[j] / total
    return operator


@compiled
def mirrored(position: int, count: int) -> int:
    """Return where a position of the padded signal (image, signal, image) lies in the signal of ``count`` points.

    The image before the signal leaves out its first point; the image after it repeats the last one.
    """
    if position < count - 1:
        return count - 1 - position
    if position < 2 * count - 1:
        return position - (count - 1)
    return 3 * count - 2 - position
