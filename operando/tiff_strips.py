"""Strips and tiles of TIFF pages, looked at before they are unpacked: room is made for whatever comes out of one."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .decompression import DEFLATE_RATIO, ROOM, deflated_within, squeezed_within, zstandard_most

_COMPLAINTS = 1000
"""Tags that make no sense after which a file is given up."""
_DEFLATE, _LZMA, _ZSTANDARD = (8, 32946), (34925,), (34926, 50000)


def oversized(page: Any) -> str:
    """Return what is wrong with the packed strips of a page (of tifffile); nothing mostly.

    A strip that takes more room packed than the whole page, or unpacks to more than that, was made to do harm.
    """
    if page.compression == 1 or page.dtype is None:
        return ""
    whole = math.prod(page.shape) * max(page.dtype.itemsize, 1)
    most = 2 * whole + 2**16
    for offset, size in zip(page.dataoffsets, page.databytecounts, strict=False):
        if size > most:
            return f"a strip of {size} bytes for a page of {whole}"
        if page.compression not in (*_DEFLATE, *_LZMA, *_ZSTANDARD):
            continue
        if page.compression in _DEFLATE and size * DEFLATE_RATIO <= max(most, ROOM):
            continue
        page.parent.filehandle.seek(offset)
        if not _within(page.compression, page.parent.filehandle.read(size), most):
            return f"a strip that unpacks to more than the {whole} bytes of its page"
    return ""


class _Patience(logging.Filter):
    """Lets pass what tifffile logs of one thread, up to a number."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.thread = _COMPLAINTS, threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        self.left -= record.thread == self.thread
        if self.left < 0:
            raise ValueError(f"more than {_COMPLAINTS} tags that make no sense")
        return True


@contextmanager
def patient() -> Iterator[None]:
    """Give a file up, with a ValueError, that tifffile complains of without end: it goes on to the last of its tags."""
    patience, log = _Patience(), logging.getLogger("tifffile")
    log.addFilter(patience)
    try:
        yield
    finally:
        log.removeFilter(patience)


def _within(compression: int, data: bytes, most: int) -> bool:
    if compression in _ZSTANDARD:
        return zstandard_most(data) <= most
    return deflated_within(data, most) if compression in _DEFLATE else squeezed_within(data, most)
