"""Pieces of what passes a loose threshold of which some voxel passes a strict one, out of core: one pass, one store."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .grids import Block, Grid
from .piece_joining import joined, paint_block, put_pieces
from .piece_store import Numbers, PieceStore

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Found:
    """How many pieces a block has, and which of them, from 0, hold a voxel that passes the strict threshold."""

    count: int
    sure: NDArray[np.int64]


def find_sure(  # noqa: PLR0917
    loose: Mask, strict: Mask, block: Block, grid: Grid, store: PieceStore, connectivity: int
) -> Found:
    """Return what a block has; its runs go to the store."""
    (start, _, piece), count = put_pieces(loose, block, grid, store, connectivity)
    within = np.flatnonzero(loose & strict)
    runs = np.searchsorted(start, within.astype(start.dtype), side="right") - 1
    return Found(count, np.unique(piece[runs]).astype(np.int64) - 1)


def join_sure(grid: Grid, store: PieceStore, found: dict[Block, Found], connectivity: int) -> None:
    """Give the number 1 in the store to the pieces that hang together with a sure one, and 0 to all others."""
    parent, bases = joined(grid, store, {block: one.count for block, one in found.items()}, connectivity)
    kept = np.zeros(parent.size, np.uint32)
    for block, one in found.items():
        kept[parent[bases[block][0] + one.sure]] = 1
    store.put_numbers(Numbers(kept[parent], bases, int(np.count_nonzero(kept))))


def paint_sure(block: Block, store: PieceStore) -> Mask:
    """Return where a block holds sure pieces."""
    painted: Mask = paint_block(np.empty(store.grid.extent(block), np.uint32), block, store) != 0
    return painted
