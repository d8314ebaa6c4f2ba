"""Histograms of grey levels, block by block: exact for integers, and the same whatever the blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded
from operando.kernels import compiled

from .counted_voxels import Array, Block, as_mask, computed, of_each, summed
from .layout import PLACES
from .voxels import as_volume

FLOAT_BINS = 1024
"""Bins of grey levels that are no small integers."""

STEP = "tomo.histogram"

_TABLES = {1: 8, 2: 2}
"""Tables that count by turns, a power of two, by the bytes of a level."""

Counts = NDArray[np.int64]


def histogram(
    volume: xr.DataArray | Array,
    bins: int | None = None,
    range: tuple[float, float] | None = None,  # noqa: A002
    mask: xr.DataArray | Array | None = None,
) -> xr.Dataset:
    """Return how many voxels have each grey level, for each volume of a series.

    Slices that are missing, saturated or surplus in the coordinate ``frame_flag`` and values that are not finite are
    left out. No more than a block is held in memory.

    Parameters
    ----------
    volume
        Grey levels, dims (..., z, y, x), in memory or lazy.
    bins
        How many bins share the range evenly; by default one for every level between the lowest and the highest that
        occur where these are integers of 8 or 16 bits, else ``FLOAT_BINS``.
    range
        Lowest and highest grey level, both included; by default those that occur in any of the volumes, which takes a
        pass of its own unless the levels are integers of 8 or 16 bits.
    mask
        Voxels that count, truth values, dims (z, y, x) or those of the volume.

    Returns
    -------
    xarray.Dataset
        ``counts`` (..., level), exact; ``below``, ``above`` (...) the range; ``left_out`` (...), all in voxels (1);
        ``level`` the middle of each bin in the volume's unit, its attribute ``bin_width``.

    Raises
    ------
    OperandoError
        If no voxel counts, or bins, range or mask are no such things.

    Notes
    -----
    A level lies in the bin that ``numpy.histogram`` puts it in: closed below and open above, the last one closed.
    A threshold that all volumes share comes from ``histogram(...).sum("scan")``.

    Examples
    --------
    >>> import numpy as np
    >>> from operando import tomo
    >>> grey = np.random.default_rng(1).normal(100, 5, (16, 32, 32)).round().astype("u2")
    >>> grey[:, :, 16:] += 100
    >>> found = tomo.histogram(grey)
    >>> print(int(found["counts"].sum()) == grey.size)
    True
    """
    grey = as_volume(volume, STEP)
    cover = as_mask(mask, grey, STEP)
    _check(bins, range)
    small = grey.dtype.kind in "iub" and grey.dtype.itemsize <= 2
    found = _of_integers(grey, cover, bins, range) if small else _of_floats(grey, cover, bins, range)
    levels, width, counts, below, above = found
    ds = _dataset(grey, levels, width, counts, below, above)
    settings = {"bins": levels.size, "range": [levels[0] - width / 2, levels[-1] + width / 2], "mask": mask is not None}
    return recorded(ds, STEP, settings, after=xr.Dataset(attrs=grey.attrs))


def as_histogram(source: xr.Dataset | xr.DataArray | Array, step: str) -> xr.Dataset:
    """Return a histogram as it is, or that of a volume.

    Raises
    ------
    OperandoError
        If a Dataset is no histogram.
    """
    if not isinstance(source, xr.Dataset):
        return histogram(source)
    if "counts" not in source or "level" not in source["counts"].coords:
        raise OperandoError(f"{step}: expected a volume or what tomo.histogram returns, got {sorted(map(str, source))}")
    return source


Found = tuple[NDArray[np.float64], float, Counts, Counts, Counts]


def _of_integers(
    grey: xr.DataArray, mask: xr.DataArray | None, bins: int | None, limits: tuple[float, float] | None
) -> Found:
    counts = _totals(of_each(_every_level, grey, mask), grey, 1 << (8 * grey.dtype.itemsize))
    lowest = np.iinfo(grey.dtype).min if grey.dtype.kind == "i" else 0
    levels = lowest + np.arange(counts.shape[-1])
    held = levels[counts.reshape(-1, levels.size).any(axis=0)]
    if not held.size:
        raise _empty()
    low, high = limits if limits is not None else (float(held[0]), float(held[-1]))
    inside = (levels >= low) & (levels <= high)
    below, above = (counts[..., away].sum(axis=-1) for away in (levels < low, levels > high))
    counts, levels = counts[..., inside], levels[inside]
    if bins is None:
        return levels.astype(np.float64), 1.0, counts, below, above
    edges = np.histogram_bin_edges([], bins, (low, high))
    place = np.empty(levels.size, dtype=np.int64)
    _places(levels.astype(np.float64), edges, place)
    grouped = np.zeros((*counts.shape[:-1], bins), dtype=np.int64)
    np.add.at(grouped.T, place, counts.T)
    return _middles(edges), float(edges[1] - edges[0]), grouped, below, above


def _of_floats(
    grey: xr.DataArray, mask: xr.DataArray | None, bins: int | None, limits: tuple[float, float] | None
) -> Found:
    if limits is None:
        ends = np.array(computed([part for _, parts in of_each(_ends, grey, mask) for part in parts], grey))
        if not ends.size or not ends[:, 0].min() <= ends[:, 1].max():
            raise _empty()
        limits = float(ends[:, 0].min()), float(ends[:, 1].max())
    edges = np.histogram_bin_edges([], bins or FLOAT_BINS, limits)
    counts = _totals(of_each(_in_bins, grey, mask, edges=edges), grey, edges.size + 1)
    return _middles(edges), float(edges[1] - edges[0]), counts[..., 1:-1], counts[..., 0], counts[..., -1]


def _totals(parts: list[tuple[tuple[int, ...], list[Any]]], grey: xr.DataArray, bins: int) -> Counts:
    """Return the counts of every volume from those of its blocks."""
    empty = np.zeros(bins, dtype=np.int64)
    counts = computed([summed(blocks, empty) for _, blocks in parts], grey)
    return np.stack(counts).reshape(*grey.shape[: grey.ndim - len(PLACES)], bins)


def _dataset(  # noqa: PLR0917
    grey: xr.DataArray, levels: NDArray[np.float64], width: float, counts: Counts, below: Counts, above: Counts
) -> xr.Dataset:
    leading = grey.dims[: grey.ndim - len(PLACES)]
    if not counts.any():
        raise _empty()
    voxels = int(np.prod([grey.sizes[name] for name in PLACES]))
    left = voxels - counts.sum(axis=-1) - below - above
    texts = {
        "counts": ((*leading, "level"), counts, "voxels of the grey level"),
        "below": (leading, below, "voxels below the range"),
        "above": (leading, above, "voxels above the range"),
        "left_out": (leading, left, "voxels that do not count"),
    }
    ds = xr.Dataset(
        {name: (dims, values, {"units": "1", "long_name": text}) for name, (dims, values, text) in texts.items()}
    )
    attrs = {"units": str(grey.attrs.get("units", "1")), "long_name": "grey level", "bin_width": width}
    kept = {name: array for name, array in grey.coords.items() if set(array.dims) <= set(leading)}
    return ds.assign_coords(kept).assign_coords(level=("level", levels, attrs))


def _check(bins: int | None, limits: tuple[float, float] | None) -> None:
    if bins is not None and bins < 1:
        raise OperandoError(f"{STEP}: expected one bin or more, got {bins}")
    if limits is not None and not (np.isfinite(limits).all() and limits[0] < limits[1]):
        raise OperandoError(f"{STEP}: expected a range from low to high, got {limits}")


def _empty() -> OperandoError:
    return OperandoError(
        f"{STEP}: expected voxels that count, got none; look at mask, frame_flag and values that are not finite"
    )


def _middles(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    return (edges[:-1] + edges[1:]) / 2


def _every_level(block: Block) -> Counts:
    grey = block.grey.view(f"u{block.grey.dtype.itemsize}")
    if block.grey.dtype.kind == "i":
        grey = grey ^ grey.dtype.type(1 << (8 * grey.dtype.itemsize - 1))
    tables = np.zeros((_TABLES[grey.dtype.itemsize], 1 << (8 * grey.dtype.itemsize)), dtype=np.int64)
    _count_levels(grey, block.mask, block.kept, tables)
    counts: Counts = tables.sum(axis=0)
    return counts


def _ends(block: Block) -> NDArray[np.float64]:
    ends = np.array([np.inf, -np.inf])
    _find_ends(_as_float(block.grey), block.mask, block.kept, ends)
    return ends


def _in_bins(block: Block, edges: NDArray[np.float64]) -> Counts:
    counts = np.zeros(edges.size + 1, dtype=np.int64)
    _count_bins(_as_float(block.grey), block.mask, block.kept, edges, counts)
    return counts


def _as_float(grey: Array) -> Array:
    return grey if grey.dtype in (np.float32, np.float64) else grey.astype(np.float64)


@compiled
def _count_levels(grey: Array, mask: NDArray[np.bool_], kept: NDArray[np.bool_], tables: Counts) -> None:
    """Add the voxels of each level to tables that take turns, so that no count waits for the one before."""
    turn = np.int64(tables.shape[0] - 1)
    for z in np.flatnonzero(kept):
        for y in range(grey.shape[1]):
            row = grey[z, y]
            if mask.size == 0:
                for x in range(row.size):
                    tables[x & turn, row[x]] += 1
            else:
                inside = mask[z, y]
                for x in range(row.size):
                    tables[x & turn, row[x]] += inside[x]


@compiled
def _find_ends(grey: Array, mask: NDArray[np.bool_], kept: NDArray[np.bool_], ends: NDArray[np.float64]) -> None:
    low, high = np.inf, -np.inf
    for z in np.flatnonzero(kept):
        for y in range(grey.shape[1]):
            for x in range(grey.shape[2]):
                value = np.float64(grey[z, y, x])
                if np.abs(value) < np.inf and (mask.size == 0 or mask[z, y, x]):
                    low, high = min(low, value), max(high, value)
    ends[0], ends[1] = low, high


@compiled
def _count_bins(
    grey: Array, mask: NDArray[np.bool_], kept: NDArray[np.bool_], edges: NDArray[np.float64], counts: Counts
) -> None:
    for z in np.flatnonzero(kept):
        for y in range(grey.shape[1]):
            for x in range(grey.shape[2]):
                value = np.float64(grey[z, y, x])
                if np.abs(value) < np.inf and (mask.size == 0 or mask[z, y, x]):
                    counts[_place(value, edges) + 1] += 1


@compiled
def _places(values: NDArray[np.float64], edges: NDArray[np.float64], places: Counts) -> None:
    for number in range(values.size):
        places[number] = _place(values[number], edges)


@compiled
def _place(value: float, edges: NDArray[np.float64]) -> int:
    """Return the bin of a value: -1 below all, their number above; the guess of the division is off by one at most."""
    last = edges.size - 1
    if value < edges[0]:
        return -1
    if value >= edges[last]:
        return last - 1 if value == edges[last] else last
    place = min(int((value - edges[0]) * (last / (edges[last] - edges[0]))), last - 1)
    if value < edges[place]:
        return place - 1
    return place + 1 if value >= edges[place + 1] else place
