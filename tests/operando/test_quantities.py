"""One number against time is taken out of an experiment with its error, its intervals and its clock."""

import json

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from experiments import experiment
from linked_series import log, scans

from operando.errors import OperandoError
from operando.flags import Flag
from operando.quantities import clock_sigma, quantity


@pytest.fixture(scope="module")
def tree():
    return experiment(20)


def test_a_path_with_or_without_its_stage_finds_the_same_numbers(tree):
    short, whole = quantity(tree, "xas/Ni_K/edge_energy"), quantity(tree, "/xas/Ni_K/processed/edge_energy")
    xr.testing.assert_equal(short, whole)
    assert short.value.attrs["units"] == "eV"
    assert short.value_std.attrs["units"] == "eV"
    assert short.attrs["node"] == "xas/Ni_K"
    np.testing.assert_allclose(short.value_std, 0.03)


def test_values_come_in_order_of_time_and_those_without_a_time_or_value_are_left_out():
    ds = scans(np.array([300.0, 100.0, 200.0, 400.0]), np.array([3.0, 1.0, np.nan, 4.0]), 0.1)
    ds = ds.assign_coords(time=("scan", np.where(ds["edge_energy"] == 4.0, np.datetime64("NaT"), ds["time"].values)))
    np.testing.assert_array_equal(quantity(ds, "edge_energy").value, [1.0, 3.0])


def test_scans_with_flags_are_kept_unless_these_are_named():
    ds = scans(60.0 * np.arange(4), np.arange(4.0), 0.1)
    ds = ds.assign_coords(flag=("scan", [0, int(Flag.truncated), int(Flag.saturated | Flag.no_i0), 0]))
    assert quantity(ds, "edge_energy").value.size == 4
    kept = quantity(ds, "edge_energy", without=Flag.truncated | Flag.no_i0)
    np.testing.assert_array_equal(kept.value, [0.0, 3.0])
    assert kept.value.attrs["units"] == "eV"


def test_scans_with_a_long_pause_between_them_lie_in_two_segments():
    t = np.r_[np.arange(10) * 600.0, 20000 + np.arange(10) * 600.0]
    segment = quantity(scans(t, t, 0.1), "edge_energy").segment.values
    assert segment.tolist() == [0] * 10 + [1] * 10
    log_segments = quantity(log(7200, gaps=[(3000, 3100)]), "charge").segment.values
    assert set(log_segments) == {0, 1}


def test_a_further_dim_asks_for_a_choice_that_exists():
    ds = scans(np.arange(5) * 60.0, np.arange(5.0), 0.1)
    both = ds.assign(edge_energy=xr.concat([ds.edge_energy, ds.edge_energy + 1], xr.Variable("signal", ["tey", "tfy"])))
    with pytest.raises(OperandoError, match=r"needs a signal among tey, tfy, got 'none'; give signal="):
        quantity(both, "edge_energy")
    with pytest.raises(OperandoError, match="got 'pfy'"):
        quantity(both, "edge_energy", signal="pfy")
    np.testing.assert_array_equal(quantity(both, "edge_energy", signal="tfy").value, np.arange(5.0) + 1)


def test_an_unknown_path_says_where_the_variable_is(tree):
    with pytest.raises(OperandoError, match=r"'edge_energy' is in xas/Ni_K/processed"):
        quantity(tree, "xas/Co_K/edge_energy")
    with pytest.raises(OperandoError, match="no node holds 'crack_area'"):
        quantity(tree, "xtm/composite/crack_area")


def test_spectra_are_not_read(tree):
    def refuse(*_):
        raise AssertionError("spectra were read")

    ds = tree["xas/Ni_K/processed"].to_dataset()
    lazy = da.map_blocks(refuse, da.zeros(ds["normalized"].shape, chunks=-1), dtype=float)
    assert quantity(ds.assign(normalized=(ds["normalized"].dims, lazy)), "edge_energy").value.size == 20


def test_two_quantities_on_one_clock_share_its_error():
    ds = scans(np.arange(5) * 60.0, np.arange(5.0), 0.1)

    def on(name, sigma):
        return ds.assign_attrs(clock=json.dumps({"name": name, "sigma": sigma}))

    assert clock_sigma(on("beamline", 3.0), on("beamline", 3.0)) == 0.0
    assert clock_sigma(on("beamline", 3.0), on("camera", 4.0)) == 5.0
    assert clock_sigma(on("beamline", 3.0), ds) == 3.0
