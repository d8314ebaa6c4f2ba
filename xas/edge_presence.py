"""Whether spectra hold an edge at all, on plain arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .edge_finding import finite_grids

Floats = NDArray[np.float64]

_DEGREE = 3
_OVER_NOISE, _OVER_CURVATURE = 15.0, 0.5
_NORMAL = 1.4826
_FEWEST = 8


def without_edge(mu: Floats, *, energy: Floats) -> NDArray[np.bool_]:
    """Return which spectra (last axis) a cubic polynomial describes.

    It leaves less than 15 times the noise of a point, or less than half of what a straight line leaves. The noise is
    1.4826 times the median distance of a point to the line through its neighbors, scaled to one point.
    """
    rows = np.ascontiguousarray(mu, dtype=np.float64).reshape(-1, mu.shape[-1])
    smooth = np.ones(len(rows), np.bool_)
    for chosen, points in finite_grids(energy, rows):
        x = energy[points]
        if points.size >= _FEWEST and x[-1] > x[0]:
            y = rows[np.ix_(chosen, points)]
            with np.errstate(over="ignore"):
                cubic, line = (_left_over(x, y, degree) for degree in (_DEGREE, 1))
            smooth[chosen] = (cubic <= _OVER_NOISE * _noise(x, y)) | (cubic <= _OVER_CURVATURE * line)
    return smooth.reshape(mu.shape[:-1])


def _left_over(x: Floats, y: Floats, degree: int) -> Floats:
    """Return the standard deviation of each row about the polynomial that fits it best."""
    scaled = 2 * (x - x[0]) / (x[-1] - x[0]) - 1
    basis, _ = np.linalg.qr(np.polynomial.legendre.legvander(scaled, degree))
    spread: Floats = (y - (y @ basis) @ basis.T).std(axis=1)
    return spread


def _noise(x: Floats, y: Floats) -> Floats:
    width = np.where(x[2:] > x[:-2], x[2:] - x[:-2], 1.0)
    part = (x[1:-1] - x[:-2]) / width
    off = y[:, 1:-1] - (1 - part) * y[:, :-2] - part * y[:, 2:]
    noise: Floats = _NORMAL * np.median(np.abs(off) / np.sqrt(1 + part**2 + (1 - part) ** 2), axis=1)
    return noise
