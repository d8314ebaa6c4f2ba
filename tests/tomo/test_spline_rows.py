"""Rows of voxels get the values and slopes of the cubic spline, however the map turns them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from operando.tomo.spline_rows import LANES, WORK, sample_box

SHAPE, SIZES = (30, 32, 34), (7, 6, 19)
CELL, BEGIN = (15, 16, 17), (-3, -3, -9)
COEFFICIENTS = np.random.default_rng(3).normal(size=SHAPE).astype(np.float32)
MAPS = {
    "rest": np.eye(3),
    "stretch": np.diag([1.02, 0.97, 1.04]),
    "steep shear": np.eye(3) + np.array([[0, 0, 0.4], [0, 0, 0], [0.1, 0, 0]]),
    "turn": Rotation.from_rotvec(np.deg2rad([40.0, 0, 20])).as_matrix() * 0.6,
    "mirror": np.diag([1.0, 1, -1]),
}


def sampled(matrix, shift, level=0.0, seen=None):
    """Return slopes along z, y, x and values at the voxels of a box, dims (4, z, y, x)."""
    count, work = int(np.prod(SIZES)), np.empty(WORK, np.float32)
    lines = np.full((5, count + LANES), np.nan, np.float32)
    lines[0, :count] = 1 if seen is None else seen.ravel()
    flat = np.concatenate([COEFFICIENTS.ravel() + np.float32(level), np.zeros(LANES, np.float32)])
    motion = np.r_[shift, matrix.ravel()]
    sample_box(flat, SHAPE, BEGIN, SIZES, CELL, motion, lines.ravel(), count + LANES, 0, 1, work, True)
    return lines[1:, :count].reshape(4, *SIZES)


def places(matrix, shift):
    """Return where voxels of the box come to lie, dims (3, z, y, x)."""
    away = np.moveaxis(np.indices(SIZES), 0, -1) + BEGIN
    return np.moveaxis(away @ matrix.T + shift + CELL, -1, 0)


def spline(place):
    return ndimage.map_coordinates(COEFFICIENTS.astype(np.float64), place, order=3, prefilter=False)


@pytest.mark.parametrize("matrix", MAPS.values(), ids=MAPS)
def test_values_and_slopes_are_those_of_the_spline(matrix):
    shift = np.array([0.3, -0.7, 0.45])
    place, found, step = places(matrix, shift), sampled(matrix, shift), 1e-4
    at_node = COEFFICIENTS[tuple(np.floor(shift).astype(int) + CELL)]
    np.testing.assert_allclose(found[3] + at_node, spline(place), atol=3e-6)
    for axis, slope in enumerate(found[:3]):
        along = step * np.eye(3)[axis].reshape(3, 1, 1, 1)
        np.testing.assert_allclose(slope, (spline(place + along) - spline(place - along)) / (2 * step), atol=3e-6)


def test_voxels_that_are_not_seen_change_no_other():
    seen = np.random.default_rng(4).random(SIZES) < 0.6
    shift = np.array([0.3, -0.7, 0.45])
    some, every = (sampled(MAPS["stretch"], shift, seen=one) for one in (seen, None))
    np.testing.assert_allclose(some[:, seen], every[:, seen], atol=2e-6)
    assert np.isfinite(some).all()


def test_grey_levels_far_from_0_keep_their_digits():
    """To what single precision holds of the coefficients themselves: 3e4 to 0.001."""
    shift = np.array([0.3, -0.7, 0.45])
    near, far = (sampled(MAPS["stretch"], shift, level) for level in (0.0, 3e4))
    np.testing.assert_allclose(far[3], near[3], atol=0.003)
    np.testing.assert_allclose(far[:3], near[:3], atol=0.003)
