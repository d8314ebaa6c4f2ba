"""What another background would have made of the areas, and whether that covers the truth where it is another."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr
from sulfur_spectra import ENERGY, LINES, RATIO, SPLITTING, curve, line, spectra, truth

from operando import xps
from operando.errors import OperandoError, OperandoWarning
from operando.history import entries
from operando.xps import Background, Doublet, Free, Model
from operando.xps.background_systematics import alternatives
from operando.xps.loss_functions import loss_operator

SLOPE, HEIGHT = 6.0, 2866.0


@pytest.fixture(scope="module")
def model() -> Model:
    starts = zip(LINES, (161.6, 160.1, 163.2), (1.0, 1.0, 1.2), strict=True)
    lines = [Doublet(n, Free(at, at - 0.8, at + 0.8), Free(w, 0.4, 3.0), SPLITTING, RATIO) for n, at, w in starts]
    return Model(lines)


def foreign(count: int, seed: int, scale: float, c: float = 1643.0) -> xr.DataArray:
    """Return spectra over a slope and Tougaard's background, the universal one or one whose losses are smaller."""
    operator, known = loss_operator(ENERGY, c=c), truth(count)

    def lost(x, position, fwhm, mixing):
        return operator @ line(x, position, fwhm, mixing)

    rows = [
        curve(
            ENERGY,
            *(known[key][k].to_numpy() for key in ("area", "position", "fwhm")),
            height=HEIGHT * (c / 1643) ** 1.5,
            cumulated=lost,
        )
        for k in range(count)
    ]
    clean = scale * (np.array(rows) + SLOPE * (ENERGY - ENERGY.mean()))
    coords = {"binding_energy": ("binding_energy", ENERGY, {"units": "eV"})}
    counts = np.random.default_rng(seed).poisson(clean).astype(float)
    return xr.DataArray(counts, dims=("scan", "binding_energy"), coords=coords, attrs={"units": "count"})


def judged(counts: xr.DataArray, model: Model) -> xr.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OperandoWarning)
        return xps.background_systematic(counts, model, xps.fit(counts, model))


def held(error: xr.DataArray, std: xr.DataArray) -> float:
    return float((abs(error) < 2 * std).to_numpy()[std.notnull().to_numpy()].mean())


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_areas_over_a_foreign_background_are_covered_with_the_systematic(model, scale):
    counts = foreign(90, 31, scale)
    found = judged(counts, model)
    error = found["area"] / scale - truth(90)["area"]
    bias = (error.mean("scan") / truth(90)["area"].mean("scan")).sel(peak="PS4")
    assert -0.04 < float(bias) < -0.02
    both = np.hypot(found["area_std"], found["area_systematic"]) / scale
    assert held(error, both) >= 0.9
    share = truth(90)["area"] / truth(90)["area"].sum("peak")
    both = np.hypot(found["fraction_std"], found["fraction_systematic"])
    assert held(found["fraction"] - share, both) >= 0.9
    if scale > 1:
        assert held(error, found["area_std"] / scale) < 0.6


def test_a_background_that_is_none_of_those_tried_is_covered_far_more_often_than_without(model):
    counts = foreign(60, 38, 10.0, c=800.0)
    found = judged(counts, model)
    error = found["area"] / 10 - truth(60)["area"]
    assert held(error, found["area_std"] / 10) < 0.5
    assert held(error, np.hypot(found["area_std"], found["area_systematic"]) / 10) > 0.8


def test_single_residuals_tell_only_at_very_many_counts_but_their_sum_and_the_weights_do_before(model):
    counts = foreign(40, 32, 10.0)
    with pytest.warns(OperandoWarning, match="the residuals of 40 spectra have a pattern in common"):
        found = xps.fit(counts, model)
    with pytest.warns(OperandoWarning, match="another background fits .* of 40 spectra better"):
        judge = xps.background_systematic(counts, model, found)
    best = judge["background_weight"].mean("scan")
    assert str(best["tried"][best.to_numpy().argmax()].item()).startswith("tougaard")
    many = foreign(10, 33, 100.0)
    with pytest.warns(OperandoWarning, match="spectra are missed by their fit"):
        xps.fit(many, model)


def test_where_the_background_is_the_right_one_the_systematic_does_not_exceed_the_noise(model):
    counts = spectra(60, seed=34)
    found = judged(counts, model)
    assert (found["area_systematic"].median("scan") < found["area_std"].median("scan")).all()
    error = found["area"] - truth(60)["area"]
    assert held(error, np.hypot(found["area_std"], found["area_systematic"])) >= 0.94


def test_it_is_the_weighted_spread_about_the_fit(model):
    counts = spectra(5, seed=35)
    found = xps.fit(counts, model)
    other = Background("none", polynomial=3)
    both = xps.background_systematic(counts, model, found, backgrounds=[other])
    again = xps.fit(counts, Model(model.lines, other))

    def score(one: xr.Dataset) -> xr.DataArray:
        mean = one["fitted"]
        deviance = 2 * (mean - counts + counts * np.log(counts / mean)).sum("binding_energy")
        return deviance + 2 * one.sizes["parameter"]

    weight = 1 / (1 + np.exp((score(again) - score(found)) / 2))
    np.testing.assert_allclose(both["background_weight"][:, 1], weight, rtol=1e-6)
    expected = np.sqrt(weight) * abs(again["area"] - found["area"])
    np.testing.assert_allclose(both["area_systematic"], expected.transpose("scan", "peak"), rtol=1e-5)
    assert both["area_systematic"].attrs["units"] == "count*eV"
    assert both["tried"].to_numpy().tolist() == ["shirley, degree 1", "none, degree 3"]
    assert entries(both)[-1]["step"] == "xps.background_systematic"
    xr.testing.assert_identical(both["area_std"].drop_vars("tried", errors="ignore"), found["area_std"])


def test_chunks_do_not_matter_and_what_was_not_measured_has_none(model):
    counts = spectra(6, seed=36)
    counts[2] = np.nan
    found = xps.fit(counts, model)
    whole = xps.background_systematic(counts, model, found)
    assert whole["area_systematic"].isnull().any("peak").to_numpy().tolist() == [
        False,
        False,
        True,
        False,
        False,
        False,
    ]
    lazy = xps.background_systematic(counts.chunk(scan=4), model, found)
    assert lazy["area_systematic"].chunks
    xr.testing.assert_allclose(lazy.compute(), whole, rtol=1e-9)


def test_every_model_has_other_backgrounds_than_its_own():
    for background in (
        Background(),
        Background("tougaard", polynomial=0, loss="polymer"),
        Background("none", polynomial=3),
        Background(polynomial=0, height=Free(0.01, 0.0)),
    ):
        others = alternatives(background)
        assert len({(one.kind, one.polynomial, one.loss) for one in others}) == len(others) >= 3
        assert background not in others
        assert {"shirley", "tougaard"} <= {one.kind for one in others}


def test_mistakes_are_told_in_one_line(model):
    counts = spectra(3, seed=37)
    found = xps.fit(counts, model)
    with pytest.raises(OperandoError, match="at least one other background"):
        xps.background_systematic(counts, model, found, backgrounds=[])
    with pytest.raises(OperandoError, match="expected an active background"):
        xps.background_systematic(counts, Model(model.lines, Background(static=True)), found)
