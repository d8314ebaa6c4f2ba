"""Where the slabs of a volume are held and worked on: here, in a folder, or by the workers of a cluster."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import numpy as np
from dask.base import get_scheduler, is_dask_collection
from numpy.typing import NDArray

from operando.errors import FileError, OperandoError

from .mask_slabs import MaskSlab
from .multigrid_cells import Sizes
from .piece_store import open_folder

if TYPE_CHECKING:
    from distributed import Client


_PATIENCE = 10.0
"""Seconds after which it is looked whether all workers are still there."""


class Slabs(Protocol):
    """The slabs of a volume, in the order of their planes."""

    def each(self, method: str, *arguments: Sequence[Any]) -> list[Any]:
        """Return what a method of each slab gives; of every sequence of arguments each slab takes its own."""

    def close(self) -> None:
        """Let go of all slabs."""


class SlabsHere:
    """Slabs worked on one after the other in this process, their arrays in memory, or in files of a folder.

    The files are mapped: what lies in memory of them is the system's to write out and to drop.
    """

    def __init__(self, slabs: list[MaskSlab], store: str | PathLike[str] | None) -> None:
        self.slabs = slabs
        self.folder = None if store is None else open_folder(store, f"slabs-{uuid4().hex}", "")
        if self.folder is not None:
            _check_room(self.folder, slabs)
        for number, slab in enumerate(slabs):
            if self.folder is None:
                slab.arrays = {name: np.zeros(shape, kind) for name, (shape, kind) in slab.kinds().items()}
            else:
                _mapped(self.folder, number, slab, "w+")

    def each(self, method: str, *arguments: Sequence[Any]) -> list[Any]:
        """Return what a method of each slab gives; of every sequence of arguments each slab takes its own."""
        found = []
        for number, (slab, *given) in enumerate(zip(self.slabs, *arguments, strict=True)):
            if self.folder is not None:
                slab.arrays = _mapped(self.folder, number, slab, "r+")
            found.append(getattr(slab, method)(*given))
            if self.folder is not None:
                slab.arrays = {}
        return found

    def close(self) -> None:
        """Remove the files."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


class SlabsOfWorkers:
    """Slabs held by the workers of a cluster, as actors, in turn; what they hand on goes by way of this process."""

    def __init__(self, masks: list[Any], settings: list[tuple[Any, ...]], client: Client) -> None:
        threads = workers_of(client)
        workers = sorted(threads)
        self.client, self.names = client, [workers[n * len(workers) // len(masks)] for n in range(len(masks))]
        self.held: list[Any] = []
        for mask, given, name in zip(masks, settings, self.names, strict=True):
            place: dict[str, Any] = {"workers": [name]}
            brought: Any = client.compute if is_dask_collection(mask) else client.scatter
            share = max(1, threads[name] // self.names.count(name))
            work = (_slab, brought(mask, **place), *given, share)
            self.held.append(client.submit(*work, actor=True, key=f"mask-slab-{uuid4().hex}", **place))
        try:
            with client.as_current():
                self.actors = self._results(self.held)
        except BaseException:
            self.close()
            raise

    def each(self, method: str, *arguments: Sequence[Any]) -> list[Any]:
        """Return what a method of each slab gives; of every sequence of arguments each slab takes its own.

        Raises
        ------
        OperandoError
            If a worker is lost, and with it its slab.
        """
        try:
            with self.client.as_current():
                return self._results(
                    [getattr(actor, method)(*given) for actor, *given in zip(self.actors, *arguments, strict=True)]
                )
        except (OSError, RuntimeError) as error:
            raise _lost(error) from error

    def close(self) -> None:
        """Let go of all slabs, whatever still refers to them here."""
        self.actors = []
        self.client.cancel(self.held)  # type: ignore[no-untyped-call]
        self.held = []

    def _results(self, tasks: list[Any]) -> list[Any]:
        """Return results; a worker that is gone for good, for which dask would wait, ends the waiting."""
        from distributed import KilledWorker

        found = []
        for task in tasks:
            while True:
                try:
                    found.append(task.result(timeout=_PATIENCE))
                    break
                except KilledWorker as error:
                    raise _lost(error.last_worker) from error
                except TimeoutError:
                    if gone := set(self.names) - set(workers_of(self.client)):
                        raise _lost(", ".join(gone)) from None
        return found


def workers_of(client: Client) -> dict[str, int]:
    """Return the threads of each worker of a cluster."""
    threads: dict[str, int] = client.nthreads()  # type: ignore[no-untyped-call]
    return threads


def _lost(what: object) -> OperandoError:
    return OperandoError(
        f"tomo.tortuosity_in_slabs: expected workers that stay to the end, lost {what}; start again, with thinner "
        "slabs on more workers if memory was short"
    )


def cluster() -> Client | None:
    """Return the client whose workers dask would use here, None within a worker: a task is not to wait for others."""
    from distributed import Client, get_worker

    with suppress(ValueError):
        get_worker()
        return None
    client = getattr(get_scheduler(), "__self__", None)  # type: ignore[no-untyped-call]
    return client if isinstance(client, Client) else None


def _slab(mask: NDArray[np.bool_], whole: Sizes, offset: int, axis: int, workers: int) -> MaskSlab:
    """Return a slab with its arrays in memory."""
    slab = MaskSlab(mask, whole, offset, axis, workers)
    slab.arrays = {name: np.zeros(shape, kind) for name, (shape, kind) in slab.kinds().items()}
    return slab


def _check_room(folder: Path, slabs: list[MaskSlab]) -> None:
    """Raise where a folder has no room for slabs: mapped files that cannot be written would end the process."""
    needed = sum(math.prod(shape) * np.dtype(kind).itemsize for slab in slabs for shape, kind in slab.kinds().values())
    free = shutil.disk_usage(folder).free
    if needed > free:
        folder.rmdir()
        raise FileError(folder.parent, f"{needed / 1e9:.3g} GB of room for slabs", f"{free / 1e9:.3g} GB")


def _mapped(folder: Path, number: int, slab: MaskSlab, mode: str) -> dict[str, NDArray[Any]]:
    return {
        name: np.asarray(np.memmap(folder / f"{number}-{name}", kind, mode, shape=shape))  # type: ignore[call-overload]
        for name, (shape, kind) in slab.kinds().items()
    }
