"""Measured NXxas files: every entry opens to the numbers that h5py finds in it."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

from operando import xas
from operando.errors import OperandoWarning
from operando.flags import Flag

REAL = Path(__file__).parents[3] / "shared" / "data" / "xas"


def real(name: str) -> Path:
    path = REAL / name
    if not path.exists():
        pytest.skip(f"needs the measured file {name}")
    return path


def sources(ds):
    return [str(source).partition("::")[2] for source in np.ravel(ds["source"].values)]


def at(path: Path, entry: str, **settings):
    return xas.read(path, entry=entry, **settings)


@pytest.mark.realdata
def test_the_modes_of_a_bliss_file_are_one_scan_each():
    path = real("pynxxas/BlissMultiModal.h5")
    ds = xas.read(path)
    assert sources(ds) == ["1.1", "2.1"]
    channels = [f"fluo{k}" for k in range(16)]
    assert list(ds["detector"].values) == [*channels, "itrans"]
    assert json.loads(ds.attrs["metadata"])["element.symbol"] == "As"
    with h5py.File(path) as file:
        for entry in ("1.1", "2.1"):
            one = at(path, entry)
            energy = file[f"{entry}/instrument/monochromator/energy"][()] * 1000
            order = np.argsort(energy, kind="stable")
            np.testing.assert_allclose(one["energy"], energy[order], rtol=1e-15)
            for name in (*channels, "itrans"):
                wanted = file[f"{entry}/{name}/intensity"][()][order]
                np.testing.assert_array_equal(one["mu"].sel(detector=name), wanted)
            np.testing.assert_array_equal(one["reference"], file[f"{entry}/iref/intensity"][()][order])
            assert int(one["flag"]) == Flag.no_time | Flag.unsorted_energy | Flag.not_finite


@pytest.mark.realdata
def test_every_entry_of_xdi_files_in_nexus_opens_to_its_numbers():
    path = real("pynxxas/Fe_XDIFiles.h5")
    with h5py.File(path) as file:
        assert sources(xas.read(path)) == list(file)
        for entry, held in file.items():
            one = at(path, entry, timezone="America/Chicago")
            np.testing.assert_array_equal(one["energy"], held["energy"])
            np.testing.assert_array_equal(one["mu"], held["intensity"])
            np.testing.assert_array_equal(one["i0"], held["instrument/i0/data"])
            np.testing.assert_array_equal(one["transmission"], held["instrument/itrans/data"])
            told = json.loads(one.attrs["metadata"])
            assert told["detectors"] == {"mu": ["intensity"], "i0": ["i0"], "transmission": ["itrans"]}
            assert told["sample.name"] == held["sample/name"].asstr()[()]
            local = np.datetime64(held["scan/start_time"].asstr()[()])
            assert (one["time_start"].values - local) / np.timedelta64(1, "h") in (5, 6)


@pytest.mark.realdata
def test_every_channel_of_a_multi_element_detector_can_be_taken():
    path = real("pynxxas/MultiElementFluor.h5")
    ds = xas.read(path)
    assert sources(ds) == [f"V_XANES_ap{k}/V_XANES_ap{k}" for k in range(1, 13)]
    names = [f"v_ka_mca{k}" for k in range(1, 5)]
    with h5py.File(path) as file:
        for entry in file:
            held = file[f"{entry}/{entry}"]
            labels = json.loads(held["rawdata"].attrs["array_labels"])
            one = at(path, entry, columns={"tfy": "ifluor", "fluorescence": names})
            np.testing.assert_array_equal(one["energy"], held["energy"])
            np.testing.assert_array_equal(one["mu"], held["intensity"])
            np.testing.assert_array_equal(one["i0"], held["instrument/i0/data"])
            np.testing.assert_array_equal(one["tfy"], held["instrument/ifluor/data"])
            assert list(one["detector"].values) == names
            for name in names:
                wanted = held["rawdata"][:, labels.index(name)]
                np.testing.assert_array_equal(one["fluorescence"].sel(detector=name), wanted)


@pytest.mark.realdata
def test_entries_of_many_edges_are_read_by_themselves_and_together_where_they_can():
    path = real("pynxxas/generic.h5")
    with pytest.warns(OperandoWarning, match="expected energies that most entries share"):
        together = xas.read(path)
    assert sources(together) == ["dataset02", "dataset03", "dataset04", "dataset10", "dataset12"]
    with h5py.File(path) as file:
        for entry, held in file.items():
            one = at(path, entry)
            np.testing.assert_array_equal(one["energy"], held["energy"])
            np.testing.assert_array_equal(one["mu"], held["intensity"])
            told = json.loads(one.attrs["metadata"])
            stated = held["element/symbol"].asstr()[()] if "symbol" in held["element"] else None
            assert told.get("element.symbol") == stated


@pytest.mark.realdata
@pytest.mark.peer
def test_what_larch_writes_reads_as_the_file_it_wrote_from(tmp_path):
    path = real("larch/ni_metal_rt.xdi")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("larch", reason="xraylarch is not installed (extra 'larch')")
        from larch.io import read_xdi
        from larch.io.nexus_xas import xdi2NXxas

        with h5py.File(tmp_path / "a.h5", "w") as file:
            xdi2NXxas(read_xdi(str(path)), file, name="ni")
    ours, theirs = xas.read(path, timezone="UTC"), xas.read(tmp_path / "a.h5", timezone="UTC")
    np.testing.assert_array_equal(theirs["energy"], ours["energy"])
    np.testing.assert_array_equal(theirs["i0"], ours["i0"])
    np.testing.assert_allclose(xas.signal(theirs, "transmission"), ours["mu"], rtol=1e-9)
    assert theirs["time_start"] == ours["time_start"]
    told = json.loads(theirs.attrs["metadata"])
    assert (told["element.symbol"], told["element.edge"]) == ("Ni", "K")
