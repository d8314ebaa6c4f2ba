import crack_volumes as cv
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from operando import tomo
from operando.errors import OperandoError


def balls(radius, blur, contrast, *, noise=10.0, noise_blur=0.0, seed=0, edge=72):
    """Return a volume of bright balls in a lattice, with a box of zeros outside of the field of view."""
    rng = np.random.default_rng(seed)
    place = (np.arange(edge) + 0.5) % 36 - 18.3
    distance = np.sqrt(sum(axis**2 for axis in np.meshgrid(place, place, place, indexing="ij")))
    share = gaussian_filter(np.clip(radius - distance + 0.5, 0, 1), blur)
    shared = rng.standard_normal(share.shape)
    if noise_blur:
        shared = gaussian_filter(shared, noise_blur, mode="wrap")
    return 100 + contrast * share + noise * shared / shared.std()


@pytest.mark.parametrize("contrast", [0.0, 40.0, 400.0])
def test_noise_is_that_within_the_phases(contrast):
    ds = tomo.estimate_noise(balls(10, 0.7, contrast, seed=1))
    assert float(ds["noise"]) == pytest.approx(10, rel=0.02)
    assert float(ds["noise_blur"]) == 0


def test_a_masked_field_of_view_does_not_count():
    grey = balls(10, 0.7, 40.0, seed=2)
    grey[:, :40] = 0
    assert float(tomo.estimate_noise(grey)["noise"]) == pytest.approx(10, rel=0.02)


@pytest.mark.parametrize("noise_blur", [0.5, 0.8])
def test_blurred_noise_is_told(noise_blur):
    ds = tomo.estimate_noise(balls(10, 0.7, 0.0, noise_blur=noise_blur, seed=3))
    assert float(ds["noise_blur"]) == pytest.approx(noise_blur, rel=0.1)
    assert float(ds["noise"]) == pytest.approx(10, rel=0.08)


@pytest.mark.parametrize("blur", [0.7, 1.2])
@pytest.mark.parametrize("contrast", [40.0, 300.0])
def test_blur_is_that_of_the_edges_between_phases(blur, contrast):
    ds = tomo.estimate_blur(balls(14, blur, contrast, seed=4))
    assert float(ds["blur"]) == pytest.approx(blur, abs=0.08)
    assert 0 < float(ds["blur_std"]) < 0.05


def test_levels_given_and_found_tell_the_same_blur():
    grey = balls(14, 0.9, 200.0, seed=5)
    found, given = tomo.estimate_blur(grey), tomo.estimate_blur(grey, dark=100.0, light=300.0)
    assert float(found["blur"]) == pytest.approx(float(given["blur"]), abs=0.02)


def test_lazy_volumes_give_the_same():
    volume = cv.scanned(cv.crack_share(cv.direction(20), 12.0), np.random.default_rng(6))
    for estimate in (tomo.estimate_noise, tomo.estimate_blur):
        assert estimate(volume.chunk(z=20)).equals(estimate(volume))


def test_what_cannot_be_told_is_refused():
    flat = balls(10, 0.7, 0.0, seed=7)
    with pytest.raises(OperandoError, match="state 'blur' by hand"):
        tomo.estimate_blur(flat)
    with pytest.raises(OperandoError, match="clean edges"):
        tomo.estimate_blur(flat, dark=100.0, light=300.0)
    with pytest.raises(OperandoError, match="20 cubes of 6 voxels with noise, got 0"):
        tomo.estimate_noise(np.zeros((30, 30, 30)))
