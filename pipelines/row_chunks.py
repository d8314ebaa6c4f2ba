"""Rows of arrays that grow, encoded and put in place chunk by chunk.

A commit appends a few rows to many small arrays. Through zarr each of them reads, decodes, merges and encodes its last
chunk on other threads, which costs as much as all the rest of a scan; here that chunk is remembered. What readers
find is the same.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from numcodecs import Blosc, VLenUTF8

from operando.errors import StoreError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_SHUFFLES = {"noshuffle": Blosc.NOSHUFFLE, "shuffle": Blosc.SHUFFLE, "bitshuffle": Blosc.BITSHUFFLE}


@dataclass
class RowChunks:
    """The last chunk of each array that rows were appended to, in memory."""

    _last: dict[str, NDArray[Any]] = field(default_factory=dict)

    def write(self, folder: Path, key: str, metadata: dict[str, Any], start: int, rows: NDArray[Any]) -> None:
        """Put ``rows`` into the chunks of an array from row ``start`` on; each file is replaced as a whole."""
        shape = tuple(metadata["chunk_grid"]["configuration"]["chunk_shape"])
        encode, decode = _codec(metadata)
        prefix = ["c"] if metadata["chunk_key_encoding"]["name"] == "default" else []
        while len(rows):
            number, offset = divmod(start, shape[0])
            taken = min(shape[0] - offset, len(rows))
            place = folder.joinpath(key, *prefix, str(number), *("0" for _ in shape[1:]))
            if not offset:
                self._last[key] = np.zeros(shape, rows.dtype)
            elif key not in self._last:
                self._last[key] = np.zeros(shape, rows.dtype)
                self._last[key][:offset] = _stored(place, decode, shape)[:offset]
            chunk = self._last[key]
            chunk[offset : offset + taken] = rows[:taken]
            _put(place, encode(chunk))
            rows, start = rows[taken:], start + taken

    def forget(self, key: str | None = None) -> None:
        """Remember nothing of an array, or of any: what was written may not have been committed."""
        if key is None:
            self._last.clear()
        else:
            self._last.pop(key, None)


def are_plain(metadata: dict[str, Any]) -> bool:
    """Whether the chunks of an array are rows, all other dims whole, and encoded as this store encodes them."""
    chunks = metadata["chunk_grid"]["configuration"]["chunk_shape"]
    codecs = [codec["name"] for codec in metadata["codecs"]]
    swapped = metadata["codecs"][0].get("configuration", {}).get("endian", sys.byteorder) != sys.byteorder
    whole = bool(chunks) and list(chunks[1:]) == [max(1, size) for size in metadata["shape"][1:]]
    return whole and codecs in (["bytes", "blosc"], ["vlen-utf8", "blosc"]) and not swapped


def _codec(metadata: dict[str, Any]) -> tuple[Callable[[NDArray[Any]], bytes], Callable[[bytes], NDArray[Any]]]:
    """Return what makes bytes of a chunk, and a chunk, flat, of bytes."""
    first, last = metadata["codecs"]
    blosc = _blosc(tuple(sorted(last["configuration"].items())))
    if first["name"] == "vlen-utf8":
        text = VLenUTF8()
        return (
            lambda chunk: bytes(blosc.encode(text.encode(chunk.astype(object)))),
            lambda data: text.decode(blosc.decode(data)),
        )
    return (
        lambda chunk: bytes(blosc.encode(chunk.reshape(-1).view(np.uint8))),
        lambda data: np.frombuffer(blosc.decode(data), metadata["data_type"]),
    )


def _stored(place: Path, decode: Callable[[bytes], NDArray[Any]], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return a chunk that was stored before, a part of whose rows is committed."""
    try:
        return decode(place.read_bytes()).reshape(shape)
    except (OSError, RuntimeError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise StoreError(
            f"{place}: expected the last rows that were stored, got {one_line(reason)}; what was committed is "
            "untouched; copy the store from where it is whole, or move it away and run again"
        ) from OSError(reason)


@lru_cache(maxsize=64)
def _blosc(configuration: tuple[tuple[str, Any], ...]) -> Blosc:
    """Return the compressor of an array; ``typesize`` tells it what it sees as bytes."""
    known = dict(configuration)
    return Blosc(**{**known, "shuffle": _SHUFFLES[known["shuffle"]]})


def _put(path: Path, data: bytes) -> None:
    """Write beside and rename, under a name that the next writer clears away."""
    aside = path.with_name(f"{path.name}.{uuid4().hex}.partial")
    try:
        aside.write_bytes(data)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(data)
    aside.replace(path)
