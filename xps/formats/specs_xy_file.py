"""The blocks of a SPECS ``.xy`` export: comment lines that head them, and rows of numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError, printable
from operando.sniff import Head

Floats = NDArray[np.float64]

_CREATED = re.compile(r"(\S{1,8}?)\s*Created by:\s+SpecsLab")
_CURVE = re.compile(r"Cycle:\s*(\d{1,9}),\s*Curve:\s*(\d{1,9})(?:,\s*Scan:\s*(\d{1,9}))?(?:,\s*Channel:\s*(\d{1,9}))?")
_CYCLE = re.compile(r"Cycle:\s*\d{1,9}")
_ASIDE = re.compile(r"(External Channel Data|Operation|Result Name|Curve)\b.*")
_OF_A_REGION = {
    *("Spectrum ID", "Analysis Method", "Analyzer", "Analyzer Lens", "Analyzer Slit", "Scan Mode", "Curves/Scan"),
    *("Values/Curve", "Dwell Time", "Excitation Energy", "Kinetic Energy", "Binding Energy", "Pass Energy"),
}
_MOST_BYTES = 2**29
_AGAIN = "copy it again"


@dataclass
class Region:
    """One region: its fields, its group, and its blocks."""

    name: str
    group: str
    line: int
    fields: dict[str, str] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)


@dataclass
class Block:
    """The rows of one curve; ``line`` is that of its heading, ``fields`` are those of its cycle and its own."""

    cycle: int
    curve: int
    scan: int | None
    channel: int | None
    line: int
    fields: dict[str, str]
    rows: list[str] = field(default_factory=list)
    cut: bool = False
    """Whether the file ends within the last row."""

    @property
    def labels(self) -> list[str]:
        """The names of the columns."""
        return self.fields.get("ColumnLabels", "").split()

    def table(self, path: Path, points: int) -> Floats:
        """Return the rows as numbers, (row, column); a last row that the end of the file cuts is left out.

        Raises
        ------
        FileError
            If a row is no row of as many numbers as there are columns, or there are more rows than ``points``.
        """
        place = f"rows below line {self.line}"
        rows = [line.split() for line in self.rows]
        if self.cut and rows and (len(rows) < points or len(rows[-1]) != len(self.labels)):
            rows.pop()
        if len(rows) > points:
            raise FileError(path, f"{points} rows", str(len(rows)), place=place, remedy=_AGAIN)
        wrong = next((k for k, cells in enumerate(rows) if len(cells) != len(self.labels)), None)
        if wrong is not None:
            expected = f"{len(self.labels)} columns ({', '.join(self.labels)})"
            raise FileError(path, expected, repr(self.rows[wrong][:60]), place=place, remedy=_AGAIN)
        try:
            # One by one: an array of texts is as wide everywhere as its longest.
            numbers = np.fromiter((float(cell) for cells in rows for cell in cells), np.float64)
        except ValueError as error:
            raise FileError(path, "numbers", str(error).rpartition(": ")[2], place=place, remedy=_AGAIN) from None
        return numbers.reshape(len(rows), len(self.labels))


@dataclass
class XyFile:
    """A whole file: the settings of the export, its regions, and the names of what stands beside the spectra.

    ``open_end`` says that it ends within a comment.
    """

    path: Path
    settings: dict[str, str] = field(default_factory=dict)
    regions: list[Region] = field(default_factory=list)
    asides: dict[str, int] = field(default_factory=dict)
    open_end: bool = False

    @property
    def broken_off(self) -> bool:
        """Whether the file ends before its last curve does, or within a comment."""
        last = self.regions[-1] if self.regions else None
        if self.open_end or last is None or not last.blocks:
            return True
        stated = last.fields.get("Values/Curve", "")
        return (
            not self.asides
            and stated.isascii()
            and stated.isdigit()
            and len(stated) < 10
            and len(last.blocks[-1].rows) < int(stated)
        )


def prefix_of(start: Head) -> str | None:
    """Return the sign of a comment, if the file begins as SpecsLab's exports do."""
    match = _CREATED.match(start.lines[0]) if start.is_text and start.lines else None
    return match[1] if match else None


def parsed(path: Path, prefix: str) -> XyFile:
    """Return the regions of a file with their blocks, whose rows are still text.

    Raises
    ------
    FileError
        If rows stand where no curve is announced, or a region begins without its name.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise FileError(path, f"at most {_MOST_BYTES >> 20} MiB", f"{path.stat().st_size >> 20} MiB")
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    lines = re.split(r"\r\n|\n|\r", text)
    state = _State(XyFile(path))
    for number, line in enumerate(lines, start=1):
        if line.startswith(prefix):
            state.comment(number, line[len(prefix) :])
        elif line.strip():
            state.row(number, line, cut=number == len(lines))
    state.file.open_end = bool(lines[-1].strip()) and (lines[-1].startswith(prefix) or prefix.startswith(lines[-1]))
    return state.file


class _State:
    """What the lines before say about the next one."""

    def __init__(self, file: XyFile) -> None:
        self.file = file
        self.group = ""
        self.cycle: dict[str, str] = {}
        self.block: Block | None = None
        self.aside = ""

    def comment(self, number: int, text: str) -> None:
        bare = printable(text.strip())
        key, colon, value = (part.strip() for part in bare.partition(":"))
        curve = _CURVE.fullmatch(bare)
        if curve and self.file.regions:
            self._curve(number, curve)
        elif _CYCLE.fullmatch(bare) and self.file.regions:
            self.block, self.aside, self.cycle = None, "", {}
        elif key == "Group" and colon:
            self.group, self.block, self.aside = value, None, ""
        elif key == "Region" and colon:
            self.file.regions.append(Region(value or "without a name", self.group, number))
            self.block, self.aside, self.cycle = None, "", {}
        elif _ASIDE.fullmatch(bare) and self.file.regions:
            self.aside, self.block = bare[:80], None
            self.file.asides[bare[:80]] = 0
        elif colon:
            self._field(number, key, value)

    def row(self, number: int, line: str, *, cut: bool) -> None:
        if self.aside:
            self.file.asides[self.aside] += 1
        elif self.block is None:
            raise self._error(number, "a line that announces a curve", f"numbers, {line[:40]!r}")
        else:
            self.block.rows.append(line)
            self.block.cut = cut

    def _curve(self, number: int, match: re.Match[str]) -> None:
        cycle, curve, scan, channel = (None if part is None else int(part) for part in match.groups())
        self.aside = ""
        self.block = Block(cycle or 0, curve or 0, scan, channel, number, dict(self.cycle))
        self.file.regions[-1].blocks.append(self.block)

    def _field(self, number: int, key: str, value: str) -> None:
        """Keep a field where it belongs: with the export, the region, the cycle or the curve."""
        if self.aside:
            return
        if not self.file.regions:
            self.file.settings[key] = value
            return
        region = self.file.regions[-1]
        if region.blocks and key in _OF_A_REGION:
            raise self._error(number, "a line 'Region' before the fields of the next one", repr(key))
        if key == "Parameter":
            name, _, content = value.partition("=")
            self.cycle[f"parameter.{name.strip().strip(chr(34))}"] = content.strip()
        elif self.block is not None:
            self.block.fields[key] = value
        elif key == "Number of Scans":
            self.cycle[key] = region.fields[key] = value
        elif not region.blocks:
            region.fields[key] = value

    def _error(self, number: int, expected: str, got: str) -> FileError:
        return FileError(self.file.path, expected, got, place=f"line {number}", remedy=_AGAIN)


def number_of(fields: dict[str, str], name: str) -> float:
    """Return a number among fields, NaN if there is none."""
    text = fields.get(name, "")
    try:
        return float(text) if "_" not in text else np.nan
    except ValueError:
        return np.nan


def significant_digits(texts: Sequence[str]) -> int:
    """Return how many significant digits numbers are written with at most."""
    mantissas = (re.split("[eE]", text)[0].lstrip("+-").replace(".", "").lstrip("0") for text in texts)
    return max((len(digits) for digits in mantissas), default=0)
