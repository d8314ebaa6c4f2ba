"""A layer over a bulk from two yields: exact without noise, with the errors that noise makes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

from operando import xas
from operando.errors import IllConditionedWarning, OperandoError
from operando.flags import Flag

ESCAPE, FLUORESCENCE, SURFACE, BULK, NOISE = 5.0, 100.0, 0.8, 0.1, 0.01
SIGMA = {1.0: 0.075, 2.0: 0.038, 5.0: 0.0175, 10.0: 0.012, 20.0: 0.010}
"""Standard uncertainty of the surface's fraction for a noise of 0.01 in both yields, by thickness in nm."""


def seen(thickness, depth, surface=SURFACE, bulk=BULK):
    left = np.exp(-thickness / depth)
    return surface * (1 - left) + bulk * left


def solved(tey, tfy, thickness, **more):
    depths = {"escape_depth": ESCAPE, "fluorescence_depth": FLUORESCENCE}
    noise = {"tey_std": NOISE, "tfy_std": NOISE}
    return xas.depth_profile(tey, tfy, thickness=thickness, **depths, **noise, **more)


@pytest.mark.parametrize("thickness", SIGMA)
def test_fractions_are_exact_and_their_errors_as_known(thickness):
    found = solved(seen(thickness, ESCAPE), seen(thickness, FLUORESCENCE), thickness)
    assert float(found["surface"]) == pytest.approx(SURFACE, abs=1e-12)
    assert float(found["bulk"]) == pytest.approx(BULK, abs=1e-12)
    assert float(found["surface_std"]) == pytest.approx(SIGMA[thickness], rel=0.03)


@pytest.mark.parametrize("thickness", SIGMA)
def test_errors_are_those_of_20000_draws(thickness):
    rng = np.random.default_rng(1)
    tey, tfy = (
        xr.DataArray(seen(thickness, depth) + rng.normal(0, NOISE, 20_000), dims="scan")
        for depth in (ESCAPE, FLUORESCENCE)
    )
    found = solved(tey, tfy, thickness)
    for name in ("surface", "bulk"):
        assert float(found[f"{name}_std"][0]) == pytest.approx(float(found[name].std()), rel=0.05)
    together = np.cov(found["surface"], found["bulk"])[0, 1]
    assert float(found["surface_bulk_covariance"][0]) == pytest.approx(together, rel=0.05)


def test_the_condition_number_is_that_of_the_system():
    left, deep = np.exp(-3.0 / ESCAPE), np.exp(-3.0 / FLUORESCENCE)
    found = solved(0.3, 0.2, 3.0)
    assert float(found["condition_number"]) == pytest.approx(np.linalg.cond([[1 - left, left], [1 - deep, deep]]))


def test_a_thin_layer_warns_and_flags():
    tey = xr.DataArray([0.2, 0.3], dims="scan", coords={"flag": ("scan", np.zeros(2, np.int32))})
    thickness = xr.DataArray([0.5, 10.0], dims="scan")
    with pytest.warns(IllConditionedWarning, match="hardly told apart"):
        found = solved(tey, 0.2, thickness)
    assert [bool(flag & Flag.ill_conditioned) for flag in found["flag"].to_numpy()] == [True, False]


def test_a_thickness_follows_from_known_layer_and_bulk():
    thickness = xr.DataArray([0.3, 1.0, 7.0], dims="scan")
    found = xas.depth_profile(
        seen(thickness, ESCAPE), escape_depth=ESCAPE, surface=SURFACE, bulk=BULK, tey_std=0.001, escape_depth_std=0.5
    )
    np.testing.assert_allclose(found["layer_thickness"], thickness, rtol=1e-12)
    np.testing.assert_allclose(found["layer_thickness_systematic"], 0.1 * thickness, rtol=1e-12)
    assert found["layer_thickness"].attrs["units"] == "nm"


QUIET = 2e-4
"""Noise that moves no result far: errors are carried on along straight lines."""
TRUE = {"layer_thickness": 4.0, "surface": SURFACE, "bulk": BULK}
KNOWN = {"thickness": {"thickness": 4.0}, "surface": {"surface": SURFACE}, "bulk": {"bulk": BULK}}


def both(tey, tfy, **known):
    return xas.depth_profile(
        tey,
        tfy,
        escape_depth=ESCAPE,
        fluorescence_depth=FLUORESCENCE,
        tey_std=QUIET,
        tfy_std=QUIET,
        escape_depth_std=1.0,
        **known,
    )


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_two_unknowns_are_exact_without_noise(known):
    found = both(seen(4.0, ESCAPE), seen(4.0, FLUORESCENCE), **known)
    unknown = [name for name in TRUE if name in found]
    assert len(unknown) == 2
    for name in unknown:
        assert float(found[name]) == pytest.approx(TRUE[name], rel=1e-12)


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_two_unknowns_scatter_together_as_stated(known):
    rng = np.random.default_rng(2)
    tey, tfy = (
        xr.DataArray(seen(4.0, depth) + rng.normal(0, QUIET, 20_000), dims="scan") for depth in (ESCAPE, FLUORESCENCE)
    )
    drawn, stated = both(tey, tfy, **known), both(seen(4.0, ESCAPE), seen(4.0, FLUORESCENCE), **known)
    first, other = (name for name in TRUE if name in stated)
    for name in (first, other):
        assert float(stated[f"{name}_std"]) == pytest.approx(float(drawn[name].std()), rel=0.05)
    together = np.cov(drawn[first], drawn[other])[0, 1]
    assert float(stated[f"{first}_{other}_covariance"]) == pytest.approx(together, rel=0.05)


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_the_systematic_error_is_what_another_escape_depth_does(known):
    tey, tfy, step = seen(3.0, ESCAPE), seen(3.0, FLUORESCENCE), 1e-4
    one, other = (
        xas.depth_profile(tey, tfy, escape_depth=ESCAPE + at, fluorescence_depth=FLUORESCENCE, **known)
        for at in (-step / 2, step / 2)
    )
    found = both(tey, tfy, **known)
    for name in (name for name in TRUE if name in found):
        slope = abs(float(other[name] - one[name])) / step
        assert float(found[f"{name}_systematic"]) == pytest.approx(slope, rel=1e-4)


def test_both_yields_weigh_as_they_know_the_thickness():
    rng = np.random.default_rng(3)
    tey, tfy = (
        xr.DataArray(seen(20.0, depth) + rng.normal(0, noise, 20_000), dims="scan")
        for depth, noise in ((ESCAPE, NOISE), (FLUORESCENCE, 0.1 * NOISE))
    )
    known = {"escape_depth": ESCAPE, "surface": SURFACE, "bulk": BULK, "tey_std": NOISE}
    found = xas.depth_profile(tey, tfy, fluorescence_depth=FLUORESCENCE, tfy_std=0.1 * NOISE, **known)
    alone = xas.depth_profile(tey, **known)
    assert float(found["layer_thickness"].mean()) == pytest.approx(20.0, abs=0.05)
    assert float(found["layer_thickness_std"].median()) == pytest.approx(
        float(found["layer_thickness"].std()), rel=0.05
    )
    assert float(found["layer_thickness"].std()) < float(alone["layer_thickness"].std())


def test_doubts_about_either_yield_are_kept():
    tey = xr.DataArray([0.3, 0.3], dims="scan", coords={"flag": ("scan", np.array([0, 1], np.int32))})
    tfy = xr.DataArray([0.2, 0.2], dims="scan", coords={"flag": ("scan", np.array([2, 0], np.int32))})
    assert solved(tey, tfy, 10.0)["flag"].to_numpy().tolist() == [2, 1]


def test_no_thickness_where_none_fits():
    found = xas.depth_profile(0.9, escape_depth=ESCAPE, surface=SURFACE, bulk=BULK)
    assert np.isnan(found["layer_thickness"])


@pytest.mark.parametrize("known", [{}, {"thickness": 1.0, "surface": 0.5}, {"thickness": 1.0, "bulk": 0.1}])
def test_three_unknowns_cannot_come_from_two_numbers(known):
    with pytest.raises(OperandoError, match="expected thickness, surface or bulk"):
        xas.depth_profile(0.3, 0.2, escape_depth=ESCAPE, fluorescence_depth=FLUORESCENCE, **known)


def test_lazy_fractions_stay_lazy():
    tey = xr.DataArray(np.linspace(0.2, 0.6, 9), dims="scan").chunk(scan=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = solved(tey, 0.2, 2.0)
    assert found["surface"].chunks
