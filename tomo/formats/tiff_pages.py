"""Pages of TIFF files as frames: what each is, without reading it, and its pixels when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from operando.errors import FileError, printable
from operando.tiff_strips import oversized, patient

from .frames import UNPACKED, Array, Shape, native, require_size

SUFFIXES = (".tif", ".tiff")
MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_LARGEST_RATIO = 20_000
_SAMPLE = 16
_BYTES = (8, 16, 32, 64)


@dataclass(frozen=True)
class Facts:
    """What a page is; ``sample`` are a few of its values, None if they cannot all be the same."""

    size: tuple[int, int]
    dtype: np.dtype[Any]
    sample: Array | None


@dataclass(frozen=True)
class Pages:
    """Pages of one file as frames."""

    path: Path
    numbers: tuple[int, ...]
    size: tuple[int, int]
    dtype: np.dtype[Any]

    @property
    def shape(self) -> Shape:
        """Their number and their size."""
        return (len(self.numbers), *self.size)

    def block(self, frames: slice, rows: slice, columns: slice) -> Array:
        """Return some of them."""
        numbers = self.numbers[frames]
        out = _empty(len(numbers), self.size, self.dtype, rows, columns)
        with opened(self.path) as file:
            for at, number in enumerate(numbers):
                place = f"page {number + 1}"
                out[at] = image(self.path, file.pages[number], self.size, self.dtype, place)[rows, columns]
        return out


@dataclass(frozen=True)
class InOnePiece:
    """Frames that lie one after the other in a file, as ImageJ writes them."""

    path: Path
    offset: int
    shape: Shape
    dtype: np.dtype[Any]

    def block(self, frames: slice, rows: slice, columns: slice) -> Array:
        """Return some of them."""
        with told(self.path):
            whole = np.memmap(self.path, self.dtype, mode="r", offset=self.offset, shape=self.shape)
            return np.array(whole[frames, rows, columns])


@dataclass(frozen=True)
class Slices:
    """Files of one page each as frames."""

    path: Path
    names: tuple[str, ...]
    size: tuple[int, int]
    dtype: np.dtype[Any]

    @property
    def shape(self) -> Shape:
        """Their number and their size."""
        return (len(self.names), *self.size)

    def block(self, frames: slice, rows: slice, columns: slice) -> Array:
        """Return some of them."""
        names = self.names[frames]
        out = _empty(len(names), self.size, self.dtype, rows, columns)
        for at, name in enumerate(names):
            with opened(self.path / name) as file:
                out[at] = image(self.path / name, file.pages[0], self.size, self.dtype)[rows, columns]
        return out


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a TIFF file.

    Raises
    ------
    FileError
        If it is not there or is damaged, also while it is worked with.
    """
    import tifffile

    with told(path), patient(), tifffile.TiffFile(path) as file:
        yield file


@contextmanager
def told(path: Path, place: str = "") -> Iterator[None]:
    """Say in a line what is wrong with a file; on damaged ones tifffile and its codecs raise many kinds of errors."""
    try:
        yield
    except FileError:
        raise
    except FileNotFoundError:
        raise FileError(path, "a TIFF file", "no such file", place=place) from None
    except Exception as error:
        said = printable((str(error).strip().splitlines() or [type(error).__name__])[0])
        codec = "imagecodecs" in said
        got = f"one packed by a codec that is not installed ({said})" if codec else f"a damaged one ({said})"
        remedy = "pip install imagecodecs" if codec else "copy it again"
        raise FileError(path, "a TIFF file that can be read", got, place=place, remedy=remedy) from None


def facts(path: Path, page: Any, file_size: int, place: str = "") -> Facts:
    """Return what a page is; of its pixels a few are read, or all where they are packed to next to nothing.

    Raises
    ------
    FileError
        If it holds no grey image, or not all of it is in the file.
    """
    import tifffile

    with told(path, place):
        whole_numbers = all(isinstance(size, int) for size in page.shape)
        if len(page.shape) != 2 or not whole_numbers or page.dtype is None or page.dtype.kind not in "buif":
            raise FileError(path, "a grey image", f"shape {page.shape} of type {page.dtype}", place=place)
        require_size(path, (1, *page.shape), place=place)
        # Raises if the codec is unknown, or not installed.
        _ = tifffile.TIFF.DECOMPRESSORS[page.compression]
        height, width = page.shape
        stored, packed = sum(page.databytecounts), page.compression != 1
        whole = height * -(-width * page.bitspersample // 8)
        if any(at + n > file_size for at, n in zip(page.dataoffsets, page.databytecounts, strict=True)):
            raise FileError(path, "a whole image", "one that breaks off", place=place, remedy="copy it again")
        if stored < (whole / _LARGEST_RATIO if packed else whole):
            got = f"{height} x {width} declared, {stored} bytes there"
            raise FileError(path, "a whole image", got, place=place, remedy="copy it again")
        _require_bounds(path, page, place)
        return Facts((height, width), page.dtype, _sample(page, whole, stored, packed=packed))


def tags_lost(file: Any, page: Any) -> bool:
    """Whether a page states to have more tags than can be read: their values lie behind the end of a cut file."""
    return _number(file, page.offset, file.tiff.tagnosize) > len(page.tags)


def breaks_off(file: Any) -> bool:
    """Whether the last page that can be read states that another one follows."""
    tiff, page = file.tiff, file.pages[len(file.pages) - 1]
    tags = _number(file, page.offset, tiff.tagnosize)
    return _number(file, page.offset + tiff.tagnosize + tags * tiff.tagsize, tiff.offsetsize) != 0


def _number(file: Any, at: int, size: int) -> int:
    file.filehandle.seek(at)
    return int.from_bytes(file.filehandle.read(size), "little" if file.byteorder == "<" else "big")


def image(path: Path, page: Any, size: tuple[int, int], dtype: np.dtype[Any], place: str = "") -> Array:
    """Return the pixels of a page that is known.

    Raises
    ------
    FileError
        If it is damaged or another one than it was.
    """
    with told(path, place):
        if page.shape != size or page.dtype != dtype:
            expected = f"an image of {size} pixels ({dtype}) as when it was opened"
            raise FileError(path, expected, f"{page.shape} ({page.dtype})", place=place)
        _require_bounds(path, page, place)
        found: Array = page.asarray()
        return found


def _require_bounds(path: Path, page: Any, place: str) -> None:
    found = oversized(page)
    if found:
        remedy = "it was made to fill memory; do not use it"
        raise FileError(path, "strips of their declared size", found, place=place, remedy=remedy)


def _empty(count: int, size: tuple[int, int], dtype: np.dtype[Any], rows: slice, columns: slice) -> Array:
    return np.empty((count, *(len(range(n)[cut]) for n, cut in zip(size, (rows, columns), strict=True))), native(dtype))


def _sample(page: Any, whole: int, stored: int, *, packed: bool) -> Array | None:
    """Return values of the first and the last strip (or tile) of a page."""
    if page.dtype.kind == "b" or page.bitspersample not in _BYTES or (packed and stored * UNPACKED > whole):
        return None
    if packed:
        values: Array = page.asarray()
        return values.ravel()[[0, values.size // 2, -1]]
    kind, parts = page.dtype.newbyteorder(page.parent.byteorder), []
    for strip in (0, len(page.dataoffsets) // 2, -1):
        page.parent.filehandle.seek(page.dataoffsets[strip])
        count = min(_SAMPLE, page.databytecounts[strip] // kind.itemsize)
        parts.append(np.frombuffer(page.parent.filehandle.read(count * kind.itemsize), kind))
    return np.concatenate(parts).astype(page.dtype)
