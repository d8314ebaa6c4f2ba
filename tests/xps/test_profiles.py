"""Profile intervals: the definition, the parabola, bounds, and how often they hold the truth at few counts."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from few_counts import FEW, few_count_model, few_count_truth, inside_of_bounds
from scipy import stats
from sulfur_spectra import ENERGY, LINES, RATIO, SPLITTING, spectra

from operando import xps
from operando.errors import OperandoError
from operando.flags import Flag
from operando.history import entries
from operando.xps import Background, Doublet, Fixed, Link, Model, Peak


@pytest.fixture(scope="module")
def model() -> Model:
    lines = [Doublet(n, at, 1.1, SPLITTING, RATIO) for n, at in zip(LINES, (161.6, 160.1, 163.2), strict=True)]
    return Model(lines, Background(polynomial=0))


@pytest.fixture(scope="module")
def series() -> xr.DataArray:
    return spectra(6, seed=11)


@pytest.fixture(scope="module")
def fitted(series, model) -> xr.Dataset:
    return xps.fit(series, model)


def deviance(found: xr.Dataset, counts: xr.DataArray) -> np.ndarray:
    mean = found["fitted"]
    return 2 * (mean - counts + counts * np.log(counts / mean)).sum("binding_energy").to_numpy()


@pytest.mark.parametrize("z", [1.0, 2.0])
def test_at_its_limits_the_refitted_deviance_has_risen_by_z_squared(series, model, fitted, z):
    found = xps.profile(series, model, fitted, "Li2S.area", z=z)
    assert found["lower"].attrs["units"] == "count*eV"
    assert entries(found)[-1]["step"] == "xps.profile"
    for end in ("lower", "upper"):
        for k in range(6):
            first, _, third = model.lines
            held = Doublet("Li2S", 160.1, 1.1, SPLITTING, RATIO, area=Fixed(float(found[end][k])))
            again = xps.fit(series[k], Model([first, held, third], Background(polynomial=0)))
            rise = deviance(again, series[k]) - deviance(fitted.isel(scan=k), series[k])
            assert rise == pytest.approx(z**2, rel=2e-4)


def test_with_many_counts_it_is_the_standard_uncertainty_to_both_sides(model):
    many = spectra(3, seed=12, scale=400.0, constant=160_000.0)
    found = xps.fit(many, model)
    for key in ("area", "position", "fwhm"):
        ends = xps.profile(many, model, found, key)
        np.testing.assert_allclose(ends["upper"] - ends["value"], found[f"{key}_std"], rtol=0.02)
        np.testing.assert_allclose(ends["value"] - ends["lower"], found[f"{key}_std"], rtol=0.02)
    assert ends["upper"].dims == ("scan", "peak")


def test_chunks_and_order_do_not_matter(series, model, fitted):
    found = xps.profile(series, model, fitted, "position")
    lazy = xps.profile(series.chunk(scan=4), model, fitted, "position")
    assert lazy["lower"].chunks
    xr.testing.assert_identical(lazy.compute(), found)
    turned = xps.profile(series[::-1], model, fitted.isel(scan=slice(None, None, -1)), "position")
    xr.testing.assert_identical(turned.isel(scan=slice(None, None, -1)), found)


def test_a_bound_makes_it_one_sided(series, model):
    ghost = Model([*model.lines, Peak("ghost", Fixed(168.5), Fixed(0.5))], model.background)
    found = xps.fit(series, ghost)
    ends = xps.profile(series, ghost, found, "ghost.area")
    absent = found["area"].sel(peak="ghost").to_numpy() == 0
    assert absent.any()
    assert (ends["lower"].to_numpy()[absent] == 0).all()
    assert (ends["upper"].to_numpy()[absent] > 0).all()
    assert np.isfinite(ends["upper"]).all()


def test_what_is_tied_has_the_interval_of_what_it_is_tied_to(series, model):
    tied = Model(model.lines, model.background, links={"bridge.position": Link("PS4.position", 1.0, 1.6)})
    ends = xps.profile(series, tied, xps.fit(series, tied), "position")
    gap = ends.sel(peak="bridge") - ends.sel(peak="PS4")
    np.testing.assert_allclose(gap.to_dataarray(), 1.6, rtol=1e-9)


def test_without_known_errors_the_residual_sets_the_scale(series, model):
    noisy = spectra(3) / 100 + np.random.default_rng(2).normal(0, 0.02, (3, ENERGY.size))
    noisy = noisy.assign_attrs(units="1")
    found = xps.fit(noisy, model)
    ends = xps.profile(noisy, model, found, "PS4.area")
    np.testing.assert_allclose(ends["upper"] - ends["lower"], 2 * found["area_std"].sel(peak="PS4"), rtol=0.2)


def test_a_spectrum_that_was_not_measured_has_no_interval(series, model):
    broken = series.copy()
    broken[2] = np.nan
    ends = xps.profile(broken, model, xps.fit(broken, model), "PS4.area")
    assert ends["lower"].isnull().to_numpy().tolist() == [False, False, True, False, False, False]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"parameter": "PS4.are"}, "expected one of area, position"),
        ({"parameter": "PS4.splitting"}, "one that is fixed"),
        ({"z": 0.0}, "expected z above 0"),
        ({"fit": xr.Dataset()}, "expected the result of xps.fit, got a dataset without its history"),
        ({"spectra": spectra(2)}, "expected the fit of these spectra"),
    ],
)
def test_mistakes_are_told_in_one_line(series, model, fitted, change, said):
    given = {"spectra": series, "model": model, "fit": fitted, "parameter": "PS4.area"} | change
    with pytest.raises(OperandoError, match=said) as error:
        xps.profile(**given)
    assert "\n" not in str(error.value)


def test_at_20_counts_intervals_hold_the_truth_as_often_as_they_say():
    count = 120
    counts, known = spectra(count, seed=91, scale=FEW, constant=20.0), few_count_truth(count)
    found = xps.fit(counts, few_count_model(), curves=False)
    for z, share in ((1.0, 0.6827), (2.0, 0.9545)):
        held = []
        for key in ("area", "position", "fwhm"):
            ends = xps.profile(counts, few_count_model(), found, key, z=z)
            within = (ends["lower"] <= known[key]) & (known[key] <= ends["upper"])
            held.append(within.to_numpy()[inside_of_bounds(count)[key]])
        held = np.concatenate(held)
        low, high = stats.binom.ppf([5e-4, 1 - 5e-4], held.size, share)
        assert held.size >= 200
        assert low <= held.sum() <= high


def test_at_few_counts_searches_end_although_lines_too_weak_to_see_run_into_their_bounds():
    found = xps.fit(spectra(2000, seed=43, scale=FEW, constant=20.0), few_count_model(), curves=False)
    assert (found["flag"] & Flag.not_converged != 0).sum() <= 1
