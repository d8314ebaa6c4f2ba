"""Maps of small parts of a volume into another one, by least squares on grey values."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled, inlined, inlined_sums

from .spline_filters import copy_line
from .spline_rows import LANES, WORK, sample_box

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Singles = NDArray[np.float32]
Cut = tuple[int, int, int]

AT, MOVED_AT, LOW, HIGH, LABEL, COLUMNS = 0, 3, 6, 9, 12, 13
"""Columns of where a node is: its voxel in the reference, in the moved volume, its box in the reference, its label."""
SEEN, SIZE, WANTED, CROSSED, JUDGED, VARIANCE, CORRELATION, SHARED = range(8)
SUMS = SHARED + 3
"""Columns of what is known of a node's voxels."""

INNER = 0.2
"""Voxels that what is seen lies away from the faces."""
LAGS = 3
"""Voxels apart at which differences may share noise."""
_LEVEL, _COUNTS, _THEIRS, _VALUE, _ROWS = cast("tuple[int, ...]", np.array([3, 4, 5, 8, 9]))
"""Rows of a box: three of slopes of the reference, its grey values, 1 where voxels count and 0 where they do not, three
of slopes of the moved volume, its grey values less the reference's; how many. For each plain number that a kernel is
given it would be compiled anew."""
_NONE = np.float32(0)


@compiled
def compare_nodes(  # noqa: PLR0917
    reference: Singles,
    slopes: Singles,
    labels: NDArray[np.int32],
    size: Cut,
    coefficients: Singles,
    known: NDArray[np.uint8],
    shape: Cut,
    nodes: Integers,
    motions: Floats,
    gates: Floats,
    near: NDArray[np.bool_],
    square: Floats,
    cross: Floats,
    sides: Floats,
    sums: Floats,
) -> None:
    """Compare each node's voxels with the moved volume under the node's map.

    Parameters
    ----------
    reference, slopes, labels, size
        Grey values (z, y, x), their slopes (3, z, y, x) and labels (z, y, x), flat; their size. A node sees only voxels
        of its own label.
    coefficients, known, shape
        Those of the cubic B-spline of the moved volume, flat, ``LANES`` more at the end; where it has values, flat: all
        over if this is empty; their shape.
    nodes
        Dims (node, ``COLUMNS``).
    motions
        Dims (node, 12): u, then A row by row; what is at d from the node is at A d + u from it; voxels.
    gates
        Maps that say which voxels are seen: the same ones while these stay as they are.
    near
        Whether the slopes of the moved volume are asked for, and how much noise neighbors share.
    square, cross
        Dims (node, p, p): products of all columns (u, A where p = 14, grey values, ones) of the reference with each
        other, and with those of the moved volume; they are set anew when other voxels are seen than before.
    sides
        Dims (node, p): products of the columns with the difference of the volumes.
    sums
        Dims (node, ``SUMS``); at first ``SEEN`` is -1.
    """
    most, widest = 1, 1
    for node in range(nodes.shape[0]):
        z, y, x = _sizes(nodes[node])
        most, widest = max(most, z * y * x), max(widest, y * x)
        sums[node, SIZE] = z * y * x
    stride = most + LANES
    rows, place = np.empty(_ROWS * stride, np.float32), np.empty(2 * widest, np.float32)
    work = np.empty(WORK, np.float32)
    for node in range(nodes.shape[0]):
        at, found, sizes = nodes[node], sums[node], _sizes(nodes[node])
        begin = at[LOW] - at[AT], at[LOW + 1] - at[AT + 1], at[LOW + 2] - at[AT + 2]
        cell = at[MOVED_AT], at[MOVED_AT + 1], at[MOVED_AT + 2]
        gate, motion = gates[node], motions[node]
        _set_places(begin, sizes, place)
        seen = _gather(reference, slopes, labels, size, at, rows)
        found[WANTED] = seen
        shown = _within(gate, begin, sizes, cell, shape) and _within(motion, begin, sizes, cell, shape)
        if known.size > 0 or not shown:
            seen = _hide(known, shape, begin, sizes, cell, motion, gate, rows)
        if seen < found[SIZE]:
            _mask(rows, int(found[SIZE]))
        anew = seen != found[SEEN]
        with_slopes = near[node] and (anew or found[CROSSED] == 0)
        sample_box(coefficients, shape, begin, sizes, cell, motion, rows, stride, _COUNTS, _THEIRS, work, with_slopes)
        found[SEEN] = seen
        found[CROSSED] = 1.0 if with_slopes else found[CROSSED]
        if anew or with_slopes:
            _multiply(rows, sizes, begin[0], place, motion, anew, with_slopes, square[node], cross[node])
        _project(rows, sizes, begin[0], place, seen, sides[node])
        found[JUDGED] = 0.0
        if near[node] and not with_slopes and seen > sides.shape[1]:
            _judge(rows, sizes, begin[0], place, square[node], sides[node], found)
            found[JUDGED] = 1.0


@compiled
def _sizes(node: Integers) -> Cut:
    return node[HIGH] - node[LOW], node[HIGH + 1] - node[LOW + 1], node[HIGH + 2] - node[LOW + 2]


@compiled
def _set_places(begin: Cut, sizes: Cut, place: Singles) -> None:
    """Set places along y and x from the node within a layer, one after the other."""
    rows, columns = sizes[1], sizes[2]
    for at in range(rows * columns):
        place[at], place[rows * columns + at] = begin[1] + at // columns, begin[2] + at % columns


@inlined
def _gather(  # noqa: PLR0917
    reference: Singles, slopes: Singles, labels: NDArray[np.int32], size: Cut, node: Integers, rows: Singles
) -> int:
    """Set the reference's rows of a box, grey values less their mean; return how many voxels count."""
    whole, sizes = size[0] * size[1] * size[2], _sizes(node)
    stride, wide, at, count = rows.size // _ROWS, sizes[2], 0, 0
    for z in range(node[LOW], node[HIGH]):
        for y in range(node[LOW + 1], node[HIGH + 1]):
            here = (z * size[1] + y) * size[2] + node[LOW + 2]
            for axis in range(3):
                copy_line(slopes, axis * whole + here, rows, axis * stride + at, wide)
            copy_line(reference, here, rows, _LEVEL * stride + at, wide)
            count += _count(labels, here, node[LABEL], rows, _COUNTS * stride + at, wide)
            at += wide
    _subtract(rows, _LEVEL, _LEVEL, 0.0, sizes[0] * sizes[1] * sizes[2], float(count))
    return count


@compiled
def _count(  # noqa: PLR0917
    line: NDArray[np.int32], begin: int, label: int, to: Singles, at: int, size: int
) -> int:
    i, j, count = np.uint64(begin), np.uint64(at), 0
    for n in range(size):
        alike = line[i + np.uint64(n)] == label
        to[j + np.uint64(n)] = alike
        count += alike
    return count


@inlined_sums
def _subtract(rows: Singles, row: int, other: int, factor: float, size: int, count: float) -> None:  # noqa: PLR0917
    """Subtract from a row another one times a factor, and its mean; make it 0 where voxels do not count."""
    stride, by = rows.size // _ROWS, np.float32(factor)
    i, j, k = np.uint64(row * stride), np.uint64(other * stride), np.uint64(_COUNTS * stride)
    total = 0.0
    for at in range(size):
        n = np.uint64(at)
        rows[i + n] -= by * rows[j + n]
        total += rows[i + n] * rows[k + n]
    mean = np.float32(total / max(1.0, count))
    for at in range(size):
        n = np.uint64(at)
        rows[i + n] = (rows[i + n] - mean) * rows[k + n]


@compiled
def _mask(rows: Singles, size: int) -> None:
    """Make slopes and grey values of the reference 0 where voxels do not count."""
    stride = np.uint64(rows.size // _ROWS)
    for row in range(_COUNTS):
        for n in range(size):
            i = np.uint64(row) * stride + np.uint64(n)
            rows[i] *= rows[np.uint64(_COUNTS) * stride + np.uint64(n)]


@compiled
def _within(motion: Floats, begin: Cut, sizes: Cut, cell: Cut, shape: Cut) -> bool:
    """Return whether a map takes all of a box where the moved volume is seen."""
    for axis in range(3):
        low = motion[axis] + cell[axis]
        high = low
        for along in range(3):
            one = motion[3 + 3 * axis + along] * begin[along]
            other = motion[3 + 3 * axis + along] * (begin[along] + sizes[along] - 1)
            low += min(one, other)
            high += max(one, other)
        if not (low > 1 + INNER and high < shape[axis] - 2 - INNER):
            return False
    return True


@compiled
def _hide(  # noqa: PLR0917
    known: NDArray[np.uint8], shape: Cut, begin: Cut, sizes: Cut, cell: Cut, motion: Floats, gate: Floats, rows: Singles
) -> int:
    """Make voxels not count that the moved volume does not show under the maps; return how many do."""
    at, seen, counts = 0, 0, _COUNTS * (rows.size // _ROWS)
    for z in range(begin[0], begin[0] + sizes[0]):
        for y in range(begin[1], begin[1] + sizes[1]):
            for x in range(begin[2], begin[2] + sizes[2]):
                shown, index = True, 0
                for axis in range(3):
                    row = 3 + 3 * axis
                    # Cells are found before numbers are added that depend on the block: so do the sampled ones.
                    there = np.floor(motion[axis] + motion[row] * z + motion[row + 1] * y + motion[row + 2] * x)
                    gated = gate[axis] + gate[row] * z + gate[row + 1] * y + gate[row + 2] * x + cell[axis]
                    shown = shown and 1 <= there + cell[axis] < shape[axis] - 2
                    shown = shown and 1 + INNER <= gated < shape[axis] - 2 - INNER
                    index = index * shape[axis] + (int(gated) if shown else 0)
                if not shown or (known.size > 0 and known[index] == 0):
                    rows[counts + at] = 0
                seen += rows[counts + at] != 0
                at += 1
    return seen


@inlined
def _multiply(  # noqa: PLR0917
    rows: Singles,
    sizes: Cut,
    first: int,
    place: Singles,
    motion: Floats,
    alone: bool,
    crossed: bool,
    square: Floats,
    cross: Floats,
) -> None:
    """Set the products of all columns: slopes times (1, dz, dy, dx), grey values, ones; the last two are the left's.

    Slopes of the moved volume are turned to those with respect to places in the reference.
    """
    moments, width = np.empty(10), square.shape[0]
    for i in range(width):
        for j in range(width):
            square[i, j], cross[i, j] = 0.0 if alone else square[i, j], 0.0 if crossed else cross[i, j]
    for p in range(5):
        for q in range(8):
            if (not alone and q < _LEVEL) or (not crossed and q >= _THEIRS) or (q < p and q < _LEVEL):
                continue
            _set_moments(rows, p, q, sizes, first, place, moments)
            if alone and p <= q < _THEIRS:
                _spread(p, q, 1.0, moments, square)
                if q > p:
                    _spread(q, p, 1.0, moments, square)
            if crossed and _LEVEL <= q < _THEIRS:
                _spread(p, q, 1.0, moments, cross)
            for axis in range(3 if q >= _THEIRS else 0):
                _spread(p, axis, motion[3 * (q - _THEIRS + 1) + axis], moments, cross)


@inlined_sums
def _set_moments(  # noqa: PLR0917
    rows: Singles, one: int, other: int, sizes: Cut, first: int, place: Singles, moments: Floats
) -> None:
    """Set the sums of products of two rows times 1, z, y, x, zz, zy, zx, yy, yx, xx."""
    size, stride = sizes[1] * sizes[2], rows.size // _ROWS
    for which in range(10):
        moments[which] = 0
    for layer in range(sizes[0]):
        z, last = first + layer, np.uint64(size)
        i, j = np.uint64(one * stride + layer * size), np.uint64(other * stride + layer * size)
        m0, my, mx, yy, yx, xx = _NONE, _NONE, _NONE, _NONE, _NONE, _NONE
        for at in range(size):
            n = np.uint64(at)
            w, y, x = rows[i + n] * rows[j + n], place[n], place[last + n]
            by_y, by_x = w * y, w * x
            m0 += w
            my += by_y
            mx += by_x
            yy += by_y * y
            yx += by_y * x
            xx += by_x * x
        moments[0] += m0
        moments[1] += z * m0
        moments[2] += my
        moments[3] += mx
        moments[4] += z * z * m0
        moments[5] += z * my
        moments[6] += z * mx
        moments[7] += yy
        moments[8] += yx
        moments[9] += xx


_MOMENT = np.array([[0, 1, 2, 3], [1, 4, 5, 6], [2, 5, 7, 8], [3, 6, 8, 9]])


@compiled
def _spread(p: int, q: int, factor: float, moments: Floats, found: Floats) -> None:
    """Add the products of all columns that share two slopes."""
    free = found.shape[0] - 2
    terms = 1 if free == 3 else 4
    for m in range(terms if p < 3 else 1):
        row = free + p - 3 if p >= 3 else p if m == 0 else 2 + 3 * p + m
        for n in range(terms if q < 3 else 1):
            column = free + q - 3 if q >= 3 else q if n == 0 else 2 + 3 * q + n
            found[row, column] += factor * moments[_MOMENT[m, n]]


@inlined
def _project(rows: Singles, sizes: Cut, first: int, place: Singles, count: int, sides: Floats) -> None:  # noqa: PLR0917
    """Set the products of all columns with the difference of the volumes, less its mean."""
    free, moments = sides.size - 2, np.empty(10)
    _subtract(rows, _VALUE, _LEVEL, 1.0, sizes[0] * sizes[1] * sizes[2], float(count))
    for p in range(5):
        _set_moments(rows, p, _VALUE, sizes, first, place, moments)
        sides[free + p - 3 if p >= 3 else p] = moments[0]
        for n in range(3 if p < 3 < free else 0):
            sides[3 + 3 * p + n] = moments[1 + n]


@inlined
def _judge(  # noqa: PLR0917
    rows: Singles, sizes: Cut, first: int, place: Singles, square: Floats, sides: Floats, found: Floats
) -> None:
    """Tell how well both agree apart from a factor and an offset, and how much noise neighbors share."""
    count, free, moments = found[SEEN], sides.size - 2, np.empty(10)
    _set_moments(rows, _VALUE, _VALUE, sizes, first, place, moments)
    total, rest = square[free, free + 1], sides[free + 1]
    levels = square[free, free] - total * total / count
    both, rests = sides[free] - rest * total / count, moments[0] - rest * rest / count
    found[CORRELATION] = (both + levels) / np.sqrt((rests + 2 * both + levels) * levels)
    found[VARIANCE] = (rests - both * both / levels) / (count - sides.size)
    _subtract(rows, _VALUE, _LEVEL, both / levels, sizes[0] * sizes[1] * sizes[2], count)
    _share(rows, sizes, place, found)


@inlined
def _share(rows: Singles, sizes: Cut, place: Singles, found: Floats) -> None:
    """Set by what the noise that neighbors share adds to the variance of sums weighted with each slope.

    Along each axis 1 + 2 sum over lags of the product of the autocorrelations of differences and slopes.
    """
    first, sums, added = np.empty(5), np.empty(5), np.empty(3)
    for axis in range(3):
        for lag in range(LAGS + 1):
            _overlap(rows, sizes, place, axis, lag, sums if lag > 0 else first)
            if lag > 0:
                alike = sums[3] / first[3] * first[4] / max(sums[4], 1.0)
                for slope in range(3):
                    added[slope] += 2 * alike * sums[slope] / first[slope]
            else:
                for slope in range(3):
                    added[slope] = 1.0
        for slope in range(3):
            found[SHARED + slope] = max(added[slope], 0.1) * (found[SHARED + slope] if axis > 0 else 1.0)


@inlined_sums
def _overlap(rows: Singles, sizes: Cut, place: Singles, axis: int, lag: int, sums: Floats) -> None:  # noqa: PLR0917
    """Set the sums of products of voxels ``lag`` apart: of slopes, of differences, of ones."""
    layer, stride = sizes[1] * sizes[2], rows.size // _ROWS
    step = lag * (layer if axis == 0 else sizes[2] if axis == 1 else 1)
    depth, size = (sizes[0] - lag, layer) if axis == 0 else (sizes[0], layer - step)
    x, last = np.uint64(layer), np.float32(place[2 * layer - 1] - (lag if axis == 2 else 0))
    for which in range(5):
        row = which if which < 3 else _VALUE if which == 3 else _COUNTS
        sums[which] = 0
        for z in range(depth):
            i = np.uint64(row * stride + z * layer)
            j, total = i + np.uint64(step), _NONE
            for at in range(size):
                n = np.uint64(at)
                total += rows[i + n] * rows[j + n] if place[x + n] <= last else _NONE
            sums[which] += total
