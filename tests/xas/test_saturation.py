"""Saturation of the electron yield: its size is that of the iron oxides, and it can be undone."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import quad

from operando import xas
from operando.errors import OperandoError


def coefficients(values) -> xr.DataArray:
    return xr.DataArray(np.asarray(values, float), dims="energy", attrs={"units": "1/nm"})


def test_the_yield_is_the_integral_over_the_depth():
    mu, depth, angle, thickness = np.geomspace(1 / 500, 1 / 17, 12), 5.0, 30.0, 12.0
    slant = np.cos(np.deg2rad(angle))

    def integral(m, end):
        return quad(lambda z: m / slant * np.exp(-m * z / slant) * np.exp(-z / depth), 0, end)[0]

    thick = xas.tey_saturation(coefficients(mu), depth, angle=angle)
    thin = xas.tey_saturation(coefficients(mu), depth, angle=angle, thickness=thickness)
    np.testing.assert_allclose(thick, [integral(m, 400) for m in mu], rtol=1e-7)
    np.testing.assert_allclose(thin, [integral(m, thickness) for m in mu], rtol=1e-7)


def test_white_lines_of_iron_oxide_are_damped_as_published():
    """Escape depth 5 nm, 1/mu 17 nm at L3 and 52.5 nm at L2."""
    mu = coefficients([1 / 17, 1 / 52.5])
    l3, l2 = xas.tey_saturation(mu, 5.0).to_numpy() / (mu.to_numpy() * 5.0)
    assert l3 == pytest.approx(0.773, abs=5e-4)
    assert l2 == pytest.approx(0.913, abs=5e-4)
    assert l3 / l2 == pytest.approx(0.846, abs=5e-4)


@pytest.mark.parametrize("thickness", [None, 0.5, 4.0, 30.0])
@pytest.mark.parametrize("angle", [0.0, 60.0])
def test_what_saturates_can_be_undone(thickness, angle):
    mu = coefficients(np.geomspace(1e-5, 0.2, 50))
    back = xas.correct_tey_saturation(
        xas.tey_saturation(mu, 5.0, angle=angle, thickness=thickness), 5.0, angle=angle, thickness=thickness
    )
    np.testing.assert_allclose(back, mu, rtol=1e-12)
    assert back.attrs["units"] == "1/nm"


def test_a_thick_layer_is_the_thick_limit():
    mu = coefficients(np.geomspace(1e-4, 0.2, 20))
    np.testing.assert_allclose(xas.tey_saturation(mu, 5.0, thickness=500.0), xas.tey_saturation(mu, 5.0), rtol=1e-12)


def test_a_yield_beyond_one_is_not_explained():
    assert np.isnan(xas.correct_tey_saturation(coefficients([1.2]), 5.0)).all()


@pytest.mark.parametrize("wrong", [{"escape_depth": 0.0}, {"angle": 90.0}, {"thickness": -1.0}])
def test_impossible_samples_are_refused(wrong):
    with pytest.raises(OperandoError, match="expected"):
        xas.tey_saturation(coefficients([0.01]), **{"escape_depth": 5.0, **wrong})


def test_lazy_yields_stay_lazy():
    mu = coefficients(np.geomspace(1e-4, 0.2, 20))
    lazy = xas.correct_tey_saturation(xas.tey_saturation(mu.chunk(energy=7), 5.0, thickness=3.0), 5.0, thickness=3.0)
    assert lazy.chunks
    np.testing.assert_allclose(lazy.compute(), mu, rtol=1e-12)


IRON = {"material": "Fe2O3", "density": 5.24, "element": "Fe", "edge": "L3"}


def white_line() -> xr.DataArray:
    energy = np.linspace(690.0, 745.0, 221)
    rise = 2 / (3 + 3 * np.exp(-(energy - 708))) + 1 / (3 + 3 * np.exp(-(energy - 721)))
    values = rise + 8 * np.exp(-((energy - 709.5) ** 2)) + 3 * np.exp(-((energy - 722.5) ** 2))
    coords = {"energy": ("energy", energy, {"units": "eV"})}
    return xr.DataArray(values * np.ones((2, 1)), dims=("scan", "energy"), coords=coords)


@pytest.mark.parametrize("thickness", [None, 4.0])
def test_normalized_spectra_saturate_on_the_scale_of_the_tables(thickness):
    true = white_line()
    seen = xas.tey_saturation(true, 5.0, angle=45.0, thickness=thickness, **IRON)
    back = xas.correct_tey_saturation(seen.T.chunk(scan=1), 5.0, angle=45.0, thickness=thickness, **IRON)
    assert float(seen.max()) < 0.95 * float(true.max())
    assert float(seen[0, -1]) == pytest.approx(float(true[0, -1]), abs=0.01)
    assert back.dims == ("energy", "scan")
    np.testing.assert_allclose(back.compute().T, true, rtol=1e-11, atol=1e-12)


def test_normalized_saturation_is_that_of_the_coefficients():
    from operando.xas.edge_scale import edge_scale

    true = white_line()[0]
    scale = edge_scale("Fe2O3", 5.24, "Fe", "L3", true["energy"].to_numpy())
    yields = xas.tey_saturation(coefficients(scale.attenuation(true.to_numpy())), 5.0)
    without = xas.tey_saturation(coefficients(scale.below), 5.0)
    found = xas.tey_saturation(true, 5.0, **IRON)
    ratio = (yields - without).to_numpy() / found.to_numpy()
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)


def test_a_short_escape_depth_does_not_saturate():
    true = white_line()
    np.testing.assert_allclose(xas.tey_saturation(true, 1e-3, **IRON), true, rtol=1e-3, atol=1e-6)


def test_an_edge_is_needed_with_a_material():
    with pytest.raises(OperandoError, match="element and edge"):
        xas.tey_saturation(white_line(), 5.0, material="Fe2O3", density=5.24)
