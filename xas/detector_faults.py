"""What is wrong with a detector's reading, point by point: kernels that know numbers only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]

_PLATEAU, _ROUGH = 3, 4.0
_BESIDE = 3
OFF_DECADE = 0.15
"""How far a decimal logarithm may be from a whole number for a change of gain."""
_CALM = 0.1
_SIDE = 5


@compiled
def clipped(rows: Floats, full_scale: float) -> Marks:
    """Return where readings are cut off: beyond the full scale, or on a plateau at the value farthest from zero.

    A plateau is three equal points or more that are left by steps of four units of the last digit or more: a smooth
    maximum of rounded numbers is none.
    """
    out = np.zeros(rows.shape, np.bool_)
    for s in range(rows.shape[0]):
        y, points = np.abs(rows[s]), np.flatnonzero(np.isfinite(rows[s]))
        top, digit = 0.0, np.inf
        for k in range(points.size):
            top = max(top, y[points[k]])
            out[s, points[k]] = y[points[k]] >= full_scale
            step = abs(y[points[k]] - y[points[k - 1]]) if k else 0.0
            if step > 0:
                digit = min(digit, step)
        start = 0
        while start < points.size and top > 0:
            stop = start
            while stop < points.size and y[points[stop]] == top:
                stop += 1
            into = top - y[points[start - 1]] if start > 0 else np.inf
            away = top - y[points[stop]] if stop < points.size else np.inf
            if stop - start >= _PLATEAU and np.isfinite(digit) and min(into, away) >= _ROUGH * digit:
                out[s, points[start:stop]] = True
            start = max(stop, start + 1)
    return out


@compiled
def constant(rows: Floats) -> Marks:
    """Return which rows have the same value at all their finite points, or none."""
    out = np.zeros(rows.shape[0], np.bool_)
    for s in range(rows.shape[0]):
        low, high = np.inf, -np.inf
        for value in rows[s]:
            if np.isfinite(value):
                low, high = min(low, value), max(high, value)
        out[s] = low >= high
    return out


@compiled
def decade_steps(rows: Floats) -> Marks:
    """Return the points from which on a positive reading is 10, 100 ... times larger or smaller than before.

    The factor is a power of ten times 0.7 to 1.4, and no other step within three points exceeds a quarter.
    """
    out = np.zeros(rows.shape, np.bool_)
    for s in range(rows.shape[0]):
        points = np.flatnonzero(rows[s] > 0)
        y = np.log10(rows[s][points])
        for i in range(_BESIDE, points.size - _BESIDE + 1):
            jump = y[i] - y[i - 1]
            if not is_decade(jump):
                continue
            calm = True
            for k in range(i - _BESIDE + 1, i + _BESIDE):
                if k != i and abs(y[k] - y[k - 1]) > _CALM:
                    calm = False
            out[s, points[i]] = calm
    return out


@compiled
def is_decade(jump: float) -> bool:
    """Whether a decimal logarithm is about a whole number other than zero."""
    return bool(np.round(jump) != 0 and abs(jump - np.round(jump)) <= OFF_DECADE)


@compiled
def level_changes(levels: Floats) -> Marks:
    """Return which levels of each row are about 10, 100 ... times larger or smaller than the last one known."""
    out = np.zeros(levels.shape, np.bool_)
    for s in range(levels.shape[0]):
        last = np.nan
        for k in range(levels.shape[1]):
            level = levels[s, k]
            if level > 0:
                out[s, k] = last > 0 and is_decade(np.log10(level / last))
                last = level
    return out


@compiled
def median_where(rows: Floats, wanted: Marks) -> Floats:
    """Return the median of the finite values of each row among the points wanted; NaN where there is none."""
    out = np.full(rows.shape[0], np.nan)
    for s in range(rows.shape[0]):
        values = rows[s][wanted & np.isfinite(rows[s])]
        if values.size:
            out[s] = np.median(values)
    return out


@compiled
def largest_step(rows: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return the largest lasting step of each row, relative to the reading before it, and the point behind it.

    A step counts with what is abrupt (from one point to the next) and lasts (from the median of five points to that
    of the next five), whichever is less. 0 and -1 where there is none.
    """
    steps, places = np.zeros(rows.shape[0]), np.full(rows.shape[0], -1)
    for s in range(rows.shape[0]):
        points = np.flatnonzero(rows[s] > 0)
        y = np.log(rows[s][points])
        for i in range(_SIDE, points.size - _SIDE + 1):
            abrupt = y[i] - y[i - 1]
            if abs(abrupt) <= abs(steps[s]):
                continue
            lasting = np.median(y[i : i + _SIDE]) - np.median(y[i - _SIDE : i])
            least = min(abs(abrupt), abs(lasting)) if abrupt * lasting > 0 else 0.0
            if least > abs(steps[s]):
                steps[s], places[s] = np.sign(abrupt) * least, points[i]
    return np.expm1(steps), places
