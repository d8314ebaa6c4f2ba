"""The cell: what the recipe states, beside what the cycler's header says."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from .errors import OperandoError
from .schema import CELL, check
from .units import with_units


def describe(values: Mapping[str, Any], log: xr.Dataset | None = None) -> xr.Dataset:
    """Return the cell in the layout :data:`operando.schema.CELL`.

    Parameters
    ----------
    values
        ``active_mass`` (mg), ``electrode_area`` (cm^2), ``reference_capacity`` (mAh), ``soc0``, ``pressure``
        (MPa), ``temperature`` (K), ``reference_electrode``, ``potential_offset`` (V); None where unknown.
        Any other text is kept as an attribute.
    log
        What :func:`operando.echem.read` returned. Its header's values stand in for masses and areas that
        ``values`` lacks (``attrs["from_header"]`` names them) and are all kept as JSON in ``attrs["header"]``:
        a header is typed in once and often stale, so nothing is computed from it.

    Returns
    -------
    Dataset
        Numbers without dims, each with its unit, and attributes.

    Raises
    ------
    OperandoError
        If a value is not a finite number or has an impossible sign.
    """
    metadata = json.loads(log.attrs.get("metadata", "{}")) if log is not None else {}
    header: dict[str, Any] = metadata.get("cell", {})
    names = [var.name for var in CELL.variables]
    given = {name: values[name] for name in names if values.get(name) is not None}
    borrowed = [name for name in names if name in header and name not in given]
    numbers = {name: _number(name, value) for name, value in {**{n: header[n] for n in borrowed}, **given}.items()}
    offset = values.get("potential_offset")
    attrs = {
        **{key: text for key, text in values.items() if key not in names and isinstance(text, str)},
        "reference_electrode": values.get("reference_electrode") or "",
        "potential_offset": "" if offset is None else _number("potential_offset", offset),
        "from_header": json.dumps(borrowed),
        "header": json.dumps(header, ensure_ascii=False),
    }
    ds = with_units(xr.Dataset({name: ((), value) for name, value in numbers.items()}, attrs=attrs), CELL.units())
    return check(with_units(ds, {}, CELL.long_names()), CELL)


_POSITIVE = ("active_mass", "electrode_area", "reference_capacity", "temperature")


def _number(name: str, value: Any) -> float:
    number = float(value) if isinstance(value, int | float | np.number) else math.nan
    if not math.isfinite(number) or (name in _POSITIVE and number <= 0):
        positive = "a positive number" if name in _POSITIVE else "a finite number"
        raise OperandoError(f"cell.{name}: expected {positive}, got {value!r}")
    return number
