"""Damage that the HDF5 library does not survive is found before it reads on."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from forks import forked

from operando import hdf5
from operando.errors import FileError


@pytest.fixture
def path(tmp_path) -> Path:
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file.attrs["title"] = "a cell"
        file["text"] = "as long as this"
        lists = file.create_dataset("lists", (2,), h5py.vlen_dtype(np.float64))
        lists[0], lists[1] = [1.0], [1.0, 2.0]
        listed = np.empty(1, dtype=object)
        listed[0] = np.array([1.0, 2.0])
        file.attrs.create("lists", listed, dtype=h5py.vlen_dtype(np.float64))
    return tmp_path / "scan.h5"


def test_lists_of_different_lengths_are_no_numbers_and_no_text(path):
    with hdf5.opened(path) as root:
        assert root.attribute("title") == "a cell"
        assert root.get("text").scalar() == "as long as this"
        assert root.attribute("lists") is None
        with pytest.raises(FileError, match="numbers"):
            root.get("lists").numbers()
        with pytest.raises(FileError, match="lists of different lengths"):
            root.get("lists").part(0)


def test_a_text_that_states_to_be_longer_than_its_file_is_not_read(path):
    with h5py.File(path) as file:
        at = file["text"].id.get_offset()
    data = bytearray(path.read_bytes())
    data[at + 3] = 0x7F
    path.write_bytes(bytes(data))
    with hdf5.opened(path) as root, pytest.raises(FileError, match="longer than the file"):
        root.get("text").scalar()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a broken type may end Python")
def test_a_text_whose_type_is_of_no_kind_does_not_end_python(path):
    """The low half of the byte behind the class of a type of variable length says list or text; 4 is neither."""
    data = path.read_bytes()
    at = data.find(b"title\x00")
    at = data.find(b"\x19\x01", at)
    assert at > 0
    path.write_bytes(data[: at + 1] + b"\x74" + data[at + 2 :])

    def look() -> None:
        with hdf5.opened(path) as root:
            assert root.attribute("title") is None

    assert forked(look)
