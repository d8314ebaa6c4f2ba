"""Kernels of the plate filter: Hessians of a smoothed volume, plane by plane, and their eigenvalues in closed form.

No trigonometric library call and no reordered sum: what a voxel gets does not depend on the block it is worked on in.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

from .eigenvalues import eigenvalues

Floats = NDArray[np.float32]

STENCIL_VARIANCE = 1 / 3
"""Variance that the difference stencils add along every axis, voxels^2: all six alike, to fourth order."""

REACH = 2
"""Voxels that the difference stencils look away from their own."""


@compiled
def mirrored(index: int, size: int) -> int:
    """Return where a place outside of an axis falls when the axis is mirrored at its outer faces."""
    folded = index % (2 * size)
    return folded if folded < size else 2 * size - 1 - folded


@compiled
def smooth_plane(volume: Floats, z: int, weights: Floats, across: Floats, out: Floats) -> None:
    """Write plane ``z`` of a volume, smoothed along z, y, x by the half kernel ``weights``, to ``out``."""
    depth, height, width = volume.shape
    radius = weights.size - 1
    middle = volume[z]
    for y in range(height):
        for x in range(width):
            across[y, x] = weights[0] * middle[y, x]
    for q in range(1, radius + 1):
        below, above, weight = volume[mirrored(z - q, depth)], volume[mirrored(z + q, depth)], weights[q]
        for y in range(height):
            for x in range(width):
                across[y, x] += weight * (below[y, x] + above[y, x])
    row = np.empty(width + 2 * radius, np.float32)
    for y in range(height):
        inner, line = row[radius : radius + width], across[y]
        for x in range(width):
            inner[x] = weights[0] * line[x]
        for q in range(1, radius + 1):
            below_row, above_row, weight = across[mirrored(y - q, height)], across[mirrored(y + q, height)], weights[q]
            for x in range(width):
                inner[x] += weight * (below_row[x] + above_row[x])
        smooth_row(row, weights, out[y])


@compiled
def smooth_row(row: Floats, weights: Floats, out: Floats) -> None:
    """Write a row, which has room for its mirror images on both sides, smoothed to ``out``."""
    width, radius = out.size, weights.size - 1
    for q in range(radius):
        row[q] = row[radius + mirrored(q - radius, width)]
        row[radius + width + q] = row[radius + mirrored(width + q, width)]
    inner = row[radius : radius + width]
    for x in range(width):
        out[x] = weights[0] * inner[x]
    for q in range(1, radius + 1):
        left, right, weight = row[radius - q : radius - q + width], row[radius + q : radius + q + width], weights[q]
        for x in range(width):
            out[x] += weight * (left[x] + right[x])


@compiled
def smooth(volume: Floats, weights: Floats) -> Floats:
    """Return a volume smoothed along z, y, x by a symmetric kernel, of which ``weights`` is the middle and one half."""
    out = np.empty_like(volume)
    across = np.empty(volume.shape[1:], np.float32)
    for z in range(volume.shape[0]):
        smooth_plane(volume, z, weights, across, out[z])
    return out


@compiled
def plate_response(  # noqa: PLR0917
    volume: Floats,
    weights: Floats,
    factor: float,
    least: float,
    number: int,
    corner: tuple[int, int],
    best: Floats,
    normal: Floats,
    scale: NDArray[np.uint8],
    planarity: Floats,
) -> None:
    """Raise ``best`` (z, y, x) to ``factor (e1 - max(|e2|, |e3|))`` of the smoothed volume where that is larger.

    It has the rows of the volume from z and y of ``corner`` on, whole along x. A negative ``factor`` looks for
    bright plates. Where the smoothed volume is below ``least`` times the answer, there is none. Where there is,
    ``normal`` (z, y, x, axis), unless it is empty, gets the direction of e1, ``scale`` the number of the scale, and
    ``planarity`` 1 - max(|e2|, |e3|) / e1.
    """
    depth, height, width = volume.shape
    planes = np.empty((5, height, width), np.float32)
    across = np.empty((height, width), np.float32)
    along = np.empty((3, height, width), np.float32)
    rows = np.empty((6, width + 2 * REACH), np.float32)
    hessian, eigen = np.empty((7, width), np.float32), np.empty((3, width))
    value = np.empty(width, np.float32)
    directed = normal.size > 0
    begin, first = corner
    for at in range(max(0, begin - REACH), min(begin + REACH, depth)):
        smooth_plane(volume, at, weights, across, planes[at % 5])
    for z in range(begin, begin + best.shape[0]):
        if z + REACH < depth:
            smooth_plane(volume, z + REACH, weights, across, planes[(z + REACH) % 5])
        _along_z(planes, z, depth, along)
        for row in range(best.shape[1]):
            _along_y(along, first + row, rows)
            _along_x(rows, hessian)
            eigenvalues(hessian, factor, eigen)
            _responses(eigen, hessian[6], least, value)
            i, found = z - begin, best[z - begin, row]
            if directed:
                _note(hessian, factor, eigen[0], number, value, found, normal[i, row], scale[i, row], planarity[i, row])
            for x in range(width):
                found[x] = max(found[x], value[x])


@compiled
def _along_z(planes: Floats, z: int, depth: int, along: Floats) -> None:
    """Write the smoothed mean, the first and the second difference along z."""
    a, b = planes[mirrored(z - 2, depth) % 5], planes[mirrored(z - 1, depth) % 5]
    c, d, e = planes[z % 5], planes[mirrored(z + 1, depth) % 5], planes[mirrored(z + 2, depth) % 5]
    for y in range(c.shape[0]):
        _differences(a[y], b[y], c[y], d[y], e[y], along[0, y], along[1, y], along[2, y])


@compiled
def _differences(  # noqa: PLR0917
    a: Floats, b: Floats, c: Floats, d: Floats, e: Floats, mean: Floats, first: Floats, second: Floats
) -> None:
    """Write mean, first and second difference across five rows, each smoothed with a variance of 1/3."""
    sixth, half, twelfth = np.float32(1 / 6), np.float32(0.5), np.float32(1 / 12)
    two_thirds, middle = np.float32(2 / 3), np.float32(1.5)
    for x in range(mean.size):
        pair = b[x] + d[x]
        mean[x] = sixth * pair + two_thirds * c[x]
        first[x] = half * (d[x] - b[x])
        second[x] = twelfth * (a[x] + e[x]) + two_thirds * pair - middle * c[x]


@compiled
def _along_y(along: Floats, y: int, rows: Floats) -> None:
    """Write rows of zz, zy, zx, yy, yx, xx that lack only the step along x, mirrored at both ends."""
    height, width = along.shape[1:]
    a, b = mirrored(y - 2, height), mirrored(y - 1, height)
    d, e = mirrored(y + 1, height), mirrored(y + 2, height)
    inner = rows[:, REACH : REACH + width]
    unused = np.empty(width, np.float32)
    mean, first, second = along[0], along[1], along[2]
    _differences(mean[a], mean[b], mean[y], mean[d], mean[e], inner[5], inner[4], inner[3])
    _differences(first[a], first[b], first[y], first[d], first[e], inner[2], inner[1], unused)
    sixth, two_thirds = np.float32(1 / 6), np.float32(2 / 3)
    before, here, after, zz = second[b], second[y], second[d], inner[0]
    for x in range(width):
        zz[x] = sixth * (before[x] + after[x]) + two_thirds * here[x]
    for part in range(6):
        for q in range(REACH):
            rows[part, q] = rows[part, REACH + mirrored(q - REACH, width)]
            rows[part, REACH + width + q] = rows[part, REACH + mirrored(width + q, width)]


@compiled
def _along_x(rows: Floats, hessian: Floats) -> None:
    """Write zz, zy, zx, yy, yx, xx, and the smoothed volume itself."""
    width = hessian.shape[1]
    sixth, half, twelfth = np.float32(1 / 6), np.float32(0.5), np.float32(1 / 12)
    two_thirds, middle = np.float32(2 / 3), np.float32(1.5)
    for part in (0, 1, 3):
        before, here, after = rows[part, 1 : 1 + width], rows[part, 2 : 2 + width], rows[part, 3 : 3 + width]
        line = hessian[part]
        for x in range(width):
            line[x] = sixth * (before[x] + after[x]) + two_thirds * here[x]
    for part in (2, 4):
        before, after, line = rows[part, 1 : 1 + width], rows[part, 3 : 3 + width], hessian[part]
        for x in range(width):
            line[x] = half * (after[x] - before[x])
    first, before, here = rows[5, :width], rows[5, 1 : 1 + width], rows[5, 2 : 2 + width]
    after, last, line, mean = rows[5, 3 : 3 + width], rows[5, 4 : 4 + width], hessian[5], hessian[6]
    for x in range(width):
        line[x] = twelfth * (first[x] + last[x]) + two_thirds * (before[x] + after[x]) - middle * here[x]
        mean[x] = sixth * (before[x] + after[x]) + two_thirds * here[x]


@compiled
def _responses(eigen: NDArray[np.float64], mean: Floats, least: float, value: Floats) -> None:
    first, second, third = eigen[0], eigen[1], eigen[2]
    for x in range(value.size):
        answer = first[x] - max(abs(second[x]), abs(third[x]))
        value[x] = 0.0 if mean[x] < least * answer else answer


@compiled
def _note(  # noqa: PLR0917
    hessian: Floats,
    factor: float,
    largest: NDArray[np.float64],
    number: int,
    value: Floats,
    best: Floats,
    normal: Floats,
    scale: NDArray[np.uint8],
    planarity: Floats,
) -> None:
    """Note where a response is the largest; the normal is the longest cross product of two columns of H - e1."""
    for x in range(value.size):
        if not value[x] > best[x]:
            continue
        zz, zy, zx = factor * hessian[0, x], factor * hessian[1, x], factor * hessian[2, x]
        yy, yx, xx = factor * hessian[3, x], factor * hessian[4, x], factor * hessian[5, x]
        e1 = largest[x]
        scale[x], planarity[x] = number, value[x] / e1
        longest = 0.0
        for pair in range(3):
            a = (zz - e1, zy, zx) if pair < 2 else (zy, yy - e1, yx)
            b = (zy, yy - e1, yx) if pair == 0 else (zx, yx, xx - e1)
            nz, ny, nx = a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
            length = math.sqrt(nz * nz + ny * ny + nx * nx)
            if length > longest:
                longest = length
                turn = -1.0 if nz < 0 or (nz == 0 and (ny < 0 or (ny == 0 and nx < 0))) else 1.0
                normal[x, 0], normal[x, 1], normal[x, 2] = turn * nz / length, turn * ny / length, turn * nx / length
