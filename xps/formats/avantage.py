"""Spectra that Thermo Avantage exports as a table: the sheet of a spectrum saved as comma, semicolon or tab text."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import FileError
from operando.flags import Flag
from operando.header_times import Span
from operando.history import recorded
from operando.sniff import Format, Head, head
from operando.text_table import whole_text

from .counting import NOT_WHOLE, all_whole, counts_of
from .region_names import region_in, region_name
from .regions import Regions, one_name
from .spectrum import spectrum

Floats = NDArray[np.float64]

_ENERGY = re.compile(r'[\s"\ufeff]*(Binding|Kinetic) Energy \(E\)', re.IGNORECASE)
_DURATION = re.compile(r"(?:(\d+)\s*hours?)?[\s,]*(?:(\d+)\s*mins?)?[\s,]*(?:(\d+(?:\.\d+)?)\s*secs?)?", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?")
_FIRST_LINES = 200
_SCANS, _TIME, _STEPS = "Number of Scans", "Total acquisition time", "Number of Energy Steps"
_PASS = re.compile(r"Pass Energy\D{0,5}(\d+(?:[.,]\d+)?)", re.IGNORECASE)


@dataclass
class _Sheet:
    """The parts of a sheet: all stated beside the table, the columns' names and units, and the rows of the table."""

    stated: dict[str, str]
    title: str
    names: list[str]
    units: list[str]
    rows: list[tuple[int, list[str]]]
    comma: bool
    open_end: bool


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    region: Regions = None,
    photon_energy: float | None = None,
) -> xr.Dataset:
    """Return the spectrum of a sheet that Avantage exported.

    Parameters
    ----------
    path
        The sheet of one spectrum, saved as text.
    timezone
        Not used: sheets have no times.
    region
        The name of the region, such as ``"S 2p"``; by default that of the sheet's title or of the file.
    photon_energy
        Photon energy in eV, needed for a sheet with kinetic energies.

    Returns
    -------
    xarray.Dataset
        Dim ``binding_energy`` (eV): ``counts``, also from rates that are whole counts in the acquisition time over the
        number of energy steps, where both are stated; else ``rate``. Backgrounds and fitted peaks are left out.

    Raises
    ------
    FileError
        If the sheet has no energies, none or several columns of counts, or a number in it cannot be read.
    """
    path, named = Path(path), one_name(Path(path), region)
    sheet = _sheet(path, whole_text(head(path)))
    column = _measured_column(path, sheet)
    energy, values, cut = _numbers(path, sheet, column)
    binding = sheet.names[0].casefold().startswith("binding")
    if not binding:
        if photon_energy is None:
            raise FileError(path, "photon_energy beside kinetic energies", "none", remedy="give it in eV")
        energy = photon_energy - energy
    remarks: list[str] = ["the sheet breaks off within its last line"] if cut else []
    sweeps, total, steps = (
        _first_number(sheet.stated, _SCANS),
        _duration(sheet.stated),
        _first_number(sheet.stated, _STEPS),
    )
    if steps and energy.size < steps:
        cut = True
        remarks.append(f"{energy.size} of the {steps:g} points stated are there")
    duration = total / steps if total and steps else None
    measured = _measured(sheet, column, values, duration, remarks)
    left_out = [name for k, name in enumerate(sheet.names) if k and name and k != column]
    if left_out:
        remarks.append(f"columns left out: {', '.join(left_out)}")
    ds = spectrum(
        path,
        energy,
        measured,
        Span(),
        region=region_name(named) if named else region_in(sheet.title) or region_in(path.stem) or path.stem,
        entry="",
        reader="avantage",
        metadata={"title": sheet.title, **sheet.stated},
        conditions={
            "photon_energy": photon_energy,
            "dwell": duration / sweeps if duration and sweeps else None,
            "sweeps": sweeps,
            "pass_energy": _pass_energy(sheet.stated),
        },
        flag=Flag.truncated if cut else None,
        remarks=remarks,
    )
    parameters = {"reader": "avantage", "region": region, "photon_energy": photon_energy, "timezone": timezone}
    return recorded(ds, "xps.read", parameters)


def recognizes(start: Head) -> bool:
    """Whether a line begins with the name that Avantage gives to its energies."""
    return start.is_text and any(_ENERGY.match(line) for line in start.lines[:_FIRST_LINES])


def _sheet(path: Path, text: str) -> _Sheet:
    lines = text.splitlines()
    at = next((k for k, line in enumerate(lines) if _ENERGY.match(line)), None)
    if at is None or at + 1 >= len(lines):
        raise FileError(path, "a line 'Binding Energy (E)' and one of units below", "none")
    delimiter = next((sign for sign in "\t;," if sign in lines[at] or sign in lines[at + 1]), ",")
    cells = [_cells(path, line, delimiter, place) for place, line in enumerate(lines, start=1)]
    if not cells[at + 1] or cells[at + 1][0].casefold() != "ev":
        raise FileError(path, "the unit eV below the energies", repr(lines[at + 1][:40]), place=f"line {at + 2}")
    stated = dict(pair for k, row in enumerate(cells) if k not in (at, at + 1) for pair in _pairs(row))
    title = next((cell for row in cells[:at] for cell in row if cell), "")
    rows = [(k, row) for k, row in enumerate(cells[at + 2 :], start=at + 3) if row and row[0]]
    return _Sheet(
        stated, title, cells[at], cells[at + 1], rows, delimiter != "," and _has_commas(rows), not text.endswith("\n")
    )


def _cells(path: Path, line: str, delimiter: str, place: int) -> list[str]:
    """Return the cells of a line; a quote that is never closed reaches no further than its line."""
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error as error:
        raise FileError(path, "cells of a table", str(error), place=f"line {place}") from None


def _pairs(row: Sequence[str]) -> list[tuple[str, str]]:
    """Return what a row states: a text that is no number and the cell behind it."""
    return [(key, value) for key, value in pairwise(row) if key and value and _NUMBER.fullmatch(key) is None]


def _has_commas(rows: Sequence[tuple[int, Sequence[str]]]) -> bool:
    return any("," in row[0] for _, row in rows)


def _measured_column(path: Path, sheet: _Sheet) -> int:
    """Return the one column of counts without another name; those of fits have names."""
    units = [*sheet.units, *[""] * len(sheet.names)]
    names = [*sheet.names, *[""] * len(sheet.units)]
    found = [
        k
        for k, unit in enumerate(units)
        if k and unit.casefold().startswith("counts") and (not names[k] or names[k].casefold().startswith("counts"))
    ]
    if len(found) == 1:
        return found[0]
    got = f"{len(found)} of them" if found else f"columns in {', '.join(unit for unit in sheet.units if unit)}"
    remedy = "read it with the reader 'columns', one column at a time"
    raise FileError(path, "one column of counts without a name", got, place="table", remedy=remedy)


def _numbers(path: Path, sheet: _Sheet, column: int) -> tuple[Floats, Floats, bool]:
    """Return energies, values, and whether the sheet breaks off within its last line."""
    found: list[tuple[float, float]] = []
    width = max(len(sheet.names), len(sheet.units))
    for place, row in sheet.rows:
        energy, value = (_number(row[k], sheet.comma) if k < len(row) else None for k in (0, column))
        if sheet.open_end and place == sheet.rows[-1][0] and (None in (energy, value) or len(row) == column + 1):
            break
        if energy is None or value is None or any(_number(cell, sheet.comma) is not None for cell in row[width:]):
            raise FileError(path, "an energy and counts", repr(", ".join(row)[:40]), place=f"line {place}")
        found.append((energy, value))
    return *_columns(found), sheet.open_end


def _columns(found: Sequence[tuple[float, float]]) -> tuple[Floats, Floats]:
    table = np.array(found, dtype=np.float64).reshape(len(found), 2)
    return table[:, 0], table[:, 1]


def _number(text: str, comma: bool) -> float | None:
    try:
        value = float(text.replace(",", ".") if comma else text) if "_" not in text else np.nan
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _first_number(stated: Mapping[str, str], key: str) -> float | None:
    """Return the number that begins what is stated under a key."""
    text = next((value for name, value in stated.items() if name.casefold() == key.casefold()), "")
    match = _NUMBER.match(text)
    return float(match[0].replace(",", ".")) if match else None


def _pass_energy(stated: Mapping[str, str]) -> float | None:
    """Return the pass energy, eV, wherever it is stated: ``CAE: Pass Energy 50.0 eV``."""
    match = _PASS.search("; ".join(f"{key} {value}" for key, value in stated.items()))
    return float(match[1].replace(",", ".")) if match else None


def _duration(stated: Mapping[str, str]) -> float | None:
    """Return the seconds that a text such as ``8 mins 22.5 secs`` says."""
    text = next((value for name, value in stated.items() if name.casefold() == _TIME.casefold()), "")
    match = _DURATION.match(text)
    parts = [float(part) if part else 0.0 for part in match.groups()] if match else [0.0]
    total = sum(part * scale for part, scale in zip(parts, (3600.0, 60.0, 1.0), strict=False))
    return total or None


def _measured(
    sheet: _Sheet, column: int, values: Floats, duration: float | None, remarks: list[str]
) -> dict[str, Floats]:
    if "/" not in sheet.units[column] and "per" not in sheet.units[column].casefold():
        if not all_whole(values):
            remarks.append(NOT_WHOLE)
        return {"counts": values}
    counts = counts_of(values, duration)
    if counts is None:
        return {"rate": values}
    remarks.append(f"rates in {duration:g} s are whole counts and are given as such")
    return {"counts": counts}


AVANTAGE = Format(
    name="avantage",
    technique="xps",
    about="spectra exported by Thermo Avantage as text",
    recognizes=recognizes,
    read=read,
)
