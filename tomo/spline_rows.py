"""Values and slopes of a cubic spline under an affine map of a box, many voxels of a row at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled, inlined, inlined_sums

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Cut = tuple[int, int, int]

LANES = 16
"""Voxels of a row that are worked on together; coefficients and results need as many elements more at their end."""
_RAMP = np.arange(LANES, dtype=np.float32)
_LANES = np.uint64(LANES)
_ONE, _TWO, _THREE = np.uint64(1), np.uint64(2), np.uint64(3)
_WEIGHTS = 12
"""Lines of the working space, ``LANES`` each: weights of four coefficients along z, y, x, then their slopes."""
_SUMS = 2 * _WEIGHTS
"""First of four lines of sums: slopes along z, y, x, and the value."""
WORK = (_SUMS + 4) * LANES
"""Elements of the working space."""
_Y = np.uint64(4 * LANES)
_X, _X1, _X2, _X3 = (np.uint64((8 + n) * LANES) for n in range(4))
_RISE_Z, _RISE_Y, _RISE_X = (np.uint64((_WEIGHTS + 4 * n) * LANES) for n in range(3))
_BY_Z, _BY_Y, _BY_X, _VALUE = (np.uint64((_SUMS + n) * LANES) for n in range(4))
_NONE, _UNIT, _HALF, _SIXTH, _TWO_THIRDS, _MOST = (np.float32(n) for n in (0, 1, 1 / 2, 1 / 6, 2 / 3, 3 / 2))


@inlined
def sample_box(  # noqa: PLR0917
    coefficients: Singles,
    shape: Cut,
    begin: Cut,
    sizes: Cut,
    cell: Cut,
    motion: Floats,
    lines: Singles,
    stride: int,
    seen: int,
    to: int,
    work: Singles,
    sloping: bool,
) -> None:
    """Put the values of a spline at the places of a box's voxels, and its slopes if wanted.

    Values are those beyond the coefficient at the node's place, so that grey levels far from 0 keep their digits.
    Within a run of voxels of a row whose places advance by whole cells alike, coefficients lie side by side: a run's
    voxels, ``LANES`` at most, are one another's neighbors in memory for each of the 64 terms.

    Parameters
    ----------
    coefficients, shape
        Those of the cubic B-spline (z, y, x), flat, ``LANES`` more at the end; their shape.
    begin, sizes
        The box's first voxel, from the node's, and its size.
    cell
        The node's cell in the coefficients.
    motion
        u, then A row by row: what is at d from the node is at A d + u.
    lines, stride
        Rows of so many elements: voxels, and ``LANES`` more. Row ``seen`` tells which are seen: not 0. Rows from
        ``to`` on become slopes along z, y, x in the moved volume, and values: 0, or what lies there, where not seen.
    work
        ``WORK`` elements.
    sloping
        Whether slopes are wanted.
    """
    row, layer = np.uint64(shape[2]), np.uint64(shape[1] * shape[2])
    a, at = motion, 0
    along = a[5], a[8], a[11] - 1.0
    base = _level(coefficients, shape, cell, motion)
    for z in range(begin[0], begin[0] + sizes[0]):
        for y in range(begin[1], begin[1] + sizes[1]):
            end = at + sizes[2]
            while at < end:
                if lines[seen * stride + at] == 0:
                    for line in range(to, to + 4):
                        lines[line * stride + at] = 0
                    at += 1
                    continue
                x, least = begin[2] + sizes[2] - end + at, float(min(LANES, end - at))
                there = 0
                for axis in range(3):
                    place = a[axis] + a[3 + 3 * axis] * z + a[4 + 3 * axis] * y + a[5 + 3 * axis] * x
                    whole = np.floor(place)
                    there = there * shape[axis] + int(whole) + cell[axis] - 1
                    least = min(least, _lasting(place - whole, along[axis]))
                    _set_weights(place - whole, along[axis], work, np.uint64(4 * LANES * axis))
                    if sloping:
                        _set_rises(place - whole, along[axis], work, np.uint64(4 * LANES * (axis + 3)))
                if sloping:
                    _sum_with_slopes(coefficients, np.uint64(there), row, layer, base, work)
                    for axis in range(3):
                        _put(work, _SUMS + axis, lines, (to + axis) * stride + at)
                else:
                    _sum(coefficients, np.uint64(there), row, layer, base, work)
                _put(work, _SUMS + 3, lines, (to + 3) * stride + at)
                at += int(least)


@compiled
def _level(coefficients: Singles, shape: Cut, cell: Cut, motion: Floats) -> np.float32:
    """Return the coefficient where a node has moved to, or the nearest one there is."""
    index = 0
    for axis in range(3):
        index = index * shape[axis] + max(0, min(int(np.floor(motion[axis])) + cell[axis], shape[axis] - 1))
    level: np.float32 = coefficients[index]
    return level


@compiled
def _lasting(part: float, step: float) -> float:
    """Return for how many voxels a place, which is at part of a cell and advances by a step each, stays in it."""
    if step > 0:
        return float(max(1.0, np.ceil((1 - part) / step)))
    if step < 0:
        return float(np.floor(part / -step) + 1)
    return np.inf


@inlined_sums
def _set_weights(part: float, step: float, work: Singles, to: np.uint64) -> None:
    """Set the values of the four cubic B-splines at parts of a cell that advance by a step."""
    begin, by = np.float32(part), np.float32(step)
    for lane in range(LANES):
        i = to + np.uint64(lane)
        t = begin + by * _RAMP[lane]
        u = _UNIT - t
        work[i] = u * u * u * _SIXTH
        work[i + _LANES] = _TWO_THIRDS - t * t * (_UNIT - t * _HALF)
        work[i + _TWO * _LANES] = _TWO_THIRDS - u * u * (_UNIT - u * _HALF)
        work[i + _THREE * _LANES] = t * t * t * _SIXTH


@inlined_sums
def _set_rises(part: float, step: float, work: Singles, to: np.uint64) -> None:
    """Set their slopes."""
    begin, by = np.float32(part), np.float32(step)
    for lane in range(LANES):
        i = to + np.uint64(lane)
        t = begin + by * _RAMP[lane]
        u = _UNIT - t
        work[i] = -u * u * _HALF
        work[i + _LANES] = t * (_MOST * t - _UNIT - _UNIT)
        work[i + _TWO * _LANES] = -u * (_MOST * u - _UNIT - _UNIT)
        work[i + _THREE * _LANES] = t * t * _HALF


@inlined_sums
def _sum(flat: Singles, begin: np.uint64, row: np.uint64, layer: np.uint64, base: np.float32, work: Singles) -> None:  # noqa: PLR0917
    """Sum 4 x 4 x 4 coefficients from ``begin`` on, one lane beside the other.

    An index without sign is not asked whether it counts from the end.
    """
    for lane in range(LANES):
        work[_VALUE + np.uint64(lane)] = 0
    first, plane = begin, np.uint64(0)
    for _ in range(4):
        for lane in range(LANES):
            i = np.uint64(lane)
            x0, x1, x2, x3 = work[_X + i], work[_X1 + i], work[_X2 + i], work[_X3 + i]
            total, c, y = _NONE, first + i, _Y + i
            for _ in range(4):
                total += work[y] * (
                    x0 * (flat[c] - base)
                    + x1 * (flat[c + _ONE] - base)
                    + x2 * (flat[c + _TWO] - base)
                    + x3 * (flat[c + _THREE] - base)
                )
                c += row
                y += _LANES
            work[_VALUE + i] += work[plane + i] * total
        first += layer
        plane += _LANES


@inlined_sums
def _sum_with_slopes(  # noqa: PLR0917
    flat: Singles, begin: np.uint64, row: np.uint64, layer: np.uint64, base: np.float32, work: Singles
) -> None:
    """Sum 4 x 4 x 4 coefficients from ``begin`` on for the value and its slopes, one lane beside the other."""
    for lane in range(4 * LANES):
        work[_BY_Z + np.uint64(lane)] = 0
    first, plane = begin, np.uint64(0)
    for _ in range(4):
        for lane in range(LANES):
            i = np.uint64(lane)
            x0, x1, x2, x3 = work[_X + i], work[_X1 + i], work[_X2 + i], work[_X3 + i]
            rise = _RISE_X + i
            r0, r1, r2, r3 = work[rise], work[rise + _LANES], work[rise + _TWO * _LANES], work[rise + _THREE * _LANES]
            total, by_y, by_x, c, y = _NONE, _NONE, _NONE, first + i, _Y + i
            for _ in range(4):
                c0, c1 = flat[c] - base, flat[c + _ONE] - base
                c2, c3 = flat[c + _TWO] - base, flat[c + _THREE] - base
                line = x0 * c0 + x1 * c1 + x2 * c2 + x3 * c3
                total += work[y] * line
                by_y += work[_RISE_Y - _Y + y] * line
                by_x += work[y] * (r0 * c0 + r1 * c1 + r2 * c2 + r3 * c3)
                c += row
                y += _LANES
            z = work[plane + i]
            work[_BY_Z + i] += work[_RISE_Z + plane + i] * total
            work[_BY_Y + i] += z * by_y
            work[_BY_X + i] += z * by_x
            work[_VALUE + i] += z * total
        first += layer
        plane += _LANES


@compiled
def _put(work: Singles, line: int, out: Singles, at: int) -> None:
    i, j = np.uint64(line * LANES), np.uint64(at)
    for lane in range(LANES):
        out[j + np.uint64(lane)] = work[i + np.uint64(lane)]
