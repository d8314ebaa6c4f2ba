"""How far images lie apart, pair by pair, and the places that agree with most pairs; on plain arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .fourier_band import Band, Complex, Floats

Ints = NDArray[np.int64]
_ROUNDS = 20
_TINY = 1e-30
_SHARPEST = 0.02
"""Least spread of the differences, px: below it all pairs count alike."""


def neighbors(count: int, reach: int, hub: int) -> Ints:
    """Return the pairs of images up to ``reach`` apart, and those of ``hub`` with every image."""
    near = {(i, j) for i in range(count) for j in range(i + 1, min(count, i + reach + 1))}
    every = {(min(i, hub), max(i, hub)) for i in range(count) if i != hub}
    return np.array(sorted(near | every), dtype=np.int64).reshape(-1, 2)


def pair_shifts(waves: Complex, band: Band, pairs: Ints, farthest: float) -> tuple[Floats, Floats]:
    """Return by how much the second image of each pair lies further on in y and x (px), and their correlation.

    The magnitude of the correlation is sought, so that images whose contrast is inverted match as well. Each wave
    counts with the square root of the product of its amplitudes: half way between correlation and phase correlation.
    """
    amplitude = np.sqrt(waves.real**2 + waves.imag**2)
    whitened = waves / np.sqrt(np.maximum(amplitude, _TINY))
    mirrored, power = np.conj(whitened), amplitude.sum(axis=1)
    grid = band.grid()
    steps = np.array(band.shape) / grid
    reach = np.minimum(farthest / steps, (np.array(grid) - 1) // 2).astype(int)
    near = np.ix_(*(np.arange(-far, far + 1) for far in reach))
    shifts, heights = np.empty((len(pairs), 2)), np.empty(len(pairs))
    for number, (i, j) in enumerate(pairs):
        correlation = np.abs(band.image(whitened[j] * mirrored[i], grid)[near])
        place, height = _peak(correlation)
        shifts[number] = (place - reach) * steps
        heights[number] = height * np.sqrt(grid[0] * grid[1] / 2) / max(np.sqrt(power[i] * power[j]), _TINY)
    return shifts, heights


def _peak(values: NDArray[np.float32]) -> tuple[Floats, float]:
    """Return place and height of the highest of values, by a parabola along each axis."""
    top = np.unravel_index(int(values.argmax()), values.shape)
    place = np.array(top, dtype=np.float64)
    for axis, size in enumerate(values.shape):
        line = np.take(values, top[1 - axis], axis=1 - axis)
        if 0 < top[axis] < size - 1:
            before, at, after = line[top[axis] - 1 : top[axis] + 2].tolist()
            bend = before - 2 * at + after
            place[axis] += 0.5 * (before - after) / bend if bend < 0 else 0.0
    return place, float(values[top])


def places(count: int, pairs: Ints, shifts: Floats, heights: Floats, tolerance: float) -> tuple[Floats, Floats]:
    """Return the place of each image, the mean of all at zero, and the share of its pairs that agree with it.

    Least squares over the pairs, weighted by the squares of their correlations; a pair that disagrees by r counts
    1/(1 + (r/2s)^2)^2 of that, s the median disagreement. A pair agrees within ``tolerance`` (px).
    """
    first, second = pairs.T
    weights, found = np.maximum(heights, 1e-3) ** 2, np.zeros((count, 2))
    robust = np.ones(len(pairs))
    for _ in range(_ROUNDS):
        normal, right = np.full((count, count), weights.mean() / count), np.zeros((count, 2))
        counting = weights * robust
        for rows, columns, sign in ((first, first, 1), (second, second, 1), (first, second, -1), (second, first, -1)):
            np.add.at(normal, (rows, columns), sign * counting)
        np.add.at(right, second, counting[:, None] * shifts)
        np.subtract.at(right, first, counting[:, None] * shifts)
        found = np.linalg.solve(normal, right)
        away = np.hypot(*(shifts - found[second] + found[first]).T)
        robust = 1 / (1 + (away / (2 * max(float(np.median(away)), _SHARPEST))) ** 2) ** 2
    agreeing = np.bincount(pairs.ravel(), np.repeat(away <= tolerance, 2), count)
    return found, agreeing / np.maximum(np.bincount(pairs.ravel(), minlength=count), 1)
