"""Results of every single volume of a series, put together along its dims."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import xarray as xr

from operando.errors import OperandoError

from .layout import PLACES

Columns = dict[str, tuple[tuple[str, ...], object, str, str]]
"""Dims, values, unit and meaning of variables."""


def of_each_volume(work: Callable[[xr.DataArray], xr.Dataset], volume: xr.DataArray) -> xr.Dataset:
    """Return what ``work`` gives of each volume (z, y, x), along the dims that ``volume`` has besides."""
    leading = volume.dims[: volume.ndim - len(PLACES)]
    coords = {name: one for name, one in volume.coords.items() if set(one.dims) <= set(leading)}
    return _each(work, volume).assign_coords(coords)


def _each(work: Callable[[xr.DataArray], xr.Dataset], volume: xr.DataArray) -> xr.Dataset:
    if volume.ndim == len(PLACES):
        return work(volume)
    first = volume.dims[0]
    found = [_each(work, volume.isel({first: number})) for number in range(volume.sizes[first])]
    return xr.concat(found, first, coords="minimal", compat="override", join="exact", combine_attrs="override")


def dataset(columns: Columns, coords: Columns | None = None) -> xr.Dataset:
    """Return variables and coordinates with their units and meanings."""
    return xr.Dataset(
        {
            name: (dims, values, {"units": unit, "long_name": text})
            for name, (dims, values, unit, text) in columns.items()
        },
        {
            name: (dims, values, {"units": unit, "long_name": text})
            for name, (dims, values, unit, text) in (coords or {}).items()
        },
    )


def as_dims(dims: str | Sequence[str], step: str) -> tuple[str, ...]:
    """Return directions as a tuple.

    Raises
    ------
    OperandoError
        If there are none, or they are not out of z, y, x.
    """
    names = (dims,) if isinstance(dims, str) else tuple(dims)
    if not names or any(name not in PLACES for name in names) or len(set(names)) < len(names):
        raise OperandoError(f"{step}: expected dims out of z, y and x, got {', '.join(map(str, names)) or 'none'}")
    return names
