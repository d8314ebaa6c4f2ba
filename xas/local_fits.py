"""Cubics fitted around every energy: where a spectrum is highest, or rises most steeply. Plain arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

from .combination_kernels import cholesky_solved
from .crossing import Located

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ENOUGH = 6
_TERMS = 4
_HALVINGS = 50
_SMALL = 1e-3


@compiled
def local_weights(x: Floats, center: float, half_width: float, out: Floats) -> int:
    """Write the weights (term, point) that give the coefficients of a cubic in E - ``center``; return its points.

    The fit is weighted by (1 - u^2)^3, u = (E - center)/half_width, and knows nothing beyond |u| < 1. Too few points,
    or fewer than two on either side, count as none.
    """
    out[:] = 0.0
    first = np.searchsorted(x, center - half_width, side="right")
    last = np.searchsorted(x, center + half_width, side="left")
    below = np.searchsorted(x, center) - first
    if last - first < ENOUGH or min(below, last - first - below) < 2:
        return 0
    moments = np.zeros(2 * _TERMS - 1)
    for i in range(first, last):
        u = (x[i] - center) / half_width
        power = (1.0 - u * u) ** 3
        for k in range(2 * _TERMS - 1):
            moments[k] += power
            power *= u
    matrix = np.empty((_TERMS, _TERMS))
    inverse = np.zeros((_TERMS, _TERMS))
    for k in range(_TERMS):
        inverse[k, k] = 1.0
        for m in range(_TERMS):
            matrix[k, m] = moments[k + m]
    cholesky_solved(matrix, inverse)
    for i in range(first, last):
        u = (x[i] - center) / half_width
        weight = (1.0 - u * u) ** 3
        for k in range(_TERMS):
            value, power = 0.0, weight
            for m in range(_TERMS):
                value += inverse[k, m] * power
                power *= u
            out[k, i] = value / half_width**k
    return int(last - first)


@compiled
def local_term(x: Floats, y: Floats, window: tuple[float, float], term: int) -> float:
    """Return one coefficient of the cubic in a window (center, half width); NaN where it cannot be fitted."""
    weights = np.empty((_TERMS, x.size))
    if local_weights(x, window[0], window[1], weights) == 0:
        return np.nan
    total = 0.0
    for i in range(x.size):
        total += weights[term, i] * y[i]
    return total


@compiled
def local_curves(x: Floats, span: tuple[float, float], half_width: float, term: int) -> tuple[Floats, Ints]:
    """Return the weights of a coefficient and of the one before it at the points within a span, and those points.

    Dims of the weights: (coefficient, place, point). Places where no cubic can be fitted are left out.
    """
    first, last = np.searchsorted(x, span[0]), np.searchsorted(x, span[1], side="right")
    places = np.empty(max(int(last) - int(first), 0), np.int64)
    curves, weights, count = np.empty((2, places.size, x.size)), np.empty((_TERMS, x.size)), 0
    for i in range(first, last):
        if local_weights(x, x[i], half_width, weights) > 0:
            curves[0, count], curves[1, count], places[count] = weights[term - 1], weights[term], i
            count += 1
    return curves[:, :count].copy(), places[:count].copy()


@compiled
def falling(y: Floats, curves: Floats, places: Ints, ends: tuple[int, int, int, int]) -> int:
    """Return the point below which a coefficient has fallen through zero where the one before it is largest; -1: none.

    Only neighboring places from the point ``ends[0]`` to before ``ends[1]`` count, and those from ``ends[2]`` to before
    ``ends[3]`` must all be there: else the place sought may be missing.
    """
    found, best, last = -1, -np.inf, -2
    if np.searchsorted(places, ends[3]) - np.searchsorted(places, ends[2]) < max(ends[3] - ends[2], 1):
        return found
    before, sloping = 0.0, 0.0
    for k in range(places.size):
        if places[k] < ends[0] or places[k] >= ends[1]:
            continue
        height, slope = 0.0, 0.0
        for j in range(y.size):
            height += curves[0, k, j] * y[j]
            slope += curves[1, k, j] * y[j]
        if places[k] == last + 1 and sloping > 0.0 >= slope and max(before, height) > best:
            found, best = places[k], max(before, height)
        before, sloping, last = height, slope, places[k]
    return found


@compiled
def turning_points(x: Floats, y: Floats, spans: tuple[Floats, Floats, Floats], half_width: float, term: int) -> Floats:
    """Return where a coefficient falls through zero within each row's span while the one before it is largest.

    The first coefficient does at a maximum, the second where the spectrum rises most steeply. NaN where none does, or
    where the points are too sparse around the third energy of a span.
    """
    start, stop, home = spans
    found = np.full(y.shape[0], np.nan)
    curves, places = local_curves(x, (start.min(), stop.max()), half_width, term)
    for s in range(y.shape[0]):
        ends = (np.searchsorted(x, start[s]), np.searchsorted(x, stop[s], side="right"))
        low = max(np.searchsorted(x, home[s] - half_width), ends[0])
        high = min(np.searchsorted(x, home[s] + half_width, side="right"), ends[1])
        at = falling(y[s], curves, places, (ends[0], ends[1], low, high))
        if at > 0:
            left, right = x[at - 1], x[at]
            for _ in range(_HALVINGS):
                middle = 0.5 * (left + right)
                if local_term(x, y[s], (middle, half_width), term) > 0.0:
                    left = middle
                else:
                    right = middle
            found[s] = 0.5 * (left + right)
    return found


def turned(
    x: Floats, y: Floats, spans: tuple[Floats, Floats, Floats], half_width: float, term: int
) -> tuple[Located, Located]:
    """Return the turning points of :func:`turning_points` and, there, the coefficient before, with their slopes.

    dE/dy = -w/c' for the weights w of the coefficient c that is zero there; the one before is stationary but for its
    own weights, which hold since the coefficients are nearly each other's derivatives.
    """
    found = np.full(len(y), np.nan)
    start, stop, home = spans
    wanted = np.flatnonzero(np.isfinite(start) & np.isfinite(stop) & np.isfinite(home))
    if wanted.size:
        own = (start[wanted], stop[wanted], home[wanted])
        found[wanted] = turning_points(x, y[wanted], own, half_width, term)
    place, height, value = np.zeros(y.shape), np.zeros(y.shape), np.full(len(y), np.nan)
    weights = np.empty((_TERMS, x.size))
    for s in np.flatnonzero(np.isfinite(found)):
        step = _SMALL * half_width
        ends = [local_term(x, y[s], (found[s] + by, half_width), term) for by in (-step, step)]
        local_weights(x, found[s], half_width, weights)
        place[s] = -weights[term] * 2 * step / (ends[1] - ends[0])
        height[s], value[s] = weights[term - 1], weights[term - 1] @ y[s]
    return Located(found, place), Located(value, height)
