"""What damaged images and volumes once did to readers, each as small as it goes: now a line, in no time."""

from __future__ import annotations

import json
import struct
import warnings
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import tifffile
from refusals import quick, refused

from operando import tomo
from operando.errors import FileError
from operando.flags import Flag
from operando.pipelines.steps import images
from operando.tomo.formats import zarr_frames
from operando.xas.xpeem import read as read_stack


@pytest.mark.parametrize("lines", [9000, 9])
def test_a_log_does_not_name_its_few_images_thousands_of_times(tmp_path, lines):
    (tmp_path / "log.txt").write_text(
        "file energy\n" + "".join(f"a_{k % 2}.tif {850 + k / 100}\n" for k in range(lines))
    )
    settings = {"reader": "image_log", "columns": {"file": "file", "energy": "energy"}}
    said = []
    quick(lambda: said.append(refused(read_stack, tmp_path / "log.txt", **settings)))
    assert ("lines for 2 images" in said[0]) == (lines == 9000)


@pytest.mark.parametrize("name", ["x" * 300 + ".tif", "../../../etc/hosts.tif"])
def test_a_log_does_not_name_what_cannot_be_or_lies_elsewhere(tmp_path, name):
    (tmp_path / "log.txt").write_text(f"file energy\n{name} 850\na.tif 851\nb.tif 852\n")
    assert refused(read_stack, tmp_path / "log.txt", reader="image_log", columns={"file": "file", "energy": "energy"})


def test_pages_of_a_tiff_that_lead_back_to_one_another_end(tmp_path):
    path = tmp_path / "v.tif"
    tifffile.imwrite(path, np.ones((3, 8, 8), np.uint16), photometric="minisblack", metadata=None)
    with tifffile.TiffFile(path) as file:
        first, last = file.pages[0].offset, file.pages[2]
    data = bytearray(path.read_bytes())
    at = last.offset + 2 + 12 * len(last.tags)
    data[at : at + 4] = struct.pack("<I", first)
    path.write_bytes(data)
    quick(lambda: tomo.read(path, voxel_size=0.65))
    volume = tomo.read(path, voxel_size=0.65)
    assert int(volume["flag"]) & Flag.truncated
    assert "breaks off behind page 1" in volume.attrs["remarks"]


def test_an_array_of_labels_is_no_larger_than_its_file(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 4), "i4"))
    data = (tmp_path / "a.npy").read_bytes().replace(b"(3, 4)", b"(3333333333, 4)")
    data = data[:8] + struct.pack("<H", len(data) - 10 - 48) + data[10:]
    (tmp_path / "b.npy").write_bytes(data)
    shape = SimpleNamespace(sizes={"y": 3, "x": 4})
    assert images._labels(tmp_path / "a.npy", shape).shape == (3, 4)
    with pytest.raises(FileError, match=r"a TIFF or \.npy image of numbers"):
        images._labels(tmp_path / "b.npy", shape)


def test_labels_that_python_2_wrote_are_no_warning(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 4), "i4"))
    data = (tmp_path / "a.npy").read_bytes().replace(b"(3, 4), }  ", b"(3L, 4L), }")
    (tmp_path / "a.npy").write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert images._labels(tmp_path / "a.npy", SimpleNamespace(sizes={"y": 3, "x": 4})).shape == (3, 4)


def test_a_header_longer_than_its_file_is_not_read(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\2\0" + struct.pack("<I", 2_809_331_831) + bytes(100))
    with pytest.raises(FileError, match="a header of 2809331831 bytes"):
        images._labels(tmp_path / "a.npy", SimpleNamespace(sizes={"y": 3, "x": 4}))


def test_objects_in_an_array_are_never_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[print]], dtype=object), allow_pickle=True)
    with pytest.raises(FileError, match=r"a TIFF or \.npy image of numbers"):
        images._labels(tmp_path / "a.npy", SimpleNamespace(sizes={"y": 1, "x": 1}))


def test_a_store_of_both_versions_of_zarr_is_read_as_the_newer(tmp_path):
    import zarr

    zarr.create_array(tmp_path / "v.zarr", shape=(2, 2, 2), dtype="u1")
    (tmp_path / "v.zarr" / ".zarray").write_text("{}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert zarr_frames.opened(tmp_path / "v.zarr").shape == (2, 2, 2)


def test_slices_whose_height_is_no_whole_number_are_refused(tmp_path):
    path = tmp_path / "slice_0001.tif"
    tifffile.imwrite(path, np.ones((8, 8), np.uint16), photometric="minisblack", metadata=None)
    data = bytearray(path.read_bytes())
    at = data.index(struct.pack("<HH", 257, 4))
    data[at + 2 : at + 12] = struct.pack("<HII", 12, 1, len(data))
    path.write_bytes(data + struct.pack("<d", 7.5))
    assert "expected a grey image, got shape" in refused(tomo.read, tmp_path, reader="tiff", voxel_size=0.65)


def test_tags_without_sense_or_end_are_given_up(tmp_path):
    path = tmp_path / "v.tif"
    tags = b"".join(struct.pack("<HHII", 40000 + k % 20000, 99, 1, 0) for k in range(4000))
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, 4000) + tags + struct.pack("<I", 0))
    assert "tags that make no sense" in refused(tomo.read, path, reader="tiff", voxel_size=0.65)


def test_pages_without_an_image_are_counted_so_far_only(tmp_path):
    entry = struct.pack("<HHII", 270, 99, 1, 0)
    pages = b"".join(struct.pack("<H", 1) + entry + struct.pack("<I", 8 + 18 * (k + 1)) for k in range(60_000))
    (tmp_path / "v.tif").write_bytes(b"II*\0" + struct.pack("<I", 8) + pages)
    quick(lambda: refused(tomo.read, tmp_path / "v.tif", reader="tiff", voxel_size=0.65))


def test_an_array_of_zarr_with_an_empty_list_of_filters_is_read(tmp_path):
    import zarr

    zarr.create_array(tmp_path / "v.zarr", shape=(2, 2, 2), dtype="u1", zarr_format=2)
    document = tmp_path / "v.zarr" / ".zarray"
    document.write_text(document.read_text().replace('"filters": null', '"filters": []'))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert zarr_frames.opened(tmp_path / "v.zarr").shape == (2, 2, 2)


def test_a_unit_of_grey_values_that_is_none_is_a_remark(tmp_path):
    from made_seeds import VOXELS, nxtomoproc

    nxtomoproc(tmp_path)
    with h5py.File(tmp_path / "p.nxs", "r+") as file:
        file["entry/data/data"].attrs["units"] = "2026-02-30T25:00:00"
    volume = tomo.read(tmp_path / "p.nxs", **VOXELS)
    assert volume["grey"].attrs["units"] == "1"
    assert json.loads(volume.attrs["remarks"])[-1].startswith("/entry/data/data: unknown unit '2026-02-30T25:00:00'")
