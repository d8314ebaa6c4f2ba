"""Zarr arrays (v2 and v3) as volumes: lazily, within their own folder, each mistake in one line."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from operando.errors import FileError, printable
from operando.folders import require_declared
from operando.hdf5 import MOST_BYTES

from .frames import Array, Shape, few_values, frame, judged, require_size
from .zarr_chunks import require_sound_chunks

DOCUMENTS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
"""What says that a folder is a Zarr store."""
LARGEST_DOCUMENT = 2**26
_LOOKED_AT = 2**28


@dataclass(frozen=True)
class ZarrFrames:
    """Three dims (z, y, x) of an array; ``fixed`` is the place along each other dim, None where one of z, y, x lies."""

    path: Path
    name: str
    fixed: tuple[int | None, ...]
    shape: Shape
    dtype: np.dtype[Any]

    def block(self, frames: slice, rows: slice, columns: slice) -> Array:
        """Return a part of it."""
        with told(self.path, self.name):
            array = opened(self.path, self.name)
            kept = tuple(n for n, at in zip(array.shape, self.fixed, strict=True) if at is None)
            if kept != self.shape or array.dtype != self.dtype:
                expected = f"an array {self.shape} ({self.dtype}) as when it was opened"
                raise FileError(self.path, expected, f"{kept} ({array.dtype})", place=self.name)
            cuts = iter((frames, rows, columns))
            part = tuple(next(cuts) if at is None else at for at in self.fixed)
            require_sound_chunks(self.path / self.name, array, part)
            found: Array = np.asarray(array[part])
            return found


def is_store(path: Path) -> bool:
    """Whether a folder holds a Zarr array or group."""
    return any((path / name).is_file() for name in DOCUMENTS)


def opened(path: Path, name: str = "") -> Any:
    """Return the array or group of a store, for reading.

    Raises
    ------
    FileError
        If there is none.
    """
    import zarr

    with told(path, name):
        _require_documents(path / name)
        if (path / name / DOCUMENTS[0]).exists():
            return zarr.open(path, path=name or None, mode="r", zarr_format=3)
        with warnings.catch_warnings():
            # Some writers of version 2 put an empty list where no filters are meant; it is read alike.
            warnings.filterwarnings("ignore", "Found an empty list of filters")
            return zarr.open(path, path=name or None, mode="r")


def _require_documents(folder: Path) -> None:
    """Refuse a store in which pipes, devices or files from elsewhere stand for its documents, or those of its arrays.

    Raises
    ------
    FileError
        If there is one.
    """
    below = [one for one in folder.iterdir() if one.is_dir()] if folder.is_dir() else []
    for file in (one / name for one in (folder, *below) for name in DOCUMENTS):
        if file.exists():
            require_declared(file)
            if not file.is_file() or file.stat().st_size > LARGEST_DOCUMENT:
                raise FileError(file, f"a document of at most {LARGEST_DOCUMENT >> 20} MiB", "something else")


@contextmanager
def told(path: Path, place: str = "") -> Iterator[None]:
    """Say in a line what is wrong with a store; on a damaged one zarr and its codecs raise many kinds of errors."""
    try:
        yield
    except FileError:
        raise
    except Exception as error:
        said = printable((str(error).strip().splitlines() or [""])[0]) or type(error).__name__
        raise FileError(path, "a sound Zarr store", said[:300], place=place, remedy="copy it again") from None


def frames_of(path: Path, name: str, array: Any, fixed: tuple[int | None, ...]) -> tuple[ZarrFrames, Shape]:
    """Return an array's frames and the piece in which the store delivers them.

    Raises
    ------
    FileError
        If it holds no numbers, or a size that no volume has.
    """
    with told(path, name):
        dtype, pieces = np.dtype(array.dtype), array.chunks
        kept = [axis for axis, at in enumerate(fixed) if at is None]
        shape = tuple(int(array.shape[axis]) for axis in kept)
        grain = tuple(int(pieces[axis]) for axis in kept)
        size = dtype.itemsize * int(np.prod([int(n) for n in array.chunks], dtype=object))
    if dtype.kind not in "iufb" or len(shape) != 3:
        raise FileError(path, "numbers (z, y, x)", f"shape {tuple(array.shape)} of type {dtype}", place=name)
    require_size(path, shape, place=name)
    if size > MOST_BYTES:
        raise FileError(path, f"chunks of at most {MOST_BYTES >> 20} MiB", f"{size >> 20} MiB declared", place=name)
    frames = ZarrFrames(path, name, fixed, (shape[0], shape[1], shape[2]), dtype)
    return frames, (grain[0], grain[1], grain[2])


def look(source: ZarrFrames, grain: Shape, full_scale: float | None) -> tuple[np.ndarray, list[str]]:
    """Return the flags of the slices, told from values at their corner and their middle.

    Of an array whose chunks hold much beside these (whole slices of a large volume) none is looked at.
    """
    count = source.shape[0]
    if 2 * count * grain[1] * grain[2] * source.dtype.itemsize > _LOOKED_AT:
        return np.zeros(count, np.int32), ["too much is packed together to look for saturated slices"]
    samples = list(few_values(source, slice(0, count)))
    return judged(samples, lambda number: frame(source, number), full_scale), []
