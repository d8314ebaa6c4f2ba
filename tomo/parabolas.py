"""Squared distance of every voxel to the nearest one outside: exact, along one axis after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

_LANES = 16
"""Columns that are gathered at a time, so that memory is read in order."""


@compiled
def squared_distances(mask: NDArray[np.bool_], z: float, y: float, x: float) -> NDArray[np.float32]:
    """Return the squared distance to the nearest voxel outside the mask, middle to middle; inf where there is none.

    ``z``, ``y``, ``x`` are the edges of a voxel. What lies beyond the faces counts as neither inside nor outside.

    Notes
    -----
    Lower envelope of parabolas: P. F. Felzenszwalb, D. P. Huttenlocher, Theory Comput. 8, 415 (2012),
    doi:10.4086/toc.2012.v008a019.
    """
    squared = along_x(mask, x)
    lower_along_y(squared, y)
    lower_along_z(squared, z)
    return squared


@compiled
def along_x(mask: NDArray[np.bool_], edge: float) -> NDArray[np.float32]:
    """Return the squared distance to the nearest voxel outside in the same row."""
    nz, ny, nx = mask.shape
    squared = np.empty((nz, ny, nx), np.float32)
    for i in range(nz):
        for j in range(ny):
            row, inside = squared[i, j], mask[i, j]
            away = np.inf
            for k in range(nx):
                away = away + edge if inside[k] else 0.0
                row[k] = away
            away = np.inf
            for k in range(nx - 1, -1, -1):
                away = away + edge if inside[k] else 0.0
                row[k] = min(away, np.float64(row[k])) ** 2
    return squared


@compiled
def lower_along_y(squared: NDArray[np.float32], edge: float) -> None:
    """Lower squared distances, in place, to those that voxels in the same column along y give."""
    for i in range(squared.shape[0]):
        _lower_columns(squared[i], edge)


@compiled
def lower_along_z(squared: NDArray[np.float32], edge: float) -> None:
    """Lower squared distances, in place, to those that voxels in the same column along z give."""
    for j in range(squared.shape[1]):
        _lower_columns(squared[:, j], edge)


@compiled
def _lower_columns(plane: NDArray[np.float32], edge: float) -> None:
    length, width = plane.shape
    columns = np.empty((_LANES, length), np.float32)
    lowered = np.empty((_LANES, length), np.float32)
    vertex, reach, height = np.empty(length, np.int64), np.empty(length), np.empty(length)
    for first in range(0, width, _LANES):
        lanes = min(_LANES, width - first)
        for q in range(length):
            for lane in range(lanes):
                columns[lane, q] = plane[q, first + lane]
        for lane in range(lanes):
            _lower(columns[lane], lowered[lane], edge * edge, vertex, reach, height)
        for q in range(length):
            for lane in range(lanes):
                plane[q, first + lane] = lowered[lane, q]


@compiled
def _lower(  # noqa: PLR0917
    column: NDArray[np.float32],
    lowered: NDArray[np.float32],
    area: float,
    vertex: NDArray[np.int64],
    reach: NDArray[np.float64],
    height: NDArray[np.float64],
) -> None:
    """Lower each run between two voxels outside by itself: those two hide whatever lies behind them."""
    length, start = column.size, 0
    while start < length:
        if column[start] == 0.0:
            lowered[start] = 0.0
            if start + 1 == length or column[start + 1] == 0.0:
                start += 1
                continue
        end = start + 1
        while end < length and column[end] > 0.0:
            end += 1
        _lower_run(column, lowered, area, start, min(end + 1, length), vertex, reach, height)
        start = end


@compiled
def _lower_run(  # noqa: PLR0917
    column: NDArray[np.float32],
    lowered: NDArray[np.float32],
    area: float,
    start: int,
    end: int,
    vertex: NDArray[np.int64],
    reach: NDArray[np.float64],
    height: NDArray[np.float64],
) -> None:
    """Lower the voxels from start to end: parabola ``vertex[n]`` is the lowest up to ``reach[n]``."""
    top = -1
    for q in range(start, end):
        if column[q] == np.inf:
            continue
        level = np.float64(column[q])
        crossing = -np.inf
        while top >= 0:
            other = vertex[top]
            crossing = 0.5 * (q + other + (level - height[top]) / (area * (q - other)))
            if top == 0 or crossing > reach[top - 1]:
                break
            top -= 1
        if top >= 0:
            reach[top] = crossing
        top += 1
        vertex[top], height[top] = q, level
    at = 0
    for q in range(start, end):
        if top < 0:
            lowered[q] = np.inf
            continue
        while at < top and reach[at] < q:
            at += 1
        away = q - vertex[at]
        lowered[q] = height[at] + area * (away * away)
