"""Onsets are found where a potential crosses a level, with errors that cover, and only where it stays beyond it."""

import doctest
import json

import numpy as np
import pytest
import xarray as xr
from linked_series import shared_noise
from pulls import assert_unit_normal

import operando
from operando import change_points, history, onset_times
from operando.clock import Clock, to_ns
from operando.crossings import Trace, crossings, white_noise
from operando.errors import OperandoError
from operando.flags import Flag, names

START = np.datetime64("2024-03-01T08:00:00", "ns")


def log(t, potential, *, segment=None, half_cycle=None, **attrs):
    t = np.asarray(t, float)
    zeros = np.zeros(t.size, int)
    data = {
        "potential": ("time", np.asarray(potential, float), {"units": "V"}),
        "segment": ("time", zeros if segment is None else np.asarray(segment)),
        "half_cycle": ("time", zeros if half_cycle is None else np.asarray(half_cycle)),
        "cycle": ("time", zeros),
        "flag": ("time", zeros),
    }
    return xr.Dataset(data, coords={"time": START + to_ns(t)}, attrs=attrs)


def seconds(found, name="time"):
    return (found[name].values - START) / np.timedelta64(1, "ns") * 1e-9


def test_a_ramp_crosses_where_it_must_and_says_which_way():
    t = np.arange(0, 4000, 10.0)
    potential = np.where(t < 2000, 1.5 + 1e-3 * t, 5.5 - 1e-3 * t)
    up, down = (operando.onsets(log(t, potential), **{way: 2.345}, noise=1e-6) for way in ("above", "below"))
    assert seconds(up) == pytest.approx([845.0], abs=1e-3)
    assert seconds(down) == pytest.approx([3155.0], abs=1e-3)
    assert (int(up.direction[0]), int(down.direction[0])) == (1, -1)
    assert float(up.slope[0]) == pytest.approx(1e-3)
    assert float(up.held[0]) == pytest.approx(2310.0, abs=10)
    assert (up.time_low < up.time).all()
    assert (up.time < up.time_high).all()


def pulls_of_crossings(step, noise):
    """Return pulls on a curve that bends as a potential at the end of a reaction."""
    random, pulls = np.random.default_rng(20260801), []
    for _ in range(220):
        t = np.arange(0, 1500, step) + step * random.random()
        true = 300 + 600 * random.random()
        level = 2.0 + 1.6 * (1 - np.exp(-true / 1500))
        potential = 2.0 + 1.6 * (1 - np.exp(-t / 1500)) + noise * random.standard_normal(t.size)
        zeros = np.zeros(t.size, int)
        (found,) = crossings(Trace(t, potential, np.full(t.size, noise), zeros, zeros), level, rising=True)
        pulls.append((found.time - true) / found.std)
    return np.array(pulls)


@pytest.mark.parametrize(("step", "noise"), [(1.0, 5e-3), (5.0, 1e-3), (10.0, 1e-3), (20.0, 1e-3)])
def test_times_of_crossings_pull_as_a_unit_normal(step, noise):
    """From a fifth of the noise between samples to twenty times the noise."""
    assert_unit_normal(pulls_of_crossings(step, noise))


def test_where_sampling_limits_a_crossing_its_error_is_a_bound():
    assert np.abs(pulls_of_crossings(60.0, 1e-6)).max() < 1


def test_noise_is_told_from_a_curve_that_bends():
    random = np.random.default_rng(3)
    t = np.cumsum(random.uniform(5, 60, 4000))
    value = 3 + 0.5 * np.sin(t / 9000) + 1e-3 * random.standard_normal(t.size)
    assert white_noise(t, value, np.zeros(t.size, int)) == pytest.approx(1e-3, rel=0.06)


def test_readings_rounded_to_a_step_have_its_noise():
    t = np.arange(0, 4000, 10.0)
    value = np.round(3 + 1e-5 * t, 3)
    assert white_noise(t, value, np.zeros(t.size, int)) == pytest.approx(1e-3 / np.sqrt(12))


def test_a_jump_between_two_samples_may_be_anywhere_between_them():
    t = np.arange(0, 1000, 50.0)
    found = operando.onsets(log(t, np.where(t < 500, 1.5, 3.0)), above=2.3, noise=1e-4)
    assert float(found.time_std[0]) == pytest.approx(50 / np.sqrt(12), rel=0.01)
    assert (seconds(found, "time_low")[0], seconds(found, "time_high")[0]) == pytest.approx((450.0, 500.0))


def test_what_happens_in_a_gap_is_between_its_ends_and_flagged():
    t = np.r_[np.arange(0, 500, 10.0), np.arange(2000, 2500, 10.0)]
    found = operando.onsets(log(t, np.where(t < 1000, 1.5, 3.0), segment=t > 1000), above=2.3, noise=1e-4)
    assert names(int(found.flag[0])) == ["ec_gap"]
    assert seconds(found)[0] == pytest.approx((490 + 2000) / 2)
    assert float(found.time_std[0]) == pytest.approx(1510 / np.sqrt(12))


def test_a_switch_of_the_current_is_no_curve():
    """Nothing is fitted through the jump at which the current turns."""
    t = np.arange(0, 1000, 10.0)
    potential = np.where(t < 500, 4.2 - 1e-5 * t, 3.6 - 1e-3 * (t - 500))
    found = operando.onsets(log(t, potential, half_cycle=t >= 500), below=4.0, noise=1e-5)
    assert (seconds(found)[0], float(found.time_std[0])) == pytest.approx((495.0, 10 / np.sqrt(12)))


def test_excursions_shorter_than_the_hold_are_none_and_end_none():
    t = np.arange(0, 40_000, 10.0)
    potential = np.full(t.size, 2.0)
    potential[(t > 5000) & (t < 5300)] = 2.6
    potential[t > 10_000] = 2.6
    potential[(t > 20_000) & (t < 20_300)] = 2.0
    every = operando.onsets(log(t, potential), above=2.3, noise=1e-4)
    lasting = operando.onsets(log(t, potential), above=2.3, noise=1e-4, hold=600.0)
    assert every.sizes["onset"] == 3
    assert seconds(lasting) == pytest.approx([10_005.0])
    assert float(lasting.held[0]) > 29_000


def test_noise_around_the_level_is_one_onset():
    random = np.random.default_rng(11)
    t = np.arange(0, 20_000, 5.0)
    potential = 2.0 + 3e-5 * t + 5e-3 * random.standard_normal(t.size)
    found = operando.onsets(log(t, potential), above=2.3)
    assert found.sizes["onset"] == 1
    assert abs(seconds(found)[0] - 10_000) < 3.3 * float(found.time_std[0])


def test_a_level_passed_so_slowly_that_thousands_of_samples_lie_in_the_noise_is_passed_once():
    random = np.random.default_rng(12)
    t = np.arange(0, 200_000, 2.0)
    found = operando.onsets(log(t, 2.2 + 1e-6 * t + 1e-2 * random.standard_normal(t.size)), above=2.3)
    assert found.sizes["onset"] == 1
    assert abs(seconds(found)[0] - 100_000) < 3.3 * float(found.time_std[0])


def test_a_start_beyond_the_level_and_a_touch_are_no_onsets():
    t = np.arange(0, 1000, 10.0)
    assert operando.onsets(log(t, np.full(t.size, 3.0)), above=2.3, noise=1e-4).sizes["onset"] == 0
    touching = np.minimum(1.5 + 1e-3 * t, 2.3)
    assert operando.onsets(log(t, touching), above=2.3, noise=1e-4).sizes["onset"] == 0


def test_samples_that_are_not_finite_or_on_a_clock_that_stepped_back_are_passed_over():
    t = np.arange(0, 1000, 10.0)
    data = log(t, 1.5 + 2e-3 * t)
    data["potential"].values[45] = np.nan
    data["flag"].values[20] = int(Flag.clock_step)
    data["potential"].values[20] = 9.0
    found = operando.onsets(data, above=2.3, noise=1e-6)
    assert seconds(found) == pytest.approx([400.0], abs=1e-2)


def test_the_voltmeters_error_moves_all_onsets_and_is_told_apart():
    t = np.arange(0, 1000, 10.0)
    found = operando.onsets(log(t, 1.5 + 2e-3 * t, voltage_error=1e-3), above=2.3, noise=1e-6)
    assert float(found.time_systematic[0]) == pytest.approx(0.5, rel=1e-3)
    assert float(found.time_std[0]) < 0.01


def test_errors_of_charge_that_all_samples_share_are_systematic():
    t = np.arange(0, 10_000, 10.0)
    data = log(t, t).assign(soc=("time", 1e-4 * t), soc_std=("time", 1e-6 * t))
    found = operando.onsets(data, "soc", above=0.5)
    assert seconds(found) == pytest.approx([5000.0], abs=1e-3)
    assert float(found.time_systematic[0]) == pytest.approx(50.0, rel=0.01)
    assert float(found.time_std[0]) < 0.1


def test_the_clock_of_a_series_enters_its_onsets():
    middle = START + to_ns(np.arange(0, 6000, 60.0))
    clock = Clock("beamline", "cycler", START, 37.4, sigma=4.0, method="manual")
    scans = xr.Dataset(
        {"fraction": ("scan", np.linspace(0, 1, 100), {"units": "1"}), "fraction_std": ("scan", np.full(100, 1e-4))},
        coords={"time": ("scan", middle)},
        attrs={"clock": clock.to_json()},
    )
    found = operando.onsets(scans, "fraction", above=0.5)
    assert float(found.clock_std[0]) == 4.0
    assert float(found.time_std[0]) == pytest.approx(4.0, rel=0.01)
    assert float((found.time - found.time_low)[0] / np.timedelta64(1, "s")) > 4.0
    given = operando.onsets(scans.assign_attrs(clock=json.dumps({"sigma": 9.0})), "fraction", above=0.5, clock=clock)
    assert float(given.clock_std[0]) == 4.0


@pytest.mark.parametrize("shape", change_points.SHAPES)
def test_changes_out_of_noise_pull_as_a_unit_normal(shape):
    random, pulls = np.random.default_rng(20260802), []
    for _ in range(220):
        t = np.sort(random.uniform(0, 1e4, 120))
        true, std = random.uniform(3e3, 7e3), random.uniform(0.5, 1.5, 120)
        after = np.clip(t - true, 0, None)
        change = {"ramp": after / 300, "kink": after / 150 - 2e-3 * t, "step": 2.5 * (after > 0)}[shape]
        found = change_points.find_change(t, 3 + change + std * random.standard_normal(t.size), std, shape)
        pulls.append((found.time - true) / found.std)
    assert_unit_normal(np.array(pulls))


@pytest.mark.parametrize("shape", ["ramp", "kink"])
def test_noise_that_neighbors_share_widens_the_error_of_a_change(shape):
    random, pulls = np.random.default_rng(20260804), []
    for _ in range(220):
        t, true = np.arange(100) * 100.0, random.uniform(3e3, 7e3)
        after = np.clip(t - true, 0, None)
        change = after / 100 - (3e-3 * t if shape == "kink" else 0.0)
        found = change_points.find_change(t, change + shared_noise(random, t.size, 0.5, 1.0), np.ones(t.size), shape)
        pulls.append((found.time - true) / found.std)
    assert_unit_normal(np.array(pulls))


def test_without_a_known_noise_a_change_stands_out_of_what_is_left():
    random = np.random.default_rng(20260805)
    t = np.arange(60) * 100.0
    value = np.clip(t - 2950, 0, None) / 300 + 0.2 * random.standard_normal(t.size)
    known = change_points.find_change(t, value, np.full(t.size, 0.2), "ramp")
    unknown = change_points.find_change(t, value, np.ones(t.size), "ramp", known=False)
    assert unknown.std == pytest.approx(known.std, rel=0.2)
    assert unknown.time == pytest.approx(known.time, abs=0.1 * known.std)
    assert change_points.find_change(t, value - value, np.ones(t.size), "ramp", known=False) is None


def test_noise_alone_is_a_change_once_in_a_hundred_at_most():
    random = np.random.default_rng(20260803)
    t, std = np.arange(80) * 100.0, np.ones(80)
    found = [
        change_points.find_change(t, random.standard_normal(80), std, shape)
        for _ in range(150)
        for shape in change_points.SHAPES
    ]
    assert sum(one is not None for one in found) <= 8


def test_a_products_rise_is_an_onset_with_its_interval():
    random = np.random.default_rng(8)
    minutes = np.arange(200) * 10.0
    fraction = 0.02 + 2e-4 * np.clip(minutes - 900, 0, None) + 0.01 * random.standard_normal(200)
    scans = xr.Dataset(
        {"fraction": ("scan", fraction), "fraction_std": ("scan", np.full(200, 0.01))},
        coords={"time": ("scan", START + to_ns(minutes * 60)), "half_cycle": ("scan", np.ones(200))},
    )
    found = operando.onsets(scans, "fraction", change="ramp", name="Li2S")
    assert abs(seconds(found)[0] / 60 - 900) < 3.3 * float(found.time_std[0]) / 60
    assert seconds(found, "time_low")[0] < 900 * 60 < seconds(found, "time_high")[0]
    assert float(found.slope[0]) == pytest.approx(2e-4 / 60, rel=0.15)
    assert (str(found.name[0].item()), int(found.half_cycle[0])) == ("Li2S", 1)
    assert operando.onsets(scans.isel(scan=slice(0, 80)), "fraction", change="ramp").sizes["onset"] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"of": "voltage", "above": 2.3}, "voltage as measured; state cell.reference_electrode and"),
        ({"above": 2.3}, "expected a potential on a stated scale"),
        ({"of": "soc"}, "one of above, below and change"),
        ({"of": "soc", "above": 0.5, "below": 0.2}, "one of above, below and change"),
        ({"of": "soc", "change": "bend"}, "change among ramp, kink, step"),
        ({"of": "soc", "above": np.nan}, "finite level"),
        ({"of": "soc", "above": 0.5, "noise": -1.0}, "noise from 0"),
        ({"of": "charge", "above": 0.5}, "got 'charge'; there are"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(arguments, words):
    data = log(np.arange(10.0), np.arange(10.0)).rename(potential="voltage").assign(soc=("time", np.arange(10.0)))
    with pytest.raises(OperandoError, match=words) as caught:
        operando.onsets(data, **arguments)
    assert "\n" not in str(caught.value)


def test_onsets_have_units_names_and_a_history():
    found = operando.onsets(log(np.arange(100.0), np.arange(100.0)), above=50.0, name="half")
    for name, variable in found.variables.items():
        assert variable.attrs["long_name"], name
        assert variable.dtype.kind not in "fi" or "units" in variable.attrs
    assert history.entries(found)[-1]["parameters"]["above"] == 50.0


def test_the_worked_examples_hold():
    assert doctest.testmod(onset_times).failed == doctest.testmod(change_points).failed == 0
