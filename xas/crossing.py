"""Where rows of numbers rise through a level, and how that depends on every number, on plain arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Located(NamedTuple):
    """A number of each row, NaN where there is none, and its derivative with respect to every point (row, point)."""

    value: Floats
    slopes: Floats


@compiled
def crossings(x: Floats, y: Floats, start: Floats, stop: Floats, level: float) -> tuple[Floats, Ints]:
    """Return where each row of ``y`` first rises through ``level`` within [start, stop]; NaN where it does not.

    By linear interpolation; also the point before, -1 where there is none.
    """
    found, points = np.full(y.shape[0], np.nan), np.full(y.shape[0], -1)
    for s in range(y.shape[0]):
        for i in range(x.size - 1):
            if x[i] < start[s] or x[i + 1] > stop[s]:
                continue
            if y[s, i] < level <= y[s, i + 1]:
                found[s] = x[i] + (level - y[s, i]) / (y[s, i + 1] - y[s, i]) * (x[i + 1] - x[i])
                points[s] = i
                break
    return found, points


def rises(x: Floats, y: Floats, start: Floats, stop: Floats, level: float) -> Located:
    """Return the energies of the crossings: dE/dy of the two points beside is -(1 - t)/slope and -t/slope."""
    found, points = crossings(x, y, start, stop, level)
    slopes = np.zeros(y.shape)
    rows = np.flatnonzero(points >= 0)
    before, after = points[rows], points[rows] + 1
    step = x[after] - x[before]
    # Between two readings at one energy the rise is vertical: their noise does not move it.
    with np.errstate(divide="ignore"):
        slope = (y[rows, after] - y[rows, before]) / step
    part = np.divide(found[rows] - x[before], step, out=np.zeros(rows.size), where=step > 0)
    slopes[rows, before], slopes[rows, after] = -(1 - part) / slope, -part / slope
    return Located(found, slopes)
