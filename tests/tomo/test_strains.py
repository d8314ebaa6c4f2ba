"""What follows from a deformation gradient is what mechanics says, and its uncertainty what repeats show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operando.tomo.rigid_motion import small_motion
from operando.tomo.strains import strain_columns

SMALL = st.lists(st.floats(-0.2, 0.2), min_size=3, max_size=3)


@given(st.lists(st.floats(-2, 2), min_size=3, max_size=3), SMALL)
def test_a_rotation_adds_no_strain(turn, stretch):
    rotation = small_motion(np.r_[0, 0, 0, turn], "rigid")[:3, :3]
    one, other = (
        strain_columns(f, np.zeros((9, 9)), ())
        for f in (np.diag(1 + np.array(stretch)), rotation @ np.diag(1 + np.array(stretch)))
    )
    for name in ("strain", "principal_strain", "volume_ratio", "anisotropy"):
        np.testing.assert_allclose(one[name][1], other[name][1], atol=1e-10)
    np.testing.assert_allclose(np.diag(one["strain"][1]), ((1 + np.array(stretch)) ** 2 - 1) / 2, atol=1e-12)
    assert float(one["volume_ratio"][1]) == pytest.approx(np.prod(1 + np.array(stretch)))


def test_uncertainties_are_those_of_repeats():
    noise = np.random.default_rng(4)
    gradient = np.eye(3) + np.array([[0.05, 0.02, 0], [0, -0.03, 0.01], [0.02, 0, 0.01]])
    root = 1e-3 * noise.normal(size=(9, 9))
    many = gradient + (noise.normal(size=(20000, 9)) @ root.T).reshape(-1, 3, 3)
    said = strain_columns(gradient, root @ root.T, ())
    seen = strain_columns(many, np.zeros((20000, 9, 9)), ("repeat",))
    for name in ("strain", "principal_strain", "volume_ratio", "anisotropy", "deformation_gradient"):
        np.testing.assert_allclose(said[f"{name}_std"][1], seen[name][1].std(axis=0), rtol=0.05)


def test_an_unknown_gradient_gives_nothing():
    gradient = np.array([np.eye(3), np.full((3, 3), np.nan)])
    found = strain_columns(gradient, np.zeros((2, 9, 9)), ("node",))
    assert all(np.isfinite(values[0]).all() and np.isnan(values[1]).all() for _, values in found.values())
