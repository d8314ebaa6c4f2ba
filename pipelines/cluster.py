"""Where volumes are worked on: in this process, or by the workers of a cluster, with the same data."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from dask.utils import parse_timedelta

from operando.errors import OperandoError
from operando.history import software_version

from . import scratch
from .cluster_tasks import filled, flat, graph_of, portions, renamed
from .commit import one_line_errors
from .progress import Reporter
from .recipe_tables import ClusterSection

if TYPE_CHECKING:
    from distributed import Client

PLACES = "local, slurm, or the address of a scheduler, such as tcp://node1:8786"
_FAILURES = 2
"""How many workers may die over a task before it is given up."""
_CONNECT = 20.0
"""How long a scheduler may take to answer, s."""
_LOOK = 5.0
"""How often it is looked whether there are workers at all, s."""
_SENT = 2**20
"""Bytes of volumes up to which they are sent with the tasks that need them, not left in a folder."""
_STAGGER = 120
"""By how much the ends of workers' lives differ, so that not all leave at once, s."""


class Cluster:
    """Workers that compute lazy arrays, while a block of :meth:`computing` runs.

    ``patience`` is how long there may be none of them, s; ``threads`` how many are to come, if that is known.
    """

    def __init__(self, client: Client, patience: float, threads: int | None = None) -> None:
        self.client, self.patience, self.threads = client, patience, threads

    @contextmanager
    def computing(self, store: Path) -> Iterator[None]:
        """Compute by the workers whatever lazy arrays are computed within the block.

        What steps leave for each other lies in a folder beside the store, which all workers must reach, too.
        """
        import dask

        from operando.tomo.blocks import THREADS

        folder = store.with_name(f".{store.name}.scratch")
        with one_line_errors(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        threads = self.threads or sum(self.client.nthreads().values())  # type: ignore[no-untyped-call]
        settings = {"scheduler": _Sending(self), "temporary-directory": str(folder.resolve()), scratch.MOST: _SENT}
        settings |= {THREADS: threads}
        try:
            with dask.config.set(settings):
                yield
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def get(self, tasks: Any, keys: Any) -> Any:
        """Return what is wanted of tasks, in lists as ``keys`` has them."""
        values: dict[Any, Any] = {}
        for graph, wanted in portions(graph_of(tasks), list(dict.fromkeys(flat(keys)))):
            values |= zip(wanted, self._computed(*renamed(graph, wanted)), strict=True)
        return filled(keys, values)

    def _computed(self, graph: dict[Any, Any], keys: list[Any]) -> list[Any]:
        """Return what is wanted of a graph; neither a deadly task nor the loss of all workers is waited for."""
        from distributed import KilledWorker, wait

        futures = self.client.get(graph, keys, sync=False)  # type: ignore[no-untyped-call]
        seen = monotonic()
        while True:
            try:
                with self.client.as_current():
                    wait(futures, timeout=_LOOK)  # type: ignore[no-untyped-call]
                found: list[Any] = self.client.gather(futures)  # type: ignore[no-untyped-call]
            except TimeoutError:
                seen = monotonic() if self.client.nthreads() else seen  # type: ignore[no-untyped-call]
                if monotonic() - seen > self.patience:
                    text = f"cluster: expected workers, there was none for {self.patience:.0f} s; see their logs"
                    raise OperandoError(text) from None
            except KilledWorker as error:
                task = str(error.task).partition("-")[0].strip("('")
                raise OperandoError(
                    f"cluster: expected workers to survive the task {task!r}, {_FAILURES + 1} of them died over it, "
                    f"the last at {error.last_worker.address}; give workers more memory, in [cluster] of the recipe"
                ) from None
            else:
                return found


@dataclass(frozen=True)
class _Sending:
    """The scheduler that dask's settings name while a cluster computes.

    A worker that takes the place of a lost one is given these settings; to it this is none.
    """

    cluster: Cluster

    def __call__(self, tasks: Any, keys: Any, **_: Any) -> Any:
        return self.cluster.get(tasks, keys)

    def __reduce__(self) -> tuple[Any, ...]:
        return _none, ()


def _none() -> None:
    return None


@contextmanager
def started(
    place: str | None, section: ClusterSection, tell: Reporter, profile: Path | None = None
) -> Iterator[Cluster | None]:
    """Yield the workers of a place, once the first has come; None if everything is computed in this process.

    Parameters
    ----------
    place
        ``local``: worker processes here. ``slurm``: each worker a job. An address: workers of a scheduler that runs.
        None: threads of this process.
    section
        How many workers, and what each may use.
    profile
        A page to which the cluster writes what it did when.

    Raises
    ------
    OperandoError
        If the place is none of these, or no scheduler answers there; if a package is lacking.
    """
    if place is None:
        yield None
        return
    import dask
    import distributed  # noqa: F401 (its own settings must be there before others are put on top)

    with ExitStack() as stack:
        stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": _FAILURES}))
        client = stack.enter_context(_client(place, section))
        tell.say(f"cluster: waiting for workers, {place}; their state: {client.dashboard_link}")
        _wait(client, section)
        _check_alike(client)
        stack.enter_context(_profiled(client, profile))
        asked = None if "://" in place else (section.most_workers or section.workers) * section.cores
        yield Cluster(client, parse_timedelta(section.patience), asked)


@contextmanager
def _client(place: str, section: ClusterSection) -> Iterator[Client]:
    from distributed import Client

    if place not in {"local", "slurm"}:
        if "://" not in place:
            raise OperandoError(f"--cluster: expected {PLACES}, got {place!r}")
        try:
            client = Client(place, timeout=_CONNECT, set_as_default=False)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise OperandoError(f"--cluster: expected a scheduler at {place}, none answers: {reason}") from None
        with client:
            yield client
        return
    with _local(section) if place == "local" else _slurm(section) as cluster:
        if place == "slurm" or section.most_workers is not None:
            # Jobs that end are sent again; processes here are started anew in any case.
            cluster.adapt(minimum=section.workers, maximum=section.most_workers or section.workers)
        with Client(cluster, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            yield client


def _local(section: ClusterSection) -> Any:
    from distributed import LocalCluster

    return LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=section.workers,
        threads_per_worker=section.cores,
        memory_limit=section.memory,
        local_directory=section.spill,
        dashboard_address=section.dashboard,
    )


def _slurm(section: ClusterSection) -> Any:
    try:
        # Its class is not annotated, and the package need not be there.
        slurm_cluster: Any = import_module("dask_jobqueue").SLURMCluster
    except ImportError:
        remedy = "install the extra 'slurm': pip install 'operando[slurm]'"
        raise OperandoError(f"--cluster slurm: expected the package dask-jobqueue, got none; {remedy}") from None
    life = section.lifetime and round(parse_timedelta(section.lifetime))
    lifetime = ["--lifetime", f"{life}s", "--lifetime-stagger", f"{min(_STAGGER, life // 10)}s"] if life else []
    given = {
        "queue": section.queue,
        "account": section.account,
        "walltime": section.walltime,
        "interface": section.interface,
        "local_directory": section.spill,
        "log_directory": section.logs,
    }
    return slurm_cluster(
        cores=section.cores,
        processes=1,
        memory=section.memory,
        worker_extra_args=lifetime,
        job_extra_directives=section.directives,
        scheduler_options={"dashboard_address": section.dashboard},
        **{name: value for name, value in given.items() if value},
    )


def _wait(client: Client, section: ClusterSection) -> None:
    try:
        client.wait_for_workers(1, timeout=parse_timedelta(section.patience))
    except TimeoutError:
        told = f"see the jobs' logs in {section.logs}" if section.logs else "state a folder for their logs in [cluster]"
        raise OperandoError(f"--cluster: expected a worker within {section.patience}, none came; {told}") from None


def _check_alike(client: Client) -> None:
    """Raise if workers have another operando than this process, whose results might differ."""
    own = software_version()
    others = {str(found) for found in client.run(software_version).values()} - {own}
    if others:
        got = ", ".join(sorted(others))
        raise OperandoError(f"--cluster: expected workers with operando {own} as here, got {got}; start them anew")


@contextmanager
def _profiled(client: Client, page: Path | None) -> Iterator[None]:
    """Write what the cluster did within the block; only this looks for a client that all code shares."""
    from distributed import performance_report

    if page is None:
        yield
        return
    report: Any = performance_report(filename=str(page))  # type: ignore[no-untyped-call]
    with client.as_current():
        report.__enter__()
    try:
        yield
    finally:
        with client.as_current():
            report.__exit__(None, None, None)
