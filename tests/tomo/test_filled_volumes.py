"""Volumes of cracks and voids as sums of the share of void: right on drawn shares, whatever chunks and noise."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from operando.errors import OperandoError
from operando.flags import Flag
from operando.tomo import fractions, void_volumes
from operando.tomo.filled_volumes import nearest_labels

SIZE = 0.5
LEVELS = {"matrix_level": 100.0, "void_level": 60.0, "noise": 4.0, "noise_blur": 0.0, "blur": 0.7}
DIMS = ("z", "y", "x")


def segmented(share, crack, void, *, scans=False, chunks=None):
    """Return what ``segment_cracks`` would: masks and a share of void, as drawn."""
    dims = ("scan", *DIMS) if scans else DIMS
    coords = {dim: (np.arange(size) + 0.5) * SIZE for dim, size in zip(DIMS, share.shape[-3:], strict=True)}
    images = {"share": share.astype(np.float32), "crack": crack, "void": void}
    found = xr.Dataset({name: (dims, values) for name, values in images.items()}, coords)
    found = found.assign({name: ((), value) for name, value in LEVELS.items()})
    return found if chunks is None else found.chunk(dict.fromkeys(DIMS, chunks))


def plate_and_ball(rng=None):
    """Return the blurred share of a plate 1.6 voxels wide and of a ball, their masks and their volumes, um^3."""
    z, y, x = np.indices((40, 36, 36))
    plate = np.clip(0.8 - np.abs(z - 10.2) + 0.5, 0, 1) * ((np.hypot(y - 17, x - 17)) < 12)
    ball = (np.sqrt((z - 28) ** 2 + (y - 18) ** 2 + (x - 18) ** 2) < 5).astype(float)
    share = ndimage.gaussian_filter(plate, 0.7) + ndimage.gaussian_filter(ball, 0.7)
    crack, void = ndimage.gaussian_filter(plate, 0.7) > 0.4, ndimage.gaussian_filter(ball, 0.7) > 0.5
    if rng is not None:
        share = share + rng.normal(0, LEVELS["noise"] / 40.0, share.shape)
    return share, crack, crack | void, (plate.sum() * SIZE**3, ball.sum() * SIZE**3)


@pytest.mark.parametrize("chunks", [None, 9, 16])
def test_thin_cracks_keep_their_volume(chunks):
    share, crack, void, (plate, ball) = plate_and_ball()
    found = void_volumes(segmented(share, crack, void, chunks=chunks))
    np.testing.assert_allclose(found["crack_volume"], plate, rtol=0.03)
    np.testing.assert_allclose(found["void_volume"], plate + ball, rtol=0.03)
    np.testing.assert_allclose(found["crack_fraction"], found["crack_volume"] / (share.size * SIZE**3), rtol=1e-12)
    assert found["crack_volume"].attrs["units"] == "um^3"
    assert "crack_volume_systematic" not in found


def test_counting_voxels_would_not():
    _, crack, _, (plate, _) = plate_and_ball()
    assert abs(crack.sum() * SIZE**3 / plate - 1) > 0.1


def test_noise_is_covered_by_the_standard_deviation():
    rng = np.random.default_rng(20260101)
    quiet = void_volumes(segmented(*plate_and_ball()[:3]))
    drawn = [void_volumes(segmented(*plate_and_ball(rng)[:3])) for _ in range(60)]
    for name in ("crack_volume", "void_volume"):
        pulls = np.array([float((one[name] - quiet[name]) / one[f"{name}_std"]) for one in drawn])
        # 99.9 % limits of the mean square of 60 normal numbers: chi square / 60.
        assert 0.52 < np.mean(pulls**2) < 1.67, name


def test_objects_add_up_to_all_cracks():
    share, crack, void, _ = plate_and_ball()
    labels = xr.DataArray(ndimage.label(void, np.ones((3, 3, 3)))[0].astype(np.int32), dims=DIMS)
    found = segmented(share, crack, void)
    each = void_volumes(found, labels.assign_coords(found["share"].coords))
    assert each["number"].values.tolist() == [1, 2]
    np.testing.assert_allclose(each["void_volume"].sum(), void_volumes(found)["void_volume"], rtol=1e-6)


def test_cracks_alone_add_up_too_where_they_touch_other_voids():
    share, crack, void, _ = plate_and_ball()
    share, void = share + np.roll(share, -12, 0), void | np.roll(void, -12, 0)
    found = segmented(share, crack, void)
    labels = xr.DataArray(ndimage.label(crack, np.ones((3, 3, 3)))[0].astype(np.int32), dims=DIMS)
    each = void_volumes(found, labels.assign_coords(found["share"].coords))
    assert each["number"].values.tolist() == [1]
    np.testing.assert_allclose(each["void_volume"].sum(), void_volumes(found)["crack_volume"], rtol=1e-6)


@pytest.mark.parametrize(("width", "more"), [(2.0, 1.0), (2.5, 1.0), (3.25, 0.125), (6.0, 0.0)])
def test_of_cracks_beside_particles_a_fiftieth_is_uncertain_and_narrow_ones_may_be_larger(width, more):
    """Widths in standard deviations of an edge's blur."""
    share, crack, void, (plate, _) = plate_and_ball()
    grey = 100 - 40 * share
    grey[14:16] = 400.0
    aperture = np.where(crack, width * SIZE * np.hypot(0.7, np.sqrt(1 / 12)), 0).astype(np.float32)
    found = segmented(share, crack, void).assign(aperture=(DIMS, aperture))
    volumes = void_volumes(found, volume=found["share"].copy(data=grey))
    beside = float(volumes["crack_volume_systematic"]) / 0.02
    assert 0.1 * plate < beside < plate
    np.testing.assert_allclose(volumes["void_volume_systematic"], volumes["crack_volume_systematic"])
    np.testing.assert_allclose(
        volumes["crack_volume_uncertainty"], np.hypot(volumes["crack_volume_std"], volumes["crack_volume_systematic"])
    )
    np.testing.assert_allclose(volumes["crack_volume_unseen"], more * beside, rtol=0.02, atol=1e-6)
    labels = found["crack"].astype(np.int32)
    each = void_volumes(found, labels, volume=found["share"].copy(data=grey))
    np.testing.assert_allclose(each["void_volume_systematic"], 0.02 * beside, rtol=0.02)


def ball_of_particle(chunks=None):
    """Return a segmentation without void, and the grey values of a particle of 9 voxels."""
    nothing = np.zeros((40, 40, 40))
    found = segmented(nothing, nothing > 0, nothing > 0).assign(aperture=(DIMS, nothing.astype(np.float32)))
    z, y, x = np.indices(nothing.shape) - 19.3
    ball = ndimage.gaussian_filter(np.clip(9.5 - np.sqrt(z**2 + y**2 + x**2), 0, 1), 0.7)
    volume = found["share"].copy(data=100 + 300 * ball + np.random.default_rng(3).normal(0, 4, ball.shape))
    return (found, volume) if chunks is None else (found.chunk(chunks), volume.chunk(chunks))


def test_around_a_particle_a_gap_below_the_limit_may_hide():
    found, volume = ball_of_particle()
    volumes = void_volumes(found, volume=volume)
    surface = 4 * np.pi * (9 * SIZE) ** 2
    thin = 2.25 * SIZE * np.hypot(0.7, np.sqrt(1 / 12))
    # The face is taken where the particle begins to show, half a voxel to a voxel outside.
    assert surface * thin < float(volumes["void_volume_unseen"]) < 1.25 * surface * thin
    np.testing.assert_allclose(volumes["void_fraction_unseen"], volumes["void_volume_unseen"] / (40 * SIZE) ** 3)
    assert float(volumes["crack_volume_unseen"]) == float(volumes["void_volume_uncertainty"]) == 0
    lazy = void_volumes(ball_of_particle(17)[0], volume=ball_of_particle(17)[1])
    np.testing.assert_allclose(lazy["void_volume_unseen"], volumes["void_volume_unseen"], rtol=1e-12)
    assert "void_volume_unseen" not in void_volumes(found)


def test_lost_slices_are_no_surface_of_a_particle():
    found, volume = ball_of_particle()
    whole = float(void_volumes(found, volume=volume)["void_volume_unseen"])
    lost = np.arange(40) == 20
    flag = np.where(lost, int(Flag.saturated), 0)
    spoilt = volume.copy(data=np.where(lost[:, None, None], 65535.0, volume)).assign_coords(frame_flag=("z", flag))
    assert 0.8 * whole < float(void_volumes(found, volume=spoilt)["void_volume_unseen"]) < whole


def test_of_other_voids_beside_particles_a_fiftieth_is_uncertain_and_nothing_without_particles():
    share, crack, void, (_, ball) = plate_and_ball()
    grey = 100 - 40 * share
    grey[33:36, 10:26, 10:26] = 400.0
    found = segmented(share, crack, void).assign(aperture=(DIMS, np.zeros(share.shape, np.float32)))
    volume = found["share"].copy(data=grey)
    volumes = void_volumes(found, volume=volume)
    assert float(volumes["crack_volume_systematic"]) == 0
    assert 0 < float(volumes["void_volume_systematic"]) < ball / 50
    dark = volume.copy(data=np.minimum(grey, 100.0))
    assert float(void_volumes(found, volume=dark)["void_volume_systematic"]) == 0
    assert float(void_volumes(found, volume=dark)["void_volume_unseen"]) == 0


@pytest.mark.parametrize(("level", "moved"), [("matrix_level", 0.4), ("void_level", 0.8)])
def test_uncertain_grey_values_change_volumes_by_as_much_as_moved_ones(level, moved):
    share, crack, void, _ = plate_and_ball()
    known = segmented(share, crack, void).assign(matrix_level_std=0.0, void_level_std=1e-9)
    found = void_volumes(known.assign({f"{level}_std": moved}))
    levels = {**LEVELS, level: LEVELS[level] + moved}
    grey = 100 - 40 * share
    other = (levels["matrix_level"] - grey) / (levels["matrix_level"] - levels["void_level"])
    change = void_volumes(segmented(other, crack, void))["void_volume"] - found["void_volume"]
    np.testing.assert_allclose(found["void_volume_systematic"], abs(change), rtol=0.03)
    assert float(found["void_volume_uncertainty"]) > float(found["void_volume_systematic"])
    labels = known["void"].astype(np.int32)
    each = void_volumes(known.assign({f"{level}_std": moved}), labels)
    np.testing.assert_allclose(each["void_volume_systematic"], found["void_volume_systematic"], rtol=1e-6)


@pytest.mark.parametrize("chunks", [None, 13])
def test_whole_voxels_tell_the_spread_of_the_material_as_phases_do(chunks):
    void = ndimage.gaussian_filter(np.random.default_rng(5).normal(size=(32, 32, 32)), 2) > 0.05
    found = void_volumes(segmented(void.astype(float), void, void, chunks=chunks))
    labels = xr.DataArray(void.astype(np.uint8), dims=DIMS)
    told = fractions(labels, names={0: "matrix", 1: "void"})["fraction_std"][1]
    for name in ("crack", "void"):
        np.testing.assert_allclose(found[f"{name}_fraction_sampling"], told, rtol=1e-6)


def test_lost_slices_do_not_count_and_scans_are_told_apart():
    share, crack, void, _ = plate_and_ball()
    both = segmented(*(np.stack([one, np.zeros_like(one)]) for one in (share, crack, void)), scans=True)
    lost = np.zeros((2, 40), np.int32)
    lost[0, 38:] = int(Flag.missing_frame)
    found = void_volumes(both.assign_coords(frame_flag=(("scan", "z"), lost)))
    single = void_volumes(segmented(share, crack, void))
    assert found["void_volume"].values.tolist() == [float(single["void_volume"]), 0.0]
    np.testing.assert_allclose(found["void_fraction"][0], single["void_fraction"] * 40 / 38, rtol=1e-12)


def test_a_segmentation_that_lacks_something_is_refused():
    share, crack, void, _ = plate_and_ball()
    with pytest.raises(OperandoError, match="nothing of noise"):
        void_volumes(segmented(share, crack, void).drop_vars("noise"))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(3, 12))
def test_labels_grow_to_the_nearest_whatever_the_chunks(seed, reach, chunk):
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random((12, 13, 14)) < 0.02, rng.integers(1, 9, (12, 13, 14)), 0).astype(np.int32)
    grown = nearest_labels(xr.DataArray(labels, dims=DIMS), reach)
    lazy = nearest_labels(xr.DataArray(labels, dims=DIMS).chunk(dict.fromkeys(DIMS, chunk)), reach)
    np.testing.assert_array_equal(grown, lazy)
    places = np.argwhere(labels)
    for place in np.ndindex(labels.shape):
        away = ((places - place) ** 2).sum(axis=1) if len(places) else np.array([np.inf])
        near = away.min() <= reach**2
        wanted = min(labels[tuple(at)] for at in places[away == away.min()]) if near else 0
        assert grown.values[place] == wanted
