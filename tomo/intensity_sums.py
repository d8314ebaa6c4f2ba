"""Mean and spread of an intensity within regions, without cancellation however large the offset."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

from .run_kernels import Pieces

Spreads = NDArray[np.float64]
"""Of each region: voxels, mean, sum of squared deviations from it."""


def no_spreads(count: int) -> Spreads:
    """Return the spreads of regions without voxels."""
    return np.zeros((count, 3))


@compiled
def sum_intensity(spreads: Spreads, grey: NDArray[np.generic], runs: Pieces) -> None:
    """Add the intensity of a block's voxels (in C order) along its runs to the spreads of their pieces (from 1)."""
    start, stop, piece = runs
    offset, lost = np.zeros(spreads.shape[0]), np.zeros((spreads.shape[0], 2))
    for run in range(start.size):
        to = piece[run] - 1
        if spreads[to, 0] == 0:
            offset[to] = grey[start[run]]
        total = squares = 0.0
        for voxel in range(start[run], stop[run]):
            deviation = grey[voxel] - offset[to]
            total += deviation
            squares += deviation * deviation
        spreads[to, 0] += stop[run] - start[run]
        spreads[to, 1], lost[to, 0] = _added(spreads[to, 1], total, lost[to, 0])
        spreads[to, 2], lost[to, 1] = _added(spreads[to, 2], squares, lost[to, 1])
    for to in range(spreads.shape[0]):
        total = spreads[to, 1] + lost[to, 0]
        mean = total / spreads[to, 0]
        spreads[to, 2] += lost[to, 1] - mean * total
        spreads[to, 1] = mean + offset[to]


@compiled
def _added(total: float, value: float, lost: float) -> tuple[float, float]:
    """Return a sum with a value more, and what rounding has taken from it so far.

    A. Neumaier, Z. angew. Math. Mech. 54, 39 (1974), doi:10.1002/zamm.19740540106.
    """
    both = total + value
    if abs(total) >= abs(value):
        return both, lost + ((total - both) + value)
    return both, lost + ((value - both) + total)


@compiled
def merge_spreads(spreads: Spreads, part: Spreads, number: NDArray[np.int64]) -> None:
    """Add the spreads of a block's pieces to those of the regions they belong to (from 0).

    T. F. Chan, G. H. Golub, R. J. LeVeque, Am. Stat. 37, 242 (1983), doi:10.1080/00031305.1983.10483115.
    """
    for piece in range(part.shape[0]):
        to, at = spreads[number[piece]], part[piece]
        if at[0] == 0:
            continue
        both = to[0] + at[0]
        apart = at[1] - to[1]
        to[1] += apart * at[0] / both
        to[2] += at[2] + apart * apart * to[0] * at[0] / both
        to[0] = both
