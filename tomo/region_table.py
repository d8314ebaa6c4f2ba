"""The table of regions: what the sums over their voxels say of size, place and shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .layout import PLACES
from .region_sums import COUNT, FIRST, HIGH, LOW, PLACE, PRODUCTS, SQUARE, Sums
from .voxels import Voxel, voxel

PRINCIPAL = ("long", "middle", "short")
_AXES = {
    name: (name, np.array(values, dtype=object), {"units": "1", "long_name": text})
    for name, values, text in (
        ("axis", PLACES, "axis of the volume"),
        ("other_axis", PLACES, "axis of the volume"),
        ("principal", PRINCIPAL, "principal axis of the object"),
    )
}

Columns = dict[str, tuple[tuple[str, ...], NDArray[Any], str, str]]
"""Dims, values, unit and meaning by name."""


def region_table(
    totals: Sequence[Sums],
    volume: xr.DataArray,
    step: str,
    parameters: Mapping[str, Any],
    *,
    numbers: Sequence[NDArray[np.integer]] | None = None,
    further: Sequence[Columns] | None = None,
) -> xr.Dataset:
    """Return the table of the regions of one or several volumes, with its history.

    ``totals`` are the sums of the regions of each volume, ``numbers`` their labels (1 to n by default), ``further``
    are columns to add.
    """
    leading = volume.dims[: -len(PLACES)]
    places = list(np.ndindex(volume.shape[: -len(PLACES)]))
    sizes = voxels_of(volume, step)
    named = numbers if numbers is not None else [np.arange(1, len(sums) + 1) for sums in totals]
    tables = []
    for number, (at, sums) in enumerate(zip(places, totals, strict=True)):
        columns = _columns(sums, volume, sizes[number], step) | (further[number] if further else {})
        columns = {"number": (("object",), named[number].astype(np.int64), "1", "number in the label image")} | columns
        table = xr.Dataset(
            {name: (dims, values, _attrs(unit, text)) for name, (dims, values, unit, text) in columns.items()}
        )
        origin = {
            str(dim): ("object", np.full(len(sums), index), _attrs("1", f"index along {dim}"))
            for dim, index in zip(leading, at, strict=True)
        }
        tables.append(table.assign_coords(origin))
    whole = xr.concat(tables, "object") if len(tables) > 1 else tables[0]
    return recorded(whole.assign_coords(_AXES), step, parameters, after=xr.Dataset(attrs=volume.attrs))


def voxels_of(volume: xr.DataArray, step: str) -> list[Voxel]:
    """Return the voxels of each volume of a series, or of the one, in C order of the leading dims."""
    leading = volume.dims[: -len(PLACES)]
    places = np.ndindex(volume.shape[: -len(PLACES)])
    return [voxel(volume.isel(dict(zip(leading, at, strict=True))), step) for at in places]


def _attrs(unit: str, text: str) -> dict[str, str]:
    return {"units": unit, "long_name": text}


def _columns(sums: Sums, volume: xr.DataArray, size: Voxel, step: str) -> Columns:
    unit, count = size.units, sums[:, COUNT]
    low, high = sums[:, LOW : LOW + 3], sums[:, HIGH : HIGH + 3]
    shape = volume.shape[-len(PLACES) :]
    _check_range(sums, step)
    middle = low + sums[:, PLACE : PLACE + 3] / count[:, np.newaxis]
    variances = covariances(sums, size)
    lengths, directions = principal_axes(variances)
    first = np.stack(np.unravel_index(sums[:, FIRST], shape), axis=-1)
    touches = (low == 0).any(axis=1) | (high == np.array(shape) - 1).any(axis=1)
    row, vector = ("object",), ("object", "axis")
    return {
        "voxels": (row, count.copy(), "1", "voxels of the object"),
        "volume": (row, count * size.volume, f"{unit}^3", "volume of the object"),
        "first_voxel": (vector, first, "1", "index of the object's first voxel"),
        "box_min": (vector, low.copy(), "1", "lowest index of the object"),
        "box_max": (vector, high.copy(), "1", "highest index of the object"),
        "touches_border": (row, touches, "1", "object reaches the border of the volume"),
        "centroid": (vector, _origin(volume, size) + middle * size.edges, unit, "center of the object"),
        "covariance": ((*vector, "other_axis"), variances, f"{unit}^2", "second central moments over volume"),
        "principal_length": (
            ("object", "principal"),
            lengths,
            unit,
            "full axes of the ellipsoid with the object's second moments",
        ),
        "principal_axis": (("object", "principal", "axis"), directions, "1", "direction of the principal axis"),
        "elongation": (row, 1 - lengths[:, 1] / lengths[:, 0], "1", "1 - middle over long axis; 0 is not elongated"),
        "flatness": (row, 1 - lengths[:, 2] / lengths[:, 1], "1", "1 - short over middle axis; 0 is not flat"),
    }


def _check_range(sums: Sums, step: str) -> None:
    """Refuse regions whose sums of squares may not fit into 64 bits."""
    extent = (sums[:, HIGH : HIGH + 3] - sums[:, LOW : LOW + 3] + 1).max(axis=1, initial=0).astype(np.float64)
    if (sums[:, COUNT] * extent**2 > 2.0**62).any():
        raise OperandoError(f"{step}: expected regions whose sums fit into 64 bits, got a larger one; bin the volume")


def covariances(sums: Sums, size: Voxel) -> NDArray[np.float64]:
    """Return second central moments over volume (object, axis, other_axis), each voxel being a box and not a point.

    C_ab = (sum a b - sum a sum b / n) / n + delta_ab / 12 in voxels, times the edges of a voxel along a and b.
    """
    count = sums[:, COUNT].astype(np.float64)
    found = np.empty((len(sums), 3, 3))
    for column, (one, other) in enumerate(PRODUCTS):
        product = sums[:, PLACE + one].astype(np.float64) * sums[:, PLACE + other]
        moment = (sums[:, SQUARE + column] - product / count) / count + (one == other) / 12
        found[:, one, other] = found[:, other, one] = moment * size.edges[one] * size.edges[other]
    return found


def principal_axes(variances: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return full lengths (object, principal) and directions (object, principal, axis), the longest first.

    A solid ellipsoid of semiaxis a has the moment a^2 / 5: the length is 2 sqrt(5 C). Directions point to where their
    largest component is positive.
    """
    moments, vectors = np.linalg.eigh(variances)
    lengths = 2 * np.sqrt(5 * np.maximum(moments[:, ::-1], 0))
    directions = np.swapaxes(vectors, 1, 2)[:, ::-1]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=2)[..., np.newaxis], axis=2)
    return lengths, directions * np.where(largest < 0, -1.0, 1.0)


def _origin(volume: xr.DataArray, size: Voxel) -> NDArray[np.float64]:
    """Return the place of the first voxel's middle: its coordinate, half an edge without one, 0 in voxels."""
    if size.units == "px":
        return np.zeros(len(PLACES))
    starts = (
        float(volume[name][0]) if name in volume.coords else edge / 2
        for name, edge in zip(PLACES, size.edges, strict=True)
    )
    return np.array(list(starts))
