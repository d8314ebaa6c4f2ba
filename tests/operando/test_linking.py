"""A scan carries the mean over its interval, with its spread and the clock's error, or NaN with a reason."""

import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from operando import echem as electrochemistry
from operando import history, schema
from operando.clock import Clock, to_ns
from operando.errors import ClockError
from operando.flags import Flag, names
from operando.linking import link

START = np.datetime64("2024-03-01T08:00:00", "ns")


def at(seconds):
    return START + to_ns(np.asarray(seconds, float))


def series(start, end):
    start, end = at(start), at(end)
    size = start.size
    return xr.Dataset(
        {"mu": (("scan", "energy"), np.zeros((size, 2)), {"units": "1"})},
        coords={
            "time_start": ("scan", start),
            "time": ("scan", start + (end - start) // 2),
            "time_end": ("scan", end),
            "source": ("scan", np.full(size, "a", object)),
            "flag": ("scan", np.zeros(size, "i4"), {"units": "1"}),
        },
    )


def log(t, voltage, current=None, segment=None, half_cycle=None, **attrs):
    t = np.asarray(t, float)
    units = schema.ECHEM.units()
    columns = {
        "voltage": voltage,
        "current": np.zeros(t.size) if current is None else current,
        "charge": np.zeros(t.size),
        "half_cycle": np.zeros(t.size, int) if half_cycle is None else half_cycle,
        "segment": np.zeros(t.size, int) if segment is None else segment,
        "flag": np.zeros(t.size, "i4"),
    }
    columns["cycle"] = (np.asarray(columns["half_cycle"]) + 1) // 2
    data = {name: ("time", np.asarray(values), {"units": units[name]}) for name, values in columns.items()}
    return xr.Dataset(data, coords={"time": at(t)}, attrs={"voltage_error": 0.0, **attrs})


def test_a_linear_voltage_gives_its_middle_and_the_spread_of_a_ramp():
    t = np.arange(0, 1000.0, 10)
    out = link(series([103.0], [223.0]), log(t, 3 + 1e-3 * t))
    assert float(out["voltage"][0]) == pytest.approx(3.163, rel=1e-12)
    assert float(out["voltage_std"][0]) == pytest.approx(0.12 / np.sqrt(12), rel=1e-9)
    assert int(out["ec_samples"][0]) == 12
    assert int(out["flag"][0]) == 0


def test_the_mean_is_weighted_by_time_and_not_by_samples():
    t = np.r_[np.arange(0, 10, 0.01), np.arange(10.0, 110, 10)]
    out = link(series([0.0], [100.0]), log(t, np.where(t < 10, 4.0, 3.0)))
    assert float(out["voltage"][0]) == pytest.approx(3.1, abs=1e-4)


def test_the_clocks_error_enters_through_the_slope():
    t = np.arange(0, 1000.0, 10)
    clock = Clock("b", "cycler", START, 37.4, 25e-6, 0.4, "manual")
    shown = clock.from_reference(at([500.0]))
    point = series([500.0], [500.0]).assign_coords(dict.fromkeys(("time_start", "time", "time_end"), ("scan", shown)))
    out = link(point, log(t, 3 + 1e-3 * t, voltage_error=3e-4), clock)
    assert float(out["voltage"][0]) == pytest.approx(3.5, abs=1e-9)
    assert float(out["voltage_std"][0]) == pytest.approx(np.hypot(4e-4, 3e-4), rel=1e-6)
    assert abs(out["time"].values[0] - at(500.0)) <= np.timedelta64(2, "ns")
    assert json.loads(out.attrs["clock"])["offset"] == 37.4


def test_times_are_never_corrected_twice():
    t = np.arange(0, 1000.0, 10)
    clock = Clock("b", "cycler", START, 37.4)
    once = link(series([100.0], [200.0]), log(t, t), clock)
    assert link(once, log(t, t), clock).identical(once)
    with pytest.raises(ClockError, match="corrected before"):
        link(once.drop_vars(["recorded_start", "recorded_time", "recorded_end"]), log(t, t), clock)


def test_scans_before_after_and_between_segments_are_nan_with_the_reason():
    t = np.r_[np.arange(0, 100.0), np.arange(150.0, 250)]
    ec = log(t, np.full(200, 3.5), segment=np.repeat([0, 1], 100))
    out = link(series([-50, 110, 300, 20], [-40, 140, 310, 30]), ec)
    assert np.isnan(out["voltage"].values).tolist() == [True, True, True, False]
    assert [names(int(flag)) for flag in out["flag"]] == [["ec_outside"], ["ec_gap"], ["ec_outside"], []]
    assert np.isnan(out["half_cycle"].values).tolist() == [True, True, True, False]


def test_a_scan_that_misses_little_keeps_its_value_and_one_that_misses_much_does_not():
    t = np.r_[np.arange(0, 100.0), np.arange(101.0, 250)]
    ec = log(t, np.full(t.size, 3.5), segment=(t > 100).astype(int))
    out = link(series([90, 240], [110, 260]), ec)
    assert out["voltage"].values[0] == 3.5
    assert names(int(out["flag"][0])) == ["ec_gap"]
    assert np.isnan(out["voltage"].values[1])
    assert names(int(out["flag"][1])) == ["ec_outside"]


def test_a_slow_file_in_the_log_excuses_no_scan_that_misses_much_of_a_fast_one():
    fast, slow = np.arange(0, 100.0), np.arange(1000.0, 5000, 50)
    t = np.r_[fast, slow]
    out = link(series([95, 4920], [175, 5030]), log(t, np.full(t.size, 3.5), segment=(t > 100).astype(int)))
    assert np.isnan(out["voltage"].values).tolist() == [True, False]
    assert [names(int(flag)) for flag in out["flag"]] == [["ec_gap"], ["ec_outside"]]


@pytest.mark.parametrize("known", [("time_start",), ("time_start", "time"), ("time_end",)])
def test_a_scan_of_which_one_instant_is_known_gets_the_values_at_it(known):
    t = np.arange(0, 1000.0, 10)
    times = {
        name: ("scan", at([205.0]) if name in known else np.array(["NaT"], "M8[ns]"))
        for name in ("time_start", "time", "time_end")
    }
    out = link(series([0.0], [0.0]).assign_coords(times), log(t, 3 + 1e-3 * t), Clock("b", "cycler", START, 5.0))
    assert float(out["voltage"][0]) == pytest.approx(3.2, rel=1e-12)
    assert int(out["flag"][0]) == 0
    for name in times:
        assert out[name].values[0] == at(200.0) if name in known else np.isnat(out[name].values[0])


def test_nothing_is_interpolated_across_a_file_boundary():
    t = np.r_[np.arange(0, 100.0), np.arange(101.0, 200)]
    ec = log(t, np.where(t < 100, 3.0, 4.0), segment=(t > 100).astype(int))
    out = link(series([99.5, 90.0], [99.6, 110.0]), ec)
    assert np.isnan(out["voltage"].values[0])
    assert float(out["voltage"][1]) == pytest.approx((3.0 * 9 + 4.0 * 9) / 18)


def test_a_scan_without_time_is_nan_and_says_so():
    scans = series([10.0, 10.0], [20.0, 20.0])
    nat = np.array([np.datetime64("NaT", "ns"), scans["time"].values[1]])
    scans = scans.assign_coords(dict.fromkeys(("time_start", "time", "time_end"), ("scan", nat)))
    out = link(scans, log(np.arange(100.0), np.full(100, 3.5)))
    assert np.isnan(out["voltage"].values).tolist() == [True, False]
    assert names(int(out["flag"][0])) == ["no_time"]
    assert int(out["ec_samples"][0]) == 0


def test_half_cycle_is_the_one_that_holds_most_of_the_scan():
    t = np.arange(0, 100.0)
    half = np.select([t <= 20, t <= 24, t <= 28], [1, 2, 3], 4)
    out = link(series([0.0, 15.0, 18.0, 10.0], [50.0, 22.0, 23.0, 30.0]), log(t, t, half_cycle=half))
    assert out["half_cycle"].values.tolist() == [4, 1, 2, 1]
    assert out["cycle"].values.tolist() == [2, 1, 1, 1]


def test_a_mean_current_is_constant_since_the_last_sample():
    t = np.arange(0, 100.0, 10)
    current = np.where(t > 50, 1.0, 0.0)
    out = link(series([45.0], [65.0]), log(t, t, current=current, current_is="mean"))
    assert float(out["current"][0]) == pytest.approx(15 / 20)
    reading = link(series([45.0], [65.0]), log(t, t, current=current, current_is="instant"))
    assert float(reading["current"][0]) == pytest.approx(10 / 20)


def test_samples_on_a_clock_that_stepped_back_or_not_finite_are_passed_over():
    t = np.r_[np.arange(0, 100.0), np.arange(60.0, 99), np.arange(99.0, 200)]
    ec = log(
        t, np.r_[np.full(100, 3.0), np.full(39, 9.0), np.full(101, 3.0)], segment=np.repeat([0, 1, 2], [100, 39, 101])
    )
    flags = np.repeat([0, int(Flag.clock_step), 0], [100, 39, 101]).astype("i4")
    flags[10] = int(Flag.not_finite)
    ec["flag"] = ("time", flags, ec["flag"].attrs)
    ec["voltage"][10] = np.nan
    out = link(series([5.0, 70.0], [20.0, 80.0]), ec)
    np.testing.assert_allclose(out["voltage"], 3.0)


def test_a_single_scan_links_like_a_series_of_one():
    t = np.arange(0, 1000.0, 10)
    many = series([100.0], [200.0])
    one = many.isel(scan=0)
    out, expected = link(one, log(t, np.sin(t))), link(many, log(t, np.sin(t))).isel(scan=0)
    xr.testing.assert_identical(out, expected)


def test_results_fit_the_layout_and_leave_the_input_alone():
    t = np.arange(0, 1000.0, 10)
    before = series([100.0], [200.0])
    copy = before.copy(deep=True)
    out = link(before, log(t, t))
    xr.testing.assert_identical(before, copy)
    layout = schema.Layout("linked", "", (*schema.SERIES, *schema.LINKED))
    assert schema.problems(out.reset_coords(), layout) == []
    assert [entry["step"] for entry in history.entries(out)] == ["link"]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.permutations(range(12)))
def test_scans_are_independent_of_each_other_and_their_order(seed, order):
    random = np.random.default_rng(seed)
    t = np.cumsum(random.uniform(0.1, 30, 200))
    ec = log(t, random.normal(3.5, 0.1, 200), segment=np.arange(200) // 80)
    start = random.uniform(-50, t[-1] + 50, 12)
    scans = series(start, start + random.uniform(0, 100, 12))
    whole = link(scans, ec)
    xr.testing.assert_identical(link(scans.isel(scan=list(order)), ec), whole.isel(scan=list(order)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_mean_and_spread_agree_with_a_fine_numerical_integral(seed):
    random = np.random.default_rng(seed)
    t = np.cumsum(random.uniform(1, 20, 60))
    v = random.normal(3.5, 0.1, 60)
    a = random.uniform(t[0], t[-1] - 1)
    b = random.uniform(a + 0.5, t[-1])
    out = link(series([a], [b]), log(t, v))
    fine = (np.arange(200_000) + 0.5) / 200_000 * (b - a) + a
    values = np.interp(fine, t, v)
    assert float(out["voltage"][0]) == pytest.approx(values.mean(), abs=1e-6)
    assert float(out["voltage_std"][0]) == pytest.approx(values.std(), abs=1e-5)
    assert v.min() <= float(out["voltage"][0]) <= v.max()


@pytest.mark.realdata
def test_a_scan_inside_the_real_gap_between_the_files_is_nan(realdata):
    paths = sorted((realdata / "xas" / "perex" / "echem").glob("*.mpt"))
    ec = electrochemistry.read(paths, timezone="Europe/Paris", cell={"reference_capacity": 1.54, "soc0": 0.0})
    gap = (ec["time"].values[6332] - START) / np.timedelta64(1, "s")
    out = link(series([gap + 5, gap - 600], [gap + 20, gap - 300]), ec)
    assert np.isnan(out["voltage"].values).tolist() == [True, False]
    assert names(int(out["flag"][0])) == ["ec_gap"]
    assert out["half_cycle"].values[1] == 5
    assert 0.4 < float(out["soc"][1]) < 0.7
