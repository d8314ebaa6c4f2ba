"""Text in columns, described by a recipe: which column is what, in which unit, and where the header gives the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando.errors import FileError, OperandoError
from operando.flags import Flag
from operando.header_times import Span, span
from operando.history import recorded
from operando.sniff import Format, Head, head
from operando.text_table import COMMENTS, Column, Table, parse

from .choice import choice, picked, require_tables
from .guess import guessed_settings
from .scan import scan

_TIME_KEYS = ("start", "format", "middle", "end", "duration")


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    columns: Mapping[str, Column | Sequence[Column]] | None = None,
    units: Mapping[str, str] | None = None,
    time: Mapping[str, str] | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    d_spacing: float | None = None,
) -> xr.Dataset:
    """Return the scan in a text file of columns.

    Parameters
    ----------
    path
        The file: a header of any kind, then rows of numbers.
    timezone
        Zone of the times in the header, such as ``"Europe/Paris"``, where they have none.
    columns
        ``{name: column}`` with the names ``energy`` and those of a scan (``mu``, ``i0``, ``tey`` ...); a column is
        the file's label or its number, counted from 0. A list of columns gives the dim ``detector``.
    units
        ``{name: unit in the file}``, by default eV for the energy and 1 for all else. An angle as ``energy`` needs
        ``d_spacing`` (angstrom).
    time
        ``start``: the text in the header that stands before the start of the scan; ``end`` or ``duration`` (s) or
        ``middle`` (s from the scan's own start to its middle; the end is as far again) likewise; ``format`` as
        strptime takes it.
    delimiter, decimal
        ``","``, ``";"``, tab or ``"whitespace"``; ``"."`` or ``","``. Found from the rows by default.

    Returns
    -------
    xarray.Dataset
        Dim ``energy`` (eV, ascending). Rows with a wrong number of cells are left out and flagged; a cell that is
        not a number is NaN and flagged.

    Raises
    ------
    FileError
        If the file holds no table, lacks a column (the labels found are listed) or the text of a time.
    OperandoError
        If a setting is unknown.
    """
    path = Path(path)
    require_tables(path, columns=columns, units=units, time=time)
    start = head(path)
    text = _text(start)
    table = parse(start, text, delimiter, decimal)
    chosen = choice(path, columns, units, d_spacing)
    energy, found = picked(path, table, chosen)
    times = _times(path, table.header, time, timezone)
    flag = (Flag.not_finite if table.lost else Flag(0)) | (Flag.truncated if table.cut else Flag(0))
    remarks = [f"lines with a wrong number of columns left out: {_listed(table.lost)}"] if table.lost else []
    ds = scan(
        path,
        energy,
        found,
        times,
        units=chosen.units,
        metadata=_metadata(table),
        reader="columns",
        flag=flag,
        remarks=remarks,
    )
    parameters = {
        "reader": "columns",
        "columns": columns,
        "units": chosen.units,
        "time": time,
        "time_taken": times.note,
    }
    return recorded(ds, "xas.read", {**parameters, "timezone": timezone, "delimiter": delimiter, "decimal": decimal})


def recognizes(start: Head) -> bool:
    """Whether the file is text with two or more columns of numbers."""
    if not start.is_text:
        return False
    table = _beginning(start)
    return table is not None and len(table.values) > 2


def suggest(start: Head) -> dict[str, Any]:
    """Return the settings that such a file probably needs, guessed from its labels and its header."""
    table = _beginning(start)
    return {} if table is None else guessed_settings(table)


@lru_cache(maxsize=1)
def _beginning(start: Head) -> Table | None:
    """Return the table that a file begins with, for both questions that are asked about it."""
    try:
        return parse(start, start.text)
    except FileError:
        return None


def _text(start: Head) -> str:
    data = start.path.read_bytes()
    if b"\x00" in data:
        remedy = "copy it again if its end was lost, or name the file's own reader in the recipe"
        raise FileError(start.path, "text", "binary data", place=f"byte {data.index(0)}", remedy=remedy)
    return Head(start.path, data).text


def _times(path: Path, header: Sequence[str], time: Mapping[str, str] | None, timezone: str | None) -> Span:
    """Return when the scan was measured, as the settings say where the header has it."""
    if not time:
        return Span()
    unknown = [key for key in time if key not in _TIME_KEYS]
    if unknown:
        raise OperandoError(f"{path}: time: expected keys among {', '.join(_TIME_KEYS)}, got {unknown[0]!r}")
    if "start" not in time:
        raise OperandoError(f"{path}: time: expected the key 'start', got {', '.join(time)}")
    middle, duration = (_seconds(path, header, time.get(key), key) for key in ("middle", "duration"))
    return span(
        path,
        _after(path, header, time["start"], "start"),
        timezone=timezone,
        pattern=time.get("format"),
        end=_after(path, header, time["end"], "end") if "end" in time else None,
        middle=middle,
        duration=duration,
    )


def _after(path: Path, header: Sequence[str], text: str, key: str) -> str:
    """Return what stands behind ``text`` in the header's first line that has it."""
    for line in header:
        _, found, rest = line.partition(text)
        if found:
            return rest.strip().lstrip("=:").strip()
    raise FileError(path, f"a header line with {text!r}", "none", place=f"time.{key}", remedy="copy the text exactly")


def _seconds(path: Path, header: Sequence[str], text: str | None, key: str) -> float | None:
    if text is None:
        return None
    value = _after(path, header, text, key)
    try:
        seconds = float(value.split()[0])
    except (ValueError, IndexError):
        seconds = np.nan
    if not 0 <= seconds < np.inf:
        raise FileError(path, f"seconds behind {text!r}", repr(value), place=f"time.{key}")
    return seconds


def _metadata(table: Table) -> dict[str, Any]:
    """Return the header as ``{key: value}``, lines that are no such pair together as ``comments``."""
    pairs: dict[str, Any] = {}
    comments = []
    for line in table.header:
        bare = line.strip().lstrip(COMMENTS).strip()
        key, found, value = bare.partition("=") if "=" in bare else bare.partition(": ")
        if found and key.strip() and value.strip():
            pairs[key.strip()] = value.strip()
        elif bare:
            comments.append(bare)
    return {**pairs, "comments": comments, "labels": table.labels}


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:10])) + (" ..." if len(numbers) > 10 else "")


COLUMNS = Format(
    name="columns",
    technique="xas",
    about="text in columns, described by the recipe",
    recognizes=recognizes,
    read=read,
    suggest=suggest,
    specific=False,
)
