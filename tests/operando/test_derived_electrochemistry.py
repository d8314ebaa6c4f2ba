"""Charge by half-cycle and cycle, dQ/dV and resistance from steps: known answers, conservation, refusals."""

import doctest

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from operando import clock_events, cycles, echem, history, incremental_capacity, quantities, query, step_resistance
from operando.clock import to_ns
from operando.cyclers.log import MEAN
from operando.errors import OperandoError
from operando.flags import names

START = np.datetime64("2024-03-01T08:00:00", "ns")


def log(t, voltage, current, **attrs):
    """Return a log with currents that are means since the last sample, as the cycler's text gives them."""
    t, current = np.asarray(t, float), np.broadcast_to(np.asarray(current, float), np.shape(t))
    half = np.cumsum(np.r_[abs(np.sign(current[0])), np.diff(np.sign(current)) != 0]).astype(int)
    zeros = np.zeros(t.size, int)
    columns = {
        "voltage": np.asarray(voltage, float), "current": current, "charge_std": 1e-6 * t, "half_cycle": half,
        "charge": np.r_[0.0, np.cumsum(current[1:] * np.diff(t))], "cycle": (half + 1) // 2, "segment": zeros,
        "flag": zeros,
    }  # fmt: skip
    data = {name: ("time", values) for name, values in columns.items()}
    return xr.Dataset(data, coords={"time": START + to_ns(t)}, attrs={"current_is": MEAN, **attrs})


def cycled(hours=(10, 9, 9.5, 9)):
    """Return a rest of an hour, then charges and discharges of so many hours at 1 mA."""
    current = np.concatenate([np.zeros(61), *(np.full(int(60 * h), 1e-3 * (-1) ** k) for k, h in enumerate(hours))])
    return log(np.arange(current.size) * 60.0, 3.5 + 0.02 * np.cumsum(current), current)


def test_charge_of_every_half_cycle_is_the_integrated_current():
    found = echem.half_cycles(cycled())
    np.testing.assert_allclose(found["charge"], [0, 36.0, -32.4, 34.2, -32.4], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found["charge_std"], 1e-6 * np.array([3600, 36000, 32400, 34200, 32400]))
    assert found["direction"].values.tolist() == [0, 1, -1, 1, -1]
    assert found["complete"].values.tolist() == [True] * 4 + [False]
    assert found["duration"].values[1] == 36000
    assert found["mean_potential"].values[1] == pytest.approx(3.5 + 0.02 * 0.3, abs=2e-5)


def test_a_gap_within_a_half_cycle_is_told():
    whole = cycled()
    cut = whole.assign(segment=("time", (np.arange(whole.sizes["time"]) > 200).astype(int)))
    assert [names(int(flag)) for flag in echem.half_cycles(cut)["flag"]] == [[], ["ec_gap"], [], [], []]


def test_loss_efficiency_and_retention_compare_the_right_half_cycles():
    found = echem.cycles(cycled())
    np.testing.assert_allclose(found["capacity_loss"], [3.6, 1.8])
    np.testing.assert_allclose(found["coulombic_efficiency"], [0.9, 9 / 9.5])
    np.testing.assert_allclose(found["retention"], [1.0, 1.0])
    assert found["complete"].values.tolist() == [True, False]
    half = echem.cycles(cycled((10, 9, 3)))
    assert np.isnan(half["coulombic_efficiency"].values).tolist() == [False, True]


def test_an_error_of_the_currents_zero_moves_the_efficiency_by_its_stated_error():
    found = echem.cycles(cycled())
    wrong = cycled()
    wrong["charge"] = wrong["charge"] + wrong["charge_std"]
    moved = echem.cycles(wrong)
    for name in ("capacity_loss", "coulombic_efficiency"):
        np.testing.assert_allclose(abs(moved[name] - found[name]), found[f"{name}_std"], rtol=1e-3)
    np.testing.assert_allclose(abs(moved["retention"] - found["retention"])[1], found["retention_std"][1], atol=1e-9)


def test_charge_per_area_counts_both_ways():
    found = echem.areal_charge(cycled((1, 1)), 0.5)
    assert float(found["areal_charge"][-1]) == pytest.approx(0.0, abs=1e-12)
    assert float(found["areal_throughput"][-1]) == pytest.approx(4.0)
    assert found["areal_charge"].attrs["units"] == "mAh/cm^2"
    with pytest.raises(OperandoError, match=r"electrode area \(cm\^2\), got None; state cell.electrode_area"):
        echem.areal_charge(cycled((1, 1)))


def test_a_tree_gives_the_cells_area_unless_the_header_lent_it():
    cell = xr.Dataset({"electrode_area": ((), 0.5, {"units": "cm^2"})})
    tree = xr.DataTree.from_dict({"/echem": cycled((1, 1)), "/cell": cell})
    assert float(echem.half_cycles(tree)["areal_capacity"][1]) == pytest.approx(2.0)
    tree["cell"] = xr.DataTree(cell.assign_attrs(from_header='["electrode_area"]'))
    assert "areal_capacity" not in echem.half_cycles(tree)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**31), st.floats(1e-3, 0.05), st.floats(0, 3e-4))
def test_bins_of_dq_dv_lose_no_charge(seed, width, noise):
    random = np.random.default_rng(seed)
    t = np.cumsum(random.uniform(1, 90, 300))
    voltage = 3.4 + 0.2 * np.tanh(t / 9000) + noise * random.standard_normal(300)
    data = log(t, voltage, random.uniform(0.5e-3, 1e-3, 300))
    found = echem.incremental_capacity(data, width=width, noise=noise)
    passed = (data["charge"].values[-1] - data["charge"].values[0]) / 3.6
    assert float(found["charge"].sum()) == pytest.approx(passed, rel=1e-12)
    assert float((found["dq_dv"] * width).sum()) == pytest.approx(passed, rel=1e-12)


def test_dq_dv_of_a_known_curve_is_its_derivative_averaged_over_the_bin():
    t = np.arange(0, 36_000, 10.0)
    charge = 1e-3 * t / 3.6
    voltage = 3.5 + 0.6 * t / 36_000 + 0.05 * np.tanh((t - 18_000) / 3000)
    found = echem.incremental_capacity(log(t, voltage, 1e-3), width=0.02, noise=0.0)
    whole = found.isel(half_cycle=0, potential=found["whole"].isel(half_cycle=0).values)
    edges = np.stack([whole["potential"] - 0.01, whole["potential"] + 0.01])
    np.testing.assert_allclose(whole["dq_dv"], np.diff(np.interp(edges, voltage, charge), axis=0)[0] / 0.02, rtol=1e-6)


def test_discharges_have_positive_dq_dv_and_charge_at_one_potential_is_one_bin():
    t = np.arange(0, 7200, 60.0)
    falling = echem.incremental_capacity(log(t, 4.0 - 1e-5 * t, -1e-3), width=0.01)
    assert float(falling["dq_dv"].min()) > 0
    held = echem.incremental_capacity(log(t, np.full(t.size, 4.2005), 1e-3), width=0.01, noise=0.0)
    assert np.count_nonzero(np.nan_to_num(held["charge"])) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"width": 1e-9}, "above 3 times the noise"),
        ({"half_cycle": 9}, "half-cycles from 0 to 4, got half-cycle 9"),
        ({"width": 1e-7, "noise": 0.0}, "at most 20000 bins"),
    ],
)
def test_bins_that_make_no_sense_are_refused(arguments, words):
    data = cycled()
    data["voltage"] = data["voltage"] + 1e-3 * np.random.default_rng(1).standard_normal(data.sizes["time"])
    with pytest.raises(OperandoError, match=words):
        echem.incremental_capacity(data, **arguments)


def ohmic(t, current, resistance=50.0):
    """Return a log of a cell that is a resistance in series with one that charges in 20 s."""
    slow = np.zeros(t.size)
    for k in range(1, t.size):
        step = t[k] - t[k - 1]
        slow[k] = slow[k - 1] + (30.0 * current[k - 1] - slow[k - 1]) * (1 - np.exp(-step / 20))
    return 3.7 + resistance * current + slow, np.r_[current[0], current[:-1]]


def pulse(length, step=1.0):
    t = np.arange(0, 600, step)
    t = np.sort(np.r_[t, 200.0 - 1e-4, 200.0 - 1e-4 + length])
    return t, np.where((t >= 200) & (t < 200 + length), 1e-3, 0.0)


def test_the_delay_decides_how_much_of_the_response_is_in_the_resistance():
    t, current = pulse(150.0)
    voltage, mean = ohmic(t, current)
    data = log(t, voltage, mean)
    for delay, true in ((0.0, 50.0), (1.0, 50 + 30 * (1 - np.exp(-1 / 20))), (60.0, 50 + 30 * (1 - np.exp(-3)))):
        found = echem.step_resistance(data, delay=delay, noise=0.0)
        assert found.sizes["step"] == 2
        assert float(found["resistance"][0]) == pytest.approx(true, rel=2e-3)
        assert float(found["delay"][0]) == pytest.approx(delay, abs=1e-3)


def test_a_log_too_coarse_around_a_step_gives_nothing():
    t, current = pulse(150.0, step=30.0)
    keep = (t % 30 == 0) & (t != 200)
    voltage, mean = ohmic(t, current)
    found = echem.step_resistance(log(t[keep], voltage[keep], mean[keep]), delay=1.0)
    assert np.isnan(found["resistance"]).all()


def test_a_decaying_current_is_no_step():
    t = np.arange(0, 4000, 10.0)
    current = np.where(t < 1000, 1e-3, 1e-3 * np.exp(-(t - 1000) / 200))
    assert echem.step_resistance(log(t, np.full(t.size, 4.2), current)).sizes["step"] == 0


def test_a_switch_within_an_interval_is_one_step_whose_time_lies_in_it():
    t = np.array([0, 10, 20, 20.004, 20.1, 21, 30, 40.0])
    current = np.array([1, 1, 1, 0.2, -1, -1, -1, -1.0]) * 1e-3
    voltage = np.array([4.2, 4.2, 4.2, 4.19, 4.1, 4.1, 4.1, 4.1])
    found = echem.step_resistance(log(t, voltage, current), delay=0.5, noise=0.0)
    assert found.sizes["step"] == 1
    assert float(found["resistance"][0]) == pytest.approx(50.0)
    assert START + np.timedelta64(20, "s") <= found["time"].values[0] <= START + np.timedelta64(20_004, "ms")


def test_a_negative_delay_is_refused():
    with pytest.raises(OperandoError, match="delay and tolerance from 0 s"):
        echem.step_resistance(cycled(), delay=-1.0)


def test_all_have_units_names_and_a_history():
    data = cycled((1, 1))
    for step, found in {
        "echem.half_cycles": echem.half_cycles(data),
        "echem.cycles": echem.cycles(data),
        "echem.areal_charge": echem.areal_charge(data, 1.0),
        "echem.incremental_capacity": echem.incremental_capacity(data, width=1e-4),
        "echem.step_resistance": echem.step_resistance(data),
    }.items():
        assert history.entries(found)[-1]["step"] == step
        for name, variable in found.variables.items():
            assert variable.attrs.get("long_name") or name == "time", name
            assert variable.dtype.kind not in "fi" or "units" in variable.attrs, name


@pytest.mark.parametrize("module", [clock_events, cycles, incremental_capacity, quantities, query, step_resistance])
def test_the_worked_examples_hold(module):
    assert doctest.testmod(module).failed == 0
