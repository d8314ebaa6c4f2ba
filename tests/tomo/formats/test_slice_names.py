"""The slices of a volume are found among the files of a folder by the one number in which their names differ."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operando.errors import OperandoError
from operando.tomo.formats.slice_names import Family, family, order, places


def folder_of(path, names):
    for name in names:
        (path / name).touch()
    return path


def numbered(*numbers, name="s_{:03d}.tif"):
    return Family(tuple(name.format(number) for number in numbers), numbers, ())


@pytest.mark.parametrize(
    "form", ["{:04d}.tif", "rec_{}.tiff", "scan7_{:05d}_8bit.TIF", "recon_{}.rec.16bit.tif", "v2-{:03d}.tif"]
)
def test_the_number_that_differs_is_that_of_the_slice(tmp_path, form):
    folder_of(tmp_path, [*(form.format(number) for number in (9, 10, 11)), "flat.tif", "notes.txt", ".s_1.tif"])
    found = family(tmp_path)
    assert found.names == tuple(form.format(number) for number in (9, 10, 11))
    assert found.numbers == (9, 10, 11)
    assert "flat.tif" in found.others
    assert found.name(10) == form.format(10)


def test_two_volumes_in_a_folder_need_a_pattern_or_a_slice(tmp_path):
    folder_of(tmp_path, [f"scan{scan}_{number:03d}.tif" for scan in (1, 2) for number in range(4)])
    with pytest.raises(
        OperandoError, match=r"the slices of one volume, got files such as scan1_000\.tif and scan2_000"
    ):
        family(tmp_path)
    assert family(tmp_path, "scan2_*").names[0] == "scan2_000.tif"
    assert family(tmp_path, like="scan2_003.tif").names[0] == "scan2_000.tif"


def test_one_number_twice_is_told(tmp_path):
    folder_of(tmp_path, ["s_1.tif", "s_01.tif", "s_2.tif"])
    with pytest.raises(OperandoError, match=r"one file a number, got s_01\.tif and s_1\.tif"):
        family(tmp_path)


@given(st.integers(0, 50), st.integers(1, 7), st.sets(st.integers(1, 28)))
def test_gaps_are_places_whatever_the_first_number_and_the_step(start, step, lost):
    there = [at for at in range(30) if at not in lost or at % 3 == 0 or at in (1, 29)]
    found = numbered(*(start + step * at for at in there))
    steps = np.diff(there)
    if 2 * np.count_nonzero(steps == 1) > steps.size:
        at = places(".", found, None, None)
        assert list(at) == there
        assert order(at, 30) == tuple(there.index(place) if place in there else -1 for place in range(30))
        missing = [start + step * place for place in range(30) if place not in there]
        assert found.between(at, 30) == missing


def test_numbers_that_are_no_series_are_refused():
    with pytest.raises(OperandoError, match="numbers in steps of 10, got s_035"):
        places(".", numbered(10, 20, 30, 35, 50), None, None)
    with pytest.raises(
        OperandoError, match="numbered one after the other, got 4 files with numbers from 1 to 20260518"
    ):
        places(".", numbered(1, 2, 3, 20260518), None, None)
