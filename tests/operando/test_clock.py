"""Local times become UTC or an error; a clock's offset and drift are found from a shared voltage."""

import json
from datetime import datetime, timedelta
from datetime import timezone as fixed

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from operando.clock import METHODS, Clock, to_ns, to_utc
from operando.errors import ClockError, FileError, OperandoError
from operando.shared_channel import estimate_clock

PARIS = "Europe/Paris"
START = np.datetime64("2024-03-01T08:00:00", "ns")


def utc(text):
    return np.datetime64(text, "ns")


def test_summer_and_winter_time_differ_by_their_offsets():
    found = to_utc(["2022-07-26 22:38:30.190", "2022-01-26 22:38:30.190"], PARIS)
    np.testing.assert_array_equal(found, [utc("2022-07-26T20:38:30.190"), utc("2022-01-26T21:38:30.190")])
    assert found.dtype == "datetime64[ns]"


@pytest.mark.parametrize(
    "moment",
    ["2022-07-26 22:38:30.19", datetime(2022, 7, 26, 22, 38, 30, 190000), np.datetime64("2022-07-26T22:38:30.190")],
)
def test_text_datetime_and_numpy_time_agree_and_a_scalar_stays_one(moment):
    found = to_utc(moment, PARIS)
    assert isinstance(found, np.datetime64)
    assert found == utc("2022-07-26T20:38:30.190")


def test_a_time_with_its_own_offset_needs_no_zone():
    assert to_utc("2022-07-26T22:38:30+02:00", None) == utc("2022-07-26T20:38:30")
    aware = datetime(2022, 7, 26, 22, 38, 30, tzinfo=fixed(timedelta(hours=2)))
    assert to_utc(aware, None) == utc("2022-07-26T20:38:30")


def test_a_missing_zone_says_what_to_set_and_where():
    with pytest.raises(FileError, match=r"a\.mpt, header: .*timezone = \"Europe/Paris\"") as caught:
        to_utc("2022-07-26 22:38:30", None, file="a.mpt", place="header")
    assert "\n" not in str(caught.value)
    with pytest.raises(ClockError, match="time zone"):
        to_utc("2022-07-26 22:38:30", None)


@pytest.mark.parametrize(("wrong", "right"), [("Europe/Pariss", PARIS), ("Paris", PARIS), ("europe/paris ", PARIS)])
def test_an_unknown_zone_gets_a_suggestion(wrong, right):
    with pytest.raises(ClockError, match=right):
        to_utc("2022-07-26 22:38:30", wrong)


def test_the_hour_that_occurs_twice_and_the_one_that_is_skipped_are_errors():
    with pytest.raises(FileError, match="occurs twice"):
        to_utc("2022-10-30 02:30:00", PARIS, file="a")
    with pytest.raises(FileError, match="skip"):
        to_utc("2022-03-27 02:30:00", PARIS, file="a")


def test_elapsed_seconds_decide_the_hour_that_occurs_twice():
    truth = utc("2022-10-29T23:00:00") + np.arange(0, 5 * 3600, 600).astype("m8[s]")
    local = truth + np.where(truth < utc("2022-10-30T01:00:00"), 2, 1).astype("m8[h]")
    elapsed = (truth - truth[0]) / np.timedelta64(1, "s")
    np.testing.assert_array_equal(to_utc(local, PARIS, elapsed=elapsed), truth)
    np.testing.assert_array_equal(to_utc(local, PARIS), truth)


def test_a_sparse_log_in_the_ambiguous_hour_is_not_guessed():
    with pytest.raises(ClockError, match="occurs twice"):
        to_utc(["2022-10-30 01:00:00", "2022-10-30 02:30:00", "2022-10-30 03:30:00"], PARIS)


@pytest.mark.parametrize("text", ["yesterday", "", "9999-12-31 00:00:00", "0022-07-26 22:38:30"])
def test_texts_that_are_no_time_are_one_line_errors(text):
    with pytest.raises(FileError) as caught:
        to_utc(text, PARIS, file="a")
    assert "\n" not in str(caught.value)


@given(st.floats(-1e8, 1e8), st.floats(-1e-3, 1e-3), st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=20))
def test_correcting_and_showing_are_inverse_to_2_ns(offset, drift, since):
    clock = Clock("b", "cycler", START, offset, drift)
    times = START + np.array(since, "m8[ns]")
    again = clock.to_reference(clock.from_reference(times))
    assert abs((again - times).astype(int)).max() <= 2 + 3e-16 * abs(offset) * 1e9


def test_the_correction_is_the_stated_formula():
    clock = Clock("b", "cycler", START, 37.4, 25e-6)
    t = np.array([0.0, 1000.0, 180000.0])
    raw = START + to_ns(t * (1 + 25e-6) + 37.4)
    assert abs((clock.to_reference(raw) - START) / np.timedelta64(1, "s") - t).max() < 2e-9


def test_nat_stays_nat():
    clock = Clock("b", "cycler", START, 5.0)
    assert np.isnat(clock.to_reference(np.array(["NaT"], "M8[ns]"))).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_clock_survives_json(method):
    clock = Clock("b", "cycler", START, 37.4, 25e-6, 0.4, method)
    assert Clock.from_dict(json.loads(clock.to_json())) == clock


@pytest.mark.parametrize(
    ("values", "told"),
    [({"method": "sharedchannel"}, "did you mean 'shared_channel'"), ({"sigma": -1.0}, "sigma >= 0"),
     ({"drift": 25.0}, "25e-6"), ({"offset": float("nan")}, "finite")],
)  # fmt: skip
def test_impossible_clocks_are_refused(values, told):
    with pytest.raises(ClockError, match=told):
        Clock("b", "cycler", START, **values)


def voltage(t, half, rest):
    """A cell cycled at constant current: plateaus, a polarization step at each reversal, its relaxation."""
    s = np.clip(t - rest, 0, None)
    turn = np.floor(s / half)
    up = turn % 2 == 0
    z = np.where(up, s / half - turn, 1 - (s / half - turn))
    sign = np.where(t < rest, 0.0, np.where(up, 1.0, -1.0))
    plateau = 3.55 + 0.6 * z + 0.06 * np.tanh((z - 0.35) / 0.06) - 0.25 * np.exp(-z / 0.02)
    return plateau + sign * (0.012 + 0.02 * (1 - np.exp(-(s - turn * half) / 600)))


def shared(seed, hours, half, zone_error=0.0):
    """Return copy, log and the true clock: 1 Hz with 5 mV noise against a 10 s log with a hole."""
    random = np.random.default_rng(seed)
    clock = Clock("b", "cycler", START, random.uniform(-60, 60) + zone_error, random.normal(0, 3e-5))
    t = np.arange(0, hours * 3600, 10.0) + random.uniform(0, 10)
    t = t[abs(t - hours * 2000) > 250]
    log = xr.Dataset(
        {
            "voltage": ("time", voltage(t, half, 600.0) + random.normal(0, 1e-4, t.size)),
            "segment": ("time", (t > hours * 2000).astype(int)),
        },
        coords={"time": START + to_ns(t)},
    )
    seen = np.arange(0, hours * 3600, 1.0)
    copy = xr.DataArray(
        1.002 * voltage(seen, half, 600.0) + 0.003 + random.normal(0, 5e-3, seen.size),
        dims="time",
        coords={"time": clock.from_reference(START + to_ns(seen))},
    )
    return copy, log, clock, seen


def clock_error(found, copy, seen):
    return (found.to_reference(copy["time"].values) - START) / np.timedelta64(1, "s") - seen


@pytest.mark.parametrize(("seed", "zone_error"), [(1, 0.0), (2, 3600.0), (3, -7200.0)])
def test_a_shared_voltage_gives_the_clock_to_a_second_over_50_hours_whatever_the_zone_error(seed, zone_error):
    copy, log, truth, seen = shared(seed, 50, 18000.0, zone_error)
    found = estimate_clock(copy, log, t_ref=START, name="beamline")
    assert abs(clock_error(found, copy, seen)).max() < 1.0
    assert found.method == "shared_channel"
    assert (found.name, found.reference) == ("beamline", "cycler")
    assert abs(found.offset - truth.offset) < 1.0


def test_sigma_of_the_shared_voltage_is_honest():
    squared, at_middle = [], []
    for seed in range(1000, 1200):
        copy, log, _, seen = shared(seed, 4, 3600.0)
        found = estimate_clock(copy, log, t_ref=START)
        error = clock_error(found, copy, seen) / found.sigma
        squared.append((error**2).mean())
        at_middle.append(error.mean())
    n = len(squared)
    assert chi2.ppf(0.0005, n) / n < np.mean(squared) < chi2.ppf(0.9995, n) / n
    assert abs(np.mean(at_middle)) < 3.3 / np.sqrt(n)


def test_the_order_of_the_copys_samples_does_not_matter():
    copy, log, _, _ = shared(6, 4, 3600.0)
    halves = xr.concat([copy[7000:], copy[:7000]], "time")
    assert estimate_clock(halves, log, t_ref=START) == estimate_clock(copy, log, t_ref=START)


def test_unrelated_flat_or_distant_voltages_are_refused():
    copy, log, _, _ = shared(5, 4, 3600.0)
    noise = copy.copy(data=np.random.default_rng(0).normal(3.5, 0.005, copy.size))
    flat = log.assign(voltage=log["voltage"] * 0 + 3.5)
    away = copy.assign_coords(time=copy["time"] + np.timedelta64(30, "D"))
    for wrong, against in ((noise, log), (copy, flat), (away, log), (copy[:10], log)):
        with pytest.raises(OperandoError, match="clock"):
            estimate_clock(wrong, against)
