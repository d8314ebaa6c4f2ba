"""Cracks of a lazy volume in two passes over its grey levels, each with the margins of all its filters at once.

The first leaves on disk where a plate was seen that hangs together with a sure one, and how it faces; the second looks
across those. Nothing but grey levels is handed from block to block, so that blocks of files wait for nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.kernels import compiled

from .counted_voxels import kept_slices
from .crack_blocks import (
    FOUND,
    SEEN,
    Box,
    Shape,
    across_margin,
    found_across,
    inside,
    lengths,
    plates_seen,
    share_margin,
    share_within,
    slabs,
    tamed,
    widened,
)
from .crack_levels import Levels
from .grids import Block, Grid, each_block, grid_of
from .layout import PLACES
from .piece_store import FolderStore, open_store
from .plates import margin
from .run_kernels import Pieces
from .sure_pieces import Found, find_sure, join_sure
from .windows import over_windows

Array = NDArray[Any]


@dataclass(frozen=True)
class Search:
    """What plates and voids are looked for by: as :func:`.crack_blocks.plates_seen` and ``found_across`` take it.

    ``loose`` is the answer, relative to a sure one, into which a crack goes on; ``layer`` how far from an outer face
    noise is stronger, voxels; ``least`` the share of void, smoothed by a voxel, that noise hardly ever seems to be.
    """

    scales: tuple[float, ...]
    factors: tuple[float, ...]
    loose: float
    layer: int
    reaches: tuple[float, float]
    least: float


def found_lazily(grey: xr.DataArray, levels: Levels, search: Search, store: str | PathLike[str] | None) -> xr.DataArray:
    """Return records of crack, void, share and aperture (voxels) of a lazy volume, dims (..., z, y, x)."""
    from dask.delayed import delayed

    leading = grey.ndim - len(PLACES)
    kept = kept_slices(grey).broadcast_like(grey.isel(y=0, x=0, drop=True)).transpose(*grey.dims[: leading + 1])
    seen = {
        index: _seen(grey.data[index], ~kept.to_numpy()[index], levels, search, (store, number))
        for number, index in enumerate(np.ndindex(grey.shape[:leading]))
    }
    reach = (share_margin(levels) + across_margin(search.reaches, levels.grown),) * len(PLACES)
    settings = {"levels": levels, "search": search, "seen": delayed(seen, traverse=False)}
    data = over_windows(found_in, grey.data, reach, dtype=FOUND, placed=True, **settings)
    return grey.copy(deep=False, data=data).drop_attrs(deep=False)


@dataclass(frozen=True)
class Seen:
    """Where sure plates of a volume were seen, and which of its slices are lost: no truth value where none is."""

    store: FolderStore
    lost: NDArray[np.bool_]


def _seen(
    array: Any, lost: NDArray[np.bool_], levels: Levels, search: Search, place: tuple[str | PathLike[str] | None, int]
) -> Seen:
    """Return the plates of one volume (z, y, x), after a pass over it; ``place`` is where they go."""
    lost = lost if lost.any() else lost[:0]
    reach = (share_margin(levels) + margin(search.scales),) * len(PLACES)
    plates = over_windows(seen_in, array, reach, dtype=SEEN, placed=True, levels=levels, search=search, lost=lost)
    grid = grid_of(plates)
    store = open_store(*place, grid)
    settings = {"grid": grid, "store": store, "loose": search.loose}
    join_sure(grid, store, each_block(kept_pieces, [plates], grid, settings, None), _CORNERS)
    return Seen(store, lost)


_CORNERS = 26


def seen_in(
    window: Array, kept: Box, *, corner: Shape, lost: NDArray[np.bool_], levels: Levels, search: Search
) -> Array:
    """Return the answer of the plate filter, 1 where it is sure, and how plates face, of the block in a window."""
    grey = _counting(window, corner[0], lost)
    near = widened(kept, margin(search.scales), grey.shape)
    share = share_within(grey, near, levels)
    found: Array = plates_seen(share, inside(kept, near), scales=search.scales, factors=search.factors)
    faces = tuple((side.start == 0, side.stop == size) for side, size in zip(kept, grey.shape, strict=True))
    tamed(found["answer"], search.layer, faces)
    if lost.size:
        first = corner[0] + kept[0].start
        found["answer"][lost[first : first + len(found)]] = 0
    return found


def kept_pieces(seen: Array, block: Block, grid: Grid, store: FolderStore, loose: float) -> Found:
    """Return what a block has of plates; their runs and how they face go to the store."""
    within = seen["answer"] > loose
    store.put_values(block, seen["normal"][within])
    return find_sure(within, seen["answer"] > 1.0, block, grid, store, _CORNERS)


def found_in(
    window: Array,
    kept: tuple[slice, ...],
    *,
    corner: tuple[int, ...],
    seen: dict[tuple[int, ...], Seen],
    levels: Levels,
    search: Search,
) -> NDArray[np.generic]:
    """Return records of crack, void, share and aperture (voxels) of the block in a window, dims (1, ..., z, y, x)."""
    leading = window.ndim - len(PLACES)
    plates, place, (z, y, x) = seen[corner[:leading]], corner[leading:], kept[leading:]
    found = _found(window.reshape(window.shape[leading:]), (z, y, x), place, plates, levels, search)
    return found.reshape((1,) * leading + found.shape)


def _found(  # noqa: PLR0917
    window: Array, kept: Box, corner: tuple[int, ...], plates: Seen, levels: Levels, search: Search
) -> NDArray[np.generic]:
    grey, away = _counting(window, corner[0], plates.lost), across_margin(search.reaches, levels.grown)
    near = widened(kept, away, grey.shape)
    share = share_within(grey, near, levels)
    seen, normal = plates_near(plates.store, near, corner)
    found = np.empty(lengths(kept), FOUND)
    work: dict[str, Any] = {"reaches": search.reaches, "grown": levels.grown, "least": search.least}
    for slab in slabs(kept):
        around = widened(slab, away, grey.shape)
        z = inside(around, near)[0]
        found[inside(slab, kept)] = found_across(share[z], seen[z], normal[z], inside(slab, around), **work)
    return found


def _counting(window: Array, first: int, lost: NDArray[np.bool_]) -> Array:
    """Return grey levels of which those of lost slices are not finite."""
    out = lost[first : first + len(window)]
    if not out.any():
        return window
    grey = window.astype(np.float32)
    grey[out] = np.nan
    return grey


def plates_near(store: FolderStore, box: Box, corner: tuple[int, ...]) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
    """Return where sure plates were seen in a box, counted from a corner of the volume, and how they face."""
    seen, normal = np.zeros(lengths(box), bool), np.zeros((*lengths(box), 3), np.int8)
    begin = [side.start + at for side, at in zip(box, corner, strict=True)]
    for block in store.grid.blocks():
        extent = store.grid.extent(block)
        shift = tuple(at - first for at, first in zip(store.grid.origin(block), begin, strict=True))
        if all(-size < at < length for at, size, length in zip(shift, extent, seen.shape, strict=True)):
            numbers, ways = store.numbers(block), store.values(block, 3)
            paint_plates(store.pieces(block), numbers, ways, (extent, shift), seen, normal)
    return seen, normal


@compiled
def paint_plates(  # noqa: PLR0917
    runs: Pieces,
    numbers: NDArray[np.uint32],
    ways: NDArray[np.int8],
    place: tuple[Shape, Shape],
    seen: NDArray[np.bool_],
    normal: NDArray[np.int8],
) -> None:
    """Note where runs of a block with pieces of a number above 0 lie in a box, and what each voxel was given.

    ``place`` is the block's shape, and where it begins in the box.
    """
    start, stop, piece = runs
    (_, height, width), shift = place
    after = 0
    for run in range(start.size):
        begin, first = int(start[run]), after
        row, x = divmod(begin, width)
        after = first + int(stop[run]) - begin
        z, y = row // height + shift[0], row % height + shift[1]
        if numbers[piece[run] - 1] == 0 or not (0 <= z < seen.shape[0] and 0 <= y < seen.shape[1]):
            continue
        for voxel in range(first, after):
            at = x + shift[2] + voxel - first
            if 0 <= at < seen.shape[2]:
                seen[z, y, at] = True
                for axis in range(3):
                    normal[z, y, at, axis] = ways[voxel, axis]
