"""Volumes worked on here, and by 1 and 2 workers of a cluster: the same data, what it costs, what 64 would do."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from peak import one_thread, write_row

one_thread()
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

import dask
import dask.array as da
import numpy as np
from crack_series import NODE, folder_of
from distributed import Client, LocalCluster

import operando
from operando import tomo
from operando.pipelines.cluster import Cluster, started
from operando.pipelines.progress import Silent
from operando.pipelines.recipe import load
from operando.pipelines.recipe_tables import ClusterSection
from operando.pipelines.run import run

STEPS, REPEATS = (1, 5), 4
MEMORY = "2 GiB"
VOLUMES, SIZE, MANY = 50, (2160, 2560, 2560), 64
BLOCK = 256
TASKS = 5000
VERSIONS = ("numpy", "numba", "dask", "distributed", "zarr", "xarray")
NOTE = "machine shared" if "--shared" in sys.argv else "machine to itself"


def took(folder: Path, workers: int | None) -> tuple[float, Path]:
    """Return how long a run takes, once its workers are there, s, and its store; without workers by one thread."""
    recipe = load(folder_of(folder, STEPS, ("cracks", "label"), REPEATS))
    section = ClusterSection(workers=workers or 1, memory=MEMORY)
    with started("local" if workers else None, section, Silent()) as cluster, dask.config.set(scheduler="synchronous"):
        if cluster is not None:
            cluster.client.wait_for_workers(workers)
        start = time.perf_counter()
        summary = run(recipe, cluster=cluster)
        seconds = time.perf_counter() - start
    if summary.failed:
        raise SystemExit(summary.failed[0]["reason"])
    return seconds, recipe.store


def check_same(one: Path, other: Path) -> None:
    with operando.open(one) as mine, operando.open(other) as theirs:
        a, b = (tree[f"{NODE}/processed"].to_dataset() for tree in (mine, theirs))
        for name in ("label", "void_share", "crack_aperture"):
            if not np.array_equal(a[name].values, b[name].values, equal_nan=True):
                raise SystemExit(f"{name} differs")
        for name in ("void_fraction", "crack_fraction", "matrix_level", "crack_volume"):
            np.testing.assert_allclose(a[name].values, b[name].values, rtol=1e-12, atol=0)


def milliseconds_a_task() -> float:
    """Return how long the scheduler takes for a task when 64 workers wait for it."""
    with (
        LocalCluster(
            n_workers=MANY, threads_per_worker=1, processes=False, memory_limit=0, dashboard_address=None
        ) as local,
        Client(local, set_as_default=False) as client,
        tempfile.TemporaryDirectory() as folder,
        Cluster(client, 60).computing(Path(folder) / "store.zarr"),
    ):
        nothing = da.zeros(TASKS, chunks=1)
        nothing.map_blocks(np.negative).sum(split_every=TASKS).compute()
        start = time.perf_counter()
        nothing.map_blocks(np.square).sum(split_every=TASKS).compute()
        return 1e3 * (time.perf_counter() - start) / TASKS


def hours(each: float) -> tuple[float, float, int]:
    """Return the hours that 64 workers take for all volumes, core hours of work, and tasks of a volume."""
    said = [
        tomo.cost(step, SIZE, dtype=kind, chunks=BLOCK, workers=1)
        for step, kind in (("segment_cracks", np.uint16), ("label", bool))
    ]
    work, tasks = sum(one.seconds for one in said), sum(one.tasks for one in said)
    rounds = -(-(np.ceil(np.array(SIZE) / BLOCK).prod()) // MANY) * MANY / np.prod(np.array(SIZE) / BLOCK)
    return VOLUMES * (work * rounds / MANY + tasks * each / 1e3) / 3600, VOLUMES * work / 3600, tasks


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        took(folder / "warm", None)
        (here, store), (one, first), (two, second) = (took(folder / str(workers), workers) for workers in (None, 1, 2))
        check_same(store, first)
        check_same(store, second)
    each = milliseconds_a_task()
    whole, work, tasks = hours(each)
    ours = f"{here:.0f} s on one thread here, {one:.0f} s by 1 worker ({one / here - 1:+.0%}), {two:.0f} s by 2"
    plan = (
        f"plan: {VOLUMES} volumes of {2 * np.prod(SIZE) / 1e9:.0f} GB, {work:.0f} core hours of cracks and labels, "
        f"take {MANY} workers {whole:.1f} h: {tasks} tasks a volume, {each:.2f} ms of the scheduler each"
    )
    print(ours, plan, sep="\n")
    name = f"cracks and labels of {len(STEPS)} volumes, each {REPEATS}^3 times the example's, by a cluster; {NOTE}"
    write_row(name, "one worker", f"{one / two:.2f}x", ours, "-", f"the same data; {plan}", "-", packages=VERSIONS)


if __name__ == "__main__":
    main()
