"""Cubic splines of volumes by short filters: what a voxel gets depends on its neighborhood alone, not on blocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

REACH = 11
"""Voxels after which a cubic spline has forgotten an edge: 0.268^12 = 1e-7."""
_POLE = np.sqrt(3) - 2
_TILE = 256
"""Elements that are filtered side by side, so that all that a filter looks at stays in the nearest cache."""


def _filters() -> tuple[Floats, Floats]:
    """Return the filter to the coefficients of a spline, and the one to its slopes at the voxels' middles.

    Weights of a voxel and of those after it; of those before it they are the same, for slopes with the other sign.
    """
    direct = _POLE ** np.arange(REACH + 1)
    direct /= direct[0] + 2 * direct[1:].sum()
    wide = np.r_[direct, 0.0, 0.0]
    return direct, np.r_[0.0, (wide[:-2] - wide[2:]) / 2]


_DIRECT, _SLOPE = _filters()


def coefficients(values: Singles) -> Singles:
    """Return the coefficients of the cubic B-spline through values (z, y, x), mirrored at the faces."""
    for axis in range(3):
        values = _filtered(values, _DIRECT, axis)
    return values


def slopes(values: Singles) -> Singles:
    """Return the slopes along z, y, x of the cubic spline through values (z, y, x) at the middles of the voxels."""
    return np.array([_filtered(values, _SLOPE, axis, -1.0) for axis in range(3)])


def smoothed(values: Singles, sigma: float, reach: int) -> Singles:
    """Return values (z, y, x) smoothed by a Gaussian of so many voxels to both sides, mirrored at the faces."""
    if reach == 0:
        return values
    weights = np.exp(-(np.arange(reach + 1) ** 2) / (2 * sigma**2))
    weights /= weights[0] + 2 * weights[1:].sum()
    for axis in range(3):
        values = _filtered(values, weights, axis)
    return values


def _filtered(values: Singles, weights: Floats, axis: int, sign: float = 1.0) -> Singles:
    """Return values filtered along an axis; those before an element count times the sign."""
    found, inner = np.empty(values.shape, np.float32), int(np.prod(values.shape[axis + 1 :]))
    both = np.concatenate([sign * weights[:0:-1], weights]).astype(np.float32)
    filter_lines(np.ascontiguousarray(values, np.float32).ravel(), values.shape[axis], inner, both, found.ravel())
    return found


@compiled
def filter_lines(values: Singles, size: int, inner: int, weights: Singles, found: Singles) -> None:
    """Filter along a dim of so many elements, ``inner`` apart, with weights of those before and after an element."""
    reach = weights.size // 2
    lines = np.empty((size + 2 * reach) * min(inner, _TILE), np.float32)
    sums = np.empty(size * min(inner, _TILE), np.float32)
    for outer in range(0, values.size, size * inner):
        for begin in range(outer, outer + inner, _TILE):
            wide = min(_TILE, outer + inner - begin)
            # What lies side by side is copied at once.
            step = size if wide == inner else 1
            for at in range(0, size, step):
                copy_line(values, begin + at * inner, lines, (at + reach) * wide, step * wide)
            for away in range(1, reach + 1):
                copy_line(values, begin + _mirrored(-away, size) * inner, lines, (reach - away) * wide, wide)
                after = size - 1 + away
                copy_line(values, begin + _mirrored(after, size) * inner, lines, (reach + after) * wide, wide)
            for at in range(0, size * wide, _TILE):
                _weigh(lines, wide, weights, sums, at, min(_TILE, size * wide - at))
            for at in range(0, size, step):
                copy_line(sums, at * wide, found, begin + at * inner, step * wide)


@compiled
def _mirrored(at: int, size: int) -> int:
    """Return the element that is seen at a place before or behind the first or last one."""
    if size == 1:
        return 0
    at = abs(at) % (2 * size - 2)
    return min(at, 2 * size - 2 - at)


@compiled
def copy_line(values: Singles, begin: int, found: Singles, to: int, size: int) -> None:
    """Copy values from one place to another. Indices without sign are not asked whether they count from the end."""
    i, j = np.uint64(begin), np.uint64(to)
    for n in range(size):
        found[j + np.uint64(n)] = values[i + np.uint64(n)]


@compiled
def _weigh(lines: Singles, wide: int, weights: Singles, found: Singles, begin: int, size: int) -> None:  # noqa: PLR0917
    """Set weighted sums of elements that lie ``wide`` apart.

    Those equally far away follow each other: slopes of what is the same all over are none.
    """
    i = np.uint64(begin)
    for n in range(size):
        found[i + np.uint64(n)] = 0
    for turn in range(weights.size):
        k = weights.size // 2 + ((turn + 1) // 2 if turn % 2 == 1 else -(turn // 2))
        j, weight = np.uint64(begin + k * wide), weights[k]
        for n in range(size):
            found[i + np.uint64(n)] += weight * lines[j + np.uint64(n)]
