"""Opening of flat voids such as cracks, voxel by voxel and object by object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .block_results import Place, of_blocks
from .blocks import over_blocks
from .layout import PLACES
from .line_integrals import along_normals
from .results import described
from .structure_tensor import directions, margin, tensor
from .thickness import local_thickness
from .voxels import as_volume, voxel

_STEP = "tomo.aperture"
_LEVELS = 64
"""Levels per voxel edge to which the median is taken."""
_SIGMA, _RHO = 1.0, 2.0
_CUBES = (1.0, 1.0, 1.0)
Vector = tuple[float, float, float]


def aperture(
    opening: xr.DataArray | NDArray[Any],
    normal: Sequence[float] | None = None,
    *,
    max_aperture: float | None = None,
    lowest: float = 0.05,
) -> xr.DataArray:
    """Return how wide a flat void is open at each of its voxels.

    Parameters
    ----------
    opening
        A mask of the void, or the share of each voxel that is void, from 0 to 1, as ``segment_cracks`` estimates it;
        dims (..., z, y, x), cubic voxels, lazy or in memory. A share measures also what is thinner than a voxel.
    normal
        Direction z, y, x across the void, if it is the same everywhere; by default that in which the share changes
        most.
    max_aperture
        Widest opening of interest, um (px); by default 20 voxels, and any for a mask in memory without a normal.
    lowest
        Share, after smoothing, below which a voxel is taken as not void.

    Returns
    -------
    xarray.DataArray
        Aperture, um (px), float32; 0 outside the void.

    Raises
    ------
    OperandoError
        If voxels are no cubes, values are no share, or a setting lies outside its range.

    Notes
    -----
    Of a share, or with a normal: the integral of the share along the normal through the voxel, in steps of half a
    voxel, to two voxels beyond where it falls below ``lowest``, or to where it rises to another void. Shares may be
    noisy, below 0 and above 1: they are smoothed by a Gaussian of one voxel first, which leaves the integral across a
    crack as it is. The normal is that of the structure tensor (:func:`~operando.tomo.orientations.orientation`; sigma
    1, rho 2 voxels).

    Of a mask alone: :func:`~operando.tomo.thickness.local_thickness` less half a voxel, at least half a voxel. For
    layers in any direction and place 2 to 9 voxels wide this is right on average within 0.1 voxel, and a single one is
    off by 0.15 to 0.35 voxel (standard deviation).
    """
    volume = as_volume(opening, _STEP)
    size = voxel(volume, _STEP)
    edge = size.cube(_STEP)
    if max_aperture is not None and not max_aperture >= 2 * edge:
        raise OperandoError(
            f"{_STEP}: expected a max_aperture of two voxels or more, got {max_aperture:g} {size.units}"
        )
    if not 0 < lowest < 0.5:
        raise OperandoError(f"{_STEP}: expected a lowest share between 0 and 0.5, got {lowest:g}")
    if volume.dtype == np.bool_ and normal is None:
        widest = max_aperture if volume.chunks is None else max_aperture or 20 * edge
        thick = local_thickness(volume, widest and widest / 2)
        found = (thick - edge / 2).clip(edge / 2).where(thick > 0, 0).astype(np.float32)
    else:
        found = _integrated(volume, edge, _unit(normal), (max_aperture or 20 * edge) / edge, lowest)
    return described(
        found,
        volume,
        name="aperture",
        units=size.units,
        long_name="aperture: opening across the void",
        step=_STEP,
        parameters={"normal": normal, "max_aperture": max_aperture, "lowest": lowest},
    )


def aperture_table(aperture: xr.DataArray, labels: xr.DataArray) -> xr.Dataset:
    """Return the aperture of each object.

    Parameters
    ----------
    aperture
        As :func:`aperture` returns it, dims z, y, x.
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


def _unit(normal: Sequence[float] | None) -> Vector | None:
    if normal is None:
        return None
    vector = np.asarray(normal, np.float64)
    if vector.shape != (3,) or not np.linalg.norm(vector) > 0:
        raise OperandoError(f"{_STEP}: expected a normal of three numbers (z, y, x), not all 0, got {list(normal)}")
    z, y, x = vector / np.linalg.norm(vector)
    return float(z), float(y), float(x)


def _integrated(volume: xr.DataArray, edge: float, normal: Vector | None, reach: float, lowest: float) -> xr.DataArray:
    if volume.dtype != np.bool_ and volume.dtype.kind != "f":
        raise OperandoError(f"{_STEP}: expected a mask or a share from 0 to 1, got values of type {volume.dtype}")
    smooth, slope = margin(_SIGMA, 0, _CUBES)[0], margin(_SIGMA, _RHO, _CUBES)[0]
    far = int(np.ceil(reach)) + 1 + smooth + (0 if normal else slope)
    found = over_blocks(opening_of, volume, margin=far, dtype=np.float32, normal=normal, reach=reach, lowest=lowest)
    return found * np.float32(edge)


def opening_of(block: NDArray[Any], normal: Vector | None, reach: float, lowest: float) -> NDArray[np.float32]:
    """Return the integral of the share along the normal at every voxel of an array that is void, in voxels."""
    from scipy.ndimage import gaussian_filter

    share = np.ascontiguousarray(block, dtype=np.float32)
    if block.dtype != np.bool_:
        share = gaussian_filter(share, _SIGMA, mode="nearest")
    void = share >= lowest
    if normal is None:
        elements = tensor(share, _CUBES, _SIGMA, _RHO)
        normals = directions(*(one[void] for one in elements), across=True)[0].astype(np.float64)
    else:
        normals = np.tile(np.array(normal), (int(void.sum()), 1))
    found = np.zeros(share.shape, np.float32)
    found[void] = along_normals(share, np.argwhere(void), normals, reach, lowest)
    return found


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
