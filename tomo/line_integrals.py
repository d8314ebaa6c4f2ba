"""Integrals of a share of voxels along lines through them; kernels on arrays, lengths in voxels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

Floats = NDArray[np.float32]

_STEP = 0.5
_RISE = 0.3
_TAIL = 2.0
_OUTSIDE = -1e9


@compiled
def along_normals(
    share: Floats, places: NDArray[np.int64], normals: NDArray[np.float64], reach: float, lowest: float
) -> Floats:
    """Return the integral of a share along the normal through each place (z, y, x), both ways.

    Each way goes in steps of half a voxel, linear between voxels, and ends two voxels after the share has fallen below
    ``lowest``, or where it was least before it rises to another body, or
    after ``reach`` voxels, or at the face of the array.
    """
    found = np.empty(len(places), np.float32)
    for n in range(len(places)):
        start = np.float64(places[n, 0]), np.float64(places[n, 1]), np.float64(places[n, 2])
        here = np.float64(share[places[n, 0], places[n, 1], places[n, 2]])
        ends = here, reach, lowest
        total = here + _one_way(share, start, normals[n], ends) + _one_way(share, start, -normals[n], ends)
        found[n] = _STEP * total
    return found


@compiled
def _one_way(
    share: Floats,
    start: tuple[float, float, float],
    normal: NDArray[np.float64],
    ends: tuple[float, float, float],
) -> float:
    highest, reach, lowest = ends
    total, least, to_least, beyond = 0.0, highest, 0.0, 0.0
    for step in range(1, int(reach / _STEP) + 1):
        away = step * _STEP
        value = _between(share, start[0] + away * normal[0], start[1] + away * normal[1], start[2] + away * normal[2])
        if value == _OUTSIDE:
            return total
        if least < 0.5 * highest and value > least + _RISE * highest:
            return to_least
        total += value
        highest = max(highest, value)
        if value < least or value == highest:
            least, to_least = value, total
        beyond += _STEP if value < lowest else 0.0
        if beyond >= _TAIL:
            break
    return total


@compiled
def _between(share: Floats, z: float, y: float, x: float) -> float:
    """Return the share between eight voxels; ``_OUTSIDE`` beyond the outermost middles."""
    nz, ny, nx = share.shape
    if z < 0 or y < 0 or x < 0 or z > nz - 1 or y > ny - 1 or x > nx - 1:
        return _OUTSIDE
    i, j, k = int(z), int(y), int(x)
    below, right, back = min(i + 1, nz - 1), min(j + 1, ny - 1), min(k + 1, nx - 1)
    p, q, r = z - i, y - j, x - k
    near = (1 - q) * ((1 - r) * share[i, j, k] + r * share[i, j, back])
    near += q * ((1 - r) * share[i, right, k] + r * share[i, right, back])
    far = (1 - q) * ((1 - r) * share[below, j, k] + r * share[below, j, back])
    far += q * ((1 - r) * share[below, right, k] + r * share[below, right, back])
    return float((1 - p) * near + p * far)
