"""Regularized fields bend no affine map, and a repeat at rest tells errors that single scans do not."""

from __future__ import annotations

import numpy as np
import pytest
from moved_textures import NOISE, REST, deformed, true_shift, volume
from scipy import ndimage

from operando.tomo import correlate
from operando.tomo.rigid_motion import small_motion

SIZE, SHIFT = 48, (0.4, -0.3, 0.25)
SETTINGS = {"spacing": 9, "window": 11, "start": REST}
TURN = small_motion(np.r_[0, 0, 0, np.deg2rad([0.0, 3.0, 0.0])], "rigid")[:3, :3]
SHEAR = np.array([[1, 0, 0.03], [0, 1, 0], [0, 0, 1.0]])


@pytest.fixture(scope="module")
def texture():
    return deformed(SIZE)


@pytest.fixture(scope="module")
def sheared():
    return deformed(SIZE, SHEAR, SHIFT)


def errors(found, gradient):
    """Return errors of displacements, voxels, and of gradients."""
    edge = 0.5
    shift = (found["displacement"] - true_shift(found, gradient, SHIFT, SIZE)) / edge
    return shift.to_numpy(), (found["deformation_gradient"] - gradient).to_numpy()


@pytest.mark.parametrize("gradient", [1.02 * np.eye(3), TURN], ids=["+2 %", "3 deg"])
def test_regularization_bends_no_affine_map(texture, gradient):
    """What is left is the error of the interpolation."""
    moved = volume(deformed(SIZE, gradient, SHIFT))
    found = correlate(volume(texture), moved, regularization=18, **SETTINGS)
    shift, slope = errors(found, gradient)
    assert np.abs(shift).max() < 3e-3
    assert np.abs(slope).max() < 3e-4


def test_a_shear_keeps_its_size_while_noise_falls_as_it_is_said_to(texture, sheared):
    """Lengths of two spacings: most of 125 nodes have a part in each."""
    random = np.random.default_rng(51)
    still, moved = (volume(one + NOISE * random.standard_normal(one.shape)) for one in (texture, sheared))
    rough, smooth = (correlate(still, moved, regularization=length, **SETTINGS) for length in (0, 18))
    (shift, slope), (smooth_shift, smooth_slope) = errors(rough, SHEAR), errors(smooth, SHEAR)
    for name, before, after in (
        ("displacement_std", shift, smooth_shift),
        ("deformation_gradient_std", slope, smooth_slope),
    ):
        told = float(np.sqrt((smooth[name] ** 2).mean() / (rough[name] ** 2).mean()))
        assert told < 0.35
        assert 0.5 * told < np.sqrt((after**2).mean() / (before**2).mean()) < 1.5 * told
    assert abs(float(smooth["deformation_gradient"].mean(["z", "y", "x"])[0, 2]) - 0.03) < 3e-4


def test_a_repeat_tells_what_noise_shared_by_far_neighbors_adds(texture, sheared):
    """Noise blurred by 3 voxels, beyond the lags at which what is shared is looked for; factors to some 8 % each."""
    pulls = []
    for seed in (52, 62):
        noise = (NOISE * _blurred(seed + n) for n in range(3))
        still, again, moved = (volume(one + next(noise)) for one in (texture, texture, sheared))
        both = (correlate(still, moved, repeat=one, **SETTINGS) for one in (None, again))
        pulls.append([0.5 * errors(one, SHEAR)[0] / one["displacement_std"].to_numpy() for one in both])
    alone, told = np.sqrt(np.nanmean(np.square(pulls), axis=(0, 2, 3, 4, 5)))
    assert alone > 1.15
    assert abs(told - 1) < 3.3 * 0.08 / np.sqrt(2)


def _blurred(seed):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((SIZE,) * 3), 3.0, mode="wrap")
    return noise / noise.std()
