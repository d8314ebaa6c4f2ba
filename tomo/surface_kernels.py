"""Faces between voxels that differ, each weighed by how steeply the surface through it stands to that face."""

from __future__ import annotations

import math
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

REACH = 4
"""Voxels that the normal at a face looks away from it, in their longest edge."""

NARROW, EVEN = 2.8, 0.9
"""The same where the surface is not even: where the gradient is shorter than this share of that of planes."""

BENT, SLANT, GROOVE = 0.97, 0.15, 1.2
"""Where the gradient is shorter than the first, an edge or a groove may be near; sine of the angle between the normals
of both windows that voxels alone make of even surfaces; area lost there, over the sine above that."""

ABSENT = -1
"""Code of voxels that are not there or count for nothing."""

WHOLE = 1 << 24
"""Weight of a face that lies in the surface; whole numbers add up to the same in every order."""

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Codes = NDArray[np.int32]


Window = tuple[Integers, Floats, Floats]
Edges = tuple[float, float, float]


def reaches(edges: Edges) -> tuple[int, int, int]:
    """Return how many voxels along z, y, x the normal at a face looks away: ``REACH`` of the longest edges."""
    z, y, x = (math.ceil(REACH * max(edges) / edge) for edge in edges)
    return z, y, x


@cache
def window(reach: float, edges: Edges) -> Window:
    """Return steps (axis, step, 3) from the first voxel of a face to voxels on one side of it, and their moments.

    The face lies between two neighbors along ``axis``; a voxel d from its middle has the moment (1 - d^2/r^2)^2 d, with
    r = ``reach`` of the longest edges of a voxel. Those on the other side lie opposite. Last comes what the moments add
    up to where the face is part of a plane across the axis.
    """
    steps, moments = [], []
    sizes = np.array(edges) / max(edges)
    grid = np.array(list(product(*(range(-far, far + 1) for far in reaches(edges)))))
    for axis in range(3):
        away = (grid - 0.5 * np.eye(3)[axis]) * sizes
        share = 1 - (away**2).sum(axis=1) / reach**2
        first = away[np.arange(len(away)), (away != 0).argmax(axis=1)]
        kept = (share > 0) & (first > 0)
        steps.append(grid[kept])
        moments.append((share**2)[kept, np.newaxis] * away[kept])
    most = max(len(one) for one in steps)
    whole = np.array([np.abs(one[:, axis]).sum() for axis, one in enumerate(moments)])
    padded = [np.pad(np.array(one), ((0, most - len(one)), (0, 0))) for one in (*steps, *moments)]
    return np.array(padded[:3]).astype(np.int64), np.array(padded[3:]), whole


@compiled
def faces(
    codes: Codes, begin: Integers, end: Integers, outer: Integers
) -> tuple[Integers, NDArray[np.int8], NDArray[np.int8]]:
    """Return the faces between differing voxels: first voxel (flat), axis, and how many quarters of it count.

    Parameters
    ----------
    codes
        What each voxel is, at least one voxel farther than the faces wanted; ``ABSENT`` where nothing is known.
    begin, end
        First voxels of the faces, from and to; the second may be ``end`` itself.
    outer
        Dims axis, side: first and last voxel of the whole volume.

    Notes
    -----
    What counts lies within the box through the middles of the outermost voxels: a face on its side does so by half.
    """
    count = _count(codes, begin, end)
    flat, along, quarters = np.empty(count, np.int64), np.empty(count, np.int8), np.empty(count, np.int8)
    _, ny, nx = codes.shape
    at = 0
    for i in range(begin[0], end[0]):
        for j in range(begin[1], end[1]):
            for k in range(begin[2], end[2]):
                for axis in range(3):
                    if _differ(codes[i, j, k], codes[i + (axis == 0), j + (axis == 1), k + (axis == 2)]):
                        flat[at], along[at] = (i * ny + j) * nx + k, axis
                        quarters[at] = within(i, j, k, axis, outer)
                        at += 1
    return flat, along, quarters


@compiled
def _count(codes: Codes, begin: Integers, end: Integers) -> Any:
    count = 0
    for i in range(begin[0], end[0]):
        for j in range(begin[1], end[1]):
            for k in range(begin[2], end[2]):
                for axis in range(3):
                    count += _differ(codes[i, j, k], codes[i + (axis == 0), j + (axis == 1), k + (axis == 2)])
    return count


@compiled
def _differ(here: Any, there: Any) -> Any:
    return here != there and min(here, there) > ABSENT


@compiled
def within(i: Any, j: Any, k: Any, axis: Any, outer: Integers) -> Any:
    """Return quarters of a face, or of an edge along ``axis``, that lie within the middles of the outermost voxels."""
    quarters = 4
    if axis != 0 and (i == outer[0, 0] or i == outer[0, 1]):
        quarters //= 2
    if axis != 1 and (j == outer[1, 0] or j == outer[1, 1]):
        quarters //= 2
    if axis != 2 and (k == outer[2, 0] or k == outer[2, 1]):
        quarters //= 2
    return quarters


@compiled
def shares(
    codes: Codes, flat: Integers, along: NDArray[np.int8], wide: Window, narrow: Window
) -> tuple[Integers, Floats, NDArray[np.bool_]]:
    """Return by how much the surface through each face stands along the face's axis, and what is lost beside it.

    Parameters
    ----------
    codes, flat, along
        As :func:`faces` takes and returns them.
    wide, narrow
        Windows of ``REACH`` and ``NARROW``.

    Returns
    -------
    shares
        In units of ``WHOLE``.
    lost
        What edges and grooves near the face lose, over what it counts.
    even
        Whether the wide window tells the normal.

    Notes
    -----
    The moments of the voxels of a body add up to its gradient. Of the two bodies that meet, that with the longer one
    tells the normal: it is the smoother one here. Where it is shorter than on planes, a rim or a second surface is
    near, and the narrow window tells. A voxel that is not there is taken for the opposite of the one across the middle
    of the face, as on a plane through it.

    Along an edge or a groove normals are smoothed, and lines of voxels step over what is narrower than they are wide.
    What this loses, per length, is the sine of the angle between the normals of both windows, summed over the faces,
    times ``GROOVE``: in grooves of 20 to 90 degrees, which lose 2.5 to 0.4 voxels without it, nine tenths come back. Of
    plates and slits both normals are the same.
    """
    found, lost, even = np.empty(flat.size, np.int64), np.zeros(flat.size), np.ones(flat.size, np.bool_)
    rows = np.array([codes.shape[1] * codes.shape[2], codes.shape[2], 1])
    far, near = _flat(wide[0], rows), _flat(narrow[0], rows)
    voxels = codes.reshape(-1)
    single = _two(voxels)
    for at in range(flat.size):
        axis = along[at]
        first, second = flat[at], flat[at] + rows[axis]
        body, a = _longer(voxels, first, second, far[axis], wide[1][axis], single)
        length = np.sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2])
        if length < BENT * wide[2][axis]:
            b = _gradient(voxels, first, second, near[axis], narrow[1][axis], body)
            lost[at] = GROOVE * _tilt(a, b)
            even[at] = length >= EVEN * wide[2][axis]
            if not even[at]:
                a = b
        found[at] = _whole(a[0], a[1], a[2], axis)
    return found, lost, even


@compiled
def _tilt(a: Any, b: Any) -> Any:
    """Return the sine of the angle between two vectors, less what voxels make of it."""
    across = (a[1] * b[2] - a[2] * b[1]) ** 2 + (a[2] * b[0] - a[0] * b[2]) ** 2 + (a[0] * b[1] - a[1] * b[0]) ** 2
    lengths = (a[0] * a[0] + a[1] * a[1] + a[2] * a[2]) * (b[0] * b[0] + b[1] * b[1] + b[2] * b[2])
    return np.sqrt(max(across / lengths - SLANT**2, 0.0)) if lengths > 0 else 0.0


@compiled
def _two(voxels: Codes) -> Any:
    """Return whether there are two bodies at most, so that the gradient of one is that of the other."""
    one, other = ABSENT, ABSENT
    for code in voxels:
        if code == ABSENT or code == one or code == other:  # noqa: PLR1714, SIM109
            continue
        if one == ABSENT:
            one = code
        elif other == ABSENT:
            other = code
        else:
            return False
    return True


@compiled
def _flat(steps: Integers, rows: Integers) -> Integers:
    """Return steps in a flat array."""
    found = np.empty(steps.shape[:2], np.int64)
    for axis in range(steps.shape[0]):
        for n in range(steps.shape[1]):
            found[axis, n] = (steps[axis, n] * rows).sum()
    return found


@compiled
def _longer(voxels: Codes, first: Any, second: Any, steps: Integers, moments: Floats, single: Any) -> Any:  # noqa: PLR0917
    """Return which of the two bodies that meet between two voxels has the longer gradient, and that."""
    a = _gradient(voxels, first, second, steps, moments, voxels[first])
    if single:
        return voxels[first], a
    b = _gradient(voxels, first, second, steps, moments, voxels[second])
    if b[0] * b[0] + b[1] * b[1] + b[2] * b[2] > a[0] * a[0] + a[1] * a[1] + a[2] * a[2]:
        return voxels[second], b
    return voxels[first], a


@compiled
def _gradient(voxels: Codes, first: Any, second: Any, steps: Integers, moments: Floats, body: Any) -> Any:  # noqa: PLR0917
    """Return the gradient of a body between two voxels."""
    a0, a1, a2 = 0.0, 0.0, 0.0
    for n in range(steps.size):
        up, down = voxels[first + steps[n]], voxels[second - steps[n]]
        rise = np.int64(up == body) - (down == body)
        if up == ABSENT and down != ABSENT:
            rise = 1 - 2 * (down == body)
        elif down == ABSENT and up != ABSENT:
            rise = 2 * (up == body) - 1
        a0, a1, a2 = a0 + rise * moments[n, 0], a1 + rise * moments[n, 1], a2 + rise * moments[n, 2]
    return a0, a1, a2


@compiled
def grey_shares(
    levels: NDArray[np.float32],
    threshold: float,
    flat: Integers,
    along: NDArray[np.int8],
    wide: Window,
) -> Integers:
    """Return what :func:`shares` does, the gradient being that of grey levels; those that are NaN are not there."""
    steps, moments, _ = wide
    found = np.empty(flat.size, np.int64)
    _, ny, nx = levels.shape
    for at in range(flat.size):
        axis = along[at]
        i, j, k = flat[at] // (ny * nx), flat[at] // nx % ny, flat[at] % nx
        p, q, r = i + (axis == 0), j + (axis == 1), k + (axis == 2)
        a0, a1, a2 = 0.0, 0.0, 0.0
        for n in range(steps.shape[1]):
            s0, s1, s2 = steps[axis, n, 0], steps[axis, n, 1], steps[axis, n, 2]
            up, down = levels[i + s0, j + s1, k + s2] - threshold, levels[p - s0, q - s1, r - s2] - threshold
            rise = up - down
            if np.isnan(rise):
                rise = 2 * up if np.isnan(down) else -2 * down
                if np.isnan(rise):
                    continue
            m0, m1, m2 = moments[axis, n, 0], moments[axis, n, 1], moments[axis, n, 2]
            a0, a1, a2 = a0 + rise * m0, a1 + rise * m1, a2 + rise * m2
        found[at] = _whole(a0, a1, a2, axis)
    return found


@compiled
def _whole(a0: float, a1: float, a2: float, axis: Any) -> Any:
    """Return the part of a vector along an axis, of its length, in units of ``WHOLE``."""
    length = np.sqrt(a0 * a0 + a1 * a1 + a2 * a2)
    along = a0 if axis == 0 else (a1 if axis == 1 else a2)
    return np.int64(np.rint(abs(along) / length * WHOLE)) if length > 0 else np.int64(WHOLE)
