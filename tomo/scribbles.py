"""Voxels that somebody labelled by hand, and the strokes they were labelled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from operando.errors import OperandoError

from .layout import PLACES

LARGEST_CLASS = 254
"""Largest number of a class: class images are uint8, 0 is no class."""

_TOUCH = 1.8
_STEP = "PixelClassifier.fit"


@dataclass(frozen=True, eq=False)
class Labelled:
    """Labelled voxels in the order of the volume: their places (voxel, axis), classes and strokes, dims (voxel)."""

    place: NDArray[np.int64]
    value: NDArray[np.uint8]
    stroke: NDArray[np.int32]


def labelled(scribbles: xr.DataArray | NDArray[Any], volume: xr.DataArray) -> Labelled:
    """Return the labelled voxels of a volume.

    Parameters
    ----------
    scribbles
        Whole numbers, 0 = not labelled, of the volume's shape; or a table (voxel, 4) of places z, y, x in voxels and
        classes.
    volume
        Dims (z, y, x).

    Raises
    ------
    OperandoError
        If the scribbles do not fit the volume, are no whole numbers from 1 to 254, contradict each other, or name less
        than two classes.
    """
    table = _table(scribbles, volume)
    places, first, inverse = np.unique(table[:, :3], axis=0, return_index=True, return_inverse=True)
    value = table[first, 3]
    if np.any(value[inverse.ravel()] != table[:, 3]):
        at = tuple(table[np.argmax(value[inverse.ravel()] != table[:, 3]), :3].tolist())
        raise OperandoError(f"{_STEP}: expected one class a voxel, got two at {at} (z, y, x)")
    if value.size and not 1 <= value.min() <= value.max() <= LARGEST_CLASS:
        raise OperandoError(
            f"{_STEP}: expected classes from 1 to {LARGEST_CLASS}, 0 where nothing is labelled, got {value.min()} to "
            f"{value.max()}"
        )
    if len(np.unique(value)) < 2:
        raise OperandoError(f"{_STEP}: expected scribbles of two classes or more, got {len(np.unique(value))}")
    return Labelled(places, value.astype(np.uint8), _strokes(places, value))


def named(kinds: NDArray[np.uint8], classes: Mapping[int, str] | None) -> dict[int, str]:
    """Return the names of the classes that are labelled, by number.

    Raises
    ------
    OperandoError
        If a class has no name, a name no class, or names are alike or have spaces.
    """
    found = [int(one) for one in kinds]
    names = dict(classes) if classes is not None else {one: f"phase_{one}" for one in found}
    if set(names) != set(found):
        raise OperandoError(
            f"{_STEP}: expected a name for each class that is labelled, {found}, got names for {sorted(names)}"
        )
    if len(set(names.values())) < len(names) or any(not name or len(name.split()) != 1 for name in names.values()):
        raise OperandoError(f"{_STEP}: expected different names without spaces, got {list(names.values())}")
    return {one: names[one] for one in found}


def _table(scribbles: xr.DataArray | NDArray[Any], volume: xr.DataArray) -> NDArray[np.int64]:
    """Return places and classes, dims (voxel, 4)."""
    if isinstance(scribbles, xr.DataArray) and set(scribbles.dims) == set(PLACES):
        scribbles = scribbles.transpose(*PLACES)
        for name in PLACES:
            if name in scribbles.coords and name in volume.coords and scribbles.sizes[name] == volume.sizes[name]:
                _same_places(scribbles[name].to_numpy(), volume[name].to_numpy(), name)
    marks = np.asarray(scribbles)
    if marks.dtype.kind not in "iu":
        raise OperandoError(f"{_STEP}: expected scribbles as whole numbers, got {marks.dtype}; use .astype('uint8')")
    if marks.ndim == 2 and marks.shape[1] == 4:
        table = marks.astype(np.int64)
        if np.any((table[:, :3] < 0) | (table[:, :3] >= volume.shape)):
            raise OperandoError(f"{_STEP}: expected places (z, y, x) within {volume.shape} voxels, got others")
        return table
    if marks.shape != volume.shape:
        raise OperandoError(
            f"{_STEP}: expected scribbles of the volume's shape {volume.shape}, or a table (voxel, 4) of z, y, x and "
            f"class, got {marks.shape}"
        )
    places = np.argwhere(marks)
    return np.column_stack([places, marks[tuple(places.T)].astype(np.int64)])


def _same_places(mine: NDArray[Any], theirs: NDArray[Any], name: str) -> None:
    if not np.allclose(mine, theirs, rtol=1e-6, atol=0):
        raise OperandoError(
            f"{_STEP}: expected scribbles at the places of the volume, got {name} from {mine[0]:g} and {theirs[0]:g}"
        )


def _strokes(places: NDArray[np.int64], value: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the number, from 0, of the group of touching voxels of one class that each belongs to."""
    pairs = cKDTree(places).query_pairs(_TOUCH, output_type="ndarray")
    pairs = pairs[value[pairs[:, 0]] == value[pairs[:, 1]]]
    near = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(len(places),) * 2)
    _, stroke = connected_components(near, directed=False)
    return np.asarray(stroke, dtype=np.int32)
