"""One spectrum as every reader gives it: sorted, labelled, with what its numbers show as flags."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operando.errors import FileError
from operando.flags import Flag
from operando.header_times import Span
from operando.schema import problems
from operando.series import stack
from operando.xps.formats.spectrum import spectrum
from operando.xps.layout import RAW

PATH = Path("scan.vms")
ENERGY = np.arange(170.0, 160.0, -0.5)
COUNTS = np.random.default_rng(4).poisson(500, ENERGY.size).astype(float)
START = np.datetime64("2024-05-01T10:00:00", "ns")
TIMES = Span(START, START, START)


def made(energy=ENERGY, counts=COUNTS, **given_):
    usual = {"region": "S 2p", "entry": "one", "reader": "vamas", "metadata": {"a": 1}}
    times = given_.pop("times", TIMES)
    return spectrum(
        PATH, np.asarray(energy, float), {"counts": np.asarray(counts, float)}, times, **{**usual, **given_}
    )


def flags(ds) -> Flag:
    return Flag(int(ds["flag"]))


def test_a_spectrum_has_units_names_and_ascending_energies():
    ds = made(
        conditions={"photon_energy": 1486.6, "emission_angle": 0.0, "dwell": None, "sweeps": 0.0, "pass_energy": np.nan}
    )
    np.testing.assert_array_equal(ds["binding_energy"], ENERGY[::-1])
    np.testing.assert_array_equal(ds["counts"], COUNTS[::-1])
    assert flags(ds) == Flag(0)
    assert set(ds.data_vars) == {"counts", "photon_energy", "emission_angle"}
    assert all(ds[name].attrs["long_name"] for name in ds.variables)
    units = {name: ds[name].attrs["units"] for name in ("binding_energy", "counts", "photon_energy", "emission_angle")}
    assert units == {"binding_energy": "eV", "counts": "count", "photon_energy": "eV", "emission_angle": "deg"}
    assert ds["source"].item() == "scan.vms::one"
    assert made(entry="")["source"].item() == "scan.vms"
    assert json.loads(ds.attrs["metadata"]) == {"a": 1}


def test_a_spectrum_has_the_layout_of_raw_scans():
    assert problems(stack([made(), made(entry="two")], "binding_energy"), RAW) == []


@given(order=st.permutations(range(8)))
def test_values_stay_with_their_energies_in_any_order(order):
    energy, counts = ENERGY[:8][list(order)], COUNTS[:8][list(order)]
    ds = made(energy, counts)
    pairs = set(zip(ENERGY[:8].tolist(), COUNTS[:8].tolist(), strict=True))
    assert set(zip(ds["binding_energy"].values.tolist(), ds["counts"].values.tolist(), strict=True)) == pairs
    steps = np.diff(energy)
    assert bool(flags(ds) & Flag.unsorted_energy) == bool((steps > 0).any() and (steps < 0).any())


@pytest.mark.parametrize(
    ("energy", "counts", "expected"),
    [
        ([1, 2, 2, 3], [5, 6, 7, 8], Flag.duplicate_energy),
        ([1, 2, np.nan, 3], [5, 6, 7, 8], Flag.not_finite),
        ([1, 2, 3, 4], [5, np.nan, 7, 8], Flag.not_finite),
        ([1, 2, 3, 4], [7, 7, 7, 7], Flag.dead_detector),
        ([1, 2, 3, 4], [0, 0, 0, 0], Flag.dead_detector),
        ([1, 2, 3, 1e6], [5, 6, 7, 8], Flag.not_finite),
        (range(9), [9, 8, 7, 9, 8, 7, 0, 0, 0], Flag.truncated),
        (range(9), [0, 0, 0, 7, 8, 9, 7, 8, 9], Flag(0)),
        (range(9, 0, -1), [9, 8, 7, 9, 8, 7, 0, 0, 0], Flag.truncated),
        (range(9, 0, -1), [0, 0, 0, 7, 8, 9, 7, 8, 9], Flag(0)),
        (range(9), [1, 0, 2, 0, 1, 1, 0, 0, 0], Flag(0)),
    ],
)
def test_what_the_numbers_show_is_flagged(energy, counts, expected):
    assert flags(made(list(energy), counts)) == expected


def test_what_the_reader_found_is_kept_with_what_the_numbers_show():
    assert flags(made([1, 2, 2, 3], [5, 6, 7, 8], flag=Flag.truncated)) == Flag.truncated | Flag.duplicate_energy


def test_a_time_without_a_zone_is_kept_as_text():
    ds = made(times=Span(local="2024-05-01 10:00"), remarks=["odd"])
    assert flags(ds) == Flag.no_time
    assert ds.attrs["local_time_start"] == "2024-05-01 10:00"
    assert json.loads(ds.attrs["remarks"]) == ["odd"]


@pytest.mark.parametrize("energy", [[1.0, 2.0], [np.nan] * 5, [3e4, 4e4, 5e4], [-500.0, -400.0, -300.0]])
def test_what_cannot_be_binding_energies_is_refused(energy):
    with pytest.raises(FileError, match="one: expected 3 points or more with a binding energy in eV"):
        made(energy, np.arange(len(energy)))


def test_zeros_behind_the_end_of_a_scan_are_no_counts():
    ds = made(range(9), [9, 8, 7, 9, 8, 7, 0, 0, 0])
    np.testing.assert_array_equal(ds["counts"], [9, 8, 7, 9, 8, 7, np.nan, np.nan, np.nan])
    falling = made(range(9, 0, -1), [9, 8, 7, 9, 8, 7, 0, 0, 0])
    np.testing.assert_array_equal(falling["counts"][:3], [np.nan] * 3)
