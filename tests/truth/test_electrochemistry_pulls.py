"""Onsets, steps of the current and dQ/dV of the simulated cell, over independent noise of the cycler."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from pulls import assert_unit_normal

import operando
from operando import echem
from operando.clock import to_ns
from operando.cyclers.log import MEAN
from operando.example_scans import cell, parameters

START = np.datetime64("2026-05-18T15:42:06.250", "ns")
NOISE = 1e-4
SEEDS = range(2001, 2056)


@pytest.fixture(scope="module")
def happened():
    return cell.run(parameters.load())


@pytest.fixture(scope="module")
def logs(happened):
    """Return what a cycler records at every step of the simulation, once for each seed."""
    current = np.r_[0.0, happened.current[:-1]]
    half = np.r_[0, happened.half_cycle[:-1]]
    zeros = np.zeros(half.size, int)
    found = []
    for seed in SEEDS:
        voltage = happened.voltage + NOISE * np.random.default_rng(seed).standard_normal(half.size)
        columns = {
            "voltage": voltage, "potential": voltage + 0.62, "current": current, "charge": happened.charge,
            "half_cycle": half, "cycle": (half + 1) // 2, "segment": zeros, "flag": zeros,
        }  # fmt: skip
        data = {name: ("time", values) for name, values in columns.items()}
        coords = {"time": START + to_ns(happened.seconds)}
        found.append(xr.Dataset(data, coords=coords, attrs={"current_is": MEAN, "rest_current": 7e-7}))
    return found


def test_all_four_onsets_are_found_within_a_sample_and_their_error(happened, logs):
    for log in logs[:5]:
        found = xr.concat(
            [operando.onsets(log, above=2.3, name="oxidation"), operando.onsets(log, below=1.7, name="reduction")],
            "onset",
            combine_attrs="drop",
        ).sortby("time")
        seconds = (found.time.values - START) / np.timedelta64(1, "ns") * 1e-9
        assert found.name.values.tolist() == [onset.reaction for onset in happened.onsets]
        assert found.half_cycle.values.tolist() == [onset.half_cycle for onset in happened.onsets]
        for time, std, onset in zip(seconds, found.time_std.values, happened.onsets, strict=True):
            assert abs(time - onset.seconds) <= 10 + 3 * std


def test_onsets_pull_as_a_unit_normal(happened, logs):
    true, pulls = {onset.reaction: [] for onset in happened.onsets}, []
    for onset in happened.onsets:
        true[onset.reaction].append(onset.crossing)
    for log in logs:
        for reaction, level in (("oxidation", {"above": 2.3}), ("reduction", {"below": 1.7})):
            found = operando.onsets(log, **level)
            seconds = (found.time.values - START) / np.timedelta64(1, "ns") * 1e-9
            pulls.append((seconds - true[reaction]) / found.time_std.values)
    assert_unit_normal(np.concatenate(pulls))


def test_steps_of_the_current_give_the_cells_resistance(happened, logs):
    """77 to 127 ohm over the run; at the first current the potential itself rises fast, so that no delay is taken."""
    turns = np.flatnonzero(np.diff(happened.half_cycle))
    pulls = []
    for log in logs:
        found = echem.step_resistance(log, delay=0.0)
        assert found.sizes["step"] == 4
        pulls.append((found.resistance.values - happened.resistance[turns]) / found.resistance_std.values)
    assert_unit_normal(np.concatenate(pulls))


def test_incremental_capacities_pull_as_a_unit_normal(happened, logs):
    """Against the same log without noise; bins that share no edge are independent."""
    clean = logs[0].assign(voltage=("time", happened.voltage), potential=("time", happened.potential))
    options = {"width": 0.02, "half_cycle": 3, "noise": NOISE}
    true = echem.incremental_capacity(clean, **options)
    inner = {"potential": slice(3.60, 4.25)}
    pulls = []
    for log in logs:
        found = echem.incremental_capacity(log, **options)
        pull = (found.dq_dv - true.dq_dv.reindex_like(found)) / found.dq_dv_std
        pulls.append(pull.sel(inner).values[0, ::4])
    assert_unit_normal(np.concatenate(pulls))
