"""Counts are told from rates only where the numbers show that electrons were counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operando.xps.formats.whole_counts import common_divisor, rounding, whole_counts

COUNTS = np.random.default_rng(5).poisson(3000, 200).astype(float)


@given(seconds=st.floats(1e-3, 1e3), scale=st.integers(1, 1000))
def test_counts_come_back_from_rates(seconds, scale):
    np.testing.assert_array_equal(whole_counts(COUNTS * scale / seconds, seconds), COUNTS * scale)


@pytest.mark.parametrize("digits", [6, 8])
def test_counts_come_back_from_rates_that_were_printed(digits):
    printed = np.array([float(f"{rate:.{digits}g}") for rate in COUNTS / 0.3])
    np.testing.assert_array_equal(whole_counts(printed, 0.3, rounding(printed, digits) * 0.3), COUNTS)


def test_other_numbers_and_unknown_times_give_no_counts():
    assert whole_counts(COUNTS * 1.0371, 1.0) is None
    assert whole_counts(-COUNTS, 1.0) is None
    assert whole_counts(COUNTS, None) is None
    assert whole_counts(COUNTS, 0.0) is None
    assert whole_counts(COUNTS, np.nan) is None
    assert whole_counts(COUNTS, 1.0, 0.4) is None
    one = COUNTS.copy()
    one[17] += 0.3
    assert whole_counts(one, 1.0) is None


def test_missing_points_stay_missing():
    values = np.where(np.arange(200) < 150, COUNTS, np.nan)
    np.testing.assert_array_equal(whole_counts(values, 1.0), values)


def test_a_common_divisor_says_that_counts_were_multiplied():
    assert common_divisor(COUNTS) == 1
    assert common_divisor(COUNTS * 10) == 10
    assert common_divisor(np.where(np.arange(200) < 5, 4.0, 0.0)) == 1
