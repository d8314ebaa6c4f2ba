"""Rows are put behind stored ones, by another writer too, and never behind some that cannot be read."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from operando.errors import StoreError
from operando.pipelines.writer import Writer

NODE = "xas/Ni_K/raw"


def scans(first, count):
    index = np.arange(first, first + count)
    return xr.Dataset(
        {"mu": (("scan", "energy"), np.sin(index[:, None] + np.arange(5.0)), {"units": "1"})},
        {
            "energy": ("energy", np.arange(5.0), {"units": "eV"}),
            "time": ("scan", np.datetime64("2026-03-01", "ns") + index * np.timedelta64(90, "s")),
            "source": ("scan", [f"Zelle µ {number}.txt" for number in index]),
            "good": ("scan", index % 3 == 0),
        },
    )


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "cell.zarr"
    with Writer(path) as store:
        store.append({NODE: scans(0, 4)})
    return path


def same(path, count):
    found, wanted = xr.open_zarr(path, group=NODE).load(), scans(0, count)
    for name, expected in wanted.variables.items():
        np.testing.assert_array_equal(found[name].values.astype(expected.dtype), expected.values)


def test_another_writer_goes_on_behind_the_rows_that_are_committed_whatever_lies_behind_these(path):
    with Writer(path) as store:
        committed = (path / "zarr.json").read_bytes()
        store.append({NODE: scans(77, 3)})
    # As a run leaves it that is killed before it commits.
    (path / "zarr.json").write_bytes(committed)
    for first, count in ((4, 1), (5, 2), (7, 300), (307, 3)):
        with Writer(path) as store:
            store.append({NODE: scans(first, count)})
        same(path, first + count)


@pytest.mark.parametrize("name", ["mu", "source", "good"])
@pytest.mark.parametrize("damaged", [False, True])
def test_rows_are_not_put_behind_stored_ones_that_cannot_be_read(path, name, damaged):
    (chunk,) = (one for one in (path / NODE / name / "c").rglob("*") if one.is_file())
    whole = chunk.read_bytes()
    if damaged:
        chunk.write_bytes(whole[:-9])
    else:
        chunk.unlink()
    with Writer(path) as store:
        with pytest.raises(
            StoreError, match=f"{name}/c/0.*: expected the last rows that were stored, got .*; what was"
        ):
            store.append({NODE: scans(4, 2)})
        assert store.committed() == {NODE: 4}
        chunk.write_bytes(whole)
        store.append({NODE: scans(4, 2)})
    same(path, 6)
