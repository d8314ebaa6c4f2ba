"""Values at a state lie between two scans, have errors that cover, and are never extrapolated."""

import doctest

import numpy as np
import pytest
import xarray as xr
from pulls import assert_unit_normal

import operando
from operando import history, schema, state_values
from operando.clock import Clock, to_ns
from operando.errors import OperandoError

START = np.datetime64("2024-03-01T08:00:00", "ns")


def series(seconds, potential, edge, std=0.0, half_cycle=1.0, **further):
    size = np.size(seconds)
    coords = {"potential": potential, "potential_std": np.zeros(size), "half_cycle": np.full(size, half_cycle)}
    coords |= further
    return xr.Dataset(
        {
            "edge": ("scan", np.asarray(edge, float), {"units": "eV", "long_name": "edge energy"}),
            "edge_std": ("scan", np.full(size, std), {"units": "eV"}),
        },
        coords={name: ("scan", np.asarray(values, float)) for name, values in coords.items()}
        | {"time": ("scan", START + to_ns(np.asarray(seconds, float)))},
    )


def log(t, potential, **further):
    t = np.asarray(t, float)
    columns = {"voltage": potential, "potential": potential, "current": np.ones(t.size), "charge": t, **further}
    zeros = np.zeros(t.size, int)
    columns = {"half_cycle": zeros + 1, "cycle": zeros + 1, "segment": zeros, "flag": zeros} | columns
    units = schema.ECHEM.units()
    data = {name: ("time", np.asarray(values), {"units": units[name]}) for name, values in columns.items()}
    return xr.Dataset(data, coords={"time": START + to_ns(t)}, attrs={"voltage_error": 1e-3})


def test_a_line_is_read_at_a_potential_a_time_and_a_charge():
    t = np.arange(0, 3000, 300.0)
    scans = series(t, 3.9 + 1e-5 * t, 8344 + 1e-3 * t, soc=t / 1e5)
    for state in ({"potential": 3.91}, {"time": "2024-03-01T08:16:40Z"}, {"soc": 0.01}):
        found = operando.at(scans, **state)
        assert float(found["edge"]) == pytest.approx(8345.0, abs=1e-9)
        assert abs(found["time"].values - (START + np.timedelta64(1000, "s"))) < np.timedelta64(1, "us")


def test_values_at_a_potential_pull_as_a_unit_normal():
    """The noise of the values and that of the potentials of the two scans both enter."""
    random, pulls = np.random.default_rng(20260804), []
    t = np.arange(0, 6000, 300.0)
    for _ in range(220):
        true = 3.9 + 1e-5 * t
        measured = true + 2e-4 * random.standard_normal(t.size)
        edge = 8344 + 50 * (true - 3.9) + 0.02 * random.standard_normal(t.size)
        state = 3.9 + random.uniform(0.005, 0.05)
        scans = series(t, measured, edge, 0.02, potential_std=np.full(t.size, 2e-4))
        found = operando.at(scans, potential=state)
        pulls.append(float((found["edge"] - 8344 - 50 * (state - 3.9)) / found["edge_std"]))
    assert_unit_normal(np.array(pulls))


def test_nothing_is_extrapolated_nor_taken_from_afar():
    t = np.array([0, 300, 600, 9000, 9300.0])
    scans = series(t, [3.90, 3.91, 3.92, 3.99, 4.00], t)
    assert float(operando.at(scans, potential=3.915)["edge"]) == pytest.approx(450)
    for state in (
        {"potential": 4.01},
        {"potential": 3.89},
        {"potential": 3.95},
        {"time": START - np.timedelta64(1, "s")},
    ):
        assert np.isnan(operando.at(scans, **state)["edge"])
    assert float(operando.at(scans, potential=3.955, tolerance=0.05)["edge"]) == pytest.approx(4800)
    assert np.isnan(operando.at(scans, time="2024-03-01T09:00", tolerance=1000.0)["edge"])


def test_the_half_cycle_decides_which_passage_is_meant():
    potential = np.r_[np.linspace(3.9, 4.1, 21), np.linspace(4.1, 3.9, 21)]
    t = np.arange(42) * 300.0
    scans = series(t, potential, t, half_cycle=np.repeat([1.0, 2.0], 21))
    first, second = (float(operando.at(scans, potential=4.003, half_cycle=half)["edge"]) for half in (1, 2))
    assert first == pytest.approx(10.3 * 300)
    assert second == pytest.approx(42 * 300 - 11.3 * 300)
    assert float(operando.at(scans, potential=4.003)["edge"]) == pytest.approx(first)


def test_a_missing_value_is_missing_and_the_others_are_there():
    scans = series([0, 300.0], [3.99, 4.01], [np.nan, 1.0], other=[2.0, 4.0])
    found = operando.at(scans, potential=4.0)
    assert np.isnan(found["edge"])
    assert float(found["other"]) == 3.0


def test_whole_spectra_come_along_lazily():
    scans = series([0, 300.0], [3.99, 4.01], [1.0, 2.0])
    scans["mu"] = (("scan", "energy"), np.array([[0.0, 1.0], [2.0, 3.0]]))
    found = operando.at(scans.chunk(), potential=4.0)
    assert hasattr(found["mu"].data, "dask")
    np.testing.assert_allclose(found["mu"], [1.0, 2.0])


def test_the_clock_enters_through_the_slope():
    clock = Clock("beamline", "cycler", START, sigma=10.0, method="manual")
    scans = series([0, 300.0], [3.99, 4.01], [0.0, 30.0]).assign_attrs(clock=clock.to_json())
    assert float(operando.at(scans, time="2024-03-01T08:02")["edge_std"]) == pytest.approx(1.0)


def test_a_log_is_linked_at_the_moment_of_the_state():
    t = np.arange(0, 2000, 10.0)
    found = operando.at(log(t, 3.9 + 1e-4 * t), potential=4.0)
    assert float(found["charge"]) == pytest.approx(1000, abs=1e-3)
    assert float(found["charge_std"]) == pytest.approx(10.0, rel=0.02), "1 mV of the voltmeter are 10 s"
    moment = operando.at(log(t, 3.9 + 1e-4 * t), time="2024-03-01T08:10:05")
    assert float(moment["potential"]) == pytest.approx(3.9605)


def test_a_log_says_nothing_within_a_gap():
    t = np.r_[np.arange(0, 500, 10.0), np.arange(1000, 1500, 10.0)]
    with_gap = log(t, 3.9 + 1e-4 * t, segment=(t > 700).astype(int))
    assert np.isnan(operando.at(with_gap, time="2024-03-01T08:12")["potential"])
    tree = xr.DataTree.from_dict({"/echem": with_gap})
    assert float(operando.at(tree, time="2024-03-01T08:02")["charge"]) == pytest.approx(120)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "one of time, potential and soc, got 0"),
        ({"potential": 1.0, "soc": 0.5}, "got 2"),
        ({"soc": 0.5}, "data with 'soc', got none"),
        ({"potential": 4.0, "half_cycle": 9}, "in half-cycle 9, got none"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(arguments, words):
    with pytest.raises(OperandoError, match=words):
        operando.at(series([0, 300.0], [3.99, 4.01], [1.0, 2.0]), **arguments)


def test_values_have_units_and_a_history():
    found = operando.at(series([0, 300.0], [3.99, 4.01], [1.0, 2.0]), potential=4.0)
    assert found["edge"].attrs == {"units": "eV", "long_name": "edge energy"}
    assert found["edge_std"].attrs["units"] == "eV"
    assert history.entries(found)[-1]["step"] == "at"


def test_the_worked_examples_hold():
    assert doctest.testmod(state_values).failed == 0
