"""EPICS MDA, the binary form: XDR, big-endian; every length is checked against what is left of the file."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError

from .mda_scans import Floats, MdaColumn, MdaFile, MdaScan, described, readback_column

VERSIONS = (b"\x3f\xa6\x66\x66", b"\x3f\xb3\x33\x33")
_MOST_RANKS, _MOST_TEXT = 10, 4096
_TEXT = 0
_NUMBERS = {29: ">i4", 30: ">f4", 32: ">i4", 33: ">i4", 34: ">f8"}
_POSITIONER, _DETECTOR, _TRIGGER = 32, 16, 12


@dataclass
class _Cursor:
    """A place in the data of a file from which the next value is read.

    ``budget`` are the bytes that may still be read, shared by all cursors of a file: scans that lie on each other would
    be read again and again.
    """

    path: Path
    data: bytes
    at: int
    budget: list[int]

    def moved(self, place: int) -> _Cursor:
        """Return a cursor at another place of the file."""
        if not 0 < place < len(self.data):
            self._refuse(f"a place within its {len(self.data)} bytes", str(place))
        return _Cursor(self.path, self.data, place, self.budget)

    def _refuse(self, expected: str, got: str) -> NoReturn:
        remedy = "copy it again: it breaks off or is damaged"
        raise FileError(self.path, expected, got, place=f"byte {self.at}", remedy=remedy)

    def take(self, size: int) -> bytes:
        """Return the next bytes; they must be there."""
        left = len(self.data) - self.at
        if size > left:
            self._refuse(f"{size} more bytes", str(left))
        if size > self.budget[0]:
            self._refuse("scans apart from each other", "scans that overlap")
        self.budget[0] -= size
        self.at += size
        return self.data[self.at - size : self.at]

    def integer(self) -> int:
        """Return a signed integer of 32 bits."""
        return int(struct.unpack(">i", self.take(4))[0])

    def count(self, each: int, what: str) -> int:
        """Return a number of things of which each takes ``each`` bytes or more, if the file can hold them."""
        number = self.integer()
        if not 0 <= number <= (len(self.data) - self.at) // each:
            self._refuse(f"a number of {what} that the file can hold", str(number))
        return number

    def text(self) -> str:
        """Return a counted text: its length, and if that is not 0 the length again and the characters, padded to 4."""
        stated = self.integer()
        if stated == 0:
            return ""
        size = self.count(1, "characters")
        if size != stated or size > _MOST_TEXT:
            self._refuse(f"a text of {stated} characters, at most {_MOST_TEXT}", str(size))
        return self.take(size + -size % 4)[:size].decode("latin-1").strip()

    def numbers(self, count: int, kind: str) -> NDArray[np.generic]:
        """Return an array."""
        dtype = np.dtype(kind)
        return np.frombuffer(self.take(count * dtype.itemsize), dtype)


def mda_file(path: Path, data: bytes) -> MdaFile:
    """Return the scans of an MDA file.

    Raises
    ------
    FileError
        If it is none, or breaks off before the first scan is whole.
    """
    if not data.startswith(VERSIONS):
        raise FileError(path, "MDA version 1.3 or 1.4", repr(data[:4]), place="byte 0")
    cursor = _Cursor(path, data, 0, [len(data)])
    version = float(struct.unpack(">f", cursor.take(4))[0])
    number, rank = cursor.integer(), cursor.integer()
    if not 1 <= rank <= _MOST_RANKS:
        raise FileError(path, f"1 to {_MOST_RANKS} dimensions", str(rank), place="byte 8")
    cursor.take(4 * rank + 4)
    beside = cursor.integer()
    file = MdaFile(round(version, 1), number, rank)
    _add_scan(file, cursor, rank, "", {})
    if beside:
        try:
            file.extra = _extra(_Cursor(path, data, 0, [len(data)]).moved(beside))
        except FileError as error:
            file.remarks.append(f"the variables noted beside the scan cannot be read: {error.place}")
    return file


def _add_scan(file: MdaFile, cursor: _Cursor, rank: int, entry: str, outer: dict[str, float]) -> None:
    """Add a scan and the inner scans of its points, each a rank lower, so that none can hold itself."""
    if cursor.integer() != rank:
        raise FileError(cursor.path, f"a scan of rank {rank}", "another", place=f"byte {cursor.at - 4}")
    requested = cursor.count(1, "points")
    done = min(max(cursor.integer(), 0), requested)
    inner = [int(place) for place in cursor.numbers(requested if rank > 1 else 0, ">i4")]
    scanner, time = cursor.text(), cursor.text()
    columns, positioners = _columns(cursor)
    values = _values(cursor, positioners, len(columns), requested)[:done]
    one = MdaScan(entry, rank, scanner, time, requested, columns, values, outer)
    file.scans.append(one)
    for point, place in enumerate(inner):
        if place:
            _add_inner(file, cursor, one, point, place)


def _add_inner(file: MdaFile, cursor: _Cursor, one: MdaScan, point: int, place: int) -> None:
    """Add the inner scan of a point, if the file holds the whole of it; a point not done yet may have one as well."""
    entry = f"{one.entry}.{point + 1}".lstrip(".")
    outer = {**one.outer, **(one.readings(point) if point < len(one.values) else {})}
    begun = len(file.scans)
    try:
        _add_scan(file, cursor.moved(place), one.rank - 1, entry, outer)
    except FileError as error:
        del file.scans[begun:]
        found = f"{error.got} at {error.place}"
        failed = FileError(file=cursor.path, expected=error.expected, got=found, place=f"scan {entry}")
        file.unread.append((one.rank - 1, failed))


def _columns(cursor: _Cursor) -> tuple[list[MdaColumn], int]:
    """Return the columns, and how many of them are positioners, which come first."""
    positioners = cursor.count(_POSITIONER, "positioners")
    detectors = cursor.count(_DETECTOR, "detectors")
    triggers = cursor.count(_TRIGGER, "triggers")
    columns = []
    for _ in range(positioners):
        cursor.integer()
        variable, description, _, unit, *readback = (cursor.text() for _ in range(7))
        columns.append(readback_column((variable, description, unit), readback))
    for _ in range(detectors):
        cursor.integer()
        columns.append(MdaColumn(cursor.text(), cursor.text(), cursor.text()))
    for _ in range(triggers):
        cursor.integer()
        cursor.text()
        cursor.take(4)
    return columns, positioners


def _values(cursor: _Cursor, positioners: int, columns: int, points: int) -> Floats:
    """Return (points, column) from arrays one after the other: readbacks in double, detectors in single precision."""
    size = points * (8 * positioners + 4 * (columns - positioners))
    block, at = cursor.take(size), 0
    values = np.empty((points, columns))
    for k in range(columns):
        kind = np.dtype(">f8" if k < positioners else ">f4")
        with np.errstate(invalid="ignore"):
            values[:, k] = np.frombuffer(block, kind, points, at)
        at += points * kind.itemsize
    return values


def _extra(cursor: _Cursor) -> dict[str, str]:
    """Return the variables noted beside the scan as text, with their units."""
    extra: dict[str, str] = {}
    for _ in range(cursor.count(12, "variables")):
        name, description, kind = cursor.text(), cursor.text(), cursor.integer()
        if kind == _TEXT:
            value = cursor.text()
        elif kind in _NUMBERS:
            count, unit = cursor.count(1, "values"), cursor.text()
            numbers = cursor.numbers(count, _NUMBERS[kind])
            value = bytes(int(n) & 255 for n in numbers).split(b"\0")[0].decode("latin-1") if kind == 32 else ""
            value = value or " ".join([*(f"{n:.9g}" for n in numbers), unit]).strip()
        else:
            raise FileError(cursor.path, "a known type of variable", str(kind), place=f"byte {cursor.at - 4}")
        extra[described(name, description)] = value
    return extra
