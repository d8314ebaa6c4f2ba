"""A lag is found to a fraction of a scan, with an error that covers, and sets no clock."""

import json
from itertools import product

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from linked_series import MINUTE, PERIOD, at, charge, log, scan_times, scans, shared_noise
from pulls import assert_unit_normal

from operando.change_points import change_point
from operando.errors import OperandoError
from operando.lags import lag
from operando.quantities import quantity

LAG = 35.0
SEARCH = (-60.0, 130.0)


def edge(t, values, std=0.03, **more):
    return quantity(scans(t, values, std, **more), "edge_energy")


@pytest.fixture(scope="module")
def leading():
    return quantity(log(70000.0), "charge")


@given(st.floats(-40, 100))
@settings(max_examples=12, deadline=None)
def test_a_lag_without_noise_is_found_to_a_hundredth_of_the_scans_distance(minutes):
    t = 7200 + 700.0 * np.arange(60)
    found = lag(
        edge(t, 5 - 2 * charge(t - minutes * MINUTE)), quantity(log(70000.0), "charge"), search=(-70, 130), draws=20
    )
    assert float(found.lag) == pytest.approx(minutes, abs=0.12)
    assert float(found.correlation) < -0.999


def test_pulls_of_lags_against_a_log_and_between_scans_are_unit_normal(leading):
    pulls = []
    for seed in range(110):
        rng = np.random.default_rng(seed)
        t = scan_times(rng, 60)
        y = edge(t, charge(t - LAG * MINUTE) + rng.normal(0, 0.05, t.size), 0.05)
        found = lag(y, leading, search=SEARCH, draws=60)
        pulls.append(float((found.lag - LAG) / found.lag_std))
    for seed in range(200, 290):
        rng = np.random.default_rng(seed)
        t, u = scan_times(rng, 90), scan_times(rng, 85, apart=900.0, first=0.0)
        y = edge(t, charge(t - LAG * MINUTE) + rng.normal(0, 0.03, t.size))
        x = edge(u, charge(u) + rng.normal(0, 0.03, u.size))
        found = lag(y, x, search=SEARCH, draws=60)
        pulls.append(float((found.lag - LAG) / found.lag_std))
    assert_unit_normal(np.array(pulls))


def test_pulls_of_few_scans_whose_neighbors_share_their_noise_are_unit_normal():
    """Together; those of 40 and 60 scans with 0.8, which tell as much as five or seven, have wider wings."""
    pulls = []
    sizes = {40: 32, 60: 32, 150: 4}
    for case, (n, neighbor) in enumerate(product(sizes, (0.0, 0.5, 0.8))):
        record = quantity(log(7200.0 + 700.0 * n + 9000.0, step=300.0), "charge")
        for seed in range(7000 + 100 * case, 7000 + 100 * case + sizes[n]):
            rng = np.random.default_rng(seed)
            t = scan_times(rng, n)
            y = edge(t, charge(t - LAG * MINUTE) + shared_noise(rng, n, neighbor, 0.05), 0.05)
            found = lag(y, record, search=SEARCH, draws=40)
            pulls.append(float((found.lag - LAG) / found.lag_std))
    assert_unit_normal(np.array(pulls))


def test_noise_that_neighbors_share_widens_the_error():
    errors = []
    for neighbor in (0.0, 0.7):
        rng = np.random.default_rng(11)
        t = scan_times(rng, 150, apart=400.0)
        y = edge(t, charge(t - LAG * MINUTE) + shared_noise(rng, t.size, neighbor, 0.03))
        errors.append(lag(y, quantity(log(80000.0), "charge"), search=SEARCH))
    independent, shared = errors
    assert float(shared.lag_std_scatter) > 1.5 * float(independent.lag_std_scatter)
    assert float(shared.lag_std_fit) == pytest.approx(float(independent.lag_std_fit), rel=0.2)
    assert float(shared.block) > float(independent.block)


def test_turning_the_question_round_turns_the_sign_alone(leading):
    t = 7200 + 700.0 * np.arange(60)
    y = edge(t, charge(t - LAG * MINUTE) + 0.02 * np.sin(t))
    there, back = lag(y, leading, search=(-60, 130)), lag(leading, y, search=(-130, 60))
    assert float(back.lag) == pytest.approx(-float(there.lag))
    assert float(back.lag_upper) == pytest.approx(-float(there.lag_lower))
    assert float(back.correlation) == pytest.approx(float(there.correlation))
    assert (np.diff(back.lag_tried) > 0).all()


def test_scans_in_a_gap_of_the_log_are_no_pairs_and_nothing_is_bridged():
    t = 7200 + 700.0 * np.arange(60)
    broken = quantity(log(70000.0, gaps=[(20000.0, 26000.0)]), "charge")
    found = lag(edge(t, charge(t - LAG * MINUTE)), broken, search=SEARCH)
    lost = (t - LAG * MINUTE + 60 > 20000.0) & (t - LAG * MINUTE - 60 < 26000.0)
    assert float(found.n) <= 60 - lost.sum()
    assert float(found.lag) == pytest.approx(LAG, abs=0.12)


def test_a_scan_is_the_mean_over_its_interval_not_its_middle():
    """Averaged over four hours, a corner of the charge is round: only the same average follows it."""
    t = 3 * PERIOD / 2 + 700.0 * np.arange(60)
    fine = np.linspace(-7200, 7200, 401)
    rounded = charge(t[:, None] - LAG * MINUTE + fine).mean(axis=1)
    found = lag(edge(t, rounded, length=14400.0), quantity(log(90000.0), "charge"), search=SEARCH)
    assert float(found.correlation) > 0.99999


def test_the_clocks_error_is_added_and_the_clock_is_untouched(leading):
    t = 7200 + 700.0 * np.arange(60)
    ds = scans(t, charge(t - LAG * MINUTE), 0.03)
    clock = json.dumps({"name": "beamline", "sigma": 600.0})
    without, found = (
        lag(quantity(one, "edge_energy"), leading, search=SEARCH) for one in (ds, ds.assign_attrs(clock=clock))
    )
    assert float(found.lag_std_clock) == pytest.approx(10.0)
    assert float(found.lag_std) == pytest.approx(np.hypot(float(without.lag_std), 10.0))
    assert float(found.lag_upper - found.lag) > float(without.lag_upper - without.lag) + 15
    assert ds.attrs == {}


def test_coarse_samples_of_the_leading_quantity_are_part_of_the_error():
    t = 7200 + 350.0 * np.arange(110)
    y = edge(t, np.sin(np.pi * (t - LAG * MINUTE) / PERIOD))
    parts = []
    for apart in (900.0, 3600.0):
        u = np.arange(0, 60000.0, apart)
        found = lag(y, edge(u, np.sin(np.pi * u / PERIOD), 0.0), search=SEARCH)
        parts.append(float(found.lag_std_sampling))
        assert float(found.lag) == pytest.approx(LAG, abs=1.0)
    assert parts[0] < parts[1] < 10


def test_history_units_and_the_curve_come_along(leading):
    t = 7200 + 700.0 * np.arange(60)
    found = lag(edge(t, charge(t - LAG * MINUTE)), leading, search=SEARCH)
    assert json.loads(found.attrs["history"])[-1]["step"] == "lag"
    assert all(found[name].attrs["units"] == "min" for name in found if name.startswith("lag"))
    assert abs(float(found.lag_tried[int(found.curve.argmax("lag_tried"))]) - LAG) < 3
    assert int(found.n_effective) < int(found.n) == 60


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"search": (60.0, 120.0)}, "widen search"),
        ({"search": (20.0, -20.0)}, "from a lower to a higher lag"),
        ({"method": "phase"}, "'correlation' or 'change_point'"),
        ({"window": ("2024-03-01T08:00", "2024-03-01T09:00")}, "at least 10 values"),
    ],
)
def test_mistakes_are_told_in_one_line(leading, change, told):
    t = 7200 + 700.0 * np.arange(60)
    with pytest.raises(OperandoError, match=told) as caught:
        lag(edge(t, charge(t - LAG * MINUTE)), leading, **{"search": SEARCH, **change})
    assert "\n" not in str(caught.value)


def test_data_that_is_no_quantity_is_refused(leading):
    with pytest.raises(OperandoError, match=r"operando\.quantity"):
        lag(log(7200.0), leading)


def kinked(seed, when, step=300.0, n=80, std=0.02):
    rng = np.random.default_rng(seed)
    t = step * np.arange(n) + rng.uniform(0, step)
    return edge(t, np.maximum(t - when, 0) / 3600 + rng.normal(0, std, n), std)


def test_times_of_change_pull_as_a_unit_normal():
    pulls = []
    for seed in range(200):
        found = change_point(kinked(seed, 12000.0))
        pulls.append((found.time.values - at(12000.0)) / np.timedelta64(1, "s") / float(found.time_std))
    assert_unit_normal(np.array(pulls))


def test_the_lag_of_two_changes_is_their_difference_and_so_are_its_errors():
    y, x = kinked(1, 12000.0), kinked(2, 9900.0)
    found = lag(y, x, method="change_point")
    both = [float(change_point(one).time_std) / MINUTE for one in (y, x)]
    assert float(found.lag_std) == pytest.approx(np.hypot(*both))
    assert abs(float(found.lag) - LAG) < 3 * float(found.lag_std) < 15


def test_a_step_lies_anywhere_between_two_scans():
    t = 600.0 * np.arange(40)
    y, x = (edge(t, np.where(t > when, 1.0, 0.0) + 1e-3 * np.sin(t)) for when in (12100.0, 9700.0))
    found = lag(y, x, method="change_point", shape="step")
    assert float(found.lag) == pytest.approx(40.0)
    assert float(found.lag_std_sampling) == pytest.approx(10.0 / np.sqrt(6))
    assert float(found.lag_upper - found.lag) == pytest.approx(1.96 * float(found.lag_std))
    assert found.trailing_change.values > found.leading_change.values


def test_no_change_is_an_error_not_a_number():
    t = 600.0 * np.arange(40)
    rng = np.random.default_rng(3)
    with pytest.raises(OperandoError, match="choose a window that holds one change"):
        lag(edge(t, rng.normal(0, 1, 40)), edge(t, np.maximum(t - 9000, 0.0)), method="change_point")


def test_a_lag_injected_into_the_simulated_cell_is_found_and_the_clock_stays(tmp_path):
    """Of the matter itself it is found; side reactions, which charge counts too, take 1.6 min off."""
    from operando import cyclers
    from operando.example_scans import cell, clocks, nickel, parameters
    from operando.example_scans import truth as simulated
    from operando.shared_channel import estimate_clock

    declared = parameters.load(overrides={"nickel": {"lag": LAG * MINUTE}})
    happened = cell.run(declared)
    known = nickel.truth(declared, happened)
    record = simulated.electrochemistry(declared, happened)
    flat = xr.zeros_like(record["half_cycle"]).astype(int)
    record = record.assign(segment=flat, flag=flat)
    matter, passed = (quantity(record, name) for name in ("z", "charge"))
    errors = []
    for seed in range(301, 304):
        part = clocks.simulate(declared, happened, seed)
        path = tmp_path / "copy.csv"
        path.write_bytes(next(iter(part.files.values())))
        columns = {"time": "local time", "voltage": "cell voltage"}
        zone = declared.experiment.timezone
        copy = cyclers.read(path, timezone=zone, columns=columns, units={"voltage": "V"})
        clock = estimate_clock(copy, record, t_ref=matter["time"].values[0])
        assert abs(clock.offset - declared.beamline.clock_offset) < 4 * clock.sigma < 2
        noisy = known["z"].values + np.random.default_rng(seed).normal(0, 0.005, known.sizes["scan"])
        shown = {key: ("scan", clock.from_reference(known[key].values)) for key in ("time", "time_start", "time_end")}
        there = xr.Dataset({"soc": ("scan", noisy, {"units": "1"})}, shown)
        back = {key: ("scan", clock.to_reference(there[key].values)) for key in shown}
        there = there.assign_coords(back).assign(soc_std=("scan", np.full(noisy.size, 0.005)))
        spectra = quantity(there.assign_attrs(clock=clock.to_json()), "soc")
        found, by_charge = lag(spectra, matter, search=(-60, 120)), lag(spectra, passed, search=(-60, 120))
        assert float(found.lag_std_clock) == pytest.approx(clock.sigma / MINUTE)
        errors.append([float(found.lag - LAG), float(found.lag_std), float(by_charge.lag - LAG)])
    off, std, side = np.array(errors).T
    assert (np.abs(off) < 2.5 * std).all()
    assert abs(off.mean()) < std.mean() < 2
    assert side.mean() == pytest.approx(-1.6, abs=0.6)


def test_quantities_that_have_nothing_to_do_with_each_other_give_a_number_or_a_reason():
    told = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        t, u = scan_times(rng, 30), scan_times(rng, 60, apart=200.0, first=rng.uniform(-9000, 9000))
        y, x = (edge(when, np.cumsum(rng.normal(0, 1, when.size)), 0.3) for when in (t, u))
        try:
            found = lag(y, x, draws=10)
        except OperandoError as error:
            told += str(error).startswith("lag: expected")
        else:
            told += bool(np.isfinite([found.lag, found.lag_std]).all())
    assert told == 100
