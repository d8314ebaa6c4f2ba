"""The layouts of the store's nodes: names, dims, units and meaning of every variable."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .errors import OperandoError, SchemaError
from .units import parse

if TYPE_CHECKING:
    import xarray as xr

SCHEMA_VERSION = "1"
DRAWN = "drawn"
"""The node of a series that holds what people have made in a viewer; no run takes it out."""


@dataclass(frozen=True)
class Variable:
    """One variable of a layout.

    ``dims`` are those it must have at least, in any order (further dims such as ``detector`` or
    ``signal`` may come with it); ``units`` is empty for times and text; ``kind`` is numpy's kind
    letters: ``f`` float, ``iu`` integer, ``b`` true or false, ``M`` time, ``T`` text.
    """

    name: str
    dims: tuple[str, ...]
    units: str
    kind: str
    meaning: str
    required: bool = True


@dataclass(frozen=True)
class Layout:
    """What a node of the store holds."""

    name: str
    meaning: str
    variables: tuple[Variable, ...]
    attributes: tuple[str, ...] = field(default=())

    def units(self) -> dict[str, str]:
        """Return ``{variable: unit}`` of the variables that have one."""
        return {var.name: var.units for var in self.variables if var.units}

    def long_names(self) -> dict[str, str]:
        """Return ``{variable: meaning}``."""
        return {var.name: var.meaning for var in self.variables}

    def __add__(self, others: Iterable[Variable]) -> Layout:
        """Return this layout with further variables."""
        return Layout(self.name, self.meaning, (*self.variables, *others), self.attributes)


SERIES = (
    Variable("time", ("scan",), "", "M", "middle of the scan, UTC"),
    Variable("time_start", ("scan",), "", "M", "start of the scan, UTC"),
    Variable("time_end", ("scan",), "", "M", "end of the scan, UTC"),
    Variable("source", ("scan",), "", "T", "file and entry the scan came from"),
    Variable("flag", ("scan",), "1", "iu", "reasons for doubt"),
)
"""Coordinates of every series; ``time`` is NaT (and flagged) where the file gives none."""

LINKED = (
    Variable("potential", ("scan",), "V", "f", "potential vs Li+/Li, mean over the scan", False),
    Variable("potential_std", ("scan",), "V", "f", "spread of the potential within the scan and its error", False),
    Variable("voltage", ("scan",), "V", "f", "voltage as measured, mean over the scan", False),
    Variable("voltage_std", ("scan",), "V", "f", "spread of the voltage within the scan and its error", False),
    Variable("current", ("scan",), "A", "f", "current, charge positive, mean over the scan", False),
    Variable("current_std", ("scan",), "A", "f", "spread of the current within the scan and its error", False),
    Variable("charge", ("scan",), "C", "f", "charge passed since the start of the log", False),
    Variable("charge_std", ("scan",), "C", "f", "standard uncertainty of the charge", False),
    Variable("soc", ("scan",), "1", "f", "state of charge, mean over the scan", False),
    Variable("soc_std", ("scan",), "1", "f", "standard uncertainty of the state of charge", False),
    Variable("cycle", ("scan",), "1", "f", "cycle number", False),
    Variable(
        "half_cycle", ("scan",), "1", "f", "half-cycle: 0 rest before the first current, then +1 a reversal", False
    ),
    Variable("ec_samples", ("scan",), "1", "iu", "samples of the electrochemistry within the scan", False),
)
"""Coordinates that linking adds to a series: NaN, and flagged, where the log does not cover the scan."""

RECORDED = (
    Variable("recorded_start", ("scan",), "", "M", "start of the scan as its own clock showed it, UTC", False),
    Variable("recorded_time", ("scan",), "", "M", "middle of the scan as its own clock showed it, UTC", False),
    Variable("recorded_end", ("scan",), "", "M", "end of the scan as its own clock showed it, UTC", False),
)
"""Coordinates that keep the times of a series from before its clock was corrected."""

ECHEM = Layout(
    "echem",
    "the electrochemistry of one cell on the shared clock",
    (
        Variable("time", ("time",), "", "M", "time, UTC"),
        Variable("voltage", ("time",), "V", "f", "voltage as measured"),
        Variable("potential", ("time",), "V", "f", "potential vs Li+/Li", False),
        Variable("current", ("time",), "A", "f", "current, charge positive"),
        Variable("charge", ("time",), "C", "f", "charge passed since the start of the log"),
        Variable("charge_std", ("time",), "C", "f", "standard uncertainty of the charge", False),
        Variable("capacity", ("time",), "mAh/g", "f", "capacity of the half-cycle per active mass", False),
        Variable("soc", ("time",), "1", "f", "state of charge", False),
        Variable("soc_std", ("time",), "1", "f", "standard uncertainty of the state of charge", False),
        Variable("cycle", ("time",), "1", "iu", "cycle number"),
        Variable("half_cycle", ("time",), "1", "iu", "half-cycle: 0 rest before the first current, then +1 a reversal"),
        Variable("step", ("time",), "1", "iu", "step of the cycler's program", False),
        Variable("cycler_cycle", ("time",), "1", "f", "cycle counter of the cycler, not trusted", False),
        Variable("cycler_half_cycle", ("time",), "1", "f", "half-cycle counter of the cycler, not trusted", False),
        Variable("cycler_charge", ("time",), "C", "f", "charge counter of the cycler", False),
        Variable("segment", ("time",), "1", "iu", "piece of the log without a gap"),
        Variable("flag", ("time",), "1", "iu", "reasons for doubt"),
    ),
)

ONSETS = Layout(
    "onsets",
    "when the potential crosses what the recipe names",
    (
        Variable("time", ("onset",), "", "M", "time of the onset, UTC"),
        Variable("time_std", ("onset",), "s", "f", "standard uncertainty of the time, that of the clock included"),
        Variable("time_low", ("onset",), "", "M", "earliest time of the onset, UTC"),
        Variable("time_high", ("onset",), "", "M", "latest time of the onset, UTC"),
        Variable("clock_std", ("onset",), "s", "f", "standard uncertainty of the clock"),
        Variable("time_systematic", ("onset",), "s", "f", "shift of the time by the sensor's own error"),
        Variable("level", ("onset",), "", "f", "level"),
        Variable("slope", ("onset",), "", "f", "change per second at the onset"),
        Variable("direction", ("onset",), "1", "iu", "direction: 1 rising, -1 falling"),
        Variable("held", ("onset",), "s", "f", "time spent beyond the level afterwards"),
        Variable("half_cycle", ("onset",), "1", "f", "half-cycle", False),
        Variable("cycle", ("onset",), "1", "f", "cycle number", False),
        Variable("index", ("onset",), "1", "iu", "first sample or scan beyond the level"),
        Variable("name", ("onset",), "", "T", "name of the onset"),
        Variable("significance", ("onset",), "1", "f", "chi-square that the change takes off", False),
        Variable("flag", ("onset",), "1", "iu", "reasons for doubt"),
    ),
)
"""Onsets found in a log or a series; ``level`` and ``slope`` have the quantity's unit, and that per second."""

CELL = Layout(
    "cell",
    "the cell and its electrodes",
    (
        Variable("active_mass", (), "mg", "f", "mass of active material", False),
        Variable("electrode_area", (), "cm^2", "f", "electrode area", False),
        Variable("reference_capacity", (), "mAh", "f", "charge that takes the state of charge from 0 to 1", False),
        Variable("soc0", (), "1", "f", "state of charge at the start of the log", False),
        Variable("pressure", (), "MPa", "f", "stack pressure", False),
        Variable("temperature", (), "K", "f", "temperature", False),
    ),
    ("reference_electrode", "potential_offset"),
)

_KIND_NAMES = {"f": "floating point", "iu": "integer", "b": "true or false", "M": "time", "T": "text"}


def problems(ds: xr.Dataset, layout: Layout) -> list[str]:
    """Return what is wrong with ``ds`` as plain sentences; empty if it fits. Computes no dask chunk."""
    found = [
        f"{layout.name}: required variable {var.name!r} ({var.meaning}) is missing"
        for var in layout.variables
        if var.required and var.name not in ds.variables
    ]
    for var in layout.variables:
        if var.name in ds.variables:
            found += [f"{layout.name}/{var.name}: {text}" for text in _variable_problems(ds[var.name], var)]
    found += [f"{layout.name}: attribute {name!r} is missing" for name in layout.attributes if name not in ds.attrs]
    found += [f"{layout.name}/{name}: {text}" for name in ds.variables for text in _unit_problems(ds[name])]
    return found


def check(ds: xr.Dataset, layout: Layout) -> xr.Dataset:
    """Return ``ds`` unchanged if it fits ``layout``.

    Raises
    ------
    SchemaError
        With every problem, separated by semicolons.
    """
    found = problems(ds, layout)
    if found:
        raise SchemaError("; ".join(found))
    return ds


def _variable_problems(array: xr.DataArray, var: Variable) -> list[str]:
    found = []
    missing = [dim for dim in var.dims if dim not in array.dims]
    if missing:
        found.append(f"expected dims {var.dims}, got {array.dims}")
    if not _kind_fits(array, var.kind):
        found.append(f"expected {_KIND_NAMES[var.kind]} values, got dtype {array.dtype}")
    if var.units and array.attrs.get("units") != var.units:
        found.append(f"expected units {var.units!r}, got {array.attrs.get('units')!r}")
    return found


def _kind_fits(array: xr.DataArray, kind: str) -> bool:
    return array.dtype.kind in ("TO" if kind == "T" else kind)


def _unit_problems(array: xr.DataArray) -> list[str]:
    """Every number has a unit that pint parses; times and text have none.

    Numbers of several units name the coordinate that holds them in ``attrs["units_in"]``.
    """
    if array.dtype.kind not in "fiuc" or array.attrs.get("units_in") in array.coords:
        return []
    if "units" not in array.attrs:
        return ["a number without attrs['units']"]
    try:
        parse(str(array.attrs["units"]))
    except OperandoError as error:
        return [str(error)]
    return []
