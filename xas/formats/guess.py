"""Guess what the columns of a text file are, and where its header gives the time, for a first recipe."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operando.header_times import parsed_time
from operando.text_table import COMMENTS, Column, Table

from .emission import channels

_WORDS: dict[str, tuple[str, ...]] = {
    "i0": (r"i_?0", r"io", r"monitor", r"mon", r"ion_?0", r"i_?0[ _]chamber"),
    "mu": (r"normalized", r"norm\w*", r"x?mu", r"mu\(e\)", r"mu_?(t|f|trans|fluor)", r"absorption", r"absorbance"),
    "tey": (r"tey", r"(total )?electron yield", r"\w*drain", r"(sample )?drain( current)?"),
    "tfy": (r"tfy", r"total fluorescence\w*( yield)?"),
    "pfy": (r"pfy",),
    "transmission": (r"i_?t\w*", r"i_?1", r"trans\w*", r"ion_?1"),
    "reference": (r"i_?ref\w*", r"ref\w*", r"ion_?2", r"ref\w*[ _]chamber"),
    "fluorescence": (r"i_?f\w*", r"fluo\w*", r"fy", r"ff"),
}
_TIME = re.compile(
    r"(?P<text>[^\d=:]*[^\d\s=:])\s*[=:]\s*"
    r"(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d\S*|[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d \d{4})\s*$"
)
_ENERGIES = (
    (r"energy",),
    (r".* energy", r"energy.?[eE]V", r"mono\w*", r"en", r"e", r"ev"),
    (r".*energy.*",),
)
_SEVERAL = re.compile(r"(?:i_?f|fluo?|ff|sdd)_?\d+|[a-z]+\d+_i?fluor", re.IGNORECASE)
_SPACING = re.compile(r"\bd(?:[ _-]?spacing)?\s*[=:]\s*(\d+\.\d+)\s*(?:A|\u212b|\u00c5|angstrom)\b", re.IGNORECASE)
_PLAIN, _KILO, _DEGREES = (30.0, 3e5), (0.2, 30.0), (1.0, 90.0)
_LONGEST = 300
"""Characters of a line that may state a time."""
_FROM_START = "Time from start (seconds)"


def guessed_settings(table: Table) -> dict[str, Any]:
    """Return ``columns``, ``units`` and ``time`` for the reader of columns; nothing if no column can be energies.

    Where none can, but the header states a d-spacing, a column that can be the monochromator's angle stands for them.
    """
    energy = _energy(table)
    if energy is None:
        return _angle(table)
    columns = _columns(table, energy)
    settings: dict[str, Any] = {"columns": columns}
    if _reads_as(_numbers(table, energy), _KILO):
        settings["units"] = {"energy": "keV"}
    time = _time(table.header)
    return {**settings, "time": time} if time else settings


def quantity(label: str) -> str | None:
    """Return the measured quantity that a label names, if it does."""
    named = (name for name, words in _WORDS.items() for word in words if re.fullmatch(word, label, re.IGNORECASE))
    return next(named, None)


def _columns(table: Table, energy: Column) -> dict[str, Column | list[Column]]:
    """Return the columns that labels explain; in a table of two columns the other one is mu."""
    columns: dict[str, Column | list[Column]] = {"energy": energy}
    for name, words in _WORDS.items():
        found = _first(table.labels, words, [str(taken) for taken in columns.values()])
        if found is not None:
            columns[name] = found
    elements = _elements(table, energy)
    if elements:
        columns["fluorescence"] = elements
    if len(columns) == 1 and table.values.shape[1] == 2:
        columns["mu"] = 1 - _position(table, energy)
    return columns


def _angle(table: Table) -> dict[str, Any]:
    """Return the first column that can be Bragg angles (degree), with the header's d-spacing (angstrom)."""
    spacing = next((float(match[1]) for line in table.header if (match := _SPACING.search(line))), None)
    columns = (k for k in range(table.values.shape[1]) if _reads_as(table.values[:, k], _DEGREES))
    angle = next(columns, None)
    if spacing is None or angle is None:
        return {}
    return {"columns": {"energy": angle}, "units": {"energy": "degree"}, "d_spacing": spacing}


def _elements(table: Table, energy: Column) -> list[Column]:
    """Return the columns of a detector with several elements: of one emission line, or numbered ones such as If1."""
    values = _numbers(table, energy) * (1e3 if _reads_as(_numbers(table, energy), _KILO) else 1.0)
    usable = values[np.isfinite(values) & (values > 0)]
    found = channels(table.labels, float(usable.min()), float(usable.max())) if usable.size else []
    found = found or [k for k, label in enumerate(table.labels) if _SEVERAL.fullmatch(label)]
    times = Counter(table.labels)
    alone = all(times[table.labels[k]] == 1 for k in found)
    return [table.labels[k] if alone else k for k in found] if len(found) > 1 else []


def _energy(table: Table) -> Column | None:
    """Return the label of the energies, those preferred whose numbers can be, else the first such column."""
    named = [found for words in _ENERGIES for found in _all(table.labels, words)]
    for found in named:
        if any(_reads_as(_numbers(table, found), scale) for scale in (_PLAIN, _KILO)):
            return found
    if named:
        return named[0]
    ranges = (_PLAIN, _KILO) if table.values.shape[1] == 2 else (_PLAIN,)
    hits = (k for scale in ranges for k in range(table.values.shape[1]) if _reads_as(table.values[:, k], scale))
    return next(hits, None)


def _reads_as(values: NDArray[np.float64], scale: tuple[float, float]) -> bool:
    """Whether numbers can be the energies of a scan: within the scale, rising or falling, within a factor of 3."""
    usable = values[np.isfinite(values) & (values > 0)]
    if usable.size < 3 or not scale[0] <= np.median(usable) < scale[1] or usable.max() > 3 * usable.min():
        return False
    steps = np.diff(usable)
    return bool(max(np.mean(steps > 0), np.mean(steps < 0)) > 0.9)


def _numbers(table: Table, column: Column) -> NDArray[np.float64]:
    return table.values[:, _position(table, column)]


def _first(labels: Sequence[str], words: Sequence[str], taken: Sequence[str]) -> str | None:
    """Return the first label, met only once, that is one of the words."""
    return next((label for label in _all(labels, words) if label not in taken), None)


def _all(labels: Sequence[str], words: Sequence[str]) -> list[str]:
    """Return the labels, met only once, that are one of the words, in the order of the words."""
    times = Counter(labels)
    free = [label for label in labels if times[label] == 1]
    return [label for word in words for label in free if re.fullmatch(word, label, re.IGNORECASE)]


def _position(table: Table, column: Column) -> int:
    return column if isinstance(column, int) else table.labels.index(column)


def _time(header: Sequence[str]) -> dict[str, str]:
    """Return the texts that stand before the times in the header."""
    time: dict[str, str] = {}
    for line in header:
        if len(line) > _LONGEST:
            continue
        match = _TIME.search(line.strip().lstrip(COMMENTS).strip())
        if match and parsed_time(match["time"]):
            key = "end" if re.search(r"\b(end|ended|stop|finish)", match["text"], re.IGNORECASE) else "start"
            time.setdefault(key, match["text"].strip())
    if "start" not in time:
        return {}
    if "end" not in time and any(_FROM_START in line for line in header) and _averaged(header):
        time["middle"] = _FROM_START
    return time


def _averaged(header: Sequence[str]) -> bool:
    """Whether the file is an average by extranormal, whose seconds count from the scan's own start to its middle."""
    return any("extranormal" in line for line in header)
