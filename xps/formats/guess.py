"""Guess which columns of a text file are energies and counts, for a first recipe."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operando.text_table import Column, Table

from .counting import all_whole

_WORDS: dict[str, tuple[str, ...]] = {
    "binding_energy": (r"binding.?energy.*", r"b\.?e\.?([ _/(\[].*)?", r"e_?b(ind\w*)?"),
    "kinetic_energy": (r"kinetic.?energy.*", r"k\.?e\.?([ _/(\[].*)?", r"e_?k(in\w*)?"),
    "counts": (r"counts?",),
    "rate": (r"counts?[ _]?(/|per)[ _]?s\w*", r"c/s", r"cps\b.*", r"(count )?rate"),
    "intensity": (r"int(ensity)?\b.*", r"in\w+", r"signal", r"y"),
    "transmission": (r"transmission.*",),
}
_ENERGIES = ("binding_energy", "kinetic_energy")
_MEASURED = ("counts", "rate", "intensity")
_PHOTONS = re.compile(r"(?:h(?:v|nu|\u03bd)|photon energy)\s*+(?:[=:]\s*+)?(\d+(?:\.\d+)?)\s*(k?eV)", re.IGNORECASE)
_LOWEST, _HIGHEST = -50.0, 15_000.0
_KILO, _KILO_STEP = 5.0, 0.002


def guessed_settings(table: Table) -> dict[str, Any]:
    """Return ``columns`` and what goes with them; nothing if no column can be energies.

    A column of energies without a label is taken as binding energies, unless the header states a photon energy.
    Counts are those that are whole numbers, unless a label says that they are a rate.
    """
    energy = _energy(table)
    if energy is None:
        return {}
    name, column = energy
    measured = _measured(table, column)
    if measured is None:
        return {}
    columns: dict[str, Column] = {name: column, **measured}
    settings: dict[str, Any] = {"columns": columns}
    photons = _photon_energy(table.header)
    if name == "kinetic_energy" and photons is not None:
        settings["photon_energy"] = photons
    values = table.values[:, _position(table, column)]
    if 0 < np.nanmedian(values) < _KILO and np.nanmedian(np.abs(np.diff(values))) < _KILO_STEP:
        settings["units"] = {name: "keV"}
    return settings


def says_energies(table: Table) -> bool:
    """Return whether a label says that energies are binding or kinetic ones."""
    return any(_all(table.labels, _WORDS[name]) for name in _ENERGIES)


def _energy(table: Table) -> tuple[str, Column] | None:
    for name in _ENERGIES:
        for label in _all(table.labels, _WORDS[name]):
            if _rises_or_falls(table.values[:, table.labels.index(label)]):
                return name, label
    first = next((k for k in range(table.values.shape[1]) if _rises_or_falls(table.values[:, k])), None)
    if first is None:
        return None
    kinetic = any(re.search(r"e_?kin|kinetic", line, re.IGNORECASE) for line in table.header)
    return ("kinetic_energy" if kinetic else "binding_energy"), first


def _measured(table: Table, energy: Column) -> dict[str, Column] | None:
    """Return the first column that a label names, else the other of two, or the last of several."""
    columns: dict[str, Column] = {}
    taken = _position(table, energy)
    for name in _MEASURED:
        found = [label for label in _all(table.labels, _WORDS[name]) if table.labels.index(label) != taken]
        if found and not columns:
            columns[name] = found[0]
    if not columns:
        if table.values.shape[1] > 2 and table.labels:
            return None
        columns = {"counts": 1 - taken if table.values.shape[1] == 2 else table.values.shape[1] - 1}
    name, column = next(iter(columns.items()))
    if name in ("counts", "intensity"):
        columns = {"counts" if all_whole(table.values[:, _position(table, column)]) else "intensity": column}
    transmission = next(iter(_all(table.labels, _WORDS["transmission"])), None)
    return columns if transmission is None else {**columns, "transmission": transmission}


def _rises_or_falls(values: NDArray[np.float64]) -> bool:
    """Whether numbers can be the energies of a scan: in range, one after the other up or down."""
    usable = values[np.isfinite(values)]
    if usable.size < 3 or not _LOWEST <= usable.min() <= usable.max() <= _HIGHEST or usable.max() <= 0:
        return False
    steps = np.diff(usable)
    return bool(max(np.mean(steps > 0), np.mean(steps < 0)) > 0.99)


def _photon_energy(header: Sequence[str]) -> float | None:
    """Return the photon energy that the header states, eV."""
    for line in header:
        match = _PHOTONS.search(line)
        if match:
            return float(match[1]) * (1e3 if match[2].casefold() == "kev" else 1.0)
    return None


def _all(labels: Sequence[str], words: Sequence[str]) -> list[str]:
    """Return the labels, met only once, that are one of the words, in the order of the words."""
    times = Counter(labels)
    free = [label for label in labels if times[label] == 1]
    return [label for word in words for label in free if re.fullmatch(word, label, re.IGNORECASE)]


def _position(table: Table, column: Column) -> int:
    return column if isinstance(column, int) else table.labels.index(column)
