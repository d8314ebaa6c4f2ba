"""Which columns of a table a recipe names, by label or by number, and what it says of their units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError, OperandoError
from operando.text_table import Column, Table

from .guess import guessed_settings
from .scan import in_electronvolts, require_known, require_units

Chosen = Mapping[str, Column | Sequence[Column]]
Floats = NDArray[np.float64]
_SHOWN = 16


@dataclass(frozen=True)
class Choice:
    """What a recipe says of the columns of a table: ``columns``, ``units`` and ``d_spacing`` (angstrom)."""

    columns: Chosen | None
    units: dict[str, str]
    d_spacing: float | None


def choice(
    path: Path, columns: Chosen | None, units: Mapping[str, str] | None, d_spacing: float | None = None
) -> Choice:
    """Return what a recipe says of columns, checked as far as it can be without a table.

    Raises
    ------
    OperandoError
        If a setting is no table, a name none of a scan's, or a unit unknown.
    """
    require_tables(path, columns=columns, units=units)
    stated = {name: str(unit) for name, unit in (units or {}).items()}
    require_units(path, stated)
    require_known(path, columns or {}, "columns")
    return Choice(columns, stated, d_spacing)


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


def picked(path: Path, table: Table, chosen: Choice, unit: str = "eV") -> tuple[Floats, dict[str, Floats]]:
    """Return the energies in eV, and the other columns by their names: (energy) or (energy, detector).

    ``unit`` is that of the energies where the recipe states none.

    Raises
    ------
    FileError
        If the energy or what was measured is not named, a column is missing or ambiguous, or the first is neither an
        energy nor an angle with its d-spacing.
    """
    columns = chosen.columns
    if columns is None or "energy" not in columns or len(columns) < 2:
        expected = "settings 'columns' with 'energy' and what was measured"
        given = "none" if columns is None else ", ".join(map(str, columns)) or "none"
        raise FileError(path, expected, given, remedy=_advice(table))
    found = {name: _values(path, table, name, column) for name, column in columns.items()}
    energy = found.pop("energy")
    if energy.ndim != 1:
        raise FileError(path, "one column of energies", f"{energy.shape[1]} columns", place="columns.energy")
    return in_electronvolts(path, energy, chosen.units.get("energy", unit), chosen.d_spacing), found


def index(path: Path, table: Table, name: str, column: Column) -> int:
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
    listed = _labelled(table) or f"no labels above {width} columns"
    raise FileError(path, f"a column {column!r}", listed, place=place, remedy="give a label or a number from 0")


def _hits(table: Table, column: str) -> list[int]:
    """Return the columns of that name: as written before in other capitals, labels before other names."""
    for wanted, alike in ((column, str), (column.strip().lower(), str.lower)):
        for names in (table.labels, table.aliases):
            hits = [k for k, name in enumerate(names) if name and alike(name) == wanted]
            if hits:
                return hits
    return []


def _values(path: Path, table: Table, name: str, column: Column | Sequence[Column]) -> Floats:
    if isinstance(column, str | int):
        return table.values[:, index(path, table, name, column)]
    if not isinstance(column, Sequence) or not all(isinstance(one, str | int) for one in column):
        raise FileError(path, "a label, an index or a list of them", repr(column), place=f"columns.{name}")
    if not column:
        raise FileError(path, "a label, an index or a list of them", "an empty list", place=f"columns.{name}")
    return table.values[:, [index(path, table, name, one) for one in column]]


def _advice(table: Table) -> str:
    guess = guessed_settings(table).get("columns", {})
    if len(guess) > 1:
        listed = ", ".join(f"{name} = {column!r}" for name, column in guess.items())
        return f"for this file perhaps columns = {{{listed}}}"
    return f"its columns are {_labelled(table) or f'0 to {table.values.shape[1] - 1}, without labels'}"


def _labelled(table: Table) -> str:
    """Return the labels of the first columns."""
    more = len(table.labels) - _SHOWN
    return ", ".join(map(repr, table.labels[:_SHOWN])) + (f" and {more} more" if more > 0 else "")
