"""Files of one run become one table whose charge, half-cycles and gaps are right."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operando import echem, history, schema
from operando.echem import _half_cycles, typical_interval
from operando.errors import FileError, OperandoError
from operando.flags import Flag

CELL = {
    "active_mass": 6.8,
    "reference_capacity": 1.54,
    "soc0": 0.0,
    "reference_electrode": "Li+/Li",
    "potential_offset": 0.0,
}
COLUMNS = {"time": "t", "voltage": "U", "current": "I"}


def write(path, t, current, voltage=None):
    """Write a log with Unix times."""
    voltage = np.full(len(t), 3.5) if voltage is None else voltage
    rows = [
        f"{1_700_000_000 + a:.4f},{u!r},{i!r}"
        for a, u, i in zip(t, np.asarray(voltage, float).tolist(), np.asarray(current, float).tolist(), strict=True)
    ]
    path.write_text("t,U,I\n" + "\n".join(rows) + "\n")
    return path


def read(*paths, **keywords):
    return echem.read(list(paths), columns=COLUMNS, units={"time": "unix"}, **keywords)


def test_charge_at_constant_current_is_current_times_time(tmp_path):
    t = np.arange(0, 3601.0, 10)
    ds = read(write(tmp_path / "a.csv", t, np.full(t.size, 1e-3)), cell=CELL)
    assert float(ds["charge"][-1]) == pytest.approx(3.6, rel=1e-12)
    assert float(ds["soc"][-1]) == pytest.approx(1.0 / 1.54, rel=1e-12)
    assert float(ds["capacity"][-1]) == pytest.approx(1.0 / 6.8e-3, rel=1e-12)
    assert float(ds["charge_std"][-1]) == pytest.approx(1e-6 * 3600, rel=1e-12)
    assert schema.problems(ds, schema.ECHEM) == []
    assert [entry["step"] for entry in history.entries(ds)] == ["echem.read"]


def test_a_reading_of_a_ramp_integrates_by_the_trapezoid(tmp_path):
    t = np.sort(np.random.default_rng(1).uniform(0, 600, 100)).round(4)
    ds = read(write(tmp_path / "a.csv", t, 1e-3 * t))
    np.testing.assert_allclose(ds["charge"], 0.5e-3 * (t**2 - t[0] ** 2), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("form", ["{:.3f}", "{:.6g}", "{:.15g}"])
def test_charge_does_not_depend_on_the_digits_of_the_cyclers_counter(tmp_path, form):
    t = np.arange(0, 3600.0)
    rows = [f"{1_700_000_000 + a:.1f},3.5,1e-4,{form.format(12 + a * 1e-4 / 3.6)}" for a in t]
    (tmp_path / "a.csv").write_text("t,U,I,Q\n" + "\n".join(rows) + "\n")
    columns, units = {**COLUMNS, "cycler_charge": "Q"}, {"time": "unix", "cycler_charge": "mA*h"}
    ds = echem.read(tmp_path / "a.csv", columns=columns, units=units)
    np.testing.assert_allclose(ds["charge"], 1e-4 * t, atol=1e-9)


def test_a_spike_of_the_current_changes_no_half_cycle(tmp_path):
    current = np.r_[np.zeros(50), np.full(100, 1e-4), np.full(100, -1e-4)]
    current[70] = 0.5
    ds = read(write(tmp_path / "a.csv", np.arange(250.0), current))
    assert [int(ds["half_cycle"][k]) for k in (0, 60, 100, 200)] == [0, 1, 1, 2]
    assert ds.attrs["rest_current"] == pytest.approx(0.005 * 1e-4)


def test_a_counter_that_restarts_adds_no_charge(tmp_path):
    t = np.arange(0, 200.0)
    rows = [f"{1_700_000_000 + a:.1f},3.5,1e-3,{(a % 100) * 1e-3:.6f}" for a in t]
    (tmp_path / "a.csv").write_text("t,U,I,Q\n" + "\n".join(rows) + "\n")
    ds = echem.read(tmp_path / "a.csv", columns={**COLUMNS, "cycler_charge": "Q"}, units={"time": "unix"})
    np.testing.assert_allclose(ds["charge"], 1e-3 * t, atol=1e-9)


def test_charge_error_grows_with_the_stated_offset(tmp_path):
    path = write(tmp_path / "a.csv", np.arange(0, 101.0), np.full(101, 1e-3))
    ds = read(path, current_offset_std=1e-5, cell=CELL)
    np.testing.assert_allclose(ds["charge_std"], 1e-5 * np.arange(101), atol=1e-12)
    np.testing.assert_allclose(ds["soc_std"], ds["charge_std"] / 3.6 / 1.54)


def test_nothing_is_integrated_between_files_and_the_gap_adds_to_the_error(tmp_path):
    t = np.arange(0, 101.0)
    first = write(tmp_path / "b.csv", t, np.full(101, 1e-3))
    second = write(tmp_path / "a.csv", t + 105.0, np.full(101, 1e-3))
    ds = read(second, first)
    assert ds["segment"].values.tolist() == [0] * 101 + [1] * 101
    assert np.flatnonzero(ds["flag"] & int(Flag.after_gap)).tolist() == [101]
    assert float(ds["charge"][-1]) == pytest.approx(0.2)
    assert float(ds["charge_std"][101] - ds["charge_std"][100]) == pytest.approx(5e-3)
    assert [entry["file"] for entry in json.loads(ds.attrs["sources"])] == ["b.csv", "a.csv"]


def test_files_that_overlap_are_refused(tmp_path):
    t = np.arange(0, 101.0)
    paths = [write(tmp_path / "a.csv", t, t * 0 + 1), write(tmp_path / "b.csv", t + 50, t * 0 + 1)]
    with pytest.raises(FileError, match="overlap"):
        read(*paths)


def test_a_pause_is_a_gap_and_sparse_recording_is_not(tmp_path):
    dense = np.arange(0, 50, 0.01)
    sparse = 50 + np.arange(0, 36000, 30.0)
    paused = np.r_[dense, sparse, sparse + 38000.0]
    ds = read(write(tmp_path / "a.csv", paused, np.full(paused.size, 1e-3)))
    assert np.flatnonzero(np.diff(ds["segment"])).tolist() == [dense.size + sparse.size - 1]
    assert typical_interval(paused) == 30.0
    longer = read(tmp_path / "a.csv", gap=3000.0)
    assert not np.diff(longer["segment"]).any()


def test_time_that_steps_back_is_flagged_kept_and_not_integrated(tmp_path):
    t = np.r_[np.arange(0, 100.0), np.arange(60.0, 200.0)]
    ds = read(write(tmp_path / "a.csv", t, np.full(t.size, 1e-3)))
    stepped = np.flatnonzero(ds["flag"] & int(Flag.clock_step))
    assert ds.sizes["time"] == t.size
    assert stepped.tolist() == list(range(100, 139))
    assert np.isfinite(ds["charge"]).all()
    assert (np.diff(ds["charge"]) >= 0).all()


def test_missing_current_is_refused(tmp_path):
    path = write(tmp_path / "a.csv", np.arange(3.0), np.zeros(3))
    with pytest.raises(FileError, match="current"):
        echem.read(path, columns={"time": "t", "voltage": "U"}, units={"time": "unix"})
    with pytest.raises(OperandoError, match="at least one file"):
        echem.read([])


def test_half_cycles_count_reversals_that_last_and_rests_inherit():
    current = np.r_[[0] * 5, [1] * 5, [0] * 4, [1] * 4, [-1] * 2, [1] * 3, [-1] * 5, [0] * 3, [1] * 3]
    expected = [0] * 5 + [1] * 18 + [2] * 8 + [3] * 3
    assert _half_cycles(current.astype(float), 0.01).tolist() == expected


def test_a_pulse_shorter_than_three_samples_begins_no_half_cycle():
    assert not _half_cycles(np.array([0, 1.0, 1.0, 0, 0]), 0.01).any()


def test_a_pulse_train_is_one_half_cycle_over_its_rests():
    pulses = np.tile([1.0, 0, 0, 0], 6)
    assert set(_half_cycles(pulses, 0.01).tolist()) == {1}


def test_noise_that_now_and_then_exceeds_the_rest_current_begins_no_half_cycle():
    noise = np.random.default_rng(5).normal(0, 0.002, 5000)
    assert (np.abs(noise) > 0.005).sum() > 30
    current = np.r_[np.full(50, 1.0), noise, np.full(50, 1.0), noise, np.full(50, -1.0)]
    half = _half_cycles(current, 0.005)
    assert np.flatnonzero(np.diff(half)).tolist() == [10099]


def test_a_current_that_tapers_to_noise_at_constant_voltage_stays_in_its_half_cycle():
    taper = np.exp(-np.arange(3000) / 300) + np.random.default_rng(6).normal(0, 1e-3, 3000)
    half = _half_cycles(np.r_[np.full(50, 1.0), taper, np.full(50, -1.0)], 0.005)
    assert np.flatnonzero(np.diff(half)).tolist() == [3049]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([-1, 1]), st.integers(3, 8), st.integers(0, 4)), min_size=1, max_size=8),
    st.floats(1e-6, 1e3),
)
def test_half_cycles_depend_neither_on_the_size_of_the_current_nor_on_noise_at_rest(blocks, size):
    current = np.concatenate([np.r_[np.full(n, float(sign)), np.zeros(rest)] for sign, n, rest in blocks])
    noise = np.where(current == 0, 1e-3 * (-1.0) ** np.arange(current.size), 0)
    signs = [sign for sign, _, _ in blocks]
    reversals = 1 + sum(a != b for a, b in pairwise(signs))
    quiet = _half_cycles(size * current, 0.005 * size)
    assert quiet[-1] == reversals
    np.testing.assert_array_equal(_half_cycles(size * (current + noise), 0.005 * size), quiet)


def test_cycles_pair_half_cycles_and_rest_is_cycle_zero(tmp_path):
    current = np.r_[[0] * 3, [1] * 3, [-1] * 3, [1] * 3, [-1] * 3] * 1e-3
    ds = read(write(tmp_path / "a.csv", np.arange(current.size), current))
    assert ds["cycle"].values.tolist() == [0] * 3 + [1] * 6 + [2] * 6


def test_capacity_starts_from_zero_in_every_half_cycle(tmp_path):
    current = np.r_[[0] * 3, [1e-3] * 100, [-1e-3] * 100]
    ds = read(write(tmp_path / "a.csv", np.arange(current.size), current), cell=CELL)
    grams = 6.8e-3
    assert float(ds["capacity"][102]) == pytest.approx(99.5 / 3600 / grams)
    assert float(ds["capacity"][-1]) == pytest.approx(99.0 / 3600 / grams)


def test_potential_needs_a_stated_reference_and_offset(tmp_path):
    path = write(tmp_path / "a.csv", np.arange(3.0), np.zeros(3))
    assert "potential" not in read(path, cell={"potential_offset": 0.62})
    assert "potential" not in read(path, cell={"reference_electrode": "In/InLi"})
    ds = read(path, cell={"reference_electrode": "In/InLi", "potential_offset": 0.62})
    np.testing.assert_allclose(ds["potential"], 3.5 + 0.62)
    assert {"soc", "capacity"}.isdisjoint(ds)


def test_state_of_charge_needs_its_value_at_the_start_and_the_capacity(tmp_path):
    path = write(tmp_path / "a.csv", np.arange(3.0), np.zeros(3))
    assert "soc" not in read(path, cell={"reference_capacity": 1.54})
    assert "soc" not in read(path, cell={"soc0": 0.3})
    assert read(path, cell={"reference_capacity": 1.54, "soc0": 0.3})["soc"].values.tolist() == [0.3] * 3


@pytest.mark.parametrize(
    ("values", "told"),
    [({"active_mass": -1}, "positive"), ({"soc0": "full"}, "finite"), ({"potential_offset": float("nan")}, "finite")],
)
def test_impossible_cell_values_are_refused(values, told):
    with pytest.raises(OperandoError, match=told):
        echem.cell(values)


def test_a_cell_with_nothing_known_fits_its_layout():
    ds = echem.cell({"active_mass": None})
    assert not ds.data_vars
    assert ds.attrs["reference_electrode"] == ds.attrs["potential_offset"] == ""


@pytest.fixture(scope="module")
def perex(realdata):
    folder = realdata / "xas" / "perex" / "echem"
    return echem.read(sorted(folder.glob("*.mpt"), reverse=True), timezone="Europe/Paris", cell=CELL)


@pytest.mark.realdata
def test_real_log_begins_its_current_at_the_recorded_instant(perex):
    first = int(np.flatnonzero(perex["half_cycle"])[0])
    local = perex["time"].values[first] + np.timedelta64(2, "h")
    assert abs(local - np.datetime64("2022-07-26T23:01:27.09")) < np.timedelta64(10, "ms")


@pytest.mark.realdata
def test_real_file_boundary_of_26_seconds_is_the_only_gap(perex):
    at = np.flatnonzero(np.diff(perex["segment"]))
    assert at.tolist() == [6332]
    gap = perex["time"].values[6333] - perex["time"].values[6332]
    assert gap / np.timedelta64(1, "s") == pytest.approx(26.5, abs=0.05)
    assert int(perex["flag"][6333]) == int(Flag.after_gap)


@pytest.mark.realdata
def test_real_half_cycles_come_from_reversals_not_from_the_restarted_counter(perex):
    half = perex["half_cycle"].values
    assert np.unique(half).tolist() == list(range(9))
    assert (np.diff(half) >= 0).all()
    assert (half[6332], half[6333], half[-1]) == (5, 5, 8)
    rest = abs(perex["current"].values[6333:]) <= perex.attrs["rest_current"]
    assert not rest[5]
    assert rest[:4].all()
    assert float(perex["cycler_half_cycle"][6332]) == 6
    assert float(perex["cycler_half_cycle"][6333]) == 0
    starts = np.flatnonzero(np.diff(half)) + 1
    assert np.sign(perex["current"].values[starts]).tolist() == [1, -1] * 4


@pytest.mark.realdata
def test_real_charge_agrees_with_the_cyclers_counter_to_its_last_digits(perex):
    for part in (slice(0, 6333), slice(6333, None)):
        ours, theirs = perex["charge"].values[part], perex["cycler_charge"].values[part]
        np.testing.assert_allclose(ours - ours[0], theirs - theirs[0], atol=1e-9)
    trapezoid = np.trapezoid(
        perex["current"].values[6333:],
        (perex["time"].values[6333:] - perex["time"].values[6333]) / np.timedelta64(1, "s"),
    )
    assert abs(trapezoid - (perex["charge"].values[-1] - perex["charge"].values[6333])) > 1e-3 * abs(trapezoid)


@pytest.mark.realdata
def test_real_header_mass_is_kept_beside_the_recipes(perex):
    ds = echem.cell(CELL, perex)
    assert float(ds["active_mass"]) == 6.8
    assert json.loads(ds.attrs["header"])["active_mass"] == 7000.0
    assert json.loads(ds.attrs["from_header"]) == ["electrode_area"]
    borrowed = echem.cell({}, perex)
    assert float(borrowed["active_mass"]) == 7000.0


@pytest.mark.realdata
def test_real_interleaved_techniques_of_one_run_join_in_order(realdata):
    paths = sorted((realdata / "echem" / "biologic").glob("*issue_149.mpt"))
    ds = echem.read(paths, timezone="Europe/Zurich")
    assert (np.diff(ds["time"].values) > np.timedelta64(0, "ns")).all()
    assert int(ds["segment"][-1]) == 15
