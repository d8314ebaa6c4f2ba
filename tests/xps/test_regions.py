"""One region of several: by its name however it is written, as one spectrum or as a series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from operando.errors import FileError, OperandoWarning
from operando.header_times import Span
from operando.history import entries
from operando.xps.formats.regions import Entry, Refusal, read_region
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
