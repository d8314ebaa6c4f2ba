"""Files of Thermo Avantage as vgd-reader takes them: OLE compound files (MS-CFB, version 3) with its streams.

No measured file was seen: the streams are those that vgd-reader 0.1.0 looks for, and hold nothing else.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

PROPERTIES = "\x05Q5nw4m3lIjudbfwyAayojlptCa"
"""The stream of the settings, numbers without names."""
_SECTOR, _MINI, _CUTOFF = 512, 64, 4096
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def vgd(
    path: Path,
    counts: np.ndarray,
    *,
    start: float = 950.0,
    step: float = 0.1,
    photons: float | None = 1486.6,
    pass_energy: float = 50.0,
    dwell: float = 0.05,
    periods: int = 4,
    sizes: tuple[int, ...] | None = None,
) -> Path:
    """Write a file with counts (point) or (spectrum, point)."""
    dims = sizes or tuple(reversed(np.atleast_2d(counts).shape))
    axes = b"".join(struct.pack("<4i", 0, 0, 0, size - 1) for size in dims)
    space = bytes(30) + struct.pack("<2d", start, step)
    settings = bytearray(4000)
    for at, kind, value in ((40, "<f", photons), (200, "<f", pass_energy), (208, "<f", dwell), (168, "<i", periods)):
        if value is not None:
            struct.pack_into(kind, settings, at, value)
    struct.pack_into("<f", settings, 216, 4.1)
    streams = {"VGData": np.asarray(counts, "<f8").tobytes(), "VGDataAxes": axes, "VGSpaceAxes": space}
    path.write_bytes(compound({**streams, PROPERTIES: bytes(settings)}))
    return path


def compound(streams: Mapping[str, bytes]) -> bytes:
    """Return an OLE compound file; streams below 4096 bytes lie in the mini stream."""
    small, mini_fat = bytearray(), []
    sectors: list[bytes] = []
    fat: list[int] = []

    def chain(data: bytes) -> int:
        """Add sectors one after the other; return the first one."""
        first, count = len(sectors), -(-len(data) // _SECTOR)
        for k in range(count):
            sectors.append(data[k * _SECTOR : (k + 1) * _SECTOR].ljust(_SECTOR, b"\x00"))
            fat.append(first + k + 1 if k + 1 < count else _END)
        return first if count else _END

    places = {}
    for name, data in streams.items():
        if len(data) >= _CUTOFF:
            places[name] = chain(data)
            continue
        places[name] = len(mini_fat)
        count = -(-len(data) // _MINI)
        mini_fat += [len(mini_fat) + k + 1 if k + 1 < count else _END for k in range(count)]
        small += data.ljust(count * _MINI, b"\x00")
    root = chain(bytes(small))
    mini = chain(
        struct.pack(f"<{len(mini_fat)}I", *mini_fat).ljust(-(-len(mini_fat) * 4 // _SECTOR) * _SECTOR, b"\xff")
    )
    names = sorted(streams, key=lambda name: (len(name), name.upper()))
    entries = [_entry("Root Entry", 5, root, len(small), child=1, right=_FREE)]
    for k, name in enumerate(names):
        right = k + 2 if k + 1 < len(names) else _FREE
        entries.append(_entry(name, 2, places[name], len(streams[name]), child=_FREE, right=right))
    directory = chain(b"".join(entries))
    tables, first = 1, len(fat)
    while (first + tables) * 4 > tables * _SECTOR:
        tables += 1
    fat += [_FAT] * tables
    table = struct.pack(f"<{len(fat)}I", *fat).ljust(tables * _SECTOR, b"\xff")
    sectors += [table[k * _SECTOR : (k + 1) * _SECTOR] for k in range(tables)]
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16)
    header += struct.pack("<5H6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<9I", 0, tables, directory, 0, _CUTOFF, mini, -(-len(mini_fat) * 4 // _SECTOR), _END, 0)
    header += struct.pack(f"<{tables}I", *range(first, first + tables))
    return header.ljust(_SECTOR, b"\xff") + b"".join(sectors)


def _entry(name: str, kind: int, place: int, size: int, *, child: int, right: int) -> bytes:
    text = name.encode("utf-16-le")
    head = text.ljust(64, b"\x00") + struct.pack("<H2B3I", len(text) + 2, kind, 1, _FREE, right, child)
    return (head + bytes(36) + struct.pack("<IQ", place, size)).ljust(128, b"\x00")
