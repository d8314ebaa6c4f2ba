"""A commit is all or nothing: for readers with the store open, on a full disk, and for what a killed run leaves."""

from __future__ import annotations

import errno
import json
import os
import shutil

import numpy as np
import pytest
import xarray as xr
import zarr

from operando.errors import StoreError
from operando.pipelines import commit, row_chunks
from operando.pipelines.writer import Writer

RAW, PROCESSED = "xas/Ni_K/raw", "xas/Ni_K/processed"


def batch(first, scans):
    index = np.arange(first, first + scans)
    return xr.Dataset(
        {"mu": (("scan", "energy"), np.sin(index[:, None] + np.arange(7.0)), {"units": "1"})},
        {"source": ("scan", np.array([f"scan {i}" for i in index], dtype=object)), "signal": ((), "mu")},
    )


def echem(samples, value=1.0):
    time = np.datetime64("2026-03-01", "ns") + np.arange(samples) * np.timedelta64(1, "s")
    return xr.Dataset({"voltage": ("time", np.full(samples, value), {"units": "V"})}, {"time": time})


def plain(path, node):
    return xr.open_zarr(path, group=node).load()


def same(left, right):
    left, right = (
        ds.assign({name: var.astype(object) for name, var in ds.variables.items() if var.dtype.kind in "TOU"})
        for ds in (left, right)
    )
    assert left.identical(right)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cell.zarr"


@pytest.fixture
def store(path):
    with Writer(path, {"experiment": "cell"}) as writer:
        yield writer


def test_an_open_reader_keeps_the_state_that_it_opened(store, path):
    store.append({RAW: batch(0, 4)})
    store.replace({"echem": echem(10, 1.0)})
    with xr.open_datatree(path, engine="zarr", chunks={}) as tree:
        store.append({RAW: batch(4, 4)})
        store.replace({"echem": echem(20, 2.0)})
        same(tree["echem"].to_dataset().load(), echem(10, 1.0))
        same(tree[RAW].to_dataset().load(), batch(0, 4))


def test_a_node_removed_and_made_anew_does_not_disturb_an_open_reader(store, path):
    store.append({RAW: batch(0, 4)})
    with xr.open_datatree(path, engine="zarr", chunks={}) as tree:
        store.remove([RAW])
        store.append({RAW: batch(100, 8)})
        same(tree[RAW].to_dataset().load(), batch(0, 4))
    same(plain(path, RAW), batch(100, 8))


def test_the_root_document_is_what_zarr_would_consolidate(path):
    with Writer(path, {"experiment": "cell"}) as store:
        store.append({RAW: batch(0, 4), PROCESSED: batch(0, 4)})
        store.append({RAW: batch(4, 4), PROCESSED: batch(4, 4)})
        store.replace({"echem": echem(3), PROCESSED: batch(0, 2)})
    ours = json.loads((path / "zarr.json").read_text())
    zarr.consolidate_metadata(path)
    assert json.loads((path / "zarr.json").read_text()) == ours


def test_the_next_writer_clears_leftovers_and_nothing_else(path):
    with Writer(path) as writer:
        writer.append({RAW: batch(0, 300)})
        writer.replace({"echem": echem(3), "cell": xr.Dataset({"soc0": 0.0})})
        writer.replace({"echem": echem(3)})
        writer.remove(["cell"])
    with Writer(path):
        pass
    files = {str(file.relative_to(path)) for file in path.rglob("*")}
    (path / "notes").mkdir()
    (path / "notes" / "mine.txt").write_text("keep")
    shutil.copytree(path / "xas", path / "xps")
    (path / RAW / "mu/c/1" / ("0." + 32 * "a" + ".partial")).write_text("")
    shutil.copytree(path / RAW / "mu/c/1", path / RAW / "mu/c/2")
    shutil.copytree(path / RAW / "mu/c/1", path / RAW / "mu/1")
    (path / ".zarr.json.new").write_text("{")
    path.with_name(".cell.zarr.new").mkdir()
    path.with_name("cell.zarr.lock.0123").touch()
    with Writer(path):
        pass
    assert {str(file.relative_to(path)) for file in path.rglob("*")} == files | {"notes", "notes/mine.txt"}
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    same(plain(path, RAW), batch(0, 300))


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("place", ["chunks", "documents", "root document", "sync"])
def test_a_full_disk_keeps_the_last_state(store, path, monkeypatch, place):
    store.append({RAW: batch(0, 4)})
    store.replace({"echem": echem(3)})
    with monkeypatch.context() as patch:
        if place == "chunks":
            patch.setattr(row_chunks, "_put", full_disk)
            patch.setattr("zarr.storage._local._put", full_disk)
        elif place == "documents":
            patch.setattr(commit.Path, "write_text", full_disk)
        elif place == "root document":
            patch.setattr(commit, "_write_durably", full_disk)
        else:
            patch.setattr(commit.os, "fsync", full_disk)
        for change in (
            lambda: store.append({RAW: batch(4, 4), PROCESSED: batch(4, 4)}),
            lambda: store.replace({"echem": echem(9, 2.0), "more": echem(9)}),
        ):
            with pytest.raises(
                StoreError, match=r"No space left on device.*what was committed is untouched; free"
            ) as e:
                change()
            assert "\n" not in str(e.value)
    same(plain(path, RAW), batch(0, 4))
    same(plain(path, "echem"), echem(3))
    store.append({RAW: batch(4, 6), PROCESSED: batch(4, 6)})
    store.replace({"echem": echem(5, 2.0)})
    same(plain(path, RAW), batch(0, 10))
    same(plain(path, "echem"), echem(5, 2.0))


def test_a_reader_that_fails_leaves_the_last_state(store, path):
    def broken(_):
        raise ValueError("a spoilt file")

    store.append({RAW: batch(0, 4)})
    lazy = batch(4, 4).chunk(scan=1)
    lazy["mu"] = lazy.mu.copy(data=lazy.mu.data.map_blocks(broken, dtype=float, meta=np.empty((0, 0))))
    with pytest.raises(ValueError, match="a spoilt file"):
        store.append({RAW: lazy})
    same(plain(path, RAW), batch(0, 4))
    store.append({RAW: batch(4, 4)})
    same(plain(path, RAW), batch(0, 8))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(StoreError, match="choose a folder that you may write"):
        Writer(tmp_path / "cell.zarr").__enter__()


def test_a_read_only_file_system(store, path, monkeypatch):
    def read_only(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    store.append({RAW: batch(0, 4)})
    with monkeypatch.context() as patch:
        patch.setattr(row_chunks, "_put", read_only)
        with pytest.raises(StoreError, match=r"Read-only file system.*choose a folder that can be written"):
            store.append({RAW: batch(4, 4)})
        patch.setattr(commit.Path, "write_text", read_only)
        with pytest.raises(StoreError, match=r"other\.zarr: writing failed \(Read-only file system"):
            Writer(path.with_name("other.zarr")).__enter__()
    same(plain(path, RAW), batch(0, 4))
