"""Files of Thermo Avantage: read through vgd-reader, whose guesses are not taken where the file does not bear them."""

from __future__ import annotations

import builtins
import json

import numpy as np
import pytest
from damaged_copies import cut_off, one_byte_changed
from vgd_files import compound, vgd

from operando import OperandoError, xps
from operando.errors import FileError
from operando.flags import names
from operando.schema import problems
from operando.sniff import head, identify
from operando.xps.formats import FORMATS
from operando.xps.layout import RAW

POINTS = 601
KINETIC = 950.0 + 0.1 * np.arange(POINTS)


def line(height=500.0):
    """Return a peak at 968.6 eV on 30 electrons, in whole numbers."""
    return np.rint(30 + height * np.exp(-0.5 * ((KINETIC - 968.6) / 0.6) ** 2))


@pytest.fixture
def package():
    pytest.importorskip("vgd_reader", reason="vgd-reader is not installed")


def test_counts_and_energies_are_those_written(package, tmp_path):
    ds = xps.read(vgd(tmp_path / "S2p Scan.VGD", line()))
    np.testing.assert_array_equal(ds["counts"], line()[::-1])
    np.testing.assert_allclose(ds["binding_energy"], (1486.6 - KINETIC)[::-1], atol=1e-4)
    assert ds.attrs["region"] == "S 2p"
    said = {name: float(ds[name]) for name in ("dwell", "sweeps", "pass_energy", "work_function")}
    assert said == pytest.approx({"dwell": 0.05, "sweeps": 4, "pass_energy": 50, "work_function": 4.1})
    assert names(int(ds["flag"])) == ["no_time"]
    assert "which have no names" in json.loads(ds.attrs["remarks"])[0]


def test_several_spectra_lie_along_scan(package, tmp_path):
    rows = np.stack([line(100.0 * k) for k in range(1, 5)])
    path = vgd(tmp_path / "O1s Scan.VGD", rows)
    ds = xps.read(path)
    np.testing.assert_array_equal(ds["counts"], rows[:, ::-1])
    assert problems(ds, RAW) == []
    assert str(ds["source"].values[1]) == "O1s Scan.VGD::O 1s, spectrum 2"
    np.testing.assert_array_equal(xps.read(path, spectrum=3)["counts"], rows[2, ::-1])


def test_numbers_that_are_not_whole_are_no_counts(package, tmp_path):
    ds = xps.read(vgd(tmp_path / "a.vgd", line() * 1.37))
    assert "counts" not in ds
    assert "no whole numbers" in ds.attrs["remarks"]


def test_a_photon_energy_that_the_file_does_not_state_has_to_be_given(package, tmp_path):
    path = vgd(tmp_path / "a.vgd", line(), photons=1253.6)
    with pytest.raises(FileError, match=r"a photon energy near Al K-alpha, got none; state photon_energy"):
        xps.read(path)
    ds = xps.read(path, photon_energy=1253.6)
    np.testing.assert_allclose(ds["binding_energy"], (1253.6 - KINETIC)[::-1], atol=1e-9)


@pytest.mark.parametrize("sizes", [(POINTS, 2, 2), (POINTS, 3), (7, 7), (10,)])
def test_spectra_are_not_cut_elsewhere_than_the_file_says(package, tmp_path, sizes):
    path = vgd(tmp_path / "a.vgd", np.tile(line(), 4), sizes=sizes)
    with pytest.raises(FileError, match="numbers of spectra along two dims"):
        xps.read(path)


@pytest.mark.parametrize("step", [0.0, -0.1, np.nan])
def test_energies_that_do_not_rise_are_refused(package, tmp_path, step):
    with pytest.raises(FileError, match="rising kinetic energies"):
        xps.read(vgd(tmp_path / "a.vgd", line(), step=step))


def test_a_file_without_a_stream_is_named(package, tmp_path):
    path = tmp_path / "a.vgd"
    path.write_bytes(compound({"VGData": line().tobytes(), "VGSpaceAxes": bytes(46)}))
    with pytest.raises(FileError, match="a whole file of Thermo Avantage"):
        xps.read(path)


def test_files_are_recognized_by_their_streams_and_never_written_to(package, tmp_path):
    path = vgd(tmp_path / "scan #1?.dat", line())
    before = path.read_bytes()
    assert identify(head(path), FORMATS).name == "vgd"
    xps.read(path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    other = tmp_path / "other"
    other.write_bytes(compound({"WordDocument": bytes(5000)}))
    assert identify(head(other), FORMATS) is None


def test_a_directory_behind_many_spectra_is_found(package, tmp_path):
    rows = np.stack([line(10.0 * k) for k in range(1, 31)])
    path = vgd(tmp_path / "depth.dat", rows)
    assert identify(head(path), FORMATS).name == "vgd"
    assert b"V\0G\0D\0a\0t\0a" not in head(path).data
    np.testing.assert_array_equal(xps.read(path)["counts"], rows[:, ::-1])


def test_without_the_package_its_name_is_told(monkeypatch, tmp_path):
    imported = builtins.__import__

    def without(name, *args, **kwargs):
        if name in {"vgd_reader", "olefile"}:
            raise ImportError(name)
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(FileError, match=r"the package vgd-reader.*pip install vgd-reader.*operando\[vgd\].*VAMAS"):
        xps.read(vgd(tmp_path / "a.vgd", line()))


def test_no_damage_ends_in_a_traceback(package, tmp_path):
    path = vgd(tmp_path / "a.vgd", line())
    whole, refused = path.read_bytes(), 0
    copies = [*cut_off(whole), *one_byte_changed(whole, 60, 3), *one_byte_changed(whole, 60, 4, upto=1536)]
    for data in copies:
        path.write_bytes(data)
        try:
            ds = xps.read(path, reader="vgd")
        except OperandoError as error:
            refused += "\n" not in str(error)
            continue
        assert ds.sizes == {"binding_energy": POINTS}
    assert 10 < refused < len(copies) - 20
