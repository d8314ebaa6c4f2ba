"""Cycler logs as plain columns of text: by the recipe's names, in the Battery Data Format, and Maccor's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from operando.clock import Times, to_ns, to_utc
from operando.errors import FileError
from operando.flags import Flag
from operando.sniff import Format, Head, head
from operando.units import convert, parse

from .log import build, elapsed_times, joined_parts, local_and_elapsed

Array = npt.NDArray[np.float64]
Label = str | int

_SEPARATORS = ("\t", ";", ",", "|")
_DEFAULT_UNITS = {"time": "s", "elapsed": "s", "voltage": "V", "current": "A", "cycler_charge": "C"}
_NAMES = ("time", "elapsed", "voltage", "current", "cycler_charge", "cycler_cycle", "cycler_half_cycle", "step", "sign")
_UNIX = "unix"
_PLAIN_SECONDS = re.compile(r"\d{1,10}(?:\.\d*)?")
_MISSING = {"", "nan", "inf", "-inf", "+inf"}

_BDF = {
    "unix_time": ("Unix Time / s", "unix_time_second"),
    "elapsed": ("Test Time / s", "test_time_second"),
    "voltage": ("Voltage / V", "voltage_volt"),
    "current": ("Current / A", "current_ampere"),
    "cycler_charge": ("Net Capacity / Ah", "net_capacity_ah"),
    "cycler_cycle": ("Cycler Cycle Count / 1", "Cycle Count / 1", "cycle_count"),
    "cycler_half_cycle": ("Cycler Half Cycle Count / 1",),
    "step": ("Program Step / 1", "Step Index / 1", "step_index", "Step Count / 1", "step_count"),
}
_SEGMENT = "Segment / 1"
"""Column of this program's own files: pieces of the log between gaps and files."""
_MACCOR = {
    "time": "DPT Time",
    "elapsed": "TestTime",
    "voltage": "Voltage [V]",
    "current": "Current [A]",
    "cycler_cycle": "Cycle C",
    "step": "Step",
    "sign": "Md",
}


@dataclass(frozen=True)
class _Plan:
    """How to read a table: the settings of the reader in one place."""

    columns: Mapping[str, Label]
    units: Mapping[str, str] = field(default_factory=dict)
    start: str | None = None
    form: str | None = None
    negative: tuple[str, ...] = ()

    def unit(self, name: str) -> str:
        return self.units.get(name, _DEFAULT_UNITS.get(name, "1"))


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    columns: Mapping[str, Label],
    units: Mapping[str, str] | None = None,
    start: str | None = None,
    time_format: str | None = None,
    negative: Sequence[str] = (),
) -> xr.Dataset:
    """Return the log in a table of text with any separator and a decimal point or comma.

    Parameters
    ----------
    path
        The file.
    timezone
        Zone of ``start`` or of the local times in the file.
    columns
        Label, or index from 0, of ``time`` and ``voltage`` and, where present, of ``current``,
        ``elapsed``, ``cycler_charge``, ``cycler_cycle``, ``cycler_half_cycle``, ``step`` and ``sign``.
        ``elapsed`` beside ``time`` gives the fraction of a second and decides an hour that occurs twice.
    units
        Units in the file where they are not s, V, A and C. ``time = "unix"`` is seconds since 1970 in UTC.
    start
        Local time (ISO) at which ``time``, then a number, is 0. Without it ``time`` holds local times.
    time_format
        ``strptime`` format of the local times, ISO by default.
    negative
        Texts of the column ``sign`` that make the current negative, for a log that writes its size only.

    Raises
    ------
    FileError
        If a column is missing, a value is no number, or the times are not understood.

    Notes
    -----
    A last line that is cut off is left out and the sample before it flagged ``truncated``; empty and infinite
    values are kept as NaN and flagged ``not_finite``.
    """
    unknown = sorted(set(columns) - set(_NAMES)) or sorted(set(units or {}) - set(_NAMES))
    if unknown:
        raise FileError(path, f"columns and units named {', '.join(_NAMES)}", repr(unknown[0]))
    plan = _Plan(dict(columns), dict(units or {}), start, time_format, tuple(negative))
    return _read(Path(path), plan, timezone, "columns", {})


def read_bdf(path: str | Path, *, timezone: str | None = None, start: str | None = None) -> xr.Dataset:
    """Return the log in a text file with the names of the Battery Data Format.

    ``Unix Time / s`` gives the times where the file has it; else ``Test Time / s`` counts from ``start``. The net
    capacity is the counter of the charge. A column ``Segment / 1``, which exports of this program have, tells gaps.

    Raises
    ------
    FileError
        As :func:`read`; also if the file has no Unix time and no ``start`` is given.
    """
    labels = _bdf_labels(head(path))
    found = {
        name: next(label for label in known if label in labels)
        for name, known in _BDF.items()
        if any(label in labels for label in known)
    }
    units = {"time": "s", "cycler_charge": "A*h"}
    unix, elapsed = found.pop("unix_time", None), found.pop("elapsed", None)
    if unix is not None and start is None:
        found["time"], units["time"] = unix, _UNIX
    elif elapsed is not None:
        found["time"] = elapsed
        if start is None:
            raise FileError(path, "'Unix Time / s'", "no absolute time", remedy="give start = '2022-07-26 22:38:30'")
    if _SEGMENT in labels:
        found["segment"] = _SEGMENT
    return _read(Path(path), _Plan(found, units, start), timezone, "bdf", {})


def read_maccor(path: str | Path, *, timezone: str | None = None, day_first: bool = False) -> xr.Dataset:
    """Return the log in a Maccor text export; ``Md`` gives the sign of the current, ``TestTime`` is in minutes.

    Raises
    ------
    FileError
        As :func:`read`.
    """
    form = "%d/%m/%Y %I:%M:%S %p" if day_first else "%m/%d/%Y %I:%M:%S %p"
    plan = _Plan(_MACCOR, {"elapsed": "min"}, form=form, negative=("D",))
    lines = head(path).lines[:12]
    header = {key.strip(): value.strip() for key, tab, value in (line.partition("\t") for line in lines) if tab}
    return _read(Path(path), plan, timezone, "maccor", {"header": {k: v for k, v in header.items() if k != "Rec"}})


def _read(path: Path, plan: _Plan, timezone: str | None, reader: str, metadata: dict[str, Any]) -> xr.Dataset:
    for name in ("time", "voltage"):
        if name not in plan.columns:
            raise FileError(path, f"a column for {name!r}", "none", remedy=f"name it in columns = {{ {name} = '...' }}")
    table = _Table(path, plan)
    values = {
        name: _converted(table.number(name), plan.unit(name), _DEFAULT_UNITS.get(name, "1"))
        for name in plan.columns
        if name not in ("time", "elapsed", "sign", "segment")
    }
    if "sign" in plan.columns and "current" in values:
        opposite = np.array([text.strip() in plan.negative for text in table.text("sign")])
        values["current"] = np.where(opposite, -abs(values["current"]), values["current"])
    if "step" in values:
        values["step"] = np.nan_to_num(values["step"], nan=-1)
    segment = table.number("segment") if "segment" in plan.columns else np.zeros(len(table.rows))
    flag = joined_parts(segment.size, np.flatnonzero(np.diff(segment) != 0) + 1)
    notes: tuple[str, ...] = ()
    if table.truncated:
        flag[-1] |= int(Flag.truncated)
        notes = (f"line {table.truncated} is cut off and was left out",)
    return build(path, reader, _times(table, plan, timezone), values, metadata=metadata, notes=notes, flag=flag)


def _converted(values: Array, have: str, want: str) -> Array:
    parse(have)
    return convert(values, have, want)


class _Table:
    """The rows of a text file below the line that holds the labels."""

    def __init__(self, path: Path, plan: _Plan) -> None:
        self.path, self.plan = path, plan
        lines = _decoded(path).splitlines()
        named = [label for label in plan.columns.values() if isinstance(label, str)]
        top, self.separator, labels = self._labels(lines, named)
        self.index = {
            name: labels.index(label) if isinstance(label, str) else label for name, label in plan.columns.items()
        }
        first = top + 1 if named else self._first_numbers(lines)
        numbered = [(number, line) for number, line in enumerate(lines[first:], first + 1) if line.strip()]
        self.rows = [self._split(line) for _, line in numbered]
        self.numbers = [number for number, _ in numbered]
        self.truncated = self._drop_cut_line(len(labels))
        if not self.rows:
            raise FileError(path, "rows below the labels", "none", place=f"line {first + 1}")
        self._check_width(len(labels))
        self.decimal = "," if self.separator != "," and self._has_comma() else "."

    def _split(self, line: str) -> list[str]:
        return line.split(self.separator) if self.separator else line.split()

    def _labels(self, lines: list[str], named: list[str]) -> tuple[int, str, list[str]]:
        """Return the line that holds every label, its separator and the labels."""
        for number, line in enumerate(lines):
            for separator in (*_SEPARATORS, ""):
                fields = [text.strip().strip('"') for text in (line.split(separator) if separator else line.split())]
                if len(fields) > 1 and (set(named) <= set(fields)) and (named or _is_number(fields[0])):
                    return number, separator, fields
        best = max(lines[:200], key=lambda line: sum(label in line for label in named), default="")
        missing = next((label for label in named if label not in best), "")
        raise FileError(
            self.path,
            f"a line with the labels {', '.join(map(repr, named))}" if named else "rows of numbers",
            f"none; {missing!r} is not in {best[:120]!r}",
            remedy="give the labels as the file writes them, or indices",
        )

    def _first_numbers(self, lines: list[str]) -> int:
        want = [index for name, index in self.index.items() if name == "voltage"]
        for number, line in enumerate(lines):
            fields = self._split(line)
            if all(index < len(fields) and _is_number(fields[index]) for index in want):
                return number
        raise FileError(self.path, "rows of numbers", "none", remedy="check the column indices, which count from 0")

    def _drop_cut_line(self, width: int) -> int:
        if self.rows and len(self.rows[-1]) < min(width, 1 + max(self.index.values())):
            self.rows.pop()
            return self.numbers.pop()
        return 0

    def _check_width(self, width: int) -> None:
        need = 1 + max(self.index.values())
        for number, row in zip(self.numbers, self.rows, strict=True):
            if len(row) < need or len(row) > width + 1:
                raise FileError(self.path, f"{width} columns", str(len(row)), place=f"line {number}")

    def _has_comma(self) -> bool:
        index = self.index["voltage"]
        return any("," in row[index] for row in self.rows[:1000])

    def text(self, name: str) -> list[str]:
        index = self.index[name]
        return [row[index].strip().strip('"') for row in self.rows]

    def number(self, name: str) -> Array:
        """Return a column as numbers; an empty or infinite value is NaN."""
        texts = self.text(name)
        if self.decimal == ",":
            texts = [text.replace(",", ".") for text in texts]
        try:
            # One by one: an array of texts is as wide everywhere as its longest.
            values = np.fromiter((float(text or "nan") for text in texts), np.float64, len(texts))
        except ValueError:
            number, text = next(
                pair
                for pair in zip(self.numbers, texts, strict=True)
                if pair[1].lower() not in _MISSING and not _reads(pair[1])
            )
            raise FileError(self.path, f"a number for {name!r}", repr(text[:40]), place=f"line {number}") from None
        return np.where(np.isfinite(values), values, np.nan)


def _reads(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_number(text: str) -> bool:
    return _reads(text.strip().replace(",", "."))


def _times(table: _Table, plan: _Plan, timezone: str | None) -> Times:
    place = f"column {plan.columns['time']!r}"
    if plan.unit("time") == _UNIX:
        return np.datetime64(0, "ns") + _exact_ns(table)
    if plan.start is not None:
        seconds = convert(table.number("time"), plan.unit("time"), "s")
        return elapsed_times(to_utc(plan.start, timezone, file=table.path, place="start"), seconds)
    texts = table.text("time")
    if _is_number(texts[0]):
        raise FileError(
            table.path,
            "local times",
            f"the number {texts[0]}",
            place=place,
            remedy="give start = '2022-07-26 22:38:30' for seconds that count from it, or units time = 'unix'",
        )
    if "elapsed" not in plan.columns:
        times: Times = to_utc(texts, timezone, file=table.path, place=place, form=plan.form)
        return times
    naive: Times = to_utc(texts, "UTC", file=table.path, place=place, form=plan.form)
    elapsed = convert(table.number("elapsed"), plan.unit("elapsed"), "s")
    return local_and_elapsed(naive, elapsed, timezone, table.path, place)


def _exact_ns(table: _Table) -> npt.NDArray[np.timedelta64]:
    """Return seconds since 1970 to the nanosecond, which are more digits than a float has."""
    seconds = table.number("time")
    rounded = to_ns(seconds)
    texts = [text.replace(",", ".") for text in table.text("time")]
    if not all(_PLAIN_SECONDS.fullmatch(text) for text in texts):
        return rounded
    parts = [text.partition(".") for text in texts]
    whole = np.array([int(part[0]) for part in parts], np.int64)
    fraction = np.array([int(part[2].ljust(9, "0")[:9] or "0") for part in parts], np.int64)
    return (whole * 10**9 + fraction).astype("m8[ns]")


def _decoded(path: Path) -> str:
    head(path)
    data = path.read_bytes().replace(b"\x00", b"")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _bdf_labels(start: Head) -> list[str]:
    line = start.lines[0] if start.lines else ""
    return [text.strip().strip('"') for text in re.split(r"[,;\t]", line)]


def _is_bdf(start: Head) -> bool:
    labels = _bdf_labels(start)
    return start.is_text and all(any(text in labels for text in _BDF[name]) for name in ("voltage", "current"))


def _is_maccor(start: Head) -> bool:
    return start.is_text and any(
        line.startswith("Rec\t") and all(label in line for label in _MACCOR.values()) for line in start.lines[:40]
    )


def _is_table(start: Head) -> bool:
    rows = (re.split(r"[,;\t| ]+", line.strip()) for line in start.lines[:400])
    return start.is_text and any(len(row) > 1 and any(map(_is_number, row)) for row in rows)


BDF = Format("bdf", "echem", "text in the Battery Data Format", _is_bdf, read_bdf)
MACCOR = Format("maccor", "echem", "Maccor text", _is_maccor, read_maccor)
COLUMNS = Format("columns", "echem", "columns of text, named in the recipe", _is_table, read, specific=False)
