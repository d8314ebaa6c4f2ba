"""A slab of a mask: its share of conjugate gradients on the whole, given outer planes of the slabs on either side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, SupportsInt

import numpy as np
from numpy.typing import NDArray

from . import multigrid_cells as cells
from . import multigrid_counts as kernels
from .multigrid import DAMPING, SCALE, Level, coarser, zeros
from .multigrid_cells import Faces, Sizes, Vector
from .percolation import Parts
from .slab_threads import SlabThreads

MULTIPLE = 4
"""Planes that slabs begin at multiples of, so that no cell of the second coarse level lies in two."""

_FINEST = ("counts", "residual", "direction", "image")
_COARSE = ("along_z", "along_y", "along_x", "diagonal", "source", "values", "spare")

Plane = NDArray[Any]
Ends = tuple[Plane, Plane]
"""The first and the last plane of a slab."""
Beside = tuple[Plane | None, Plane | None]
"""The last plane of the slab before, and the first of the one behind."""


@dataclass(frozen=True)
class SlabParts:
    """The parts of a slab: how many, which lie at either face across the axis of transport, their numbers at its ends.

    ``filled`` counts the voxels of the slab that conduct.
    """

    count: int
    first: NDArray[np.bool_]
    last: NDArray[np.bool_]
    ends: tuple[NDArray[np.uint32], NDArray[np.uint32]]
    filled: int


@dataclass(frozen=True)
class Begun:
    """What others need of a slab: energies by plane, the ends of its arrays, its planes of the second coarse level."""

    energy: NDArray[np.float64]
    ends: dict[str, Ends]
    faces: Faces
    diagonal: Vector


def slab_parts(parts: Parts, whole: Sizes, offset: int, axis: int, filled: SupportsInt) -> SlabParts:
    """Return what others need of the parts of a slab, of which ``filled`` voxels conduct."""
    begins, ends, nowhere = offset == 0, offset + parts.shape[0] == whole[0], np.zeros(parts.count, bool)
    first = parts.at(axis, 0) if axis or begins else nowhere
    last = parts.at(axis, -1) if axis or ends else nowhere
    return SlabParts(parts.count, first, last, parts.faces()[0], int(filled))


class MaskSlab:
    """Some planes of a mask, what they hold of the solution, and the steps of the multigrid that concern them only.

    The finest level and the one of twice the edge are its own: 13 bytes a voxel and 3.5. The slab is what the whole
    would be there, to the last digit: planes of others are copied into the borders of its arrays before they are used.

    Parameters
    ----------
    mask
        The planes, dims (z, y, x), lazy or in memory.
    whole
        Voxels of the whole along z, y, x.
    offset
        Planes before the first, a multiple of 4.
    axis
        Whose faces are electrodes.
    workers
        Threads.
    """

    def __init__(self, mask: Any, whole: Sizes, offset: int, axis: int, workers: int) -> None:
        self.mask, self.whole, self.offset, self.axis, self.workers = mask, whole, offset, axis, workers
        self.sizes: Sizes = (mask.shape[0], whole[1], whole[2])
        self.cells = coarser(self.sizes)
        self.arrays: Mapping[str, NDArray[Any]] = {}

    def kinds(self) -> dict[str, tuple[tuple[int, ...], type]]:
        """Return shapes and types of the arrays, zeros at first, which whoever holds the slab provides."""
        fine, coarse = (tuple(2 * ((size + 1) // 2) + 2 for size in sizes) for sizes in (self.sizes, self.cells))
        finest: dict[str, tuple[tuple[int, ...], type]] = dict.fromkeys(_FINEST, (fine, np.float32))
        return finest | {"counts": (fine, np.uint8)} | dict.fromkeys(_COARSE, (coarse, np.float32))

    def parts(self) -> SlabParts:
        """Return what hangs together within the slab."""
        mask = self._read()
        return slab_parts(Parts(mask), self.whole, self.offset, self.axis, np.count_nonzero(mask))

    def begin(self, kept: NDArray[np.bool_], beside: Beside) -> Begun:
        """Set up the levels of what is kept of the parts; ``beside`` are ones where it goes on."""
        arrays, counts = self.arrays, self.arrays["counts"]
        Parts(self._read()).paint(kept, counts)
        self.mask = None
        _put(counts, beside)
        products, given = np.zeros(counts.shape[0]), (self.whole, self.offset, self.axis)
        self._each(kernels.count_faces, self._planes, counts, *given)
        self._each(kernels.linear_residual, self._planes, counts, *given, arrays["residual"], products)
        self._each(kernels.coarsen_counts, self._pairs, counts, self._faces, arrays["diagonal"], SCALE)
        level = Level(coarser(self.cells))
        finer = (self._faces, arrays["diagonal"], self.cells)
        self._each(cells.coarsen, self._fours, *finer, level.faces, level.diagonal, SCALE)
        inner = slice(1, level.sizes[0] + 1)
        z, y, x = (face[inner] for face in level.faces)
        ends = {name: self._ends(name) for name in ("counts", "residual", "along_z", "diagonal")}
        return Begun(products[1 : self.sizes[0] + 1], ends, (z, y, x), level.diagonal[inner])

    def meet(self, beside: dict[str, Beside]) -> None:
        """Take over the planes beside the slab that stay, and those of the first residual."""
        for name, planes in beside.items():
            _put(self.arrays[name], planes)

    def down(self, step: float, beside: Beside) -> Ends:
        """Step the residual along ``image``, smooth, and hand what is left to the coarse level, smoothed too."""
        arrays, by = self.arrays, np.float32(step)
        _put(arrays["image"], beside)
        self._step_ends(kernels.step_residual, "residual", by)
        given = (arrays["counts"], arrays["residual"], arrays["image"], by, DAMPING, arrays["source"])
        self._each(kernels.restrict_residual, self._pairs, *given)
        self._each(cells.smooth_first, self._layers, arrays["diagonal"], arrays["source"], DAMPING, arrays["values"])
        return self._ends("values")

    def descend(self, beside: Beside) -> Vector:
        """Return what is left to be balanced in the cells of the second coarse level."""
        arrays, left = self.arrays, zeros(coarser(self.cells))
        _put(arrays["values"], beside)
        given = (self._faces, arrays["diagonal"], arrays["source"], arrays["values"], left)
        self._each(cells.restrict, self._fours, *given)
        return left[1 : coarser(self.cells)[0] + 1]

    def ascend(self, correction: Vector) -> Ends:
        """Add the correction of the second coarse level, whose planes beside the slab come with it, and smooth."""
        arrays, last = self.arrays, self.cells[0] + 1
        for first, end in ((0, 1), *self._layers, (last, last + 1)):
            cells.add_coarse(arrays["diagonal"], arrays["values"], correction, first, end)
        given = (self._faces, arrays["diagonal"], arrays["source"], arrays["values"], DAMPING, arrays["spare"])
        self._each(cells.smooth, self._layers, *given)
        arrays["values"][...] = arrays["spare"]
        return self._ends("values")

    def up(self, beside: Beside) -> tuple[NDArray[np.float64], Ends]:
        """Correct by the coarse level and smooth; return the products with the residual by plane, and the ends."""
        arrays, products = self.arrays, np.zeros(self.arrays["counts"].shape[0])
        _put(arrays["values"], beside)
        given = (arrays["counts"], arrays["residual"], arrays["values"], DAMPING, arrays["image"], products)
        self._each(kernels.correct_and_smooth, self._pairs, *given)
        return products[1 : self.sizes[0] + 1], self._ends("image")

    def follow(self, share: float, beside: Beside) -> tuple[NDArray[np.float64], Ends]:
        """Take the next direction; return its products with its image by plane, and the ends of the image."""
        arrays, products = self.arrays, np.zeros(self.arrays["counts"].shape[0])
        _put(arrays["image"], beside)
        self._step_ends(kernels.step_direction, "direction", np.float32(share))
        given = (arrays["counts"], arrays["direction"], arrays["image"], np.float32(share), products)
        self._each(kernels.follow_direction, self._pairs, *given)
        return products[1 : self.sizes[0] + 1], self._ends("image")

    def _read(self) -> NDArray[np.uint8]:
        return np.ascontiguousarray(self.mask).view(np.uint8)

    @cached_property
    def _threads(self) -> SlabThreads:
        return SlabThreads(self.workers)

    def _each(self, kernel: Callable[..., Any], ranges: list[tuple[int, int]], *arguments: Any) -> None:
        if self.mask is not None:
            raise RuntimeError("the slab was made anew and has lost what it held")
        self._threads.each(kernel, ranges, *arguments)

    def _ranges(self, planes: int) -> list[tuple[int, int]]:
        z, y, x = self.sizes
        return self._threads.slabs(planes, z * y * x)

    @cached_property
    def _planes(self) -> list[tuple[int, int]]:
        return self._ranges(self.sizes[0])

    @cached_property
    def _pairs(self) -> list[tuple[int, int]]:
        return self._ranges((self.sizes[0] + 1) // 2)

    @cached_property
    def _layers(self) -> list[tuple[int, int]]:
        return self._ranges(self.cells[0])

    @cached_property
    def _fours(self) -> list[tuple[int, int]]:
        return self._ranges((self.cells[0] + 1) // 2)

    @property
    def _faces(self) -> Faces:
        return self.arrays["along_z"], self.arrays["along_y"], self.arrays["along_x"]

    def _ends(self, name: str) -> Ends:
        array = self.arrays[name]
        depth = self.sizes[0] if name in _FINEST else self.cells[0]
        return array[1].copy(), array[depth].copy()

    def _step_ends(self, kernel: Callable[..., None], name: str, by: np.float32) -> None:
        """Step the planes that the kernel after this reads beyond those it steps itself."""
        values, image = self.arrays[name], self.arrays["image"]
        ends = {plane for first, last in self._pairs for plane in (2 * first - 1, 2 * last - 2)}
        for plane in sorted(ends | {0, values.shape[0] - 1}):
            kernel(values, image, by, plane, plane + 1)


def _put(array: NDArray[Any], beside: Beside) -> None:
    """Copy planes of the slabs on either side into the border."""
    before, behind = beside
    if before is not None:
        array[0] = before
    if behind is not None:
        array[-1] = behind
