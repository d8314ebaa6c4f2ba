"""Errors of spectra drawn anew: they are the covariance's at many counts, and cover at few."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from few_counts import FEW, few_count_model, few_count_truth, inside_of_bounds
from scipy import stats
from sulfur_spectra import ENERGY, spectra

from operando import xps
from operando.errors import OperandoError
from operando.history import entries
from operando.xps import Background, Model, Peak
from operando.xps.layout import REDRAWN

KEYS = ("area", "position", "fwhm", "fraction")


@pytest.fixture(scope="module")
def model() -> Model:
    return few_count_model()


@pytest.fixture(scope="module")
def series() -> xr.DataArray:
    return spectra(4, seed=11)


@pytest.fixture(scope="module")
def fitted(series, model) -> xr.Dataset:
    return xps.fit(series, model)


@pytest.fixture(scope="module")
def drawn(series, model, fitted) -> xr.Dataset:
    return xps.bootstrap(series, model, fitted, draws=400, seed=3)


def test_at_many_counts_draws_scatter_as_the_covariance_says():
    lines = few_count_model().lines
    model = Model(lines, Background(polynomial=0))
    many = spectra(4, seed=13, scale=100.0, constant=40_000.0)
    found = xps.fit(many, model)
    drawn = xps.bootstrap(many, model, found, draws=400, seed=3)
    for key in KEYS:
        np.testing.assert_allclose(drawn[f"{key}_std"] / found[f"{key}_std"], 1, atol=4 / np.sqrt(800))
        assert (abs(drawn[f"{key}_bias"]) < 4 / np.sqrt(400) * found[f"{key}_std"]).all()


def test_the_result_has_units_names_history_and_its_layout(drawn, fitted):
    units = REDRAWN.units()
    assert entries(drawn)[-1]["step"] == "xps.bootstrap"
    for key in KEYS:
        for what in ("std", "bias", "percentile"):
            one = drawn[f"{key}_{what}"]
            assert one.attrs["units"] == fitted[key].attrs["units"]
            assert one.attrs["long_name"]
            assert key == "area" or units[f"{key}_{what}"] == one.attrs["units"]
    assert drawn["area_percentile"].dims == ("scan", "peak", "percentile")
    assert (drawn["area_percentile"].diff("percentile") > 0).all()
    assert (drawn["converged"] > 0.99).all()


def test_draws_hang_on_the_spectrum_and_the_seed_only(series, model, fitted, drawn):
    turned = xps.bootstrap(series[::-1], model, fitted.isel(scan=slice(None, None, -1)), draws=400, seed=3)
    xr.testing.assert_identical(turned.isel(scan=slice(None, None, -1)), drawn)
    lazy = xps.bootstrap(series.chunk(scan=3), model, fitted, draws=400, seed=3)
    assert lazy["area_std"].chunks
    xr.testing.assert_identical(lazy.compute(), drawn)
    other = xps.bootstrap(series[:1], model, fitted.isel(scan=slice(1)), draws=400, seed=4)
    assert (other["area_std"] != drawn["area_std"][:1]).all()


def test_residuals_drawn_again_show_noise_that_is_not_of_counting(model):
    rough = spectra(3) + np.random.default_rng(5).normal(0, 2.0, (3, ENERGY.size)) * np.sqrt(spectra(3))
    with pytest.warns(match="are missed by their fit"):
        found = xps.fit(rough, model)
    ratio = {}
    for kind in ("parametric", "residual"):
        again = xps.bootstrap(rough, model, found, draws=300, seed=1, kind=kind)
        ratio[kind] = float((again["area_std"] / found["area_std"]).sel(peak="PS4").mean())
    assert ratio["parametric"] == pytest.approx(1, abs=0.1)
    assert ratio["residual"] == pytest.approx(2, abs=0.25)


@pytest.mark.parametrize("kind", ["parametric", "residual"])
def test_intensities_without_counts_are_drawn_from_the_residual(kind):
    model = Model([Peak("line", 162.0, 1.2)], Background("none", polynomial=0))
    line = 30 * np.exp(-4 * np.log(2) * ((ENERGY - 162.1) / 1.1) ** 2)
    noisy = line + np.random.default_rng(9).normal(0, 0.4, (3, ENERGY.size))
    coords = {"binding_energy": ENERGY}
    stack = xr.DataArray(noisy, dims=("scan", "binding_energy"), coords=coords, attrs={"units": "1"})
    found = xps.fit(stack, model)
    again = xps.bootstrap(stack, model, found, draws=400, kind=kind)
    np.testing.assert_allclose(again["position_std"] / found["position_std"], 1, atol=0.16)


def test_a_spectrum_that_was_not_measured_and_missing_points_are_left_out(series, model):
    broken = series.copy()
    broken[2] = np.nan
    broken[1, 200:] = np.nan
    found = xps.fit(broken, model)
    again = xps.bootstrap(broken, model, found, draws=60)
    assert again["area_std"][2].isnull().all()
    assert float(again["converged"][2]) == 0
    assert again["area_std"][1].notnull().all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"draws": 5}, "at least 20 draws"),
        ({"seed": -1}, "seed of at least 0"),
        ({"kind": "wild"}, "expected kind 'parametric' or 'residual'"),
        ({"fit": xr.Dataset()}, "expected the result of xps.fit"),
    ],
)
def test_mistakes_are_told_in_one_line(series, model, fitted, change, said):
    given = {"spectra": series, "model": model, "fit": fitted} | change
    with pytest.raises(OperandoError, match=said):
        xps.bootstrap(**given)


def test_a_fit_of_the_whole_series_or_of_another_model_is_refused(series, model):
    together = xps.fit_global(series, model, shared="*.fwhm")
    with pytest.raises(OperandoError, match=r"got one of xps\.fit_global"):
        xps.bootstrap(series, model, together)
    other = Model(model.lines, Background(polynomial=1))
    with pytest.raises(OperandoError, match="other free parameters"):
        xps.bootstrap(series, other, xps.fit(series, model))


def test_at_20_counts_percentiles_hold_the_truth_as_often_as_they_say(model):
    count = 60
    counts, known = spectra(count, seed=92, scale=FEW, constant=20.0), few_count_truth(count)
    again = xps.bootstrap(counts, model, xps.fit(counts, model, curves=False), draws=250, seed=2)
    inside = inside_of_bounds(count)
    for ends, share in (((1, 3), 0.6827), ((0, 4), 0.9545)):
        held = []
        for key in ("area", "position", "fwhm"):
            low, high = (again[f"{key}_percentile"].isel(percentile=k) for k in ends)
            held.append(((low <= known[key]) & (known[key] <= high)).to_numpy()[inside[key]])
        held = np.concatenate(held)
        few, many = stats.binom.ppf([5e-4, 1 - 5e-4], held.size, share)
        assert held.size >= 200
        assert few <= held.sum() <= many
