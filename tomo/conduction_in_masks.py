"""The potential in a mask between two faces of its volume: conjugate gradients step by step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import multigrid_counts as kernels
from .multigrid import DAMPING, SCALE, Cycle, Level, coarser, zeros
from .multigrid_cells import Sizes, Vector
from .slab_threads import SlabThreads


class MaskSystem:
    """What a potential that falls from one face to the other leaves to be balanced within a mask of cubic voxels.

    The deviation from the straight fall is solved for, in steps of 1 a voxel. It takes 17 bytes a voxel, 4 more where
    the potential is kept.

    Parameters
    ----------
    counts
        Ones where it conducts and 0 elsewhere, with borders; overwritten.
    sizes, axis
        Voxels along z, y, x; the axis the faces of which are electrodes.
    threads
        That share the work.
    keep
        Keep the potential.
    """

    def __init__(
        self, counts: kernels.Counts, sizes: Sizes, axis: int, threads: SlabThreads, *, keep: bool = False
    ) -> None:
        self.counts, self.sizes, self.axis, self.threads = counts, sizes, axis, threads
        voxels, planes = sizes[0] * sizes[1] * sizes[2], sizes[0]
        self.whole = threads.slabs(planes, voxels)
        threads.each(kernels.count_faces, self.whole, counts, sizes, 0, axis)
        top = Level(coarser(sizes))
        self.pairs = threads.slabs(top.sizes[0], voxels)
        threads.each(kernels.coarsen_counts, self.pairs, counts, top.faces, top.diagonal, SCALE)
        self.cycle = Cycle(top, threads)
        self.residual, self.direction, self.image = (zeros(sizes) for _ in range(3))
        self.deviation = zeros(sizes) if keep else None
        self.products = np.zeros(counts.shape[0])
        threads.each(kernels.linear_residual, self.whole, counts, sizes, 0, axis, self.residual, self.products)
        self.energy = float(self.products.sum())
        ends = {plane for first, last in self.pairs for plane in (2 * first - 1, 2 * last - 2)}
        self.ends = [(plane, plane + 1) for plane in sorted(ends)]

    def precondition(self, step: float) -> float:
        """Step the residual, let the multigrid guess what lacks, and return the product of both."""
        self.end(step)
        top = self.cycle.levels[0]
        self._step_ends(kernels.step_residual, self.residual, step)
        given = (self.counts, self.residual, self.image, np.float32(step), DAMPING, top.source)
        self.threads.each(kernels.restrict_residual, self.pairs, *given)
        smoothed = (self.counts, self.residual, self.cycle.solve(), DAMPING, self.image, self.products)
        self.threads.each(kernels.correct_and_smooth, self.pairs, *smoothed)
        return float(self.products.sum())

    def follow(self, share: float) -> float:
        """Take the next direction and return its product with its image."""
        self._step_ends(kernels.step_direction, self.direction, share)
        given = (self.counts, self.direction, self.image, np.float32(share), self.products)
        self.threads.each(kernels.follow_direction, self.pairs, *given)
        return float(self.products.sum())

    def end(self, step: float) -> None:
        """Step the potential, if it is kept."""
        if step and self.deviation is not None:
            self.threads.each(kernels.step_residual, self.whole, self.deviation, self.direction, np.float32(-step))

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

    def _step_ends(self, kernel: Callable[..., None], values: Vector, by: float) -> None:
        for first, last in self.ends:
            kernel(values, self.image, np.float32(by), first, last)
