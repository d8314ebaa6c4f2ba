"""Kernels of the backgrounds: the iteration of Shirley's, the loss functions of Tougaard's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ITERATIONS = 100
CHANGE = 1e-8
"""Change of the background between iterations, in parts of its height, that counts as none."""


@compiled
def weights(x: Floats) -> Floats:
    """Return the weights of the trapezoid rule at ascending ``x``."""
    out = np.zeros(x.size)
    for i in range(1, x.size):
        half = (x[i] - x[i - 1]) / 2
        out[i - 1] += half
        out[i] += half
    return out


@compiled
def shirley_row(x: Floats, y: Floats, ends: tuple[float, float], out: Floats) -> int:
    """Write Shirley's background of one spectrum between its two end levels; return the iterations, 0 if in vain."""
    low, high = ends
    n, step = x.size, high - low
    total = np.zeros(n)
    out[:] = low
    for iteration in range(1, ITERATIONS + 1):
        for i in range(1, n):
            area = (y[i] - out[i] + y[i - 1] - out[i - 1]) * (x[i] - x[i - 1]) / 2
            total[i] = total[i - 1] + area
        if not total[n - 1] > 0:
            break
        change = 0.0
        for i in range(n):
            value = low + step * total[i] / total[n - 1]
            change = max(change, abs(value - out[i]))
            out[i] = value
        if change <= CHANGE * abs(step):
            return iteration
    out[:] = np.nan
    return 0


@compiled
def shirley_rows(x: Floats, y: Floats, average: int, out: Floats, iterations: Ints) -> None:
    """Write the backgrounds of the rows of ``y``; each end level is the mean of ``average`` points."""
    for s in range(y.shape[0]):
        low, high = 0.0, 0.0
        for i in range(average):
            low += y[s, i] / average
            high += y[s, y.shape[1] - 1 - i] / average
        iterations[s] = shirley_row(x, y[s], (low, high), out[s])


@compiled
def loss(t: float, c: float, c_prime: float, d: float, gap: float) -> float:
    """Return T / ((C + C' T^2)^2 + D T^2) for an energy loss above the gap, else 0."""
    if t <= 0 or t < gap:
        return 0.0
    square = t * t
    return t / ((c + c_prime * square) ** 2 + d * square)


@compiled
def loss_matrix(x: Floats, parameters: tuple[float, float, float, float]) -> Floats:
    """Return the matrix that convolves values at ascending ``x`` with a loss function, by the trapezoid rule."""
    c, c_prime, d, gap = parameters
    n = x.size
    step = weights(x)
    out = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            out[i, j] = loss(x[i] - x[j], c, c_prime, d, gap) * step[j]
    return out
