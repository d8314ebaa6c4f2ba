"""Means, or other quantities, of boxes that do not overlap, and how much they differ."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .grids import Block, Grid, each_block, grid_of
from .layout import PLACES

Floats = NDArray[np.float64]
Statistics = tuple[float, Floats, NDArray[np.int64], NDArray[np.int64]]
"""Value of the volume; variance between boxes, number of boxes, and boxes left out, of each size."""


def box_statistics(volume: xr.DataArray, edges: list[int]) -> Statistics:
    """Return the mean of a volume (z, y, x) and how the means of boxes vary, from one pass over its blocks."""
    cell = math.gcd(*edges)
    grid = grid_of(volume.data)
    counts = [size // cell + 1 for size in volume.shape]
    cells, total = np.zeros(counts), 0.0
    for block, sums in each_block(_cell_sums, [volume.data], grid, {"grid": grid, "cell": cell}, None).items():
        first = [start // cell for start in grid.origin(block)]
        cells[tuple(slice(at, at + size) for at, size in zip(first, sums.shape, strict=True))] += sums
        total += float(sums.sum())
    means = [_means(cells, volume.shape, edge, cell) for edge in edges]
    variance = np.array([one.var(ddof=1) for one in means])
    number = np.array([one.size for one in means])
    return total / math.prod(volume.shape), variance, number, np.zeros_like(number)


def quantity_statistics(
    volume: xr.DataArray, edges: list[int], quantity: Callable[[xr.DataArray], float]
) -> Statistics:
    """Return the mean of a quantity over the largest boxes and how it varies between boxes, one box at a time."""
    value, variance, number, left_out = math.nan, [], [], []
    for edge in edges:
        starts = product(*(range(0, size - edge + 1, edge) for size in volume.shape))
        boxes = ({name: slice(at, at + edge) for name, at in zip(PLACES, start, strict=True)} for start in starts)
        every = np.array([float(quantity(volume.isel(box).compute())) for box in boxes])
        found = every[np.isfinite(every)]
        value = float(found.mean()) if found.size else math.nan
        variance.append(found.var(ddof=1) if found.size > 1 else math.nan)
        number.append(found.size)
        left_out.append(every.size - found.size)
    return value, np.array(variance), np.array(number), np.array(left_out)


def _means(cells: Floats, shape: tuple[int, ...], edge: int, cell: int) -> Floats:
    """Return the means of the boxes that the volume holds whole."""
    counts, each = [size // edge for size in shape], edge // cell
    held = cells[tuple(slice(0, count * each) for count in counts)]
    split = [number for count in counts for number in (count, each)]
    means: Floats = held.reshape(split).sum(axis=(1, 3, 5)) / edge**3
    return means


def _cell_sums(part: NDArray[np.generic], block: Block, grid: Grid, cell: int) -> Floats:
    """Return the sums of a block over the cells that it has voxels of."""
    sums = part
    for axis in range(len(PLACES)):
        first = grid.origin(block)[axis]
        inner = np.arange((first // cell + 1) * cell, first + part.shape[axis], cell) - first
        sums = np.add.reduceat(sums, np.concatenate([[0], inner]), axis, dtype=np.float64)
    return sums.astype(np.float64)
