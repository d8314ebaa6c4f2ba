"""Lines of voxels that lead through a whole volume, in blocks that hold them from face to face."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .grids import Block, Grid, each_block, grid_of
from .layout import PLACES
from .subvolumes import HALVES, SUBVOLUMES, spread_of_mean

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lines:
    """Lines of voxels (row, column, place along the line), and which part of the volume each row and column lies in."""

    voxels: NDArray[np.uint8]
    row_part: NDArray[np.int64]
    column_part: NDArray[np.int64]


PARTS = HALVES * SUBVOLUMES
"""Parts along each of the two dims across the lines, from whose differences uncertainties come."""


def summed_over_lines(kernel: Callable[..., Any], mask: xr.DataArray, axis: int, **settings: Any) -> list[NDArray[Any]]:
    """Return the sums of the arrays that ``kernel(lines, **settings)`` gives of blocks of :class:`Lines`.

    Parameters
    ----------
    kernel
        Importable function of :class:`Lines` that returns a tuple of arrays of whole numbers.
    mask
        Dims (z, y, x), lazy or in memory. Chunks are joined along the lines only.
    axis
        Number of the dim along the lines.
    """
    array = mask.data
    if mask.chunks is None:
        sizes = list(grid_of(array).sizes)
        sizes[axis] = (array.shape[axis],)
        grid = Grid(tuple(sizes))
    else:
        array = array.rechunk({axis: -1})
        grid = grid_of(array)
    found = each_block(_of_block, [array], grid, {"kernel": kernel, "grid": grid, "axis": axis, **settings}, None)
    return [np.sum(parts, axis=0) for parts in zip(*found.values(), strict=True)]


def _of_block(part: NDArray[np.bool_], block: Block, *, kernel: Any, grid: Grid, axis: int, **settings: Any) -> Any:
    across = [number for number in range(len(PLACES)) if number != axis]
    voxels = np.ascontiguousarray(np.moveaxis(part, axis, -1)).view(np.uint8)
    numbers = []
    for number in across:
        first = grid.origin(block)[number]
        place = np.arange(first, first + grid.extent(block)[number])
        numbers.append(place * PARTS // max(grid.shape[number], PARTS))
    return kernel(Lines(voxels, *numbers), **settings)


def std_of_mean(whole: NDArray[Any], weight: NDArray[Any]) -> Floats:
    """Return the standard deviation of the sum of ``whole`` (part, part, ...) over that of ``weight`` (part, part)."""
    return spread_of_mean(whole[np.newaxis].astype(np.float64), weight[np.newaxis].astype(np.float64))
