"""The lines that the fit is made of: area, width, cumulative and derivatives of every shape, against quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lmfit.models import PseudoVoigtModel
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import voigt_profile

from operando.xps.line_codes import ROWS, SHAPE_PARAMETERS, TOTAL
from operando.xps.line_kernels import fill, line_functions
from operando.xps.line_shapes import SHAPES

NAMES = list(SHAPES)
ENERGY = np.linspace(150.0, 180.0, 301)
UNTOUCHED = 7.0


def rows(name, position, fwhm, parameters, energy=ENERGY):
    shape = SHAPES[name]
    values = np.zeros(SHAPE_PARAMETERS)
    values[: len(parameters)] = parameters
    out = np.full((ROWS, energy.size), UNTOUCHED)
    fill(
        line_functions([shape.code]), shape.code, np.ascontiguousarray(energy, dtype=float), position, fwhm, values, out
    )
    return out


def inside(name, parts):
    """Return parameters of a shape at these parts of the way between their bounds."""
    return [p.lower + part * (p.upper - p.lower) for p, part in zip(SHAPES[name].parameters, parts, strict=False)]


PARTS = st.tuples(*[st.floats(0.0, 1.0)] * SHAPE_PARAMETERS)
WIDTHS = st.floats(0.3, 4.0)
POSITIONS = st.floats(155.0, 175.0)


@pytest.mark.parametrize("name", NAMES)
@given(parts=PARTS, fwhm=WIDTHS, position=POSITIONS)
@settings(max_examples=15, deadline=None)
def test_fwhm_is_the_full_width_at_half_maximum_and_position_the_maximum(name, parts, fwhm, position):
    shape = inside(name, parts)

    def height(energy):
        return rows(name, position, fwhm, shape, np.array([position - 15.0, energy, position + 15.0]))[0, 1]

    top = height(position)
    around = position + np.concatenate([[-15.0], fwhm * np.linspace(-3, 3, 601), [15.0]])
    assert rows(name, position, fwhm, shape, around)[0].max() <= top * (1 + 1e-12)
    low = brentq(lambda at: height(at) - top / 2, position - 5 * fwhm, position, xtol=1e-13)
    high = brentq(lambda at: height(at) - top / 2, position, position + 5 * fwhm, xtol=1e-13)
    assert high - low == pytest.approx(fwhm, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
@given(parts=PARTS, fwhm=WIDTHS, position=POSITIONS)
@settings(max_examples=15, deadline=None)
def test_cumulative_is_the_integral_of_the_line(name, parts, fwhm, position):
    shape = inside(name, parts)
    nodes, weights = np.polynomial.legendre.leggauss(12)
    edges = np.unique(np.concatenate([np.linspace(150.0, 180.0, 401), position + fwhm * np.linspace(-2, 2, 401)]))
    edges = edges[(edges >= 150.0) & (edges <= 180.0)]
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    energy = np.sort(np.concatenate([edges, (middle[:, None] + half[:, None] * nodes).ravel()]))
    out = rows(name, position, fwhm, shape, energy)
    parted = out[0][np.searchsorted(energy, middle[:, None] + half[:, None] * nodes)]
    integral = np.concatenate([[0.0], np.cumsum((parted * weights).sum(axis=1) * half)])
    total = out[TOTAL][np.searchsorted(energy, edges)]
    np.testing.assert_allclose(total - total[0], integral, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
@given(parts=st.tuples(*[st.floats(0.02, 0.98)] * SHAPE_PARAMETERS), fwhm=WIDTHS, position=POSITIONS)
@settings(max_examples=15, deadline=None)
def test_derivatives_are_those_of_finite_differences(name, parts, fwhm, position):
    point = np.array([position, fwhm, *inside(name, parts)])
    out = rows(name, point[0], point[1], point[2:])
    for k in range(point.size):
        step = 1e-5 * max(0.1, abs(point[k])) if k else 2e-5 * fwhm
        above, below = point.copy(), point.copy()
        above[k] += step
        below[k] -= step
        expected = (rows(name, above[0], above[1], above[2:]) - rows(name, below[0], below[1], below[2:])) / (2 * step)
        for first in (0, TOTAL):
            scale = np.abs(expected[first]).max() + out[first].max()
            np.testing.assert_allclose(out[first + 1 + k], expected[first], rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("name", NAMES)
def test_a_shape_fills_a_row_for_each_of_its_parameters(name):
    used = 3 + len(SHAPES[name].parameters)
    out = rows(name, 165.0, 1.2, [p.start for p in SHAPES[name].parameters])
    assert np.isfinite(out).all()
    assert all((out[k] != UNTOUCHED).any() for k in (*range(used), *range(TOTAL, TOTAL + used)))


def test_unknown_code_gives_no_numbers():
    out = np.zeros((ROWS, 5))
    fill(line_functions([0]), 99, np.arange(5.0), 2.0, 1.0, np.zeros(SHAPE_PARAMETERS), out)
    assert np.isnan(out[[0, TOTAL]]).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "broken", [("position", np.nan), ("fwhm", np.nan), ("fwhm", 0.0), ("fwhm", -1.0), ("shape", np.nan)]
)
def test_parameters_that_make_no_line_give_no_numbers(name, broken):
    key, value = broken
    shape = [value if key == "shape" else p.start for p in SHAPES[name].parameters]
    given = {"position": 165.0, "fwhm": 1.2, **({key: value} if key != "shape" else {})}
    assert np.isnan(rows(name, given["position"], given["fwhm"], shape)[[0, TOTAL]]).all()


@pytest.mark.parametrize("mixing", [0.0, 0.3, 1.0])
def test_gl_sum_is_the_pseudo_voigt_of_lmfit(mixing):
    model = PseudoVoigtModel()
    expected = model.eval(x=ENERGY, amplitude=1.0, center=164.3, sigma=0.6, fraction=mixing)
    np.testing.assert_allclose(rows("gl_sum", 164.3, 1.2, [mixing])[0], expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("mixing", [0.0, 0.01, 0.026, 0.03, 0.3, 0.7, 0.99])
def test_gl_product_is_the_product_stretched_to_its_width(mixing):
    def product(t):
        return np.exp(-4 * np.log(2) * (1 - mixing) * t**2) / (1 + 4 * mixing * t**2)

    half = brentq(lambda t: product(t) - 0.5, 0.3, 0.7, xtol=1e-15)
    area = 2 * sum(quad(product, low, high, epsabs=1e-13)[0] for low, high in ((0, 1), (1, 5), (5, 30), (30, 200)))
    t = (ENERGY - 164.3) / 1.2 * 2 * half
    found = rows("gl_product", 164.3, 1.2, [mixing])
    np.testing.assert_allclose(found[0], product(t) / area * 2 * half / 1.2, rtol=0, atol=1e-10)
    ends = rows("gl_product", 164.3, 1.2, [mixing], np.array([-1e4, 164.3, 1e4]))[TOTAL]
    np.testing.assert_allclose(ends, [0.0, 0.5, 1.0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("mixing", [0.0, 1e-6, 0.1, 0.5, 0.9, 0.9999])
def test_voigt_is_that_of_scipy(mixing):
    half = mixing / 2

    def misfit(sigma):
        return voigt_profile(0.5, sigma, half) - voigt_profile(0.0, sigma, half) / 2

    sigma = brentq(misfit, 1e-4, 1.0, xtol=1e-15)
    position, fwhm = 164.3, 1.2
    out = rows("voigt", position, fwhm, [mixing])
    z = ENERGY - position
    np.testing.assert_allclose(out[0], voigt_profile(z, sigma * fwhm, half * fwhm), rtol=0, atol=1e-10)
    for k in (0, 100, 140, 150, 290):
        above = quad(voigt_profile, z[k], 0, (sigma * fwhm, half * fwhm), epsabs=1e-12, limit=200)[0]
        assert out[TOTAL, k] == pytest.approx(0.5 - above, abs=1e-10)
