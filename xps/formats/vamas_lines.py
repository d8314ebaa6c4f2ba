"""VAMAS (ISO 14976) line by line: what a file says before its blocks.

A file has one item a line; which item a line holds follows from its position and from values before it. Order of
items after W. A. Dench, L. B. Hazell, M. P. Seah, Surf. Interface Anal. 13, 63 (1988), doi:10.1002/sia.740130202.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from operando.errors import FileError

FORMAT = "VAMAS Surface Chemical Analysis Standard Data Transfer Format"
END = "end of experiment"
MODES = ("MAP", "MAPDP", "MAPSV", "MAPSVDP", "NORM", "SDP", "SDPSV", "SEM", "NOEXP")
SCANS = ("REGULAR", "IRREGULAR", "MAPPING")
MAPS = ("MAP", "MAPDP")
PARTS = 40
"""How many parts a block has."""

NOT_GIVEN = 1e36
CUT = "copy it again: its end was lost"
COUNTS = "check the numbers of lines and entries that the file states above"


@dataclass
class Lines:
    """The lines of a file, read one after the other."""

    path: Path
    lines: list[str]
    at: int = 0

    @property
    def place(self) -> str:
        """The line last read, counted from 1."""
        return f"line {self.at}"

    def text(self, what: str) -> str:
        """Return the next line.

        Raises
        ------
        FileError
            If there is none.
        """
        if self.at >= len(self.lines):
            raise FileError(self.path, what, "the end of the file", place=f"line {self.at + 1}", remedy=CUT)
        self.at += 1
        return "".join(char if char.isprintable() else " " for char in self.lines[self.at - 1]).strip()

    def among(self, what: str, known: tuple[str, ...]) -> str:
        """Return the next line, which must be one of ``known``, in their spelling."""
        found = self.text(what)
        for one in known:
            if found.casefold() == one.casefold():
                return one
        shown = ", ".join(known if len(known) < 10 else [*known[-3:], "..."])
        raise FileError(self.path, f"{what} such as {shown}", repr(found[:60]), place=self.place, remedy=COUNTS)

    def whole(self, what: str) -> int:
        """Return the next line as a whole number."""
        found = self.text(what)
        value = number(found)
        if value is None or value != int(value):
            raise FileError(self.path, what, repr(found[:60]), place=self.place, remedy=COUNTS)
        return int(value)

    def count(self, what: str) -> int:
        """Return the next line as a number of items, each a line or more, that are still to come."""
        value = self.whole(what)
        left = len(self.lines) - self.at
        if not 0 <= value <= left:
            got = f"{value} with {left} lines left"
            raise FileError(self.path, what, got, place=self.place, remedy=COUNTS)
        return value

    def texts(self, what: str, count: int) -> list[str]:
        """Return the next lines."""
        return [self.text(what) for _ in range(count)]

    def pairs(self, what: str, count: int) -> list[tuple[str, str]]:
        """Return labels and units."""
        return [(self.text(f"the label of {what}"), self.text(f"the unit of {what}")) for _ in range(count)]


@dataclass
class Experiment:
    """What a file says before its blocks; ``repeated`` has the parts that all blocks give."""

    fields: dict[str, str]
    comment: list[str]
    mode: str
    scan: str
    variables: list[tuple[str, str]]
    repeated: frozenset[int]
    later_entries: int
    blocks: int


def number(text: str) -> float | None:
    """Return a number; None if the text is none, or says that the value is not given (1e37)."""
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    return value if abs(value) < NOT_GIVEN else None


def split_lines(text: str) -> list[str]:
    """Return the lines; a last one without an end stays apart from an empty one behind the last end."""
    return text.replace("\r\n", "\n").split("\n") if "\n" in text else text.split("\r")


def experiment_of(lines: Lines) -> Experiment:
    """Return what a file says before its blocks.

    Raises
    ------
    FileError
        Naming the line that cannot be what its place demands.
    """
    fields = {name: lines.text(f"the {name}") for name in ("institution", "instrument", "operator", "experiment")}
    comment = lines.texts("a comment", lines.count("the number of comment lines"))
    mode = lines.among("an experiment mode", MODES)
    scan = lines.among("a scan mode", SCANS)
    if mode in (*MAPS, "NORM", "SDP"):
        fields["spectral regions"] = lines.text("the number of spectral regions")
    if mode in MAPS:
        for name in ("analysis positions", "x coordinates of the map", "y coordinates of the map"):
            fields[name] = lines.text(f"the number of {name}")
    variables = lines.pairs("an experimental variable", lines.count("the number of experimental variables"))
    repeated = _repeated(lines)
    manual = lines.texts("a manually entered item", lines.count("the number of manually entered items"))
    if manual:
        fields["manually entered items"] = ", ".join(manual)
    later = lines.count("the number of future upgrade experiment entries")
    later_blocks = lines.count("the number of future upgrade block entries")
    upgrades = lines.texts("a future upgrade experiment entry", later)
    if upgrades:
        fields["future upgrade entries"] = "; ".join(upgrades)
    return Experiment(
        fields, comment, mode, scan, variables, repeated, later_blocks, lines.count("the number of blocks")
    )


def _repeated(lines: Lines) -> frozenset[int]:
    """Return the numbers of the parts that blocks after the first give, of 1 to 40.

    A positive number of entries lists those parts, a negative one those left out, which are as in the first block.
    """
    entries = lines.whole("the number of entries in the parameter inclusion or exclusion list")
    everything = frozenset(range(1, PARTS + 1))
    if abs(entries) > PARTS:
        expected = f"{PARTS} entries or fewer in the parameter list"
        raise FileError(lines.path, expected, str(entries), place=lines.place, remedy=COUNTS)
    listed = set()
    for _ in range(abs(entries)):
        part = lines.whole(f"the number of a parameter from 1 to {PARTS}")
        if part not in everything:
            expected = f"the number of a parameter from 1 to {PARTS}"
            raise FileError(lines.path, expected, str(part), place=lines.place, remedy=COUNTS)
        listed.add(part)
    return everything if entries == 0 else frozenset(listed) if entries > 0 else everything - listed
