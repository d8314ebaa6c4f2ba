"""One region of several: by its name however it is written, as one spectrum or as a series."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from operando.errors import FileError, OperandoError, OperandoWarning, SeveralRegionsError
from operando.header_times import Span
from operando.history import entries
from operando.xps.formats.regions import Entry, Refusal, names_of, numbered, one_name, read_region
from operando.xps.formats.spectrum import spectrum

PATH = Path("scan.vms")


def one(region: str, entry: str, low: float = 160.0):
    energy = low + 0.5 * np.arange(20)
    counts = {"counts": np.random.default_rng(len(entry)).poisson(500, 20).astype(float)}
    return spectrum(PATH, energy, counts, Span(), region=region, entry=entry, reader="vamas", metadata={})


def chosen(spectra, region=None, left_out=()):
    entries = [Entry(ds.attrs["region"], str(ds["source"].values), lambda ds=ds: ds) for ds in spectra]
    refused = [Refusal("", reason) for reason in left_out]
    return read_region(PATH, entries, refused, region, {"reader": "vamas"}, chosen_by={}, entry="block")


@pytest.mark.parametrize("name", ["S 2p", "S2p", "s_2P", "s2p", None])
def test_the_region_is_found_however_its_name_is_written(name):
    spectra = [one("S 2p", "a"), *([one("C 1s", "b", 280.0)] if name else [])]
    ds = chosen(spectra, name)
    assert ds.attrs["region"] == "S 2p"
    assert "scan" not in ds.dims
    assert entries(ds)[-1]["parameters"] == {"reader": "vamas", "region": name and "S 2p"}


def test_repeats_of_a_region_become_a_series_in_their_order():
    ds = chosen([one("S 2p", "a"), one("C 1s", "b", 280.0), one("S 2p", "cc")], "S 2p")
    assert dict(ds.sizes) == {"scan": 2, "binding_energy": 20}
    assert list(ds["source"].values) == ["scan.vms::a", "scan.vms::cc"]


def test_several_regions_want_a_name_and_a_wrong_name_gets_the_list():
    spectra = [one("S 2p", "a"), one("C 1s", "b", 280.0)]
    with pytest.raises(
        FileError, match="region: expected one region, got S 2p, C 1s; name it, such as region = 'S 2p'"
    ):
        chosen(spectra)
    with pytest.raises(FileError, match="region: expected a region among S 2p, C 1s, got 'O 1s'"):
        chosen(spectra, "O 1s")


def test_one_of_another_range_is_left_out_with_a_warning():
    with pytest.warns(OperandoWarning, match="energies that most blocks share, got 600 to 609.5 eV"):
        ds = chosen([one("survey", "a"), one("survey", "b"), one("survey", "c", 600.0)])
    assert ds.sizes["scan"] == 2
    assert "600 to 609.5 eV" in ds.attrs["remarks"]


def test_why_other_entries_are_no_spectra_is_said():
    reason = FileError(PATH, "a photoemission spectrum", "SIMS", place="block 'x'")
    with pytest.warns(OperandoWarning, match="got SIMS"):
        assert "got SIMS" in chosen([one("S 2p", "a")], left_out=[reason]).attrs["remarks"]
    with pytest.raises(FileError, match="got SIMS"):
        chosen([], left_out=[reason])
    with pytest.raises(FileError, match="expected a region with spectra, got a file without any"):
        chosen([])


def test_a_list_of_regions_is_joined_scan_by_scan():
    spectra = [one("S 2p", "a"), one("C 1s", "b", 280.0), one("S 2p", "cc"), one("C 1s", "dd", 280.0)]
    ds = chosen(spectra, ["C1s", "s2p"])
    assert dict(ds.sizes) == {"scan": 2, "binding_energy": 40}
    assert list(dict.fromkeys(ds["region"].values)) == ["S 2p", "C 1s"]
    np.testing.assert_array_equal(ds["counts"][1, :20], spectra[2]["counts"])
    with pytest.raises(FileError, match="a region among S 2p, C 1s, got 'O 1s'"):
        chosen(spectra, ["S 2p", "O 1s"])
    with pytest.raises(OperandoError, match=r"scan.vms: join: expected as many scans in all regions, got 2 and 1"):
        chosen(spectra[:3], ["S 2p", "C 1s"])


@pytest.mark.parametrize("region", [[], ["S 2p"], [1, 2], 7])
def test_what_names_no_region_is_an_error_of_the_call(region):
    with pytest.raises(OperandoError, match="region: expected a name such as 'S 2p' or a list of several"):
        names_of(PATH, region)
    with pytest.raises(OperandoError, match="expected one name, since the file has one region"):
        one_name(PATH, region)


def test_only_spectra_that_are_asked_for_are_built():
    built = []

    def build(ds):
        built.append(ds.attrs["region"])
        return ds

    spectra = [one("S 2p", "a"), one("C 1s", "b", 280.0)]
    entries = [
        Entry(ds.attrs["region"], name, partial(build, ds), {"block": (name,)})
        for name, ds in zip("ab", spectra, strict=True)
    ]
    wanted = {"parameters": {}, "entry": "block"}
    assert read_region(PATH, entries, [], "S 2p", chosen_by={"block": None}, **wanted).attrs["region"] == "S 2p"
    assert read_region(PATH, entries, [], None, chosen_by={"block": "b"}, **wanted).attrs["region"] == "C 1s"
    assert built == ["S 2p", "C 1s"]


def test_what_is_wrong_with_one_region_is_not_told_of_another():
    reason = FileError(PATH, "a swept kinetic energy", "another mode", place="region 'VB'")
    entries = [Entry(name, name, partial(one, name, name, low)) for name, low in (("S 2p", 160.0), ("C 1s", 280.0))]
    wanted = {"parameters": {}, "chosen_by": {}, "entry": "block"}
    assert "remarks" not in read_region(PATH, entries, [Refusal("VB", reason)], "S 2p", **wanted).attrs
    with pytest.raises(FileError, match="another mode"):
        read_region(PATH, entries, [Refusal("VB", reason)], "VB", **wanted)
    with pytest.raises(SeveralRegionsError) as caught:
        read_region(PATH, entries, [Refusal("VB", reason)], None, **wanted)
    assert (caught.value.regions, caught.value.left_out) == (("S 2p", "C 1s"), (reason,))
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.regions, str(again), str(again.left_out[0])) == (caught.value.regions, str(caught.value), str(reason))
    broken = Refusal("", FileError(PATH, "whole curves", "a file that breaks off"))
    with pytest.raises(FileError, match=r"got 'O 1s'; part of the file cannot be read: .* breaks off"):
        read_region(PATH, entries, [broken], "O 1s", **wanted)


def test_names_that_are_met_again_are_numbered():
    assert numbered(["a", "b", "a", ""]) == ["a (1)", "b", "a (3)", "4"]
    assert numbered(["a", "a"], [5, 7]) == ["a (5)", "a (7)"]
