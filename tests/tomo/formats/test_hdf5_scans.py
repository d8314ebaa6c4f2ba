"""HDF5 scans: projections with their angles, flats and darks; volumes; frames never written keep their places."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from volume_files import ANGLES, EDGE, KEYS, SHAPE, dxchange, grey, hdf5, nxtomo, pages

from operando import tomo
from operando.errors import OperandoError
from operando.flags import Flag
from operando.sniff import head, identify
from operando.tomo.formats import FORMATS
from operando.tomo.formats.hdf5 import suggest

ZONE = "Europe/Zurich"


def flagged(ds, reason):
    return list(np.flatnonzero(ds["frame_flag"] & int(reason)))


def test_dxchange_has_projections_flats_darks_and_angles(tmp_path):
    ds = tomo.read(dxchange(tmp_path / "a.h5"), timezone=ZONE)
    np.testing.assert_array_equal(ds["projections"], grey())
    np.testing.assert_array_equal(ds["flat"], grey((3, *SHAPE[1:]), seed=4))
    np.testing.assert_array_equal(ds["dark"], grey((2, *SHAPE[1:]), seed=5))
    np.testing.assert_allclose(ds["angle"], ANGLES)
    assert float(ds["pixel_size"]) == EDGE
    assert ds["time_start"].values == np.datetime64("2026-05-18T15:57:43", "ns")
    assert ds["projections"].chunks is not None
    assert ds["flat"].chunks is not None
    assert int(ds["flag"]) == 0


def test_dxchange_without_angles_and_flats_is_a_volume(tmp_path):
    path = dxchange(tmp_path / "a.h5", data_white=None, data_dark=None, theta=None)
    np.testing.assert_array_equal(tomo.read(path)["grey"], grey())
    with pytest.raises(OperandoError, match="expected /exchange/theta beside flats, got none; state angles"):
        tomo.read(dxchange(tmp_path / "b.h5", theta=None))
    ds = tomo.read(tmp_path / "b.h5", angles=ANGLES, timezone=ZONE)
    np.testing.assert_allclose(ds["angle"], ANGLES)


def test_a_magnified_pixel_is_smaller_in_the_sample(tmp_path):
    path = dxchange(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        file["measurement/instrument/detection_system/objective/magnification"] = 5.0
    assert float(tomo.read(path)["pixel_size"]) == pytest.approx(EDGE / 5)


def test_more_or_fewer_projections_than_angles_are_told(tmp_path):
    few = tomo.read(dxchange(tmp_path / "a.h5", theta=(ANGLES[:4], "deg")))
    np.testing.assert_array_equal(few["projections"], grey()[:4])
    assert int(few["flag"]) & Flag.surplus_frame
    more = tomo.read(dxchange(tmp_path / "b.h5", theta=(np.append(ANGLES, [160, 170]), "deg")))
    assert flagged(more, Flag.missing_frame) == [6, 7]
    assert int(more["flag"]) & Flag.truncated
    assert not more["projections"][6:].any()


def test_keys_tell_projections_from_flats_and_darks(tmp_path):
    ds = tomo.read(nxtomo(tmp_path / "a.nxs"))
    np.testing.assert_array_equal(ds["projections"], grey()[KEYS == 0])
    np.testing.assert_array_equal(ds["flat"], grey()[[0, 5]])
    assert ds["flat_after"].values.tolist() == [0, 3]
    np.testing.assert_array_equal(ds["dark"], grey()[[1]])
    np.testing.assert_allclose(ds["angle"], ANGLES[KEYS == 0])
    assert float(ds["pixel_size"]) == pytest.approx(EDGE)
    assert ds["time"].values == np.datetime64("2026-05-18T16:02:43", "ns")
    assert int(ds["flag"]) == 0


def test_frames_that_the_keys_know_and_the_file_lacks_are_missing(tmp_path):
    path = nxtomo(tmp_path / "a.nxs", **{"entry.instrument.detector.data": grey()[:4]})
    ds = tomo.read(path)
    assert flagged(ds, Flag.missing_frame) == [2]
    assert int(ds["flag"]) & Flag.truncated
    np.testing.assert_array_equal(ds["projections"][:2], grey()[2:4])
    odd = tomo.read(nxtomo(tmp_path / "b.nxs", **{"entry.instrument.detector.image_key": [1, 2, 0, 3, 0, 1]}))
    np.testing.assert_array_equal(odd["projections"], grey()[[2, 4]])
    assert int(odd["flag"]) & Flag.surplus_frame
    with pytest.raises(OperandoError, match="a key for each of 6 frames, got 2 keys"):
        tomo.read(nxtomo(tmp_path / "c.nxs", **{"entry.instrument.detector.image_key": [0, 1]}))


def test_linked_frames_are_read_from_the_folder_and_nowhere_else(tmp_path):
    inner = tmp_path / "inner"
    (inner / "deep").mkdir(parents=True)
    hdf5(inner / "deep" / "frames.h5", {"entry/data": grey()})
    hdf5(tmp_path / "outside.h5", {"entry/data": grey()})
    none = {"entry.instrument.detector.data": None}
    place = "entry/instrument/detector/data"
    ds = tomo.read(nxtomo(inner / "a.nxs", {place: ("deep/frames.h5", "/entry/data")}, **none))
    np.testing.assert_array_equal(ds["projections"], grey()[KEYS == 0])
    assert ds["images"].item() == "deep/frames.h5"
    with pytest.raises(OperandoError, match=r"a link out of it, to \.\./outside\.h5"):
        tomo.read(nxtomo(inner / "b.nxs", {place: ("../outside.h5", "/entry/data")}, **none))
    with pytest.raises(OperandoError, match=r"a link to gone\.h5, which is missing; copy that file here too"):
        tomo.read(nxtomo(inner / "c.nxs", {place: ("gone.h5", "/entry/data")}, **none))


def test_a_camera_of_bec_is_found_by_its_device(tmp_path):
    devices = "entry/collection/devices"
    path = hdf5(
        tmp_path / "S1_master.h5",
        {
            f"{devices}/pco/image/value": grey(),
            f"{devices}/rot/rot/value": ANGLES,
            f"{devices}/ring/ring/value": 400.0,
        },
        attributes={"entry@start_time": "2026-05-18T17:57:43+02:00"},
    )
    assert identify(head(path), FORMATS).name == "bec"
    with pytest.raises(
        OperandoError, match="settings 'datasets' with 'data', got none; the signals with frames are pco/image"
    ):
        tomo.read(path)
    ds = tomo.read(path, datasets={"data": "pco/image", "angle": "rot"}, voxel_size=EDGE)
    np.testing.assert_array_equal(ds["projections"], grey())
    np.testing.assert_allclose(ds["angle"], ANGLES)
    assert ds["time_start"].values == np.datetime64("2026-05-18T15:57:43", "ns")
    with pytest.raises(OperandoError, match="expected a signal 'cam', got frames in pco/image"):
        tomo.read(path, datasets={"data": "cam"}, voxel_size=EDGE)
    np.testing.assert_array_equal(tomo.read(path, datasets={"data": "pco/image"}, voxel_size=EDGE)["grey"], grey())


def test_any_array_is_a_volume_by_its_path(tmp_path):
    volume = grey((9, 12, 10))
    sizes = {"recon/vol@element_size_um": [1.3, 0.65, 0.65]}
    path = hdf5(tmp_path / "a.h5", {"recon/vol": volume, "recon/map": volume[0]}, attributes=sizes)
    assert suggest(head(path)) == {"datasets": {"data": "/recon/vol"}}
    ds = tomo.read(path)
    np.testing.assert_array_equal(ds["grey"], volume)
    np.testing.assert_array_equal(ds["grey"][::-2, ::-3, ::-1], volume[::-2, ::-3, ::-1])
    np.testing.assert_array_equal(ds["grey"][[4, 1], 3, -2:], volume[[4, 1], 3, -2:])
    np.testing.assert_allclose([ds["z"][0], ds["x"][0]], [0.65, 0.325])
    two = hdf5(tmp_path / "b.h5", {"recon/vol": volume, "mask": volume, "size": (650.0, "nm")})
    with pytest.raises(OperandoError, match="one array of frames, got /mask, /recon/vol"):
        tomo.read(two, "hdf5", voxel_size=1)
    ds = tomo.read(two, "hdf5", datasets={"data": "recon/vol", "voxel_size": "size"})
    assert float(ds["voxel_size"]) == pytest.approx(EDGE)
    with pytest.raises(OperandoError, match=r"expected an array of frames \(frame, y, x\), got shape \(12, 10\)"):
        tomo.read(path, "hdf5", datasets={"data": "recon/map"}, voxel_size=1)


def test_bits_in_a_tiff_file_and_bytes_in_an_hdf5_file_are_equal(tmp_path):
    bits = grey((9, 12, 10)) > 100
    one = tomo.read(hdf5(tmp_path / "a.h5", {"vol": bits.astype(np.uint8)}), voxel_size=EDGE)
    other = tomo.read(pages(tmp_path / "a.tif", bits))
    truth = tomo.read(hdf5(tmp_path / "b.h5", {"vol": bits}), voxel_size=EDGE)
    for ds in (other, truth):
        np.testing.assert_array_equal(ds["grey"], one["grey"])
        assert ds["grey"].dtype == one["grey"].dtype == np.uint8


def test_a_size_without_a_unit_is_not_taken(tmp_path):
    path = hdf5(tmp_path / "a.h5", {"vol": grey((9, 12, 10)), "size": 0.65})
    with pytest.raises(OperandoError, match="expected the edge of a voxel, got none in the file"):
        tomo.read(path, datasets={"voxel_size": "size"})
    ds = tomo.read(path, datasets={"voxel_size": "size"}, voxel_size=1)
    assert "no unit of length: [0.65]" in ds.attrs["remarks"]


@pytest.mark.parametrize("layout", [{}, {"chunks": (1, 80, 90), "compression": "gzip"}, {"chunks": (4, 32, 32)}])
def test_frames_at_full_scale_and_frames_never_written_are_flagged(tmp_path, layout):
    values = grey((8, 80, 90))
    values[2] = 65535
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        array = file.create_dataset("vol", shape=values.shape, dtype=np.uint16, **layout)
        array[:4] = values[:4]
        if not layout:
            array[4:] = values[4:]
    ds = tomo.read(path, voxel_size=1)
    assert flagged(ds, Flag.saturated) == [2]
    assert flagged(ds, Flag.missing_frame) == ([4, 5, 6, 7] if layout else [])
    np.testing.assert_array_equal(ds["grey"][:4], values[:4])


def test_what_a_file_only_declares_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("vol", shape=(50_000, 8000, 8000), dtype=np.uint16, chunks=(1, 8000, 8000))
    with pytest.raises(OperandoError, match="as much data as the file can hold"):
        tomo.read(path, voxel_size=1)


def test_wrong_settings_are_told_in_a_line(tmp_path):
    path = dxchange(tmp_path / "a.h5")
    for settings, said in (
        ({"datasets": {"frames": "/x"}}, "datasets: expected keys among data, flat"),
        ({"datasets": 3}, "datasets: expected a table"),
        ({"datasets": {"angle": "/nowhere"}}, "a dataset '/nowhere', got none; the file holds"),
        ({"datasets": {"flat": "/exchange"}}, "a dataset '/exchange', got a group"),
        ({"datasets": {"flat": "/exchange/theta"}}, r"an array of frames \(frame, y, x\), got shape \(6,\)"),
        ({"angles": "x"}, "angles: expected a list of deg"),
        ({"angles": [0, float("nan")]}, "angles: expected a list of deg"),
    ):
        with pytest.raises(OperandoError, match=said):
            tomo.read(path, timezone=ZONE, **settings)
    other = dxchange(tmp_path / "b.h5", data_white=grey((2, 5, 5)))
    with pytest.raises(OperandoError, match=r"a flat of \(12, 10\) pixels as the projections, got \(5, 5\)"):
        tomo.read(other)
