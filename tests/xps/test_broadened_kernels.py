"""Broadened templates against quadrature of the convolution, at the ends of their parameters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import psi

from operando.xps.broadened_kernels import FULL_WIDTH, REACH, TOTAL, VALUE, broadened, placed
from operando.xps.templates import DONIACH_SUNJIC, LA, LF, digamma, power_area, template, template_areas

CASES = [
    (DONIACH_SUNJIC, (0.0,)),
    (DONIACH_SUNJIC, (0.49,)),
    (LA, (0.6, 0.6)),
    (LA, (10.0, 50.0)),
    (LA, (1.3, 4.0)),
    (LF, (0.5, 1.0, 5.0)),
    (LF, (0.54, 10.0, 80.0)),
    (LF, (10.0, 50.0, 500.0)),
]


def known(kind, shape):
    derivatives = np.empty(3)
    return lambda v: template(kind, v, shape, derivatives)


def padded(shape):
    return np.array([*shape, *[0.0] * (4 - len(shape))])


@pytest.mark.parametrize("share", [0.05, 0.4, 0.95])
@pytest.mark.parametrize(("kind", "shape"), CASES)
def test_broadened_line_is_the_convolution(kind, shape, share):
    shape = padded(shape)
    sigma = 2 * share / (1 - share) / FULL_WIDTH
    u = np.sort(np.array([-3.0, -1.0, -0.1, 0.0, 0.3, 1.0, 2.5, 8.0, -2 * sigma, 3 * sigma]))
    nodes = placed(kind, shape, sigma, (u[0] - REACH * sigma, u[-1] + REACH * sigma))
    found = broadened(u, sigma, nodes)
    value = known(kind, shape)
    line = []
    for at in u:
        bell = lambda v, at=at: value(v) * np.exp(-(((at - v) / sigma) ** 2) / 2)  # noqa: E731
        low, high = at - 9 * sigma, at + 9 * sigma
        marks = [mark for mark in (-1.0, -0.2, 0.0, 0.2, 1.0, at) if low < mark < high]
        line.append(quad(bell, low, high, points=sorted(set(marks)), limit=400, epsabs=1e-13)[0])
    line = np.array(line) / (sigma * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(found[VALUE], line, rtol=0, atol=1e-9 * line.max())


@pytest.mark.parametrize(("kind", "shape"), [case for case in CASES if case[0] != DONIACH_SUNJIC])
def test_area_left_of_the_kink_completes_the_integral(kind, shape):
    shape = padded(shape)
    left, right = template_areas(kind, shape)
    value = known(kind, shape)
    below = quad(value, -1.0, 0.0, limit=400)[0] + quad(lambda t: value(-1 / t) / t**2, 0.0, 1.0, limit=400)[0]
    assert left[0] == pytest.approx(below, rel=1e-6)
    nodes = placed(kind, shape, 0.5, (-60.0, 60.0))
    rows = broadened(np.array([-50.0, 50.0]), 0.5, nodes)
    assert rows[TOTAL, 0] + left[0] >= -1e-11
    assert rows[TOTAL, 1] <= right[0] * (1 + 1e-9)


def test_areas_of_powers_are_closed_forms():
    for power in (0.6, 1.0, 2.5, 30.0):
        area, slope = power_area(power)
        step = 1e-6 * power
        assert digamma(power) == pytest.approx(psi(power), abs=1e-11)
        assert slope == pytest.approx(
            (power_area(power + step)[0] - power_area(power - step)[0]) / (2 * step), rel=1e-6
        )
        assert area > 0
    assert power_area(1.0)[0] == pytest.approx(np.pi / 2, rel=1e-12)
