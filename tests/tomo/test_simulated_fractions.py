"""Voids and cracks of the simulated composite, whose shares of every voxel are known."""

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from scipy import ndimage
from scipy.stats import norm

from operando.example_scans import microstructure, parameters, tomography
from operando.tomo import fractions, histogram, threshold_mixture
from operando.tomo.phases import segment


@pytest.fixture(scope="module")
def composite():
    """Return a function from the charge passed to grey levels and to the shares of voxels that are void."""
    made = parameters.load("small", overrides={"tomography": {"voxels": 72, "pore_fraction": 0.01}})
    law = made.tomography
    fixed = microstructure.structure(law, 3)

    def at(passed):
        volume = microstructure.volume(law, fixed, microstructure.state(law, fixed, 0.3, passed))
        return xr.DataArray(tomography.reconstructed(made, 1, volume, 3), dims=("z", "y", "x")), volume

    law_levels = [law.grey_zero] + [
        law.grey_zero + law.grey_per_attenuation / law.attenuation_lengths[name] for name in ("electrolyte", "ncm")
    ]
    return at, law_levels


@pytest.mark.parametrize("passed", [0.3, 0.6, 1.0])
def test_grey_levels_keep_cracks_whole_that_thresholds_change(composite, passed):
    """Around cracks that open to 2 and 4 voxels, away from the particles."""
    at, (dark, bright, _) = composite
    grey, volume = at(passed)
    away = ~ndimage.binary_dilation(volume.ncm > 0, iterations=4)
    near = ndimage.binary_dilation(volume.label == microstructure.CRACK, iterations=6) & away
    limits = xr.Dataset({"threshold": ("boundary", [(dark + bright) / 2]), "grey_level": ("phase", [dark, bright])})
    true = volume.void[near].mean()
    by_grey = fractions(grey, limits, mask=near, method="grey")["fraction"][0]
    noise = 1000 / (bright - dark) / np.sqrt(near.sum())
    assert abs(by_grey - true) < 0.02 * true + 3.3 * noise


def test_particles_are_found_between_voxels_that_they_share_with_the_electrolyte(composite):
    at, levels = composite
    grey, volume = at(0.6)
    found = threshold_mixture(histogram(grey), levels=levels)
    assert_allclose(found["grey_level"][1:], levels[1:], rtol=0.02)
    assert_allclose(found["threshold"][1], (levels[1] + levels[2]) / 2, rtol=0.03)
    particles = segment(grey, found["threshold"].values, ["void", "electrolyte", "ncm"]) == 3
    assert_allclose(particles.mean(), volume.ncm.mean(), rtol=0.03)


@pytest.mark.parametrize("blur", [0.7, 1.2, 1.8])
def test_a_margin_of_three_widths_of_the_blur_keeps_a_third_phase_out(blur):
    """A plane of a phase twenty times as bright: what it adds beyond the margin is its contrast times the tail."""
    edge, wide = 60, np.sqrt(blur**2 + 1 / 12)
    dark, bright, third = 100.0, 200.0, 2200.0
    grey = np.full((edge, edge, edge), dark)
    grey[:, : edge // 2] = bright
    grey[:, :, :20] = third
    grey = ndimage.gaussian_filter(grey, blur, mode="nearest")
    limits = xr.Dataset({"threshold": ("boundary", [150.0, 1200.0]), "grey_level": ("phase", [dark, bright, third])})
    enough = int(np.ceil(3.3 * wide - 0.5))

    def error(margin):
        found = fractions(grey, limits, method="grey", margin=margin)["fraction"].to_numpy()
        return found[1] / (found[0] + found[1]) - 0.5

    columns = edge - 20 - enough
    # The next column is half a voxel or more beyond the margin; all that lies behind it adds up.
    left = (third - dark) / (bright - dark) * wide * 1.1 * norm.sf(3.3) / columns
    assert abs(error(enough)) < left
    assert error(enough - 1) > 2 * abs(error(enough))
