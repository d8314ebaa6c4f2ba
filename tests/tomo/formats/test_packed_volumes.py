"""Slices and chunks of volumes that unpack to far more than they should are told before room is made for them."""

from __future__ import annotations

import gzip
import struct
import zlib

import numpy as np
import pytest
import tifffile
import zarr
from numcodecs import Zstd
from volume_files import grey, ome_zarr, pages

from operando import decompression, tiff_strips, tomo
from operando.errors import OperandoError
from operando.tomo.formats import zarr_chunks

ZEROS = bytes(4_000_000)
EDGE = {"voxel_size": 0.65}


@pytest.fixture(autouse=True)
def no_room(monkeypatch):
    """Look at everything, however small."""
    for module in (decompression, tiff_strips, zarr_chunks):
        monkeypatch.setattr(module, "ROOM", 0)


@pytest.mark.parametrize("packer", ["gzip", "zstd"])
@pytest.mark.parametrize("sharded", [False, True])
def test_a_zarr_chunk_that_unpacks_to_more_is_refused(tmp_path, packer, sharded):
    codec = zarr.codecs.GzipCodec() if packer == "gzip" else zarr.codecs.ZstdCodec()
    made = zarr.create_array(
        tmp_path / "v.zarr", shape=(4, 12, 10), chunks=(2, 12, 10), dtype="u2", compressors=codec,
        shards=(4, 12, 10) if sharded else None,
    )  # fmt: skip
    made[...] = grey((4, 12, 10))
    np.testing.assert_array_equal(tomo.read(tmp_path / "v.zarr", **EDGE)["grey"], grey((4, 12, 10)))
    bomb = gzip.compress(ZEROS) if packer == "gzip" else bytes(Zstd().encode(ZEROS))
    file = tmp_path / "v.zarr" / "c" / "0" / "0" / "0"
    if sharded:
        index = struct.pack("<4Q", 0, len(bomb), 2**64 - 1, 2**64 - 1)
        file.write_bytes(bomb + index + struct.pack("<I", 0))
    else:
        file.write_bytes(bomb)
    with pytest.raises(OperandoError, match=r"expected a chunk of at most .* bytes, got one that unpacks to more"):
        tomo.read(tmp_path / "v.zarr", **EDGE)["grey"].compute()


def test_devices_and_files_from_elsewhere_are_no_chunks(tmp_path):
    ome_zarr(tmp_path / "v.zarr")
    (tmp_path / "v.zarr" / "0" / "c" / "0" / "0" / "0").unlink()
    (tmp_path / "v.zarr" / "0" / "c" / "0" / "0" / "0").symlink_to("/dev/zero")
    with pytest.raises(OperandoError, match="expected a chunk, got something that is no file"):
        tomo.read(tmp_path / "v.zarr")["grey"].compute()
    (tmp_path / "v.zarr" / "0" / "zarr.json").unlink()
    (tmp_path / "v.zarr" / "0" / "zarr.json").symlink_to("/dev/zero")
    with pytest.raises(OperandoError, match=r"zarr\.json: expected a document of at most 64 MiB"):
        tomo.read(tmp_path / "v.zarr", reader="ome_zarr")


def test_an_image_of_ome_zarr_lies_within_its_store(tmp_path):
    ome_zarr(tmp_path / "v.zarr")
    ome_zarr(tmp_path / "secret.zarr")
    document = tmp_path / "v.zarr" / "zarr.json"
    document.write_text(document.read_text().replace('"path": "0"', '"path": "../secret.zarr/0"'))
    with pytest.raises(OperandoError):
        tomo.read(tmp_path / "v.zarr")


def test_a_strip_that_unpacks_to_more_is_told(tmp_path):
    path = pages(tmp_path / "v.tif", np.zeros((1, 600, 600), "u2"), compression="zlib", rowsperstrip=600)
    bomb = zlib.compress(ZEROS, 9)
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        places = [tags[name].offset + 8 for name in ("StripOffsets", "StripByteCounts")]
    data = bytearray(path.read_bytes())
    for place, value in zip(places, (len(data), len(bomb)), strict=True):
        struct.pack_into("<I", data, place, value)
    path.write_bytes(bytes(data) + bomb)
    with pytest.raises(OperandoError, match="a strip that unpacks to more than the 720000 bytes"):
        tomo.read(path, reader="tiff", **EDGE)
