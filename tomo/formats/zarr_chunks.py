"""Chunks of Zarr arrays, looked at before they are unpacked: whole, and no larger than they should become."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO

from operando.decompression import (
    DEFLATE_RATIO,
    ROOM,
    deflated_within,
    squeezed_within,
    zstandard_most,
    zstandard_stated,
)
from operando.errors import FileError
from operando.folders import require_declared

_BLOSC_HEAD = 16
"""Bytes before a chunk of Blosc: bytes 4 to 8 say how many it becomes, the last four how many it has with them
(C-Blosc, README_CHUNK_FORMAT)."""
_HEAD = 32
_AGAIN, _UNSOUND = "copy it again", "it was made to fill memory; do not use it"


def require_sound_chunks(folder: Path, array: Any, part: tuple[slice | int, ...]) -> None:
    """Refuse chunks of Blosc that are shorter than they say, and those of any codec that unpack to too much.

    Blosc takes what lies behind a chunk that broke off for its end and gives values that never were; other codecs tell.
    Every codec makes room for whatever comes out of a chunk.

    Raises
    ------
    FileError
        If there is one in the part that is asked for.
    """
    packers = [type(one).__name__.lower() for one in array.compressors]
    if len(packers) > 1:
        raise FileError(folder, "chunks packed once", f"by {', '.join(packers)}", remedy=_UNSOUND)
    most = 2 * math.prod(array.chunks) * max(array.dtype.itemsize, 1) + 2**16
    for place in _places(array, part):
        file = folder / array.metadata.encode_chunk_key(place)
        if not file.exists():
            continue
        require_declared(file)
        if not file.is_file():
            raise FileError(file, "a chunk", "something that is no file", remedy=_UNSOUND)
        with file.open("rb") as stream:
            whole = Stored(stream, 0, file.stat().st_size)
            for chunk in [whole] if array.shards is None else _in_shard(array, whole):
                _require_sound(file, "".join(packers), chunk, most)


@dataclass(frozen=True)
class Stored:
    """A part of a file, of which no more is read than asked for."""

    stream: BinaryIO
    at: int
    size: int

    def read(self, start: int = 0, count: int | None = None) -> bytes:
        """Return ``count`` bytes from ``start`` on, all by default."""
        self.stream.seek(self.at + start)
        left = max(self.size - start, 0)
        return self.stream.read(left if count is None else min(count, left))


def _require_sound(file: Path, packer: str, chunk: Stored, most: int) -> None:
    head, within = chunk.read(0, _HEAD) if packer else b"", chunk.size <= most
    if not within:
        pass
    elif "blosc" in packer:
        stated = max(int.from_bytes(head[12:16], "little"), _BLOSC_HEAD)
        if chunk.size < stated:
            raise FileError(file, "a whole chunk", f"{chunk.size} of {stated} bytes", remedy=_AGAIN)
        within = int.from_bytes(head[4:8], "little") <= most
    elif "zstd" in packer:
        stated_most = zstandard_stated(head)
        within = (zstandard_most(chunk.read()) if stated_most is None else stated_most) <= most
    elif "lz4" in packer:
        within = int.from_bytes(head[:4], "little") <= most
    elif "gzip" in packer or "zlib" in packer:
        within = chunk.size * DEFLATE_RATIO <= max(most, ROOM) or deflated_within(chunk.read(), most)
    elif "bz2" in packer or "lzma" in packer:
        within = squeezed_within(chunk.read(), most)
    if not within:
        raise FileError(file, f"a chunk of at most {most} bytes", "one that unpacks to more", remedy=_UNSOUND)


def _places(array: Any, part: tuple[slice | int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the places of the files that hold a part of an array."""
    spans = [cut if isinstance(cut, slice) else slice(cut, cut + 1) for cut in part]
    edges = array.shards or array.chunks
    yield from product(*[
        range(start // edge, -(-stop // edge))
        for (start, stop, _), edge in zip(
            (cut.indices(size) for cut, size in zip(spans, array.shape, strict=True)), edges, strict=True
        )
    ])  # fmt: skip


def _in_shard(array: Any, shard: Stored) -> Iterator[Stored]:
    """Yield the chunks in a shard: its index, at its end or beginning, has offset and size of each (Zarr 3, ZEP 2)."""
    codec = next((one for one in array.metadata.codecs if type(one).__name__ == "ShardingCodec"), None)
    count = math.prod(outer // inner for outer, inner in zip(array.shards, array.chunks, strict=True))
    kinds = [type(one).__name__ for one in codec.index_codecs] if codec is not None else []
    if codec is None or set(kinds) - {"BytesCodec", "Crc32cCodec"}:
        return
    length = 16 * count + 4 * ("Crc32cCodec" in kinds)
    index = shard.read(max(shard.size - length, 0) if "end" in str(codec.index_location) else 0, 16 * count)
    for k in range(len(index) // 16):
        offset, size = (int.from_bytes(index[16 * k + at : 16 * k + at + 8], "little") for at in (0, 8))
        if offset + size <= shard.size:
            yield Stored(shard.stream, shard.at + offset, size)
