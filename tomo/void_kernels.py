"""Kernels that tell how much of a voxel is void, also beside brighter particles, and how wide a void is across."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Place = tuple[float, float, float]
STEP = 0.5
"""Steps along a line across a crack, voxels."""
FLAT = 1.5
"""How far from its middle a crack goes on within its plane, apertures."""
PLANAR = 0.5
"""1 - max(|e2|, |e3|) / e1 of a crack, at least."""
ALIKE = 0.85
"""Cosine of the angle between normals of the same crack, at least."""
SHALLOW = 0.1
"""Part of its depth at which a crack ends when its aperture is summed."""


@compiled
def value_at(volume: Floats, z: float, y: float, x: float) -> float:
    """Return a volume's value between its voxels, trilinear, that of the outer face beyond it."""
    depth, height, width = volume.shape
    z = min(max(z, 0.0), depth - 1.0)
    y = min(max(y, 0.0), height - 1.0)
    x = min(max(x, 0.0), width - 1.0)
    i, j, k = min(int(z), max(depth - 2, 0)), min(int(y), max(height - 2, 0)), min(int(x), max(width - 2, 0))
    a, b, c = z - i, y - j, x - k
    i1, j1, k1 = min(i + 1, depth - 1), min(j + 1, height - 1), min(k + 1, width - 1)
    low = (1 - b) * ((1 - c) * volume[i, j, k] + c * volume[i, j, k1]) + b * (
        (1 - c) * volume[i, j1, k] + c * volume[i, j1, k1]
    )
    high = (1 - b) * ((1 - c) * volume[i1, j, k] + c * volume[i1, j, k1]) + b * (
        (1 - c) * volume[i1, j1, k] + c * volume[i1, j1, k1]
    )
    value: float = (1 - a) * low + a * high
    return value


@compiled
def slope_at(grey: Floats, z: int, y: int, x: int) -> tuple[float, float, float]:
    """Return the direction in which the grey values rise, a unit vector; zeros where they do not."""
    depth, height, width = grey.shape
    gz = grey[min(z + 1, depth - 1), y, x] - grey[max(z - 1, 0), y, x]
    gy = grey[z, min(y + 1, height - 1), x] - grey[z, max(y - 1, 0), x]
    gx = grey[z, y, min(x + 1, width - 1)] - grey[z, y, max(x - 1, 0)]
    length = math.sqrt(gz * gz + gy * gy + gx * gx)
    if not length > 0:
        return 0.0, 0.0, 0.0
    return gz / length, gy / length, gx / length


@compiled
def highest(volume: Floats, place: Place, way: Place, reach: float) -> float:
    """Return the largest value from a place to ``reach`` voxels along a way."""
    top, at = value_at(volume, place[0], place[1], place[2]), STEP
    while at <= reach:
        top = max(top, value_at(volume, place[0] + at * way[0], place[1] + at * way[1], place[2] + at * way[2]))
        at += STEP
    return top


@compiled
def above(grey: Floats, place: tuple[int, int, int], levels: tuple[float, float]) -> float:
    """Return how far a voxel is above what only particles exceed, from 0 to 1; not a number where it is not finite."""
    matrix, bright = levels
    value: float = grey[place[0], place[1], place[2]]
    if not abs(value) < math.inf:
        return math.nan
    return min(max((value - bright) / (bright - matrix), 0.0), 1.0)


@compiled
def faces(grey: Floats, matrix: float, bright: float, area: Floats) -> None:
    """Write the slope of grey values that are cut off below particles and above; 0 beside what is not finite."""
    depth, height, width = grey.shape
    levels = (matrix, bright)
    for z in range(depth):
        z0, z1 = max(z - 1, 0), min(z + 1, depth - 1)
        for y in range(height):
            y0, y1 = max(y - 1, 0), min(y + 1, height - 1)
            for x in range(width):
                x0, x1 = max(x - 1, 0), min(x + 1, width - 1)
                a = (above(grey, (z1, y, x), levels) - above(grey, (z0, y, x), levels)) / max(z1 - z0, 1)
                b = (above(grey, (z, y1, x), levels) - above(grey, (z, y0, x), levels)) / max(y1 - y0, 1)
                c = (above(grey, (z, y, x1), levels) - above(grey, (z, y, x0), levels)) / max(x1 - x0, 1)
                slope = math.sqrt(a * a + b * b + c * c)
                area[z, y, x] = slope if slope >= 0 else 0.0


@compiled
def middle_of(smooth: Floats, place: Place, normal: Place, climb: float) -> tuple[float, float]:
    """Return where along its normal a crack is deepest, voxels from a place, and its share there."""
    middle, peak, way = 0.0, value_at(smooth, place[0], place[1], place[2]), -climb
    while way <= climb:
        level = value_at(smooth, place[0] + way * normal[0], place[1] + way * normal[1], place[2] + way * normal[2])
        if level > peak:
            middle, peak = way, level
        way += STEP
    return middle, peak


@compiled
def opening(smooth: Floats, middle: Place, normal: Place, peak: float, widest: float) -> tuple[float, float]:
    """Return the share summed along the normal to where it falls to a tenth, 0 if it does not, and half way, voxels."""
    total, halfway = peak, 0.0
    for side in (-STEP, STEP):
        level, steps = peak, 1
        while level >= SHALLOW * peak and steps * STEP <= widest:
            way = side * steps
            level = value_at(
                smooth, middle[0] + way * normal[0], middle[1] + way * normal[1], middle[2] + way * normal[2]
            )
            total += level
            steps += 1
        if level >= SHALLOW * peak:
            return 0.0, 0.0
        halfway += side * (steps - 1) / 2
    return STEP * total, halfway


@compiled
def moved(place: Place, normal: Place, way: float) -> Place:
    """Return the place that lies so far away along the normal."""
    return place[0] + way * normal[0], place[1] + way * normal[1], place[2] + way * normal[2]


@compiled
def facing(way: NDArray[np.int8]) -> tuple[Place, float]:
    """Return the unit normal of a plate and its planarity, from a vector 127 times the planarity long."""
    z, y, x = way[0] / 127.0, way[1] / 127.0, way[2] / 127.0
    length = math.sqrt(z * z + y * y + x * x)
    if length == 0:
        return (1.0, 0.0, 0.0), 0.0
    return (z / length, y / length, x / length), length


@compiled
def agrees(seen: Mask, directions: NDArray[np.int8], place: Place, normal: Place) -> bool:
    """Return whether a plate was seen at a place, too, that faces the same way."""
    z = min(max(round(place[0]), 0), seen.shape[0] - 1)
    y = min(max(round(place[1]), 0), seen.shape[1] - 1)
    x = min(max(round(place[2]), 0), seen.shape[2] - 1)
    other, planarity = facing(directions[z, y, x])
    cosine = abs(other[0] * normal[0] + other[1] * normal[1] + other[2] * normal[2])
    return seen[z, y, x] and planarity >= PLANAR and cosine > ALIKE


@compiled
def extends(smooth: Floats, middle: Place, normal: Place, level: float, reach: float) -> bool:
    """Return whether a void goes on ``reach`` voxels away within its plane: on one side at least, whatever the line.

    Four lines, 45 degrees apart, run through the middle; a ball ends on both sides of all, a tube on most.
    """
    nz, ny, nx = normal
    if abs(nz) < 0.6:
        az, ay, ax = 0.0, -nx, ny
    else:
        az, ay, ax = -nx, 0.0, nz
    length = math.sqrt(az * az + ay * ay + ax * ax)
    az, ay, ax = az / length, ay / length, ax / length
    bz, by, bx = ny * ax - nx * ay, nx * az - nz * ax, nz * ay - ny * az
    for line in range(4):
        u, v = math.cos(line * math.pi / 4) * reach, math.sin(line * math.pi / 4) * reach
        z, y, x = u * az + v * bz, u * ay + v * by, u * ax + v * bx
        ahead = value_at(smooth, middle[0] + z, middle[1] + y, middle[2] + x)
        behind = value_at(smooth, middle[0] - z, middle[1] - y, middle[2] - x)
        if max(ahead, behind) < level:
            return False
    return True


@compiled
def across(  # noqa: PLR0917
    smooth: Floats,
    seen: Mask,
    directions: NDArray[np.int8],
    reaches: tuple[float, float],
    within: tuple[tuple[int, int], tuple[int, int], tuple[int, int]],
    void: Mask,
    aperture: Floats,
) -> None:
    """Mark voids where a plate was seen, and write the aperture, voxels, of those that are cracks.

    Void is where the share is at least half that of the middle, taken as 1 at most. It is a crack where the share falls
    to a tenth on both sides, half way between a plate was seen that faces the same way, and it goes on along the plane.

    Parameters
    ----------
    smooth
        Smoothed share of void.
    seen, directions
        Where a plate was seen, and its normal, 127 times its planarity long, dims (z, y, x) and (z, y, x, axis).
    reaches
        How far the middle may lie from a voxel where a plate was seen, and how far from its middle a crack may reach
        to both sides, voxels.
    within
        Where to work: the first voxel and the end along z, y, x.
    """
    climb, widest = reaches
    along_z, along_y, along_x = within
    for z in range(along_z[0], along_z[1]):
        for y in range(along_y[0], along_y[1]):
            for x in range(along_x[0], along_x[1]):
                here = smooth[z, y, x]
                if not seen[z, y, x] or not here > 0:
                    continue
                normal, planarity = facing(directions[z, y, x])
                place = (float(z), float(y), float(x))
                off, peak = middle_of(smooth, place, normal, climb)
                if here < 0.5 * min(peak, 1.0):
                    continue
                void[z, y, x] = True
                if planarity < PLANAR:
                    continue
                wide, halfway = opening(smooth, moved(place, normal, off), normal, peak, widest)
                middle = moved(place, normal, off + halfway)
                if not wide > 0 or not agrees(seen, directions, middle, normal):
                    continue
                if extends(smooth, middle, normal, 0.5 * min(peak, 1.0), FLAT * min(wide, widest)):
                    aperture[z, y, x] = wide
