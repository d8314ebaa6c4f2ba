"""TIFF volumes: every slice in its place, lengths in um as the file states them, oddities flagged where they are."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import tifffile
from volume_files import EDGE, SHAPE, grey, imagej, pages, slices

from operando import tomo
from operando.errors import OperandoError, OperandoWarning
from operando.flags import Flag
from operando.sniff import head
from operando.tomo.formats.tiff import recognizes


def flagged(ds, reason):
    return list(np.flatnonzero(ds["frame_flag"] & int(reason)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(
    "more", [{}, {"compression": "zlib"}, {"bigtiff": True}, {"byteorder": ">"}, {"tile": (16, 16)}]
)
def test_pages_are_slices_of_any_type(tmp_path, dtype, more):
    values = grey(dtype=dtype)
    ds = tomo.read(pages(tmp_path / "v.tif", values, **more))
    np.testing.assert_array_equal(ds["grey"], values)
    assert ds["grey"].dtype == dtype
    assert ds["grey"].chunks == ((6,), (12,), (10,))
    assert float(ds["voxel_size"]) == pytest.approx(EDGE, rel=1e-6)
    np.testing.assert_allclose(ds["z"], (np.arange(6) + 0.5) * EDGE, rtol=1e-6)
    assert int(ds["flag"]) == Flag.no_time


def test_files_are_read_when_values_are_used(tmp_path):
    path = pages(tmp_path / "v.tif")
    ds = pickle.loads(pickle.dumps(tomo.read(path)))
    np.testing.assert_array_equal(ds["grey"][2, 3:5, 4], grey()[2, 3:5, 4])
    np.testing.assert_array_equal(ds["grey"][::2, ::-1], grey()[::2, ::-1])
    path.unlink()
    with pytest.raises(OperandoError, match=r"v\.tif: expected a TIFF file, got no such file"):
        ds["grey"].compute()


def test_bits_become_bytes(tmp_path):
    bits = grey() > 100
    ds = tomo.read(pages(tmp_path / "v.tif", bits))
    assert ds["grey"].dtype == np.uint8
    np.testing.assert_array_equal(ds["grey"], bits)


@pytest.mark.parametrize("unit", ["um", "micron", "\\u00B5m"])
def test_imagej_states_distance_of_slices_and_unit(tmp_path, unit):
    ds = tomo.read(imagej(tmp_path / "v.tif", unit=unit))
    np.testing.assert_array_equal(ds["grey"], grey())
    np.testing.assert_allclose([ds["z"][0], ds["y"][0], ds["x"][0]], [EDGE, EDGE / 2, EDGE / 2], rtol=1e-5)
    assert float(ds["voxel_size"]) == pytest.approx(EDGE * 2 ** (1 / 3), rel=1e-5)
    assert "cube of its volume" in ds.attrs["remarks"]


def test_one_image_of_a_hyperstack_is_named(tmp_path):
    values = grey((2, *SHAPE[:1], 3, *SHAPE[1:]))
    path = imagej(tmp_path / "v.tif", values, axes="TZCYX")
    with pytest.raises(OperandoError, match="2 along t; state time_point = 0"):
        tomo.read(path)
    np.testing.assert_array_equal(tomo.read(path, channel=2, time_point=1)["grey"], values[1, :, 2])
    with pytest.raises(OperandoError, match="channel: expected a number from 0 to 2, got 3"):
        tomo.read(path, channel=3, time_point=1)
    with pytest.raises(OperandoError, match="channel: expected 0, since there is only one, got 1"):
        tomo.read(pages(tmp_path / "p.tif", metadata=None), channel=1)


def test_ome_states_physical_sizes(tmp_path):
    sizes = {"PhysicalSizeX": 650.0, "PhysicalSizeY": 650.0, "PhysicalSizeZ": 1.3}
    units = {"PhysicalSizeXUnit": "nm", "PhysicalSizeYUnit": "nm", "PhysicalSizeZUnit": "µm"}
    ds = tomo.read(pages(tmp_path / "v.ome.tif", metadata={"axes": "ZYX", **sizes, **units}))
    np.testing.assert_array_equal(ds["grey"], grey())
    np.testing.assert_allclose([ds["z"][0], ds["y"][0], ds["x"][0]], [0.65, 0.325, 0.325])


@pytest.mark.parametrize("dots", [72, 300, 25.4])
def test_the_resolution_of_a_screen_is_no_voxel(tmp_path, dots):
    path = pages(tmp_path / "v.tif", resolution=(dots, dots), resolutionunit="INCH")
    with pytest.raises(OperandoError, match="expected the edge of a voxel, got none in the file; state it, in um, as"):
        tomo.read(path)


def test_the_setting_wins_over_the_file_and_says_so(tmp_path):
    path = pages(tmp_path / "v.tif")
    with pytest.warns(OperandoWarning, match=r"states a voxel of 0\.65 um, the settings 1\.3 um, which is taken"):
        ds = tomo.read(path, voxel_size=1.3)
    assert float(ds["voxel_size"]) == 1.3
    tomo.read(path, voxel_size=0.65)
    for wrong in (0, -1, "0.65", [1, 2], float("nan"), True):
        with pytest.raises(OperandoError, match="voxel_size: expected um, one number or three"):
            tomo.read(path, voxel_size=wrong)


def test_a_folder_and_one_of_its_slices_are_the_same_volume(tmp_path):
    folder = slices(tmp_path / "s", compression="zlib")
    whole, one = tomo.read(folder), tomo.read(folder / "slice_0003.tif")
    np.testing.assert_array_equal(whole["grey"], grey())
    np.testing.assert_array_equal(one["grey"], grey())
    assert whole["source"].item() == "s"
    assert whole["images"].item().splitlines()[0] == "s/slice_0001.tif"
    assert one["source"].item() == "slice_0003.tif"
    assert len(one["images"].item().splitlines()) == 5
    assert recognizes(head(folder, folders=True))
    assert recognizes(head(folder / "slice_0003.tif"))


def test_a_missing_slice_keeps_its_place_and_its_name(tmp_path):
    values = [*grey().astype(np.float32)]
    values[2] = None
    ds = tomo.read(slices(tmp_path / "s", values))
    assert flagged(ds, Flag.missing_frame) == [2]
    assert np.isnan(ds["grey"][2]).all()
    np.testing.assert_array_equal(ds["grey"][3:], grey()[3:])
    assert "s/slice_0003.tif" in ds["images"].item().splitlines()


def test_slices_beyond_the_expected_ones_are_left_out_and_told(tmp_path):
    ds = tomo.read(slices(tmp_path / "s"), slices=4)
    np.testing.assert_array_equal(ds["grey"], grey()[:4])
    assert int(ds["flag"]) == Flag.no_time | Flag.surplus_frame
    short = tomo.read(tmp_path / "s", slices=8)
    assert flagged(short, Flag.missing_frame) == [6, 7]
    assert int(short["flag"]) & Flag.truncated
    assert {"s/slice_0007.tif", "s/slice_0008.tif"} < set(short["images"].item().splitlines())


def test_where_slices_are_missing_at_the_start_their_numbers_tell(tmp_path):
    values = [None, None, *grey()[2:]]
    folder = slices(tmp_path / "s", values)
    assert flagged(tomo.read(folder, slices=6), Flag.missing_frame) == [0, 1]
    assert flagged(tomo.read(folder, first=2), Flag.missing_frame) == [0]
    with pytest.raises(OperandoError, match="first: expected a number of a slice up to 3"):
        tomo.read(folder, first=5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("packed", [{}, {"compression": "zlib"}])
def test_a_slice_at_full_scale_throughout_is_saturated(tmp_path, dtype, packed):
    values = grey((6, 80, 90), dtype=dtype)
    most = np.iinfo(dtype).max
    values[1] = most
    values[4] = most
    values[4, 40, 70] = 3
    for path in (slices(tmp_path / "s", values, **packed), pages(tmp_path / "v.tif", values, **packed)):
        assert flagged(tomo.read(path), Flag.saturated) == [1]
    assert flagged(tomo.read(imagej(tmp_path / "j.tif", values)), Flag.saturated) == [1]


def test_a_full_scale_of_a_camera_and_slices_without_a_number_are_flagged(tmp_path):
    values = grey((6, 40, 30))
    values[5] = 4095
    assert flagged(tomo.read(slices(tmp_path / "s", values), full_scale=4095), Flag.saturated) == [5]
    values = values.astype(np.float32)
    values[0] = np.nan
    ds = tomo.read(slices(tmp_path / "f", values, compression="zlib"))
    assert flagged(ds, Flag.not_finite) == [0]
    assert not flagged(ds, Flag.saturated)


def test_slices_of_another_size_or_type_or_damaged_are_missing(tmp_path):
    values = [*grey()]
    values[1] = values[1][:5]
    values[2] = values[2].astype(np.uint8)
    folder = slices(tmp_path / "s", [*values, *grey()], compression="zlib")
    (folder / "slice_0005.tif").write_bytes((folder / "slice_0005.tif").read_bytes()[:150])
    (folder / "slice_0006.tif").write_bytes(b"")
    ds = tomo.read(folder)
    assert flagged(ds, Flag.missing_frame) == [1, 2, 4, 5]
    assert len([text for text in json.loads(ds.attrs["remarks"]) if text.startswith("slice_")]) == 4
    assert not ds["grey"][1].any()
    mixed = tmp_path / "m.tif"
    with tifffile.TiffWriter(mixed) as file:
        for image in values:
            file.write(image, metadata=None)
    assert flagged(tomo.read(mixed, voxel_size=1), Flag.missing_frame) == [1, 2]


def test_slices_of_no_one_kind_are_no_volume(tmp_path):
    values = [image[: 5 + number] for number, image in enumerate(grey())]
    with pytest.raises(OperandoError, match="expected slices of one size and type, got 5 x 10"):
        tomo.read(slices(tmp_path / "s", values))


def test_a_truncated_file_gives_the_slices_that_are_whole(tmp_path):
    for path in (pages(tmp_path / "v.tif", grey((8, 40, 30))), imagej(tmp_path / "j.tif", grey((8, 40, 30)))):
        data = path.read_bytes()
        path.write_bytes(data[: len(data) - 3000])
        ds = tomo.read(path)
        lost = flagged(ds, Flag.missing_frame)
        assert int(ds["flag"]) & Flag.truncated
        assert lost == list(range(lost[0], 8))
        assert not ds["grey"][lost].any()
        np.testing.assert_array_equal(ds["grey"][: lost[0]], grey((8, 40, 30))[: lost[0]])
    unsaid = pages(tmp_path / "u.tif", grey((8, 40, 30)), metadata=None)
    unsaid.write_bytes(unsaid.read_bytes()[:-3000])
    ds = tomo.read(unsaid)
    assert int(ds["flag"]) & Flag.truncated
    np.testing.assert_array_equal(ds["grey"], grey((8, 40, 30))[: ds.sizes["z"]])


def test_an_image_that_its_file_cannot_hold_is_refused(tmp_path):
    path = pages(tmp_path / "v.tif", grey((1, 12, 10)), compression="zlib")
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        tags = [file.pages[0].tags[name].valueoffset for name in ("ImageWidth", "ImageLength")]
    for at in tags:
        data[at : at + 4] = (200_000).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(OperandoError, match="frames of up to 268435456 pixels, got 1 x 200000 x 200000"):
        tomo.read(path, "tiff")


def test_colors_are_no_grey_values(tmp_path):
    path = tmp_path / "c.tif"
    tifffile.imwrite(path, grey((4, 12, 10, 3), np.uint8), photometric="rgb")
    with pytest.raises(OperandoError, match="expected a grey image, got shape"):
        tomo.read(path, voxel_size=1)


def test_wrong_settings_and_empty_folders_are_told_in_a_line(tmp_path):
    folder = slices(tmp_path / "s")
    for settings, said in (
        ({"slices": 0}, "slices: expected a number from 1"),
        ({"pattern": "x_*"}, "TIFF files named 'x_\\*', got none among 6"),
        ({"pattern": "a/b"}, "pattern: expected one of file names"),
        ({"full_scale": -1}, "full_scale: expected a positive number, got -1"),
        ({"array": "x"}, "reader 'tiff' has no setting 'array'"),
    ):
        with pytest.raises(OperandoError, match=said):
            tomo.read(folder, "tiff", **settings)
    (tmp_path / "empty").mkdir()
    with pytest.raises(OperandoError, match=r"expected a format among tiff.*got an empty folder"):
        tomo.read(tmp_path / "empty")
    with pytest.raises(OperandoError, match="expected TIFF files, got none"):
        tomo.read(tmp_path / "empty", "tiff")
    with pytest.raises(OperandoError, match="expected a file, got a folder"):
        tomo.read(folder, "dxchange")
