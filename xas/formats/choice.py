"""Which columns of a table a recipe names, by label or by number, and what it says of their units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError
from operando.table_columns import Chosen, column_values, require_tables, shown_labels
from operando.text_table import Table

from .guess import guessed_settings
from .scan import in_electronvolts, require_known, require_units

Floats = NDArray[np.float64]


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
    found = {name: column_values(path, table, name, column) for name, column in columns.items()}
    energy = found.pop("energy")
    if energy.ndim != 1:
        raise FileError(path, "one column of energies", f"{energy.shape[1]} columns", place="columns.energy")
    return in_electronvolts(path, energy, chosen.units.get("energy", unit), chosen.d_spacing), found


def _advice(table: Table) -> str:
    guess = guessed_settings(table).get("columns", {})
    if len(guess) > 1:
        listed = ", ".join(f"{name} = {column!r}" for name, column in guess.items())
        return f"for this file perhaps columns = {{{listed}}}"
    return f"its columns are {shown_labels(table) or f'0 to {table.values.shape[1] - 1}, without labels'}"
