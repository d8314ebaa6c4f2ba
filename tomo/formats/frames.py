"""The frames of a scan (slices, projections): where each lies, one lazy array of all, and what little of each tells."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError, OperandoError
from operando.flags import Flag

if TYPE_CHECKING:
    import dask.array as da

CHUNK_BYTES = 2**27
"""What a chunk of a lazy array holds at most, unless the file holds more in one piece."""
LEAST_BYTES = 2**22
"""What a chunk holds at least: of smaller ones the margins cost more than another thread gains."""
MOST_FRAMES, MOST_PIXELS = 100_000, 2**28
UNPACKED = 50
"""What is stored in more than 1/50 of its size is not one value throughout: no codec is that poor at it."""
MISSING = -1
_FEW = 16

Array = NDArray[Any]
Shape = tuple[int, int, int]
Cut = slice | int | Sequence[int]


class Source(Protocol):
    """Frames in one or several files, dims (frame, y, x); it can be sent to another process."""

    @property
    def path(self) -> Path:
        """What holds them."""

    @property
    def shape(self) -> Shape:
        """Their number and their size."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Their type."""

    def block(self, frames: slice, rows: slice, columns: slice) -> Array:
        """Return some of them.

        Raises
        ------
        FileError
            If a file is not there any more, is damaged or holds frames of another size.
        """


@dataclass(frozen=True)
class Picked:
    """Frames of a source in an order, ``MISSING`` where there is none: an array for dask.

    ``grain`` is the piece in which the source delivers them, where that is known.
    """

    source: Source
    order: tuple[int, ...]
    dtype: np.dtype[Any]
    grain: Shape | None = None

    @property
    def shape(self) -> Shape:
        """The number of places and the size of a frame."""
        return (len(self.order), *self.source.shape[1:])

    @property
    def ndim(self) -> int:
        """The number of dims."""
        return len(self.shape)

    def __getitem__(self, key: tuple[Cut, ...]) -> Array:
        """Return a part; frames that lie one after the other are read at once, those that are missing are 0 or NaN."""
        rows, columns = map(_within, key[1:], self.shape[1:])
        numbers = np.atleast_1d(np.array(self.order)[key[0]])
        runs = _runs(numbers)
        if len(runs) == 1 and runs[0] == (0, numbers.size):
            out = self._run(numbers, *runs[0], rows, columns)
        else:
            kept = [len(range(size)[cut]) for size, cut in zip(self.shape[1:], (rows, columns), strict=True)]
            out = np.full((numbers.size, *kept), np.nan if self.dtype.kind == "f" else 0, self.dtype)
            for first, last in runs:
                out[first:last] = self._run(numbers, first, last, rows, columns)
        part: Array = out[:, :, _chosen(key[2])][:, _chosen(key[1])]
        return part[0] if isinstance(key[0], int | np.integer) else part

    def _run(self, numbers: NDArray[np.int64], first: int, last: int, rows: slice, columns: slice) -> Array:
        """Return frames that lie one after the other in the source."""
        frames = slice(int(numbers[first]), int(numbers[last - 1]) + 1)
        return self.source.block(frames, rows, columns).astype(self.dtype, copy=False)


def _within(cut: Cut, size: int) -> slice:
    """Return an ascending slice in which all places of a key lie: files are not read backward."""
    if isinstance(cut, slice):
        places = range(size)[cut]
        ascending = places if places.step > 0 else places[::-1]
        return slice(ascending.start, ascending.stop, ascending.step)
    return slice(int(cut), int(cut) + 1) if isinstance(cut, int | np.integer) else slice(None)


def _chosen(cut: Cut) -> Any:
    """Return what a key means within its slice."""
    if isinstance(cut, slice):
        return slice(None, None, -1) if (cut.step or 1) < 0 else slice(None)
    return 0 if isinstance(cut, int | np.integer) else np.asarray(cut)


def _runs(numbers: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return where frames that are there follow one another: first and last + 1 of each run."""
    there = np.flatnonzero(numbers != MISSING)
    if not there.size:
        return []
    ends = np.flatnonzero((np.diff(there) != 1) | (np.diff(numbers[there]) != 1)) + 1
    return [(int(run[0]), int(run[-1]) + 1) for run in np.split(there, ends)]


def lazily(picked: Picked, grain: Shape) -> da.Array:
    """Return frames as a lazy array in chunks of whole pieces of ``grain``, what a file delivers at once.

    Of a part of it only that part is read: a slice for a viewer costs a slice.
    """
    import dask.array as da

    from operando.tomo.blocks import threads_computing

    found: da.Array = da.from_array(  # type: ignore[no-untyped-call]
        replace(picked, grain=grain),
        chunks=chunk(picked.shape, grain, picked.dtype.itemsize, threads_computing()),
        name=False,
        meta=np.empty((0, 0, 0), picked.dtype),
    )
    return found


def chunk(shape: Shape, grain: Shape, itemsize: int, threads: int = 1) -> Shape:
    """Return the chunk of up to :data:`CHUNK_BYTES`: pieces of ``grain``, doubled along the shortest edge first.

    Where there are fewer chunks than threads, they are halved along the longest edge as far as :data:`LEAST_BYTES`.
    """
    edges = _largest(shape, grain, itemsize)
    while math.prod(-(-size // edge) for size, edge in zip(shape, edges, strict=True)) < threads:
        able = [axis for axis in range(3) if edges[axis] > grain[axis]]
        if not able or itemsize * math.prod(edges) < 2 * LEAST_BYTES:
            break
        axis = max(able, key=lambda one: edges[one])
        edges[axis] = -(-edges[axis] // (2 * grain[axis])) * grain[axis]
    return edges[0], edges[1], edges[2]


def _largest(shape: Shape, grain: Shape, itemsize: int) -> list[int]:
    edges = [min(piece, size) for piece, size in zip(grain, shape, strict=True)]
    while True:
        able = [axis for axis in range(3) if edges[axis] < shape[axis]]
        if not able:
            break
        axis = min(able, key=lambda one: edges[one])
        if 2 * itemsize * edges[0] * edges[1] * edges[2] > CHUNK_BYTES:
            break
        edges[axis] = min(2 * edges[axis], shape[axis])
    return edges


def native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type that frames have in memory: bits become bytes."""
    return np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("=")


def judged(
    samples: Sequence[Array | None], whole: Callable[[int], Array], full_scale: float | None
) -> NDArray[np.int32]:
    """Return the flags of the frames from a few values of each; the ``whole`` of one is read only if these are alike.

    A frame is saturated if every pixel is at ``full_scale`` (the largest number of its type by default), not finite if
    none is. None stands for a frame that cannot be one value throughout.

    Raises
    ------
    OperandoError
        If ``full_scale`` is no positive number.
    """
    if full_scale is not None and not (isinstance(full_scale, int | float) and 0 < full_scale < np.inf):
        raise OperandoError(f"full_scale: expected a positive number, got {full_scale!r}")
    flags = np.zeros(len(samples), np.int32)
    for number, sample in enumerate(samples):
        if sample is not None and _reason(sample, full_scale):
            flags[number] = int(_reason(whole(number), full_scale))
    return flags


def _reason(values: Array, full_scale: float | None) -> Flag:
    kind = values.dtype.kind
    if kind == "f" and values.size and not np.isfinite(values).any():
        return Flag.not_finite
    most = full_scale if full_scale is not None else np.iinfo(values.dtype).max if kind in "iu" else np.inf
    return Flag.saturated if values.size and bool((values >= most).all()) else Flag(0)


def few_values(source: Source, frames: slice) -> Array:
    """Return values at the corner and in the middle of frames, dims (frame, value)."""
    _, height, width = source.shape
    spots = ((0, 0), (height // 2, width // 2))
    parts = [source.block(frames, slice(y, y + 1), slice(x, x + _FEW))[:, 0] for y, x in spots]
    return np.concatenate(parts, axis=1)


def frame(source: Source, number: int) -> Array:
    """Return one frame, dims (frame, y, x)."""
    return source.block(slice(number, number + 1), slice(None), slice(None))


def require_size(path: Path, shape: tuple[int, ...], *, place: str = "") -> None:
    """Refuse frames whose declared number and size no detector has.

    Raises
    ------
    FileError
        With the size.
    """
    frames, height, width = (*shape, 0, 0, 0)[:3]
    if not (0 < frames <= MOST_FRAMES and min(height, width) > 0 and height * width <= MOST_PIXELS):
        wanted = f"1 to {MOST_FRAMES} frames of up to {MOST_PIXELS} pixels"
        raise FileError(path, wanted, " x ".join(map(str, shape)), place=place)
