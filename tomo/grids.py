"""How volumes are cut into blocks, and one pass over all blocks of a volume that brings back what each one gave."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operando.errors import OperandoError

from . import blocks

Block = tuple[int, int, int]
_MOST = int(np.iinfo(np.uint32).max)


class Grid:
    """How a volume is cut into blocks: the sizes of the blocks along z, y, x."""

    def __init__(self, sizes: tuple[tuple[int, ...], ...]) -> None:
        self.sizes = sizes
        self.shape: Block = three(sum(along) for along in sizes)
        self.counts: Block = three(len(along) for along in sizes)
        if np.prod([float(max(along)) for along in sizes]) > _MOST:
            raise OperandoError(f"tomo: expected chunks of at most {_MOST} voxels, got larger ones; rechunk the volume")
        self.starts = tuple(tuple(np.cumsum((0, *along)).tolist()) for along in sizes)

    def blocks(self) -> list[Block]:
        """Return the blocks in C order."""
        return [three(block) for block in product(*(range(count) for count in self.counts))]

    def layer(self, axis: int, index: int) -> list[Block]:
        """Return the blocks that have an index along an axis."""
        return [
            three(block)
            for block in product(*map(range, self.counts[:axis]), (index,), *map(range, self.counts[axis + 1 :]))
        ]

    def origin(self, block: Block) -> Block:
        """Return the first voxel of a block."""
        return three(along[index] for along, index in zip(self.starts, block, strict=True))

    def extent(self, block: Block) -> Block:
        """Return the size of a block."""
        return three(along[index] for along, index in zip(self.sizes, block, strict=True))

    def part(self, block: Block) -> tuple[slice, ...]:
        """Return where a block lies in the volume."""
        starts = zip(self.origin(block), self.extent(block), strict=True)
        return tuple(slice(start, start + size) for start, size in starts)

    def owners(self, axis: int) -> NDArray[np.int64]:
        """Return for each voxel along an axis the block it lies in."""
        return np.repeat(np.arange(self.counts[axis]), self.sizes[axis])


def grid_of(array: Any, edges: Block | None = None) -> Grid:
    """Return the chunks of a lazy volume (..., z, y, x), or blocks of ``edges`` (``EDGE``) voxels of one in memory."""
    if hasattr(array, "chunks"):
        return Grid(array.chunks[-3:])
    sides = zip(array.shape[-3:], edges or (blocks.EDGE,) * 3, strict=True)
    return Grid(tuple(_sizes(length, edge) for length, edge in sides))


def each_block(
    kernel: Callable[..., Any], arrays: list[Any], grid: Grid, settings: dict[str, Any], workers: int | None
) -> dict[Block, Any]:
    """Return ``kernel(part of each array, block, **settings)`` for every block of volumes (z, y, x).

    All arrays are in memory, or all are lazy in the chunks of the grid: then every block is one task.
    """
    every = grid.blocks()
    if not hasattr(arrays[0], "chunks"):
        with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
            parts = ([array[grid.part(block)] for array in arrays] for block in every)
            tasks = [pool.submit(kernel, *part, block, **settings) for part, block in zip(parts, every, strict=True)]
            return {block: task.result() for block, task in zip(every, tasks, strict=True)}
    import dask.array as da

    found = da.map_blocks(  # type: ignore[no-untyped-call]
        _boxed,
        *arrays,
        dtype=object,
        chunks=tuple((1,) * count for count in grid.counts),
        meta=np.empty((0, 0, 0), object),
        kernel=kernel,
        settings=settings,
    ).compute(**({} if workers is None else {"num_workers": workers}))
    return {block: found[block] for block in every}


def _boxed(
    *parts: NDArray[np.generic], block_id: tuple[int, ...], kernel: Callable[..., Any], settings: dict[str, Any]
) -> NDArray[np.object_]:
    box = np.empty((1, 1, 1), object)
    box[0, 0, 0] = kernel(*parts, three(block_id), **settings)
    return box


def _sizes(length: int, edge: int) -> tuple[int, ...]:
    return tuple(min(edge, length - start) for start in range(0, length, edge))


def three(values: Any) -> Block:
    """Return three whole numbers, those of z, y, x."""
    z, y, x = (int(value) for value in values)
    return z, y, x
