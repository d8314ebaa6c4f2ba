"""Bins hold what was counted in them, with the errors that the scatter shows."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from operando import xas
from operando.errors import OperandoError
from operando.xas.rebinning import _edges, grid
from operando.xas.wavenumber import EV_PER_K2

FINE = np.arange(8300.0, 8400.0, 0.013)


def scans(values, energy=FINE) -> xr.Dataset:
    array = xr.DataArray(values, dims=("scan", "energy")[-np.ndim(values) :], attrs={"units": "counts"})
    return xr.Dataset({"i0": array}, coords={"energy": ("energy", energy, {"units": "eV"})})


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 40), st.integers(0, 10_000))
def test_values_times_width_are_conserved(bins, seed):
    rng = np.random.default_rng(seed)
    energy = np.cumsum(rng.uniform(0.2, 0.6, 300))
    counts = rng.uniform(0, 1e6, energy.size)
    edges = _edges(energy)
    middles = np.linspace(edges[0], edges[-1], bins)
    found = xas.rebin(scans(counts, energy), middles)["i0"].to_numpy()
    inside = np.clip(np.minimum(_edges(middles)[1:], edges[-1]) - np.maximum(_edges(middles)[:-1], edges[0]), 0, None)
    assert np.nansum(found * inside) == pytest.approx(np.sum(counts * np.diff(edges)), rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 40), st.integers(0, 10_000))
def test_sums_of_counts_are_conserved_on_any_grid(bins, seed):
    rng = np.random.default_rng(seed)
    energy = np.sort(np.round(rng.uniform(0.0, 100.0, 300), 1))
    counts = rng.uniform(0, 1e6, energy.size)
    found = xas.rebin(scans(counts, energy), np.linspace(-5.0, 105.0, bins), counts=["i0"])["i0"]
    assert float(found.sum()) == pytest.approx(counts.sum(), rel=1e-12)


def test_errors_of_sums_cover():
    rng = np.random.default_rng(14)
    found = xas.rebin(scans(rng.poisson(400.0, (8, FINE.size))), np.arange(8305.0, 8395.0, 0.52), counts=["i0"])
    pulls = ((found["i0"] - 400.0 * 40) / found["i0_std"]).to_numpy().ravel()
    n, shares = pulls.size, 40
    low, high = np.sqrt(chi2.ppf([0.0005, 0.9995], n) / n * (shares - 1) / (shares - 3))
    assert low < pulls.std() < high


def test_nothing_is_invented_within_a_gap():
    energy = np.concatenate([np.arange(8300.0, 8320.0, 0.1), np.arange(8330.0, 8350.0, 0.1)])
    found = xas.rebin(scans(np.ones(energy.size), energy), np.arange(8301.0, 8349.0, 1.0))
    empty = np.isnan(found["i0"].to_numpy())
    np.testing.assert_array_equal(empty, (found["energy"] > 8320.5) & (found["energy"] < 8329.5))
    np.testing.assert_array_equal(found["points"] == 0, empty)


def test_errors_that_came_along_give_way_to_the_scatter():
    found = xas.rebin(xas.rebin(scans(FINE), np.arange(8305.0, 8395.0, 0.1)), np.arange(8310.0, 8390.0, 1.0))
    assert {name for name in found.data_vars if name.startswith("i0")} == {"i0", "i0_std"}


@pytest.mark.parametrize("name", ["i1", "i0_std"])
def test_unknown_counts_are_named(name):
    with pytest.raises(OperandoError, match=name):
        xas.rebin(scans(FINE), [8310.0, 8311.0], counts=[name])


def test_a_straight_line_stays_straight():
    found = xas.rebin(scans(2.0 * FINE), np.arange(8310.0, 8390.0, 0.65))
    np.testing.assert_allclose(found["i0"], 2.0 * found["energy"], rtol=1e-6)
    assert found["i0"].attrs["units"] == found["i0_std"].attrs["units"] == "counts"


def test_errors_of_bins_cover():
    rng = np.random.default_rng(4)
    found = xas.rebin(scans(rng.normal(5.0, 1.0, (8, FINE.size))), np.arange(8305.0, 8395.0, 0.52))
    pulls = ((found["i0"] - 5.0) / found["i0_std"]).to_numpy().ravel()
    n, shares = pulls.size, 40
    # The error is found from 40 points: Student's t with 39 degrees of freedom.
    low, high = np.sqrt(chi2.ppf([0.0005, 0.9995], n) / n * (shares - 1) / (shares - 3))
    assert low < pulls.std() < high


def test_bins_without_points_are_empty_and_missing_points_are_left_out():
    holed = np.where((FINE > 8340) & (FINE < 8341), np.nan, 1.0)
    found = xas.rebin(scans(holed), np.array([8200.0, 8210.0, 8330.0, 8340.5, 8350.0]))
    assert np.isnan(found["i0"][0])
    np.testing.assert_allclose(found["i0"][2:], 1.0)


def test_the_usual_grid_is_coarse_fine_and_even_in_k():
    energy = grid(8333.0, 8200.0, 9000.0)
    assert np.all(np.diff(energy) > 0)
    assert np.diff(energy)[0] == pytest.approx(10.0)
    near = energy[(energy > 8310) & (energy < 8360)]
    np.testing.assert_allclose(np.diff(near), 0.5)
    k = np.sqrt((energy[energy > 8380] - 8333.0) / EV_PER_K2)
    np.testing.assert_allclose(np.diff(k), 0.05, rtol=1e-9)


def test_lazy_scans_stay_lazy_and_equal():
    values = np.random.default_rng(0).normal(size=(5, FINE.size))
    middles = np.arange(8310.0, 8390.0, 1.0)
    lazy = xas.rebin(scans(values).chunk(scan=2), middles)
    assert lazy["i0"].chunks
    xr.testing.assert_allclose(lazy.compute(), xas.rebin(scans(values), middles), rtol=1e-12)


@pytest.mark.parametrize("wrong", [[8300.0], [8310.0, 8305.0]])
def test_a_grid_that_does_not_ascend_is_refused(wrong):
    with pytest.raises(OperandoError, match="ascending"):
        xas.rebin(scans(FINE), wrong)
