"""Multigrid on a volume of voxels: levels of cells of twice the edge, and one cycle over them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from . import multigrid_cells as cells
from .multigrid_cells import Faces, Repeats, Sizes, Vector
from .slab_threads import SlabThreads

DAMPING = np.float32(0.85)
"""Of the steps of Jacobi that smooth."""

SCALE = np.float32(0.5)
"""By which the conductances of a coarse level are too large: its steps lie at the faces of cells, and nowhere else."""

NOWHERE: Repeats = (False, False, False)
EVERYWHERE: Repeats = (True, True, True)
"""Along which of z, y and x a volume repeats itself."""

_FEWEST = 3
"""Cells along an edge of the coarsest level: numpy inverts more on threads that wait for each other if others work."""

_SINGULAR = 1e-6


def zeros(sizes: Sizes) -> Vector:
    """Return an array of zeros with a border and an even number of cells within."""
    z, y, x = (2 * ((size + 1) // 2) + 2 for size in sizes)
    return np.zeros((z, y, x), np.float32)


@dataclass
class Level:
    """Cells of one size, how they conduct, the source in each, and the potential that is looked for."""

    sizes: Sizes
    repeats: Repeats = NOWHERE
    faces: Faces = field(init=False)

    def __post_init__(self) -> None:
        self.faces = (zeros(self.sizes), zeros(self.sizes), zeros(self.sizes))
        self.diagonal, self.source, self.values, self.spare = (zeros(self.sizes) for _ in range(4))

    @property
    def cells(self) -> int:
        """Number of cells."""
        return math.prod(self.sizes)

    def close(self) -> None:
        """Copy the faces on one side of a volume that repeats itself to the other."""
        for axis, face in enumerate(self.faces):
            if self.repeats[axis]:
                along = np.moveaxis(face, axis, 0)
                along[self.sizes[axis] + 1] = along[1]

    def surround(self, values: Vector) -> None:
        """Fill the border of values where the volume repeats itself."""
        if any(self.repeats):
            cells.repeat(values, self.sizes, self.repeats)


def coarser(level: Sizes) -> Sizes:
    """Return the cells of the next level."""
    z, y, x = ((size + 1) // 2 for size in level)
    return z, y, x


class Cycle:
    """Levels from one on to the coarsest, and the cycle that solves on all of them.

    W-cycle of aggregates of 2 x 2 x 2 cells with a damped step of Jacobi before, between and after the visits to the
    coarser level. It is symmetric, as conjugate gradients need it: A. Napov, Y. Notay, SIAM J. Sci. Comput. 34, A1079
    (2012), doi:10.1137/100818509.
    """

    def __init__(self, top: Level, threads: SlabThreads) -> None:
        self.threads, self.levels = threads, [top]
        while max(self.levels[-1].sizes) > _FEWEST:
            fine = self.levels[-1]
            coarse = Level(coarser(fine.sizes), fine.repeats)
            given = (fine.faces, fine.diagonal, fine.sizes, coarse.faces, coarse.diagonal, SCALE)
            threads.each(cells.coarsen, threads.slabs(coarse.sizes[0], fine.cells), *given)
            coarse.close()
            self.levels.append(coarse)
        self.inverse = _inverse(self.levels[-1])

    def solve(self, number: int = 0, visits: int = 2) -> Vector:
        """Return the potential of a level from the source in it, roughly."""
        level, each = self.levels[number], self.threads.each
        if number == len(self.levels) - 1:
            return self._solve_coarsest(level)
        coarse = self.levels[number + 1]
        slabs = self.threads.slabs(level.sizes[0], level.cells)
        pairs = self.threads.slabs(coarse.sizes[0], level.cells)
        each(cells.smooth_first, slabs, level.diagonal, level.source, DAMPING, level.values)
        for _ in range(visits):
            level.surround(level.values)
            each(cells.restrict, pairs, level.faces, level.diagonal, level.source, level.values, coarse.source)
            each(cells.add_coarse, slabs, level.diagonal, level.values, self.solve(number + 1))
            level.surround(level.values)
            given = (level.faces, level.diagonal, level.source, level.values, DAMPING, level.spare)
            each(cells.smooth, slabs, *given)
            level.values, level.spare = level.spare, level.values
        return level.values

    def _solve_coarsest(self, level: Level) -> Vector:
        inner = tuple(slice(1, size + 1) for size in level.sizes)
        level.values[inner] = (self.inverse @ level.source[inner].ravel()).reshape(level.sizes)
        return level.values


def _inverse(level: Level) -> NDArray[np.float32]:
    """Return the inverse of the coarsest level, cell by cell; parts without an electrode are left at a mean of 0."""
    inner = tuple(slice(1, size + 1) for size in level.sizes)
    unit, image, products = zeros(level.sizes), zeros(level.sizes), np.zeros(level.sizes[0] + 2)
    matrix = np.zeros((level.cells, level.cells))
    for number, place in enumerate(np.ndindex(level.sizes)):
        unit[inner] = 0
        unit[inner][place] = 1
        level.surround(unit)
        cells.image_of(level.faces, level.diagonal, unit, image, products, 1, level.sizes[0] + 1)
        matrix[:, number] = image[inner].ravel()
    inverse: NDArray[np.float32] = np.linalg.pinv(matrix, rcond=_SINGULAR, hermitian=True).astype(np.float32)
    return inverse
