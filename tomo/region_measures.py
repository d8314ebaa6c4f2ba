"""Measure the regions of a label image: size, place, shape, and the grey level within."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError

from .grids import Block, Grid, each_block, grid_of
from .intensity_sums import Spreads, merge_spreads, no_spreads, sum_intensity
from .layout import PLACES
from .piece_joining import MOST, summed
from .region_sums import Sums, no_sums, sum_runs
from .region_table import Columns, region_table, voxels_of
from .run_kernels import Pieces, find_runs
from .voxels import as_volume

Part = tuple[NDArray[np.uint32], Sums, Spreads]
"""Labels within a block, the sums of their voxels, and count, mean and squares of the intensity there."""


def regions(
    labels: xr.DataArray | NDArray[np.integer],
    intensity: xr.DataArray | NDArray[np.generic] | None = None,
    *,
    workers: int | None = None,
) -> xr.Dataset:
    """Return what the regions of a label image measure.

    Parameters
    ----------
    labels
        Whole numbers from 0 (outside) to 2^32 - 1, dims (..., z, y, x), in memory or lazy; numbers may be missing, and
        a region need not be connected. Each volume along further dims is measured by itself.
    intensity
        A grey level of the same dims, whose mean and spread within each region are wanted.
    workers
        Threads; as many as there are processors by default.

    Returns
    -------
    xarray.Dataset
        Dim ``object``, in the order of ``number``; a coordinate such as ``scan`` tells the volume of a series. Lengths
        are in um (px without coordinates).

        ``number``, ``voxels``, ``volume`` (um^3);
        ``box_min``, ``box_max``, ``first_voxel`` (axis): indices of the lowest, the highest and the first voxel;
        ``touches_border``: the region may go on outside;
        ``centroid`` (axis): um, in the volume's coordinates;
        ``covariance`` (axis, other_axis): second central moments over volume, um^2, of voxels as boxes, so that a
        cuboid has L^2 / 12;
        ``principal_length`` (principal): full axes of the ellipsoid of these moments, 2 sqrt(5 C), um, and their
        directions ``principal_axis`` (principal, axis), unit vectors (the short one is the normal of a plate);
        ``elongation`` = 1 - middle / long, ``flatness`` = 1 - short / middle;
        ``intensity_mean`` and ``intensity_spread`` (standard deviation over voxels) in the intensity's unit.

    Raises
    ------
    OperandoError
        If the labels are no whole numbers, or negative or too large, or the intensity has other dims or coordinates.

    Examples
    --------
    >>> import numpy as np
    >>> from operando import tomo
    >>> labels = np.zeros((8, 8, 8), int)
    >>> labels[1:3, 1:3, 1:3] = 1
    >>> found = tomo.regions(labels)
    >>> print(found["voxels"].values.tolist())
    [8]
    """
    volume = as_volume(labels, "tomo.regions")
    if volume.dtype.kind not in "iu":
        raise OperandoError(f"tomo.regions: expected labels (whole numbers), got {volume.dtype}; see tomo.label")
    if not volume.size:
        raise OperandoError(f"tomo.regions: expected a volume, got one without voxels, {dict(volume.sizes)}")
    voxels_of(volume, "tomo.regions")
    grey = None if intensity is None else _beside(as_volume(intensity, "tomo.regions"), volume)
    totals, numbers, further = [], [], []
    for at in np.ndindex(volume.shape[: -len(PLACES)]):
        arrays = [volume.data[at], *([] if grey is None else [grey.data[at]])]
        number, sums, within = _measured(arrays, workers)
        totals.append(sums)
        numbers.append(number)
        further.append({} if grey is None else _intensity_columns(within, grey))
    parameters = {"intensity": grey is not None}
    return region_table(totals, volume, "tomo.regions", parameters, numbers=numbers, further=further)


def _beside(grey: xr.DataArray, volume: xr.DataArray) -> xr.DataArray:
    """Return the intensity in the order and the chunks of the labels."""
    try:
        grey = xr.align(grey.transpose(*volume.dims), volume, join="exact", copy=False)[0]
    except ValueError as error:
        came = f"{dict(grey.sizes)} beside {dict(volume.sizes)}"
        raise OperandoError(f"tomo.regions: expected an intensity on the voxels of the labels, got {came}") from error
    if volume.chunks is None:
        return grey.compute()
    return grey.chunk(dict(zip(volume.dims, volume.chunks, strict=True)))


def _measured(arrays: list[Any], workers: int | None) -> tuple[NDArray[np.uint32], Sums, Spreads]:
    grid = grid_of(arrays[0])
    kernel = measure_block if len(arrays) == 1 else measure_intensity
    parts: dict[Block, Part] = each_block(kernel, arrays, grid, {"grid": grid}, workers)
    numbers = np.unique(np.concatenate([part[0] for part in parts.values()]))
    members = {block: np.searchsorted(numbers, part[0]) for block, part in parts.items()}
    within = no_spreads(numbers.size)
    for block, part in parts.items():
        merge_spreads(within, part[2], members[block])
    return numbers, summed(grid, {block: part[1] for block, part in parts.items()}, members, numbers.size), within


def measure_block(labels: NDArray[np.integer], block: Block, *, grid: Grid) -> Part:
    """Return the labels within a block and their sums."""
    numbers, _, sums = _runs_of(labels, block, grid)
    return numbers, sums, no_spreads(numbers.size)


def measure_intensity(labels: NDArray[np.integer], grey: NDArray[np.generic], block: Block, *, grid: Grid) -> Part:
    """Return the labels within a block, their sums, and mean and spread of the intensity."""
    numbers, runs, sums = _runs_of(labels, block, grid)
    spreads = no_spreads(numbers.size)
    level = np.ascontiguousarray(grey, dtype=grey.dtype if grey.dtype in (np.uint16, np.float32) else np.float64)
    sum_intensity(spreads, level.reshape(-1), runs)
    return numbers, sums, spreads


def _runs_of(labels: NDArray[np.integer], block: Block, grid: Grid) -> tuple[NDArray[np.uint32], Pieces, Sums]:
    shape = grid.extent(block)
    flat = _unsigned(labels).reshape(-1)
    start, stop, _ = find_runs(flat.reshape(-1, shape[2]))
    numbers, piece = np.unique(flat[start], return_inverse=True)
    runs = start, stop, (piece + 1).astype(np.uint32)
    sums = no_sums(numbers.size)
    sum_runs(sums, runs, shape, grid.origin(block), grid.shape)
    return numbers, runs, sums


def _unsigned(labels: NDArray[np.integer]) -> NDArray[np.uint32]:
    lowest, highest = labels.min(), labels.max()
    if lowest < 0 or highest > MOST:
        raise OperandoError(f"tomo.regions: expected labels from 0 to {MOST}, got {lowest} to {highest}")
    whole = np.ascontiguousarray(labels)
    return whole.view(np.uint32) if whole.dtype in (np.int32, np.uint32) else whole.astype(np.uint32)


def _intensity_columns(within: Spreads, grey: xr.DataArray) -> Columns:
    unit = str(grey.attrs.get("units", "1"))
    spread = np.sqrt(within[:, 2] / within[:, 0])
    return {
        "intensity_mean": (("object",), within[:, 1].copy(), unit, "mean intensity of the object"),
        "intensity_spread": (("object",), spread, unit, "standard deviation of the intensity over the object's voxels"),
    }
