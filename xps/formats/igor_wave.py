"""Igor binary waves (``.ibw``), versions 2 and 5: numbers with a scale along each dim, units and a note."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, takewhile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError

_MOST_BYTES = 2**30
_REAL = {0x02: "f4", 0x04: "f8", 0x08: "i1", 0x10: "i2", 0x20: "i4", 0x80: "i8"}
_COMPLEX, _UNSIGNED = 0x01, 0x40
_DIMS = 4
Order = Literal["<", ">"]
_DAMAGED = "copy it again"


@dataclass(frozen=True)
class Axis:
    """One dim of a wave: its size, the value at its first point, the step, and what it is in which unit."""

    size: int
    start: float
    step: float
    name: str

    @property
    def values(self) -> NDArray[np.float64]:
        """The values along the dim."""
        return np.asarray(self.start + self.step * np.arange(self.size), np.float64)


@dataclass(frozen=True)
class Wave:
    """A wave: its name, its numbers (one dim per axis), what they are in which unit, and its note."""

    name: str
    values: NDArray[Any]
    axes: tuple[Axis, ...]
    unit: str
    note: str


@dataclass(frozen=True)
class _Layout:
    """Where a version of the format has its headers' end, the kind of numbers, their count, and the name; in bytes."""

    header: int
    kind: int
    points: int
    name: slice


_LAYOUTS = {
    2: _Layout(126, 16, 58, slice(22, 42)),
    5: _Layout(384, 80, 76, slice(92, 124)),
}


def is_wave(data: bytes) -> bool:
    """Whether bytes begin as an Igor binary wave of version 2 or 5 whose headers add up."""
    order = _order(data)
    return order is not None and _adds_up(data, order)


def read_wave(path: Path) -> Wave:
    """Return the wave in a file.

    Raises
    ------
    FileError
        If the file is no wave of version 2 or 5, its checksum is wrong, it breaks off, or it holds no real numbers.

    Notes
    -----
    Layout: WaveMetrics, Technical Note 003, "Igor Binary Format"; the first dim varies fastest.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise FileError(path, f"at most {_MOST_BYTES >> 20} MiB", f"{path.stat().st_size >> 20} MiB")
    data = path.read_bytes()
    order = _order(data)
    if order is None:
        raise FileError(path, "an Igor binary wave of version 2 or 5", f"a file that begins with {data[:8]!r}")
    if not _adds_up(data, order):
        raise FileError(path, "headers that agree with their checksum", "others", place="header", remedy=_DAMAGED)
    return _version_5(path, data, order) if _version(data, order) == 5 else _version_2(path, data, order)


def _order(data: bytes) -> Order | None:
    """Return the order of bytes that makes a known version of the first two, as ``struct`` writes it."""
    orders: tuple[Order, ...] = ("<", ">") if len(data) >= 2 else ()
    return next((order for order in orders if _version(data, order) in _LAYOUTS), None)


def _version(data: bytes, order: Order) -> int:
    return int(struct.unpack_from(f"{order}h", data)[0])


def _adds_up(data: bytes, order: Order) -> bool:
    """Whether the headers, as numbers of 16 bits, add up to zero, as a field in them makes sure."""
    size = _LAYOUTS[_version(data, order)].header
    whole = len(data) >= size
    return whole and int(np.frombuffer(data[:size], f"{order}u2").sum(dtype=np.int64)) % 2**16 == 0


def _version_5(path: Path, data: bytes, order: Order) -> Wave:
    wave_bytes, *lengths = struct.unpack_from(f"{order}12i", data, 4)
    shape = _shape(struct.unpack_from(f"{order}{_DIMS}i", data, 132))
    steps = struct.unpack_from(f"{order}{_DIMS}d", data, 148)
    starts = struct.unpack_from(f"{order}{_DIMS}d", data, 180)
    values = _values(path, data, order, shape)
    if 64 + wave_bytes < _LAYOUTS[5].header + values.nbytes:
        raise FileError(path, f"{values.nbytes} bytes of numbers", "fewer", place="header", remedy=_DAMAGED)
    _, note, unit, *more = _parts(path, data, 64 + wave_bytes, lengths)
    names = [_text(more[k]) or _text(data[216 + 4 * k :][:4]) or _text(more[_DIMS + k]) for k in range(_DIMS)]
    axes = tuple(Axis(size, starts[k], steps[k], names[k]) for k, size in enumerate(shape))
    return Wave(_text(data[_LAYOUTS[5].name]), values, axes, _text(unit) or _text(data[212:216]), _text(note))


def _version_2(path: Path, data: bytes, order: Order) -> Wave:
    wave_bytes, note_bytes = struct.unpack_from(f"{order}2i", data, 2)
    step, start = struct.unpack_from(f"{order}2d", data, 64)
    values = _values(path, data, order, _shape(struct.unpack_from(f"{order}i", data, _LAYOUTS[2].points)))
    if wave_bytes < _LAYOUTS[2].header - 16 + values.nbytes:
        raise FileError(path, f"{values.nbytes} bytes of numbers", "fewer", place="header", remedy=_DAMAGED)
    (note,) = _parts(path, data, 16 + wave_bytes, [note_bytes])
    axis = Axis(values.size, start, step, _text(data[54:58]))
    return Wave(_text(data[_LAYOUTS[2].name]), values, (axis,), _text(data[50:54]), _text(note))


def _shape(sizes: Sequence[int]) -> list[int]:
    """Return the sizes of the dims; the first one without a size ends them."""
    return list(takewhile(lambda size: size != 0, sizes))


def _values(path: Path, data: bytes, order: Order, shape: Sequence[int]) -> NDArray[Any]:
    """Return the numbers, once it is known that the file has as many as it states."""
    layout = _LAYOUTS[_version(data, order)]
    (points,) = struct.unpack_from(f"{order}i", data, layout.points)
    count = math.prod(shape)
    if not shape or min(shape) < 0 or count != points:
        got = f"{points} in dims of {' x '.join(map(str, shape)) or 'no size'}"
        raise FileError(path, "as many numbers as the dims hold", got, place="header", remedy=_DAMAGED)
    kind = _kind(path, struct.unpack_from(f"{order}H", data, layout.kind)[0]).newbyteorder(order)
    there = (len(data) - layout.header) // kind.itemsize
    if count > there:
        raise FileError(path, f"{count} numbers", f"{max(there, 0)}: the file breaks off", remedy=_DAMAGED)
    values = np.frombuffer(data, kind, count, layout.header)
    return values.astype(kind.newbyteorder("=")).reshape(shape, order="F")


def _kind(path: Path, code: int) -> np.dtype[Any]:
    """Return the type of real numbers that a code stands for."""
    name = _REAL.get(code & ~_UNSIGNED)
    if name is None or (code & _UNSIGNED and name.startswith("f")):
        got = "text" if code == 0 else "complex numbers" if code & _COMPLEX else f"numbers of type {code:#x}"
        raise FileError(path, "a wave of real numbers", got, place="header")
    return np.dtype(name.replace("i", "u") if code & _UNSIGNED else name)


def _parts(path: Path, data: bytes, start: int, lengths: Sequence[int]) -> list[bytes]:
    """Return the parts that follow the numbers, one after the other."""
    ends = [start + total for total in accumulate(lengths, initial=0)]
    if min(lengths) < 0 or ends[-1] > len(data):
        raise FileError(path, f"{ends[-1]} bytes", f"{len(data)}: the file breaks off", remedy=_DAMAGED)
    return [data[first:last] for first, last in pairwise(ends)]


def _text(part: bytes) -> str:
    """Return bytes as text, as far as the first NUL."""
    bare = part.partition(b"\x00")[0]
    try:
        return bare.decode("utf-8").strip()
    except UnicodeDecodeError:
        return bare.decode("latin-1").strip()
