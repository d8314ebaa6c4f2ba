"""Kernels over the planes of one volume, cut into slabs that threads work on at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from types import TracebackType
from typing import Any

from .blocks import threads_at_hand

_LEAST = 1 << 15
"""Voxels of a slab below which a thread of its own does not pay."""


class SlabThreads:
    """Threads for work whose parts have to wait for each other, which blocks handed to dask could not.

    The kernels let go of the interpreter's lock and use no threads of their own, so that this is safe wherever it runs,
    within the workers of dask too.

    Parameters
    ----------
    workers
        Threads; by default as many as dask would take.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or threads_at_hand()
        self._pool = ThreadPoolExecutor(self.workers) if self.workers > 1 else None

    def __enter__(self) -> SlabThreads:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def slabs(self, planes: int, voxels: int) -> list[tuple[int, int]]:
        """Return the first plane of each slab and the one after its last, counted from 1."""
        count = max(1, min(self.workers, planes, voxels // _LEAST))
        ends = [1 + planes * part // count for part in range(count + 1)]
        return list(pairwise(ends))

    def each(self, kernel: Callable[..., Any], slabs: list[tuple[int, int]], *arguments: Any) -> None:
        """Call ``kernel(*arguments, first, last)`` for every slab and wait for all."""
        if self._pool is None or len(slabs) == 1:
            for first, last in slabs:
                kernel(*arguments, first, last)
            return
        tasks = [self._pool.submit(kernel, *arguments, first, last) for first, last in slabs[1:]]
        kernel(*arguments, *slabs[0])
        for task in tasks:
            task.result()
