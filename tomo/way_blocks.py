"""Shortest ways through volumes larger than memory: blocks are worked on anew until none lowers another's distances."""

from __future__ import annotations

import shutil
import weakref
from itertools import product
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import xarray as xr
from dask.base import compute
from dask.delayed import delayed
from numpy.typing import NDArray

from .eikonal import AROUND_QUEUED, OPEN, QUEUED, WALL, spread
from .grids import Block, Grid, three

_TOGETHER = 100
"""Blocks of one graph."""

_AROUND = [three(step) for step in product((-1, 0, 1), repeat=3) if step != (0, 0, 0)]

Field = NDArray[np.float64]


class WayStore:
    """Distances of blocks in a folder that every worker reaches: a file a block, its six outer planes before the rest.

    A file appears whole or not at all, so that a neighbor reads what was there before or what is there now; both are
    lengths of ways. A temporary folder goes with the object that made it.
    """

    def __init__(self, grid: Grid, folder: Path, *, temporary: bool = False) -> None:
        self.grid, self.folder = grid, folder
        if temporary:
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild in another process, where the folder is only borrowed."""
        return WayStore, (self.grid, self.folder)

    def put(self, block: Block, away: Field) -> None:
        """Keep the distances of a block."""
        unfinished = self.folder / f"{uuid4().hex}.part"
        with unfinished.open("wb") as file:
            for axis, last in product(range(3), (0, -1)):
                away.take(last, axis).tofile(file)
            away.tofile(file)
        unfinished.replace(self._file(block))

    def get(self, block: Block) -> Field:
        """Return the distances of a block, inf where none is known yet."""
        extent = self.grid.extent(block)
        return self._read(block, sum(self._sizes(block)), int(np.prod(extent))).reshape(extent)

    def plane(self, block: Block, axis: int, *, last: bool) -> Field:
        """Return the first or the last plane of a block along an axis."""
        number = 2 * axis + last
        sizes, extent = self._sizes(block), self.grid.extent(block)
        values = self._read(block, sum(sizes[:number]), sizes[number])
        return values.reshape([size for other, size in enumerate(extent) if other != axis])

    def around(self, block: Block) -> Field:
        """Return a block's distances with those of its neighbors in a margin; inf beyond the volume."""
        away = with_margin(self.grid.extent(block))
        away[_INNER] = self.get(block)
        for step in _AROUND:
            other = self.beside(block, step)
            if other is None:
                continue
            axis = next(number for number in range(3) if step[number])
            plane = self.plane(other, axis, last=step[axis] < 0)
            rest = tuple(_FACING[-way] for number, way in enumerate(step) if number != axis)
            away[tuple(_MARGIN[way] for way in step)] = np.expand_dims(plane[rest], axis)
        return away

    def beside(self, block: Block, step: Block) -> Block | None:
        """Return the block a step away, None beyond the volume."""
        other = three(at + way for at, way in zip(block, step, strict=True))
        inside = all(0 <= at < count for at, count in zip(other, self.grid.counts, strict=True))
        return other if inside else None

    def _sizes(self, block: Block) -> list[int]:
        z, y, x = self.grid.extent(block)
        return [y * x, y * x, z * x, z * x, z * y, z * y]

    def _read(self, block: Block, begin: int, count: int) -> Field:
        try:
            return np.fromfile(self._file(block), np.float64, count, offset=8 * begin)
        except FileNotFoundError:
            return np.full(count, np.inf)

    def _file(self, block: Block) -> Path:
        return self.folder / "ways_{}_{}_{}".format(*block)


_FACING = {-1: slice(0, 1), 0: slice(None), 1: slice(-1, None)}
"""Voxels of a block at the face that a step leads to."""
_INNER = (slice(2, -2),) * 3
_MARGIN = {-1: slice(1, 2), 0: slice(2, -2), 1: slice(-2, -1)}
"""Voxels of its margin that lie there."""


def with_margin(shape: tuple[int, ...]) -> Field:
    """Return inf for all voxels of a block and a margin of two: the outer one keeps those within it from its ends."""
    return np.full([size + 4 for size in shape], np.inf)


def from_layer(mask: NDArray[np.bool_], axis: int, layer: int) -> Field:
    """Return the distances (edges of a voxel) of all voxels of a mask in memory from a layer of them; else inf."""
    away = with_margin(mask.shape)
    _spread(away, mask, axis, layer)
    return away[_INNER]


def _spread(away: Field, mask: NDArray[np.bool_], axis: int, layer: int | None) -> None:
    """Lower distances with a margin to those of ways from the margin, and from a layer of the mask."""
    states = np.where(np.isfinite(away), np.uint8(AROUND_QUEUED), np.uint8(WALL))
    inner = states[_INNER]
    inner[...] = np.where(mask, np.uint8(OPEN), np.uint8(WALL))
    if layer is not None:
        at = [slice(None)] * 3
        at[axis] = slice(layer, layer + 1)
        start = tuple(at)
        away[_INNER][start][mask[start]] = 0
        inner[start][mask[start]] = QUEUED
    spread(away, states)


def from_face(mask: xr.DataArray, axis: int, *, last: bool, store: WayStore) -> None:
    """Find the distances (edges of a voxel) of all voxels of a lazy mask from the first or last layer of voxels.

    Parameters
    ----------
    mask
        Dims (z, y, x), in the chunks of the store's grid.
    axis
        Number of the dim across the layer.

    Notes
    -----
    Round after round, the blocks whose neighbors changed at a common face, edge or corner are worked on. It ends when
    nothing changes: then every voxel agrees with all around it, as if the whole had been one block.
    """
    parts = mask.data.to_delayed()
    end = store.grid.counts[axis] - 1
    waiting = store.grid.layer(axis, end if last else 0)
    work: Any = delayed(_work, pure=False)
    begins = True
    while waiting:
        following: set[Block] = set()
        for first in range(0, len(waiting), _TOGETHER):
            batch = waiting[first : first + _TOGETHER]
            tasks = [
                work(parts[block], block, store, axis, _layer(store.grid, block, axis, last) if begins else None)
                for block in batch
            ]
            for touched in compute(*tasks):  # type: ignore[no-untyped-call]
                following.update(touched)
        waiting, begins = sorted(following), False


def _layer(grid: Grid, block: Block, axis: int, last: bool) -> int:
    """Return the layer of a block at the face of the volume at which ways begin."""
    return grid.extent(block)[axis] - 1 if last else 0


def _work(mask: NDArray[np.bool_], block: Block, store: WayStore, axis: int, layer: int | None) -> list[Block]:
    """Lower the distances of a block as far as its neighbors allow; return the neighbors that should look at it."""
    away = store.around(block)
    inner = away[_INNER]
    before = inner.copy()
    _spread(away, np.asarray(mask), axis, layer)
    changed = inner != before
    store.put(block, np.ascontiguousarray(inner))
    steps = [step for step in _AROUND if changed[tuple(_FACING[way] for way in step)].any()]
    return [other for step in steps if (other := store.beside(block, step)) is not None]


def lazy_field(store: WayStore) -> Any:
    """Return the distances of a store as a lazy array."""
    import dask.array as da

    return da.map_blocks(  # type: ignore[no-untyped-call]
        _read,
        name=f"ways-{uuid4().hex}",
        chunks=store.grid.sizes,
        dtype=np.float64,
        meta=np.empty((0, 0, 0), np.float64),
        store=store,
    )


def _read(block_id: tuple[int, ...], store: WayStore) -> Field:
    return store.get(three(block_id))
