"""Kernels of curve resolution: shares row by row under bounds, profiles with one maximum, errors of the shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

from .combination_kernels import bounded_solution, influence, sandwich, tangents

Floats = NDArray[np.float64]


@compiled
def solve_rows(right: Floats, gram: Floats, limits: tuple[float, float], held: Floats, out: Floats) -> None:
    """Fill every row of ``out`` with the values of least squares within ``limits``.

    ``right`` holds the products of the data with the curves and ``gram`` those of the curves; ``limits`` are the lowest
    value and what the values add up to, NaN if they need not. Those that are finite in ``held`` (rows as in ``out``, or
    none) stay as they are.
    """
    count, (least, total) = gram.shape[0], limits
    low, high = np.full(count, least), np.full(count, np.inf)
    for i in range(right.shape[0]):
        if held.shape[0] > 0:
            for k in range(count):
                known = np.isfinite(held[i, k])
                low[k], high[k] = (held[i, k], held[i, k]) if known else (least, np.inf)
        out[i] = bounded_solution(gram, right[i], (low, high, total), count)[0]


@compiled
def _rising(values: Floats, error: Floats, rise: Floats) -> None:
    """Fill ``rise`` with the never falling values nearest to ``values``, ``error`` with what each beginning costs."""
    mean, weight, square = np.empty(values.size), np.empty(values.size), np.empty(values.size)
    blocks, cost = 0, 0.0
    for i in range(values.size):
        mean[blocks], weight[blocks], square[blocks] = values[i], 1.0, 0.0
        blocks += 1
        while blocks > 1 and mean[blocks - 2] > mean[blocks - 1]:
            one, two = weight[blocks - 2], weight[blocks - 1]
            cost -= square[blocks - 2] + square[blocks - 1]
            square[blocks - 2] += square[blocks - 1]
            square[blocks - 2] += (mean[blocks - 2] - mean[blocks - 1]) ** 2 * one * two / (one + two)
            mean[blocks - 2] = (one * mean[blocks - 2] + two * mean[blocks - 1]) / (one + two)
            weight[blocks - 2] = one + two
            blocks -= 1
            cost += square[blocks - 1]
        error[i] = cost
    at = 0
    for block in range(blocks):
        for _ in range(int(weight[block])):
            rise[at] = mean[block]
            at += 1


@compiled
def unimodal(values: Floats) -> Floats:
    """Return the profile that rises, then falls, nearest to ``values`` by least squares."""
    size = values.size
    rise, fall, ahead, behind = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    _rising(values, ahead, rise)
    _rising(values[::-1].copy(), behind, fall)
    best, top = behind[size - 1], 0
    for i in range(1, size + 1):
        cost = ahead[i - 1] + (behind[size - 1 - i] if i < size else 0.0)
        if cost < best:
            best, top = cost, i
    out = np.empty(size)
    if top > 0:
        _rising(values[:top], ahead[:top], rise[:top])
        out[:top] = rise[:top]
    if top < size:
        _rising(values[top:][::-1].copy(), behind[: size - top], fall[: size - top])
        out[top:] = fall[: size - top][::-1]
    return out


@compiled
def share_variances(data: Floats, curves: Floats, shares: Floats, limits: tuple[float, float], out: Floats) -> None:
    """Fill ``out`` with the variance of each row's shares from what they leave of the data; zero on the bound."""
    count, (least, total) = curves.shape[0], limits
    known, covariance, residual = np.zeros(count, np.bool_), np.empty((count, count)), np.empty(curves.shape[1])
    made, moves = tangents(curves, curves, shares[0], known, (total, count, False))
    pull, inflation = influence(made)
    for i in range(data.shape[0]):
        fixed = shares[i] <= least
        if (fixed != known).any():
            made, moves = tangents(curves, curves, shares[i], fixed, (total, count, False))
            pull, inflation = influence(made)
            known = fixed
        residual[:] = data[i]
        for k in range(count):
            for j in range(residual.size):
                residual[j] -= shares[i, k] * curves[k, j]
        sandwich(pull, moves[:, :count], residual * inflation, covariance)
        for k in range(count):
            out[i, k] = covariance[k, k]
