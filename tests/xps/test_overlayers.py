"""Thicknesses of layers: what a layer shows and hides gives its thickness back."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from core_line_series import LAW
from hypothesis import given, settings
from hypothesis import strategies as st
from pulls import assert_unit_normal

from operando import xps
from operando.errors import OperandoError
from operando.example_scans import xps_spectra
from operando.history import entries
from operando.schema import problems
from operando.xps.layout import OVERLAYERS

thicknesses = st.floats(0.0, 25.0)
lengths = st.floats(0.8, 5.0)


def there_and_back(d: float, own: float, other: float | None, angle: float, ratio: float) -> float:
    settings = {"reference_ratio": ratio, "attenuation_length": own, "emission_angle": angle}
    settings["substrate_attenuation_length"] = other
    seen = xps.overlayer_ratio(d, **settings)
    return float(xps.overlayer_thickness(seen, 1.0, **settings)["thickness"])


@settings(max_examples=50, deadline=None)
@given(d=thicknesses, own=lengths, other=lengths, angle=st.floats(0, 60), ratio=st.floats(0.05, 20))
def test_inverse_of_what_the_layer_shows(d: float, own: float, other: float, angle: float, ratio: float):
    assert there_and_back(d, own, other, angle, ratio) == pytest.approx(d, rel=1e-10, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(d=thicknesses, length=lengths, angle=st.floats(0, 60))
def test_equal_lengths_have_a_closed_form(d: float, length: float, angle: float):
    seen = xps.overlayer_ratio(d, reference_ratio=0.7, attenuation_length=length, emission_angle=angle)
    found = xps.overlayer_thickness(seen, 1.0, reference_ratio=0.7, attenuation_length=length, emission_angle=angle)
    closed = length * np.cos(np.deg2rad(angle)) * np.log1p(float(seen) / 0.7)
    assert float(found["thickness"]) == pytest.approx(closed, rel=1e-10, abs=1e-12)
    assert there_and_back(d, length, length, angle, 0.7) == pytest.approx(d, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize(("own", "other"), [(3.0, 3.0), (3.0, 2.2), (2.2, 3.0)])
def test_errors_of_areas_cover(own: float, other: float):
    rng = np.random.default_rng(11)
    settings = {"reference_ratio": 1.3, "attenuation_length": own, "substrate_attenuation_length": other}
    ratio = float(xps.overlayer_ratio(4.0, **settings))
    above = xr.DataArray(1e4 * ratio + 80 * rng.standard_normal(400), dims="scan")
    below = xr.DataArray(1e4 + 150 * rng.standard_normal(400), dims="scan")
    found = xps.overlayer_thickness(above, below, overlayer_std=80.0, substrate_std=150.0, **settings)
    assert_unit_normal(((found["thickness"] - 4.0) / found["thickness_std"]).to_numpy())
    assert not problems(found, OVERLAYERS)
    assert entries(found)[-1]["step"] == "xps.overlayer_thickness"


def test_a_bare_substrate_scatters_about_zero():
    """Negative areas of noise give negative thicknesses, so that their mean is not biased."""
    rng = np.random.default_rng(12)
    above = xr.DataArray(60 * rng.standard_normal(400), dims="scan")
    settings = {"reference_ratio": 1.0, "attenuation_length": 3.0, "substrate_attenuation_length": 2.5}
    found = xps.overlayer_thickness(above, 1e4, overlayer_std=60.0, **settings)
    assert_unit_normal((found["thickness"] / found["thickness_std"]).to_numpy())


def test_attenuation_lengths_scale_the_thickness_and_the_ratio_adds():
    settings = {"reference_ratio": 1.1, "attenuation_length": 3.0}
    found = xps.overlayer_thickness(2.0, 1.0, attenuation_uncertainty=0.08, **settings)
    assert float(found["thickness_systematic"] / found["thickness"]) == pytest.approx(0.08)
    moved = [
        float(xps.overlayer_thickness(2.0, 1.0, reference_ratio=1.1 + step, attenuation_length=3.0)["thickness"])
        for step in (-1e-5, 1e-5)
    ]
    slope = abs(moved[1] - moved[0]) / 2e-5
    both = xps.overlayer_thickness(2.0, 1.0, attenuation_uncertainty=0.0, reference_ratio_std=0.05, **settings)
    assert float(both["thickness_systematic"]) == pytest.approx(0.05 * slope, rel=1e-6)


def test_a_hidden_substrate_gives_no_thickness():
    found = xps.overlayer_thickness(
        xr.DataArray([1.0, 1.0, np.nan], dims="scan"),
        xr.DataArray([0.0, -1.0, 1.0], dims="scan"),
        reference_ratio=1.0,
        attenuation_length=3.0,
    )
    assert found["thickness"].isnull().all()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"attenuation_length": 0.0}, "above 0"),
        ({"reference_ratio": -1.0}, "above 0"),
        ({"emission_angle": 90.0}, "below 90"),
    ],
)
def test_impossible_settings_are_refused(changed: dict[str, float], said: str):
    with pytest.raises(OperandoError, match=said):
        xps.overlayer_thickness(1.0, 1.0, **{"reference_ratio": 1.0, "attenuation_length": 3.0, **changed})


def simulated_cell(scans: int = 40) -> tuple[np.ndarray, np.ndarray, xr.DataArray, dict[str, float], dict[str, float]]:
    """Return thicknesses, S 2p areas by layer, full areas and attenuation lengths of the simulated cell."""
    d_ox, d_red = np.linspace(0.2, 6, scans), np.linspace(3, 0.1, scans)
    level = next(level for level in LAW.levels if level.node == "S_2p")
    area = xps_spectra.areas(d_ox, d_red, level, LAW)
    layers = ["reduced", "oxidized", "electrolyte"]
    summed = [area[:, [line.layer == layer for line in level.lines]].sum(axis=1) for layer in layers]
    atoms = {layer: sum(line.atoms for line in level.lines if line.layer == layer) for layer in layers}
    attenuation = {layer: getattr(LAW.layers, layer).attenuation_length for layer in layers}
    full = {layer: atoms[layer] * getattr(LAW.layers, layer).density * attenuation[layer] for layer in layers}
    stacked = xr.DataArray(np.stack(summed, axis=-1), dims=("scan", "layer"), coords={"layer": layers})
    return d_red, d_ox, stacked, full, attenuation


def test_both_interphases_of_the_simulated_cell_come_back():
    d_red, d_ox, areas, full, attenuation = simulated_cell()
    found = xps.layer_thicknesses(areas, full, attenuation, emission_angle=LAW.emission_angle)["thickness"]
    np.testing.assert_allclose(found.sel(layer="reduced"), d_red, rtol=1e-10)
    np.testing.assert_allclose(found.sel(layer="oxidized"), d_ox, rtol=1e-10)
    assert "electrolyte" not in found["layer"]


def test_errors_of_both_interphases_cover():
    d_red, d_ox, areas, full, attenuation = simulated_cell(300)
    std = xr.full_like(areas, 0.004 * float(areas.mean()))
    rng = np.random.default_rng(13)
    noisy = areas + std * rng.standard_normal(areas.shape)
    found = xps.layer_thicknesses(noisy.transpose("layer", "scan"), full, attenuation, area_std=std)
    for layer, true in (("reduced", d_red), ("oxidized", d_ox)):
        one = found.sel(layer=layer)
        assert_unit_normal(((one["thickness"] - true) / one["thickness_std"]).to_numpy())


def test_a_stack_of_two_is_an_overlayer():
    areas = xr.DataArray([2.0, 3.0], dims="layer", coords={"layer": ["top", "bulk"]})
    stack = xps.layer_thicknesses(areas, {"top": 1.5, "bulk": 1.0}, {"top": 2.8, "bulk": 9.9}, emission_angle=35.0)
    single = xps.overlayer_thickness(2.0, 3.0, reference_ratio=1.5, attenuation_length=2.8, emission_angle=35.0)
    assert float(stack["thickness"][0]) == pytest.approx(float(single["thickness"]), rel=1e-12)


def test_missing_layers_are_named():
    areas = xr.DataArray([2.0, 3.0], dims="layer", coords={"layer": ["top", "bulk"]})
    with pytest.raises(OperandoError, match="got middle without"):
        xps.layer_thicknesses(areas, {"top": 1.0, "middle": 1.0, "bulk": 1.0}, {"top": 2.0, "bulk": 2.0})
