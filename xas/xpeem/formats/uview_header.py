"""The headers of Elmitec UView ``.dat`` files: where the images lie, when they were taken, what the microscope said.

All numbers are little-endian::

    file header     0 id "UKSOFT2001"   20 size   22 version   24 bits per pixel   40 width   42 height
                   44 number of images  46 size of the attached recipe (from version 7 on)
    recipe          128 bytes, if there is one
    each image      0 size of this header   8 time (FILETIME: 100 ns since 1601, UTC)   22 size of the markup
                   26 n: size of the data block   28 data where n is 1 or 2 (240 bytes, 256 up to version 5)
                   then the markup (128 bytes more than its size, in whole blocks of 128), the data block of n > 2,
                   and the pixels, the lowest row first

The data are tags of one byte (its highest bit, "shown in the image", is no part of the number) and what follows:
see :mod:`.uview_tags`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from operando.errors import FileError
from operando.header_times import NOT_A_TIME

from .frames import MOST_FRAMES, require_size
from .uview_tags import Tags, tags

MAGIC = b"UKSOFT2001"
FILE_HEADER, IMAGE_HEADER, BLOCK = 48, 28, 128
BITS = 16
_OLD_DATA, _NEW_DATA, _NEW_FROM = 256, 240, 6
_EPOCH_1601 = 116_444_736_000_000_000
_LATEST = 2**62 // 100


@dataclass(frozen=True)
class ImageHeader:
    """One image: the place of its pixels, its time (UTC, NaT if none) and its tags ``{name: (value, unit)}``."""

    offset: int
    height: int
    width: int
    time: np.datetime64
    tags: Tags


def read_headers(path: Path) -> tuple[list[ImageHeader], int]:
    """Return the headers of the images in a file that are whole, and how many the file says it has.

    Raises
    ------
    FileError
        If it is no UView file or its header cannot be.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            start = stream.read(FILE_HEADER)
            if len(start) < FILE_HEADER or not start.startswith(MAGIC):
                raise FileError(path, "a UView file", f"a file that begins with {start[:12]!r}")
            header_size, version, bits = struct.unpack_from("<3h", start, 20)
            width, height, count, recipe = struct.unpack_from("<4h", start, 40)
            if bits != BITS:
                raise FileError(path, f"{BITS} bits per pixel", str(bits), place="header")
            require_size(path, height, width, place="header")
            # Older versions leave the number empty.
            count = max(count, 1)
            if header_size < FILE_HEADER or count > MOST_FRAMES:
                raise FileError(path, "a UView header", f"size {header_size}, {count} images", place="header")
            begin = header_size + (BLOCK if version >= 7 and recipe > 0 else 0)
            return list(_images(stream, begin, count, (height, width), size)), count
    except OSError as error:
        raise FileError(path, "a readable file", error.strerror or str(error)) from None


def _images(stream: BinaryIO, begin: int, count: int, shape: tuple[int, int], file_size: int) -> Iterator[ImageHeader]:
    for _ in range(count):
        stream.seek(begin)
        head = stream.read(IMAGE_HEADER)
        if len(head) < IMAGE_HEADER:
            return
        header_size, version = struct.unpack_from("<2h", head, 0)
        (filetime,) = struct.unpack_from("<Q", head, 8)
        markup, _, data_size = struct.unpack_from("<3h", head, 22)
        if header_size < IMAGE_HEADER or markup < 0 or data_size < 0:
            return
        outside = begin + header_size + (BLOCK * (markup // BLOCK + 1) if markup else 0)
        data = b""
        if data_size > 2:
            stream.seek(outside)
            data = stream.read(data_size)
        elif data_size > 0:
            data = stream.read(min(_OLD_DATA if version < _NEW_FROM else _NEW_DATA, header_size - IMAGE_HEADER))
        offset = outside + (data_size if data_size > 2 else 0)
        if offset + shape[0] * shape[1] * BITS // 8 > file_size:
            return
        yield ImageHeader(offset, *shape, _utc(filetime), tags(data, averaged=data_size > 1))
        begin = offset + shape[0] * shape[1] * BITS // 8


def _utc(filetime: int) -> np.datetime64:
    """Return a FILETIME as UTC; NaT if it is empty or before 1970."""
    since = filetime - _EPOCH_1601
    if not 0 < since < _LATEST:
        return NOT_A_TIME
    return np.datetime64(since * 100, "ns")
