"""Cubic splines of volumes by short filters: what a voxel gets depends on its neighborhood alone, not on blocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Singles = NDArray[np.float32]

REACH = 11
"""Voxels after which a cubic spline has forgotten an edge: 0.268^12 = 1e-7."""
_POLE = np.sqrt(3) - 2


def _filters() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the filter to the coefficients of a spline, and the one to its slopes at the voxels' middles."""
    direct = _POLE ** np.abs(np.arange(-REACH, REACH + 1))
    direct = direct / direct.sum()
    return direct, np.convolve(direct, [-0.5, 0.0, 0.5][::-1])


_DIRECT, _SLOPE = _filters()


def coefficients(values: Singles) -> Singles:
    """Return the coefficients of the cubic B-spline through values (z, y, x), mirrored at the faces."""
    from scipy import ndimage

    for axis in range(3):
        values = ndimage.correlate1d(values, _DIRECT, axis=axis, mode="mirror")
    return values


def slopes(values: Singles) -> Singles:
    """Return the slopes along z, y, x of the cubic spline through values (z, y, x) at the middles of the voxels."""
    from scipy import ndimage

    return np.array([ndimage.convolve1d(values, _SLOPE, axis=axis, mode="mirror") for axis in range(3)])
