"""One series' quantities come to the scans of another as means with errors that cover, by time or by state."""

import doctest

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from pulls import assert_unit_normal

import operando
from operando import history, joining
from operando.clock import Clock, to_ns
from operando.errors import OperandoError

START = np.datetime64("2024-03-01T08:00:00", "ns")


def series(start, length, values, std=None, **coords):
    start = np.asarray(start, float)
    data = {"edge": ("scan", np.asarray(values, float), {"units": "eV", "long_name": "edge energy"})}
    if std is not None:
        data["edge_std"] = ("scan", np.full(start.size, std), {"units": "eV"})
    times = {"time_start": start, "time": start + length / 2, "time_end": start + length}
    return xr.Dataset(
        data,
        coords={name: ("scan", START + to_ns(moment)) for name, moment in times.items()}
        | {name: ("scan", np.broadcast_to(np.asarray(one, float), start.shape)) for name, one in coords.items()},
    )


def curve(seconds):
    return 8344 + np.sin(seconds / 4000)


def test_a_volume_gets_the_mean_of_the_spectra_within_it():
    spectra = series([0, 300, 600, 900], 240, [1, 2, 3, 4.0], 0.3)
    found = operando.join(series([100], 920, [0.0]), spectra)
    assert float(found["edge"][0]) == pytest.approx((20 * 1 + 300 * (1.5 + 2.5 + 3.5)) / 920)
    assert int(found["edge_n"][0]) == 4
    assert 0.1 < float(found["edge_std"][0]) < 0.3
    assert 0.7 < float(found["edge_spread"][0]) < 1.2


def test_a_line_is_met_exactly_wherever_scans_lie():
    spectra = series(np.arange(0, 9000, 330.0), 300, 0.01 * (np.arange(0, 9000, 330.0) + 150))
    other = series(np.arange(500, 8000, 410.0), 70, np.zeros(19))
    found = operando.join(other, spectra)
    np.testing.assert_allclose(found["edge"], 0.01 * (np.arange(500, 8000, 410.0) + 35), rtol=1e-9)


@pytest.mark.parametrize("length", [70.0, 2500.0])
def test_means_over_time_pull_as_a_unit_normal(length):
    """Scans much shorter and much longer than those that are joined to them."""
    random = np.random.default_rng(20260805)
    start = np.arange(0, 1.2e6, 330.0)
    spectra = series(start, 300, curve(start + 150) + 0.3 * random.standard_normal(start.size), 0.3)
    own = np.arange(5000, 1.15e6, 3000.0)[:300]
    found = operando.join(series(own, length, np.zeros(own.size)), spectra)
    mean = 8344 - 4000 / length * (np.cos((own + length) / 4000) - np.cos(own / 4000))
    assert_unit_normal(((found["edge"] - mean) / found["edge_std"]).values)


def test_nothing_is_said_outside_nor_across_a_gap():
    spectra = series([0, 300, 600, 9000, 9300], 240, [1, 2, 3, 4, 5.0])
    found = operando.join(series([-5000, 100, 4000, 9100, 20_000], 60, np.zeros(5)), spectra)
    assert np.isnan(found["edge"]).values.tolist() == [True, False, True, False, True]
    assert found["edge_n"].values.tolist() == [0, 2, 0, 2, 0]
    bridged = operando.join(series([4000], 60, [0.0]), spectra, gap=1e5)
    assert float(bridged["edge"][0]) == pytest.approx(3.0 + (4030 - 720) / 8400, abs=1e-9)


def test_one_long_scan_serves_all_within_it():
    volume = series([0], 3600, [7.0], 0.5)
    found = operando.join(series([0, 1000, 3500, 9000], 100, np.zeros(4)), volume)
    np.testing.assert_array_equal(found["edge"], [7.0, 7.0, 7.0, np.nan])
    np.testing.assert_array_equal(found["edge_std"], [0.5, 0.5, 0.5, np.nan])


def test_a_fit_that_failed_leaves_its_neighbors():
    spectra = series(np.arange(5) * 300.0, 240, [1, 2, np.nan, 4, 5.0])
    found = operando.join(series([600], 240, [0.0]), spectra)
    assert float(found["edge"][0]) == pytest.approx(3.0)


def test_clocks_enter_once_and_not_within_one():
    clock = Clock("beamline", "cycler", START, sigma=30.0, method="manual").to_json()
    spectra = series(np.arange(20) * 300.0, 240, np.arange(20.0), 0.0)
    own = series([1000.0], 600, [0.0]).assign_attrs(clock=clock)
    assert float(operando.join(own, spectra)["edge_std"][0]) == pytest.approx(30 / 300)
    assert float(operando.join(own, spectra.assign_attrs(clock=clock))["edge_std"][0]) == 0.0


@settings(max_examples=12, deadline=None)
@given(st.permutations(range(12)))
def test_the_order_of_scans_does_not_matter(order):
    spectra = series(np.arange(12) * 300.0, 240, np.arange(12.0) ** 2, 0.1)
    own = series([50, 700, 1500.0], 500, np.zeros(3))
    np.testing.assert_allclose(
        operando.join(own, spectra)["edge"], operando.join(own, spectra.isel(scan=list(order)))["edge"], rtol=1e-12
    )


def test_cells_join_where_their_states_meet():
    soc = np.linspace(0, 1, 101)
    other = series(np.arange(101) * 600.0, 500, 3 * soc, 0.1, soc=soc, half_cycle=1.0)
    other = xr.concat(
        [other, other.assign_coords(half_cycle=other["half_cycle"] + 1).assign(edge=other["edge"] + 9)], "scan"
    )
    own = series([0, 600, 1200], 500, np.zeros(3), soc=[0.255, 0.5, 1.3], half_cycle=[1.0, 2.0, 1.0])
    found = operando.join(own, other, by="soc")
    np.testing.assert_allclose(found["edge"], [0.765, 10.5, np.nan])
    assert found["edge_n"].values.tolist() == [2, 1, 0]
    assert found.attrs["link"] == "state"
    assert operando.join(own, own).attrs["link"] == "time"


def test_means_by_state_pull_as_a_unit_normal():
    random = np.random.default_rng(20260806)
    soc = np.sort(random.uniform(0, 1, 400))
    other = series(
        np.arange(400) * 600.0, 500, 3 * soc + 0.05 * random.standard_normal(400), 0.05, soc=soc, half_cycle=1
    )
    own_soc = np.linspace(0.02, 0.98, 260)
    own = series(np.arange(260) * 600.0, 500, np.zeros(260), soc=own_soc, half_cycle=1)
    found = operando.join(own, other, by="soc")
    assert_unit_normal(((found["edge"] - 3 * own_soc) / found["edge_std"]).values)


def test_a_state_that_lies_on_one_side_has_the_error_of_its_distance():
    other = series([0, 600.0], 500, [1.0, 2.0], 0.0, soc=[0.4, 0.5], half_cycle=1)
    found = operando.join(series([0.0], 500, [0.0], soc=[0.51], half_cycle=1), other, by="soc")
    assert (float(found["edge"][0]), float(found["edge_std"][0])) == pytest.approx((2.0, 0.1))
    assert np.isnan(operando.join(series([0.0], 500, [0.0], soc=[0.53], half_cycle=1), other, by="soc")["edge"][0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"by": "charge"}, "by = 'time', 'soc' or 'potential'"),
        ({"by": "soc"}, "linked series with 'soc' and half_cycle on the left"),
        ({"names": "area"}, "got 'area'; there are edge"),
    ],
)
def test_what_cannot_be_joined_is_refused_in_one_line(arguments, words):
    with pytest.raises(OperandoError, match=words):
        operando.join(series([0.0], 10, [1.0]), series([0.0], 10, [1.0]), **arguments)


def test_joined_quantities_have_units_and_a_history():
    found = operando.join(series([0.0], 10, [1.0]), series([0.0], 10, [1.0], 0.1))
    assert found["edge"].attrs == {"units": "eV", "long_name": "edge energy, mean over the scan"}
    assert {name: found[name].attrs["units"] for name in ("edge_std", "edge_spread", "edge_n")} == {
        "edge_std": "eV", "edge_spread": "eV", "edge_n": "1",
    }  # fmt: skip
    assert history.entries(found)[-1]["parameters"]["names"] == ["edge"]


def test_the_worked_examples_hold():
    assert doctest.testmod(joining).failed == 0
