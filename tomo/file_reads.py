"""Which lazy arrays are merely read from files, chunk by chunk, and how to read parts of their chunks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
from dask._task_spec import Alias, DataNode, GraphNode, Task, _execute_subgraph
from dask.array import chunk as chunks
from dask.array.optimization import GETTERS, fuse_slice
from numpy.typing import NDArray

Index = tuple[int, ...]
Box = tuple[slice, ...]

_QUICK = (*GETTERS, chunks.astype, np.transpose)
"""What may be done again for each block that needs a chunk, beside arithmetic and comparisons."""


@dataclass(frozen=True)
class Parts:
    """Tasks that read parts of chunks, and the keys of the files that they need."""

    tasks: tuple[Task, ...]
    files: tuple[Any, ...]


class FileReads:
    """The tasks that read the chunks of an array, each by itself, from ``files`` (by key)."""

    def __init__(self, chunks: dict[Index, Task], files: dict[Any, GraphNode]) -> None:
        self._chunks, self.files = chunks, files

    def of(self, parts: Mapping[Index, Box]) -> Parts:
        """Return what reads parts of chunks."""
        tasks = tuple(_part(self._chunks[chunk], part) for chunk, part in parts.items())
        files = dict.fromkeys(key for task in tasks for key in sorted(task.dependencies, key=str))
        return Parts(tasks, tuple(files))


def file_reads(array: da.Array) -> FileReads | None:
    """Return how the chunks of an array are read from files; None if anything else is computed for them.

    Quick work on single voxels, such as a comparison, may follow the reading.
    """
    keys = array.__dask_keys__()
    graph = dict(array.__dask_optimize__(array.__dask_graph__(), keys))
    found: dict[Index, Task] = {}
    files: dict[Any, GraphNode] = {}
    for index in np.ndindex(*array.numblocks):
        task = graph.get((array.name, *index))
        while isinstance(task, Alias):
            task = graph.get(task.target)
        if not isinstance(task, Task) or not _merely_reads(task):
            return None
        needed = {key: graph.get(key) for key in task.dependencies}
        if not all(isinstance(node, DataNode) for node in needed.values()):
            return None
        found[index] = task
        files.update(needed)
    return FileReads(found, files)


def _merely_reads(task: Task) -> bool:
    """Whether a task reads from a file, and does no more than quick work on what it reads."""
    steps = list(task.args[0].values()) if task.func is _execute_subgraph else [task]
    works = [step.func for step in steps if isinstance(step, Task)]
    quick = all(work in _QUICK or isinstance(work, np.ufunc) or work.__module__ == "_operator" for work in works)
    return quick and any(work in GETTERS[:-1] for work in works)


def _part(task: Task, part: Box) -> Task:
    """Return a task that reads a part of what a task reads, and no more where the file allows."""
    if task.func in GETTERS:
        array, index, *further = task.args
        index = index.value if isinstance(index, DataNode) else index
        if isinstance(index, tuple) and all(isinstance(one, slice) for one in index):
            return Task(None, task.func, array, fuse_slice(index, part), *further)  # type: ignore[no-untyped-call]
    return Task(None, _cut_out, task, part)


def _cut_out(whole: NDArray[np.generic], part: Box) -> NDArray[np.generic]:
    """Return a part by itself, so that the whole can go."""
    cut = whole[part]
    return cut if cut.shape == whole.shape else cut.copy()
