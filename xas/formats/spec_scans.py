"""The text of a SPEC file as its scans, each with its header and its table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from operando.errors import FileError
from operando.text_table import Table, as_numbers

_HEADER = re.compile(r"#(@?[A-Za-z]+)(\d*)\s?(.*)")
_COUNTED = re.compile(r"(?:[adz](\d?)scan|lup)$")
_WIDE = re.compile(r"\s{2,}|\t")


@dataclass
class _FileHeader:
    """What ``#E`` and ``#O`` say for all scans that follow."""

    epoch: float | None = None
    motors: list[str] = field(default_factory=list)


@dataclass
class SpecScan:
    """One scan: its number, how often the number was used before, its header and its table."""

    number: int
    order: int
    command: str
    epoch: float | None
    motors: Sequence[str]
    date: str = ""
    columns: int | None = None
    labels: str = ""
    positions: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    further: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    spectra: int = 0
    broken_off: bool = False
    table: Table | None = None

    @property
    def key(self) -> str:
        """What names the scan within its file."""
        return f"{self.number}.{self.order}"

    @property
    def truncated(self) -> bool:
        """Whether the scan has fewer points than it was to have."""
        wanted = _points(self.command)
        aborted = any("aborted" in comment.lower() for comment in self.comments)
        return self.broken_off or aborted or (wanted is not None and len(self.rows) < wanted)

    @property
    def metadata(self) -> dict[str, Any]:
        """The header by words; the positions of the motors by their names."""
        stated = {"number": self.number, "command": self.command, "date": self.date, **self.further}
        motors = {
            f"motor {name}": position for name, position in zip(self.motors, self.positions, strict=False) if name
        }
        labels = list(self.table.labels) if self.table else []
        return {**stated, **motors, "comments": self.comments, "labels": labels}


def scans_in(path: Path, text: str) -> list[SpecScan]:
    """Return the scans of a file in its order.

    Raises
    ------
    FileError
        If there is none.
    """
    file = _File()
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        file.take(number, line)
    if not file.scans:
        raise FileError(path, "scans, each behind a line '#S number command'", "none")
    if file.within and not text.endswith(("\n", "\r")):
        _break_off(file.scans[-1], len(lines))
    return [_complete(one) for one in file.scans]


@dataclass
class _File:
    """What has been read of a file; ``within`` a scan, or in the header of the file."""

    head: _FileHeader = field(default_factory=_FileHeader)
    scans: list[SpecScan] = field(default_factory=list)
    used: Counter[int] = field(default_factory=Counter)
    within: bool = False
    continued: bool = False

    def take(self, number: int, line: str) -> None:
        """Take one line to where it belongs."""
        if self.continued or line.startswith("@"):
            self.continued = line.rstrip().endswith("\\")
            if self.within and line.startswith("@"):
                self.scans[-1].spectra += 1
        elif match := _HEADER.match(line):
            self._take_header(match)
        elif self.within and line.strip() and not line.startswith("#"):
            self.scans[-1].rows.append((number, line.split()))

    def _take_header(self, match: re.Match[str]) -> None:
        key = match[1] + match[2]
        if key == "S":
            self.scans.append(_begun(match[3], self.head, self.used))
            self.within = True
        elif key == "F":
            self.head, self.within = _FileHeader(), False
        elif self.within:
            _take_header(self.scans[-1], match)
        else:
            _take_file_header(self.head, match)


def _break_off(one: SpecScan, last: int) -> None:
    """Note that the file ends within a line; the line is left out if it is one of numbers."""
    one.broken_off = True
    if one.rows and one.rows[-1][0] == last:
        one.rows.pop()
        one.remarks.append(f"line {last} breaks off and is left out")


def _begun(text: str, head: _FileHeader, used: Counter[int]) -> SpecScan:
    number, _, command = text.strip().partition(" ")
    value = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0
    used[value] += 1
    return SpecScan(value, used[value], command.strip(), head.epoch, head.motors)


def _take_file_header(head: _FileHeader, match: re.Match[str]) -> None:
    if match[1] == "O":
        head.motors = [*head.motors, *_names(match[3], 0)]
    elif match[1] == "E":
        head.epoch = next((value for value in as_numbers([match[3].strip(), "0"])[:1] if np.isfinite(value)), None)


def _take_header(one: SpecScan, match: re.Match[str]) -> None:
    """Add a header line to its scan; a date or labels count where they first stand."""
    key, text = match[1], match[3].strip()
    if key == "D":
        one.date = one.date or text
    elif key == "L":
        one.labels = one.labels or text
    elif key == "N":
        count = text.split()[0] if text else ""
        one.columns = int(count) if count.isascii() and count.isdigit() and len(count) < 6 else one.columns
    elif key == "P":
        one.positions += text.split()
    elif key == "C":
        one.comments.append(text)
    elif text and key not in ("O", "o", "j", "J"):
        one.further[f"{key}{match[2]}"] = text


def _complete(one: SpecScan) -> SpecScan:
    """Return a scan with its table, if its rows make one."""
    if one.spectra:
        one.remarks.append(f"{one.spectra} spectra of multichannel analyzers (lines '@') are passed over")
    widths = Counter(len(cells) for _, cells in one.rows)
    if not widths:
        return one
    stated = one.columns or 0
    width = stated if stated in widths else max(widths, key=lambda size: (widths[size], size))
    labels = _names(one.labels, width)
    if len(labels) != width:
        one.remarks.append(f"the line of labels has {len(labels)} of {width} columns: name columns by number")
        labels = []
    lost = [number for number, cells in one.rows if len(cells) != width]
    if lost:
        listed = ", ".join(map(str, lost[:10])) + (" ..." if len(lost) > 10 else "")
        one.remarks.append(f"lines with a wrong number of columns left out: {listed}")
    values = np.array([as_numbers(cells) for _, cells in one.rows if len(cells) == width])
    if width > 1:
        one.table = Table([], labels, values, lost, bool(lost) and lost[-1] == one.rows[-1][0])
    return one


def _names(text: str, width: int) -> list[str]:
    """Return labels, apart by two spaces or a tab; by one where only that gives as many as there are columns."""
    wide = [name for name in _WIDE.split(text.strip()) if name]
    return text.split() if len(wide) != width == len(text.split()) else wide


def _points(command: str) -> int | None:
    """Return how many points the command of a counted scan asks for; None if that is not known.

    ``ascan motor start end intervals time`` measures one point more than it has intervals; ``a2scan`` moves two
    motors, and so on.
    """
    words = command.split()
    match = _COUNTED.match(words[0]) if words else None
    if not match:
        return None
    at = 1 + 3 * int(match[1] or 1)
    count = words[at] if len(words) > at else ""
    return int(count) + 1 if count.isascii() and count.isdigit() and len(count) < 8 else None
