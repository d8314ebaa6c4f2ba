"""Areas under rows of numbers, from any energy to any other, on plain arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

Floats = NDArray[np.float64]


@compiled
def area_weights(x: Floats, start: Floats, stop: Floats) -> Floats:
    """Return, for each row, the weights with which the points add up to the integral from ``start`` to ``stop``.

    Between the points the numbers are taken as linear. NaN where the limits do not lie within the points, or fall.
    """
    out = np.zeros((start.size, x.size))
    for s in range(start.size):
        if not (x[0] <= start[s] <= stop[s] <= x[-1]):
            out[s] = np.nan
            continue
        for i in range(x.size - 1):
            low, high = max(x[i], start[s]), min(x[i + 1], stop[s])
            if high > low:
                middle = ((low + high) / 2 - x[i]) / (x[i + 1] - x[i])
                out[s, i] += (1 - middle) * (high - low)
                out[s, i + 1] += middle * (high - low)
    return out


@compiled
def interpolated(x: Floats, y: Floats, at: Floats) -> Floats:
    """Return each row of ``y`` at its own energy, by linear interpolation; NaN outside."""
    out = np.full(at.size, np.nan)
    for s in range(at.size):
        if x[0] <= at[s] <= x[-1]:
            i = min(max(np.searchsorted(x, at[s]) - 1, 0), x.size - 2)
            part = (at[s] - x[i]) / (x[i + 1] - x[i]) if x[i + 1] > x[i] else 1.0
            out[s] = (1 - part) * y[s, i] + part * y[s, i + 1]
    return out
