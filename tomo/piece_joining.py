"""The two passes of labeling: pieces within blocks, one number for all pieces that touch, and the runs painted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.errors import OperandoError

from .grids import Block, Grid
from .piece_store import Numbers, PieceStore
from .region_sums import FIRST, Sums, merge_boxes, merge_places, no_sums, sum_runs
from .run_kernels import Pieces, Rows, connect_runs, find_mask_runs, flatten_sets, join_planes, paint, sides

MOST = int(np.iinfo(np.uint32).max)
"""Most objects that a label image can number."""


def find_pieces(mask: NDArray[np.bool_], block: Block, grid: Grid, store: PieceStore, connectivity: int) -> Sums:
    """Return the sums of the pieces of one block; their runs go to the store, and what lies on its sides."""
    runs, count = put_pieces(mask, block, grid, store, connectivity)
    sums = no_sums(count)
    sum_runs(sums, runs, grid.extent(block), grid.origin(block), grid.shape)
    return sums


def put_pieces(
    mask: NDArray[np.bool_], block: Block, grid: Grid, store: PieceStore, connectivity: int
) -> tuple[Pieces, int]:
    """Return the runs of one block, which go to the store with what lies on its sides, and how many pieces they are."""
    shape = grid.extent(block)
    found = mask_runs(mask)
    piece, count = connect_runs(found, shape, connectivity)
    runs = (*found[:2], piece)
    store.put(block, runs, sides(runs, shape))
    return runs, count


def mask_runs(mask: NDArray[np.bool_]) -> Rows:
    """Return the runs of a mask (z, y, x)."""
    solid = np.ascontiguousarray(mask).view(np.uint8).reshape(-1)
    if solid.max() > 1:
        solid = (solid != 0).view(np.uint8)
    return find_mask_runs(solid, solid[: solid.size // 8 * 8].view(np.uint64), mask.shape[-1])


def join_pieces(grid: Grid, store: PieceStore, sums: dict[Block, Sums], connectivity: int) -> Numbers:
    """Return the number of the object that each piece belongs to: pieces that touch across blocks are one object.

    Raises
    ------
    OperandoError
        If there are more objects than a label image can number.
    """
    parent, bases = joined(grid, store, {block: len(part) for block, part in sums.items()}, connectivity)
    first = np.concatenate([sums[block][:, FIRST] for block in grid.blocks()])
    return _numbered(parent, first, bases)


def joined(
    grid: Grid, store: PieceStore, pieces: dict[Block, int], connectivity: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each of the pieces of all blocks one that stands for its object, and where each block's begin and end.

    ``pieces`` tells how many each block has.
    """
    counts = np.array([pieces[block] for block in grid.blocks()])
    ends = np.cumsum(counts)
    bases = np.stack([ends - counts, ends], axis=-1).reshape(*grid.counts, 2)
    parent = np.arange(counts.sum())
    for axis in range(3):
        rows, columns = (grid.owners(number) for number in range(3) if number != axis)
        for after in range(grid.counts[axis] - 1):
            planes = (store.plane(axis, after, last=True), store.plane(axis, after + 1, last=False))
            beside = (bases[..., 0].take(after, axis), bases[..., 0].take(after + 1, axis))
            join_planes(parent, planes, beside, (rows, columns), connectivity)
    flatten_sets(parent)
    return parent, bases


def _numbered(parent: NDArray[np.int64], first: NDArray[np.int64], bases: NDArray[np.int64]) -> Numbers:
    """Return the numbers of sets of pieces, given in the order of their first voxels."""
    tops = np.flatnonzero(parent == np.arange(parent.size))
    if tops.size > MOST:
        raise OperandoError(f"tomo.label: expected at most {MOST} objects, got {tops.size}; label a part of the volume")
    earliest = first.copy()
    np.minimum.at(earliest, parent, first)
    number = np.empty(parent.size, np.uint32)
    number[tops[np.argsort(earliest[tops])]] = np.arange(1, tops.size + 1)
    return Numbers(number[parent], bases, tops.size)


def summed(grid: Grid, sums: dict[Block, Sums], members: dict[Block, NDArray[np.int64]], count: int) -> Sums:
    """Return the sums of whole regions from those of their pieces; ``members`` tell each piece's region (from 0)."""
    total = no_sums(count)
    for block, part in sums.items():
        merge_boxes(total, part, members[block])
    for block, part in sums.items():
        merge_places(total, part, members[block], grid.origin(block))
    return total


def paint_block(target: NDArray[np.uint32], block: Block, store: PieceStore) -> NDArray[np.uint32]:
    """Write the final numbers of a block into ``target`` (z, y, x) and return it."""
    paint(target, store.pieces(block), store.numbers(block))
    return target
