"""Arrays of frames in HDF5 files: lazily, and which frames were never written or are saturated."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operando import hdf5
from operando.errors import FileError
from operando.flags import Flag
from operando.hdf5 import Node

from .frames import UNPACKED, Array, Shape, few_values, frame, judged, require_size

# Deflate packs zeros 1032 to 1; what was never written takes no room at all.
_LARGEST_RATIO = 20_000
_LOOKED_AT = 2**28
"""Bytes that looking for saturated frames may unpack."""


@dataclass(frozen=True)
class Hdf5Frames:
    """An array in an HDF5 file, dims (frame, y, x)."""

    path: Path
    dataset: str
    shape: Shape
    dtype: np.dtype[Any]

    def block(self, frames: slice, rows: slice, columns: slice) -> Array:
        """Return a part of it."""
        with hdf5.opened(self.path, again=True) as root:
            node = array(root, self.dataset)
            if node.shape != self.shape or node.item.dtype != self.dtype:
                expected = f"an array {self.shape} ({self.dtype}) as when it was opened"
                raise node.error(expected, f"{node.shape} ({node.item.dtype})")
            return node.block(frames, rows, columns)


@dataclass(frozen=True)
class Looked:
    """Frames, their flags, and the piece in which the file delivers them."""

    source: Hdf5Frames
    flags: NDArray[np.int32]
    grain: Shape
    remarks: list[str]


def array(root: Node, place: str) -> Node:
    """Return the dataset at a place in the file.

    Raises
    ------
    FileError
        If there is none, or a link leads out of the file's folder.
    """
    found = root.get(place)
    if found is None or found.is_group or found.shape is None:
        got = "none" if found is None else "a group" if found.is_group else "one without values"
        raise FileError(root.file, f"a dataset {place!r}", f"{got}; the file holds {hdf5.content(root)}")
    return found


def look(root: Node, place: str, full_scale: float | None) -> Looked:
    """Return an array of frames and what is odd about each.

    A frame of which a chunk was never written is missing. Whether one is saturated is told from values at its corner
    and its middle; of frames that are packed one by one, only those packed to next to nothing are read.

    Raises
    ------
    FileError
        If it is no array of frames, or declares far more than its file can hold.
    """
    node = array(root, place)
    shape = node.shape or ()
    if len(shape) != 3 or node.item.dtype.kind not in "iufb":
        raise node.error("an array of frames (frame, y, x)", f"shape {shape} of type {node.item.dtype}")
    require_size(root.file, shape, place=place)
    stored = node.file.stat().st_size
    if not node.item.is_virtual and node.item.nbytes > _LARGEST_RATIO * stored:
        raise node.error("as much data as the file can hold", f"{shape} declared in a file of {stored} bytes")
    source = Hdf5Frames(root.file, place, (shape[0], shape[1], shape[2]), node.item.dtype)
    pieces = node.item.chunks or (1, *shape[1:])
    grain = (int(pieces[0]), int(pieces[1]), int(pieces[2]))
    sizes = _stored(node, grain)
    flags = np.where(np.isnan(sizes), int(Flag.missing_frame), 0).astype(np.int32)
    samples, remarks = _samples(source, grain, sizes)
    flags |= judged(samples, lambda number: frame(source, number), full_scale)
    return Looked(source, flags, grain, remarks)


def _stored(node: Node, grain: Shape) -> NDArray[np.float64]:
    """Return the stored bytes of the chunks that hold each frame, NaN where one was never written, 0 if unknown."""
    shape = node.shape or (0, 0, 0)
    sizes = np.zeros(shape[0])
    if node.item.chunks is None or node.item.is_virtual:
        return sizes
    found: dict[int, list[int]] = {}
    with node._told():
        node.item.id.chunk_iter(lambda one: found.setdefault(one.chunk_offset[0], []).append(int(one.size)))
        packed = node.item.id.get_create_plist().get_nfilters() > 0
    wanted = prod(ceil(n / piece) for n, piece in zip(shape[1:], grain[1:], strict=True))
    for start in range(0, shape[0], grain[0]):
        known = found.get(start, [])
        size = np.nan if len(known) < wanted else sum(known) if packed else 0
        sizes[start : start + grain[0]] = size
    return sizes


def _samples(source: Hdf5Frames, grain: Shape, sizes: NDArray[np.float64]) -> tuple[list[Array | None], list[str]]:
    """Return a few values of each frame, None where they cannot all be the same or the frame is missing."""
    count, height, width = source.shape
    itemsize = source.dtype.itemsize
    if grain[0] == 1 and (sizes > 0).any():
        # Packed frame by frame: what is constant takes next to no room, and next to no time.
        few = sizes * UNPACKED < height * width * itemsize
        return [few_values(source, slice(k, k + 1))[0] if few[k] else None for k in range(count)], []
    if (sizes > 0).any() and 2 * count * grain[1] * grain[2] * itemsize > _LOOKED_AT:
        return [None] * count, ["too much is packed together to look for saturated frames"]
    values: list[Array | None] = list(few_values(source, slice(0, count)))
    return [None if np.isnan(size) else one for one, size in zip(values, sizes, strict=True)], []
