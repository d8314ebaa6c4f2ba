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

FINE = np.arange(8300.0, 8400.0, 0.013)


def scans(values, energy=FINE) -> xr.Dataset:
    array = xr.DataArray(values, dims=("scan", "energy")[-np.ndim(values) :], attrs={"units": "counts"})
    return xr.Dataset({"i0": array}, coords={"energy": ("energy", energy, {"units": "eV"})})


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 40), st.integers(0, 10_000))
def test_counts_times_width_are_conserved(bins, seed):
    rng = np.random.default_rng(seed)
    energy = np.sort(rng.uniform(0.0, 100.0, 300))
    energy = energy[np.concatenate([[True], np.diff(energy) > 1e-6])]
    counts = rng.uniform(0, 1e6, energy.size)
    edges = _edges(energy)
    middles = np.linspace(edges[0], edges[-1], bins)
    found = xas.rebin(scans(counts, energy), middles)["i0"].to_numpy()
    inside = np.clip(np.minimum(_edges(middles)[1:], edges[-1]) - np.maximum(_edges(middles)[:-1], edges[0]), 0, None)
    assert np.nansum(found * inside) == pytest.approx(np.sum(counts * np.diff(edges)), rel=1e-12)


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
    k = np.sqrt((energy[energy > 8380] - 8333.0) / 3.80998212)
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
