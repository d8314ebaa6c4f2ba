"""XDI, the XAS Data Interchange format, version 1: one scan with a header of ``Family.key: value`` fields."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import FileError
from operando.header_times import Span, parsed_time, span
from operando.history import recorded
from operando.sniff import Format, Head, head
from operando.text_table import Table

from .guess import guessed_settings
from .scan import in_electronvolts, require_known, scan
from .xdi_fields import ABSCISSAE, NAMES, doubts

Floats = NDArray[np.float64]

_VERSION = re.compile(r"#\s*XDI/\d+(\.\d+)*(\s|$)")
_FIELD = re.compile(r"(?P<family>[A-Za-z][\w-]*)\.(?P<key>[\w-]+)\s*:\s*(?P<value>\S.*)")
_FIELDS_END, _HEADER_END = re.compile(r"/{3,}.*"), re.compile(r"-{3,}")
_LEFT_OUT = "is no field and was left out"
_LENIENT = "read it with strict = false to leave such lines out"


@dataclass
class _File:
    """The parts of a file: fields by lower-case name, labels, numbers, and what was odd."""

    fields: dict[str, str] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    values: Floats = field(default_factory=lambda: np.empty((0, 0)))
    remarks: list[str] = field(default_factory=list)


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    columns: Mapping[str, str | int | Sequence[str | int]] | None = None,
    d_spacing: float | None = None,
    strict: bool = True,
) -> xr.Dataset:
    """Return the scan in an XDI file.

    Parameters
    ----------
    path
        The file.
    timezone
        Zone of ``Scan.start_time`` where it has none, such as ``"America/Chicago"``.
    columns
        ``{name: label or number counted from 0}`` for columns that XDI does not define, such as
        ``{"tey": "SampleDrain"}``; a list gives the dim ``detector``.
    d_spacing
        Spacing of the monochromator's planes in angstrom, for angles; by default ``Mono.d_spacing``.
    strict
        Whether a header line that is no field is an error; if false it is left out with a remark.

    Returns
    -------
    xarray.Dataset
        Dim ``energy`` (eV): ``i0``, ``transmission`` (itrans), ``fluorescence`` (ifluor), ``reference`` (irefer) and
        ``mu`` (the first of mutrans, mufluor, normtrans, normfluor). What is odd but readable stands in
        ``attrs["remarks"]``, a JSON list.

    Raises
    ------
    FileError
        If the version line is missing, a header line is malformed, the rows differ in length or hold anything but
        finite numbers, or the first column is neither an energy nor an angle with ``Mono.d_spacing``.

    Notes
    -----
    Specification: B. Ravel, J. R. Hester, V. A. Sole, M. Newville, J. Synchrotron Rad. 19, 869 (2012),
    doi:10.1107/S0909049512036886.
    """
    path = Path(path)
    start = head(path)
    if not recognizes(start):
        raise FileError(path, "'# XDI/1.0' or another version", repr(start.lines[0][:40]), place="line 1")
    file = _parsed(path, path.read_bytes(), strict=strict)
    file.remarks += doubts(file.fields)
    labels, unit = _labels(file)
    energy = in_electronvolts(
        path, file.values[:, 0], _abscissa(path, labels, unit), d_spacing or _d_spacing(file.fields)
    )
    require_known(path, columns or {}, "columns")
    measured = _measured(path, file, labels, columns or {})
    times = _times(path, file, timezone)
    ds = scan(
        path,
        energy,
        measured,
        times,
        units={},
        metadata={**file.fields, "comments": file.comments, "labels": labels},
        reader="xdi",
        remarks=file.remarks,
    )
    parameters = {
        "reader": "xdi",
        "columns": columns,
        "d_spacing": d_spacing,
        "strict": strict,
    }
    return recorded(ds, "xas.read", {**parameters, "timezone": timezone})


def recognizes(start: Head) -> bool:
    """Whether the first line states an XDI version."""
    return start.is_text and bool(start.lines) and bool(_VERSION.match(start.lines[0]))


def suggest(start: Head) -> dict[str, Any]:
    """Return what a file needs beyond what XDI defines: columns under other labels, leniency for malformed fields."""
    try:
        file = _parsed(start.path, start.data[: start.data.rfind(b"\n") + 1], strict=False)
        labels, _ = _labels(file)
    except FileError:
        return {}
    settings: dict[str, Any] = {"strict": False} if any(_LEFT_OUT in remark for remark in file.remarks) else {}
    guess = guessed_settings(Table([], labels, file.values, [], False)).get("columns", {})
    known = {name for label, name in NAMES.items() if label in map(str.lower, labels)}
    further = {name: column for name, column in guess.items() if name != "energy" and name not in known}
    return {**settings, "columns": further} if further else settings


def _parsed(path: Path, data: bytes, *, strict: bool) -> _File:
    """Return the file's parts, line by line: fields, comments after ``///``, the end of the header, labels, rows."""
    file = _File()
    rows: list[tuple[int, list[str]]] = []
    part = "fields"
    last = ""
    for number, line in enumerate(Head(path, data).lines[1:], start=2):
        bare = line.strip()
        if bare and not bare.startswith("#"):
            rows.append((number, bare.split()))
            continue
        text = bare[1:].strip()
        last = text if text and not rows else last
        if _HEADER_END.fullmatch(text):
            part = "labels"
        elif _FIELDS_END.fullmatch(text) and part == "fields":
            part = "comments"
        elif part == "comments" and not rows:
            file.comments.append(text)
        elif part == "fields" and text and not rows:
            _add_field(path, file, number, text, strict=strict)
    if part != "labels":
        file.remarks.append("the line '#---' that ends the header is missing")
    file.values = _numbers(path, rows)
    file.labels = [] if _HEADER_END.fullmatch(last) else last.split()
    return file


def _add_field(path: Path, file: _File, number: int, text: str, *, strict: bool) -> None:
    match = _FIELD.fullmatch(text)
    if match:
        file.fields[f"{match['family']}.{match['key']}".lower()] = match["value"].strip()
    elif strict:
        expected = "a field 'Family.key: value'"
        raise FileError(path, expected, repr(text[:60]), place=f"line {number}", remedy=_LENIENT)
    else:
        file.remarks.append(f"line {number} {_LEFT_OUT}: {text[:60]}")


def _numbers(path: Path, rows: Sequence[tuple[int, list[str]]]) -> Floats:
    """Return the table of numbers; every row as long as the first, every cell a finite number."""
    if not rows:
        raise FileError(path, "rows of numbers", "none", remedy="copy the file again")
    width = len(rows[0][1])
    values = np.empty((len(rows), width))
    for at, (number, cells) in enumerate(rows):
        if len(cells) != width:
            raise FileError(path, f"{width} columns", str(len(cells)), place=f"line {number}", remedy=_remedy())
        for k, cell in enumerate(cells):
            values[at, k] = _finite(path, cell, number, k)
    return values


def _finite(path: Path, cell: str, number: int, column: int) -> float:
    try:
        value = float(cell) if "_" not in cell else np.nan
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        place = f"line {number}, column {column + 1}"
        raise FileError(path, "a finite number", repr(cell), place=place, remedy=_remedy())
    return value


def _remedy() -> str:
    return "the reader 'columns' takes such files and flags what is missing"


def _labels(file: _File) -> tuple[list[str], str]:
    """Return the columns' names, from the fields, else from the line of labels, and the first column's unit."""
    width = file.values.shape[1]
    numbered = {int(key[7:]): text for key, text in file.fields.items() if re.fullmatch(r"column\.\d{1,6}", key)}
    stated = [numbered.get(k + 1, "").split() for k in range(width)]
    if max(numbered, default=0) > width or len(numbered) < width:
        listed = ", ".join(f"Column.{k}" for k in sorted(numbered)) or "none"
        file.remarks.append(f"expected the fields Column.1 to Column.{width}, got {listed}")
    if len(file.labels) != width:
        file.remarks.append(f"the line of labels has {len(file.labels)} of {width} columns")
    lined = file.labels if len(file.labels) == width else [f"col{k + 1}" for k in range(width)]
    labels = [words[0] if words else lined[k] for k, words in enumerate(stated)]
    unit = stated[0][1] if len(stated[0]) > 1 and stated[0][1] != "||" else ""
    if not unit:
        file.remarks.append("the first column has no unit: energies taken as eV, angles as degrees")
    return labels, unit


def _abscissa(path: Path, labels: Sequence[str], unit: str) -> str:
    """Return the unit of the first column."""
    kind = labels[0].lower()
    if kind not in ABSCISSAE:
        raise FileError(path, "'energy' or 'angle' as the first column", repr(labels[0]), place="Column.1")
    unit = unit or ABSCISSAE[kind]
    if unit.lower() in {"pixel", "pixels", "step", "steps"}:
        raise FileError(path, "energies or angles", repr(unit), place="Column.1", remedy="calibrate it first")
    return {"ev": "eV", "kev": "keV"}.get(unit.lower(), unit.lower())


def _d_spacing(fields: Mapping[str, str]) -> float | None:
    try:
        return float(fields.get("mono.d_spacing", "").split()[0])
    except (ValueError, IndexError):
        return None


def _measured(
    path: Path, file: _File, labels: Sequence[str], wanted: Mapping[str, str | int | Sequence[str | int]]
) -> dict[str, Floats]:
    """Return the measured columns: those XDI defines, and those the caller names."""
    positions: dict[str, int] = {}
    for k, label in enumerate(labels):
        positions.setdefault(label.lower(), k)
    measured: dict[str, Floats] = {}
    for label, name in NAMES.items():
        if label in positions and name not in measured:
            measured[name] = file.values[:, positions[label]]
    for name, column in wanted.items():
        several = [column] if isinstance(column, str | int) else list(column)
        chosen = [_position(path, labels, positions, name, one) for one in several]
        measured[name] = file.values[:, chosen[0] if isinstance(column, str | int) else chosen]
    if not measured:
        remedy = "name them in 'columns', such as columns = {i0 = 'I0'}"
        raise FileError(path, "columns that XDI defines", ", ".join(labels), place="labels", remedy=remedy)
    return measured


def _position(path: Path, labels: Sequence[str], positions: Mapping[str, int], name: str, column: str | int) -> int:
    found = positions.get(column.lower()) if isinstance(column, str) else column
    if found is None or not 0 <= found < len(labels):
        raise FileError(path, f"a column {column!r}", ", ".join(labels), place=f"columns.{name}")
    return found


def _times(path: Path, file: _File, timezone: str | None) -> Span:
    """Return when the scan was measured; a time that cannot be read is a remark."""
    texts: dict[str, str] = {}
    for key in ("scan.start_time", "scan.end_time"):
        text = file.fields.get(key)
        if text and parsed_time(text):
            texts[key] = text
        elif text:
            file.remarks.append(f"{key} is no date and time in ISO 8601: {text}")
    if "scan.start_time" not in texts:
        return Span()
    return span(path, texts["scan.start_time"], timezone=timezone, end=texts.get("scan.end_time"))


XDI = Format(
    name="xdi",
    technique="xas",
    about="XAS Data Interchange, version 1",
    recognizes=recognizes,
    read=read,
    suggest=suggest,
)
