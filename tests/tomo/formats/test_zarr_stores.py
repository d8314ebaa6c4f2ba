"""Zarr and OME-Zarr stores: values by their path, lengths by their metadata, levels by their number."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import zarr
from numcodecs import Blosc
from volume_files import EDGE, grey, ome_zarr, zarr_array
from zarr.codecs import BloscCodec

from operando import tomo
from operando.errors import OperandoError, OperandoWarning
from operando.flags import Flag
from operando.sniff import head, identify
from operando.tomo.formats import FORMATS


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_array_is_a_volume_of_the_stated_voxel(tmp_path, zarr_format):
    path = zarr_array(tmp_path / "v.zarr", zarr_format=zarr_format)
    with pytest.raises(OperandoError, match="expected the edge of a voxel, got none"):
        tomo.read(path)
    ds = tomo.read(path, voxel_size=EDGE)
    np.testing.assert_array_equal(ds["grey"], grey())
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(ds))["grey"][1:4, 2, ::3], grey()[1:4, 2, ::3])
    np.testing.assert_array_equal(ds["grey"][::-1, 5, ::-3], grey()[::-1, 5, ::-3])
    document = path / ("zarr.json" if zarr_format == 3 else ".zarray")
    np.testing.assert_array_equal(tomo.read(document, voxel_size=EDGE)["grey"], grey())


def test_an_array_in_a_group_is_named(tmp_path):
    root = zarr.create_group(tmp_path / "g.zarr")
    for name, values in (("a", grey()), ("deep/b", grey(seed=8)), ("flat", grey()[0])):
        root.create_array(name, data=values)
    np.testing.assert_array_equal(tomo.read(tmp_path / "g.zarr", voxel_size=1)["grey"], grey())
    ds = tomo.read(tmp_path / "g.zarr", "zarr", voxel_size=1, array="deep/b")
    np.testing.assert_array_equal(ds["grey"], grey(seed=8))
    for name, said in (
        ("none", "a sound Zarr store"),
        ("deep", "an array, got a group"),
        ("flat", "an array of 3 dims"),
    ):
        with pytest.raises(OperandoError, match=said):
            tomo.read(tmp_path / "g.zarr", "zarr", voxel_size=1, array=name)
    root.create_array("c", data=grey())
    with pytest.raises(OperandoError, match="one array of three dims, got a, c; name it: array"):
        tomo.read(tmp_path / "g.zarr", "zarr", voxel_size=1)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_metadata_give_lengths_and_levels(tmp_path, version):
    path = ome_zarr(tmp_path / "v.ome.zarr", version=version)
    assert identify(head(path, folders=True), FORMATS).name == "ome_zarr"
    ds = tomo.read(path)
    np.testing.assert_array_equal(ds["grey"], grey())
    np.testing.assert_allclose([ds["z"][0], ds["x"][0]], [EDGE, EDGE / 2])
    coarse = tomo.read(path, level=1)
    np.testing.assert_array_equal(coarse["grey"], grey()[::2, ::2, ::2])
    np.testing.assert_allclose([coarse["z"][0], coarse["x"][0]], [2 * EDGE, EDGE])
    with pytest.raises(OperandoError, match="level: expected a number from 0 to 1, got 2"):
        tomo.read(path, level=2)
    with pytest.warns(OperandoWarning, match="the settings 1 um, which is taken"):
        tomo.read(path, voxel_size=1)


def test_times_and_channels_are_named(tmp_path):
    values = grey((2, 1, 6, 12, 10))
    path = ome_zarr(tmp_path / "v.zarr", values, axes="tczyx")
    with pytest.raises(OperandoError, match="one volume, got 2 along t; state time_point = 0"):
        tomo.read(path)
    np.testing.assert_array_equal(tomo.read(path, time_point=1)["grey"], values[1, 0])
    with pytest.raises(OperandoError, match="channel: expected a number from 0 to 0, got 1"):
        tomo.read(path, time_point=1, channel=1)


def test_lengths_without_a_unit_are_not_taken(tmp_path):
    path = ome_zarr(tmp_path / "v.zarr", unit="")
    with pytest.raises(OperandoError, match="expected the edge of a voxel, got none in the file"):
        tomo.read(path)
    assert float(tomo.read(path, voxel_size=EDGE)["voxel_size"]) == EDGE


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one["axes"].reverse(), "axes t, c, z, y, x, the last three"),
        (lambda one: one.update(datasets=[]), "a level of resolution, got none"),
        (lambda one: one["datasets"][0].update(path="7"), "a sound Zarr store"),
        (lambda one: one["datasets"][0].update(path="../x"), "a sound Zarr store"),
        (
            lambda one: one["datasets"][0].update(coordinateTransformations=[{"type": "scale", "scale": [0, 1, 1]}]),
            "scale of 3",
        ),
        (lambda one: one.pop("axes"), "a sound Zarr store, got 'axes'"),
    ],
)
def test_wrong_metadata_are_told_in_a_line(tmp_path, change, said):
    path = ome_zarr(tmp_path / "v.zarr")
    document = json.loads((path / "zarr.json").read_text())
    change(document["attributes"]["ome"]["multiscales"][0])
    (path / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(OperandoError, match=said):
        tomo.read(path)


def test_another_version_is_refused(tmp_path):
    path = ome_zarr(tmp_path / "v.zarr")
    text = (path / "zarr.json").read_text().replace('"0.5"', '"0.9"')
    (path / "zarr.json").write_text(text)
    with pytest.raises(OperandoError, match=r"expected OME-Zarr 0\.4 or 0\.5, got '0\.9'"):
        tomo.read(path)


def test_saturated_slices_are_flagged_and_absent_chunks_are_the_fill_value(tmp_path):
    values = grey((6, 40, 30))
    values[3] = 65535
    values[5] = 0
    ds = tomo.read(zarr_array(tmp_path / "v.zarr", values, chunks=(2, 20, 30)), voxel_size=1)
    np.testing.assert_array_equal(ds["grey"], values)
    assert list(np.flatnonzero(ds["frame_flag"])) == [3]
    assert int(ds["flag"]) == Flag.saturated | Flag.no_time


def test_a_folder_without_a_store_or_with_a_damaged_chunk_is_told(tmp_path):
    with pytest.raises(OperandoError, match="a sound Zarr store"):
        tomo.read(tmp_path, "zarr", voxel_size=1)
    path = zarr_array(tmp_path / "v.zarr", grey((6, 40, 30)), chunks=(6, 20, 15))
    ds = tomo.read(path, voxel_size=1)
    (path / "c" / "0" / "1" / "1").write_bytes(b"nothing")
    with pytest.raises(OperandoError, match=r"v\.zarr: expected a sound Zarr store"):
        ds["grey"].compute()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_chunk_that_broke_off_is_told_even_where_it_could_not_be_compressed(tmp_path, zarr_format):
    """Blosc stores noise as it is, and makes values of whatever lies in memory behind a part of it."""
    noise = np.random.default_rng(8).integers(0, 65535, (6, 20, 24)).astype(np.uint16)
    compressor = Blosc(cname="zstd") if zarr_format == 2 else BloscCodec(cname="zstd")
    path = tmp_path / "v.zarr"
    zarr.create_array(path, data=noise, chunks=(3, 20, 24), zarr_format=zarr_format, compressors=compressor)
    ds = tomo.read(path, voxel_size=1)
    np.testing.assert_array_equal(ds["grey"], noise)
    chunk = path / ("1.0.0" if zarr_format == 2 else "c/1/0/0")
    data = chunk.read_bytes()
    for tenths in range(10):
        chunk.write_bytes(data[: len(data) * tenths // 10])
        with pytest.raises(OperandoError, match=rf"expected a whole chunk, got {len(data) * tenths // 10} of "):
            ds["grey"].compute()
    np.testing.assert_array_equal(ds["grey"][:3], noise[:3])
