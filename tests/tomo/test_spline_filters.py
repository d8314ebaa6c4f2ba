"""Short filters give the cubic splines that scipy gives."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from operando.tomo.spline_filters import REACH, coefficients, slopes, smoothed

VALUES = np.random.default_rng(2).normal(size=(30, 28, 33)).astype(np.float32)


def test_coefficients_are_those_of_scipy():
    expected = ndimage.spline_filter(VALUES.astype(np.float64), 3, mode="mirror")
    np.testing.assert_allclose(coefficients(VALUES), expected, atol=3e-6 * np.abs(expected).max())


def test_slopes_are_those_of_the_spline():
    for axis, found in enumerate(slopes(VALUES)):
        spline = ndimage.spline_filter1d(VALUES.astype(np.float64), 3, axis, mode="mirror")
        expected = (np.roll(spline, -1, axis) - np.roll(spline, 1, axis)) / 2
        inner = tuple(slice(1, -1) if n == axis else slice(None) for n in range(3))
        np.testing.assert_allclose(found[inner], expected[inner], atol=3e-6 * np.abs(expected).max())


def test_what_lies_farther_than_their_reach_changes_no_bit():
    part = slice(5, 30)
    np.testing.assert_array_equal(coefficients(VALUES)[5 + REACH :], coefficients(VALUES[part])[REACH:])
    np.testing.assert_array_equal(slopes(VALUES)[:, 6 + REACH :], slopes(VALUES[part])[:, 1 + REACH :])


def test_volumes_are_smoothed_by_a_gaussian():
    found = ndimage.gaussian_filter(VALUES.astype(np.float64), 0.7, mode="mirror", radius=3)
    np.testing.assert_allclose(smoothed(VALUES, 0.7, 3), found, atol=2e-6)
    assert smoothed(VALUES, 0.0, 0) is VALUES


def test_lines_shorter_than_a_filter_are_mirrored_again_and_again():
    thin = VALUES[:, :2, :1]
    found = ndimage.gaussian_filter(thin.astype(np.float64), 1.5, mode="mirror", radius=6)
    np.testing.assert_allclose(smoothed(thin, 1.5, 6), found, atol=2e-6)


def test_what_is_the_same_all_over_has_no_slopes():
    np.testing.assert_array_equal(slopes(np.full((9, 8, 7), 44714.3, np.float32)), 0)
