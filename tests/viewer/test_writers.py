"""What is written from the viewer is read again as it was; the store stays whole."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import xarray as xr

import operando
from operando import flags, tomo
from operando.errors import OperandoError
from operando.history import entries
from operando.pipelines.writer import Writer
from operando.viewer.layers import View, layers_of
from operando.viewer.readers import reader
from operando.viewer.stores import layers_of_store
from operando.viewer.writers import write

SERIES = "xtm/pellet"
SHAPE = (2, 6, 8, 10)


def volumes():
    rng = np.random.default_rng(3)
    places = {
        axis: (axis, (np.arange(size) + 0.5) * 0.5, {"units": "um", "long_name": axis})
        for axis, size in zip("zyx", SHAPE[1:], strict=True)
    }
    times = np.datetime64("2026-05-01", "ns") + np.arange(2) * np.timedelta64(3600, "s")
    coords = {
        **places,
        **{name: ("scan", times, {"long_name": name}) for name in ("time_start", "time", "time_end")},
        "source": ("scan", np.array(["step_0", "step_1"], dtype=object)),
        "flag": ("scan", np.zeros(2, "int32"), flags.attrs()),
        "voxel_size": ("scan", [0.5, 0.5], {"units": "um", "long_name": "edge of a voxel"}),
    }
    dims = ("scan", "z", "y", "x")
    grey = xr.Variable(dims, rng.integers(0, 999, SHAPE).astype("uint16"), {"units": "1", "long_name": "grey value"})
    label = xr.Variable(dims, rng.integers(0, 4, SHAPE).astype("int32"), {"units": "1", "long_name": "object"})
    return xr.Dataset({"grey": grey}, coords), xr.Dataset({"label": label}, coords)


@pytest.fixture
def store(tmp_path):
    raw, processed = volumes()
    with Writer(tmp_path / "cell.zarr", {"experiment": "a pellet"}) as writer:
        writer.replace({f"{SERIES}/raw": raw, f"{SERIES}/processed": processed})
    return tmp_path / "cell.zarr"


def layer(store, name):
    return next(one for one in layers_of_store(store) if one[1]["name"] == name)


def test_labels_go_back_into_the_store_beside_what_is_there(store):
    data, meta, kind = layer(store, "pellet · label")
    edited = np.asarray(data).copy()
    edited[1, 2] = 7
    assert write(str(store), [(edited, meta, kind)]) == [str(store / SERIES / "drawn")]
    write(str(store), [(edited * 2, {**meta, "name": "pellet · twice"}, kind)])
    tree = operando.open(store)
    drawn = tree[f"{SERIES}/drawn"].to_dataset()
    np.testing.assert_array_equal(drawn["label"], edited)
    np.testing.assert_array_equal(drawn["twice"], edited * 2)
    np.testing.assert_array_equal(tree[f"{SERIES}/processed"]["label"], volumes()[1]["label"])
    np.testing.assert_array_equal(drawn["z"], volumes()[0]["z"])
    assert entries(drawn)[-1]["step"] == "viewer.write"
    assert drawn["label"].attrs["units"] == "1"
    assert operando.store.verify(store, data=True) == []
    assert {one[1]["name"] for one in layers_of_store(store)} >= {"pellet · label", "pellet · twice"}


def test_new_labels_belong_to_the_series_of_their_shape(store):
    painted = np.zeros(SHAPE, "uint8")
    painted[0, 1, 2, 3] = 1
    write(str(store), [(painted, {"name": "scribbles"}, "labels")])
    drawn = operando.open(store)[f"{SERIES}/drawn"].to_dataset()
    np.testing.assert_array_equal(drawn["scribbles"], painted)
    assert drawn["scribbles"].dims == ("scan", "z", "y", "x")
    with pytest.raises(OperandoError, match="expected a layer of the shape of one series, got 'odd' of 3 x 3 voxels"):
        write(str(store), [(np.zeros((3, 3), "uint8"), {"name": "odd"}, "labels")])


def test_layers_of_another_store_are_refused(store, tmp_path):
    other = tmp_path / "other.zarr"
    shutil.copytree(store, other)
    with pytest.raises(OperandoError, match="expected layers of this store"):
        write(str(other), [layer(store, "pellet · label")])


def test_a_series_becomes_an_ome_zarr_store_a_scan_and_opens_again(store, tmp_path):
    written = write(str(tmp_path / "out.ome.zarr"), [layer(store, "pellet · grey")])
    assert [one.rpartition("/")[2] for one in written] == ["out_000.ome.zarr", "out_001.ome.zarr"]
    raw, _ = volumes()
    for scan, path in enumerate(written):
        ds = tomo.read(path)
        np.testing.assert_array_equal(ds["grey"], raw["grey"][scan])
        ((data, meta, kind),) = reader(path)(path)
        assert kind == "image"
        np.testing.assert_array_equal(data, raw["grey"][scan])
        np.testing.assert_allclose(meta["scale"], 0.5)
        np.testing.assert_allclose(meta["translate"], 0.25)
        assert meta["units"] == ["um"] * 3
    with pytest.raises(OperandoError, match="expected nothing here, got a store"):
        write(str(tmp_path / "out.ome.zarr"), [layer(store, "pellet · grey")])


def test_the_levels_of_an_ome_zarr_store_are_those_of_the_file(tmp_path):
    from operando.pipelines.export.ome_zarr import write_ome_zarr

    raw, _ = volumes()
    path = write_ome_zarr(tmp_path / "one.ome.zarr", raw["grey"][0].reset_coords(drop=True), levels=2)
    ((data, meta, _),) = reader(str(path))(str(path))
    assert meta["multiscale"]
    assert [one.shape for one in data] == [(6, 8, 10), (3, 4, 5)]
    mean = raw["grey"][0].values.reshape(3, 2, 4, 2, 5, 2).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(data[1], mean, atol=0.5)


def test_large_arrays_have_coarser_levels_that_are_parts_of_them():
    array = xr.DataArray(np.arange(4 * 2100 * 1030, dtype="float32").reshape(4, 2100, 1030), dims=("z", "y", "x"))
    ((data, meta, _),) = layers_of([View(array, "large", limits=(0, 1))])
    assert [one.shape for one in data] == [(4, 2100, 1030), (2, 1050, 515), (1, 525, 257), (1, 262, 129)]
    np.testing.assert_array_equal(data[1], array[1::2, 1::2, 1::2])
    assert meta["multiscale"]
