"""Models to and from lmfit: the same curve, the same fit, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from sulfur_spectra import ENERGY, spectra

from operando import xps
from operando.errors import OperandoError, OperandoWarning
from operando.xps import Background, Doublet, Fixed, Free, Link, Model, Peak, from_lmfit, to_lmfit

lmfit = pytest.importorskip("lmfit", reason="lmfit is not installed")

SERIES = spectra(2, seed=31)


def model(**changes) -> Model:
    lines = [
        Doublet("PS4 3-", 161.6, 1.1, 1.18, 0.511, phase="e"),
        Doublet("Li2S", 160.1, Link("PS4 3-.fwhm"), 1.18, 0.511),
        Doublet("bridge", Free(163.2, 162.5, 164.0), 1.2, 1.18, 0.511),
    ]
    return Model(lines, **{"background": Background(), "shifts": {"e": 0.0}, **changes})


@pytest.mark.filterwarnings("ignore:fit:operando.errors.OperandoWarning")
@pytest.mark.parametrize(
    "made",
    [
        model(),
        model(background=Background("tougaard", 2)),
        model().with_satellites(),
        Model([Peak("a", 161.6, 1.0, "voigt"), Peak("b", 163.0, Fixed(1.3), "doniach_sunjic")], Background("none", 0)),
    ],
)
def test_lmfit_evaluates_to_the_fitted_curve(made):
    fitted = xps.fit(SERIES.assign_attrs(units="1"), made, neighbors=False).isel(scan=0)
    values = dict(zip(fitted["parameter"].values.tolist(), fitted["value"].values.tolist(), strict=True))
    peer, parameters = to_lmfit(made, values)
    curve = peer.eval(parameters, x=ENERGY)
    np.testing.assert_allclose(curve, fitted["fitted"], rtol=1e-12)
    assert {name for name, one in parameters.items() if one.vary} == {
        "".join(c if c.isalnum() else "_" for c in name) for name in made.compiled.names
    }


def test_a_model_comes_back_from_lmfit_and_fits_the_same():
    there = model()
    back = from_lmfit(*to_lmfit(there))
    assert len(back.compiled.names) == len(there.compiled.names)
    one, other = xps.fit(SERIES, there), xps.fit(SERIES, back)
    np.testing.assert_allclose(one["fitted"], other["fitted"], rtol=1e-7)
    np.testing.assert_allclose(one["area"].isel(peak=0), other["area"].isel(peak=[0, 1]).sum("peak"), rtol=1e-6)


def pseudo_voigts():
    peer = (
        lmfit.models.ConstantModel()
        + lmfit.models.PseudoVoigtModel(prefix="a_")
        + lmfit.models.GaussianModel(prefix="b_")
    )
    start = peer.make_params(c=10.0)
    start["a_amplitude"].set(500.0, min=0)
    start["a_center"].set(161.0, min=160.0, max=162.0)
    start["a_sigma"].set(0.6, min=0.2, max=2.0)
    start["a_fraction"].set(0.3, min=0, max=1)
    start["b_amplitude"].set(expr="a_amplitude/2")
    start["b_center"].set(expr="1.5 + a_center")
    start["b_sigma"].set(0.5, vary=False)
    return peer, start


def test_lmfits_own_lines_mean_the_same():
    peer, start = pseudo_voigts()
    ours = from_lmfit(peer, start)
    assert [line.name for line in ours.lines] == ["a", "b"]
    assert set(ours.compiled.names) == {"a.area", "a.position", "a.fwhm", "a.mixing", "background.constant"}
    y = peer.eval(start, x=ENERGY)
    found = xps.fit(SERIES.isel(scan=0).copy(data=y).assign_attrs(units="1"), ours)
    np.testing.assert_allclose(found["area"], [500.0, 250.0], rtol=1e-8)
    np.testing.assert_allclose(found["fwhm"], [1.2, 0.5 * 2.3548200450309493], rtol=1e-8)
    np.testing.assert_allclose(found["position"], [161.0, 162.5], rtol=1e-10)


def test_sums_of_parameters_are_fitted_as_links_are():
    peer, start = pseudo_voigts()
    third = lmfit.models.LorentzianModel(prefix="c_")
    start += third.make_params(amplitude=100.0, center=164.0, sigma=0.4)
    start["c_amplitude"].set(min=0)
    start["c_sigma"].set(min=0.1, max=1.0)
    start["c_center"].set(min=163.0, max=165.0)
    start["b_amplitude"].set(expr="a_amplitude/4 + c_amplitude/2")
    whole = peer + third
    ours = from_lmfit(whole, start)
    assert not ours.compiled.expressed
    assert ours.compiled.quantities["b.area"].terms == {"a.area": 0.25, "c.area": 0.5}
    y = whole.eval(start, x=ENERGY)
    found = xps.fit(SERIES.isel(scan=0).copy(data=y).assign_attrs(units="1"), ours)
    np.testing.assert_allclose(found["area"], [500.0, 175.0, 100.0], rtol=1e-7)


def test_what_is_not_affine_is_kept_and_fitted_by_lmfit():
    peer, start = pseudo_voigts()
    start["b_sigma"].set(expr="sqrt(a_sigma**2 + 0.16)")
    ours = from_lmfit(peer, start)
    assert list(ours.compiled.expressed) == ["b.fwhm"]
    y = np.random.default_rng(5).poisson(peer.eval(start, x=ENERGY)).astype(float)
    spectrum = SERIES.isel(scan=0, drop=True).copy(data=y)
    with pytest.warns(OperandoWarning, match="lmfit"):
        found = xps.fit(spectrum, ours, weights="data")
    theirs = peer.fit(y, start, x=ENERGY, weights=1 / np.sqrt(np.maximum(y, 1)), scale_covar=False)
    for key, parameter in {"area": "a_amplitude", "position": "a_center", "mixing": "a_fraction"}.items():
        known = theirs.params[parameter]
        assert abs(float(found[key].sel(peak="a")) - known.value) < 5e-3 * known.stderr
    again, parameters = to_lmfit(ours)
    assert parameters["b_fwhm"].expr
    assert again.eval(parameters, x=ENERGY).size == ENERGY.size


def test_lines_and_polynomials_lie_under_peaks_as_in_lmfit():
    for under, degree in ((lmfit.models.LinearModel(), 1), (lmfit.models.PolynomialModel(2), 2)):
        lines = lmfit.models.GaussianModel(prefix="a_")
        start = (under + lines).make_params(a_amplitude=500.0, a_center=161.0, a_sigma=0.6)
        start["a_amplitude"].set(min=0)
        start["a_center"].set(min=160.0, max=162.0)
        start["a_sigma"].set(min=0.2, max=2.0)
        for name, value in zip(under.param_names, (30.0, 0.4, 0.01), strict=False):
            start[name].set(value=value)
        y = (under + lines).eval(start, x=ENERGY)
        ours = from_lmfit(under + lines, start)
        assert ours.background.polynomial == degree
        found = xps.fit(SERIES.isel(scan=0).copy(data=y).assign_attrs(units="1"), ours)
        np.testing.assert_allclose(found["area"], [500.0], rtol=1e-7)
        start[under.param_names[0]].set(vary=False)
        with pytest.raises(OperandoError, match="to vary freely, since ours count from the middle"):
            from_lmfit(under + lines, start)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("a_amplitude if a_amplitude > 3 else 1", "got '.* if .* else"),
        ("a_amplitude * helper", "'helper', which varies"),
        ("arctan2(a_amplitude, 2)", "got 'arctan2"),
    ],
)
def test_expressions_that_are_no_arithmetic_are_named(expression, said):
    peer, start = pseudo_voigts()
    start.add("helper", value=2.0)
    start["b_amplitude"].set(expr=expression)
    with pytest.raises(OperandoError, match=said):
        from_lmfit(peer, start)


def test_components_of_another_kind_are_refused():
    with pytest.raises(OperandoError, match="expected components among"):
        from_lmfit(lmfit.models.DoniachModel(), lmfit.models.DoniachModel().make_params())
    with pytest.raises(OperandoError, match="an active background"):
        to_lmfit(model(background=Background(static=True)))
