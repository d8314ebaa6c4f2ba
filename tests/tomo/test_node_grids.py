"""Affine maps through the nodes around each: what they keep, what they average, what they blur."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.special import ndtr

from operando.tomo.node_grids import Field, NodeGrid, around_each

COUNT, SPACING, WINDOW = 12, 10, 5
GRID = NodeGrid(np.zeros(3, np.int64), np.full(3, SPACING, np.int64), (COUNT,) * 3)
"""Windows that do not overlap."""
NODES = COUNT**3
STD = np.r_[np.full(3, 0.1), np.full(9, 0.01)]
EVERY = np.ones(NODES, bool)


def field(shift, gradient):
    covariance = np.broadcast_to(np.diag(STD**2), (NODES, 12, 12)).copy()
    return Field(np.broadcast_to(shift, (NODES, 3)), np.broadcast_to(gradient, (NODES, 3, 3)), covariance)


def smooth(one, length, gradients):
    return around_each(GRID, one, EVERY, length, WINDOW, gradients=gradients)


@pytest.mark.parametrize(
    "gradient",
    [np.zeros((3, 3)), 0.02 * np.eye(3), np.array([[0, 0, 0.03], [0, 0, 0], [0, -0.01, 0]])],
    ids=["shift", "stretch", "shear"],
)
def test_affine_fields_stay_as_they_are_at_the_faces_too(gradient):
    true = field(np.array([1.0, -2, 3]) + GRID.voxels @ gradient.T, gradient)
    found = smooth(true, 1.5, gradients=True)
    np.testing.assert_allclose(found.shift, true.shift, atol=1e-11)
    np.testing.assert_allclose(found.gradient, true.gradient, atol=1e-12)


@pytest.mark.parametrize("gradients", [True, False])
def test_noise_of_displacements_falls_as_the_weights_say(gradients):
    """Within the volume by sqrt(sum w^2)/sum w: gradients add nothing to the value in the middle."""
    length, reach = 1.0, 3
    random = np.random.default_rng(5)
    noisy = field(0.1 * random.standard_normal((NODES, 3)), 0.01 * random.standard_normal((NODES, 3, 3)))
    found = smooth(noisy, length, gradients)
    squared = np.array([np.dot(one, one) for one in product(range(-reach, reach + 1), repeat=3)])
    weight = np.exp(-squared[squared <= reach**2] / (2 * length**2))
    expected = 0.1 * np.sqrt((weight**2).sum()) / weight.sum()
    index = np.indices(GRID.counts)
    inner = ((index >= reach) & (index < COUNT - reach)).all(axis=0).ravel()
    np.testing.assert_allclose(np.sqrt(found.covariance[inner, 0, 0]), expected, rtol=1e-9)
    # Some 216/11 means that share nothing, three components.
    np.testing.assert_allclose(found.shift[inner].std(), expected, rtol=3.3 / np.sqrt(2 * 60))


@pytest.mark.parametrize("length", [1.0, 1.5])
def test_a_step_is_spread_over_the_length(length):
    """A Gaussian of that standard deviation, cut at 2.5 of them."""
    step = np.where(GRID.voxels[:, :1] < SPACING * (COUNT - 1) / 2, 0.0, 1.0) * np.ones(3)
    found = smooth(field(step, np.zeros((3, 3))), length, gradients=True)
    line = found.shift.reshape(*GRID.counts, 3)[:, COUNT // 2, COUNT // 2, 0]
    np.testing.assert_allclose(line, ndtr((np.arange(COUNT) - (COUNT - 1) / 2) / length), atol=0.025)
