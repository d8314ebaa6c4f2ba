"""Aligned images show the same place in every frame."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from image_stacks import as_images, displaced, pattern, walk

from operando.errors import OperandoError
from operando.flags import Flag
from operando.xas import xpeem


@pytest.fixture
def moving():
    """Return a smooth pattern in 7 places without noise, the drift as a Dataset, and the pattern where it was."""
    noise, shape = np.random.default_rng(8), (90, 100)
    waves, places = pattern(shape, 12.0, noise), walk(7, 1.5, noise)
    frames = np.array([displaced(waves, place, shape) for place in places])
    drift = xr.Dataset(
        {"drift_y": ("energy", places[:, 0]), "drift_x": ("energy", places[:, 1])},
        {"energy": 850.0 + np.arange(7), "frame_flag": ("energy", np.zeros(7, np.int32))},
    )
    return as_images(frames), drift, frames[0]


def test_every_frame_shows_what_the_reference_shows(moving):
    images, drift, still = moving
    images = images.assign_coords(energy=images["energy"].assign_attrs(units="eV", long_name="photon energy"))
    found = xpeem.align(images, drift)
    assert found["energy"].attrs == images["energy"].attrs
    cubic, linear = (
        float(np.abs(xpeem.align(images, drift, order) - still)[:, 10:-10, 10:-10].max()) for order in (3, 1)
    )
    assert cubic < 0.005
    assert linear > 10 * cubic
    assert found.dims == images.dims
    assert found.dtype == np.float32


def test_what_lay_outside_the_frame_is_nan(moving):
    images, drift, _ = moving
    found = xpeem.align(images, drift.assign(drift_y=drift["drift_y"] * 0 + 2.5, drift_x=drift["drift_x"] * 0 - 3.0))
    lost = np.isnan(found.values[0])
    assert lost[-3:].all()
    assert lost[:, :3].all()
    assert not lost[:-3, 3:].any()


def test_frames_without_a_drift_and_dead_pixels_are_nan_and_spoil_nothing_else(moving):
    images, drift, still = moving
    images[2, 40, 50] = np.nan
    drift["drift_y"][4] = np.nan
    drift["frame_flag"][4] = int(Flag.not_converged)
    found = xpeem.align(images, drift)
    assert np.isnan(found[4]).all()
    assert found["frame_flag"].values[4] == int(Flag.not_converged)
    hole = np.isnan(found.values[2])[10:-10, 10:-10]
    assert 1 <= hole.sum() <= 4
    assert float(np.abs(found[2] - still)[10:-10, 10:-10].max()) < 0.3


def test_moved_noise_keeps_the_uncertainty_of_sums():
    noise = np.random.default_rng(5)
    counts = noise.poisson(100.0, (60, 80, 80)).astype(float)
    places = noise.uniform(-2, 2, (60, 2))
    drift = xr.Dataset({"drift_y": ("energy", places[:, 0]), "drift_x": ("energy", places[:, 1])})
    images = xr.Dataset({"intensity": as_images(counts), "intensity_std": as_images(np.sqrt(counts))})
    found = xpeem.align(images, drift)
    inner = {"y": slice(10, -10), "x": slice(10, -10)}
    sums = found["intensity"].isel(inner).sum(["y", "x"])
    std = np.sqrt((found["intensity_std"].isel(inner) ** 2).sum(["y", "x"]))
    pulls = (sums - 100.0 * 3600) / std
    assert float(np.sqrt((pulls**2).mean())) == pytest.approx(1, abs=3.3 / np.sqrt(2 * 60))


@pytest.mark.parametrize("chunks", [{"energy": 2}, {"energy": 7, "y": 31, "x": 40}, {"energy": 1, "y": 90, "x": 9}])
def test_chunks_change_nothing_and_lazy_stays_lazy(moving, chunks):
    images, drift, _ = moving
    found = xpeem.align(images.chunk(chunks), drift)
    assert isinstance(found.data, da.Array)
    xr.testing.assert_allclose(found.compute(), xpeem.align(images, drift), rtol=1e-12, atol=0)


def test_order_of_dims_and_other_dims_change_nothing(moving):
    images, drift, _ = moving
    whole = xpeem.align(images, drift)
    turned = xpeem.align(images.transpose("x", "y", "energy"), drift)
    np.testing.assert_array_equal(turned.transpose("energy", "y", "x"), whole)
    series = xpeem.align(xr.concat([images, images], "scan"), xr.concat([drift, drift], "scan"))
    np.testing.assert_array_equal(series.isel(scan=1), whole)


def test_the_drift_of_other_frames_is_refused(moving):
    images, drift, _ = moving
    with pytest.raises(OperandoError, match="expected the drift of the same frames"):
        xpeem.align(images[:4], drift)
    with pytest.raises(OperandoError, match="got no drift_x"):
        xpeem.align(images, drift.drop_vars("drift_x"))


def test_dispersion_leaves_the_energies_of_the_middle_row():
    energy = 850.0 + np.arange(0.0, 20.0, 0.5)
    rows = energy[:, None] + 0.02 * (np.arange(11) - 5.0)
    images = as_images(np.repeat((rows - 855.0)[:, :, None], 4, axis=2), energy)
    found = xpeem.correct_dispersion(images, 0.02)
    inside = found.isel(energy=slice(1, -1))
    np.testing.assert_allclose(inside, np.broadcast_to((energy[1:-1] - 855.0)[:, None, None], inside.shape), atol=1e-5)
    assert np.isnan(found.isel(energy=0, y=slice(6, None))).all()
    lazy = xpeem.correct_dispersion(images.chunk(energy=5, y=4), 0.02)
    xr.testing.assert_allclose(lazy.compute(), found, rtol=1e-12)


def test_dispersion_follows_the_drift_over_the_detector():
    energy, drift = 850.0 + np.arange(0.0, 20.0, 0.5), np.linspace(0.0, 6.0, 40)
    rows = energy[:, None] + 0.02 * (np.arange(11) - 5.0 + drift[:, None])
    images = as_images(np.repeat((rows - 855.0)[:, :, None], 4, axis=2), energy)
    moved = xr.Dataset({"drift_y": ("energy", drift), "drift_x": ("energy", drift)}, {"energy": energy})
    inside = xpeem.correct_dispersion(images, 0.02, drift=moved).isel(energy=slice(1, -1))
    np.testing.assert_allclose(inside, np.broadcast_to((energy[1:-1] - 855.0)[:, None, None], inside.shape), atol=1e-5)
