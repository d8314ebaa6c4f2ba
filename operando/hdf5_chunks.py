"""Chunks of HDF5 datasets, looked at before HDF5 unpacks them: it makes room for whatever comes out of one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from typing import Any

from .decompression import DEFLATE_RATIO, ROOM, deflated_within, squeezed_within, zstandard_most
from .errors import printable

_DEFLATE, _BZIP2, _ZSTANDARD = 1, 307, 32015
"""Codecs that give more than they should, by the numbers that the HDF Group gives them."""


def oversized(dataset: Any, index: int | tuple[slice, ...] | None) -> str:
    """Return what is wrong with the packed chunks that a selection of a dataset (of h5py) needs; nothing mostly.

    A chunk that takes more room packed than unpacked, or unpacks to more than it should, was made to do harm.
    """
    plan = dataset.id.get_create_plist()
    codecs = [plan.get_filter(k)[0] for k in range(plan.get_nfilters())] if dataset.chunks else []
    if not codecs:
        return ""
    if len({_DEFLATE, _ZSTANDARD, _BZIP2} & set(codecs)) > 1 or codecs.count(_DEFLATE) > 1:
        return "chunks packed more than once"
    whole = math.prod(dataset.chunks) * max(dataset.dtype.itemsize, 1)
    most = 2 * whole + 2**16
    for offset, mask, size in _stored(dataset, index):
        if size > most:
            return f"a chunk of {size} bytes for {whole}"
        if (mask == 0 and size * DEFLATE_RATIO > max(most, ROOM)) or {_ZSTANDARD, _BZIP2} & set(codecs):
            data = dataset.id.read_direct_chunk(offset)[1]
            if not _within(codecs, data, most):
                return f"a chunk that unpacks to more than its {whole} bytes"
    return ""


def missing_codec(dataset: Any) -> str:
    """Return what packs a dataset (of h5py) that HDF5 cannot unpack, even with hdf5plugin if it is there."""
    import h5py

    plan = dataset.id.get_create_plist()
    codecs = [plan.get_filter(k) for k in range(plan.get_nfilters())]
    missing = [codec for codec in codecs if not h5py.h5z.filter_avail(codec[0])]
    if missing:
        _load_codecs()
    for number, _, _, label in missing:
        if not h5py.h5z.filter_avail(number):
            said = printable(label.decode("utf-8", "backslashreplace")).strip("\x00") or "without a name"
            return f"values packed by the codec {number} ({said})"
    return ""


def _load_codecs() -> None:
    """Make the codecs of hdf5plugin known to HDF5, if it is installed."""
    with suppress(Exception):
        import hdf5plugin  # noqa: F401


def _within(codecs: list[int], data: bytes, most: int) -> bool:
    """Whether what the last codec packed is as small as it should be; others are bound by what they state."""
    if codecs[-1] == _DEFLATE:
        return deflated_within(data, most)
    if codecs[-1] == _BZIP2:
        return squeezed_within(data, most)
    return codecs[-1] != _ZSTANDARD or zstandard_most(data) <= most


def _stored(dataset: Any, index: int | tuple[slice, ...] | None) -> Iterator[tuple[tuple[int, ...], int, int]]:
    """Yield place, mask of codecs passed over and stored size of the chunks that are there and needed."""
    if index is None:
        found: list[tuple[tuple[int, ...], int, int]] = []
        dataset.id.chunk_iter(lambda one: found.append((one.chunk_offset, one.filter_mask, one.size)))
        yield from found
        return
    cuts = (slice(index, index + 1),) if isinstance(index, int) else index
    cuts = (*cuts, *[slice(None)] * (len(dataset.shape) - len(cuts)))
    ranges = [
        range(start // edge * edge, stop, edge)
        for (start, stop, _), edge in zip(
            (cut.indices(size) for cut, size in zip(cuts, dataset.shape, strict=True)), dataset.chunks, strict=True
        )
    ]
    for place in product(*ranges):
        one = dataset.id.get_chunk_info_by_coord(place)
        if one.byte_offset is not None:
            yield place, one.filter_mask, one.size
