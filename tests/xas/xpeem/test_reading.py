"""Stacks of one series share their energies, and those of a store open again with their images."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from operando import example_scans
from operando.errors import OperandoError
from operando.flags import Flag
from operando.schema import check
from operando.xas import xpeem
from operando.xas.xpeem.layout import IMAGES, RAW

SMALL = Path(example_scans.__file__).parent / "small" / "xpeem"
FILES = [SMALL / "Ni_L3_001.h5", SMALL / "Ni_L3_002.h5"]


def read_all(files=FILES):
    return xpeem.read_series(files, timezone="Europe/Zurich")


def test_a_series_has_the_layout_of_the_store():
    series = read_all()
    check(series, RAW)
    assert series["counts"].dims == ("scan", "energy", "y", "x")
    assert series["counts"].dtype == np.uint16
    assert series["frame_flag"].dims == series["frame_time"].dims == ("scan", "energy")
    np.testing.assert_array_equal(series["frame_flag"][1] & Flag.missing_frame != 0, np.arange(24) == 8)


def test_stored_stacks_open_again_with_their_images():
    series = read_all()
    stored = series.drop_vars(list(IMAGES))
    stored["source"] = ("scan", np.array(["xpeem/Ni_L3_001.h5", "xpeem/Ni_L3_002.h5"], dtype=object))
    again = xpeem.reopen(stored, SMALL.parent)
    for name in IMAGES:
        np.testing.assert_array_equal(again[name], series[name])
    assert again["counts"].chunks[:2] == ((1, 1), (1,) * 24)
    single = xpeem.reopen(stored.isel(scan=1), SMALL.parent)
    np.testing.assert_array_equal(single["counts"], series["counts"][1])


def test_a_stack_that_changed_is_not_opened_for_the_stored_one(tmp_path):
    for file in FILES:
        shutil.copy(file, tmp_path)
    files = [tmp_path / file.name for file in FILES]
    stored = read_all(files).drop_vars(list(IMAGES))
    with h5py.File(files[0], "r+") as file:
        file["energy"][...] += 1.0
    with pytest.raises(OperandoError, match="expected the energies of the stored stack"):
        xpeem.reopen(stored, tmp_path)
    files[0].unlink()
    with pytest.raises(OperandoError, match=r"Ni_L3_001\.h5"):
        xpeem.reopen(stored, tmp_path)


def test_a_stack_that_ends_early_has_missing_frames(tmp_path):
    shutil.copy(FILES[0], tmp_path)
    with h5py.File(FILES[1]) as whole, h5py.File(tmp_path / "short.h5", "w") as file:
        for name in ("frames", "energy", "i0", "time"):
            file[name] = whole[name][:10]
        file["flat"], file["dark"] = whole["flat"][()], whole["dark"][()]
        file.attrs["start_time"] = whole.attrs["start_time"]
    series = read_all([FILES[0], tmp_path / "short.h5"])
    assert series["counts"].dtype == np.uint16
    assert series["frame_flag"].dtype == np.int32
    assert (series["frame_flag"][1, 10:] == Flag.missing_frame).all()
    assert int(series["flag"][1]) & Flag.truncated
    assert np.isnat(series["frame_time"][1, 10:].values).all()
    again = xpeem.reopen(series.drop_vars(list(IMAGES)), tmp_path)
    np.testing.assert_array_equal(again["counts"], series["counts"])


def test_stacks_at_other_energies_are_not_interpolated(tmp_path):
    shutil.copy(FILES[0], tmp_path / "other.h5")
    with h5py.File(tmp_path / "other.h5", "r+") as file:
        file["energy"][...] += 0.3
    with pytest.raises(OperandoError, match="expected the energy values of the series in other"):
        read_all([FILES[0], FILES[1], tmp_path / "other.h5"])


def test_an_unknown_setting_names_the_reader():
    with pytest.raises(OperandoError, match="reader 'hdf5' has no setting 'columns'"):
        xpeem.read(FILES[0], columns={})
