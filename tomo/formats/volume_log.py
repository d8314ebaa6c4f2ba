"""A text beside volumes that says when each was measured, and perhaps how large its voxels are."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from operando.errors import FileError, OperandoError, OperandoWarning
from operando.folders import require_declared
from operando.header_times import Span, span
from operando.log_table import LogTable, parse
from operando.sniff import Head, head
from operando.units import factor

from .scan import Found

COLUMNS = ("folder", "start", "end")
KEYS = (*COLUMNS, "duration", "format", "delimiter")
FILE = "file"
_VOXEL = re.compile(r"(?:voxel|pixel) ?size\s*\(\s*(\S+)\s*\)\s*[=:]\s*(\S+)", re.IGNORECASE)
_SLICES = re.compile(r"slices[^=:\d]*[=:]\s*(\d{1,9})\s*$", re.IGNORECASE)
_MOST_BYTES = 2**26
_LOOKED_AT = 40
"""Lines from which the column of the volumes is told."""
_SUFFIXES = ("", ".tif", ".tiff", ".h5", ".hdf5", ".nxs", ".zarr", ".ome.zarr")

Columns = Mapping[str, str | int]


@dataclass(frozen=True)
class Entry:
    """One volume of a log: its folder or file as named there, and what reads from its line when it was measured."""

    name: str
    taken: Callable[[], Span]

    @cached_property
    def span(self) -> Span:
        """When it was measured, read when asked for: who wants one volume of many reads one line.

        Raises
        ------
        FileError
            If a time cannot be read.
        """
        return self.taken()


@dataclass(frozen=True)
class VolumeLog:
    """A log's entries, and what its header says of all volumes."""

    path: Path
    entries: tuple[Entry, ...]
    voxel: float | None
    slices: int | None
    header: list[str]
    lost: list[int]

    def entry(self, path: Path) -> Entry:
        """Return the entry of a volume.

        Raises
        ------
        FileError
            If there is none, or more than one.
        """
        found = [one for one in self.entries if _last(one.name) in _names(path)]
        if len(found) != 1:
            got = f"{len(found)} among {len(self.entries)} lines"
            raise FileError(
                self.path, f"one line for {path.name}", got, remedy="name another log, or its column 'folder'"
            )
        return found[0]


def read_log(path: Path, settings: Mapping[str, Any], timezone: str | None) -> VolumeLog:
    """Return what a log says.

    Raises
    ------
    FileError
        If it holds no such table, or a column cannot be told.
    OperandoError
        If a setting is unknown.
    """
    unknown = [key for key in settings if key not in KEYS]
    if unknown:
        raise OperandoError(f"{path}: log: expected keys among {FILE}, {', '.join(KEYS)}, got {unknown[0]!r}")
    table = _table(head(path), settings.get("delimiter"))
    columns = {**guess(table, path.parent), **{key: settings[key] for key in COLUMNS if key in settings}}
    at = {name: _index(path, table, name, column) for name, column in columns.items()}
    if "folder" not in at:
        raise FileError(path, "a column of the volumes' folders", _labelled(table), remedy="name it, as folder = '...'")
    entries = [Entry(row[at["folder"]], partial(_span, path, row, at, settings, timezone)) for row in table.rows]
    voxel, slices = header_says(table.header)
    return VolumeLog(path, tuple(entries), voxel, slices, table.header, table.lost)


def log_of(path: Path, log: str | Mapping[str, Any] | None, timezone: str | None) -> VolumeLog | None:
    """Return the log that settings name, beside a volume.

    Raises
    ------
    FileError
        As :func:`read_log`.
    OperandoError
        If the setting is neither a name nor a table with ``file``.
    """
    if log is None:
        return None
    settings = {FILE: log} if isinstance(log, str) else log
    if not isinstance(settings, Mapping) or not isinstance(settings.get(FILE), str):
        said = f"expected the name of a text beside the volume, or a table with {FILE!r}, got {log!r}"
        raise OperandoError(f"{path}: log: {said}")
    rest = {key: value for key, value in settings.items() if key != FILE}
    named = path.parent / settings[FILE]
    require_declared(named)
    return read_log(named, rest, timezone)


def logged(found: Found, log: VolumeLog | None, volume: Path) -> Found:
    """Return what was found with the times of its log, and its edge of a voxel where the volume states none.

    Raises
    ------
    FileError
        If the log has no line for the volume, or more than one, or a time of that cannot be read.
    """
    if log is None:
        return found
    metadata, said = {**found.metadata, "log": log.header}, list(found.remarks)
    by_log = (log.voxel,) * 3 if log.voxel is not None else None
    if found.voxel is not None and by_log is not None and not math.isclose(found.voxel[-1], by_log[-1], rel_tol=1e-3):
        text = f"the volume states a voxel of {found.voxel[-1]:g} um, which is taken, its log {by_log[-1]:g} um"
        warnings.warn(OperandoWarning(f"{found.path}: {text}"), stacklevel=2)
        said.append(text)
    voxel = found.voxel or by_log
    return replace(found, span=log.entry(volume).span, voxel=voxel, metadata=metadata, remarks=said)


def expected(slices: int | None, log: VolumeLog | None) -> int | None:
    """Return how many slices there should be: as the settings say, else as the log does."""
    return slices if slices is not None or log is None else log.slices


def named_beside(start: Head) -> list[Path]:
    """Return the folders and files beside a text that its lines name, of up to 40 lines; none if most name none."""
    try:
        table = parse(start.path, start.text)
    except FileError:
        return []
    at, folder = guess(table, start.path.parent).get("folder"), start.path.parent
    found = [] if at is None else [beside(folder, row[at]) for row in table.rows[:_LOOKED_AT]]
    return [path for path in found if path is not None]


def guess(table: LogTable, folder: Path) -> dict[str, int]:
    """Return the columns that can be told: names of what lies beside the log, and labels of start and end."""
    found: dict[str, int] = {}
    rows = table.rows[:: max(len(table.rows) // _LOOKED_AT, 1)]
    inside = _inside(folder)
    hits = [sum(beside(folder, row[k], inside) is not None for row in rows) for k in range(table.width)]
    if max(hits) > 0 and 2 * max(hits) >= len(rows):
        found["folder"] = hits.index(max(hits))
    for name in ("start", "end"):
        labelled = [k for k, label in enumerate(table.labels) if name in re.split(r"[\s_.]+", label.lower())]
        if len(labelled) == 1:
            found[name] = labelled[0]
    return found


def header_says(header: Sequence[str]) -> tuple[float | None, int | None]:
    """Return the edge of a voxel (um) and the number of slices, as far as a header states them."""
    voxel = slices = None
    for line in header:
        size, count = _VOXEL.search(line), _SLICES.search(line)
        if size is not None:
            voxel = _length(size[2], size[1])
        if count is not None:
            slices = int(count[1])
    return voxel, slices


def _length(number: str, unit: str) -> float | None:
    try:
        length = float(number) * factor(unit, "um")
    except (ValueError, OperandoError):
        return None
    return length if 0 < length < float("inf") else None


def _table(start: Head, delimiter: str | None) -> LogTable:
    if start.path.stat().st_size > _MOST_BYTES:
        raise FileError(start.path, f"a log of at most {_MOST_BYTES >> 20} MiB", f"{start.path.stat().st_size} bytes")
    data = start.path.read_bytes()
    if b"\x00" in data:
        raise FileError(start.path, "text", "binary data", place=f"byte {data.index(0)}", remedy="name the log instead")
    return parse(start.path, Head(start.path, data).text, delimiter)


def _inside(folder: Path) -> set[str] | None:
    """Return what lies in a folder, as file systems compare names that care least; None if it cannot be listed."""
    with suppress(OSError):
        return {path.name.casefold() for path in folder.iterdir()}
    return None


def beside(folder: Path, name: str, inside: Collection[str] | None = None) -> Path | None:
    """Return the folder or file that a log in ``folder`` names, None if there is none.

    Any system may have written the log. Names may lead down from the log, and leave out the ending of a file.
    ``inside`` is what lies in the folder, for many names: file systems are asked for those alone that begin as one.
    """
    plain = name.strip().strip('"').replace("\\", "/").strip("/").removeprefix("./")
    within = ":" not in plain and ".." not in plain.split("/")
    for way in ([plain] if within else []) + [_last(name)]:
        for suffix in _SUFFIXES if way.strip(". ") else ():
            if inside is not None and f"{way}{suffix}".split("/", 1)[0].casefold() not in inside:
                continue
            with suppress(OSError, ValueError):
                if (folder / f"{way}{suffix}").exists():
                    return folder / f"{way}{suffix}"
    return None


def _names(path: Path) -> set[str]:
    """Return what a log may call a file or a folder: its name, with or without its ending."""
    return {path.name, *(path.name.removesuffix(suffix) for suffix in _SUFFIXES)}


def _last(name: str) -> str:
    """Return the last part of a path, whatever the system that wrote it."""
    return name.strip().strip('"').replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def _index(path: Path, table: LogTable, name: str, column: str | int) -> int:
    if isinstance(column, int) and not isinstance(column, bool) and 0 <= column < table.width:
        return column
    hits = [k for k, label in enumerate(table.labels) if label.lower() == str(column).strip().lower()]
    if len(hits) != 1:
        remedy = "give a label or a number from 0"
        raise FileError(path, f"a column {column!r}", _labelled(table), place=f"log.{name}", remedy=remedy)
    return hits[0]


def _labelled(table: LogTable) -> str:
    return ", ".join(map(repr, table.labels)) or f"0 to {table.width - 1}, without labels"


def _span(
    path: Path, row: Sequence[str], at: Mapping[str, int], settings: Mapping[str, Any], timezone: str | None
) -> Span:
    if "start" not in at:
        return Span()
    duration = settings.get("duration")
    if duration is not None and not (isinstance(duration, int | float) and 0 <= duration < float("inf")):
        raise OperandoError(f"{path}: log.duration: expected seconds, got {duration!r}")
    end = row[at["end"]] if "end" in at else None
    return span(path, row[at["start"]], timezone=timezone, pattern=settings.get("format"), end=end, duration=duration)
