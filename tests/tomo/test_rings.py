"""The ring leaves, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from simulated_volumes import LAW, as_volume, grey_values

from operando.errors import OperandoError
from operando.example_scans import parameters, tomography
from operando.flags import Flag
from operando.history import entries
from operando.tomo import remove_rings

RING = tomography.ring(parameters.load("small")) * LAW.grey_per_attenuation
NOISE = LAW.noise * LAW.grey_per_attenuation
ACROSS = np.arange(LAW.voxels) - (LAW.voxels - 1) / 2
RADIUS = np.hypot(ACROSS[:, np.newaxis], ACROSS)


@pytest.fixture(scope="module")
def clean():
    return as_volume(grey_values(4))


@pytest.fixture(scope="module")
def ringed():
    return as_volume(grey_values(4, ring=True))


@pytest.fixture(scope="module")
def found(ringed):
    return remove_rings(ringed, width=4, slices=LAW.voxels)


def test_the_simulated_ring_leaves(clean, found):
    left = (found - clean).to_numpy().mean(axis=0)
    share = (left * RING).sum() / (RING**2).sum()
    assert abs(share) < 0.12
    assert np.abs(left[RING > 1]).max() < 0.3 * RING.max()


def test_the_rest_keeps_its_mean_and_its_noise(clean, found):
    away = RING < 1e-3
    change = (found - clean).to_numpy()[:, away]
    count = change.size
    assert abs(change.mean()) < 3.3 * NOISE / np.sqrt(count)
    assert change.std() < 0.05 * NOISE
    assert (change == 0).mean() > 0.9


def test_the_slices_with_the_ring_are_flagged_with_its_significance(found):
    assert (found["frame_flag"] == int(Flag.ring_artifact)).all()
    assert (found["ring_significance"] > 20).all()
    assert found["frame_flag"].attrs["flag_meanings"]
    assert entries(found)[-1]["step"] == "tomo.remove_rings"
    assert found.dtype == np.float32


def test_a_volume_without_a_ring_stays_as_it_is(clean):
    found = remove_rings(clean, width=4)
    np.testing.assert_array_equal(found, clean.astype(np.float32))
    assert not found["frame_flag"].any()
    assert (found["ring_significance"] < 6).all()


def test_a_ring_in_noise_alone_is_found_slice_by_slice_to_its_height_and_place():
    """Slices 3 and 4 of ten have a ring; noise alone passes for none."""
    noise = np.random.default_rng(11).normal(size=(10, 96, 96))
    across = np.arange(96) - 50.0
    height = 3 * np.exp(-(((np.hypot(across[:, np.newaxis] + 3, across) - 30.4) / 0.9) ** 2) / 2)
    noise[3:5] += height
    found = remove_rings(as_volume(noise, 1.0), center=(47.0, 50.0))
    assert np.flatnonzero(found["frame_flag"]).tolist() == [3, 4]
    taken = (as_volume(noise, 1.0) - found).to_numpy()
    share = (taken[3:5] * height).sum(axis=(1, 2)) / (height**2).sum()
    np.testing.assert_allclose(share, 1, atol=0.08)
    assert np.abs(taken[[0, 1, 2, 5, 6, 7, 8, 9]]).max() < 1e-6


def test_noise_alone_has_no_rings():
    """2000 circles: by chance none reaches six standard uncertainties."""
    noise = np.random.default_rng(12).normal(size=(45, 90, 90))
    found = remove_rings(as_volume(noise, 1.0))
    assert not found["frame_flag"].any()


def test_radii_are_shared_over_time(clean, ringed):
    weak = (clean + (ringed.astype(float) - clean) * 0.5).assign_coords(frame_flag=("z", np.full(64, 4, np.int32)))
    series = xr.concat(
        [weak, ringed.assign_coords(frame_flag=weak["frame_flag"])], "scan", coords="different", compat="equals"
    )
    series = series.assign_coords(flag=("scan", np.array([2, 0], np.int32)))
    found = remove_rings(series, width=4, slices=64)
    left = (found.isel(scan=0) - clean).to_numpy().mean(axis=0)
    assert abs((left * RING).sum() / (RING**2).sum()) < 0.1
    assert (found["flag"].to_numpy() == [2 | int(Flag.ring_artifact), int(Flag.ring_artifact)]).all()
    assert (found["frame_flag"].to_numpy() == 4 | int(Flag.ring_artifact)).all()


def test_lazy_volumes_stay_lazy_and_chunks_make_no_difference(ringed, found):
    lazy = remove_rings(ringed.chunk(z=11, y=64, x=30), width=4, slices=LAW.voxels)
    assert lazy.chunks is not None
    np.testing.assert_allclose(lazy.to_numpy(), found.to_numpy(), rtol=1e-12)


def test_mistakes_are_named(clean):
    with pytest.raises(OperandoError, match="at least 40 voxels between the center and the faces"):
        remove_rings(clean, width=20)
    with pytest.raises(OperandoError, match="slices from 1, got 0"):
        remove_rings(clean, slices=0)
