"""Names, units and doubts on the results of a step."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from operando.flags import Flag, raised
from operando.units import with_units

from .layout import PROCESSED


def labelled(ds: xr.Dataset, source: xr.DataArray, units: Mapping[str, str] | None = None) -> xr.Dataset:
    """Return ``ds`` with the units and meanings of the layout, and coordinates labelled as in ``source``.

    ``units`` are those that depend on the input; they win over the layout's.
    """
    for name in ds.coords:
        if name in source.coords:
            ds[name].attrs = dict(source[name].attrs)
    mine = {name: unit for name, unit in {**PROCESSED.units(), **(units or {})}.items() if name not in source.coords}
    names = {name: text for name, text in PROCESSED.long_names().items() if name not in source.coords}
    return with_units(ds, mine, names)


def flagged(ds: xr.Dataset, reason: Flag, where: xr.DataArray) -> xr.Dataset:
    """Return ``ds`` with ``reason`` raised in its coordinate ``flag``, if it has one, where any value is in doubt."""
    if "flag" not in ds.coords:
        return ds
    doubtful = where.reset_coords(drop=True) if "flag" in where.coords else where
    doubtful = doubtful.any([dim for dim in doubtful.dims if dim not in ds["flag"].dims])
    return ds.assign_coords(flag=raised(ds["flag"], reason, doubtful))


def in_parts(values: xr.DataArray, name: str, source: xr.DataArray, units: str) -> xr.Dataset:
    """Return complex values as real part, imaginary part and magnitude, labelled."""
    parts = {f"{name}_real": values.real, f"{name}_imag": values.imag, f"{name}_magnitude": abs(values)}
    return labelled(xr.Dataset(parts), source, dict.fromkeys(parts, units))


def inverse_angstroms(power: int) -> str:
    """Return the unit 1/angstrom to a power."""
    if power == 0:
        return "1"
    length = "angstrom" if abs(power) == 1 else f"angstrom^{abs(power)}"
    return f"1/{length}" if power > 0 else length
