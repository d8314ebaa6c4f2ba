"""Blocks of lazy volumes together with what lies around them, in graphs of a few tasks a block.

Blocks hand the layers at their faces to their neighbors: three tasks a block, and nothing is read or computed twice;
but about two layers of blocks wait in memory. Where those would be more than :data:`WAITING` bytes of a volume that is
merely read from files, every block is one task that reads itself what it needs, a piece at a time: nothing waits, and
nothing goes from worker to worker. A chunk of a file is then unpacked for each block that needs a part of it, which
takes little time where it is smaller than the block. Either way the results are the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, product
from typing import Any

import dask.array as da
import numpy as np
from dask._task_spec import Task, TaskRef
from dask.base import is_dask_collection, tokenize
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import DTypeLike, NDArray

from .file_reads import FileReads, Parts, file_reads
from .layout import PLACES

WAITING = 1 << 29
"""Bytes of blocks that may wait in memory for their neighbors, if they can be read from files again."""

Array = NDArray[np.generic]
Index = tuple[int, ...]
Box = tuple[slice, ...]
WindowWork = Callable[..., Array]
Sizes = tuple[tuple[int, ...], ...]
Layers = Array | dict[Index, Array]
"""What a block hands on: a layer for each neighbor, or all of it where these were more."""


@dataclass(frozen=True)
class Window:
    """Shape and type of a block with its margins, where it begins, where the block lies in it, and what it is made of.

    A piece is a chunk's index, the part of the chunk, and where that goes.
    """

    shape: Index
    dtype: np.dtype[Any]
    corner: Index
    kept: Box
    pieces: tuple[tuple[Index, Box, Box], ...]


def over_windows(
    work: WindowWork,
    array: da.Array,
    reach: Sequence[int],
    *,
    dtype: DTypeLike,
    channels: int = 0,
    placed: bool = False,
    **settings: Any,
) -> da.Array:
    """Return ``work(window, kept, **settings)`` of every block of an array (..., z, y, x).

    Parameters
    ----------
    work
        Importable function of a block with its margins (1, ..., z, y, x), which end at the faces of the volume, and of
        the slices at which the block lies in it. It returns the block, with ``channels`` before z where there are any.
    array
        Chunks become blocks, single ones along the leading dims; those thinner than the margins are joined.
    reach
        Width of the margins along z, y, x.
    dtype
        Type of what the work returns.
    placed
        Whether the work is told as ``corner`` where in the array its window begins.
    settings
        What else the work is given. A large one may be ``dask.delayed``.
    """
    sizes = _blocks(array, reach)
    told = (work, array.name, sizes, reach, np.dtype(dtype), channels, placed, settings)
    name = f"{getattr(settings.get('kernel', work), '__name__', 'blocks').strip('_')}-{tokenize(*told)}"
    lazy = [value for value in settings.values() if is_dask_collection(value)]
    given = {key: TaskRef(value.key) if is_dask_collection(value) else value for key, value in settings.items()}
    at = array.ndim - len(PLACES)
    plan = _Plan(work, given, sizes, (0,) * at + tuple(reach), name, at if channels else None, placed)
    reads = file_reads(array) if _held(array, sizes, reach) > WAITING else None
    if reads is None:
        array = array.rechunk(sizes)  # type: ignore[no-untyped-call]
        graph = _graph(_handed(plan, array), name, [array, *lazy])
    else:
        graph = _graph(_read(plan, array, reads), name, lazy)
    chunks = (*sizes[:at], *([(channels,)] if channels else []), *sizes[at:])
    meta = np.empty((0,) * len(chunks), dtype=dtype)
    return da.Array(graph, name, chunks, meta=meta)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class _Plan:
    """What is done where: the work and what it is given, blocks and margins, the name, the place of a further dim.

    ``placed``: whether the work is told where its window begins.
    """

    work: WindowWork
    given: dict[str, Any]
    sizes: Sizes
    margins: Index
    name: str
    further: int | None
    placed: bool

    def key(self, index: Index) -> tuple[Any, ...]:
        """Return the key of a block that is made."""
        at = self.further
        return (self.name, *index) if at is None else (self.name, *index[:at], 0, *index[at:])

    def settings(self, window: Window) -> dict[str, Any]:
        """Return what the work is given with a window."""
        return {**self.given, "corner": window.corner} if self.placed else self.given

    def windows(self, chunks: Sizes, dtype: np.dtype[Any]) -> Iterator[tuple[Index, Window]]:
        """Yield every block's index and window of an array in ``chunks``."""
        along = [
            _along(blocks, parts, margin)
            for blocks, parts, margin in zip(self.sizes, chunks, self.margins, strict=True)
        ]
        for index in np.ndindex(*map(len, self.sizes)):
            lengths, corner, kept, parts = zip(*(side[at] for side, at in zip(along, index, strict=True)), strict=True)
            yield index, Window(lengths, dtype, corner, kept, tuple(_piece(sides) for sides in product(*parts)))


def waiting(counts: Sequence[int]) -> int:
    """Return how many of the blocks (along z, y, x) wait in memory until their neighbors are done; at most all."""
    _, rows, columns = counts
    return min(math.prod(counts), 2 * rows * columns + 3 * columns + 3)


def _held(array: da.Array, sizes: Sizes, reach: Sequence[int]) -> float:
    """Return how many bytes of blocks wait in memory when these hand on their layers; none without margins."""
    within = sizes[-len(PLACES) :]
    block = math.prod(max(along) for along in within) * array.dtype.itemsize
    return waiting([len(along) for along in within]) * block if any(reach) else 0.0


def _blocks(array: da.Array, reach: Sequence[int]) -> Sizes:
    """Return the sizes of the blocks: none thinner than the margins, which then end within the next ones."""
    leading = array.ndim - len(PLACES)
    single = tuple((1,) * size for size in array.shape[:leading])
    return single + tuple(_joined(sizes, away) for sizes, away in zip(array.chunks[leading:], reach, strict=True))


def _joined(sizes: tuple[int, ...], away: int) -> tuple[int, ...]:
    """Return sizes of which those that do not reach ``away`` are added to the ones before, the first to the next."""
    found: list[int] = []
    for size in sizes:
        if found and (found[-1] < away or size < away):
            found[-1] += size
        else:
            found.append(size)
    return tuple(found)


def _graph(layers: dict[str, Any], name: str, below: list[Any]) -> HighLevelGraph:
    """Return the layers, of which the last is ``name``, upon the collections that they use."""
    every: dict[str, Any] = {}
    uses: dict[str, set[str]] = {}
    needed: set[str] = set()
    for collection in below:
        graph = collection.__dask_graph__()
        every.update(graph.layers)
        uses.update(graph.dependencies)
        needed.update(collection.__dask_layers__())
    for layer, tasks in layers.items():
        uses[layer] = needed | (set(layers) - {name} if layer == name else set())
        every[layer] = tasks
    return HighLevelGraph(every, uses)


def _piece(sides: tuple[tuple[int, slice, slice], ...]) -> tuple[Index, Box, Box]:
    chunk, part, at = zip(*sides, strict=True)
    return chunk, part, at


def _along(
    blocks: tuple[int, ...], chunks: tuple[int, ...], margin: int
) -> list[tuple[int, int, slice, list[tuple[int, slice, slice]]]]:
    """Return, for each block along a dim, its window's length and begin, where it lies there, and that one's parts."""
    size = sum(blocks)
    found = []
    for start, stop in pairwise(accumulate(blocks, initial=0)):
        first, last = max(0, start - margin), min(size, stop + margin)
        parts = []
        for chunk, (begin, end) in enumerate(pairwise(accumulate(chunks, initial=0))):
            low, high = max(begin, first), min(end, last)
            if low < high:
                parts.append((chunk, slice(low - begin, high - begin), slice(low - first, high - first)))
        found.append((last - first, first, slice(start - first, stop - first), parts))
    return found


def _read(plan: _Plan, array: da.Array, reads: FileReads) -> dict[str, Any]:
    """Return the tasks, one a block, that read what they need, and the files that they read."""
    tasks = {}
    for index, window in plan.windows(array.chunks, array.dtype):
        parts = reads.of({chunk: cut for chunk, cut, _ in window.pieces})
        files = [TaskRef(key) for key in parts.files]
        key = plan.key(index)
        tasks[key] = Task(key, _work_on_read, plan.work, window, parts, *files, **plan.settings(window))
    return {f"files-{plan.name}": reads.files, plan.name: tasks}


def _work_on_read(work: WindowWork, window: Window, parts: Parts, /, *opened: Any, **settings: Any) -> Array:
    files = dict(zip(parts.files, opened, strict=True))
    read = (task({key: files[key] for key in task.dependencies}) for task in parts.tasks)
    return work(_assembled(window, read), window.kept, **settings)


def _assembled(window: Window, parts: Iterator[Array]) -> Array:
    """Return the window put together of its parts, one after the other."""
    if len(window.pieces) == 1:
        return np.ascontiguousarray(next(parts))
    whole = np.empty(window.shape, window.dtype)
    for (_, _, at), part in zip(window.pieces, parts, strict=True):
        whole[at] = part
    return whole


def _handed(plan: _Plan, array: da.Array) -> dict[str, Any]:
    """Return the tasks, two a block: layers cut off for the neighbors, and the work on the block with its margins."""
    cut = f"layers-{plan.name}"
    toward: dict[Index, dict[Index, Box]] = {}
    tasks: dict[Any, Task] = {}
    for index, window in plan.windows(array.chunks, array.dtype):
        around = [chunk for chunk, _, _ in window.pieces if chunk != index]
        for chunk, part, _ in window.pieces:
            if chunk != index:
                toward.setdefault(chunk, {})[index] = part
        refs = [TaskRef((array.name, *index)), *(TaskRef((cut, *chunk)) for chunk in around)]
        key = plan.key(index)
        tasks[key] = Task(key, _work_on_handed, plan.work, index, window, *refs, **plan.settings(window))
    layers = {
        (cut, *chunk): Task((cut, *chunk), _cut_off, TaskRef((array.name, *chunk)), parts)
        for chunk, parts in toward.items()
    }
    return {cut: layers, plan.name: tasks} if layers else {plan.name: tasks}


def _cut_off(block: Array, parts: dict[Index, Box]) -> Layers:
    """Return copies of the layers that each neighbor needs, so that the block need not wait; it, where it is less."""
    layers = {neighbor: block[part] for neighbor, part in parts.items()}
    if sum(layer.size for layer in layers.values()) >= block.size:
        return block
    return {neighbor: layer.copy() for neighbor, layer in layers.items()}


def _work_on_handed(
    work: WindowWork, index: Index, window: Window, block: Array, /, *handed: Layers, **settings: Any
) -> Array:
    others = iter(handed)
    parts = (block if chunk == index else _layer(next(others), index, part) for chunk, part, _ in window.pieces)
    return work(_assembled(window, parts), window.kept, **settings)


def _layer(layers: Layers, index: Index, part: Box) -> Array:
    """Return what a neighbor handed to a block."""
    return layers[index] if isinstance(layers, dict) else layers[part]
