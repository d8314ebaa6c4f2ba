"""EPICS scans as saveData writes them: MDA, binary or as the text of mda2ascii, with equal numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from operando.entries import as_series, asked_for, differing, named
from operando.errors import FileError, OperandoError
from operando.flags import Flag
from operando.header_times import Span, parsed_time, span
from operando.sniff import Format, Head, head
from operando.table_columns import column_number
from operando.text_table import Column
from operando.units import parse

from .choice import Choice, choice, picked
from .guess import guessed_settings
from .mda_binary import VERSIONS, mda_file
from .mda_scans import MdaFile, MdaScan
from .mda_text import FIRST, mda_text
from .scan import FEWEST, scan

Key = str | int
_TIMES = ("%b %d, %Y %H:%M:%S.%f", "%b %d, %Y %H:%M:%S")
_LOOKED_AT = 100
"""Scans of a file among which the likeliest one is looked for."""


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    columns: Mapping[str, Column | Sequence[Column]] | None = None,
    units: Mapping[str, str] | None = None,
    d_spacing: float | None = None,
    scan: Key | Sequence[Key] | None = None,
) -> xr.Dataset:
    """Return the energy scans of an EPICS scan file, MDA or the text of mda2ascii.

    Parameters
    ----------
    path
        The file.
    timezone
        Zone of the times in the file, such as ``"Australia/Melbourne"``; they have none.
    columns
        ``{name: column}`` with ``energy`` and what was measured (``i0``, ``mu``, ``tey`` ...); a column is what the
        file calls it, its process variable, or its number counted from 0: first what positioners read back, then
        detectors. A list of columns gives the dim ``detector``.
    units
        ``{name: unit in the file}``, by default what the file says; an angle as ``energy`` needs ``d_spacing``
        (angstrom).
    scan
        Inner scans to read, by the point of the outer scan (``3``; ``"2.3"`` within two outer scans), or a list of
        them; by default all.

    Returns
    -------
    xarray.Dataset
        Dim ``energy`` (eV, ascending), along ``scan`` if the energies are those of an inner scan done several times,
        whose ``source`` is ``file::point``. A scan that stopped early is flagged as truncated. Inner scans at the
        points of an energy scan (spectra of detectors) are passed over with a remark.

    Raises
    ------
    FileError
        If the file is damaged, breaks off, or no scan in it can be read so.
    OperandoError
        If a setting is unknown.

    Notes
    -----
    Format: "MDA File Format", sscan module of EPICS synApps, https://github.com/epics-modules/sscan.
    """
    path = Path(path)
    chosen = choice(path, columns, units, d_spacing)
    start = head(path)
    reader = "mda" if recognizes(start) else "mda2ascii"
    file = _parsed(start)
    if len(file.scans) > 1 or scan is not None:
        entries = [(one.entry,) for one in file.scans]
        file.scans = [file.scans[k] for k in asked_for(path, scan, entries, "scan")]
    if chosen.columns is None:
        picked(path, _likeliest(file).table, chosen)
    spectra, left_out = _Reading(path, file, chosen, timezone, reader).spectra()
    parameters = {"reader": reader, "columns": columns, "units": chosen.units, "d_spacing": d_spacing, "scan": scan}
    ds = as_series(path, spectra, left_out, {**parameters, "timezone": timezone}, entry="scan")
    return differing(ds, spectra)


def recognizes(start: Head) -> bool:
    """Whether the file begins with the number of a version of MDA, and a rank."""
    return start.data.startswith(VERSIONS) and start.data[8:11] == b"\0\0\0"


def recognizes_text(start: Head) -> bool:
    """Whether mda2ascii says in the first line that it wrote the file."""
    return start.is_text and bool(start.lines) and bool(FIRST.match(start.lines[0]))


def suggest(start: Head) -> dict[str, Any]:
    """Return the settings for the scan whose columns look most like absorption."""
    try:
        return _guess(_likeliest(_parsed(start)))
    except (OperandoError, OSError):
        return {}


def _parsed(start: Head) -> MdaFile:
    data = start.path.read_bytes()
    if data.startswith(VERSIONS):
        return mda_file(start.path, data)
    return mda_text(start.path, Head(start.path, data).text)


def _guess(one: MdaScan) -> dict[str, Any]:
    """Return guessed settings; the units are those that the file states, where it states any."""
    if one.values.shape[1] < 2:
        return {}
    guess = guessed_settings(one.table)
    energy = guess.get("columns", {}).get("energy")
    if energy is not None and _unit(one, energy):
        guess.pop("units", None)
    return guess


def _likeliest(file: MdaFile) -> MdaScan:
    return max(file.scans[:_LOOKED_AT], key=lambda one: len(_guess(one).get("columns", {})))


@dataclass(frozen=True)
class _Reading:
    """A file and how its scans are to be read."""

    path: Path
    file: MdaFile
    chosen: Choice
    timezone: str | None
    reader: str

    def spectra(self) -> tuple[list[xr.Dataset], list[FileError]]:
        """Return the scans of the rank that has most energy scans, and why others of that rank are none.

        Raises
        ------
        FileError
            If no rank has any.
        """
        found: list[tuple[int, xr.Dataset]] = []
        errors: list[tuple[int, FileError]] = list(self.file.unread)
        for one in self.file.scans:
            try:
                found.append((one.rank, self.spectrum(one)))
            except FileError as error:
                place = f"scan {one.entry}" if one.entry else error.place
                told = FileError(self.path, error.expected, error.got, place=place, remedy=error.remedy)
                errors.append((one.rank, told))
        ranks = Counter(rank for rank, _ in found)
        if not ranks:
            reasons = [error for _, error in errors]
            raise next((error for error in reasons if "a column" not in error.expected), reasons[0])
        rank = max(ranks, key=lambda one: (ranks[one], -one))
        return [ds for own, ds in found if own == rank], [error for own, error in errors if own == rank]

    def spectrum(self, one: MdaScan) -> xr.Dataset:
        """Return one scan of the file.

        Raises
        ------
        FileError
            If it is no energy scan.
        """
        wanted = self.chosen.columns or {}
        energy, measured = picked(self.path, one.table, self.chosen, _unit(one, wanted.get("energy", 0)) or "eV")
        short = len(one.values) < one.requested
        if short and len(one.values) < FEWEST:
            got = f"{len(one.values)} of {one.requested}: the scan stopped early"
            raise FileError(self.path, f"{FEWEST} points or more", got)
        stated = {name: unit for name, column in wanted.items() if name != "energy" and (unit := _unit(one, column))}
        remarks = [*self.file.remarks, *self._inner(one)]
        ds = scan(
            self.path,
            energy,
            measured,
            _times(self.path, one, self.timezone, remarks),
            units={**stated, **self.chosen.units},
            metadata=_metadata(self.file, one),
            reader=self.reader,
            flag=Flag.truncated if short else Flag(0),
            remarks=remarks,
        )
        return named(ds, self.path, one.entry) if one.entry else ds

    def _inner(self, one: MdaScan) -> list[str]:
        """Say how many inner scans a scan has."""
        mine = f"{one.entry}.".lstrip(".")
        inner = sum(other.rank < one.rank and other.entry.startswith(mine) for other in self.file.scans)
        return [f"{inner} inner scans at its points are passed over"] if inner else []


def _unit(one: MdaScan, column: Column | Sequence[Column]) -> str:
    """Return the unit that the file states for columns, if all have the same and it is known; else nothing."""
    several = [column] if isinstance(column, str | int) else list(column)
    try:
        units = {one.columns[column_number(Path(), one.table, "", single)].unit for single in several}
        unit = units.pop() if len(units) == 1 else ""
        return unit if unit and parse(unit) else ""
    except OperandoError:
        return ""


def _times(path: Path, one: MdaScan, timezone: str | None, remarks: list[str]) -> Span:
    """Return the start of a scan; a time that cannot be read is a remark."""
    pattern = next((pattern for pattern in _TIMES if parsed_time(one.time, pattern)), None)
    if pattern is None:
        remarks.append(f"the time of the scan is no date: {one.time}")
        return Span()
    return span(path, one.time, timezone=timezone, pattern=pattern)


def _metadata(file: MdaFile, one: MdaScan) -> dict[str, Any]:
    facts = {"version": file.version, "scan number": file.number, "scanner": one.scanner, "requested": one.requested}
    outer = {f"outer {name}": f"{value:.9g}" for name, value in one.outer.items()}
    return {**facts, **outer, **file.extra, "labels": one.names}


MDA = Format(name="mda", technique="xas", about="EPICS MDA", recognizes=recognizes, read=read, suggest=suggest)
MDA_TEXT = Format(
    name="mda2ascii",
    technique="xas",
    about="EPICS MDA as text",
    recognizes=recognizes_text,
    read=read,
    suggest=suggest,
)
