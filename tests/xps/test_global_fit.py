"""Fits of whole series at once against brute force, simulated truth, and what must not matter."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from pulls import assert_unit_normal
from scipy.optimize import least_squares
from sulfur_spectra import CONSTANT, ENERGY, HEIGHT, MIXING, RATIO, SPLITTING, cumulative, line, spectra, truth

from operando import xps
from operando.errors import OperandoError, OperandoWarning
from operando.flags import Flag
from operando.history import entries
from operando.xps import Background, Doublet, Fixed, Free, Link, Model, Peak

OWN = ["PS4.area", "Li2S.area", "bridge.area", "background.constant", "sulfide.shift"]
SHARED = ["PS4.fwhm", "PS4.splitting", "Li2S.position", "Li2S.fwhm", "bridge.fwhm", "background.height", "PS4.mixing"]
TRUE = np.array([1.1, SPLITTING, 160.1, 1.1, 1.3, HEIGHT, MIXING])


@pytest.fixture(scope="module")
def model() -> Model:
    lines = [
        Doublet("PS4", 161.6, 1.0, Free(1.2, 0.8, 1.6), RATIO, phase="sulfide"),
        Doublet("Li2S", 160.1, 1.0, Link("PS4.splitting"), RATIO),
        Doublet("bridge", 163.2, 1.2, Link("PS4.splitting"), RATIO, phase="sulfide"),
    ]
    return Model(lines, Background(polynomial=0), shifts={"sulfide": 0.0})


@pytest.fixture(scope="module")
def series() -> xr.DataArray:
    return spectra(12, seed=3)


@pytest.fixture(scope="module")
def fitted(series, model) -> xr.Dataset:
    return xps.fit_global(series, model)


def brute_force(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all parameters, shared first, and their covariance, from squares over counts."""
    scans = len(counts)

    def misfit(point: np.ndarray) -> np.ndarray:
        w1, split, c2, w2, w3, height, mixing = point[:7]
        rows = []
        for k, (a1, a2, a3, constant, shift) in enumerate(point[7:].reshape(scans, 5)):
            total = np.full_like(ENERGY, constant)
            for area, at, width in ((a1, 161.6 + shift, w1), (a2, c2, w2), (a3, 163.2 + shift, w3)):
                for share, move in ((1 / (1 + RATIO), 0.0), (RATIO / (1 + RATIO), split)):
                    shape = at + move, width, mixing
                    total += area * share * (line(ENERGY, *shape) + height * cumulative(ENERGY, *shape))
            rows.append((counts[k] - total) / np.sqrt(np.maximum(counts[k], 1)))
        return np.concatenate(rows)

    begin = np.concatenate([TRUE, *([area, 450.0, 600.0, 390.0, 0.0] for area in np.linspace(8000, 9000, scans))])
    best = least_squares(
        misfit, begin, x_scale=np.where(begin == 0, 0.1, abs(begin)), xtol=1e-14, ftol=1e-14, gtol=1e-14
    )
    return best.x, np.linalg.inv(best.jac.T @ best.jac)


def test_it_equals_brute_force_on_all_parameters_together(series, model):
    part = series.isel(scan=[0, 1, 11])
    found = xps.fit_global(part, model, weights="data")
    values, covariance = brute_force(part.to_numpy())
    for k in range(3):
        at = [*range(7), *range(7 + 5 * k, 12 + 5 * k)]
        one, names = found.isel(scan=k), [*SHARED, *OWN]
        std = np.sqrt(np.diagonal(covariance)[at])
        assert np.abs((one["value"].sel(parameter=names) - values[at]) / std).max() < 1e-4
        ours = one["covariance"].sel(parameter=names, parameter_2=names) / std / std[:, None]
        np.testing.assert_allclose(ours, covariance[np.ix_(at, at)] / std / std[:, None], atol=1e-4)


def test_without_noise_it_gives_back_what_the_series_was_made_of(model):
    found = xps.fit_global(spectra(5), model)
    known = truth(5)
    np.testing.assert_allclose(found["value"].sel(parameter=SHARED), np.tile(TRUE, (5, 1)), rtol=1e-8)
    for name in ("area", "position", "fwhm"):
        np.testing.assert_allclose(found[name], known[name], rtol=1e-8)


def test_shared_parameters_scatter_over_many_series_as_their_errors_say(model):
    runs = 60
    pulls, areas = np.empty((runs, 7)), np.empty((runs, 18))
    for k in range(runs):
        found = xps.fit_global(spectra(6, seed=5000 + k), model, curves=False)
        one = found.isel(scan=0)
        covariance = one["covariance"].sel(parameter=SHARED, parameter_2=SHARED).to_numpy()
        pulls[k] = np.linalg.solve(np.linalg.cholesky(covariance), one["value"].sel(parameter=SHARED) - TRUE)
        areas[k] = ((found["area"] - truth(6)["area"]) / found["area_std"]).to_numpy().ravel()
    assert_unit_normal(pulls.ravel())
    assert_unit_normal(areas[:, ::5].ravel())


def test_areas_are_more_certain_than_where_each_spectrum_is_fitted_alone(series, fitted, model):
    alone = xps.fit(series, model)
    gain = (alone["area_std"] / fitted["area_std"]).median("scan")
    assert (gain > 1.8).all()
    assert float(gain.max()) < 8
    error = fitted["area"] - truth(12)["area"]
    assert float((error**2).mean()) < 0.5 * float(((alone["area"] - truth(12)["area"]) ** 2).mean())


@pytest.mark.parametrize("chunk", [1, 5, 12])
def test_chunks_do_not_matter(series, fitted, model, chunk):
    lazy = xps.fit_global(series.chunk(scan=chunk, binding_energy=100), model)
    assert lazy["residual"].chunks
    xr.testing.assert_allclose(lazy.compute(), fitted, rtol=1e-9)


def test_order_and_further_dims_do_not_matter(series, fitted, model):
    order = np.random.default_rng(4).permutation(12)
    turned = xps.fit_global(series.isel(scan=order).transpose(), model)
    xr.testing.assert_allclose(turned.isel(scan=np.argsort(order)), fitted, rtol=1e-6)
    halves = xr.concat([series.isel(scan=slice(6)), series.isel(scan=slice(6, None))], "half", join="override")
    both = xps.fit_global(halves, model)
    np.testing.assert_allclose(both["value"].to_numpy().reshape(12, -1), fitted["value"], rtol=1e-6)


def test_spectra_and_points_that_were_not_measured_harm_no_other(series, model):
    broken = series.copy()
    broken[4] = np.nan
    broken[7, 40:60] = np.nan
    others = [k for k in range(12) if k != 4]
    found = xps.fit_global(broken, model)
    assert np.isnan(found["area"][4]).all()
    assert int(found["flag"][4]) & Flag.not_converged
    xr.testing.assert_allclose(
        found.isel(scan=others)[["value", "covariance"]],
        xps.fit_global(broken.isel(scan=others), model)[["value", "covariance"]],
        rtol=1e-6,
    )


def test_a_line_absent_in_some_scans_rests_on_its_bound_there(series, model):
    ghost = Model([*model.lines, Peak("ghost", Fixed(168.5), Fixed(0.5))], model.background, shifts=model.shifts)
    found = xps.fit_global(series, ghost)
    absent = (found["area"].sel(peak="ghost") == 0).to_numpy()
    assert 0 < absent.sum() < 12
    assert not (found["flag"].to_numpy() & (Flag.at_bound | Flag.not_converged)).any()
    assert (found["area_std"].sel(peak="ghost").isnull().to_numpy() == absent).all()
    assert found["area_std"].sel(peak="PS4").notnull().all()


def test_a_shared_parameter_on_its_bound_is_flagged_and_the_others_keep_their_errors(series, model):
    narrow = Model(
        [model.lines[0], Doublet("Li2S", 160.1, Free(0.9, 0.8, 1.0), Link("PS4.splitting"), RATIO), model.lines[2]],
        model.background,
        shifts=model.shifts,
    )
    found = xps.fit_global(series, narrow)
    assert (found["fwhm"].sel(peak="Li2S") == 1.0).all()
    assert found["fwhm_std"].sel(peak="Li2S").isnull().all()
    assert (found["flag"].to_numpy() & Flag.at_bound > 0).all()
    assert found[["area_std", "position_std"]].notnull().to_dataarray().all()


def test_what_is_shared_may_be_named_by_patterns(series, model):
    found = xps.fit_global(series, model, shared=["*.fwhm", "background.height"])
    assert found.attrs["shared"] == ["PS4.fwhm", "Li2S.fwhm", "bridge.fwhm", "background.height"]
    assert (found["fwhm"] == found["fwhm"][0]).all()
    assert len(np.unique(found["value"].sel(parameter="PS4.mixing"))) == 12
    assert entries(found)[-1]["step"] == "xps.fit_global"
    with pytest.raises(OperandoError, match=r"expected as shared names or patterns .*got '\*.width'"):
        xps.fit_global(series, model, shared="*.width")


def test_where_the_width_does_change_the_misfit_is_told(series, model):
    energy = xr.DataArray(ENERGY, dims="binding_energy")
    extra = [curve_of(width) for width in np.linspace(0.9, 1.6, 12)]
    changing = xr.DataArray(np.random.default_rng(6).poisson(extra).astype(float), dims=("scan", "binding_energy"))
    changing = changing.assign_coords(binding_energy=energy).assign_attrs(units="count")
    alone = Model([Peak("line", 162.0, 1.2)], Background(polynomial=0))
    with pytest.warns(OperandoWarning, match="are missed by their fit"):
        found = xps.fit_global(changing, alone)
    assert float(found["reduced_chi_square_total"]) > 1.5


def curve_of(width: float) -> np.ndarray:
    return CONSTANT + 9000 * line(ENERGY, 162.0, width, MIXING)


def test_intensities_without_counts_take_their_error_from_the_residual_of_all(series, model):
    noisy = spectra(12) / 100 + np.random.default_rng(18).normal(0, 0.05, (12, ENERGY.size))
    found = xps.fit_global(noisy.assign_attrs(units="1"), model)
    np.testing.assert_allclose(found["reduced_chi_square_total"], 0.05**2, rtol=0.09)
    assert np.abs((found["area"] - truth(12)["area"] / 100) / found["area_std"]).max() < 5


def test_a_spectrum_alone_and_a_series_that_shares_nothing_are_fitted_as_by_fit(series, model):
    alone = series.isel(scan=5)
    together, found = xps.fit_global(alone, model), xps.fit(alone, model)
    xr.testing.assert_allclose(together[["value", "covariance"]], found[["value", "covariance"]], rtol=1e-6)
    apart, every = xps.fit_global(series, model, shared=[]), xps.fit(series, model)
    xr.testing.assert_allclose(apart[["value", "covariance"]], every[["value", "covariance"]], rtol=1e-6)
    np.testing.assert_allclose(apart["reduced_chi_square"], every["reduced_chi_square"], rtol=1e-9)


def test_at_4_counts_of_background_areas_are_still_covered(model):
    counts = spectra(150, seed=8, scale=0.01, constant=4.0)
    found = xps.fit_global(counts, model, curves=False)
    assert_unit_normal(((found["area"] - 0.01 * truth(150)["area"]) / found["area_std"]).to_numpy().ravel())
