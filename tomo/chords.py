"""Chords: how long straight lines along the axes stay within a phase."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.history import recorded
from operando.kernels import compiled

from .distances import as_mask
from .each_volume import as_dims, dataset, of_each_volume
from .layout import PLACES
from .line_blocks import PARTS, Lines, std_of_mean, summed_over_lines
from .voxels import voxel

_STEP = "tomo.chord_lengths"

Counts = NDArray[np.int64]


def chord_lengths(mask: xr.DataArray | NDArray[np.bool_], dims: str | Sequence[str] = PLACES) -> xr.Dataset:
    """Return how long the chords of a phase are: the parts within it of all lines of voxels along the axes.

    Parameters
    ----------
    mask
        The phase, dims (..., z, y, x), lazy or in memory; cubic voxels. Lazy ones are worked on in their chunks, joined
        along one dim after the other.
    dims
        Directions of the lines, of z, y, x.

    Returns
    -------
    xarray.Dataset
        Dims (..., axis) and ``length`` (um). ``chords`` (axis, length): number of chords between two ends within the
        volume; ``chords_cut``: those that the faces of the volume cut, at one or both ends, by the length that is left.
        ``distribution``: share of chords of each length, the long ones, of which more are cut, weighted by
        1/(n - l - 1) in a line of n voxels; it is true to the material for lengths up to n - 2 voxels.
        ``chord_length_mean`` (axis): length within the phase, cut chords too, over half the number of ends; its
        ``_std``: how far it may lie from that of the material, from the differences of parts of the volume
        (:func:`operando.tomo.subvolumes.spread_of_mean`). NaN where nothing ends.

    Raises
    ------
    OperandoError
        If the mask is none, voxels are not cubes, or a dim is none of z, y, x.

    Notes
    -----
    Mean chord = 4 eps/s_v for isotropic phases of the volume fraction eps and surface s_v per volume. Outside spheres
    of radius R that overlap at random (eta volumes per volume), chords are distributed exponentially, with the mean
    4 R/(3 eta). S. Torquato, Random Heterogeneous Materials (Springer, 2002), doi:10.1007/978-1-4757-6355-3. Chords
    are whole numbers of voxels; what is thinner than a voxel is missed.

    Examples
    --------
    Layers of three voxels:

    >>> import numpy as np
    >>> from operando import tomo
    >>> layers = (np.arange(25) // 3 % 2 == 1)[:, None, None] & np.ones((25, 8, 8), bool)
    >>> print(round(float(tomo.chord_lengths(layers)["chord_length_mean"].sel(axis="z")), 1))
    3.0
    """
    volume = as_mask(mask, _STEP)
    size = voxel(volume, _STEP)
    edge = size.cube(_STEP)
    names = as_dims(dims, _STEP)
    ds = of_each_volume(partial(_of_volume, dims=names, edge=edge, units=size.units), volume)
    return recorded(ds, _STEP, {"dims": names}, after=xr.Dataset(attrs=volume.attrs))


def _of_volume(mask: xr.DataArray, dims: tuple[str, ...], edge: float, units: str) -> xr.Dataset:
    longest = max(mask.sizes[dim] for dim in dims)
    whole, cut = np.zeros((2, len(dims), longest), np.int64)
    share = np.full((len(dims), longest), np.nan)
    mean, std = np.full((2, len(dims)), np.nan)
    for row, dim in enumerate(dims):
        counts, sums = summed_over_lines(_counted, mask, PLACES.index(dim))
        size = mask.sizes[dim]
        whole[row, :size], cut[row, :size] = counts[0, 1:], counts[1, 1:]
        share[row] = _share(whole[row], size)
        ends = sums[..., 1].sum()
        if ends:
            mean[row] = 2 * edge * sums[..., 0].sum() / ends
            std[row] = 2 * edge * float(std_of_mean(sums[..., 0], sums[..., 1]))
    length = edge * np.arange(1, longest + 1)
    both = ("axis", "length")
    return dataset(
        {
            "chords": (both, whole, "1", "chords that end within the volume"),
            "chords_cut": (both, cut, "1", "chords that the faces of the volume cut"),
            "distribution": (both, share, "1", "share of chords of the length"),
            "chord_length_mean": (("axis",), mean, units, "mean length of chords"),
            "chord_length_mean_std": (("axis",), std, units, "its standard deviation over volumes of the material"),
        },
        {
            "axis": (("axis",), np.array(dims, dtype=object), "", "direction"),
            "length": (("length",), length, units, "length of the chord"),
        },
    )


def _share(whole: Counts, size: int) -> NDArray[np.float64]:
    """Return the share of chords of each length, weighted by how many places in a line hold such a chord."""
    places = size - np.arange(1, whole.size + 1) - 1
    weighted = np.where(places > 0, whole / np.maximum(places, 1), 0.0)
    return weighted / weighted.sum() if weighted.any() else np.full(whole.size, np.nan)


def _counted(lines: Lines) -> tuple[Counts, Counts]:
    counts = np.zeros((2, lines.voxels.shape[-1] + 1), np.int64)
    sums = np.zeros((PARTS, PARTS, 2), np.int64)
    count_chords(lines.voxels, lines.row_part, lines.column_part, counts, sums)
    return counts, sums


@compiled
def count_chords(lines: NDArray[np.uint8], row_part: Counts, column_part: Counts, counts: Counts, sums: Counts) -> None:
    """Count chords by whether they are cut and by length; add length and ends to the sums of the part of each line."""
    rows, columns, size = lines.shape
    for row in range(rows):
        for column in range(columns):
            line = lines[row, column]
            begin = 0
            while begin < size:
                if line[begin] == 0:
                    begin += 1
                    continue
                end = begin
                while end < size and line[end] != 0:
                    end += 1
                inner = (begin > 0) + (end < size)
                counts[0 if inner == 2 else 1, end - begin] += 1
                sums[row_part[row], column_part[column], 0] += end - begin
                sums[row_part[row], column_part[column], 1] += inner
                begin = end
