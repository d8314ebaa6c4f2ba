"""A disk that is full, or refuses writing, at any moment: one line, the last state stays, and it goes on after."""

from __future__ import annotations

import os
import random
import shutil
from contextlib import ExitStack

import pytest
import xarray as xr
from small_disk import small_disk
from watched_folder import RAW, Watched, few_scans, leaves, run_without_report, same_as_one_run

from operando.errors import StoreError
from operando.pipelines import report, series_growth
from operando.pipelines.processing import Processing
from operando.pipelines.recipe import load
from operando.pipelines.run import run

STORES, SEED = 1, 20261129
SCANS = 8

pytestmark = pytest.mark.faults


@pytest.fixture
def beamtime(tmp_path):
    """Return a beamtime folder whose store lies on a small disk, and the disk."""
    few_scans(tmp_path)
    with small_disk(tmp_path / "disk") as disk:
        recipe = tmp_path / "beamtime.toml"
        text = recipe.read_text(encoding="utf-8")
        recipe.write_text(text.replace('store = "fed.zarr"', 'store = "disk/fed.zarr"'), encoding="utf-8")
        (tmp_path / "fed.zarr").symlink_to("disk/fed.zarr")
        yield tmp_path, disk


@pytest.fixture
def whole(tmp_path_factory):
    """Return the nodes of an undisturbed run."""
    return leaves(run_without_report(few_scans(tmp_path_factory.mktemp("whole"))).store)


def committed_scans(path, whole):
    """Return how many scans a plain reader finds, after comparing all that it finds with an undisturbed run."""
    if not path.exists():
        return 0
    with xr.open_datatree(path, engine="zarr") as tree:
        found = {node.path: node.to_dataset().load() for node in tree.leaves if node.data_vars}
    for node, ds in found.items():
        wanted = whole[node]
        # Text is of fixed length here where operando keeps it open-ended.
        xr.testing.assert_equal(ds, wanted.isel(scan=slice(ds.sizes["scan"])) if "scan" in ds.dims else wanted)
    return found[f"/{RAW}"].sizes["scan"] if f"/{RAW}" in found else 0


def refusal(folder):
    """Run, and return what is said if the store cannot be written."""
    try:
        run_without_report(folder)
    except StoreError as error:
        return [str(error)]
    return []


def test_a_run_on_a_disk_that_is_full_at_any_moment_keeps_the_last_state_and_is_finished_by_the_next(
    beamtime, whole, monkeypatch
):
    monkeypatch.setattr(series_growth, "BATCH", 2)
    folder, disk = beamtime
    store, chosen = disk.folder / "fed.zarr", random.Random(SEED)
    taken = os.statvfs(disk.folder)
    run_without_report(folder)
    needed = (taken.f_bavail - os.statvfs(disk.folder).f_bavail) * taken.f_frsize
    shutil.rmtree(store)
    told, states = [], []
    for _ in range(STORES):
        # The log comes first and takes most of the space; each commit of scans then needs a little more.
        free = int(needed * chosen.uniform(0.75, 0.85))
        while not states or states[-1] < SCANS:
            used = sum(path.stat().st_blocks * 512 for path in store.rglob("*")) if store.exists() else 0
            disk.fill(max(0, free - used))
            told += refusal(folder)
            states.append(committed_scans(store, whole))
            free += chosen.randrange(needed // 12)
        disk.empty()
        assert states == sorted(states), "scans that were committed are lost"
        run_without_report(folder)
        assert committed_scans(store, whole) == SCANS
        assert not (disk.folder / "fed.zarr.lock").exists()
        shutil.rmtree(store)
        states.clear()
    assert len(told) > 2 * STORES
    assert all("free some space" in text and "\n" not in text for text in told)


def test_a_watch_waits_for_room_and_for_a_disk_that_may_be_written_again(beamtime, monkeypatch):
    folder, disk = beamtime
    monkeypatch.setattr("operando.pipelines.watch._RETRY", 0.2)
    late = sorted((folder / "xas").iterdir())[4:]
    data = {path: path.read_bytes() for path in late}
    for path in late:
        path.unlink()
    with Watched(folder) as watched:
        watched.until(lambda raw, _: raw.sizes["scan"] == 4)
        disk.fill(0)
        late[0].write_bytes(data[late[0]])
        watched.until_said("free some space")
        with xr.open_datatree(folder / "fed.zarr", engine="zarr") as tree:
            assert tree[RAW].to_dataset().load().sizes["scan"] == 4
        disk.empty()
        watched.until(lambda raw, _: raw.sizes["scan"] == 5)
        with disk.read_only():
            late[1].write_bytes(data[late[1]])
            watched.until_said("choose a folder that can be written")
            with xr.open_datatree(folder / "fed.zarr", engine="zarr") as tree:
                assert tree[RAW].to_dataset().load().sizes["scan"] == 5
        watched.until(lambda raw, _: raw.sizes["scan"] == 6)
        disk.fill(40_000)
        for path in late[2:]:
            path.write_bytes(data[path])
        disk.empty()
        watched.until(lambda raw, failed: raw.sizes["scan"] == SCANS and not failed)
    assert watched.error is None
    assert all(len(line) < 400 for line in watched.said.getvalue().splitlines())
    (folder / "fed.zarr").unlink()
    shutil.move(disk.folder / "fed.zarr", folder / "fed.zarr")
    recipe = folder / "beamtime.toml"
    recipe.write_text(recipe.read_text().replace("disk/fed.zarr", "fed.zarr"), encoding="utf-8")
    same_as_one_run(folder)


def test_a_run_whose_disk_turns_read_only_ends_in_a_line_and_the_next_one_goes_on(beamtime, whole, monkeypatch):
    monkeypatch.setattr(series_growth, "BATCH", 2)
    folder, disk = beamtime
    read, calls = Processing.read, []
    with ExitStack() as refusing:

        def turning(self, path, **options):
            calls.append(path)
            if len(calls) == 6:
                refusing.enter_context(disk.read_only())
            return read(self, path, **options)

        monkeypatch.setattr(Processing, "read", turning)
        (told,) = refusal(folder)
        assert "choose a folder that can be written" in told
        assert committed_scans(disk.folder / "fed.zarr", whole) == 4
    run_without_report(folder)
    assert committed_scans(disk.folder / "fed.zarr", whole) == SCANS
    assert not (disk.folder / "fed.zarr.lock").exists()


def test_a_report_that_finds_no_room_leaves_the_page_before(beamtime):
    folder, disk = beamtime
    store = run_without_report(folder).store
    recipe, page = folder / "beamtime.toml", disk.folder / "report.html"
    recipe.write_text(
        recipe.read_text().replace('"disk/fed.zarr"', '"disk/fed.zarr"\nreport = "disk/report.html"'), encoding="utf-8"
    )
    report.write_store(store, page)
    before = page.read_bytes()
    disk.fill(0)
    with pytest.raises(StoreError, match="free some space"):
        run(load(folder))
    assert page.read_bytes() == before
    assert sorted(path.name for path in disk.folder.iterdir()) == ["ballast", "fed.zarr", "report.html"]
