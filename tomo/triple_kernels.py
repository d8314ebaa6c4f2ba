"""Edges of voxels around which three phases follow one another, and the direction of the line that they make up."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

from .surface_kernels import WHOLE, Floats, Integers

REACH = 7
"""Voxels that the direction of a line at an edge looks away from it."""

NONE = 3
"""Code of voxels of none of the three phases, which are 0, 1 and 2."""

Turns = NDArray[np.int8]


@cache
def nearby() -> tuple[Integers, Floats]:
    """Return steps between edges (axis, axis of the other, step, 3), and how much the other counts.

    An edge along an axis, of the first of its four voxels, lies at half a voxel along the two others. Another d away
    counts (1 - d^2/r^2)^2, with r = ``REACH`` voxels.
    """
    grid = np.array(list(product(range(-REACH, REACH + 1), repeat=3)))
    weights = np.zeros((3, 3, len(grid)))
    for axis, other in product(range(3), repeat=2):
        away = grid + 0.5 * (np.eye(3)[axis] - np.eye(3)[other])
        weights[axis, other] = np.clip(1 - (away**2).sum(axis=1) / REACH**2, 0, None) ** 2
    counts = weights.any(axis=(0, 1))
    return grid[counts], np.ascontiguousarray(weights[..., counts])


@compiled
def turns(codes: NDArray[np.int8]) -> Turns:
    """Return whether the phases 0, 1, 2 follow in this order around an edge (1), the other way (-1) or not (0).

    Dims axis of the edge, z, y, x of the first of its voxels; right-handed around the axis. A fourth place along the
    first dim says whether any of the three edges does.

    Notes
    -----
    The sums over all edges that leave a body of voxels are 0 where no other phase is near: edges make up lines without
    ends, and what the voxels of a line turn back is taken off.
    """
    nz, ny, nx = codes.shape
    found = np.zeros((4, nz, ny, nx), np.int8)
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for i in range(nz - (axis != 0)):
            for j in range(ny - (axis != 1)):
                for k in range(nx - (axis != 2)):
                    first = codes[i, j, k]
                    second = codes[i + (u == 0), j + (u == 1), k + (u == 2)]
                    fourth = codes[i + (v == 0), j + (v == 1), k + (v == 2)]
                    third = codes[i + (axis != 0), j + (axis != 1), k + (axis != 2)]
                    if first != third and (first != second or third != fourth):
                        found[axis, i, j, k] = _turn(first, second, third, fourth)
                        found[3, i, j, k] |= np.abs(found[axis, i, j, k])
    return found


@compiled
def _turn(first: Any, second: Any, third: Any, fourth: Any) -> Any:
    """Return the turn of four phases in a row around an edge; those that are none of the three are left out."""
    total, last, begin = 0, NONE, NONE
    for one in (first, second, third, fourth):
        if one == NONE:
            continue
        if last == NONE:
            begin = one
        else:
            total += (one - last + 4) % 3 - 1
        last = one
    if begin != NONE:
        total += (begin - last + 4) % 3 - 1
    return total // 3


@compiled
def length(  # noqa: PLR0917
    found: Turns, begin: Integers, end: Integers, outer: Integers, edges: Floats, grid: Integers, weights: Floats
) -> tuple[Integers, Any]:
    """Return the parts of the lines' length along each axis, in edges of voxels times ``WHOLE``, and how many edges.

    Parameters
    ----------
    found
        As :func:`turns` returns them, ``REACH`` voxels farther than the edges wanted.
    begin, end
        First voxels of the edges, from and to.
    outer
        Dims axis, side: first and last voxel of the whole volume; edges along an axis count half there.
    edges
        Of a voxel.
    """
    total, count = np.zeros(3, np.int64), 0
    for axis in range(3):
        for i in range(begin[0], end[0]):
            for j in range(begin[1], end[1]):
                for k in range(begin[2], end[2]):
                    turn = np.int64(found[axis, i, j, k])
                    if turn == 0:
                        continue
                    along = _along(found, (i, j, k), axis, edges, grid, weights)
                    place = (i, j, k)[axis]
                    halves = 1 if place == outer[axis, 0] or place == outer[axis, 1] else 2
                    total[axis] += turn * np.int64(np.rint(along * WHOLE)) * halves // 2
                    count += 1
    return total, count


@compiled
def _along(found: Turns, at: Any, axis: Any, edges: Floats, grid: Integers, weights: Floats) -> Any:  # noqa: PLR0917
    """Return the part of the line's direction along an axis: all edges near by are added head to tail."""
    t0, t1, t2 = 0.0, 0.0, 0.0
    for n in range(len(grid)):
        i, j, k = at[0] + grid[n, 0], at[1] + grid[n, 1], at[2] + grid[n, 2]
        if found[3, i, j, k] == 0:
            continue
        t0 += found[0, i, j, k] * weights[axis, 0, n]
        t1 += found[1, i, j, k] * weights[axis, 1, n]
        t2 += found[2, i, j, k] * weights[axis, 2, n]
    t0, t1, t2 = t0 * edges[0], t1 * edges[1], t2 * edges[2]
    whole = np.sqrt(t0 * t0 + t1 * t1 + t2 * t2)
    along = t0 if axis == 0 else (t1 if axis == 1 else t2)
    return along / whole if whole > 0 else 0.0
