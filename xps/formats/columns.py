"""Text in columns, described by a recipe: energies, counts, in which unit, and where the header gives the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import FileError, OperandoError
from operando.flags import Flag
from operando.header_times import stated_span
from operando.history import recorded
from operando.sniff import Format, Head, head
from operando.table_columns import column_values, require_tables, shown_labels
from operando.text_table import Column, Table, header_fields, listed, parse, whole_text
from operando.units import convert
from operando.units import parse as parsed_unit
from operando.xps.layout import CONDITIONS, MEASURED

from .counting import NOT_WHOLE, all_whole
from .guess import guessed_settings, says_energies
from .level_energies import may_be
from .region_names import region_in, region_name
from .regions import Regions, one_name
from .spectrum import spectrum

Floats = NDArray[np.float64]

_ENERGIES = ("binding_energy", "kinetic_energy")
_COLUMNS = (*_ENERGIES, *MEASURED, "transmission")
_UNITS = dict.fromkeys(_ENERGIES, "eV") | {name: unit for name, (unit, _) in MEASURED.items()} | {"transmission": "1"}


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    columns: Mapping[str, Column] | None = None,
    units: Mapping[str, str] | None = None,
    photon_energy: float | None = None,
    conditions: Mapping[str, float] | None = None,
    region: Regions = None,
    time: Mapping[str, str] | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
) -> xr.Dataset:
    """Return the spectrum in a text file of columns.

    Parameters
    ----------
    path
        The file: a header of any kind, then rows of numbers.
    timezone
        Zone of the times in the header, such as ``"Europe/Paris"``, where they have none.
    columns
        ``{name: column}``: ``binding_energy`` or ``kinetic_energy``; one of ``counts``, ``rate`` (count/s) and
        ``intensity``; perhaps ``transmission``. A column is the file's label or its number, counted from 0.
    units
        ``{name: unit in the file}`` of energies and rates, by default eV and count/s.
    photon_energy
        Photon energy in eV; with kinetic energies it gives the binding energies, and is needed.
    conditions
        Numbers of the measurement that the file does not state in columns: ``dwell`` (s), ``sweeps``, ``pass_energy``
        (eV), ``emission_angle`` (deg), ``work_function`` (eV, not subtracted).
    region
        What was measured, such as ``"S 2p"``; by default what the file's name says.
    time
        ``start``: the text in the header that stands before the start of the scan; ``end`` or ``duration`` (s)
        likewise; ``format`` as strptime takes it.
    delimiter, decimal
        ``","``, ``";"``, tab or ``"whitespace"``; ``"."`` or ``","``. Found from the rows by default.

    Returns
    -------
    xarray.Dataset
        Dim ``binding_energy`` (eV, ascending). Rows with a wrong number of cells are left out and flagged; a cell that
        is not a number is NaN and flagged. A last line that no line end follows may lack digits: it is left out, and
        the spectrum flagged as truncated.

    Raises
    ------
    FileError
        If the file holds no table, lacks a column (the labels found are listed) or the text of a time, or kinetic
        energies come without the photon energy.
    OperandoError
        If a setting is unknown.
    """
    path, named = Path(path), one_name(Path(path), region)
    require_tables(path, columns=columns, units=units, conditions=conditions, time=time)
    _require_settings(path, columns or {}, units or {}, conditions or {}, photon_energy)
    start = head(path)
    text = whole_text(start)
    table = parse(start, text, delimiter, decimal)
    if _ends_within_a_number(text) and not table.cut:
        table = replace(table, values=table.values[:-1], cut=True)
    found = _picked(path, table, columns, units or {})
    energy = _binding(path, found, photon_energy)
    times = stated_span(path, table.header, time, timezone)
    remarks = [f"lines with a wrong number of columns left out: {listed(table.lost)}"] if table.lost else []
    if table.cut:
        remarks.append("the file breaks off within its last line, which is left out")
    if "counts" in found and not all_whole(found["counts"]):
        remarks.append(NOT_WHOLE)
    ds = spectrum(
        path,
        energy,
        found,
        times,
        region=region_name(named) if named else region_in(path.stem) or path.stem,
        entry="",
        reader="columns",
        metadata=header_fields(table),
        conditions={**(conditions or {}), "photon_energy": photon_energy},
        flag=(Flag.not_finite if table.lost else Flag(0)) | (Flag.truncated if table.cut else Flag(0)),
        remarks=remarks,
    )
    parameters = {
        "reader": "columns",
        "columns": columns,
        "units": units,
        "photon_energy": photon_energy,
        "conditions": conditions,
        "region": region,
        "time": time,
    }
    return recorded(ds, "xps.read", {**parameters, "timezone": timezone, "delimiter": delimiter, "decimal": decimal})


def _ends_within_a_number(text: str) -> bool:
    """Whether the last line has no end, so that nobody knows whether its last number is whole."""
    return text[-1:].isdigit() or (text[-1:] in ".eE+-" and text[-2:-1].isdigit())


def recognizes(start: Head) -> bool:
    """Whether the file is text with two or more columns of numbers."""
    if not start.is_text:
        return False
    table = _beginning(start)
    return table is not None and len(table.values) > 2


def suggest(start: Head) -> dict[str, Any]:
    """Return the settings that such a file probably needs, guessed from its labels, its numbers and its header."""
    table = _beginning(start)
    return {} if table is None else guessed_settings(table)


def likely(start: Head) -> bool:
    """Whether labels or header name binding or kinetic energies, or bare columns fit the level in the file's name."""
    table = _beginning(start) if start.is_text else None
    if table is None or says_energies(table):
        return table is not None
    level, columns = region_in(start.path.stem), guessed_settings(table).get("columns", {})
    if "kinetic_energy" in columns:
        return True
    energies = columns.get("binding_energy")
    return level is not None and not table.labels and energies is not None and may_be(level, table.values[:, energies])


@lru_cache(maxsize=1)
def _beginning(start: Head) -> Table | None:
    """Return the table that a file begins with, for both questions that are asked about it."""
    try:
        return parse(start, start.text)
    except FileError:
        return None


def _require_settings(
    path: Path,
    columns: Mapping[str, Any],
    units: Mapping[str, str],
    conditions: Mapping[str, Any],
    photon_energy: float | None,
) -> None:
    """Check settings as far as they can be without a table."""
    known_conditions = tuple(name for name in CONDITIONS if name != "photon_energy")
    for what, names, known in (
        ("columns", columns, _COLUMNS),
        ("units", units, _COLUMNS),
        ("conditions", conditions, known_conditions),
    ):
        unknown = [name for name in names if name not in known]
        if unknown:
            raise OperandoError(f"{path}: {what}: expected names among {', '.join(known)}, got {unknown[0]!r}")
    for name, unit in units.items():
        wanted = _UNITS[name]
        if not parsed_unit(str(unit)).is_compatible_with(parsed_unit(wanted)):
            raise OperandoError(f"{path}: units.{name}: expected a unit such as {wanted}, got {unit!r}")
    for name, value in {**conditions, "photon_energy": 1.0 if photon_energy is None else photon_energy}.items():
        least = -360.0 if name == "emission_angle" else 0.0
        if isinstance(value, bool) or not isinstance(value, int | float) or not least < value < np.inf:
            raise OperandoError(f"{path}: {name}: expected a number above {least:g}, got {value!r}")


def _picked(
    path: Path, table: Table, columns: Mapping[str, Column] | None, units: Mapping[str, str]
) -> dict[str, Floats]:
    """Return the columns named, in the units of the layout."""
    names = list(columns or {})
    energies, measured = ([name for name in names if name in group] for group in (_ENERGIES, tuple(MEASURED)))
    if columns is None or len(energies) != 1 or len(measured) != 1:
        expected = "settings 'columns' with binding_energy or kinetic_energy, and one of counts, rate and intensity"
        raise FileError(path, expected, ", ".join(names) or "none", remedy=_advice(table))
    found = {}
    for name, column in columns.items():
        values = column_values(path, table, name, column)
        if values.ndim != 1:
            raise FileError(path, "one column", f"{values.shape[1]} columns", place=f"columns.{name}")
        found[name] = convert(values, str(units[name]), _UNITS[name]) if name in units else values
    return found


def _binding(path: Path, found: dict[str, Floats], photon_energy: float | None) -> Floats:
    """Take the energies out of the columns, as binding energies in eV."""
    if "binding_energy" in found:
        return found.pop("binding_energy")
    if photon_energy is None:
        remedy = "give photon_energy in eV (Al K-alpha: 1486.6)"
        raise FileError(path, "photon_energy beside kinetic energies", "none", remedy=remedy)
    return photon_energy - found.pop("kinetic_energy")


def _advice(table: Table) -> str:
    guess = guessed_settings(table).get("columns", {})
    if guess:
        named = ", ".join(f"{name} = {column!r}" for name, column in guess.items())
        return f"for this file perhaps columns = {{{named}}}"
    return f"its columns are {shown_labels(table) or f'0 to {table.values.shape[1] - 1}, without labels'}"


COLUMNS = Format(
    name="columns",
    technique="xps",
    about="text in columns, described by the recipe",
    recognizes=recognizes,
    read=read,
    suggest=suggest,
    specific=False,
    likely=likely,
)
