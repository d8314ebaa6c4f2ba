"""Counts behind rates: found where rates are whole counts in the time stated, never where that says nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operando.xps.formats.counting import (
    all_whole,
    common_divisor,
    counts_of,
    printed_digits,
    rounding,
    whole_counts,
)

COUNTS = np.random.default_rng(5).poisson(3000, 200).astype(float)
TIMES = st.floats(0.01, 100.0, allow_nan=False)


@given(duration=TIMES, low=st.integers(0, 5000), seed=st.integers(0, 99))
def test_exact_rates_give_their_counts_back(duration, low, seed):
    counts = np.random.default_rng(seed).poisson(low, 60).astype(float)
    found = counts_of(counts / duration, duration)
    if found is not None:
        np.testing.assert_array_equal(found, counts)
    assert found is not None or duration > 1


@given(duration=st.floats(0.2, 10.0), seed=st.integers(0, 99))
def test_scaled_counts_are_never_taken_for_counts(duration, seed):
    counts = np.random.default_rng(seed).poisson(3000, 60) * 1.0137
    assert counts_of(counts / duration, duration) is None


def test_six_digits_are_enough_where_they_can_tell():
    counts = np.random.default_rng(1).poisson(2500, 80).astype(float)
    rates = np.array([float(f"{value / 5.25:.6g}") for value in counts])
    np.testing.assert_array_equal(counts_of(rates, 5.25), counts)


@pytest.mark.parametrize("duration", [2.0, 5.0, 10.0])
def test_rates_rounded_to_whole_numbers_tell_nothing(duration):
    rates = np.round(np.random.default_rng(2).poisson(3000, 80) / duration)
    assert counts_of(rates, duration) is None


def test_missing_values_stay_missing_and_no_time_gives_no_counts():
    rates = np.array([10.0, np.nan, 12.0, 14.0])
    np.testing.assert_array_equal(counts_of(rates, 0.5), [5, np.nan, 6, 7])
    assert counts_of(rates, None) is None
    assert counts_of(rates, 0.0) is None
    assert counts_of(np.array([-4.0, 10.0, 12.0]), 0.5) is None
    assert counts_of(np.array([np.nan]), 1.0) is None


def test_whole_numbers_are_known_as_such():
    assert all_whole(np.array([1.0, np.nan, 3.0]))
    assert not all_whole(np.array([1.0, 2.5]))


@given(seconds=st.floats(1e-3, 1e3), scale=st.integers(1, 1000))
def test_counts_come_back_from_rates(seconds, scale):
    np.testing.assert_array_equal(whole_counts(COUNTS * scale / seconds, seconds, np.zeros(200)), COUNTS * scale)


@pytest.mark.parametrize("digits", [6, 8])
def test_counts_come_back_from_rates_that_were_printed(digits):
    printed = np.array([float(f"{rate:.{digits}g}") for rate in COUNTS / 0.3])
    np.testing.assert_array_equal(whole_counts(printed, 0.3, rounding(printed, digits)), COUNTS)


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


@pytest.mark.parametrize("wild", [1e300, 1e19, -1e300])
def test_a_number_that_no_detector_counts_gives_no_counts(wild):
    rates = np.random.default_rng(6).poisson(3000, 60) / 0.5
    rates[7] = wild
    assert counts_of(rates, 0.5) is None
    assert whole_counts(rates, 0.5, np.zeros(60)) is None


def test_counts_that_were_all_multiplied_are_not_taken_for_counts():
    assert counts_of(COUNTS * 10 / 0.3, 0.3) is None


@pytest.mark.parametrize("digits", [6, 7, 9, 12])
def test_the_digits_that_numbers_are_written_with_are_found(digits):
    values = np.array([float(f"{value:.{digits}g}") for value in np.random.default_rng(7).uniform(1, 1e5, 300)])
    assert printed_digits(values) == digits
