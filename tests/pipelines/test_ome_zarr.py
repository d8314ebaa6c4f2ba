"""Volumes leave as OME-Zarr and come back equal, with their lengths, at every level of resolution."""

from __future__ import annotations

import errno
import json

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr

from operando import tomo
from operando.errors import OperandoError
from operando.pipelines.export import ome_zarr, write_ome_zarr
from operando.pipelines.export.ome_zarr import halved

EDGES = (1.3, 0.65, 0.65)


def volume(shape=(70, 33, 41), dtype=np.uint16, *, lazy=False):
    values = np.random.default_rng(2).integers(0, 250, shape).astype(dtype)
    data = da.from_array(values, chunks=(16, *shape[1:])) if lazy else values
    places = {name: (np.arange(size) + 0.5) * edge for name, size, edge in zip("zyx", shape, EDGES, strict=True)}
    return xr.DataArray(data, dims=("z", "y", "x"), coords=places, attrs={"units": "1", "history": '[{"step": "s"}]'})


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("lazy", [True, False])
def test_what_was_written_is_read_back(tmp_path, dtype, lazy):
    grey = volume(dtype=dtype, lazy=lazy)
    path = write_ome_zarr(tmp_path / "step.ome.zarr", grey, levels=3)
    ds = tomo.read(path)
    np.testing.assert_array_equal(ds["grey"], grey)
    assert ds["grey"].dtype == dtype
    for name in "zyx":
        np.testing.assert_allclose(ds[name], grey[name], rtol=1e-12)
    for level in (1, 2):
        coarse = tomo.read(path, level=level)
        wanted = grey.values
        for _ in range(level):
            wanted = halved(wanted)
        np.testing.assert_array_equal(coarse["grey"], wanted)
        assert 2 * float(coarse["z"][0]) == pytest.approx(EDGES[0] * 2**level)


def test_the_metadata_are_those_of_the_standard(tmp_path):
    path = write_ome_zarr(tmp_path / "step.ome.zarr", volume(), levels=2)
    root = zarr.open_group(path, mode="r")
    (image,) = root.attrs["ome"]["multiscales"]
    assert root.attrs["ome"]["version"] == "0.5"
    assert image["axes"] == [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    assert image["datasets"][1]["coordinateTransformations"] == [
        {"type": "scale", "scale": [2.6, 1.3, 1.3]},
        {"type": "translation", "translation": [1.3, 0.65, 0.65]},
    ]
    assert root.metadata.zarr_format == 3
    assert root["0"].metadata.dimension_names == ("z", "y", "x")
    assert root.attrs["operando"]["history"] == [{"step": "s"}]


def test_means_of_a_linear_grey_level_lie_where_the_translation_says():
    grey = np.broadcast_to(np.arange(8.0)[:, None, None], (8, 4, 4))
    np.testing.assert_allclose(halved(grey)[:, 0, 0], [0.5, 2.5, 4.5, 6.5])
    np.testing.assert_array_equal(halved(np.array([[[1, 2, 9]]], np.uint8)), [[[2, 9]]])


def test_a_coarser_label_is_the_most_frequent_one(tmp_path):
    label = np.array([[[5, 7], [7, 3]], [[7, 5], [2, 5]]], np.uint32)
    assert halved(label, labels=True).item() == 5
    label[1, 0, 1] = 7
    assert halved(label, labels=True).item() == 7
    labels = volume(dtype=np.int32) % 4
    path = write_ome_zarr(tmp_path / "labels.zarr", labels.assign_coords(volume().coords), labels=True, levels=2)
    coarse = tomo.read(path, level=1)["grey"].values
    assert set(np.unique(coarse)) <= set(range(4))
    np.testing.assert_array_equal(coarse, halved(labels.values, labels=True))


def test_levels_halve_until_the_volume_is_small(tmp_path, monkeypatch):
    monkeypatch.setattr(ome_zarr, "COARSEST", 20)
    path = write_ome_zarr(tmp_path / "v.zarr", volume())
    assert [zarr.open_array(path / str(level), mode="r").shape[0] for level in range(3)] == [70, 35, 18]
    assert json.loads(tomo.read(path).attrs["metadata"])["levels"] == 3


def test_a_store_is_whole_or_not_there(tmp_path, monkeypatch):
    path = write_ome_zarr(tmp_path / "v.zarr", volume())
    with pytest.raises(OperandoError, match="say overwrite = true"):
        write_ome_zarr(path, volume())
    broken = volume(lazy=True)
    broken = broken.copy(data=broken.data.map_blocks(_fails, dtype=np.uint16))
    with pytest.raises(OperandoError, match="a part is lost"):
        write_ome_zarr(path, broken, overwrite=True)
    np.testing.assert_array_equal(tomo.read(path)["grey"], volume())
    write_ome_zarr(path, volume() + 1, overwrite=True)
    np.testing.assert_array_equal(tomo.read(path)["grey"], volume() + 1)
    assert [one.name for one in tmp_path.iterdir()] == ["v.zarr"]
    with pytest.raises(OperandoError, match="expected an existing folder to write to"):
        write_ome_zarr(tmp_path / "nowhere" / "v.zarr", volume())
    monkeypatch.setattr("pathlib.Path.rename", _no_space)
    with pytest.raises(OperandoError, match=r"writing failed \(No space left on device\); no store was changed"):
        write_ome_zarr(tmp_path / "w.zarr", volume())


def _no_space(*paths):
    raise OSError(errno.ENOSPC, "No space left on device")


def _fails(block):
    raise OperandoError("a part is lost")


def test_what_has_no_place_in_um_is_refused(tmp_path):
    with pytest.raises(OperandoError, match=r"expected places along z, y, x \(um\), got none"):
        write_ome_zarr(tmp_path / "v.zarr", volume().drop_vars(["z", "y", "x"]))
    with pytest.raises(OperandoError, match="expected one volume"):
        write_ome_zarr(tmp_path / "v.zarr", xr.concat([volume(), volume()], "scan"))
    with pytest.raises(OperandoError, match="levels: expected a number from 1 to 12, got 0"):
        write_ome_zarr(tmp_path / "v.zarr", volume(), levels=0)
