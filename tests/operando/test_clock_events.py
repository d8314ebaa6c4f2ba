"""A clock is found from events that two clocks noted, with an error that covers, and its choice can be seen."""

import json
from datetime import timedelta

import numpy as np
import pytest
import xarray as xr
from experiments import experiment
from pulls import assert_unit_normal

from operando.clock import Clock, to_ns
from operando.clock_events import clock_from_events, zone_trap
from operando.clock_trials import clock_choices
from operando.errors import ClockError

START = np.datetime64("2024-03-01T08:00:00", "ns")
DAY = 86400.0


def noted(seconds, offset=37.4, drift=25e-6, noise=0.0):
    """Return when a clock and the reference noted events, seconds after the start."""
    seconds = np.asarray(seconds, float)
    return START + to_ns(seconds + offset + drift * seconds + noise), START + to_ns(seconds)


def test_offset_and_drift_of_exact_notes_come_out():
    shown, reference = noted([0, DAY, 2 * DAY])
    clock, fit = clock_from_events(shown, reference, 1e-4, t_ref=START)
    assert clock.offset == pytest.approx(37.4, abs=1e-6)
    assert clock.drift == pytest.approx(25e-6, abs=1e-9)
    assert clock.method == "event"
    back = clock.to_reference(shown)
    assert abs((back - reference) / np.timedelta64(1, "ms")).max() < 1
    assert json.loads(fit.attrs["history"])[-1]["step"] == "clock_from_events"
    assert fit.residual.attrs["units"] == "s"


def test_corrected_times_pull_as_a_unit_normal():
    """Drifts are drawn as they are known to be, 2e-4, which few events hardly tell; growth by chi^2 is taken off."""
    pulls = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        seconds, std = np.sort(rng.uniform(0, DAY / 4, 4)), rng.uniform(0.5, 3.0, 4)
        drift = rng.normal(0, 2e-4)
        shown, reference = noted(seconds, drift=drift, noise=rng.normal(0, std))
        clock, fit = clock_from_events(shown, reference, std, t_ref=START)
        at = DAY / 6
        variance = fit.offset_std**2 + 2 * at * fit.offset_drift_covariance + at**2 * fit.drift_std**2
        off = clock.offset + clock.drift * at - 37.4 - drift * at
        pulls.append(off / float(variance) ** 0.5 * max(float(fit.reduced_chi_square), 1.0) ** 0.5)
    assert_unit_normal(np.array(pulls))


def test_one_event_tells_the_offset_and_leaves_the_drift_to_what_clocks_do():
    shown, reference = noted([1000.0])
    clock, fit = clock_from_events(shown, reference, 0.5, span=(START, START + np.timedelta64(1, "D")))
    assert clock.offset == pytest.approx(37.4, abs=0.03)
    assert clock.drift == 0
    assert float(fit.drift_std) == pytest.approx(2e-4)
    assert clock.sigma > 2e-4 * DAY / 3


def test_sigma_grows_with_the_time_it_shall_hold_for():
    shown, reference = noted([0.0, 3600.0, 7200.0])
    near, _ = clock_from_events(shown, reference, 1.0)
    far, _ = clock_from_events(shown, reference, 1.0, span=(START, START + np.timedelta64(2, "D")))
    assert far.sigma > 5 * near.sigma


def test_an_event_that_was_another_one_is_named():
    shown, reference = noted([0, 3600, 7200, 9000], noise=[0.1, 0, 60.0, -0.1])
    with pytest.raises(ClockError, match="'second dump' off the others by"):
        clock_from_events(shown, reference, 1.0, labels=["start", "shutter", "second dump", "end"])


def test_events_without_a_time_or_a_std_are_refused():
    shown, reference = noted([0, 3600])
    with pytest.raises(ClockError, match="expected two times and a std above 0 s for each event, got less for 'b'"):
        clock_from_events(shown, reference, [1.0, 0.0], labels="ab")
    with pytest.raises(ClockError, match="noted by both clocks, got 2 and 1"):
        clock_from_events(shown, reference[:1], 1.0)
    with pytest.raises(ClockError, match="got 0 and 0"):
        clock_from_events(shown[:0], reference[:0], 1.0)


@pytest.mark.parametrize(
    ("offset", "odd"), [(3612.0, True), (-7190.0, True), (1795.0, True), (37.4, False), (900.0, False)]
)
def test_a_difference_of_whole_half_hours_is_told_to_be_a_time_zone(offset, odd):
    told = zone_trap(Clock("camera", "cycler", START, offset))
    assert bool(told) == odd
    assert not odd or "time zone" in told


@pytest.fixture(scope="module")
def linked():
    tree = experiment(40)
    series, log = tree["xas/Ni_K/raw"].to_dataset(), tree["echem"].to_dataset()
    clock = Clock("beamline", "cycler", log["time"].values[0], 37.4, 25e-6, 0.4, "manual")
    return series.assign_attrs(clock=clock.to_json()), log


def test_every_choice_of_a_clock_is_shown_beside_what_is_stored(linked):
    series, log = linked
    other = Clock("camera", "cycler", log["time"].values[0], 600.0)
    found = clock_choices(series, log, [other])
    names = ["as stored: beamline", "not corrected", "an hour later", "an hour earlier", "camera"]
    assert found.choice.values.tolist() == names
    np.testing.assert_array_equal(found.difference[0], 0)
    rms = dict(zip(names, found.rms.values, strict=True))
    assert 0 < rms["not corrected"] < rms["camera"] < rms["an hour later"]
    shifted = series.assign_coords({k: series[k] + np.timedelta64(1, "h") for k in ("time", "time_start", "time_end")})
    expected = np.interp(shifted.time.values.astype(float), log.time.values.astype(float), log.potential.values)
    np.testing.assert_allclose(found.potential.sel(choice="an hour later")[:-2], expected[:-2], atol=0.03)
    assert found.offset.sel(choice="an hour later") == pytest.approx(37.4 - timedelta(hours=1).total_seconds())
    assert found.difference.attrs["units"] == "V"


def test_scans_that_a_choice_would_move_out_of_the_log_are_counted(linked):
    series, log = linked
    short = log.isel(time=slice(0, int(log.sizes["time"] * 0.5)))
    found = clock_choices(series.isel(scan=slice(0, 20)), short)
    assert int(found.outside.sel(choice="an hour later")) >= 1
    assert int(found.outside[0]) == 0


def test_a_series_on_the_logs_own_clock_may_be_an_hour_off_too(linked):
    series, log = linked
    alone = series.drop_attrs(deep=False)
    assert clock_choices(alone, log).choice.values.tolist() == ["as stored", "an hour later", "an hour earlier"]
    with pytest.raises(ClockError, match="scans with times and a log"):
        clock_choices(alone, xr.Dataset())
