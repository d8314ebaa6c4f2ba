"""Packed bytes looked at before they are unpacked: they become no larger than they should, whatever they hold."""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable
from typing import Any

ROOM = 2**28
"""Bytes that packed data may take beyond what it should, before anybody looks."""
DEFLATE_RATIO = 1032
"""How many bytes one of deflate becomes at most (zlib, technical details)."""
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_BLOCK = 2**17
_STEP = 2**20


def inflating_errors(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """Return what zlib raises for damaged data, and ``more``; fastnda puts isal in its place for all of Python."""
    other: type[Exception] = getattr(sys.modules.get("isal.isal_zlib"), "error", zlib.error)
    return (zlib.error, other, *more)


def deflated_within(data: bytes, most: int) -> bool:
    """Whether zlib or gzip data becomes ``most`` bytes or fewer; damage is left for the codec to tell."""
    if len(data) * DEFLATE_RATIO <= max(most, ROOM):
        return True
    return _within(data, most, lambda: zlib.decompressobj(47))


def squeezed_within(data: bytes, most: int) -> bool:
    """Whether bzip2 or LZMA data becomes ``most`` bytes or fewer; damage is left for the codec to tell."""
    bzip2 = data.startswith(b"BZh")
    return _within(data, most, bz2.BZ2Decompressor if bzip2 else lzma.LZMADecompressor)


def _within(data: bytes, most: int, unpacker: Callable[[], Any]) -> bool:
    """Unpack a little at a time, keeping nothing, as long as it is within bounds."""
    total, rest = 0, data
    try:
        while rest:
            one = unpacker()
            while not one.eof:
                part = one.decompress(rest, _STEP)
                total, rest = total + len(part), getattr(one, "unconsumed_tail", b"")
                if total > most:
                    return False
                if not (part or rest):
                    return True
            rest = one.unused_data
    except inflating_errors(lzma.LZMAError, OSError, EOFError, ValueError):
        return True
    return True


def zstandard_stated(head: bytes) -> int | None:
    """Return how many bytes a frame of Zstandard states to become, from its first 18 bytes; None if it does not.

    Notes
    -----
    RFC 8878, section 3.1.1.1: the content size follows the descriptor, the window and the dictionary.
    """
    if not head.startswith(_ZSTD) or len(head) < 6:
        return 0
    at, length = _content_size(head)
    if not length:
        return None
    return int.from_bytes(head[at : at + length], "little") + (256 if length == 2 else 0)


def _content_size(head: bytes) -> tuple[int, int]:
    """Return where a frame states its content size, and in how many bytes."""
    descriptor = head[4]
    single, size_code = descriptor >> 5 & 1, descriptor >> 6
    return 6 - single + (0, 1, 2, 4)[descriptor & 3], (single, 2, 4, 8)[size_code]


def zstandard_most(data: bytes) -> int:
    """Return how many bytes a frame of Zstandard becomes at most: what it states, else what its blocks can hold.

    Notes
    -----
    RFC 8878, section 3.1.1.2: a block is raw, one byte repeated, or packed, and then gives at most 128 KiB.
    """
    stated = zstandard_stated(data)
    if stated is not None:
        return stated
    at, total, last = _content_size(data)[0], 0, False
    while not last and at + 3 <= len(data):
        block = int.from_bytes(data[at : at + 3], "little")
        last, kind, size = bool(block & 1), block >> 1 & 3, block >> 3
        total += size if kind < 2 else _ZSTD_BLOCK
        at += 3 + (1 if kind == 1 else size)
    return total
