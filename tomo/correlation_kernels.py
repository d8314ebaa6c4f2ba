"""Maps of small parts of a volume into another one, by least squares on grey values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled, compiled_sums

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Singles = NDArray[np.float32]
Four = tuple[float, float, float, float]

AT, MOVED_AT, LOW, HIGH, LABEL, COLUMNS = 0, 3, 6, 9, 12, 13
"""Columns of where a node is: its voxel in the reference, in the moved volume, its box in the reference, its label."""
SEEN, SIZE, WANTED, CROSSED, JUDGED, VARIANCE, CORRELATION, SHARED = range(8)
SUMS = SHARED + 3
"""Columns of what is known of a node's voxels."""

INNER = 0.2
"""Voxels that what is seen lies away from the faces."""
LAGS = 3
"""Voxels apart at which differences may share noise."""


@compiled
def compare_nodes(  # noqa: PLR0917
    reference: Singles,
    slopes: Singles,
    coefficients: Singles,
    known: NDArray[np.uint8],
    labels: NDArray[np.int32],
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
    reference, slopes
        Grey values (z, y, x) and their slopes (3, z, y, x).
    coefficients, known
        Those of the cubic B-spline of the moved volume, and where it has values.
    labels
        Dims of the reference: a node sees only voxels of its own label.
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
    most = 1
    for node in range(nodes.shape[0]):
        size = 1
        for axis in range(3):
            size *= nodes[node, HIGH + axis] - nodes[node, LOW + axis]
        most = max(most, size)
        sums[node, SIZE] = size
    own, theirs, place = np.empty((5, most)), np.empty((5, most)), np.empty((3, most))
    for node in range(nodes.shape[0]):
        at, found = nodes[node], sums[node]
        found[WANTED] = _gathered(reference, slopes, labels, at, own, place)
        before, size = found[SEEN], int(found[SIZE])
        with_slopes = near[node] and found[CROSSED] == 0
        maps = motions[node], gates[node]
        seen = _sampled(coefficients, known, at, maps, own, place, theirs, size, with_slopes)
        if near[node] and not with_slopes and seen != before:
            seen = _sampled(coefficients, known, at, maps, own, place, theirs, size, True)
            with_slopes = True
        found[SEEN] = seen
        if seen != before:
            _products(own[:, :size], own, theirs[4], place, square[node])
        if with_slopes:
            _products(own[:, :size], theirs, theirs[4], place, cross[node])
            found[CROSSED] = 1.0
        _sides(own[:, :size], theirs, place, sides[node])
        found[JUDGED] = 0.0
        if near[node] and not with_slopes and seen > sides.shape[1]:
            _judged(at, own, theirs, place, sides.shape[1], found)
            found[JUDGED] = 1.0


@compiled
def _gathered(  # noqa: PLR0917
    reference: Singles, slopes: Singles, labels: NDArray[np.int32], node: Integers, own: Floats, place: Floats
) -> int:
    """Set slopes, grey values less their mean, and whether they count, of a box, and places; return how many count."""
    at, count, total = 0, 0, 0.0
    for z in range(node[LOW], node[HIGH]):
        for y in range(node[LOW + 1], node[HIGH + 1]):
            for x in range(node[LOW + 2], node[HIGH + 2]):
                counts = labels[z, y, x] == node[LABEL]
                own[4, at] = 1.0 if counts else 0.0
                for axis in range(3):
                    own[axis, at] = slopes[axis, z, y, x]
                own[3, at] = reference[z, y, x]
                place[0, at], place[1, at], place[2, at] = z - node[AT], y - node[AT + 1], x - node[AT + 2]
                total += own[3, at] * own[4, at]
                count += counts
                at += 1
    mean = total / max(1, count)
    for voxel in range(at):
        own[3, voxel] -= mean
    return count


@compiled_sums
def _sampled(  # noqa: PLR0917
    coefficients: Singles,
    known: NDArray[np.uint8],
    node: Integers,
    maps: tuple[Floats, Floats],
    own: Floats,
    place: Floats,
    theirs: Floats,
    size: int,
    sloping: bool,
) -> int:
    """Put the moved volume at the voxels of a box, 0 where it is not seen; return how many are.

    Its slopes are those with respect to places in the reference.
    """
    flat = coefficients.ravel()
    depth, rows, columns = coefficients.shape
    a, gate = maps
    first_z, first_y, first_x = node[MOVED_AT], node[MOVED_AT + 1], node[MOVED_AT + 2]
    seen = 0
    for at in range(size):
        dz, dy, dx = place[0, at], place[1, at], place[2, at]
        pz = a[0] + a[3] * dz + a[4] * dy + a[5] * dx
        py = a[1] + a[6] * dz + a[7] * dy + a[8] * dx
        px = a[2] + a[9] * dz + a[10] * dy + a[11] * dx
        fz, fy, fx = np.floor(pz), np.floor(py), np.floor(px)
        iz, iy, ix = int(fz) + first_z, int(fy) + first_y, int(fx) + first_x
        gz = gate[0] + gate[3] * dz + gate[4] * dy + gate[5] * dx + first_z
        gy = gate[1] + gate[6] * dz + gate[7] * dy + gate[8] * dx + first_y
        gx = gate[2] + gate[9] * dz + gate[10] * dy + gate[11] * dx + first_x
        seeing = 1 + INNER <= gz < depth - 2 - INNER and 1 + INNER <= gy < rows - 2 - INNER
        seeing = seeing and 1 + INNER <= gx < columns - 2 - INNER and known[int(gz), int(gy), int(gx)]
        within = 1 <= iz < depth - 2 and 1 <= iy < rows - 2 and 1 <= ix < columns - 2
        if own[4, at] == 0 or not seeing or not within:
            for row in range(5):
                theirs[row, at] = 0.0
            continue
        seen += 1
        theirs[4, at] = 1.0
        begin = ((iz - 1) * rows + iy - 1) * columns + ix - 1
        wz, wy, wx = _weights(pz - fz), _weights(py - fy), _weights(px - fx)
        if not sloping:
            theirs[3, at] = _value(flat, begin, rows, columns, wz, wy, wx)
            continue
        rz, ry, rx = _rises(pz - fz), _rises(py - fy), _rises(px - fx)
        theirs[3, at], sz, sy, sx = _with_slopes(flat, begin, rows, columns, (wz, rz), (wy, ry), (wx, rx))
        for axis in range(3):
            theirs[axis, at] = a[3 + axis] * sz + a[6 + axis] * sy + a[9 + axis] * sx
    return seen


@compiled
def _weights(t: float) -> Four:
    """Return the values of the four cubic B-splines at a part of a voxel."""
    u = 1 - t
    return u * u * u / 6, 2 / 3 - t * t * (1 - t / 2), 2 / 3 - u * u * (1 - u / 2), t * t * t / 6


@compiled
def _rises(t: float) -> Four:
    """Return their slopes."""
    u = 1 - t
    return -u * u / 2, t * (1.5 * t - 2), -u * (1.5 * u - 2), t * t / 2


@compiled_sums
def _value(  # noqa: PLR0917
    flat: Singles, begin: int, rows: int, columns: int, wz: Four, wy: Four, wx: Four
) -> float:
    """Return the weighted sum of 4 x 4 x 4 coefficients."""
    v0, v1, v2, v3 = 0.0, 0.0, 0.0, 0.0
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    for k in range(4):
        for j in range(4):
            w = wz[k] * wy[j]
            # An index without sign is not asked whether it counts from the end.
            i = np.uint64(begin + (k * rows + j) * columns)
            v0 += w * flat[i]
            v1 += w * flat[i + one]
            v2 += w * flat[i + two]
            v3 += w * flat[i + three]
    return wx[0] * v0 + wx[1] * v1 + wx[2] * v2 + wx[3] * v3


@compiled_sums
def _with_slopes(  # noqa: PLR0917
    flat: Singles, begin: int, rows: int, columns: int, z: tuple[Four, Four], y: tuple[Four, Four], x: tuple[Four, Four]
) -> Four:
    """Return the weighted sum of 4 x 4 x 4 coefficients and its slopes; weights and their slopes are given."""
    v0, v1, v2, v3, y0, y1, y2, y3, z0, z1, z2, z3 = (0.0,) * 12
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    for k in range(4):
        for j in range(4):
            w, wy, wz = z[0][k] * y[0][j], z[0][k] * y[1][j], z[1][k] * y[0][j]
            i = np.uint64(begin + (k * rows + j) * columns)
            c0, c1, c2, c3 = flat[i], flat[i + one], flat[i + two], flat[i + three]
            v0, v1, v2, v3 = v0 + w * c0, v1 + w * c1, v2 + w * c2, v3 + w * c3
            y0, y1, y2, y3 = y0 + wy * c0, y1 + wy * c1, y2 + wy * c2, y3 + wy * c3
            z0, z1, z2, z3 = z0 + wz * c0, z1 + wz * c1, z2 + wz * c2, z3 + wz * c3
    weight, rise = x
    return (
        weight[0] * v0 + weight[1] * v1 + weight[2] * v2 + weight[3] * v3,
        weight[0] * z0 + weight[1] * z1 + weight[2] * z2 + weight[3] * z3,
        weight[0] * y0 + weight[1] * y1 + weight[2] * y2 + weight[3] * y3,
        rise[0] * v0 + rise[1] * v1 + rise[2] * v2 + rise[3] * v3,
    )


@compiled_sums
def _products(left: Floats, right: Floats, seen: Floats, place: Floats, found: Floats) -> None:
    """Set the products of all columns: slopes times (1, dz, dy, dx), grey values, ones; the last two are the left's."""
    moments = np.empty(10)
    free = found.shape[0] - 2
    z, y, x = place[0], place[1], place[2]
    for p in range(5):
        one = left[p]
        for q in range(5):
            other = right[q] if q < 3 else left[q]
            m0, mz, my, mx, zz, zy, zx, yy, yx, xx = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for at in range(left.shape[1]):
                w = one[at] * other[at] * seen[at]
                m0 += w
                mz += w * z[at]
                my += w * y[at]
                mx += w * x[at]
                zz += w * z[at] * z[at]
                zy += w * z[at] * y[at]
                zx += w * z[at] * x[at]
                yy += w * y[at] * y[at]
                yx += w * y[at] * x[at]
                xx += w * x[at] * x[at]
            moments[0], moments[1], moments[2], moments[3], moments[4] = m0, mz, my, mx, zz
            moments[5], moments[6], moments[7], moments[8], moments[9] = zy, zx, yy, yx, xx
            _spread(p, q, moments, free, found)


_MOMENT = np.array([[0, 1, 2, 3], [1, 4, 5, 6], [2, 5, 7, 8], [3, 6, 8, 9]])


@compiled
def _spread(p: int, q: int, moments: Floats, free: int, found: Floats) -> None:
    """Set the products of all columns that share two slopes."""
    terms = 1 if free == 3 else 4
    for m in range(terms if p < 3 else 1):
        row = free + p - 3 if p >= 3 else p if m == 0 else 2 + 3 * p + m
        for n in range(terms if q < 3 else 1):
            column = free + q - 3 if q >= 3 else q if n == 0 else 2 + 3 * q + n
            found[row, column] = moments[_MOMENT[m, n]]


@compiled_sums
def _sides(own: Floats, theirs: Floats, place: Floats, sides: Floats) -> None:
    """Set the products of all columns with the difference of the volumes."""
    free = sides.size - 2
    z, y, x, value, level, seen = place[0], place[1], place[2], theirs[3], own[3], theirs[4]
    for p in range(5):
        one = own[p]
        m0, mz, my, mx = 0.0, 0.0, 0.0, 0.0
        for at in range(own.shape[1]):
            w = one[at] * (value[at] - level[at]) * seen[at]
            m0 += w
            mz += w * z[at]
            my += w * y[at]
            mx += w * x[at]
        sides[free + p - 3 if p >= 3 else p] = m0
        if p < 3 < free:
            sides[3 + 3 * p], sides[4 + 3 * p], sides[5 + 3 * p] = mz, my, mx


@compiled
def _judged(  # noqa: PLR0917
    node: Integers, own: Floats, theirs: Floats, place: Floats, width: int, found: Floats
) -> None:
    """Tell how well both agree apart from a factor and an offset, and how much noise neighbors share.

    By the latter sums weighted with the slopes vary more than were it white: along each axis 1 + 2 sum over lags of the
    product of the autocorrelations of differences and slopes.
    """
    sizes = node[HIGH : HIGH + 3] - node[LOW : LOW + 3]
    size = sizes[0] * sizes[1] * sizes[2]
    total, level, squares, own_squares, both = 0.0, 0.0, 0.0, 0.0, 0.0
    for at in range(size):
        if theirs[4, at] != 0:
            value = theirs[3, at]
            total += value
            level += own[3, at]
            squares += value * value
            own_squares += own[3, at] * own[3, at]
            both += value * own[3, at]
    count = found[SEEN]
    squares -= total * total / count
    own_squares -= level * level / count
    both -= total * level / count
    found[CORRELATION] = both / np.sqrt(squares * own_squares)
    found[VARIANCE] = (squares - both * both / own_squares) / (count - width)
    for at in range(size):
        difference = theirs[3, at] - total / count - both / own_squares * (own[3, at] - level / count)
        theirs[3, at] = difference if theirs[4, at] != 0 else 0.0
    added, stride = np.ones(3), 1
    for back in range(3):
        axis = 2 - back
        _shared(own, theirs, place[axis], size, stride, added)
        stride *= sizes[axis]
    for slope in range(3):
        found[SHARED + slope] = added[slope]


@compiled_sums
def _shared(  # noqa: PLR0917
    own: Floats, theirs: Floats, place: Floats, size: int, stride: int, factor: Floats
) -> None:
    """Multiply the factor of each slope by that of an axis."""
    z, y, x, difference, seen = own[0], own[1], own[2], theirs[3], theirs[4]
    added, first, last = np.ones(3), np.ones(3), place[size - 1]
    for lag in range(LAGS + 1):
        step, rest, by_z, by_y, by_x, pairs = lag * stride, 0.0, 0.0, 0.0, 0.0, 0.0
        for at in range(size - step):
            to = at + step
            both = seen[at] * seen[to] if place[at] + lag <= last else 0.0
            pairs += both
            rest += both * difference[at] * difference[to]
            by_z += both * z[at] * z[to]
            by_y += both * y[at] * y[to]
            by_x += both * x[at] * x[to]
        rest /= max(pairs, 1.0)
        if lag == 0:
            first[0], first[1], first[2] = rest * by_z, rest * by_y, rest * by_x
        else:
            added[0] += 2 * rest * by_z / first[0]
            added[1] += 2 * rest * by_y / first[1]
            added[2] += 2 * rest * by_x / first[2]
    for slope in range(3):
        factor[slope] *= max(added[slope], 0.1)
