"""Fits that only lmfit can do: the same numbers as ours where both can, as lmfit by hand where only it can."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import xarray as xr
from pulls import assert_unit_normal
from sulfur_spectra import cumulative, line

from operando import xps
from operando.errors import OperandoError, OperandoWarning
from operando.flags import Flag
from operando.xps import Background, Expression, Fixed, Free, Model, Peak, fitting
from operando.xps.lmfit_fits import rows_by_lmfit

lmfit = pytest.importorskip("lmfit", reason="lmfit is not installed")

ENERGY = np.linspace(158.0, 168.0, 101)
MIXING, HEIGHT, CONSTANT = 0.3, 0.02, 200.0
NARROW, EXTRA = 1.1, 0.8
TIE = "sqrt({a.fwhm} ** 2 + 0.64)"
AFFINE, SAME = "{a.fwhm} / 2 + 0.81", "({a.fwhm} ** 2) ** 0.5 / 2 + 0.81"


def expected(areas, positions, widths) -> np.ndarray:
    out = np.full(ENERGY.size, CONSTANT)
    for area, position, fwhm in zip(areas, positions, widths, strict=True):
        out += area * (line(ENERGY, position, fwhm, MIXING) + HEIGHT * cumulative(ENERGY, position, fwhm, MIXING))
    return out


def spectra(count: int, seed: int) -> xr.DataArray:
    mean = expected((2500.0, 1600.0), (161.2, 163.6), (NARROW, np.hypot(NARROW, EXTRA)))
    values = np.random.default_rng(seed).poisson(mean, (count, ENERGY.size)).astype(float)
    coords = {"binding_energy": ENERGY, "flag": ("scan", np.zeros(count, np.int32))}
    return xr.DataArray(values, dims=("scan", "binding_energy"), coords=coords, attrs={"units": "count"})


def model(tie: str, **changes) -> Model:
    lines = [
        Peak("a", 161.0, Free(1.0, 0.4, 2.5), mixing=Fixed(MIXING)),
        Peak("b", 163.5, Expression(tie), mixing=Fixed(MIXING)),
    ]
    return Model(lines, Background(polynomial=0), **changes)


def fitted(series, made, **settings) -> xr.Dataset:
    with pytest.warns(OperandoWarning, match=r"fit: lmfit fits \d+ spectra .*, about \d+ ms each, since b.fwhm"):
        return xps.fit(series, made, **settings)


@pytest.fixture(scope="module")
def series() -> xr.DataArray:
    return spectra(3, 71)


@pytest.mark.parametrize("weights", ["model", "data", "none"])
def test_both_ways_give_the_same_numbers_and_errors_where_both_can(series, weights):
    ours = xps.fit(series, model(AFFINE), weights=weights, neighbors=False, lines=True)
    theirs = fitted(series, model(SAME), weights=weights, lines=True)
    assert set(ours.variables) == set(theirs.variables)
    assert ours["parameter"].values.tolist() == theirs["parameter"].values.tolist()
    for name in ("area", "position", "fwhm", "fraction", "background_height", "background_constant"):
        assert (np.abs(ours[name] - theirs[name]) < 5e-3 * ours[f"{name}_std"]).all()
        np.testing.assert_allclose(theirs[f"{name}_std"], ours[f"{name}_std"], rtol=1e-3)
    for name in ("covariance", "area_covariance", "position_covariance"):
        np.testing.assert_allclose(theirs[name], ours[name], rtol=2e-3, atol=1e-3 * float(np.abs(ours[name]).min()))
    np.testing.assert_allclose(theirs["reduced_chi_square"], ours["reduced_chi_square"], rtol=1e-7)
    for name in ("fitted", "background", "line"):
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-4, atol=1e-3)
    assert not theirs["flag"].any()


def test_what_is_not_affine_is_what_lmfit_finds_by_hand(series):
    def function(x, a1, c1, w1, a2, c2, w2, height, constant):  # noqa: PLR0917 (lmfit reads names)
        out = np.full(x.size, constant)
        for area, position, fwhm in ((a1, c1, w1), (a2, c2, w2)):
            out = out + area * (line(x, position, fwhm, MIXING) + height * cumulative(x, position, fwhm, MIXING))
        return out

    peer = lmfit.Model(function)
    start = peer.make_params(a1=2000, a2=2000, c1=161.0, c2=163.5, w1=1.0, w2=1.0, height=0.01, constant=150.0)
    start["w2"].set(expr="sqrt(w1**2 + 0.64)")
    ours = fitted(series, model(TIE), weights="data")
    names = {"area": ("a1", "a2"), "position": ("c1", "c2"), "fwhm": ("w1", "w2")}
    for k in range(series.sizes["scan"]):
        y, one = series.isel(scan=k).to_numpy(), ours.isel(scan=k)
        theirs = peer.fit(y, start, x=ENERGY, weights=1 / np.sqrt(np.maximum(y, 1)), scale_covar=False)
        assert float(one["reduced_chi_square"]) == pytest.approx(theirs.redchi, rel=1e-6)
        for key, pair in names.items():
            found = np.array([[theirs.params[name].value, theirs.params[name].stderr] for name in pair])
            assert np.abs((one[key].to_numpy() - found[:, 0]) / found[:, 1]).max() < 5e-3
            np.testing.assert_allclose(one[f"{key}_std"], found[:, 1], rtol=0.01)
    width = ours["fwhm"]
    np.testing.assert_allclose(width.sel(peak="b"), np.hypot(width.sel(peak="a"), EXTRA), rtol=1e-12)


def test_numbers_scatter_as_their_errors_say_the_expressed_one_too():
    found = fitted(spectra(60, 72), model(TIE), curves=False)
    truth = {"area": [2500.0, 1600.0], "position": [161.2, 163.6]}
    pulls = [((found[key] - value) / found[f"{key}_std"]).to_numpy().ravel() for key, value in truth.items()]
    wide = found.sel(peak="b")
    pulls.append(((wide["fwhm"] - np.hypot(NARROW, EXTRA)) / wide["fwhm_std"]).to_numpy())
    assert_unit_normal(np.concatenate(pulls))


def test_chunks_do_not_matter_and_lazy_spectra_stay_lazy(series):
    whole = fitted(series, model(TIE))
    lazy = fitted(series.chunk(scan=2), model(TIE))
    assert all(lazy[name].chunks for name in ("area", "covariance", "residual"))
    xr.testing.assert_identical(lazy.compute(), whole)


def test_a_plan_with_expressions_reaches_other_processes_whole(series):
    measured, response, sigma = fitting.as_measured(series, xr.DataArray(1.0), model(TIE), None)
    plan = fitting.planned(model(TIE), measured, "auto", None)
    given = (
        measured.to_numpy(),
        response.to_numpy(),
        sigma.to_numpy(),
        np.array(0.0),
        np.full(len(plan.model.names), np.nan),
    )
    here, there = (rows_by_lmfit(*given, plan=one, curves=False) for one in (plan, pickle.loads(pickle.dumps(plan))))
    for one, other in zip(here[:6], there[:6], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_fit_starts_from_what_is_given(series):
    found = fitted(series, model(TIE))
    again = fitted(series, model(TIE), start=found)
    assert (np.abs(again["value"] - found["value"]) < 5e-3 * found["value_std"]).all()


def test_bounds_hold_and_what_lies_on_one_has_no_error(series):
    bound = Model(
        [Peak("a", 161.0, Free(0.9, 0.4, 1.0), mixing=Fixed(MIXING)), *model(TIE).lines[1:]], Background(polynomial=0)
    )
    with pytest.warns(OperandoWarning):
        found = xps.fit(series, bound)
    np.testing.assert_array_equal(found["fwhm"].sel(peak="a"), 1.0)
    assert np.isnan(found["fwhm_std"]).all()
    assert (found["flag"] == int(Flag.at_bound)).all()
    assert np.isfinite(found["area_std"]).all()


def test_a_spectrum_that_was_not_measured_is_flagged_and_harms_no_other(series):
    broken = series.copy()
    broken[1] = np.nan
    found = fitted(broken, model(TIE))
    assert np.isnan(found["area"][1]).all()
    assert found["flag"].values.tolist() == [0, int(Flag.not_converged), 0]
    xr.testing.assert_equal(found.isel(scan=[0, 2])["value"], fitted(series, model(TIE)).isel(scan=[0, 2])["value"])


def test_what_needs_affine_ties_says_so(series):
    made = model(TIE)
    found = fitted(series, made)
    for step, act in {
        "fit_global": lambda: xps.fit_global(series, made),
        "profile": lambda: xps.profile(series, made, found, "area"),
        "bootstrap": lambda: xps.bootstrap(series, made, found),
        "background_systematic": lambda: xps.background_systematic(series, made, found),
    }.items():
        with pytest.raises(OperandoError, match=f"^{step}: expected ties that are affine, got b.fwhm as"):
            act()


def test_a_quantity_that_hangs_on_several_has_no_profile_of_its_own(series):
    b = Peak("b", 163.5, Expression("({a.fwhm} + {c.fwhm}) / 2 + 0.26"), mixing=Fixed(MIXING))
    c = Peak("c", 166.5, Free(1.0, 0.5, 2.0), mixing=Fixed(MIXING))
    made = Model([model(TIE).lines[0], b, c], Background(polynomial=0))
    assert made.compiled.quantities["b.fwhm"].terms == {"a.fwhm": 0.5, "c.fwhm": 0.5}
    found = xps.fit(series, made, neighbors=False)
    with pytest.raises(OperandoError, match=r"profile: .* 'b.fwhm', which hangs on a.fwhm, c.fwhm"):
        xps.profile(series, made, found, "b.fwhm")


def test_results_of_global_fits_are_refused_with_the_way_out(series):
    made = model(AFFINE)
    found = xps.fit_global(series, made)
    with pytest.raises(OperandoError, match=r"^bootstrap: .* got one of xps.fit_global.*fit each for itself"):
        xps.bootstrap(series, made, found)


def test_a_wrong_axis_is_told_by_the_step_that_was_called(series):
    made = model(AFFINE)
    found = xps.fit(series, made)
    with pytest.raises(OperandoError, match=r"^profile: expected spectra with a dim"):
        xps.profile(series.rename(binding_energy="energy"), made, found, "area")
    with pytest.raises(OperandoError, match=r"^fit_global: expected at least 3 energies"):
        xps.fit_global(series, made, window=(161.0, 161.1))
