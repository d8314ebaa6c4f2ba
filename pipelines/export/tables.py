"""How a node of a store becomes tables: scans as rows, spectra as columns, and the rest one number a row."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.flags import names as flag_names
from operando.schema import LINKED
from operando.store import SCAN
from operando.units import DIMENSIONLESS

IMAGE_DIMS = {"z", "y", "x"}
MOST_BESIDE = 64
"""Numbers of one variable that stand side by side in a row of a table."""
_FEWEST = 16
"""Points along an axis from which on a variable is a table of its own."""
_READ_BYTES, _TEXT_BYTES = 2**27, 2**22
_HELD_BYTES = 2**28
_FIRST = ("time", "time_start", "time_end", "source", "flag", *(var.name for var in LINKED))
"""Columns that come first, in their order; the others follow by name, what tells lines apart before their numbers."""


@dataclass(frozen=True)
class Column:
    """One column: its label with the unit in brackets, and a vector along the rows."""

    label: str
    values: xr.DataArray


@dataclass(frozen=True)
class Table:
    """One file: ``rows`` is the dim along which its lines lie; empty for a single line."""

    name: str
    rows: str
    columns: list[Column]
    about: list[xr.DataArray] = field(default_factory=list)

    def size(self) -> int:
        """Return the number of lines."""
        return int(self.columns[0].values.sizes.get(self.rows, 1))

    def some(self, lines: NDArray[np.intp]) -> list[list[str]]:
        """Return some of the lines, as texts."""
        cut = {self.rows: lines} if self.rows else {}
        return [list(line) for line in zip(*map(_strings, _computed(self.columns, cut)), strict=True)]

    def blocks(self) -> Iterator[list[list[str]]]:
        """Yield the lines, block by block, as texts, which are many times larger than numbers."""
        step, part = (max(1, size // (8 * len(self.columns))) for size in (_READ_BYTES, _TEXT_BYTES))
        for start in range(0, self.size(), step):
            cut = {self.rows: slice(start, start + step)} if self.rows else {}
            values = _computed(self.columns, cut)
            for first in range(0, len(values[0]), part):
                texts = (_strings(one[first : first + part]) for one in values)
                yield [list(line) for line in zip(*texts, strict=True)]


def tables(ds: xr.Dataset) -> tuple[list[Table], list[str]]:
    """Return the tables of a node, and the names of the images and volumes that no table holds.

    What has a value a scan (or a few, such as one a line of a fit) stands in one table, a scan a line. A variable
    along an energy or another long axis is a table of its own, the axis its first column and each scan a further one.
    Covariances of many numbers are tables with one number a line.
    """
    ds, images = _without_images(ds)
    ds = ds.load() if ds.nbytes <= _HELD_BYTES else ds
    left = [*map(str, ds.coords), *map(str, ds.data_vars)]
    main = _main(ds, left)
    found: list[Table] = []
    for rows in dict.fromkeys([main, *(str(dim) for name in left for dim in ds[name].dims)]):
        own = _a_line_each(ds, rows, left)
        if own:
            found.append(_flat("" if rows == main else rows, rows, ds, own))
            left = [name for name in left if name not in own]
    for name in [name for name in left if ds[name].ndim and name not in ds.dims]:
        axis = _axis(ds[name])
        found.append(_spectra(ds, name, axis) if axis else _long(ds, name))
    single = [name for name in left if not ds[name].ndim]
    if single:
        found.append(_flat("" if not found else "numbers", "", ds, single))
    return found, images


def main_table(ds: xr.Dataset) -> Table | None:
    """Return the first of :func:`tables`, a scan (object, crack, component) a line; None if there is no such table.

    Nothing else is read from a store.
    """
    ds, _ = _without_images(ds)
    names = [*map(str, ds.coords), *map(str, ds.data_vars)]
    rows = _main(ds, names)
    own = _a_line_each(ds, rows, names) if rows else []
    return _flat("", rows, ds[own].load(), own) if own else None


def label(name: str, array: xr.DataArray, beside: Sequence[str] = ()) -> str:
    """Return the label of a column: name, which of several in square brackets, unit in round ones."""
    inside = f" [{', '.join(beside)}]" if beside else ""
    unit = "UTC" if array.dtype.kind == "M" else str(array.attrs.get("units", ""))
    return f"{name}{inside} ({unit})" if unit else f"{name}{inside}"


def _without_images(ds: xr.Dataset) -> tuple[xr.Dataset, list[str]]:
    images = [str(name) for name, array in ds.variables.items() if len(IMAGE_DIMS & set(array.dims)) > 1]
    images += [name for name in map(str, ds.variables) if name not in images and _preview(ds[name])]
    return ds.drop_vars(images), images


def _preview(array: xr.DataArray) -> bool:
    return sum(str(dim).startswith("preview_") for dim in array.dims) > 1


def _main(ds: xr.Dataset, names: Sequence[str]) -> str:
    """Return the dim of the first table: that of scans, or that which most variables lie along, with little else."""
    if SCAN in ds.dims:
        return SCAN
    dims = [str(dim) for name in names for dim in ds[name].dims[:1]]
    return max(dict.fromkeys(dims), key=dims.count, default="")


def _a_line_each(ds: xr.Dataset, rows: str, names: Sequence[str]) -> list[str]:
    """Return the variables with one number a line, or a few; none if these are axes alone."""
    own = [name for name in names if rows in ds[name].dims and _beside(ds[name], rows) <= MOST_BESIDE]
    own = [name for name in own if not (SCAN in ds[name].dims and _axis(ds[name])) and not _is_matrix(ds[name])]
    return own if any(name not in ds.dims for name in own) else []


def _beside(array: xr.DataArray, rows: str) -> int:
    return math.prod(size for dim, size in array.sizes.items() if dim != rows)


def _axis(array: xr.DataArray) -> str:
    """Return the longest dim with many numbers along it, such as energies; nothing if there is none."""
    axes = [
        str(dim)
        for dim, size in array.sizes.items()
        if dim in array.coords and array[dim].dtype.kind == "f" and size >= _FEWEST
    ]
    return max(axes, key=lambda dim: array.sizes[dim], default="")


def _is_matrix(array: xr.DataArray) -> bool:
    """Whether an array holds covariances, say, between the places along one dim."""
    return any(str(dim).startswith("other_") or str(dim).endswith("_2") for dim in array.dims) and array.ndim > 1


def _flat(name: str, rows: str, ds: xr.Dataset, names: Sequence[str]) -> Table:
    """Return what has one number a line, or a few side by side."""
    columns = []
    if rows and rows not in names:
        counted = xr.DataArray(np.arange(ds.sizes[rows]), dims=rows, attrs={"long_name": f"{rows}, counted from 0"})
        columns.append(Column(rows, counted if rows not in ds.coords else ds[rows]))
    others = sorted(names, key=lambda one: (one not in ds.coords, one))
    for one in [one for one in dict.fromkeys((rows, *_FIRST, *others)) if one in names]:
        columns += _apart(one, ds[one].reset_coords(drop=True) if one not in ds.dims else ds[one], rows, ds)
        if one == "flag" and ds[one].dims == (rows,):
            reasons = ["; ".join(flag_names(int(value))) for value in ds[one].to_numpy()]
            columns.append(Column("flag_reasons", xr.DataArray(np.array(reasons, dtype=object), dims=rows)))
    return Table(name, rows, columns, [ds[one] for one in names])


def _spectra(ds: xr.Dataset, name: str, axis: str) -> Table:
    """Return a variable along an axis, whatever else it lies along side by side."""
    columns = [Column(label(axis, ds[axis]), ds[axis])]
    columns += [
        Column(label(str(one), ds[one]), ds[one]) for one in ds.coords if one != axis and ds[one].dims == (axis,)
    ]
    columns += _apart(name, ds[name].reset_coords(drop=True), axis, ds)
    return Table(name, axis, columns, [ds[axis], ds[name]])


def _long(ds: xr.Dataset, name: str) -> Table:
    """Return a variable with one number a line, and where it belongs before it."""
    rows = "_line"
    stacked = (
        ds[name]
        .reset_coords(drop=True)
        .drop_vars(list(ds[name].dims), errors="ignore")
        .stack({rows: ds[name].dims}, create_index=False)
    )
    places = np.unravel_index(np.arange(stacked.sizes[rows]), ds[name].shape)
    columns = [
        Column(str(dim), xr.DataArray(np.array(_names_along(ds, str(dim)), dtype=object)[at], dims=rows))
        for dim, at in zip(ds[name].dims, places, strict=True)
    ]
    return Table(name, rows, [*columns, Column(label(name, ds[name]), stacked)], [ds[name]])


def _apart(name: str, array: xr.DataArray, rows: str, ds: xr.Dataset) -> list[Column]:
    """Return the columns of a variable, one for each place along its other dims."""
    others = [str(dim) for dim in array.dims if dim != rows]
    named = [_named(ds, dim) for dim in others]
    found = []
    for at in product(*(range(array.sizes[dim]) for dim in others)):
        beside = [texts[k] for texts, k in zip(named, at, strict=True)]
        place = dict(zip(others, at, strict=True))
        found.append(Column(label(name, _with_own_unit(ds, array, place), beside), array.isel(place)))
    return found


def _with_own_unit(ds: xr.Dataset, array: xr.DataArray, at: Mapping[str, int]) -> xr.DataArray:
    """Return what holds numbers of several units, such as the parameters of a fit, with the unit at a place."""
    units = str(array.attrs.get("units_in", ""))
    if units not in ds.coords or not set(ds[units].dims) <= set(at):
        return array
    return array.assign_attrs(units=str(ds[units].isel({dim: at[str(dim)] for dim in ds[units].dims}).item()))


def _named(ds: xr.Dataset, dim: str) -> list[str]:
    """Return what the places along a dim are called in labels of columns."""
    texts = _names_along(ds, dim)
    if dim in ds.coords and ds[dim].dtype.kind in "TOU":
        return texts
    unit = str(ds[dim].attrs.get("units", "")) if dim in ds.coords else ""
    return [f"{dim} {text}{f' {unit}' if unit not in ('', DIMENSIONLESS) else ''}" for text in texts]


def _names_along(ds: xr.Dataset, dim: str) -> list[str]:
    return _strings(ds[dim].to_numpy()) if dim in ds.coords else [str(k) for k in range(ds.sizes[dim])]


def _computed(columns: Sequence[Column], cut: Mapping[str, slice | NDArray[np.intp]]) -> list[np.ndarray]:
    """Return the values of each column; lazy ones are computed together."""
    import dask

    arrays = [column.values.isel(cut) for column in columns]
    computed: tuple[Any, ...] = dask.compute(*(array.data for array in arrays))  # type: ignore[attr-defined, no-untyped-call]
    return [np.atleast_1d(values) for values in computed]


def _strings(values: np.ndarray) -> list[str]:
    """Return values as texts that give them again: shortest decimals, times to what they have, nothing for NaN."""
    kind = values.dtype.kind
    if kind == "M":
        return [_moment(text) for text in np.datetime_as_string(values.astype("M8[ns]"))]
    if kind == "f":
        plain = values.tolist() if values.dtype == np.float64 else [str(one) for one in values]
        return ["" if one == "nan" or one != one else str(one) for one in plain]  # noqa: PLR0124
    if kind == "b":
        return ["true" if one else "false" for one in values.tolist()]
    return [str(one) for one in values.tolist()]


def _moment(text: str) -> str:
    if text == "NaT":
        return ""
    whole, _, fraction = text.replace("T", " ").partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole
