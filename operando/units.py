"""Units as text that pint parses, kept in ``attrs["units"]`` of every variable."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from .errors import OperandoError, one_line

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pint
    import xarray as xr


DIMENSIONLESS = "1"
_LONGEST = 200
"""Letters of a unit: what pint takes to parse one grows with the square of their number."""
_SPELLINGS = {
    "%": "percent",
    "A.h": "A*h",
    "W.h": "W*h",
    "cm2": "cm^2",
    "cm3": "cm^3",
    "Ohm": "ohm",
    "°C": "degC",
}


@cache
def registry() -> pint.UnitRegistry[Any]:
    """Return the one pint registry of this process."""
    import pint

    return pint.UnitRegistry(autoconvert_offset_to_baseunit=True)


@cache
def factor(have: str, want: str) -> float:
    """Return the number that takes a quantity from unit ``have`` to unit ``want``.

    Parameters
    ----------
    have, want
        Units such as ``"keV"`` and ``"eV"``.

    Returns
    -------
    float
        What numbers in ``have`` are multiplied by.

    Raises
    ------
    OperandoError
        If one of the units is unknown or the two measure different things.
    """
    import pint

    try:
        return float(registry().Quantity(1.0, parse(have)).to(parse(want)).magnitude)
    except pint.DimensionalityError:
        raise OperandoError(f"unit {one_line(have)!r} cannot be converted to {one_line(want)!r}") from None


@cache
def parse(text: str) -> pint.Unit:
    """Return the pint unit that ``text`` names; instrument spellings (``mA.h``, ``µA``) allowed.

    Raises
    ------
    OperandoError
        If the unit is unknown.
    """
    spelled = text.strip()
    for found, meant in _SPELLINGS.items():
        spelled = spelled.replace(found, meant)
    try:
        if len(spelled) > _LONGEST:
            raise ValueError
        return registry().parse_units("" if spelled == DIMENSIONLESS else spelled)
    except Exception:
        raise OperandoError(f"unknown unit {one_line(text)!r}; use one that pint knows, such as 'eV', 'mA'") from None


def require_parsable(path: Path, units: Mapping[str, str]) -> None:
    """Check that the units that settings state, ``{"energy": "keV"}``, are some.

    Raises
    ------
    OperandoError
        Naming the file and the unit.
    """
    for name, unit in units.items():
        if not isinstance(unit, str):
            raise OperandoError(f"{path}: units.{name}: expected a unit such as 'eV', got {unit!r}")
        try:
            parse(unit)
        except OperandoError as error:
            raise OperandoError(f"{path}: units.{name}: {error}") from None


def known_unit(stated: str, place: str) -> tuple[str, list[str]]:
    """Return the unit that a file states at a place, 1 where it is none, and then a remark on that.

    Parameters
    ----------
    stated
        What the file says.
    place
        Where, such as the name of the quantity.

    Returns
    -------
    tuple of str and list of str
        The unit and at most one remark, ``place: unknown unit ...``.
    """
    try:
        parse(stated)
    except OperandoError as error:
        return DIMENSIONLESS, [f"{place}: {error}"]
    return stated, []


def convert(values: np.ndarray, have: str, want: str) -> np.ndarray:
    """Return ``values`` given in ``have`` as values in ``want`` (temperatures with their offset).

    Parameters
    ----------
    values
        Numbers in ``have``.
    have, want
        Units such as ``"keV"`` and ``"eV"``.

    Returns
    -------
    array
        The same in ``want``.
    """
    if have == want:
        return values
    if parse(have) == parse("degC") or parse(want) == parse("degC"):
        converted: np.ndarray = registry().Quantity(values, parse(have)).to(parse(want)).magnitude
        return converted
    import numpy as np

    # A damaged number may be too large in another unit; checks of what is finite tell it.
    with np.errstate(over="ignore"):
        return values * factor(have, want)


def with_units(ds: xr.Dataset, units: Mapping[str, str], names: Mapping[str, str] | None = None) -> xr.Dataset:
    """Return ``ds`` with ``units`` (and ``long_name`` from ``names``) set on its variables.

    Names that ``ds`` does not have are passed over, so that one table serves optional outputs.

    Parameters
    ----------
    ds
        A dataset.
    units, names
        ``{variable: unit}`` and ``{variable: long_name}``; variables that are not there are passed over.

    Returns
    -------
    Dataset
        ``ds`` whose variables have ``attrs["units"]`` and ``attrs["long_name"]``.
    """
    out = ds.copy()
    for name, unit in units.items():
        if name in out.variables:
            out[name].attrs = {**out[name].attrs, "units": unit}
    for name, text in (names or {}).items():
        if name in out.variables:
            out[name].attrs = {**out[name].attrs, "long_name": text}
    return out
