"""Finest level of the potential in a mask: every face between two conducting voxels conducts alike.

All that is kept of the mask is one byte a voxel, how many faces conduct: n neighbors, and 2 for a face at an electrode,
half a voxel away; 0 where nothing conducts. Arrays have a border of a voxel that never conducts, and an even number of
voxels within. No array but the residual, the direction and its image is kept: what the smoothing steps make is held for
three planes at a time. Kernels get the slab of the coarse level's planes they work on; border planes of slabs have been
stepped before, see :func:`step_residual` and :func:`step_direction`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled, compiled_sums

Counts = NDArray[np.uint8]
Vector = NDArray[np.float32]
Sums = NDArray[np.float64]

_NONE = np.float32(0)
_ONE = np.float32(1)


@compiled
def count_faces(  # noqa: PLR0917
    counts: Counts, sizes: tuple[int, int, int], offset: int, axis: int, first: int, last: int
) -> None:
    """Replace the ones of a mask by the number of faces that conduct; electrodes at both ends of an axis.

    ``sizes`` are those of the whole volume, of which ``offset`` planes come before the first of a slab.
    """
    depth, height, width = sizes
    row = np.empty(counts.shape[2], np.uint8)
    for z in range(first, last):
        ends_z = 2 * ((axis == 0) * ((z + offset == 1) + (z + offset == depth)))
        for y in range(1, height + 1):
            ends = ends_z + 2 * ((axis == 1) * ((y == 1) + (y == height)))
            here, above, below = counts[z, y], counts[z - 1, y], counts[z + 1, y]
            before, after = counts[z, y - 1], counts[z, y + 1]
            for x in range(1, width + 1):
                found = (above[x] > 0) + (below[x] > 0) + (before[x] > 0) + (after[x] > 0)
                found += (here[x - 1] > 0) + (here[x + 1] > 0) + ends
                row[x] = found if here[x] > 0 else 0
            if axis == 2:
                row[1] += 2 * (here[1] > 0)
                row[width] += 2 * (here[width] > 0)
            for x in range(1, width + 1):
                here[x] = row[x]


@compiled
def linear_residual(  # noqa: PLR0917
    counts: Counts,
    sizes: tuple[int, int, int],
    offset: int,
    axis: int,
    residual: Vector,
    energy: Sums,
    first: int,
    last: int,
) -> None:
    """Set what the potential that falls by 1 a voxel along an axis leaves of the balance of each voxel.

    ``energy`` of each plane: what this potential dissipates; ``sizes`` and ``offset`` as :func:`count_faces` has them.
    """
    _, height, width = sizes
    at_z, at_y, at_x = np.int64(axis == 0), np.int64(axis == 1), np.int64(axis == 2)
    length = sizes[axis]
    for z in range(first, last):
        total = 0.0
        for y in range(1, height + 1):
            for x in range(1, width + 1):
                if counts[z, y, x] == 0:
                    continue
                place = (z + offset) * at_z + y * at_y + x * at_x
                enters = place == 1 or counts[z - at_z, y - at_y, x - at_x] > 0
                leaves = place == length or counts[z + at_z, y + at_y, x + at_x] > 0
                residual[z, y, x] = np.float32(enters) - np.float32(leaves)
                total += (0.5 if place == 1 else 1.0) * enters
                total += 0.5 * (place == length)
        energy[z] = total


@compiled
def step_residual(residual: Vector, image: Vector, step: np.float32, first: int, last: int) -> None:
    """Subtract ``step`` times the image from the residual, in planes."""
    for z in range(first, last):
        for y in range(residual.shape[1]):
            row, other = residual[z, y], image[z, y]
            for x in range(row.size):
                row[x] -= step * other[x]


@compiled
def step_direction(direction: Vector, image: Vector, share: np.float32, first: int, last: int) -> None:
    """Add ``share`` times the last direction to the new one, which ``image`` holds."""
    for z in range(first, last):
        for y in range(direction.shape[1]):
            row, other = direction[z, y], image[z, y]
            for x in range(row.size):
                row[x] = other[x] + share * row[x]


@compiled
def _smoothed(plane: Vector, counts: Counts, residual: Vector, damping: np.float32) -> None:
    """Set a plane to what one damped step of Jacobi makes of 0."""
    for y in range(plane.shape[0]):
        row, number, left = plane[y], counts[y], residual[y]
        for x in range(row.size):
            row[x] = damping * left[x] / max(np.float32(number[x]), _ONE)


@compiled
def _corrected(plane: Vector, counts: Counts, residual: Vector, coarse: Vector, damping: np.float32) -> None:
    """Set a plane to a damped step of Jacobi and the correction of the coarse level."""
    wide = np.zeros(plane.shape[1], np.float32)
    for y in range(1, plane.shape[0] - 1):
        if y % 2 == 1:
            shared = coarse[(y + 1) // 2]
            for x in range(1, plane.shape[1] // 2):
                wide[2 * x - 1] = shared[x]
                wide[2 * x] = shared[x]
        row, number, left = plane[y], counts[y], residual[y]
        for x in range(row.size):
            value = damping * left[x] / max(np.float32(number[x]), _ONE) + wide[x]
            row[x] = value if number[x] > 0 else _NONE


@compiled_sums
def restrict_residual(  # noqa: PLR0917
    counts: Counts,
    residual: Vector,
    image: Vector,
    step: np.float32,
    damping: np.float32,
    coarse: Vector,
    first: int,
    last: int,
) -> None:
    """Step the residual, smooth once, and sum what is left in the cells of the coarse level."""
    _, height, width = counts.shape
    low, high = 2 * first - 1, 2 * last - 1
    planes = np.zeros((3, height, width), np.float32)
    total = np.empty(width - 2, np.float32)
    _smoothed(planes[(low - 1) % 3], counts[low - 1], residual[low - 1], damping)
    _smoothed(planes[low % 3], counts[low], residual[low], damping)
    for z in range(low, high):
        if z + 1 < high - 1:
            step_residual(residual, image, step, z + 1, z + 2)
        above, here, below = planes[(z - 1) % 3], planes[z % 3], planes[(z + 1) % 3]
        _smoothed(below, counts[z + 1], residual[z + 1], damping)
        cells = coarse[(z + 1) // 2]
        for y in range(1, height - 1):
            number, left, up, down = counts[z, y, 1:-1], residual[z, y, 1:-1], above[y, 1:-1], below[y, 1:-1]
            before, after, west, middle, east = (
                here[y - 1, 1:-1],
                here[y + 1, 1:-1],
                here[y],
                here[y, 1:-1],
                here[y, 2:],
            )
            if y % 2 == 1:
                for x in range(total.size):
                    total[x] = _NONE
            for x in range(total.size):
                around = up[x] + down[x] + before[x] + after[x] + west[x] + east[x]
                value = left[x] - np.float32(number[x]) * middle[x] + around
                total[x] += value if number[x] > 0 else _NONE
            if y % 2 == 0:
                row = cells[y // 2]
                for x in range(total.size // 2):
                    row[x + 1] = (row[x + 1] if z % 2 == 0 else _NONE) + total[2 * x] + total[2 * x + 1]


@compiled_sums
def correct_and_smooth(  # noqa: PLR0917
    counts: Counts,
    residual: Vector,
    coarse: Vector,
    damping: np.float32,
    found: Vector,
    products: Sums,
    first: int,
    last: int,
) -> None:
    """Add the coarse level's correction, smooth once more; ``products`` with the residual, plane by plane."""
    _, height, width = counts.shape
    low, high = 2 * first - 1, 2 * last - 1
    planes = np.zeros((3, height, width), np.float32)
    for z in (low - 1, low):
        _corrected(planes[z % 3], counts[z], residual[z], coarse[(z + 1) // 2], damping)
    for z in range(low, high):
        above, here, below = planes[(z - 1) % 3], planes[z % 3], planes[(z + 1) % 3]
        _corrected(below, counts[z + 1], residual[z + 1], coarse[(z + 2) // 2], damping)
        product = np.float64(0)
        for y in range(1, height - 1):
            number, left, up, down = counts[z, y, 1:-1], residual[z, y, 1:-1], above[y, 1:-1], below[y, 1:-1]
            before, after, west, middle, east = (
                here[y - 1, 1:-1],
                here[y + 1, 1:-1],
                here[y],
                here[y, 1:-1],
                here[y, 2:],
            )
            row, along = found[z, y, 1:-1], _NONE
            for x in range(width - 2):
                around = up[x] + down[x] + before[x] + after[x] + west[x] + east[x]
                faces = np.float32(number[x])
                value = middle[x] + damping * (left[x] - faces * middle[x] + around) / max(faces, _ONE)
                value = value if number[x] > 0 else _NONE
                row[x] = value
                along += value * left[x]
            product += along
        products[z] = product


@compiled_sums
def follow_direction(  # noqa: PLR0917
    counts: Counts,
    direction: Vector,
    image: Vector,
    share: np.float32,
    products: Sums,
    first: int,
    last: int,
) -> None:
    """Make the next direction of what ``image`` holds, and put its image there; ``products`` of both."""
    _, height, width = counts.shape
    low, high = 2 * first - 1, 2 * last - 1
    for z in range(low, high):
        if z + 1 < high - 1:
            step_direction(direction, image, share, z + 1, z + 2)
        product = np.float64(0)
        for y in range(1, height - 1):
            here = direction[z, y]
            number, up, down = counts[z, y, 1:-1], direction[z - 1, y, 1:-1], direction[z + 1, y, 1:-1]
            before, after = direction[z, y - 1, 1:-1], direction[z, y + 1, 1:-1]
            middle, east, row, along = here[1:-1], here[2:], image[z, y, 1:-1], _NONE
            for x in range(width - 2):
                around = up[x] + down[x] + before[x] + after[x] + here[x] + east[x]
                value = np.float32(number[x]) * middle[x] - around
                value = value if number[x] > 0 else _NONE
                row[x] = value
                along += value * middle[x]
            product += along
        products[z] = product


@compiled
def coarsen_counts(  # noqa: PLR0917
    counts: Counts,
    faces: tuple[Vector, Vector, Vector],
    diagonal: Vector,
    scale: np.float32,
    first: int,
    last: int,
) -> None:
    """Sum the conductances of faces into those of the coarse level; ``faces`` are those towards z - 1, y - 1, x - 1."""
    along_z, along_y, along_x = faces
    for cz in range(first, last):
        for cy in range(1, counts.shape[1] // 2):
            for cx in range(1, counts.shape[2] // 2):
                z, y, x = 2 * cz - 1, 2 * cy - 1, 2 * cx - 1
                out_z, out_y, out_x, inner = 0, 0, 0, 0
                total = np.int64(0)
                for one in range(2):
                    for other in range(2):
                        a, b = counts[z, y + one, x + other], counts[z + 1, y + one, x + other]
                        inner += (a > 0) & (b > 0)
                        out_z += (a > 0) & (counts[z - 1, y + one, x + other] > 0)
                        total += np.int64(a) + np.int64(b)
                        a, b = counts[z + one, y, x + other], counts[z + one, y + 1, x + other]
                        inner += (a > 0) & (b > 0)
                        out_y += (a > 0) & (counts[z + one, y - 1, x + other] > 0)
                        a, b = counts[z + one, y + other, x], counts[z + one, y + other, x + 1]
                        inner += (a > 0) & (b > 0)
                        out_x += (a > 0) & (counts[z + one, y + other, x - 1] > 0)
                along_z[cz, cy, cx] = scale * np.float32(out_z)
                along_y[cz, cy, cx] = scale * np.float32(out_y)
                along_x[cz, cy, cx] = scale * np.float32(out_x)
                diagonal[cz, cy, cx] = scale * np.float32(total - 2 * inner)
