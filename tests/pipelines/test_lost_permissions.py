"""Files and folders that may not be read, a store that may not be written: told, nothing lost, resumed."""

from __future__ import annotations

import time
from contextlib import contextmanager

import pytest
import xarray as xr
from bound_by_permissions import bound_by_permissions
from watched_folder import PACE, RAW, Watched, few_scans, leaves, run_without_report, same_as_one_run

from operando.errors import OperandoError, RecipeError, StoreError

pytestmark = pytest.mark.faults


@pytest.fixture
def folder(tmp_path):
    return few_scans(tmp_path)


@contextmanager
def closed(path, mode=0o000):
    """Take the permissions of a file or folder away within the block."""
    before = path.stat().st_mode & 0o777
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(before)


def scans_in(folder):
    with xr.open_datatree(folder / "fed.zarr", engine="zarr") as tree:
        return tree[RAW].to_dataset().load().sizes["scan"]


def test_a_watch_keeps_what_it_has_when_permissions_go_and_goes_on_when_they_are_back(folder, monkeypatch):
    monkeypatch.setattr("operando.pipelines.watch._RETRY", 0.2)
    *stored, late, later = sorted((folder / "xas").iterdir())
    contents = {path: path.read_bytes() for path in (late, later)}
    late.unlink()
    later.unlink()
    with Watched(folder, within=bound_by_permissions) as watched:
        watched.until(lambda raw, _: raw.sizes["scan"] == len(stored))
        late.touch(mode=0o000)
        late.write_bytes(contents[late])
        watched.until(lambda _, failed: [one["source"] for one in failed] == [f"xas/{late.name}"])
        assert "Permission denied" in watched.said.getvalue()
        late.chmod(0o644)
        watched.until(lambda raw, failed: raw.sizes["scan"] == len(stored) + 1 and not failed)
        for path in (stored[2], folder / "xas", folder / "echem"):
            with closed(path):
                time.sleep(3 * PACE.patience)
                assert watched.thread.is_alive(), watched.error
                assert scans_in(folder) == len(stored) + 1
        with closed(folder / "fed.zarr", 0o555):
            later.write_bytes(contents[later])
            watched.until_said("choose a folder that you may write")
            assert scans_in(folder) == len(stored) + 1
        watched.until(lambda raw, failed: raw.sizes["scan"] == len(stored) + 2 and not failed)
    assert watched.error is None
    same_as_one_run(folder)


def test_a_run_lists_a_file_that_may_not_be_read_and_takes_it_when_it_may(folder):
    path = folder / "xas" / "Ni_L3_0003.txt"
    with closed(path), bound_by_permissions():
        (failed,) = run_without_report(folder).failed
        assert (failed["source"], "Permission denied" in failed["reason"]) == (f"xas/{path.name}", True)
        assert scans_in(folder) == 7
    assert run_without_report(folder).failed == []
    same_as_one_run(folder)


REFUSALS = [
    ("xas", 0o000, RecipeError, "xas"),
    ("echem", 0o000, OperandoError, "echem"),
    ("fed.zarr", 0o555, StoreError, "choose a folder that you may write"),
    (".", 0o555, StoreError, "choose a folder that you may write"),
    ("fed.zarr", 0o000, StoreError, "Permission denied"),
]


def test_a_run_that_may_not_read_or_write_a_folder_says_so_and_leaves_the_store(folder):
    last = max((folder / "xas").iterdir())
    data = last.read_bytes()
    last.unlink()
    before = leaves(run_without_report(folder).store)
    last.write_bytes(data)
    for place, mode, error, told in REFUSALS:
        with closed(folder / place, mode), bound_by_permissions(), pytest.raises(error, match=told):
            run_without_report(folder)
        after = leaves(folder / "fed.zarr")
        assert all(ds.identical(after[node]) for node, ds in before.items()), place
    run_without_report(folder)
    same_as_one_run(folder)
