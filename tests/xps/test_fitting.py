"""Fits of photoemission spectra against simulated truth, lmfit, and what must not matter."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import xarray as xr
from sulfur_spectra import ENERGY, LINES, RATIO, SPLITTING, curve, line, spectra, truth

from operando import xps
from operando.errors import OperandoError, OperandoWarning
from operando.flags import Flag
from operando.history import entries
from operando.schema import problems
from operando.xps import Background, Doublet, Fixed, Free, Link, Model, Peak
from operando.xps.layout import FIT
from operando.xps.line_kernels import line_functions

STARTS = (161.6, 160.1, 163.2)
WIDTHS = (1.0, 1.0, 1.2)


def doublets(**changes) -> list[Doublet]:
    windows = [Free(at, at - 0.8, at + 0.8) for at in STARTS]
    widths = [Free(width, 0.4, 3.0) for width in WIDTHS]
    return [
        Doublet(name, at, width, SPLITTING, RATIO, **changes)
        for name, at, width in zip(LINES, windows, widths, strict=True)
    ]


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(doublets(), Background(polynomial=0, height=Free(0.01, 0.0), constant=Free(300.0, 0.0)))


@pytest.fixture(scope="module")
def series() -> xr.DataArray:
    return spectra(24, seed=3)


@pytest.fixture(scope="module")
def fitted(series, model) -> xr.Dataset:
    return xps.fit(series, model)


def deviance(ds: xr.Dataset, counts: xr.DataArray) -> np.ndarray:
    mean, value = ds["fitted"].to_numpy(), counts.to_numpy()
    return 2 * (mean - value + value * np.log(np.maximum(value, 1e-300) / mean)).sum(axis=-1)


def test_a_spectrum_without_noise_gives_back_what_it_was_made_of(model):
    known = truth(5)
    found = xps.fit(spectra(5), model)
    for name in ("area", "position", "fwhm"):
        np.testing.assert_allclose(found[name], known[name], rtol=1e-8)
    np.testing.assert_allclose(found["mixing"], 0.25, rtol=1e-7)
    np.testing.assert_allclose(found["background_height"], 0.03, rtol=1e-7)
    np.testing.assert_allclose(found["background_constant"], 400.0, rtol=1e-7)


def test_areas_positions_and_widths_scatter_as_their_errors_say_and_areas_are_unbiased(model):
    known = truth(2000)
    found = xps.fit(spectra(2000, seed=41), model, curves=False)
    pulls = [
        ((found[name] - known[name]) / found[f"{name}_std"]).to_numpy().ravel() for name in ("area", "position", "fwhm")
    ]
    pulls = np.concatenate(pulls)
    pulls = pulls[np.isfinite(pulls)]
    assert pulls.size > 17_900
    assert 0.66 < (np.abs(pulls) < 1).mean() < 0.705
    assert 0.945 < (np.abs(pulls) < 2).mean() < 0.963
    assert np.abs(found["area"].mean("scan") / known["area"].mean("scan") - 1).max() < 0.005
    share = known["area"] / known["area"].sum("peak")
    pull = ((found["fraction"] - share) / found["fraction_std"]).to_numpy()
    assert 0.66 < (np.abs(pull) < 1).mean() < 0.705


def test_no_start_leads_lower_than_the_cold_start(model):
    counts = spectra(2000, seed=42)
    cold = xps.fit(counts, model)
    known, begin = truth(2000), cold.copy(deep=True)
    for name in LINES:
        for key in ("area", "position", "fwhm"):
            begin["value"].loc[{"parameter": f"{name}.{key}"}] = known[key].sel(peak=name)
    best = np.minimum(deviance(xps.fit(counts, model, start=begin), counts), deviance(cold, counts))
    assert (deviance(cold, counts) <= best * (1 + 1e-6)).all()


def test_it_agrees_with_lmfit_on_the_same_model_weights_and_start(series, model):
    lmfit = pytest.importorskip("lmfit", reason="lmfit is not installed")

    def function(x, a1, c1, w1, a2, c2, w2, a3, c3, w3, mixing, height, constant):  # noqa: PLR0917 (lmfit reads names)
        return curve(x, (a1, a2, a3), (c1, c2, c3), (w1, w2, w3), mixing=mixing, height=height, constant=constant)

    peer = lmfit.Model(function)
    limits = {"mixing": (0.3, 0.0, 1.0), "height": (0.01, 0.0, np.inf), "constant": (300.0, 0.0, np.inf)}
    for k in range(3):
        limits |= {f"a{k + 1}": (3000.0, 0.0, np.inf), f"c{k + 1}": (STARTS[k], STARTS[k] - 0.8, STARTS[k] + 0.8)}
        limits[f"w{k + 1}"] = (WIDTHS[k], 0.4, 3.0)
    start = peer.make_params(**{name: {"value": v, "min": a, "max": b} for name, (v, a, b) in limits.items()})
    ours = xps.fit(series, model, weights="data")
    names = [f"{key}{k + 1}" for k in range(3) for key in "acw"]
    same = 0
    for k in range(0, 24, 3):
        y = series.isel(scan=k).to_numpy()
        theirs = peer.fit(y, start, x=ENERGY, weights=1 / np.sqrt(np.maximum(y, 1)), scale_covar=False)
        one = ours.isel(scan=k)
        chi = float(one["reduced_chi_square"]) * (ENERGY.size - 12)
        assert chi <= theirs.chisqr * (1 + 1e-6)
        if chi > theirs.chisqr * (1 - 1e-6):
            mine = np.stack([one["area"], one["position"], one["fwhm"]], axis=1).ravel()
            std = np.stack([one["area_std"], one["position_std"], one["fwhm_std"]], axis=1).ravel()
            peers = np.array([theirs.params[name].value for name in names])
            errors = np.array([theirs.params[name].stderr for name in names])
            assert np.abs((mine - peers) / errors).max() < 5e-3
            np.testing.assert_allclose(std, errors, rtol=0.01)
            same += 1
    assert same >= 4


def test_at_the_minimum_the_score_of_the_poisson_likelihood_is_zero(fitted, model):
    from operando.xps import fit_kernels, model_kernels

    compiled = model.compiled
    grid = *compiled.points(ENERGY), line_functions([0])
    memory = fit_kernels.room(len(compiled.names), compiled.structure[4].size, ENERGY.size)
    full, nothing = np.empty(compiled.structure[4].size), np.zeros(ENERGY.size)
    one = fitted.isel(scan=7)
    model_kernels.expand(compiled.structure, one["value"].to_numpy(), full)
    counts = (one["fitted"] + one["residual"]).to_numpy()
    spectrum = (counts, nothing + 1, nothing + 1, nothing)
    objective, matrix, score = fit_kernels.statistics(
        (compiled.structure, grid), spectrum, fit_kernels.POISSON, full, memory
    )
    np.testing.assert_allclose(objective, deviance(one, xr.DataArray(counts)))
    np.testing.assert_allclose(np.linalg.solve(matrix, score) / one["value_std"], 0, atol=1e-7)
    np.testing.assert_allclose(np.linalg.inv(matrix), one["covariance"], rtol=1e-6)


def test_different_starts_into_one_minimum_give_the_same_numbers(series, fitted, model):
    begin = fitted.roll(scan=1, roll_coords=False)
    again = xps.fit(series, model, start=begin, neighbors=False)
    same = np.abs(deviance(again, series) / deviance(fitted, series) - 1) < 1e-9
    assert same.sum() > 20
    np.testing.assert_allclose(again["value"][same], fitted["value"][same], rtol=1e-9)


@pytest.mark.parametrize("chunk", [1, 5, 24])
def test_chunks_do_not_matter(series, fitted, model, chunk):
    lazy = xps.fit(series.chunk(scan=chunk, binding_energy=100), model)
    assert all(lazy[name].chunks for name in ("area", "covariance", "residual"))
    xr.testing.assert_identical(lazy.compute(), fitted)


@pytest.mark.filterwarnings("ignore:fit. the residuals of 48 spectra")  # each counted twice
def test_the_order_of_dims_and_of_energies_and_further_dims_do_not_matter(series, fitted, model):
    turned = xps.fit(series.transpose().isel(binding_energy=slice(None, None, -1)), model)
    xr.testing.assert_identical(turned.drop_attrs(), fitted.drop_attrs())
    both = xr.concat([series, series], "detector").transpose("scan", "detector", "binding_energy")
    found = xps.fit(both, model)
    for k in range(2):
        xr.testing.assert_equal(found.isel(detector=k), fitted)


def test_a_spectrum_alone_is_fitted_as_one_of_many_without_neighbors(series, model):
    alone = xps.fit(series.isel(scan=4), model)
    among = xps.fit(series, model, neighbors=False).isel(scan=4)
    xr.testing.assert_equal(alone, among)


def test_neighbors_never_make_a_fit_worse(series, fitted, model):
    alone = xps.fit(series, model, neighbors=False)
    assert (deviance(fitted, series) <= deviance(alone, series) * (1 + 1e-12)).all()


def test_points_that_are_missing_count_as_not_measured(series, model):
    cut = series.where(series["binding_energy"] < 167.0)
    xr.testing.assert_allclose(
        xps.fit(cut, model)[["area", "position_std"]],
        xps.fit(series, model, window=(0.0, 166.99))[["area", "position_std"]],
        rtol=1e-9,
    )


def test_a_spectrum_that_was_not_measured_is_flagged_and_harms_no_other(series, fitted, model):
    broken = series.copy()
    broken[9] = np.nan
    found = xps.fit(broken, model, neighbors=False)
    assert np.isnan(found["area"][9]).all()
    assert int(found["flag"][9]) & Flag.not_converged
    others = [k for k in range(24) if k != 9]
    xr.testing.assert_equal(found.isel(scan=others), xps.fit(series, model, neighbors=False).isel(scan=others))


def test_areas_hold_at_full_transmission(model):
    through = xr.DataArray(np.exp(-(ENERGY - 157.5) / 20), dims="binding_energy")
    clean = spectra(3)
    found = xps.fit(xr.Dataset({"counts": (clean * through).assign_attrs(clean.attrs), "transmission": through}), model)
    np.testing.assert_allclose(found["area"], truth(3)["area"], rtol=1e-7)
    np.testing.assert_allclose(found["fitted"], clean * through, rtol=1e-9)


def test_few_counts_are_fitted_without_bias_by_likelihood_and_with_bias_by_data_weights():
    model = Model([Peak("line", 163.0, Fixed(1.2), mixing=Fixed(0.25))], Background("none", polynomial=0))
    expected = 60.0 * line(ENERGY, 163.0, 1.2, 0.25) + 2.0
    counts = np.random.default_rng(8).poisson(expected, (600, ENERGY.size)).astype(float)
    stack = xr.DataArray(
        counts, dims=("scan", "binding_energy"), coords={"binding_energy": ENERGY}, attrs={"units": "count"}
    )
    found = xps.fit(stack, model)
    error = float(found["background_constant"].std() / np.sqrt(600))
    assert abs(float(found["background_constant"].mean()) - 2.0) < 3.3 * error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OperandoWarning)
        weighted = xps.fit(stack, model, weights="data")
    assert float(weighted["background_constant"].mean()) < 1.8


def test_lines_of_one_phase_move_together(series):
    lines = [
        Doublet(n, at, w, SPLITTING, RATIO, phase=p) for n, at, w, p in zip(LINES, STARTS, WIDTHS, "ese", strict=True)
    ]
    model = Model(lines, Background(polynomial=0), shifts={"e": 0.0}, links={"Li2S.fwhm": Link("PS4.fwhm")})
    found = xps.fit(series, model)
    apart = found["position"].sel(peak="bridge") - found["position"].sel(peak="PS4")
    np.testing.assert_allclose(apart, STARTS[2] - STARTS[0], rtol=1e-12)
    np.testing.assert_allclose(found["fwhm"].sel(peak="Li2S"), found["fwhm"].sel(peak="PS4"), rtol=1e-14)
    shift = truth(24)["position"].sel(peak="PS4") - STARTS[0]
    pulls = (found["value"].sel(parameter="e.shift") - shift) / found["value_std"].sel(parameter="e.shift")
    assert abs(float(pulls.mean())) < 3.3 / np.sqrt(24)


def test_a_line_that_is_not_there_lies_on_its_bound_and_the_others_keep_their_errors(series):
    model = Model([*doublets(), Peak("ghost", 168.5, Fixed(0.5))], Background(polynomial=0))
    found = xps.fit(series, model)
    absent = found["area"].sel(peak="ghost") == 0
    assert absent.any()
    assert not (found["flag"].where(absent, drop=True).astype(int) & Flag.at_bound).astype(bool).any()
    assert found["area_std"].sel(peak="ghost").where(absent, drop=True).isnull().all()
    assert found["area_std"].sel(peak="PS4").notnull().all()


def test_a_position_stops_at_its_bound(series):
    wrong = Model([Doublet("PS4", Free(160.0, 159.5, 160.4), 1.1, SPLITTING, RATIO)], Background(polynomial=0))
    with pytest.warns(OperandoWarning, match="24 of 24 spectra are missed") as said:
        found = xps.fit(series, wrong)
    assert len(said) == 1
    assert ((found["position"] >= 159.5) & (found["position"] <= 160.4)).all()
    assert (found["flag"].astype(int) & Flag.at_bound).astype(bool).any()


def test_intensities_without_counts_take_their_error_from_the_residual(model):
    clean = spectra(200)
    noisy = clean / 100 + np.random.default_rng(17).normal(0, 0.05, clean.shape)
    found = xps.fit(noisy.assign_attrs(units="1"), model)
    assert found["area"].attrs["units"] == "eV"
    np.testing.assert_allclose(found["reduced_chi_square"].mean(), 0.05**2, rtol=0.02)
    pulls = ((found["position"] - truth(200)["position"]) / found["position_std"]).to_numpy().ravel()
    assert 0.62 < (np.abs(pulls) < 1).mean() < 0.74


def test_deviations_that_are_given_weigh_the_points_in_any_window_and_order(series, model):
    sigma = np.sqrt(np.maximum(series, 1.0))
    turned = sigma.isel(binding_energy=slice(None, None, -1))
    backward = series.isel(binding_energy=slice(None, None, -1))
    found = xps.fit(backward, model, weights=turned, window=(158.0, 169.0))
    expected = xps.fit(series, model, weights="data", window=(158.0, 169.0))
    np.testing.assert_allclose(found["area"], expected["area"], rtol=1e-7)
    np.testing.assert_allclose(found["area_std"], expected["area_std"], rtol=1e-6)


def test_the_active_tougaard_background_is_fitted_with_the_lines():
    from operando.xps.loss_functions import loss_operator

    operator = loss_operator(ENERGY)

    def lost(x, position, fwhm, mixing):
        return operator @ line(x, position, fwhm, mixing)

    known = truth(1).isel(scan=0)
    clean = curve(
        ENERGY, *(known[name].to_numpy() for name in ("area", "position", "fwhm")), height=900.0, cumulated=lost
    )
    counts = xr.DataArray(clean, dims="binding_energy", coords={"binding_energy": ENERGY}, attrs={"units": "count"})
    found = xps.fit(counts, Model(doublets(), Background("tougaard", polynomial=0)))
    np.testing.assert_allclose(found["area"], known["area"], rtol=1e-6)
    np.testing.assert_allclose(found["background_height"], 900.0, rtol=1e-6)
    assert found["background_height"].attrs["units"] == "eV^2"


def test_a_background_taken_off_before_warns_of_the_bias_it_brings(series):
    with pytest.warns(OperandoWarning) as said:
        found = xps.fit(series, Model(doublets(), Background(static=True)))
    assert "biases areas" in str(said[0].message)
    bias = (found["area"].mean("scan") / truth(24)["area"].mean("scan") - 1).to_numpy()
    assert np.abs(bias).max() > 0.02


def test_lines_and_background_add_up_to_the_fitted_curve(series, model):
    found = xps.fit(series, model, lines=True)
    np.testing.assert_allclose(found["line"].sum("peak") + found["background"], found["fitted"], rtol=1e-12)
    xr.testing.assert_equal(found["residual"], series - found["fitted"])


def test_the_result_has_its_layout_its_history_and_the_model_to_fit_again(fitted, model, series):
    found = fitted.assign_coords(time_start=fitted["time"], time_end=fitted["time"], source=("scan", ["a"] * 24))
    found["time_start"].attrs, found["time_end"].attrs = {}, {}
    assert [
        line
        for line in problems(found, FIT)
        if "source" not in line and "value" not in line and "covariance" not in line
    ] == []
    step = entries(fitted)[-1]
    assert step["step"] == "xps.fit"
    assert Model.from_json(step["parameters"]["model"]) == model == Model.from_json(fitted.attrs["model"])
    assert json.loads(fitted.attrs["model"])["lines"][0]["name"] == "PS4"
    assert fitted["area"].attrs["units"] == "count*eV"
    assert fitted["parameter_unit"].sel(parameter="background.height").item() == "1/eV"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"weights": "poisson"}, "expected weights"),
        ({"window": (10.0, 20.0)}, "at least 3 energies"),
        ({"window": (160.0, 160.3)}, "more points than the 12 free parameters"),
        ({"start": xr.Dataset()}, "the result of a fit"),
    ],
)
def test_mistakes_are_told_in_one_line(series, model, arguments, said):
    with pytest.raises(OperandoError, match=said) as error:
        xps.fit(series, model, **arguments)
    assert "\n" not in str(error.value)


def test_poisson_weights_are_refused_for_what_was_not_counted(series, model):
    with pytest.raises(OperandoError, match="need counts, got 'count/s'"):
        xps.fit(series.assign_attrs(units="count/s"), model, weights="model")
