"""What an EPICS scan holds, in whichever form its file was written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError
from operando.text_table import Table

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MdaColumn:
    """A positioner's readback or a detector: its process variable, what it is called and its unit."""

    variable: str
    description: str
    unit: str


@dataclass
class MdaScan:
    """One scan of one motion; ``entry`` are the points of the outer scans it belongs to, ``2.1`` and the like.

    ``values`` are (points measured, column); ``requested`` are the points it was to have, ``outer`` the readings of the
    outer scans at its point.
    """

    entry: str
    rank: int
    scanner: str
    time: str
    requested: int
    columns: Sequence[MdaColumn]
    values: Floats
    outer: dict[str, float] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """What columns are called: their description if no other column has it, else their variable."""
        told = [column.description for column in self.columns]
        times = Counter(told)
        return [
            text if text and times[text] == 1 else column.variable
            for text, column in zip(told, self.columns, strict=True)
        ]

    @property
    def table(self) -> Table:
        """The columns as readers take them, found by description and by variable."""
        return Table([], self.names, self.values, [], False, [column.variable for column in self.columns])

    def readings(self, point: int) -> dict[str, float]:
        """Return what the columns say at one point, by their names."""
        return {name: float(value) for name, value in zip(self.names, self.values[point], strict=True)}


@dataclass
class MdaFile:
    """The scans of a file, outer ones first, with the process variables noted beside them.

    ``unread`` are the inner scans that cannot be read, by their rank and with the reason.
    """

    version: float
    number: int
    rank: int
    scans: list[MdaScan] = field(default_factory=list)
    extra: dict[str, str] = field(default_factory=dict)
    unread: list[tuple[int, FileError]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def readback_column(drive: Sequence[str], readback: Sequence[str]) -> MdaColumn:
    """Return the column of a positioner: what was read back; what that does not say is taken from its drive.

    Both are variable, description and unit.
    """
    variable, description, unit = (own or of_drive for own, of_drive in zip(readback, drive, strict=True))
    return MdaColumn(variable, description, unit)


def described(variable: str, description: str) -> str:
    """Return a variable with what it is called."""
    return f"{variable} ({description})" if description and description != variable else variable
