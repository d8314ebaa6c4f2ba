"""Functions without branches against those of scipy, to the errors that they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erfc

from operando.xps.smooth_kernels import arctan_ratio, erfc_scaled, exp_falling

REACH = np.concatenate([np.linspace(0.0, 8.0, 1601), np.geomspace(8.0, 1e6, 200)])


def test_exponential_falls_as_it_should():
    assert max(abs(exp_falling(-y) - np.exp(-y)) for y in REACH) < 1e-12


def test_error_function_holds_everywhere():
    assert max(abs(erfc_scaled(a) * exp_falling(-a * a) - erfc(a)) for a in REACH) < 1e-12


@pytest.mark.parametrize("width", [0.1, 1.0, 30.0])
def test_arctangent_holds_everywhere_and_is_odd(width):
    for y in REACH:
        assert arctan_ratio(y, width) == pytest.approx(np.arctan2(y, width), abs=1e-13)
        assert arctan_ratio(-y, width) == pytest.approx(-arctan_ratio(y, width), abs=0)
