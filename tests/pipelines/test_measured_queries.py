"""Queries on a measured Ni K series of 48 h and the two EC-Lab files of its cell.

Source: GhostDeini/perex, example/operando (BSD-3); SOLEIL ROCK, July 2022.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import operando
from operando import echem

pytestmark = pytest.mark.realdata

CELL = {
    "active_mass": 6.8, "reference_capacity": 1.53, "soc0": 0.0, "reference_electrode": "Li+/Li",
    "potential_offset": 0.0,
}  # fmt: skip
COUNTER, INCREMENT = "(Q-Qo)/mA.h", "dq/mA.h"


@pytest.fixture(scope="module")
def paths(realdata):
    return sorted((realdata / "xas" / "perex" / "echem").glob("*.mpt"), key=lambda path: "continuation" in path.name)


@pytest.fixture(scope="module")
def log(paths):
    return echem.read(paths, timezone="Europe/Paris", cell=CELL)


def increments(path, label):
    """Return the charge (C) since each sample before, from the differences of a counter or from its own column."""
    lines = path.read_text(encoding="latin-1").splitlines()
    head = int(lines[1].partition(":")[2])
    column = lines[head - 1].split("\t").index(label)
    values = pd.Series([row.split("\t")[column] for row in lines[head:] if row]).str.replace(",", ".").astype(float)
    return np.r_[0.0, np.diff(values)] * 3.6 if label == COUNTER else np.r_[0.0, values[1:]] * 3.6


@pytest.mark.parametrize(("label", "within"), [(COUNTER, 1e-9), (INCREMENT, 1e-7)])
def test_capacity_of_every_half_cycle_is_the_integrated_current(log, paths, label, within):
    """Against the cycler's counter, its current integrated at full rate, and against the mean currents it wrote."""
    found = echem.half_cycles(log)
    passed = np.concatenate([increments(path, label) for path in paths])
    half = log["half_cycle"].values
    for number in range(1, 9):
        true = passed[half == number].sum()
        assert float(found["charge"].sel(half_cycle=number)) == pytest.approx(true, rel=within)
        capacity = abs(true) / 3.6 / 6.8e-3
        assert float(found["capacity"].sel(half_cycle=number)) == pytest.approx(capacity, rel=within)


def test_half_cycles_efficiencies_and_losses_are_those_of_the_cell(log):
    halves, cycles = echem.half_cycles(log), echem.cycles(log)
    assert halves["direction"].values.tolist() == [0, 1, -1, 1, -1, 1, -1, 1, -1]
    np.testing.assert_allclose(halves["capacity"][1:4], [237.4, 194.3, 210.8], atol=0.1)
    np.testing.assert_allclose(cycles["coulombic_efficiency"][:3], [0.818, 0.904, 0.887], atol=1e-3)
    assert (cycles["capacity_loss"][:3] > 3 * cycles["capacity_loss_std"][:3]).all()
    assert halves["flag"].values.tolist().index(1 << 10) == 5, "the files' boundary lies in half-cycle 5"


def test_the_charged_cell_crosses_4_volts_once_in_every_charge(log):
    found = operando.onsets(log, above=4.0, hold=600.0)
    assert found["half_cycle"].values.tolist() == [1, 3, 5, 7]
    near = [
        log.sel(time=slice(*pair)) for pair in zip(found["time_low"].values, found["time_high"].values, strict=True)
    ]
    assert all(float(abs(part["potential"] - 4.0).max()) < 0.02 for part in near)
    assert (found["time_std"] < 5).all()


def test_bins_of_dq_dv_lose_no_charge(log):
    found, halves = echem.incremental_capacity(log), echem.half_cycles(log)
    passed = abs(halves["charge"].sel(half_cycle=slice(1, None))) / 3.6
    np.testing.assert_allclose(found["charge"].sum("potential"), passed, rtol=1e-12)
    peak = found["dq_dv"].sel(half_cycle=1).idxmax("potential")
    assert 3.6 < float(peak) < 4.3


def test_resistance_at_the_switches_grows_with_the_delay(log):
    fast, slow = (echem.step_resistance(log, delay=delay)["resistance"].values for delay in (0.0, 1.0))
    known = np.isfinite(fast) & np.isfinite(slow)
    assert known.sum() >= 8
    assert (fast[known] > 5).all()
    assert (slow[known] > fast[known]).all()


def test_windows_values_and_joins_agree_on_linked_scans(log):
    middle = np.datetime64("2022-07-26T21:10", "ns") + 750 * np.arange(180) * np.timedelta64(1, "s")
    times = {
        "time_start": middle - np.timedelta64(65, "s"),
        "time": middle,
        "time_end": middle + np.timedelta64(65, "s"),
    }
    scans = xr.Dataset(coords={name: ("scan", values) for name, values in times.items()})
    linked = operando.link(scans.assign_coords(flag=("scan", np.zeros(180, "i4"))), log)
    charged = operando.window(linked, potential=(4.0, None), half_cycle=1)
    assert 10 < charged.sizes["scan"] < 60
    assert float(charged["potential"].min()) >= 4.0
    first = operando.onsets(log, above=4.0)["time"].values[0]
    assert charged["time"].values.min() > first - np.timedelta64(130, "s")
    by_scan, by_log = operando.at(linked, soc=0.5, half_cycle=1), operando.at(log, soc=0.5, half_cycle=1)
    assert float(by_scan["potential"]) == pytest.approx(float(by_log["potential"]), abs=2e-3)
    joined = operando.join(linked, log, ["potential", "soc"])
    known = np.isfinite(linked["potential"].values)
    np.testing.assert_allclose(joined["potential"].values[known], linked["potential"].values[known], atol=5e-3)
    np.testing.assert_allclose(joined["soc"].values[known], linked["soc"].values[known], atol=1e-4)
