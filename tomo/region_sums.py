"""Sums over the voxels of regions, in whole numbers: they come out the same however a volume is cut."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

from .run_kernels import Pieces

COUNT, LOW, HIGH, FIRST, PLACE, SQUARE = 0, 1, 4, 7, 8, 11
"""Columns of a region's sums: voxels; lowest, highest z, y, x; first voxel; sums of z, y, x and of their products."""

COLUMNS = 17
PRODUCTS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
"""Axes of the columns from ``SQUARE`` on."""

Sums = NDArray[np.int64]
Triple = tuple[int, int, int]


def no_sums(count: int) -> Sums:
    """Return the sums of regions without voxels."""
    sums = np.zeros((count, COLUMNS), np.int64)
    sums[:, LOW : LOW + 3] = sums[:, FIRST] = np.iinfo(np.int64).max
    sums[:, HIGH : HIGH + 3] = -1
    return sums


@compiled
def sum_runs(sums: Sums, runs: Pieces, shape: Triple, origin: Triple, whole: Triple) -> None:
    """Add the runs of a block to the sums of their pieces (from 1).

    Boxes and first voxels are those in the whole volume, places are counted from the block's ``origin``.
    """
    start, stop, piece = runs
    _, height, width = shape
    z, y, begin = 0, 0, 0
    for run in range(start.size):
        at = np.int64(start[run])
        while at >= begin + width:
            begin += width
            y += 1
            if y == height:
                z, y = z + 1, 0
        x = at - begin
        length = np.int64(stop[run]) - at
        last = x + length - 1
        along = (x + last) * length // 2
        squares = _squares(last) - _squares(x - 1)
        to = sums[piece[run] - 1]
        to[0] += length
        low = (z + origin[0], y + origin[1], x + origin[2])
        _widen(to, low, (low[0], low[1], last + origin[2]))
        to[7] = min(to[7], (low[0] * whole[1] + low[1]) * whole[2] + low[2])
        to[8] += z * length
        to[9] += y * length
        to[10] += along
        to[11] += z * z * length
        to[12] += y * y * length
        to[13] += squares
        to[14] += z * y * length
        to[15] += z * along
        to[16] += y * along


@compiled
def _squares(last: Any) -> Any:
    """Return the sum of the squares from 0 to ``last``."""
    return last * (last + 1) * (2 * last + 1) // 6


@compiled
def _widen(to: Sums, low: tuple[Any, Any, Any], high: tuple[Any, Any, Any]) -> None:
    to[1], to[2], to[3] = min(to[1], low[0]), min(to[2], low[1]), min(to[3], low[2])
    to[4], to[5], to[6] = max(to[4], high[0]), max(to[5], high[1]), max(to[6], high[2])


@compiled
def merge_boxes(sums: Sums, part: Sums, number: NDArray[np.int64]) -> None:
    """Add counts, boxes and first voxels of a block's pieces to those of the regions they belong to (from 0)."""
    for piece in range(part.shape[0]):
        to, at = sums[number[piece]], part[piece]
        to[0] += at[0]
        _widen(to, (at[1], at[2], at[3]), (at[4], at[5], at[6]))
        to[7] = min(to[7], at[7])


@compiled
def merge_places(sums: Sums, part: Sums, number: NDArray[np.int64], origin: Triple) -> None:
    """Add places and their products, counted from the lowest corner of each region's whole box: small and exact."""
    for piece in range(part.shape[0]):
        to, at = sums[number[piece]], part[piece]
        z, y, x = origin[0] - to[1], origin[1] - to[2], origin[2] - to[3]
        to[8] += at[8] + z * at[0]
        to[9] += at[9] + y * at[0]
        to[10] += at[10] + x * at[0]
        to[11] += at[11] + 2 * z * at[8] + z * z * at[0]
        to[12] += at[12] + 2 * y * at[9] + y * y * at[0]
        to[13] += at[13] + 2 * x * at[10] + x * x * at[0]
        to[14] += at[14] + z * at[9] + y * at[8] + z * y * at[0]
        to[15] += at[15] + z * at[10] + x * at[8] + z * x * at[0]
        to[16] += at[16] + y * at[10] + x * at[9] + y * x * at[0]
