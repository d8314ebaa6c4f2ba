"""Every measured or published volume reads to its size and values."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile

from operando import tomo
from operando.errors import OperandoError
from operando.flags import Flag

pytestmark = pytest.mark.realdata

STATED = {"shell_225x128x128.tif": 1.0}
"""Edge of a voxel where a file states one, um."""
TIFF: dict[str, tuple[int, int, int]] = {
    "cement_128x128x128.tif": (128, 128, 128),
    "fibers_150x150x150.tif": (150, 150, 150),
    "localthickness_cotton.tif": (100, 100, 100),
    "matbox_Local erosion and dilation 3D.tif": (70, 70, 380),
    "matbox_nmc-1-cal_generatedCBD_bridge.tif": (251, 301, 301),
    "NT_128x128x128.tif": (128, 128, 128),
    "openimpala_SampleData_2Phase_stack_3d_1bit.tif": (100, 100, 100),
    "openimpala_spheres.tif": (100, 100, 100),
    "shell_225x128x128.tif": (225, 128, 128),
    "snow.tif": (100, 100, 100),
}
OTHERS = {
    "httomo_k11-18014-imaging.h5",
    "httomo_k11-18014.nxs",
    "openimpala_SampleData_2Phase_3d.hdf5",
    "taufactor_TF-500.tiff.zip",
    "tomopy_tooth.h5",
}


def test_the_table_names_every_file(realdata):
    assert {path.name for path in (realdata / "tomo").iterdir()} == {*TIFF, *OTHERS}


@pytest.mark.parametrize("name", list(TIFF))
def test_a_tiff_volume_has_its_size_and_values(realdata, name):
    path = realdata / "tomo" / name
    settings: Mapping[str, Any] = {}
    if name not in STATED:
        with pytest.raises(OperandoError, match="the edge of a voxel, got none in the file"):
            tomo.read(path)
        settings = {"voxel_size": 2.0}
    ds = tomo.read(path, **settings)
    assert ds["grey"].shape == TIFF[name]
    assert float(ds["voxel_size"]) == STATED.get(name, 2.0)
    assert int(ds["flag"]) == Flag.no_time
    few = [0, TIFF[name][0] // 2, -1]
    with tifffile.TiffFile(path) as file:
        wanted = [file.asarray(key=at % TIFF[name][0]) for at in few]
    np.testing.assert_array_equal([ds["grey"][at] for at in few], wanted)


def test_bits_of_a_tiff_and_bytes_of_an_hdf5_file_are_volumes_of_one_kind(realdata):
    path = realdata / "tomo" / "openimpala_SampleData_2Phase_3d.hdf5"
    one = tomo.read(path, voxel_size=1.0)
    other = tomo.read(realdata / "tomo" / "openimpala_SampleData_2Phase_stack_3d_1bit.tif", voxel_size=1.0)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(one["grey"], file["image"][()])
    assert one["grey"].dtype == other["grey"].dtype == np.uint8
    # Two pieces of one structure: no rotation or shift of one is the other, but they hold as much of each phase.
    assert float(one["grey"].mean()) == pytest.approx(float(other["grey"].mean()), abs=0.01)


def test_a_zipped_standard_reads_when_it_is_unpacked(realdata, tmp_path):
    with zipfile.ZipFile(realdata / "tomo" / "taufactor_TF-500.tiff.zip") as packed:
        name = next(one for one in packed.namelist() if one.endswith((".tif", ".tiff")) and "__MACOSX" not in one)
        path = packed.extract(name, tmp_path)
    ds = tomo.read(path, voxel_size=1.0)
    assert ds["grey"].shape == (500, 500, 500)
    assert ds["grey"].dtype == np.uint8
    # The published volume fraction of the conducting phase.
    assert float((ds["grey"] == ds["grey"].max()).mean()) == pytest.approx(0.3, abs=5e-4)


def test_measured_projections_of_a_tooth(realdata):
    path = realdata / "tomo" / "tomopy_tooth.h5"
    ds = tomo.read(path, voxel_size=1.0)
    assert dict(ds.sizes) == {"angle": 181, "y": 2, "x": 640, "flat_frame": 10, "dark_frame": 10}
    with h5py.File(path) as file:
        np.testing.assert_array_equal(ds["projections"], file["exchange/data"][()])
        np.testing.assert_allclose(ds["angle"], file["exchange/theta"][()])
    transmission = (ds["projections"] - ds["dark"].mean("dark_frame")) / (ds["flat"] - ds["dark"]).mean(
        ("flat_frame", "dark_frame")
    )
    assert 0.2 < float(transmission.mean()) < 1.0


def test_a_linked_scan_of_projections(realdata, tmp_path):
    path = shutil.copy(realdata / "tomo" / "httomo_k11-18014.nxs", tmp_path / "k11-18014.nxs")
    with pytest.raises(OperandoError, match=r"k11-18014-EtherCAT\.h5, which is missing; copy that file here too"):
        tomo.read(path, voxel_size=1.0, angles=np.linspace(90, 270, 3001))
    (tmp_path / "k11-18014").mkdir()
    shutil.copy(realdata / "tomo" / "httomo_k11-18014-imaging.h5", tmp_path / "k11-18014" / "k11-18014-imaging.h5")
    with pytest.raises(OperandoError, match="the angles of the projections, got none"):
        tomo.read(path, voxel_size=1.0)
    ds = tomo.read(path, timezone="Europe/London", voxel_size=1.0, angles=np.linspace(90, 270, 3001))
    assert dict(ds.sizes) == {"angle": 3001, "y": 22, "x": 26, "flat_frame": 100, "dark_frame": 100}
    assert ds["time_start"].values == np.datetime64("2022-10-15T12:49:39.357", "ns")
    assert float(ds["dark"].mean()) < 0.01 * float(ds["flat"].mean())
    assert float(ds["dark"].mean()) < float(ds["projections"].mean()) < float(ds["flat"].mean())
