"""EPICS MDA as text, as the program mda2ascii writes it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from operando.errors import FileError
from operando.text_table import as_numbers

from .mda_scans import Floats, MdaColumn, MdaFile, MdaScan, described, readback_column

FIRST = re.compile(r"(?P<sign>\S{1,20}?)(?P=sign) mda2ascii\b.*generated output")
_FACT = re.compile(r"(?P<key>MDA File Version|Scan number|Overall scan dimension) = (?P<value>[\d.]+)")
_EXTRA = re.compile(r'Extra PV \d+: (?P<name>[^,]*), (?P<told>.*?), "(?P<value>.*)"(?:, (?P<unit>.*))?')
_POINT = re.compile(r"(?P<rank>\d{1,9})-D Scan Point")
_SCAN = re.compile(r"(?P<rank>\d{1,9})-D Scan")
_CURRENT = re.compile(r"Current point = (?P<point>\d{1,9}) of \d+")
_DONE = re.compile(r"Points completed = (?P<done>\d{1,9}) of (?P<requested>\d{1,9})")
_NAMED = re.compile(r"(?P<key>Scanner|Scan time) = (?P<value>.*)")
_COLUMN = re.compile(
    r"\d+\s+\[\s*(?:(?P<rank>\d+-D)\s*)?(?P<kind>Positioner|Detector|Index)\s*+\d*+\s*+\]\s*(?P<text>.*)"
)
_VALUES = re.compile(r"\d+-D Scan Values:?(?P<values>.*)")
_CELLS = re.compile(r"[,\s]+")
_SINGLE = 6


@dataclass
class _Block:
    """One scan as it stands in the text: what it says of itself, its columns (None for an index) and its rows."""

    rank: int
    point: int = 0
    done: int = 0
    requested: int = 0
    facts: dict[str, str] = field(default_factory=dict)
    columns: list[MdaColumn | None] = field(default_factory=list)
    single: list[bool] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)

    def values(self) -> Floats:
        """Return the rows as numbers, detectors in single precision as the file they come from has them."""
        width = len(self.columns)
        rows = [as_numbers(cells) for cells in self.rows if len(cells) == width]
        table = np.array(rows).reshape(len(rows), width)
        with np.errstate(over="ignore"):
            table = np.where(self.single, table.astype(np.float32), table)
        return table[:, [column is not None for column in self.columns]]


@dataclass
class _Text:
    """What has been read of a file."""

    file: MdaFile
    outer: list[_Block] = field(default_factory=list)
    block: _Block | None = None
    blocks: list[tuple[list[_Block], _Block]] = field(default_factory=list)

    def take_comment(self, text: str) -> None:
        """Take a line of the header or between scans."""
        if match := _FACT.fullmatch(text.removesuffix("-D").strip()):
            self._take_fact(match["key"], match["value"])
        elif match := _EXTRA.fullmatch(text.rstrip().rstrip(",")):
            value = f"{match['value']} {match['unit'] or ''}".strip()
            self.file.extra[described(match["name"], match["told"])] = value
        elif match := _POINT.fullmatch(text):
            self.outer = [one for one in self.outer if one.rank > int(match["rank"])] if self.block is None else []
            self.block = None
            self.outer.append(_Block(int(match["rank"])))
        elif match := _SCAN.fullmatch(text):
            self.block = _Block(int(match["rank"]))
            self.blocks.append((self.outer, self.block))
        elif current := self.block or (self.outer[-1] if self.outer else None):
            _take_header(current, text)

    def _take_fact(self, key: str, value: str) -> None:
        number = as_numbers([value, "0"])[0]
        if np.isfinite(number) and key == "Scan number":
            self.file.number = int(number)
        elif np.isfinite(number) and key == "MDA File Version":
            self.file.version = number
        elif np.isfinite(number):
            self.file.rank = int(number)


def mda_text(path: Path, text: str) -> MdaFile:
    """Return the scans of a text that mda2ascii wrote.

    Raises
    ------
    FileError
        If it is none, or holds no scan.
    """
    lines = text.splitlines()
    match = FIRST.match(lines[0]) if lines else None
    if not match:
        raise FileError(path, "the first line of mda2ascii", repr(lines[0][:40] if lines else ""), place="line 1")
    sign, read = match["sign"], _Text(MdaFile(0.0, 0, 0))
    for line in lines[1:]:
        if line.startswith(sign):
            read.take_comment(line.removeprefix(sign).strip())
        elif line.strip() and read.block is not None:
            read.block.rows.append([cell for cell in _CELLS.split(line.strip()) if cell])
    if not read.blocks:
        raise FileError(path, "a scan behind a line '1-D Scan'", "none", remedy="copy the file again")
    read.file.scans = [_scan(outer, block) for outer, block in read.blocks]
    return read.file


def _take_header(block: _Block, text: str) -> None:
    """Add a line to the scan or the point that it belongs to."""
    if match := _CURRENT.fullmatch(text):
        block.point = int(match["point"])
    elif match := _DONE.fullmatch(text):
        block.done, block.requested = int(match["done"]), int(match["requested"])
    elif match := _NAMED.fullmatch(text):
        block.facts[match["key"]] = match["value"].strip()
    elif match := _COLUMN.fullmatch(text):
        block.columns.append(_column(match["kind"], match["text"]))
        block.single.append(match["kind"] == "Detector")
    elif (match := _VALUES.fullmatch(text)) and match["values"].strip():
        block.rows.append(match["values"].split())


def _column(kind: str, text: str) -> MdaColumn | None:
    """Return a column from its line; descriptions may hold commas, which only the other fields cannot."""
    if kind == "Index":
        return None
    fields = [part.strip() for part in f"{text} ".split(", ")]
    if kind == "Positioner" and len(fields) == _SINGLE + 1:
        name, told, _, unit, *readback = fields
        return readback_column((name, told, unit), readback)
    return MdaColumn(fields[0], ", ".join(fields[1:-1]), fields[-1] if len(fields) > 1 else "")


def _scan(outer: Sequence[_Block], block: _Block) -> MdaScan:
    readings: dict[str, float] = {}
    for one in outer:
        readings |= _as_scan("", one).readings(0) if one.rows and len(one.values()) else {}
    entry = ".".join(str(one.point) for one in outer)
    scan = _as_scan(entry, block)
    scan.outer = readings
    return scan


def _as_scan(entry: str, block: _Block) -> MdaScan:
    columns = [column for column in block.columns if column is not None]
    wanted = max(block.requested, block.done)
    facts = block.facts
    scanner, time = facts.get("Scanner", ""), facts.get("Scan time", "")
    return MdaScan(entry, block.rank, scanner, time, wanted, columns, block.values())
