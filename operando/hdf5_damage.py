"""Damage that the HDF5 library itself does not survive: looked for before it is let near a file."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

from .errors import FileError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEAP, _MOST_CHECKED = b"GCOL", 2**28
_TEXT_ELEMENT = 16


def is_ragged(item: Any) -> bool:
    """Whether values, of an attribute or a dataset of h5py's lower level, are lists of different lengths.

    A text of which a bit of its type has changed is one too, of no kind that HDF5 knows: reading it ends Python.
    """
    import h5py

    return bool(item.get_type().get_class() == h5py.h5t.VLEN)


def is_overlong(dataset: Any, path: Path) -> bool:
    """Whether a text of a dataset states to be longer than its file: HDF5 makes room for it before it looks.

    The length of a text stands before its place in a heap; that of a chunked dataset is not looked for.
    """
    import h5py

    kind, at = dataset.get_type(), dataset.get_offset()
    if at is None or not isinstance(kind, h5py.h5t.TypeStringID) or not kind.is_variable_str():
        return False
    with path.open("rb") as stream:
        stream.seek(at)
        data = stream.read(min(dataset.get_storage_size(), _MOST_CHECKED))
    longest = max((int.from_bytes(data[k : k + 4], "little") for k in range(0, len(data), _TEXT_ELEMENT)), default=0)
    return longest > path.stat().st_size


def require_heaps(path: Path) -> None:
    """Refuse a file whose heaps of texts do not add up: HDF5 would go through them for ever, or beyond their end.

    A heap is its signature, version, size and then objects, each with number, size and padding to 8 bytes; number 0
    is what is free, its size that of all of it.
    """
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if len(data) > _MOST_CHECKED or _bytes_of_a_length(data) != 8:
                return
            at = data.find(_HEAP)
            while at >= 0:
                if data[at + 4] == 1 and not _adds_up(data, at):
                    got = f"a heap of texts at byte {at} that does not add up"
                    raise FileError(path, "a sound HDF5 file", got, remedy="copy it again")
                at = data.find(_HEAP, at + 4)
    except (OSError, ValueError, IndexError):
        return


def _bytes_of_a_length(data: mmap.mmap) -> int:
    """Return in how many bytes a file states lengths, as its superblock says."""
    start = data.find(SIGNATURE)
    return data[start + 14] if data[start + 8] < 2 else data[start + 10]


def _adds_up(data: mmap.mmap, start: int) -> bool:
    """Whether the objects of a heap fill it, each one longer than nothing."""
    at, end = start + 16, start + int.from_bytes(data[start + 8 : start + 16], "little")
    if end > len(data):
        return False
    while at + 16 <= end:
        number, size = int.from_bytes(data[at : at + 2], "little"), int.from_bytes(data[at + 8 : at + 16], "little")
        at += 16 + -(-size // 8) * 8 if number else size
        if not (number or size):
            return False
    return at <= end
