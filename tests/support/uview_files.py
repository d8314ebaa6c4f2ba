"""UView files written byte by byte from the description of the format, for readers to be held against."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Shot:
    """One image as the microscope records it: pixels from the top, seconds since 1970 (UTC), data tags as bytes."""

    pixels: np.ndarray
    seconds: float
    tags: list[bytes] = field(default_factory=list)


def module(name: str, unit: int, value: float, *, tag: int = 38, shown: bool = False) -> bytes:
    """Return a reading of a module: tag, name and digit of the unit, NUL, float."""
    return bytes([tag | (0x80 if shown else 0)]) + f"{name}{unit}".encode("latin-1") + b"\0" + struct.pack("<f", value)


def exposure(seconds: float, averaging: bytes = b"") -> bytes:
    return b"\x68" + struct.pack("<f", seconds) + averaging


def field_of_view(text: str, calibration: float) -> bytes:
    return b"\x6e" + text.encode("latin-1") + b"\0" + struct.pack("<f", calibration)


def gauge(name: str, unit: str, value: float, tag: int = 106) -> bytes:
    return bytes([tag]) + name.encode() + b"\0" + unit.encode() + b"\0" + struct.pack("<f", value)


def title(text: str) -> bytes:
    return b"\x69" + text.encode() + b"\0"


def uview_file(
    shots: list[Shot], *, version: int = 8, markup: int = 0, recipe: int = 0, inline: bool = False, declared: int = 0
) -> bytes:
    """Return the bytes of a file.

    ``inline`` puts the tags into the image header, as old versions do; ``markup`` and ``recipe`` are the sizes of what
    is attached; ``declared`` is the number of images the header states if not the true one.
    """
    height, width = shots[0].pixels.shape
    head = b"UKSOFT2001".ljust(20, b"\0") + struct.pack("<hhhhh", 104, version, 16, 12, 0)
    head += bytes([1, 1]) + struct.pack("<q", filetime(shots[0].seconds))
    head += struct.pack("<hhhh", width, height, declared or len(shots), recipe)
    parts = [head.ljust(104, b"\0")]
    if recipe:
        parts.append(b"r" * 128)
    for shot in shots:
        parts += image(shot, version=version, markup=markup, inline=inline)
    return b"".join(parts)


def image(shot: Shot, *, version: int, markup: int, inline: bool) -> list[bytes]:
    tags = b"".join(shot.tags)
    image_version = 5 if inline else 6
    data_size = 2 if inline else len(tags)
    header = struct.pack(
        "<hhhHqhhHhhh", 288, image_version, 0, 65535, filetime(shot.seconds), 0, 0, 0, markup, 0, data_size
    )
    header += (tags.ljust(256, b"\xff") if inline else b"").ljust(288 - len(header), b"\0")
    attached = b"m" * (128 * (markup // 128 + 1)) if markup else b""
    pixels = shot.pixels[::-1].astype("<u2").tobytes()
    return [header, attached, b"" if inline else tags, pixels]


def filetime(seconds: float) -> int:
    """Return 100 ns since 1601 for seconds since 1970."""
    return round((seconds + 11_644_473_600) * 10_000_000)
