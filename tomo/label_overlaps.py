"""Which objects of two label images of a series lie where the other's lay, by counts of voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .block_results import Cut, Place, of_blocks
from .layout import PLACES

_HALF, _LOW = np.uint64(32), np.uint64(2**32 - 1)
"""Bits of an object's number, and the lower half of 64: two numbers make one."""
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Objects:
    """The objects of a label image, in the order of their first voxels: number, voxels, first voxel (flat)."""

    number: Integers
    voxels: Integers
    first: Integers


@dataclass(frozen=True)
class Overlaps:
    """Pairs of objects, as places in the ``Objects`` of either image, and how many voxels they share."""

    before: Integers
    after: Integers
    voxels: Integers


def objects(labels: xr.DataArray) -> Objects:
    """Return the objects of a label image, dims z, y, x."""
    shape = tuple(labels.shape)
    found = of_blocks(_counted, [labels], [(0, 0, 0)], size=shape)
    rows = np.concatenate([np.empty((0, 3), np.int64), *found])
    number, place = np.unique(rows[:, 0], return_inverse=True)
    voxels, first = np.zeros(number.size, np.int64), np.full(number.size, np.prod(shape, dtype=np.int64))
    np.add.at(voxels, place, rows[:, 1])
    np.minimum.at(first, place, rows[:, 2])
    order = np.argsort(first)
    return Objects(number[order], voxels[order], first[order])


def overlaps(
    before: xr.DataArray,
    after: xr.DataArray,
    known: tuple[Objects, Objects],
    moved: xr.DataArray | Floats,
    edges: tuple[float, float, float],
) -> Overlaps:
    """Return the overlaps of two label images of equal shape.

    Parameters
    ----------
    known
        Objects of the two.
    moved
        How far what lies at a voxel of ``after`` has come since ``before``, in the unit of ``edges``: three numbers
        or a field, dims axis, z, y, x. It is rounded to whole voxels.
    """
    if isinstance(moved, xr.DataArray):
        volumes, far, steps = [after, before, moved], _farthest(moved, edges), None
    else:
        volumes, steps = [after, before], np.asarray(moved, np.float64) / edges
        far = _cut(np.ceil(np.abs(steps)) + 1)
    margins: Sequence[Cut] = [(0, 0, 0), far, (0, 0, 0)][: len(volumes)]
    found = of_blocks(_pairs, volumes, margins, steps=steps, edges=edges)
    rows = np.concatenate([np.empty((0, 3), np.int64), *found])
    pairs, place = np.unique(rows[:, :2], axis=0, return_inverse=True)
    voxels = np.zeros(len(pairs), np.int64)
    np.add.at(voxels, place.ravel(), rows[:, 2])
    return Overlaps(_places(known[0], pairs[:, 0]), _places(known[1], pairs[:, 1]), voxels)


def _counted(place: Place, labels: NDArray[Any], size: Cut) -> Integers:
    """Return number, voxels and first voxel (flat, in the volume) of each object in a block."""
    at = np.nonzero(labels)
    flat = np.ravel_multi_index(tuple(one + begin for one, begin in zip(at, place.begin, strict=True)), size)
    number, start, length = _runs(labels[at].astype(np.int64))
    numbers, first, run_of = np.unique(number, return_index=True, return_inverse=True)
    voxels = np.bincount(run_of, length, numbers.size).astype(np.int64)
    return np.column_stack([numbers, voxels, flat[start[first]]])


def _runs(values: NDArray[Any]) -> tuple[NDArray[Any], Integers, Integers]:
    """Return value, start and length of each run of equal values: along a row, few voxels begin another object."""
    start = np.flatnonzero(np.concatenate([np.ones(min(values.size, 1), bool), np.diff(values) != 0]))
    return values[start], start, np.diff(np.append(start, values.size))


def _pairs(
    place: Place,
    after: NDArray[Any],
    before: NDArray[Any],
    field: NDArray[Any] | None = None,
    *,
    steps: Floats | None,
    edges: tuple[float, float, float],
) -> Integers:
    """Return numbers before and after and voxels of each pair in a block."""
    at = np.nonzero(after)
    moved = [field[axis][at] / edges[axis] for axis in range(3)] if field is not None else list(steps)  # type: ignore[arg-type]
    came = [
        np.floor(one - far + 0.5).astype(np.int64) + inset
        for one, far, inset in zip(at, moved, place.inset[1], strict=True)
    ]
    within = np.all([(one >= 0) & (one < size) for one, size in zip(came, before.shape, strict=True)], axis=0)
    there = before[tuple(one[within] for one in came)].astype(np.uint64)
    pair, _, length = _runs((there << _HALF) | after[at][within].astype(np.uint64))
    pairs, run_of = np.unique(pair, return_inverse=True)
    voxels = np.bincount(run_of, length, pairs.size).astype(np.int64)
    rows = np.column_stack([(pairs >> _HALF).astype(np.int64), (pairs & _LOW).astype(np.int64), voxels])
    return rows[rows[:, 0] > 0]


def _farthest(field: xr.DataArray, edges: tuple[float, float, float]) -> Cut:
    far = abs(field).max(PLACES).to_numpy()
    return _cut(np.ceil(far / edges) + 1)


def _cut(far: Floats) -> Cut:
    z, y, x = (int(one) for one in far)
    return z, y, x


def _places(known: Objects, number: Integers) -> Integers:
    order = np.argsort(known.number)
    found: Integers = order[np.searchsorted(known.number[order], number)]
    return found
