"""A store opens lazily, says plainly why it does not, and finds its own damage."""

from __future__ import annotations

import json

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import operando
from operando import flags
from operando.errors import StoreError
from operando.pipelines.writer import Writer
from operando.store import read_root, series_nodes, verify


def series(scans: int) -> xr.Dataset:
    time = ("scan", np.datetime64("2026-03-01T12", "ns") + np.arange(scans) * np.timedelta64(90, "s"))
    return xr.Dataset(
        {"mu": (("scan", "energy"), np.arange(scans * 5.0).reshape(scans, 5), {"units": "1"})},
        {
            "energy": ("energy", np.linspace(8330.0, 8340.0, 5), {"units": "eV"}),
            "time": time,
            "time_start": time,
            "time_end": time,
            "source": ("scan", [f"scan {i}.txt" for i in range(scans)]),
            "flag": ("scan", np.zeros(scans, "int32"), flags.attrs()),
        },
    )


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "cell.zarr"
    cell = xr.Dataset(
        {"active_mass": ((), 6.8, {"units": "mg"})},
        attrs={"reference_electrode": "Li+/Li", "potential_offset": 0.0},
    )
    with Writer(path, {"experiment": "cell 4"}) as writer:
        writer.append({"xas/Ni_K/raw": series(300)})
        writer.replace({"cell": cell})
    return path


def test_an_open_store_is_lazy_and_keeps_the_experiment(store):
    with operando.open(store) as tree:
        assert tree.attrs["experiment"] == "cell 4"
        assert isinstance(tree["xas/Ni_K/raw/mu"].data, da.Array)
        assert tree["xas/Ni_K/raw/mu"].chunks == ((256, 44), (5,))
        np.testing.assert_array_equal(tree["xas/Ni_K/raw/mu"], series(300).mu)


def test_series_nodes_are_those_with_scans(store):
    with operando.open(store) as tree:
        assert series_nodes(tree) == ["xas/Ni_K/raw"]


def test_a_sound_store_has_no_problems(store):
    assert verify(store, data=True) == []


def test_a_node_that_lacks_its_layout_is_reported(store):
    with Writer(store) as writer:
        writer.replace({"xas/Ni_K/raw": series(4).drop_vars("flag")})
    assert verify(store) == [
        "xas/Ni_K/raw: series: required variable 'flag' (reasons for doubt) is missing",
    ]


def test_a_missing_and_a_spoilt_chunk_are_named(store):
    (store / "xas/Ni_K/raw/mu/c/1/0").unlink()
    (store / "xas/Ni_K/raw/mu/c/0/0").write_bytes(b"\x02\x01 spoilt")
    spoilt, missing = verify(store, data=True)
    assert missing.startswith("xas/Ni_K/raw/mu/c/1/0: this chunk is missing")
    assert spoilt.startswith("xas/Ni_K/raw/mu/c/0/0: this chunk cannot be read")
    assert verify(store) == []


def test_damaged_times_are_one_line_on_opening(store):
    (store / "xas/Ni_K/raw/time/c/0").write_bytes(b"\x02\x01 spoilt")
    with pytest.raises(StoreError, match="expected a whole store, got a damaged one") as caught:
        operando.open(store)
    assert "\n" not in str(caught.value)
    assert verify(store, data=True)[0].startswith("xas/Ni_K/raw/time/c/0: this chunk cannot be read")


def test_no_such_folder(tmp_path):
    with pytest.raises(StoreError, match=r"nothing\.zarr: expected a store, got nothing there; check the path"):
        operando.open(tmp_path / "nothing.zarr")


def test_a_folder_of_something_else(tmp_path):
    with pytest.raises(StoreError, match=r"expected a store, got a folder without zarr\.json"):
        operando.open(tmp_path)


def test_a_file_is_no_store(tmp_path):
    (tmp_path / "a.zarr").write_text("text")
    with pytest.raises(StoreError, match="expected a store, got a file"):
        operando.open(tmp_path / "a.zarr")


@pytest.mark.parametrize("document", ["", "{", "[]", '{"attributes": {}}', '{"attributes": {"schema_version": "1"}}'])
def test_a_foreign_or_broken_root_document(tmp_path, document):
    (tmp_path / "zarr.json").write_text(document)
    with pytest.raises(StoreError, match="expected a store that operando wrote") as caught:
        operando.open(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_newer_schema_asks_for_an_update(store):
    document = json.loads((store / "zarr.json").read_text())
    document["attributes"]["schema_version"] = "99"
    (store / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(StoreError, match="expected schema version 1 or older, got 99; update operando"):
        operando.open(store)


@pytest.mark.parametrize("version", ["one", "1.5", "-1", " 1", True, None, [1], 1.0, {}])
def test_a_version_that_is_no_number_makes_no_store(store, version):
    document = json.loads((store / "zarr.json").read_text())
    document["attributes"]["schema_version"] = version
    (store / "zarr.json").write_text(json.dumps(document))
    for look in (operando.open, verify, Writer(store).__enter__):
        with pytest.raises(StoreError, match="expected a store that operando wrote") as caught:
            look(*([] if look.__name__ == "__enter__" else [store]))
        assert "\n" not in str(caught.value)
    assert not store.with_name(f"{store.name}.lock").exists()


def test_the_root_document_counts_the_scans(store):
    assert read_root(store).committed() == {"cell": 0, "xas/Ni_K/raw": 300}
