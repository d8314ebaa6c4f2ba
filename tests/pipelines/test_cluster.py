"""Volumes worked on by a cluster: the same data as here, whatever becomes of single workers."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import ExitStack
from io import StringIO
from pathlib import Path

import dask.array as da
import loopback_slurm
import numpy as np
import pytest
import xarray as xr
from crack_series import NODE, folder_of
from rich.console import Console

import operando
from operando.pipelines.cluster import started
from operando.pipelines.processing import Processing
from operando.pipelines.progress import Silent
from operando.pipelines.recipe import load
from operando.pipelines.recipe_tables import ClusterSection
from operando.pipelines.run import run
from operando.pipelines.watch import Pace, Stop, watch
from operando.pipelines.watch_view import WatchView

pytestmark = pytest.mark.faults
TWO = ClusterSection(workers=2, memory="2 GiB")


def nodes(store: Path) -> dict[str, xr.Dataset]:
    with operando.open(store) as tree:
        return {name: node.to_dataset().load() for name, node in tree[NODE].children.items()}


def assert_same(one: Path, other: Path) -> None:
    """Labels, masks and text exactly, floats to 1e-12."""
    mine, theirs = nodes(one), nodes(other)
    assert mine.keys() == theirs.keys()
    for name, ds in mine.items():
        xr.testing.assert_allclose(ds, theirs[name], rtol=1e-12, atol=0)
        exact = [key for key, array in ds.variables.items() if array.dtype.kind in "iubOU"]
        assert all(np.array_equal(ds[key], theirs[name][key]) for key in exact)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """Return the store of a run in this process."""
    return run(load(folder_of(tmp_path_factory.mktemp("here")))).store


def test_local_workers_give_the_same_data_and_tell_what_they_did(here, tmp_path):
    recipe, page = load(folder_of(tmp_path / "there")), tmp_path / "profile.html"
    with started("local", TWO, Silent(), page) as cluster:
        summary = run(recipe, cluster=cluster)
    assert summary.failed == []
    assert_same(here, summary.store)
    assert "html" in page.read_text("utf-8")[:200].lower()
    assert not list(recipe.folder.glob(".*scratch"))


def test_a_watch_sends_volumes_to_the_workers_too(here, tmp_path, monkeypatch):
    recipe, stop = load(folder_of(tmp_path / "there")), Stop()
    view = WatchView(Console(file=StringIO()))

    def processed():
        try:
            with operando.open(recipe.store) as tree:
                return tree[f"{NODE}/processed"].sizes["scan"]
        except (OSError, KeyError, operando.OperandoError):
            return 0

    computed = []
    with started("local", TWO, Silent()) as cluster:
        own = cluster._computed
        monkeypatch.setattr(cluster, "_computed", lambda *given: computed.append(1) or own(*given))
        watching = threading.Thread(target=watch, args=(recipe, view, Pace(report_every=1e9), stop, cluster))
        watching.start()
        while watching.is_alive() and processed() < 3:
            time.sleep(0.2)
        stop.set()
        watching.join()
    assert len(computed) >= 3
    assert_same(here, recipe.store)


def test_a_worker_that_is_killed_in_mid_run_takes_nothing_with_it(here, tmp_path):
    recipe, killed = load(folder_of(tmp_path / "there")), []

    def disturb(workers):
        while not list(recipe.folder.glob("**/xtm/composite/processed/zarr.json")):
            time.sleep(0.02)
        killed.append(workers[0])
        os.kill(workers[0], signal.SIGKILL)

    with started("local", TWO, Silent()) as cluster:
        cluster.client.wait_for_workers(2, timeout=60)
        processes = list(cluster.client.run(os.getpid).values())
        enemy = threading.Thread(target=disturb, args=(processes,))
        enemy.start()
        summary = run(recipe, cluster=cluster)
        enemy.join()
        cluster.client.wait_for_workers(2, timeout=60)
        assert killed[0] not in cluster.client.run(os.getpid).values(), "another one took its place"
    assert summary.failed == []
    assert_same(here, summary.store)


class Told(Silent):
    """Notes when the first odd thing was told."""

    at = float("inf")

    def warn(self, _text):
        self.at = min(self.at, time.monotonic())


def test_a_task_that_kills_its_workers_is_told_with_its_scan_and_the_others_go_on(tmp_path, monkeypatch):
    recipe, made, begun, told = load(folder_of(tmp_path)), Processing.nodes, [], Told()

    def nodes_of(self, scans, *others):
        found = made(self, scans, *others)
        if "step_003" in str(scans["source"].values[0]):
            processed = found[self.processed_node]
            share = processed["void_share"].chunk().data
            begun.append(time.monotonic())
            deadly = share.map_blocks(lambda _: os._exit(1), meta=share._meta)
            found[self.processed_node] = processed.assign(void_share=processed["void_share"].copy(data=deadly))
        return found

    monkeypatch.setattr(Processing, "nodes", nodes_of)
    with started("local", TWO, Silent()) as cluster:
        summary = run(recipe, told, cluster)
    assert told.at - begun[0] < 60
    (failed,) = summary.failed
    assert "step_003" in failed["source"]
    assert "workers" in failed["reason"]
    assert summary.scans == {NODE: 2}


def test_a_worker_with_too_little_memory_is_told(tmp_path):
    section = ClusterSection(workers=1, memory="400 MiB")
    large = da.ones((600, 1000, 1000), chunks=-1).map_blocks(np.square, meta=np.empty((0, 0, 0))).sum()
    with (
        started("local", section, Silent()) as cluster,
        cluster.computing(tmp_path / "store.zarr"),
        pytest.raises(operando.OperandoError, match="give workers more memory"),
    ):
        large.compute()


@pytest.mark.skipif(bool(loopback_slurm.lacking()), reason=loopback_slurm.lacking() or "SLURM is there")
def test_slurm_gives_the_same_data_when_a_job_is_cancelled_in_mid_run(here, tmp_path):
    recipe, cancelled = load(folder_of(tmp_path / "there")), []
    section = ClusterSection(
        workers=2,
        memory="2 GiB",
        interface="lo",
        logs=str(tmp_path / "logs"),
        walltime="00:20:00",
        lifetime="15 minutes",
    )

    def disturb(summary_of):
        while not list(summary_of.glob("**/xtm/composite/processed/zarr.json")):
            time.sleep(0.1)
        cancelled.append(loopback_slurm.jobs()[-1])
        loopback_slurm.cancel(cancelled[0])

    with ExitStack() as stack:
        try:
            stack.enter_context(loopback_slurm.running(tmp_path / "slurm"))
        except RuntimeError as error:
            pytest.skip(f"SLURM does not start here: {error}")
        cluster = stack.enter_context(started("slurm", section, Silent()))
        cluster.client.wait_for_workers(2, timeout=60)
        enemy = threading.Thread(target=disturb, args=(recipe.folder,))
        enemy.start()
        summary = run(recipe, cluster=cluster)
        enemy.join()
    assert cancelled
    assert summary.failed == []
    assert_same(here, summary.store)
