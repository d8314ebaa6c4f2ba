"""Opening of flat voids such as cracks, object by object."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.history import recorded

from .block_results import Place, of_blocks
from .layout import PLACES
from .voxels import voxel

_LEVELS = 64
"""Levels per voxel edge to which the median is taken."""


def aperture_table(aperture: xr.DataArray, labels: xr.DataArray) -> xr.Dataset:
    """Return the aperture of each object.

    Parameters
    ----------
    aperture
        As :func:`~operando.tomo.apertures.aperture` returns it, dims z, y, x.
    labels
        Numbers of objects, 0 outside, of the same dims.

    Returns
    -------
    xarray.Dataset
        For each ``object``, by ``number``: ``aperture_mean`` over its voxels (the middle of a crack, where it is
        widest, has most of them), ``aperture_mean_std``, ``aperture_median`` (to 1/64 voxel), ``aperture_max`` and
        ``aperture_spread`` (standard deviation over the voxels). Voxels without an aperture do not count; an object
        without any has NaN.

    Notes
    -----
    Neighboring voxels share one opening, so the standard uncertainty of the mean takes patches as wide as the opening
    (and at least two voxels) as independent: spread / sqrt(V / (mean max(mean, 2 voxels)^2)).
    """
    size = voxel(aperture, "tomo.aperture_table")
    edge = size.cube("tomo.aperture_table")
    parts = of_blocks(_levels, [labels.transpose(*PLACES), aperture.transpose(*PLACES)], [(0, 0, 0)] * 2, edge=edge)
    numbers = np.unique(np.concatenate([np.empty(0, np.int64), *(one for one, *_ in parts)]))
    sums, counted = np.zeros((numbers.size, 4)), np.empty((0, 3), np.int64)
    for number, one, level in parts:
        at = np.searchsorted(numbers, number)
        sums[at, :3] += one[:, :3]
        sums[at, 3] = np.maximum(sums[at, 3], one[:, 3])
        counted = _merged(np.concatenate([counted, level]))
    count = np.where(sums[:, 0] > 0, sums[:, 0], np.nan)
    mean = sums[:, 1] / count
    spread = np.sqrt(np.maximum(sums[:, 2] / count - mean**2, 0))
    patches = np.maximum(count * edge**3 / (mean * np.maximum(mean, 2 * edge) ** 2), 1)
    columns = {
        "aperture_mean": (mean, "mean aperture over the object's voxels"),
        "aperture_mean_std": (spread / np.sqrt(patches), "standard uncertainty of the mean aperture"),
        "aperture_median": (_medians(numbers, counted, edge), "median aperture over the object's voxels"),
        "aperture_max": (np.where(sums[:, 0] > 0, sums[:, 3], np.nan), "largest aperture of the object"),
        "aperture_spread": (spread, "standard deviation of the aperture over the object's voxels"),
    }
    found = xr.Dataset(
        {name: ("object", values, {"units": size.units, "long_name": text}) for name, (values, text) in columns.items()}
    )
    found["number"] = ("object", numbers, {"units": "1", "long_name": "number in the label image"})
    return recorded(found, "tomo.aperture_table", {}, after=xr.Dataset(attrs=aperture.attrs))


def _levels(
    _: Place, labels: NDArray[Any], aperture: NDArray[np.float32], *, edge: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return numbers, (count, sum, sum of squares, maximum) of each, and (number, level, count) of a block."""
    inside = labels > 0
    numbers, at = np.unique(labels[inside].astype(np.int64), return_inverse=True)
    value = aperture[inside].astype(np.float64)
    sums = np.zeros((numbers.size, 4))
    for column, weight in enumerate((value > 0, value, value**2)):
        sums[:, column] = np.bincount(at, weight, numbers.size)
    np.maximum.at(sums[:, 3], at, value)
    open_ = value > 0
    level = np.floor(value[open_] / edge * _LEVELS).astype(np.int64)
    rows = np.column_stack([numbers[at][open_], level, np.ones(level.size, np.int64)])
    return numbers, sums, _merged(rows)


def _merged(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return rows (number, level, count) with the counts of equal levels added, in order."""
    pairs, at = np.unique(rows[:, :2], axis=0, return_inverse=True)
    counts = np.zeros(len(pairs), np.int64)
    np.add.at(counts, at.ravel(), rows[:, 2])
    return np.column_stack([pairs, counts])


def _medians(numbers: NDArray[np.int64], rows: NDArray[np.int64], edge: float) -> NDArray[np.float64]:
    found = np.full(numbers.size, np.nan)
    begin = np.searchsorted(rows[:, 0], numbers, "left")
    end = np.searchsorted(rows[:, 0], numbers, "right")
    for n, (first, last) in enumerate(zip(begin, end, strict=True)):
        if last > first:
            counts = np.cumsum(rows[first:last, 2])
            middle = np.searchsorted(counts, counts[-1] / 2)
            found[n] = (rows[first + middle, 1] + 0.5) * edge / _LEVELS
    return found
