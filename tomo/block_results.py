"""Small results, such as counts, of every block of volumes with its margins, in memory or lazy.

Blocks without margins that hand on more than they return are ``grids.each_block``'s; those of grey levels of which some
do not count, ``counted_voxels.of_each``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import xarray as xr
from dask.base import compute
from dask.delayed import delayed
from numpy.typing import DTypeLike, NDArray

from .grids import grid_of, three
from .layout import PLACES

Cut = tuple[int, int, int]

_TOGETHER = 100
"""Blocks of one graph; a block and its margins may take pieces of 27 chunks."""


@dataclass(frozen=True)
class Place:
    """Where a block lies: its first voxel in the volume, its shape, and its first voxel in each piece handed over."""

    begin: Cut
    shape: Cut
    inset: tuple[Cut, ...]


def around(
    piece: NDArray[Any], place: Place, size: tuple[int, ...], *, reach: tuple[Cut, Cut], fill: float, dtype: DTypeLike
) -> NDArray[Any]:
    """Return a block and what lies around it, so far before and behind; where the volume has ended it is ``fill``.

    ``size`` is that of the volume, ``piece`` the first that was handed over, which reaches as far at least.
    """
    found = np.full(np.add(place.shape, np.sum(reach, axis=0)), fill, dtype)
    inner, outer = [], []
    sides = zip(place.inset[0], place.begin, place.shape, size, *reach, strict=True)
    for inset, begin, length, whole, before, behind in sides:
        low, high = max(begin - before, 0), min(begin + length + behind, whole)
        inner.append(slice(low - begin + before, high - begin + before))
        outer.append(slice(low - begin + inset, high - begin + inset))
    found[tuple(inner)] = piece[tuple(outer)]
    return found


def of_blocks(
    kernel: Callable[..., Any],
    volumes: Sequence[xr.DataArray],
    margins: Sequence[Cut],
    *,
    block_edges: Cut | None = None,
    wanted: Callable[[Place], bool] | None = None,
    **settings: Any,
) -> list[Any]:
    """Return ``kernel(place, *pieces, **settings)`` of every block, in the order of the blocks.

    Parameters
    ----------
    kernel
        Importable function of a :class:`Place` and a numpy array of each volume; what it returns should be small.
    volumes
        Dims z, y, x (others before them come whole) of equal size. The chunks of the first lazy one are the blocks;
        if none is, blocks have ``EDGE`` voxels along each dim and are worked on in threads.
    margins
        Voxels beyond the block that each volume's piece reaches along z, y, x, as far as the volume goes.
    block_edges
        Of the blocks of volumes in memory, voxels along z, y, x, if not ``EDGE``.
    wanted
        Whether a block is to be worked on; all are by default.
    """
    lazy = [volume for volume in volumes if volume.chunks is not None]
    scheduler = {} if lazy else {"scheduler": "threads"}
    places = _places(lazy[0] if lazy else volumes[0], margins, block_edges)
    if wanted is not None:
        places = ((place, cuts) for place, cuts in places if wanted(place))
    found: list[Any] = []
    while batch := list(islice(places, _TOGETHER)):
        tasks = []
        for place, cuts in batch:
            pieces = [volume.isel(cut).data for volume, cut in zip(volumes, cuts, strict=True)]
            tasks.append(delayed(kernel)(place, *pieces, **settings))
        found += compute(*tasks, **scheduler)  # type: ignore[no-untyped-call]
    return found


def _places(
    volume: xr.DataArray, margins: Sequence[Cut], edges: Cut | None
) -> Iterator[tuple[Place, list[dict[str, slice]]]]:
    grid = grid_of(volume.data, edges)
    size = grid.shape
    for block in grid.blocks():
        begin, shape = grid.origin(block), grid.extent(block)
        end = three(at + length for at, length in zip(begin, shape, strict=True))
        cuts, inset = [], []
        for margin in margins:
            first = three(max(at - wide, 0) for at, wide in zip(begin, margin, strict=True))
            last = three(min(at + wide, most) for at, wide, most in zip(end, margin, size, strict=True))
            cuts.append({name: slice(a, b) for name, a, b in zip(PLACES, first, last, strict=True)})
            inset.append(three(a - b for a, b in zip(begin, first, strict=True)))
        yield Place(begin, shape, tuple(inset)), cuts
