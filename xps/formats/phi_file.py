"""The parts of a PHI MultiPak file: a text header, a directory of blocks, and the blocks of numbers."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError, printable

Floats = NDArray[np.float64]
Header = Mapping[str, Sequence[str]]

START, END = b"SOFH", b"EOFH"
_AGAIN = "copy it again"
_DIRECTORY = struct.Struct("<4I")
_ENTRY = struct.Struct("<8I4sI4sI4sI8s2I4s2I3I")
_KINDS = {"f4": "<f4", "f8": "<f8", "i2": "<i2", "i4": "<i4", "u2": "<u2", "u4": "<u4"}
_MOST_BYTES = 2**31


@dataclass(frozen=True)
class Block:
    """One block of numbers as the directory describes it.

    ``axes`` names what is counted along the dims, the fastest first: ``pnt`` points, ``cyc`` cycles, ``sar`` areas,
    ``reg`` regions. ``shape`` has the slowest first. ``region`` is the number of the region, 0 for all of them.
    """

    region: int
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    unit: str
    kind: str
    size: int
    offset: int
    more: bool
    """Whether further numbers follow it that the directory does not describe."""


@dataclass(frozen=True)
class Region:
    """What the header says of one region: its number, its name, its energies (eV), time (s) and pass energy (eV)."""

    number: int
    name: str
    points: int
    step: float
    start: float
    stop: float
    seconds: float
    pass_energy: float
    sweeps: float

    @property
    def energies(self) -> Floats:
        """The binding energies, in the order measured."""
        return self.start + self.step * np.arange(self.points, dtype=np.float64)


@dataclass(frozen=True)
class PhiFile:
    """A whole file; ``begin`` is where the directory begins, from which the offsets of the blocks count."""

    path: Path
    header: Header
    data: bytes
    begin: int
    blocks: list[Block]

    def first(self, key: str) -> str:
        """Return the first value of a field of the header, empty if there is none."""
        return next(iter(self.header.get(key, ())), "")

    def values(self, block: Block) -> Floats:
        """Return the numbers of a block.

        Raises
        ------
        FileError
            If they reach beyond the end of the file.
        """
        at = self.begin + block.offset
        if at + block.size > len(self.data):
            have = max(len(self.data) - at, 0)
            place = f"block of region {block.region}" if block.region else f"block in {block.unit}"
            raise FileError(self.path, f"{block.size} bytes", f"{have}", place=place, remedy=_AGAIN)
        raw = np.frombuffer(self.data, _KINDS[block.kind], math.prod(block.shape), at)
        with np.errstate(invalid="ignore"):
            return raw.astype(np.float64).reshape(block.shape)


def parsed(path: Path) -> PhiFile:
    """Return the parts of a file.

    Raises
    ------
    FileError
        If the header does not end, or the directory of blocks does not add up.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise FileError(path, f"at most {_MOST_BYTES >> 20} MiB", f"{path.stat().st_size >> 20} MiB")
    data = path.read_bytes()
    if not data.startswith(START):
        raise FileError(path, "'SOFH' at the start of a PHI file", repr(data[:8]))
    end = data.find(b"\n" + END)
    if end < 0:
        raise FileError(path, "'EOFH' at the end of the header", "none", remedy=_AGAIN)
    begin = data.find(b"\n", end + 1) + 1
    if begin == 0:
        raise FileError(path, "numbers behind the header", "none", remedy=_AGAIN)
    return PhiFile(path, _header(data[:end]), data, begin, _blocks(path, data, begin))


def regions(file: PhiFile) -> dict[int, Region]:
    """Return the regions that the header defines, by their numbers.

    Raises
    ------
    FileError
        If a definition is incomplete, or its energies do not fit together.
    """
    sweeps = {}
    for line in file.header.get("SpectralRegDef2", ()):
        cells = line.split()
        sweeps[cells[0] if cells else ""] = _number(cells[2]) if len(cells) > 2 else np.nan
    found = [_region(file.path, line, sweeps) for line in file.header.get("SpectralRegDef", ())]
    return {region.number: region for region in found}


def _header(data: bytes) -> dict[str, list[str]]:
    """Return the fields of the header; some occur many times."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    fields: dict[str, list[str]] = {}
    for line in text.splitlines()[1:]:
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(printable(key.strip()), []).append(printable(value.strip()))
    return fields


def _blocks(path: Path, data: bytes, begin: int) -> list[Block]:
    """Return the directory: four numbers (the second how many blocks, the third their bytes), then 96 bytes a block."""
    place = "directory of blocks"
    if begin + _DIRECTORY.size > len(data):
        raise FileError(path, "a directory behind the header", "the end of the file", place=place, remedy=_AGAIN)
    _, number, size, own = _DIRECTORY.unpack_from(data, begin)
    if own != _DIRECTORY.size or size != number * _ENTRY.size or number == 0:
        got = f"{number} blocks in {size} bytes behind {own}"
        raise FileError(path, f"{_ENTRY.size} bytes a block behind {_DIRECTORY.size}", got, place=place)
    if begin + own + size > len(data):
        raise FileError(path, f"{number} blocks", "the end of the file", place=place, remedy=_AGAIN)
    blocks = [_block(path, data, begin + own + k * _ENTRY.size) for k in range(number)]
    _require_order(path, blocks, own + size)
    return blocks


def _require_order(path: Path, blocks: Sequence[Block], end: int) -> None:
    """Refuse blocks that do not lie one behind the other, from the end of the directory on."""
    before_more = False
    for block in sorted(blocks, key=lambda one: one.offset):
        if block.offset < end or (block.offset > end and not before_more):
            place = "directory of blocks"
            raise FileError(path, f"a block at byte {end}", f"one at {block.offset}", place=place)
        end, before_more = block.offset + block.size, block.more


def _block(path: Path, data: bytes, at: int) -> Block:
    cells = _ENTRY.unpack_from(data, at)
    counts, names, unit, kind = cells[5:8], cells[8:13:2], _text(cells[14]), _text(cells[17])
    size, offset = cells[18], cells[19]
    axes = tuple(name for name in map(_text, names) if name)
    shape = tuple(reversed(counts[: len(axes)]))
    place = f"directory of blocks, block {cells[0]}"
    if kind not in _KINDS:
        raise FileError(path, f"numbers among {', '.join(_KINDS)}", repr(kind), place=place)
    if not axes or 0 in shape or math.prod(counts) != math.prod(shape):
        raise FileError(path, "a count for each axis", f"{counts} along {axes}", place=place)
    expected = math.prod(shape) * np.dtype(_KINDS[kind]).itemsize
    if size != expected:
        raise FileError(path, f"{expected} bytes for {' x '.join(map(str, shape))} {kind}", str(size), place=place)
    return Block(cells[3], axes, shape, unit, kind, size, offset, cells[22] != 0)


def _region(path: Path, line: str, sweeps: Mapping[str, float]) -> Region:
    """Return a region from its line: number, area, name, element, points, step, start, stop, ..., time, pass energy."""
    cells = line.split()
    place = f"SpectralRegDef {cells[0] if cells else ''}".strip()
    if len(cells) < 13:
        raise FileError(path, "13 entries", f"{len(cells)}", place=place)
    name, tail = " ".join(cells[2:-10]), [_number(cell) for cell in cells[-9:-1]]
    number, points = _number(cells[0]), tail[0]
    step, start, stop = tail[1:4]
    if not np.isfinite([number, *tail]).all() or points != int(points) or number != int(number) or step == 0:
        raise FileError(path, "points, energies, time and pass energy", repr(line[:80]), place=place)
    if abs(start + step * (points - 1) - stop) > abs(step) / 2:
        got = f"{points:g} points from {start:g} by {step:g} to {stop:g} eV"
        raise FileError(path, "energies that fit together", got, place=place)
    return Region(int(number), name, int(points), step, start, stop, tail[6], tail[7], sweeps.get(cells[0], np.nan))


def _number(text: str) -> float:
    try:
        return float(text) if "_" not in text else np.nan
    except ValueError:
        return np.nan


def _text(data: bytes) -> str:
    return data.partition(b"\x00")[0].decode("latin-1").strip()
