"""A file that is being written says so, and is read meanwhile if its writer allows it."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest

from operando import hdf5
from operando.errors import FileError
from operando.hdf5_writing import is_being_written


@pytest.fixture
def marked(tmp_path):
    """Return a function that gives a file as a writer leaves it that is killed, or seen from another machine."""

    def make(readably):
        with h5py.File(tmp_path / "open.h5", "w", libver="latest") as file:
            data = file.create_dataset("x", shape=(3,), maxshape=(None,), chunks=(4,), dtype="f8")
            if readably:
                file.swmr_mode = True
            data[:] = [1.0, 2.0, 3.0]
            file.flush()
            shutil.copy(tmp_path / "open.h5", tmp_path / "marked.h5")
        assert not is_being_written(tmp_path / "open.h5")
        return tmp_path / "marked.h5"

    return make


def test_a_file_that_is_open_to_readers_is_read_as_far_as_it_goes(marked):
    path = marked(readably=True)
    assert is_being_written(path, readably=True)
    with hdf5.opened(path) as root:
        np.testing.assert_array_equal(root.get("x").numbers(), [1.0, 2.0, 3.0])


def test_a_file_that_is_open_to_its_writer_alone_is_refused(marked):
    path = marked(readably=False)
    assert is_being_written(path)
    assert not is_being_written(path, readably=True)
    with pytest.raises(FileError, match=r"already open for write.*wait until it is written"), hdf5.opened(path):
        pass


def test_older_formats_and_other_files_have_no_marks(tmp_path):
    with h5py.File(tmp_path / "old.h5", "w", libver="earliest") as file:
        file["x"] = [1.0]
        file.flush()
        assert not is_being_written(tmp_path / "old.h5")
    (tmp_path / "text.h5").write_bytes(b"\x89HDF")
    assert not is_being_written(tmp_path / "text.h5")
    assert not is_being_written(tmp_path / "absent.h5")
