"""How far the mean of a volume may lie from that of the material: what its subvolumes tell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.kernels import compiled

from .counted_voxels import Array, Block, computed, of_each, summed
from .layout import PLACES

SUBVOLUMES = 4
"""Subvolumes along each dim."""

HALVES = 2
_LEAST = 0.5
_KINDS = (np.uint8, np.uint16, np.float32, np.float64)

Floats = NDArray[np.float64]


def sums(
    volume: xr.DataArray, mask: xr.DataArray | None, limits: Sequence[Floats] | Floats, subvolumes: int
) -> list[Floats]:
    """Return, for each volume, how many voxels of each half subvolume lie between limits, and their sum.

    Parameters
    ----------
    volume
        Dims (..., z, y, x).
    limits
        Ascending, one row a volume in the order of the leading dims; a level on a limit lies below it.
    subvolumes
        Along each dim; each is halved.

    Returns
    -------
    list
        Arrays (z, y, x, interval, 2): number of voxels and sum of levels, of the half subvolumes.
    """
    edges = [parts_of(volume.sizes[name], HALVES * subvolumes) for name in PLACES]
    rows = np.atleast_2d(np.asarray(limits, dtype=np.float64))
    leading = volume.dims[: volume.ndim - len(PLACES)]
    empty = np.zeros((*(edge.size - 1 for edge in edges), rows.shape[-1] + 1, 2))
    done = []
    for row, index in zip(rows, np.ndindex(*(volume.sizes[name] for name in leading)), strict=True):
        at = dict(zip(leading, index, strict=True))
        cover = None if mask is None else mask.isel({name: place for name, place in at.items() if name in mask.dims})
        ((_, parts),) = of_each(_sums, volume.isel(at), cover, limits=row, edges=edges)
        done.append(summed(parts, empty))
    return computed(done, volume)


def spread_of_mean(whole: Floats, weight: Floats) -> Floats:
    """Return the standard deviation of ``sum(whole) / sum(weight)`` over materials like this one.

    Parameters
    ----------
    whole
        What each half subvolume adds, dims (z, y, x, ...).
    weight
        What it counts for, dims (z, y, x).

    Notes
    -----
    Drawing n subvolumes with replacement gives the mean a variance V(b) = n/(n - 1) sum r^2 / (sum w)^2, r = t - w m,
    which is what a bootstrap of very many draws tends to. Neighbors share structure across their faces, so that V(b)
    falls short by a part that goes as face to volume, 1/b: 2 V(b) - V(b/2) has none of it, to first order in the
    correlation length over b. H. R. Kunsch, Ann. Statist. 17, 1217 (1989), doi:10.1214/aos/1176347265; C. Lantuejoul,
    J. Microsc. 161, 387 (1991), doi:10.1111/j.1365-2818.1991.tb03099.x.
    """
    fine = _variance(whole, weight)
    coarse = _variance(_paired(whole), _paired(weight))
    found: Floats = np.sqrt(np.maximum(2 * coarse - fine, _LEAST * coarse))
    return found


def _variance(whole: Floats, weight: Floats) -> Floats:
    held = weight > 0
    count = int(held.sum())
    parts, share = whole[held], weight[held].reshape(-1, *(1,) * (whole.ndim - weight.ndim))
    if count < 2:
        return np.full(whole.shape[weight.ndim :], np.nan)
    left = parts - share * (parts.sum(axis=0) / share.sum())
    found: Floats = count / (count - 1) * (left**2).sum(axis=0) / share.sum() ** 2
    return found


def _paired(parts: Floats) -> Floats:
    """Return sums of pairs of neighbors along z, y, x; along a dim of one part there are none."""
    for axis in range(len(PLACES)):
        if parts.shape[axis] > 1:
            parts = np.add.reduceat(parts, np.arange(0, parts.shape[axis], HALVES), axis=axis)
    return parts


def parts_of(size: int, parts: int) -> NDArray[np.int64]:
    """Return where parts of equal size begin and end; an even number of them, or one where voxels are too few."""
    number = min(parts, size - size % HALVES) or 1
    return np.round(np.linspace(0, size, number + 1)).astype(np.int64)


def _sums(block: Block, limits: Floats, edges: list[NDArray[np.int64]]) -> Floats:
    grey = block.grey if block.grey.dtype in _KINDS else block.grey.astype(np.float64)
    place_z, place_y, place_x = (
        np.searchsorted(edge, np.arange(start, start + size), side="right") - 1
        for edge, start, size in zip(edges, block.corner, grey.shape, strict=True)
    )
    found = np.zeros((*(edge.size - 1 for edge in edges), limits.size + 1, 2))
    _add(grey, block.mask, block.kept, (place_z, place_y, place_x), limits, found)
    return found


@compiled
def _add(  # noqa: PLR0917
    grey: Array,
    mask: NDArray[np.bool_],
    kept: NDArray[np.bool_],
    part: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    limits: Floats,
    found: Floats,
) -> None:
    for z in np.flatnonzero(kept):
        for y in range(grey.shape[1]):
            into = found[part[0][z], part[1][y]]
            for x in range(grey.shape[2]):
                level = np.float64(grey[z, y, x])
                if np.abs(level) < np.inf and (mask.size == 0 or mask[z, y, x]):
                    interval = 0
                    for limit in limits:
                        interval += level > limit
                    into[part[2][x], interval, 0] += 1.0
                    into[part[2][x], interval, 1] += level
