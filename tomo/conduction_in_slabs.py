"""The potential in a mask cut into slabs: one multigrid on all of them, the coarse levels of which are held here."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .conduction import NOTHING, Conducted, conducted
from .conjugate_gradients import minimize
from .mask_slabs import MULTIPLE, Begun, Beside, Ends, SlabParts
from .multigrid import Cycle, Level, coarser
from .multigrid_cells import Sizes
from .percolation import groups, through_groups, touch
from .slab_holders import Slabs
from .slab_threads import SlabThreads

_VISITS = 2


class SlabSystem:
    """What a potential that falls from one face to the other leaves to be balanced in all slabs together.

    It takes the steps that :class:`MaskSystem` takes, on slabs that hand each other their outer planes, and sums over
    the planes of all: the results are the same to the last digit. Here lie the levels from the second coarse one on,
    half a byte for a voxel of the whole.

    Parameters
    ----------
    slabs
        Of the mask, each with its parts found.
    kept
        Which parts of each slab lead through the whole.
    beside
        Ones on either side of each slab where it goes on.
    offsets, whole
        Planes before each slab; voxels of the whole.
    threads
        That share the work on the coarse levels.
    """

    def __init__(  # noqa: PLR0917
        self,
        slabs: Slabs,
        kept: list[NDArray[np.bool_]],
        beside: list[Beside],
        offsets: list[int],
        whole: Sizes,
        threads: SlabThreads,
    ) -> None:
        self.slabs, self.offsets = slabs, offsets
        begun: list[Begun] = slabs.each("begin", kept, beside)
        self.products = np.zeros(2 * ((whole[0] + 1) // 2) + 2)
        self.energy = self._sum([one.energy for one in begun])
        around = {name: _beside([one.ends[name] for one in begun]) for name in begun[0].ends}
        slabs.each("meet", [{name: planes[number] for name, planes in around.items()} for number in range(len(begun))])
        top = Level(coarser(coarser(whole)))
        for one, inner in zip(begun, self._inner([len(one.diagonal) for one in begun]), strict=True):
            top.diagonal[inner] = one.diagonal
            for face, part in zip(top.faces, one.faces, strict=True):
                face[inner] = part
        self.cycle = Cycle(top, threads)
        self.images: list[Beside] = [(None, None)] * len(begun)

    def precondition(self, step: float) -> float:
        """Step the residual, let the multigrid guess what lacks, and return the product of both."""
        ends = self.slabs.each("down", self._all(step), self.images)
        top = self.cycle.levels[0]
        for _ in range(_VISITS):
            left = self.slabs.each("descend", _beside(ends))
            inner = self._inner([len(part) for part in left])
            for place, part in zip(inner, left, strict=True):
                top.source[place] = part
            found = self.cycle.solve()
            ends = self.slabs.each("ascend", [found[place.start - 1 : place.stop + 1] for place in inner])
        products, ends = _unzipped(self.slabs.each("up", _beside(ends)))
        self.images = _beside(ends)
        return self._sum(products)

    def follow(self, share: float) -> float:
        """Take the next direction and return its product with its image."""
        products, ends = _unzipped(self.slabs.each("follow", self._all(share), self.images))
        self.images = _beside(ends)
        return self._sum(products)

    def end(self, step: float) -> None:
        """Do nothing: the potential is not kept."""

    def _all(self, value: float) -> list[float]:
        return [value] * len(self.offsets)

    def _inner(self, depths: list[int]) -> list[slice]:
        """Return where the planes of slabs lie in the second coarse level."""
        first = [1 + offset // MULTIPLE for offset in self.offsets]
        return [slice(start, start + depth) for start, depth in zip(first, depths, strict=True)]

    def _sum(self, products: Sequence[NDArray[np.float64]]) -> float:
        """Return the sum over all planes, in one order however they are cut."""
        for offset, part in zip(self.offsets, products, strict=True):
            self.products[1 + offset : 1 + offset + len(part)] = part
        return float(self.products.sum())


def conduct_in_slabs(
    slabs: Slabs, offsets: list[int], whole: Sizes, threads: SlabThreads, tolerance: float
) -> tuple[Conducted, float]:
    """Return how a mask cut into slabs conducts between its faces, and the share of it that conducts."""
    parts: list[SlabParts] = slabs.each("parts")
    voxels = int(np.prod(whole))
    filled = sum(one.filled for one in parts) / voxels
    kept = through_slabs(parts)
    if not any(one.any() for one in kept):
        return NOTHING, filled
    ends = [tuple(_painted(plane, leads) for plane in one.ends) for one, leads in zip(parts, kept, strict=True)]
    system = SlabSystem(slabs, kept, _beside(ends), offsets, whole, threads)
    return conducted(minimize(system, tolerance), 1 / voxels), filled


def through_slabs(parts: list[SlabParts]) -> list[NDArray[np.bool_]]:
    """Return which parts of each slab lead through the whole, with parts of the others that they touch."""
    starts = np.cumsum([0, *(one.count for one in parts)])
    touching = [
        touch(one.ends[1], other.ends[0]) + starts[number : number + 2]
        for number, (one, other) in enumerate(pairwise(parts))
    ]
    pairs = np.concatenate([np.empty((0, 2), np.int64), *touching])
    ends = (np.concatenate([getattr(one, name) for one in parts]) for name in ("first", "last"))
    return np.split(through_groups(groups(int(starts[-1]), pairs), *ends), starts[1:-1])


def _painted(plane: NDArray[np.uint32], kept: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return ones where kept parts lie in a plane of numbers, with a border, as arrays of slabs have it."""
    height, width = plane.shape
    found = np.zeros([2 * ((size + 1) // 2) + 2 for size in plane.shape], np.uint8)
    found[1 : height + 1, 1 : width + 1] = np.concatenate([[False], kept])[plane]
    return found


def _beside(ends: Sequence[Any]) -> list[Beside]:
    """Return which planes lie beside each slab, of the ends of all."""
    last, first = [None, *(one[1] for one in ends[:-1])], [*(one[0] for one in ends[1:]), None]
    return list(zip(last, first, strict=True))


def _unzipped(found: list[tuple[NDArray[np.float64], Ends]]) -> tuple[list[NDArray[np.float64]], list[Ends]]:
    return [one for one, _ in found], [other for _, other in found]
