"""Which columns of a table a recipe names, by label or by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import FileError, OperandoError
from .text_table import Column, Table

Chosen = Mapping[str, Column | Sequence[Column]]
Floats = NDArray[np.float64]
_SHOWN = 16


def require_tables(path: Path, **settings: Any) -> None:
    """Check that settings which name things are tables.

    Raises
    ------
    OperandoError
        Naming the setting.
    """
    for name, value in settings.items():
        if not isinstance(value, Mapping | None):
            raise OperandoError(f"{path}: {name}: expected a table {{ ... }}, got {value!r}")


def column_number(path: Path, table: Table, name: str, column: Column) -> int:
    """Return the number of a column given by its label, another of its names, or its number.

    Raises
    ------
    FileError
        If there is none or more than one.
    """
    width, place = table.values.shape[1], f"columns.{name}"
    if isinstance(column, int) and not isinstance(column, bool):
        if not 0 <= column < width:
            raise FileError(path, f"a column from 0 to {width - 1}", str(column), place=place)
        return column
    hits = _hits(table, str(column))
    if len(hits) == 1:
        return hits[0]
    if hits:
        remedy = f"give one of the columns {', '.join(map(str, hits))} by its number"
        raise FileError(path, f"one column {column!r}", f"{len(hits)} of them", place=place, remedy=remedy)
    listed = shown_labels(table) or f"no labels above {width} columns"
    raise FileError(path, f"a column {column!r}", listed, place=place, remedy="give a label or a number from 0")


def column_values(path: Path, table: Table, name: str, column: Column | Sequence[Column]) -> Floats:
    """Return a column's numbers (row), or those of several (row, column).

    Raises
    ------
    FileError
        If a column is missing, ambiguous or no label, number or list of them.
    """
    if isinstance(column, str | int):
        return table.values[:, column_number(path, table, name, column)]
    if not isinstance(column, Sequence) or not all(isinstance(one, str | int) for one in column):
        raise FileError(path, "a label, an index or a list of them", repr(column), place=f"columns.{name}")
    if not column:
        raise FileError(path, "a label, an index or a list of them", "an empty list", place=f"columns.{name}")
    return table.values[:, [column_number(path, table, name, one) for one in column]]


def _hits(table: Table, column: str) -> list[int]:
    """Return the columns of that name: as written before in other capitals, labels before other names."""
    for wanted, alike in ((column, str), (column.strip().lower(), str.lower)):
        for names in (table.labels, table.aliases):
            hits = [k for k, name in enumerate(names) if name and alike(name) == wanted]
            if hits:
                return hits
    return []


def shown_labels(table: Table) -> str:
    """Return the labels of the first columns."""
    more = len(table.labels) - _SHOWN
    return ", ".join(map(repr, table.labels[:_SHOWN])) + (f" and {more} more" if more > 0 else "")
