"""Noise leaves, edges stay, and blocks do not show."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage
from simulated_volumes import LAW, as_volume, composite, grey_values

from operando.errors import OperandoError
from operando.example_scans import parameters, tomography
from operando.history import entries
from operando.tomo import denoise
from operando.tomo.edge_preserving import bilateral, non_local_means

NOISE = LAW.noise * LAW.grey_per_attenuation
PART = np.s_[:40, :40, :40]


@pytest.fixture(scope="module")
def true():
    mu = tomography.attenuation(parameters.load("small"), composite())
    return (LAW.grey_zero + LAW.grey_per_attenuation * ndimage.gaussian_filter(mu, LAW.blur, mode="nearest"))[PART]


@pytest.fixture(scope="module")
def noisy():
    return as_volume(grey_values()[PART]).assign_attrs(units="counts")


@pytest.mark.parametrize(
    ("method", "flat", "everywhere"), [("median", 0.3, 1.05), ("bilateral", 0.25, 0.9), ("nlm", 0.15, 0.65)]
)
def test_noise_leaves_and_edges_stay(noisy, true, method, flat, everywhere):
    found = denoise(noisy, method)
    wrong = found.to_numpy().astype(float) - true
    quiet = ndimage.gaussian_gradient_magnitude(true, 1.5) < 20
    assert quiet.sum() > 500
    assert wrong[quiet].std() < flat * NOISE
    assert wrong.std() < everywhere * NOISE
    assert abs(wrong[quiet].mean()) < 0.1 * NOISE
    assert found.attrs["units"] == "counts"
    assert found.dtype == (noisy.dtype if method == "median" else np.float32)
    assert entries(found)[-1]["parameters"]["method"] == method


@pytest.mark.parametrize("method", ["median", "bilateral", "nlm"])
@pytest.mark.parametrize("chunks", [{"z": 8, "y": 20, "x": 10}, {"z": 21, "y": 7, "x": 18}])
def test_chunks_make_no_difference(noisy, method, chunks):
    series = xr.concat([noisy, 2 * noisy.astype(np.uint32)], "scan")[:, :21, :20, :18]
    whole = denoise(series, method)
    lazy = denoise(series.chunk(chunks), method)
    assert lazy.chunks is not None
    assert lazy.dims == series.dims
    np.testing.assert_array_equal(lazy.to_numpy(), whole.to_numpy())


def test_each_volume_is_filtered_by_its_own_noise(noisy):
    small = noisy[:20, :20, :20].astype(np.float32)
    both = denoise(xr.concat([small, 3 * small], "scan"), "nlm", search=2)
    np.testing.assert_allclose(both[1], 3 * both[0], rtol=1e-4)


def test_a_wild_voxel_leaves_by_the_median(noisy):
    wild = noisy.copy(deep=True)
    wild.values[20, 20, 20] = 65535
    np.testing.assert_allclose(denoise(wild)[20, 20, 20], denoise(noisy)[20, 20, 20], atol=2 * NOISE)


def test_a_step_far_above_the_noise_stays_sharp():
    step = np.where(np.arange(24) < 12, 0.0, 100.0) * np.ones((24, 24, 1))
    grey = as_volume(step + np.random.default_rng(3).normal(size=step.shape))
    for method in ("bilateral", "nlm"):
        found = denoise(grey, method).to_numpy()
        np.testing.assert_allclose(found[..., 11], 0, atol=2.5)
        np.testing.assert_allclose(found[..., 12], 100, atol=2.5)


def test_the_bilateral_mean_is_that_of_the_formula():
    block = np.random.default_rng(5).normal(size=(5, 5, 5)).astype(np.float32)
    offsets = np.indices((5, 5, 5)).reshape(3, -1).T - 2
    near = (offsets**2).sum(axis=1) <= 4
    apart = block.ravel() - block[2, 2, 2]
    weight = near * np.exp(-(offsets**2).sum(axis=1) / (2 * 0.8**2) - apart**2 / (2 * 1.5**2))
    found = bilateral(block, radius=2, sigma_place=0.8, sigma_grey=1.5)
    assert found[2, 2, 2] == pytest.approx((weight * block.ravel()).sum() / weight.sum(), rel=1e-5)


def test_the_non_local_mean_is_that_of_the_formula():
    block = np.random.default_rng(6).normal(size=(5, 5, 5)).astype(np.float64)
    padded = np.pad(block, 2, mode="symmetric")
    middle, weights, values = padded[3:6, 3:6, 3:6], [], []
    for offset in np.ndindex(3, 3, 3):
        if offset != (1, 1, 1):
            part = padded[tuple(slice(2 + o, 5 + o) for o in offset)]
            distance = max(((part - middle) ** 2).mean() - 2 * 0.5**2, 0)
            weights.append(np.exp(-distance / (2.0 * 0.5) ** 2))
            values.append(part[1, 1, 1])
    weights, values = np.array([*weights, max(weights)]), np.array([*values, block[2, 2, 2]])
    found = non_local_means(block, patch=1, search=1, noise=0.5, strength=2.0)
    assert found[2, 2, 2] == pytest.approx((weights * values).sum() / weights.sum(), rel=1e-5)


def test_plain_arrays_and_volumes_without_noise_pass():
    flat = np.full((6, 6, 6), 7.0)
    for method in ("median", "bilateral", "nlm"):
        np.testing.assert_array_equal(denoise(flat, method), 7)
    np.testing.assert_allclose(denoise(flat, "nlm", noise=1.0), 7)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "magic"}, "method to be one of median, bilateral, nlm"),
        ({"size": 4}, "an odd size, got 4"),
        ({"patch": 0}, "patch and search from 1"),
        ({"noise": -1.0}, "noise above 0"),
        ({"sigma": 0.0}, "sigma above 0"),
    ],
)
def test_mistakes_are_named(settings, message):
    with pytest.raises(OperandoError, match=message):
        denoise(np.zeros((4, 4, 4)), **settings)
