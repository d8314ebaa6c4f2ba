"""Text in columns, described by a recipe: which column is what, in which unit, and where the header gives the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import xarray as xr

from operando.errors import FileError
from operando.flags import Flag
from operando.header_times import stated_span
from operando.history import recorded
from operando.sniff import Format, Head, head
from operando.table_columns import require_tables
from operando.text_table import Column, Table, header_fields, listed, parse, whole_text

from .choice import choice, picked
from .guess import guessed_settings
from .scan import scan


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
    text = whole_text(start)
    table = parse(start, text, delimiter, decimal)
    chosen = choice(path, columns, units, d_spacing)
    energy, found = picked(path, table, chosen)
    times = stated_span(path, table.header, time, timezone)
    flag = (Flag.not_finite if table.lost else Flag(0)) | (Flag.truncated if table.cut else Flag(0))
    remarks = [f"lines with a wrong number of columns left out: {listed(table.lost)}"] if table.lost else []
    ds = scan(
        path,
        energy,
        found,
        times,
        units=chosen.units,
        metadata=header_fields(table),
        reader="columns",
        flag=flag,
        remarks=remarks,
    )
    parameters = {
        "reader": "columns",
        "columns": columns,
        "units": chosen.units,
        "time": time,
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


COLUMNS = Format(
    name="columns",
    technique="xas",
    about="text in columns, described by the recipe",
    recognizes=recognizes,
    read=read,
    suggest=suggest,
    specific=False,
)
