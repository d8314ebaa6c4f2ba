"""The potential in a volume of several phases, between two faces or repeated: conjugate gradients step by step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import multigrid_cells as cells
from . import multigrid_faces
from .multigrid import NOWHERE, Cycle, Level, zeros
from .multigrid_cells import Repeats, Sizes, Vector
from .multigrid_counts import step_direction, step_residual
from .slab_threads import SlabThreads

Weights = tuple[float, float, float]


def level_of_phases(  # noqa: PLR0917
    codes: NDArray[np.uint8],
    conductivities: NDArray[np.float64],
    weights: Weights,
    sizes: Sizes,
    axis: int,
    threads: SlabThreads,
    *,
    repeats: Repeats = NOWHERE,
) -> Level:
    """Return how the faces conduct between voxels of phases.

    Parameters
    ----------
    codes
        Number of each voxel's phase, 0 where nothing conducts; with borders.
    conductivities
        Of the phases, from number 0 (0) on.
    weights
        Of faces across z, y and x: face over distance.
    sizes, axis
        Voxels along z, y, x; the axis along which the potential falls.
    threads
        That share the work.
    repeats
        Along which of z, y and x the volume repeats itself; else the faces of the axis are electrodes, others closed.
    """
    top = Level(sizes, repeats)
    _close(codes, sizes, repeats)
    given = (codes, _across(conductivities), np.array(weights, np.float32), sizes, 3 if repeats[axis] else axis)
    threads.each(multigrid_faces.fill_faces, threads.slabs(sizes[0], top.cells), *given, top.faces, top.diagonal)
    return top


def level_of_blocks(conductivity: Vector, weights: Weights, sizes: Sizes, axis: int, threads: SlabThreads) -> Level:
    """Return how the faces conduct between blocks of any conductivity (with borders of 0), electrodes on an axis."""
    top = Level(sizes)
    given = (conductivity, np.array(weights, np.float32), sizes, axis)
    threads.each(multigrid_faces.fill_block_faces, threads.slabs(sizes[0], top.cells), *given, top.faces, top.diagonal)
    return top


class PhaseSystem:
    """What a potential that falls straight along an axis leaves to be balanced where faces conduct as they may.

    The deviation from the straight fall is solved for, in steps of 1 a voxel. It takes 41 bytes a voxel, 4 more where
    the potential is kept.

    Parameters
    ----------
    top
        How the faces conduct.
    axis
        Along which the potential falls.
    threads
        That share the work.
    keep
        Keep the potential.
    """

    def __init__(self, top: Level, axis: int, threads: SlabThreads, *, keep: bool = False) -> None:
        self.sizes, self.repeats, self.threads, self.top = top.sizes, top.repeats, threads, top
        self.slabs = threads.slabs(self.sizes[0], top.cells)
        self.cycle = Cycle(top, threads)
        self.direction, self.image = zeros(self.sizes), zeros(self.sizes)
        self.products = np.zeros(self.sizes[0] + 2)
        self.deviation: Vector | None = None
        self.turn(axis, keep=keep)

    def turn(self, axis: int, *, keep: bool) -> None:
        """Begin again with a potential that falls along an axis."""
        self.energy = self.linear(axis, self.top.source)
        self.deviation = zeros(self.sizes) if keep else None

    def linear(self, axis: int, source: Vector) -> float:
        """Set what a straight fall leaves to be balanced, and return its energy."""
        given = (self.top.faces, self.sizes, axis, self.repeats[axis], source, self.products)
        self.threads.each(multigrid_faces.linear_source, self.slabs, *given)
        return float(self.products.sum())

    def precondition(self, step: float) -> float:
        """Step the residual, let the multigrid guess what lacks, and return the product of both."""
        self.end(step)
        self.guess = self.cycle.solve(visits=1)
        return self.product(self.guess, self.top.source)

    def follow(self, share: float) -> float:
        """Take the next direction and return its product with its image."""
        self.threads.each(step_direction, self.slabs, self.direction, self.guess, np.float32(share))
        self.top.surround(self.direction)
        given = (self.top.faces, self.top.diagonal, self.direction, self.image, self.products)
        self.threads.each(cells.image_of, self.slabs, *given)
        return float(self.products.sum())

    def end(self, step: float) -> None:
        """Step the residual, and the potential, if it is kept."""
        if step:
            self.threads.each(step_residual, self.slabs, self.top.source, self.image, np.float32(step))
            if self.deviation is not None:
                self.threads.each(step_residual, self.slabs, self.deviation, self.direction, np.float32(-step))

    def kept(self) -> Vector:
        """Return by how much the potential deviates from a straight fall, in steps of 1 a voxel.

        Raises
        ------
        ValueError
            If it was not asked for.
        """
        if self.deviation is None:
            raise ValueError("the potential was not kept")
        return self.deviation

    def product(self, one: Vector, other: Vector) -> float:
        """Return the scalar product of two arrays."""
        self.threads.each(cells.scalar_product, self.slabs, one, other, self.products)
        return float(self.products.sum())


def _across(conductivities: NDArray[np.float64]) -> Vector:
    """Return what faces between two phases conduct: half a voxel of each in a row."""
    one, other = conductivities[:, np.newaxis], conductivities[np.newaxis]
    both = np.maximum(one + other, np.finfo(np.float64).tiny)
    return (2 * one / both * other).astype(np.float32)


def _close(codes: NDArray[np.uint8], sizes: Sizes, repeats: Repeats) -> None:
    for axis in np.flatnonzero(repeats):
        size = sizes[axis]
        along = np.moveaxis(codes, axis, 0)
        along[0], along[size + 1] = along[size], along[1]
