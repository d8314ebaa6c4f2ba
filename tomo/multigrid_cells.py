"""Levels of a multigrid whose faces conduct as they may: one array of conductances for each direction.

Arrays have a border of a cell and an even number of cells within; cells are counted from 1. ``faces`` are the
conductances towards z - 1, y - 1 and x - 1, ``diagonal`` the sum of a cell's six, 0 where nothing conducts. Faces at
electrodes conduct to the border, which stays at 0. ``sizes`` are the cells of a level along z, y, x. Where the volume
repeats itself the border holds what lies on the other side, see :func:`repeat`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled, compiled_sums

Vector = NDArray[np.float32]
Faces = tuple[Vector, Vector, Vector]
Sizes = tuple[int, int, int]
Repeats = tuple[bool, bool, bool]

_NONE = np.float32(0)


@compiled
def repeat(values: Vector, sizes: Sizes, repeats: Repeats) -> None:
    """Fill the border with the cells of the other side along the axes that repeat themselves."""
    depth, height, width = sizes
    for z in range(1, depth + 1):
        for y in range(1, height + 1):
            if repeats[2]:
                values[z, y, 0], values[z, y, width + 1] = values[z, y, width], values[z, y, 1]
        for x in range(1, width + 1):
            if repeats[1]:
                values[z, 0, x], values[z, height + 1, x] = values[z, height, x], values[z, 1, x]
    for y in range(1, height + 1):
        for x in range(1, width + 1):
            if repeats[0]:
                values[0, y, x], values[depth + 1, y, x] = values[depth, y, x], values[1, y, x]


@compiled
def smooth_first(  # noqa: PLR0917
    diagonal: Vector, source: Vector, damping: np.float32, found: Vector, first: int, last: int
) -> None:
    """Take one damped step of Jacobi from 0."""
    for z in range(first, last):
        for y in range(1, diagonal.shape[1] - 1):
            row, whole, given = found[z, y], diagonal[z, y], source[z, y]
            for x in range(row.size):
                row[x] = damping * given[x] / whole[x] if whole[x] > 0 else _NONE


@compiled
def add_coarse(diagonal: Vector, values: Vector, coarse: Vector, first: int, last: int) -> None:
    """Add the correction of the coarse level."""
    for z in range(first, last):
        for y in range(1, diagonal.shape[1] - 1):
            row, whole, shared = values[z, y], diagonal[z, y], coarse[(z + 1) // 2, (y + 1) // 2]
            for x in range(1, row.size // 2):
                row[2 * x - 1] += shared[x] if whole[2 * x - 1] > 0 else _NONE
                row[2 * x] += shared[x] if whole[2 * x] > 0 else _NONE


@compiled
def _flux(faces: Faces, values: Vector, place: tuple[int, int], out: Vector) -> None:
    """Set a row to what flows into its cells from others that keep their values, their own being 0."""
    along_z, along_y, along_x = faces
    z, y = place
    up, down, before, after = values[z - 1, y], values[z + 1, y], values[z, y - 1], values[z, y + 1]
    to_up, to_down, to_before, to_after = along_z[z, y], along_z[z + 1, y], along_y[z, y], along_y[z, y + 1]
    west, east, to_west, to_east = values[z, y], values[z, y, 2:], along_x[z, y, 1:-1], along_x[z, y, 2:]
    for x in range(out.size):
        flat = to_up[x + 1] * up[x + 1] + to_down[x + 1] * down[x + 1]
        flat += to_before[x + 1] * before[x + 1] + to_after[x + 1] * after[x + 1]
        out[x] = flat + to_west[x] * west[x] + to_east[x] * east[x]


@compiled
def smooth(  # noqa: PLR0917
    faces: Faces,
    diagonal: Vector,
    source: Vector,
    values: Vector,
    damping: np.float32,
    found: Vector,
    first: int,
    last: int,
) -> None:
    """Take one damped step of Jacobi."""
    flux = np.empty(diagonal.shape[2] - 2, np.float32)
    for z in range(first, last):
        for y in range(1, diagonal.shape[1] - 1):
            _flux(faces, values, (z, y), flux)
            row, whole, given, here = found[z, y], diagonal[z, y], source[z, y], values[z, y]
            for x in range(1, flux.size + 1):
                left = given[x] - whole[x] * here[x] + flux[x - 1]
                row[x] = here[x] + damping * left / whole[x] if whole[x] > 0 else _NONE


@compiled
def restrict(  # noqa: PLR0917
    faces: Faces, diagonal: Vector, source: Vector, values: Vector, coarse: Vector, first: int, last: int
) -> None:
    """Sum what is left of the balance in the cells of the coarse level, whose planes ``first`` to ``last`` are."""
    flux = np.empty(diagonal.shape[2] - 2, np.float32)
    for z in range(2 * first - 1, 2 * last - 1):
        for y in range(1, diagonal.shape[1] - 1):
            _flux(faces, values, (z, y), flux)
            whole, given, here = diagonal[z, y], source[z, y], values[z, y]
            for x in range(1, flux.size + 1):
                left = given[x] - whole[x] * here[x] + flux[x - 1]
                flux[x - 1] = left if whole[x] > 0 else _NONE
            row, begins = coarse[(z + 1) // 2, (y + 1) // 2], y % 2 == 1 and z % 2 == 1
            for x in range(flux.size // 2):
                row[x + 1] = (_NONE if begins else row[x + 1]) + flux[2 * x] + flux[2 * x + 1]


@compiled_sums
def image_of(  # noqa: PLR0917
    faces: Faces, diagonal: Vector, values: Vector, found: Vector, products: NDArray[np.float64], first: int, last: int
) -> None:
    """Set what flows out of every cell; ``products`` with the values, plane by plane."""
    flux = np.empty(diagonal.shape[2] - 2, np.float32)
    for z in range(first, last):
        products[z] = 0.0
        for y in range(1, diagonal.shape[1] - 1):
            _flux(faces, values, (z, y), flux)
            row, whole, here, along = found[z, y], diagonal[z, y], values[z, y], _NONE
            for x in range(1, flux.size + 1):
                out = whole[x] * here[x] - flux[x - 1] if whole[x] > 0 else _NONE
                row[x] = out
                along += out * here[x]
            products[z] += along


@compiled_sums
def scalar_product(one: Vector, other: Vector, products: NDArray[np.float64], first: int, last: int) -> None:
    """Set ``products`` of two arrays, plane by plane, borders left out."""
    for z in range(first, last):
        products[z] = 0.0
        for y in range(1, one.shape[1] - 1):
            row, second, along = one[z, y, 1:-1], other[z, y, 1:-1], _NONE
            for x in range(row.size):
                along += row[x] * second[x]
            products[z] += along


@compiled
def coarsen(  # noqa: PLR0917
    fine: Faces,
    fine_diagonal: Vector,
    sizes: Sizes,
    faces: Faces,
    diagonal: Vector,
    scale: np.float32,
    first: int,
    last: int,
) -> None:
    """Sum the conductances of faces, of ``sizes`` cells, into those of the coarse level."""
    depth, height, width = sizes
    for cz in range(first, last):
        for cy in range(1, (height + 1) // 2 + 1):
            for cx in range(1, (width + 1) // 2 + 1):
                z, y, x = 2 * cz - 1, 2 * cy - 1, 2 * cx - 1
                along_z, along_y, along_x, inner, total = _NONE, _NONE, _NONE, _NONE, _NONE
                for one in range(2):
                    for other in range(2):
                        along_z += fine[0][z, y + one, x + other]
                        along_y += fine[1][z + one, y, x + other]
                        along_x += fine[2][z + one, y + other, x]
                        total += fine_diagonal[z, y + one, x + other] + fine_diagonal[z + 1, y + one, x + other]
                        inner += fine[0][z + 1, y + one, x + other] if z < depth else _NONE
                        inner += fine[1][z + one, y + 1, x + other] if y < height else _NONE
                        inner += fine[2][z + one, y + other, x + 1] if x < width else _NONE
                faces[0][cz, cy, cx] = scale * along_z
                faces[1][cz, cy, cx] = scale * along_y
                faces[2][cz, cy, cx] = scale * along_x
                diagonal[cz, cy, cx] = scale * (total - np.float32(2) * inner)
