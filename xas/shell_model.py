"""What a shell fit is told: path files, and parameters that are numbers or names of shared variables."""

from __future__ import annotations

import keyword
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from operando.errors import OperandoError

PARAMETERS = {
    "s02": "1",
    "e0": "eV",
    "delr": "angstrom",
    "sigma2": "angstrom^2",
    "third": "angstrom^3",
    "fourth": "angstrom^4",
}
"""What a path has, and its unit."""

_DEFAULTS = {**dict.fromkeys(PARAMETERS, 0.0), "s02": 1.0}


@dataclass(frozen=True)
class Shell:
    """One scattering path: its file, and for each parameter a number or the name of a variable."""

    file: Path
    parameters: Mapping[str, float | str]
    degeneracy: float | None = None


@dataclass(frozen=True)
class Guess:
    """Where a variable starts, and its bounds."""

    value: float
    low: float = -math.inf
    high: float = math.inf


def shells_from(paths: Sequence[Mapping[str, Any]]) -> tuple[list[Shell], list[str]]:
    """Return the shells as given, and what is wrong with them as plain sentences."""
    shells, wrong = [], []
    for number, path in enumerate(paths, start=1):
        unknown = [name for name in path if name not in ("file", "degeneracy", *PARAMETERS)]
        if unknown:
            wrong.append(
                f"path {number} has {', '.join(map(repr, unknown))}, known are file, degeneracy, "
                + ", ".join(PARAMETERS)
            )
        values = {name: path.get(name, default) for name, default in _DEFAULTS.items()}
        wrong += [
            f"path {number} needs a number or a variable's name as {name}, got {value!r}"
            for name, value in values.items()
            if not (_is_number(value) or isinstance(value, str))
        ]
        if "file" not in path:
            wrong.append(f"path {number} has no 'file'")
        elif not Path(path["file"]).is_file():
            wrong.append(f"path {number}: the file {path['file']} does not exist")
        degeneracy = path.get("degeneracy")
        if degeneracy is not None and not _is_number(degeneracy):
            wrong.append(f"path {number} needs a number as degeneracy, got {degeneracy!r}")
        shells.append(Shell(Path(path.get("file", "")).absolute(), values, degeneracy))
    files = [shell.file for shell in shells]
    wrong += [f"the file {file} is given twice" for file in sorted(set(files)) if files.count(file) > 1]
    return shells, wrong if paths else ["no path is given"]


def guesses_from(variables: Mapping[str, Any]) -> tuple[dict[str, Guess], list[str]]:
    """Return the variables as given, and what is wrong with them as plain sentences."""
    guesses, wrong = {}, []
    for name, given in variables.items():
        entries = dict(given) if isinstance(given, Mapping) else {"value": given}
        if not set(entries) <= {"value", "low", "high"} or not all(map(_is_number, entries.values())):
            wrong.append(f"variable {name!r} needs a number, or numbers as value, low and high, got {given!r}")
        elif "value" not in entries or not name.isidentifier() or keyword.iskeyword(name):
            wrong.append(f"variable {name!r} needs a plain name and a value, got {given!r}")
        else:
            guess = Guess(**{key: float(value) for key, value in entries.items()})
            if not guess.low <= guess.value <= guess.high or guess.low == guess.high:
                wrong.append(f"variable {name!r} needs low <= value <= high and low < high, got {given!r}")
            guesses[name] = guess
    return guesses, wrong


def checked(
    paths: Sequence[Mapping[str, Any]], variables: Mapping[str, Any], taken: set[str]
) -> tuple[list[Shell], dict[str, Guess], dict[str, str]]:
    """Return shells, variables and the units of the variables.

    Raises
    ------
    OperandoError
        With all that is wrong at once: what is misspelled, missing, undeclared, unused, or used in two units;
        ``taken`` are names that no variable may have.
    """
    shells, wrong = shells_from(paths)
    guesses, more = guesses_from(variables)
    wrong += more
    used: dict[str, set[str]] = {}
    for shell in shells:
        for parameter, value in shell.parameters.items():
            if isinstance(value, str):
                used.setdefault(value, set()).add(PARAMETERS[parameter])
    wrong += [f"{name!r} is used but is not among the variables" for name in used if name not in variables]
    wrong += [f"variable {name!r} is used by no path" for name in guesses if name not in used]
    wrong += [
        f"variable {name!r} stands for {' and '.join(sorted(units))}" for name, units in used.items() if len(units) > 1
    ]
    wrong += [
        f"variable {name!r} needs another name, that one is taken"
        for name in guesses
        if name in taken or f"{name}_std" in taken or f"{name.removesuffix('_std')}_std" in guesses
    ]
    if wrong:
        raise OperandoError(f"fit_shells: {'; '.join(wrong)}")
    return shells, guesses, {name: used[name].pop() for name in guesses}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
