"""Chunks that unpack to far more than they should are refused before HDF5 makes room for them."""

from __future__ import annotations

import zlib

import h5py
import numpy as np
import pytest

from operando import decompression, hdf5, hdf5_chunks
from operando.errors import FileError

BOMB = zlib.compress(bytes(4_000_000), 9)


@pytest.fixture(autouse=True)
def no_room(monkeypatch):
    """Look at everything, however small."""
    for module in (decompression, hdf5_chunks):
        monkeypatch.setattr(module, "ROOM", 0)


def written(path, chunk, **layout):
    with h5py.File(path, "w") as file:
        made = file.create_dataset("a", (4, 400, 400), "u1", chunks=(1, 400, 400), **layout)
        made[...] = np.repeat(np.arange(4, dtype="u1"), 400 * 400).reshape(4, 400, 400)
        if chunk is not None:
            made.id.write_direct_chunk((2, 0, 0), chunk)
    return path


@pytest.mark.parametrize("layout", [{}, {"compression": "gzip"}, {"compression": "lzf", "fletcher32": True}])
def test_sound_chunks_are_read(tmp_path, layout):
    with hdf5.opened(written(tmp_path / "a.h5", None, **layout)) as root:
        node = root.get("a")
        assert node.part(2).max() == 2
        assert node.block(slice(1, 3), slice(0, 5), slice(390, 400)).shape == (2, 5, 10)
        assert node.numbers().shape == (4, 400, 400)


def test_a_chunk_that_unpacks_to_more_is_refused_where_it_is_needed(tmp_path):
    with hdf5.opened(written(tmp_path / "a.h5", BOMB, compression="gzip")) as root:
        node = root.get("a")
        assert node.part(1).max() == 1
        for read in (node.numbers, lambda: node.part(2), lambda: node.block(slice(1, 3), slice(0, 5), slice(0, 5))):
            with pytest.raises(FileError, match="chunks of their declared size, got a chunk that unpacks to more than"):
                read()


def test_a_chunk_larger_packed_than_unpacked_is_refused(tmp_path):
    path = written(tmp_path / "a.h5", bytes(700_000), compression="lzf")
    with hdf5.opened(path) as root, pytest.raises(FileError, match="a chunk of 700000 bytes for 160000"):
        root.get("a").part(2)


def test_a_small_file_that_declares_a_terabyte_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", (10**12,), "u1", chunks=(2**20,))
        file.create_dataset("b", (10**8,), "u1")
    assert (tmp_path / "a.h5").stat().st_size < 10_000
    with hdf5.opened(tmp_path / "a.h5") as root:
        for name, most in (("a", "1024 MiB"), ("b", "50000000 numbers")):
            with pytest.raises(FileError, match=f"expected at most {most}"):
                root.get(name).numbers()
