"""A measured database of SpecsLab Prodigy 4.63: gold in vacuum and in oxygen at 25 mbar, 527 scans.

It comes with the package pynxtools-xps (FAIRmat-NFDI, Apache-2.0, 0.6.3), among the examples; OPERANDO_SLE names it
where the package is not installed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from operando import xps
from operando.errors import FileError, OperandoWarning, SeveralRegionsError
from operando.xps.formats.sle_database import StoredScan, counts, node_text, tables
from operando.xps.formats.sle_schedule import channel_shifts

pytestmark = pytest.mark.realdata

NAME = "EX439_S718_Au_in_25_mbar_O2.sle"
FIRST_4F, SECOND_4F = 83.98, 87.65
"""Binding energies of Au 4f7/2 and 4f5/2 (ISO 15472, and NIST SRD 20), eV."""
SCANS = {4: 1, 11: 2, 12: 4, 13: 1, 17: 100, 18: 300, 23: 100, 24: 19}
"""How many scans each spectrum has, by its number in the schedule."""


@pytest.fixture(scope="module")
def gold() -> Path:
    found = [Path(os.environ["OPERANDO_SLE"])] if "OPERANDO_SLE" in os.environ else []
    package = importlib.util.find_spec("pynxtools_xps")
    for folder in (package.submodule_search_locations or []) if package else []:
        found += Path(folder).rglob(NAME)
    if not found or not found[0].is_file():
        pytest.skip(f"OPERANDO_SLE does not name {NAME}, and pynxtools-xps is not installed")
    return found[0]


def read(path, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OperandoWarning)
        return xps.read(path, **settings)


def blobs(path, node):
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as database:
        query = "SELECT Data FROM RawData JOIN CountRateData USING (RawID) WHERE Node = ? ORDER BY RawID, Offset"
        return [np.frombuffer(data, "<f8") for (data,) in database.execute(query, (node,))]


def centre(energy, values, near):
    """Return the middle of the upper half of a line."""
    window = np.abs(energy - near) < 0.8
    height = values[window] - values[window].max() / 2
    return float((energy[window] * height.clip(0)).sum() / height.clip(0).sum())


def test_every_spectrum_is_there_with_its_settings(gold):
    with pytest.raises(SeveralRegionsError, match="Survey, Au 4f"):
        xps.read(gold)
    assert {node: len(scans) for node, scans in tables(gold).scans.items()} == SCANS
    for settings, node, points, passed in (
        ({"region": "Survey", "group": "Au in vacuum"}, 11, 2401, 100),
        ({"region": "Au 4f", "group": "Au in vacuum"}, 12, 1001, 20),
        ({"region": "Au 4f", "spectrum": 24}, 24, 2531, 20),
    ):
        ds = read(gold, **settings)
        assert ds.sizes == {"scan": SCANS[node], "binding_energy": points}
        for name, value in {"pass_energy": passed, "photon_energy": 1486.61, "dwell": 0.1, "sweeps": 1}.items():
            assert (ds[name] == value).all()
        assert (ds["transmission"] > 0).all()
        assert (np.diff(ds["transmission"]) > 0).all()
    with pytest.raises(FileError, match="scan mode 'FixedEnergies'"):
        xps.read(gold, region="Align")


@pytest.mark.parametrize(("node", "start", "step"), [(11, 1200, 0.5), (12, 175, 0.1), (24, 328, 0.1)])
def test_counts_are_those_of_the_file_to_the_last_bit(gold, node, start, step):
    ds = read(gold, region="Survey" if node == 11 else "Au 4f", spectrum=node)
    stored = np.array(blobs(gold, node))
    np.testing.assert_array_equal(ds["counts"], stored[:, ::-1])
    np.testing.assert_allclose(ds["binding_energy"], (start - step * np.arange(stored.shape[1]))[::-1], atol=1e-9)


def test_gold_lies_where_gold_lies(gold):
    ds = read(gold, region="Au 4f", group="Au in vacuum")
    energy, total = ds["binding_energy"].values, ds["counts"].sum("scan").values
    first, second = centre(energy, total, 84.2), centre(energy, total, 87.9)
    assert first == pytest.approx(FIRST_4F, abs=0.25)
    assert second - first == pytest.approx(SECOND_4F - FIRST_4F, abs=0.05)


def test_scans_scatter_as_counts_do_that_were_interpolated(gold):
    """A sum of channels, each interpolated linearly at a place of its own between its points, has 2/3 of the variance.

    Its neighbours share 1/6 of it. 100 scans of one sample differ by counting only, from one to the next.
    """
    values = read(gold, region="Au 4f", spectrum=23)["counts"].values
    mean = values.mean(axis=0)
    steps = np.diff(values, axis=0)[::2, mean > 5] / np.sqrt(2 * mean[mean > 5])
    assert np.mean(steps**2) == pytest.approx(2 / 3, rel=0.05)
    assert np.mean(steps[:, 1:] * steps[:, :-1]) == pytest.approx(1 / 6, rel=0.1)
    assert np.mean(steps[:, 2:] * steps[:, :-2]) == pytest.approx(0, abs=0.02)


def test_channels_see_electrons_of_shift_times_the_pass_energy_more(gold):
    """At a fixed energy the doublet of gold lies across the 130 channels, the slower electrons on lower shifts."""
    kept = tables(gold)
    scan: StoredScan = kept.scans[13][0]
    profile = counts(gold, scan, 130, "Align (2)").sum(axis=0)
    shifts, gains = channel_shifts(gold, node_text(gold, 3), "group")
    energy = shifts * kept.spectra[13].pass_energy
    first, second = (energy[part][profile[part].argmax()] for part in (slice(56, None), slice(0, 56)))
    assert (gains == 1).all()
    assert scan.written == 2033
    assert first - second == pytest.approx(SECOND_4F - FIRST_4F, abs=0.5)


def test_a_scan_takes_a_third_longer_than_it_counts(gold):
    ds = read(gold, region="Au 4f", spectrum=18, cycle=[*range(1, 21)], timezone="UTC")
    lengths = (ds["time_end"] - ds["time_start"]).values / np.timedelta64(1, "s")
    assert ((lengths > 100.1) & (lengths < 1.6 * 100.1)).all()
    assert np.median(lengths) == pytest.approx(1.32 * 100.1, rel=0.02)
    assert (np.diff(ds["time"]) > np.timedelta64(0)).all()
    assert (ds["time_start"].values[1:] >= ds["time_end"].values[:-1]).all()
    assert json.loads(ds.attrs["metadata"])["version"] == "4.63.1"
