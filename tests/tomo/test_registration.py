"""Shift, rotation and stretch of a sample are found to a small part of a voxel, and undone."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import xarray as xr
from pulls import assert_unit_normal
from scipy import ndimage
from simulated_volumes import LAW, as_volume, composite, grey_values

from operando.errors import OperandoError
from operando.example_scans import parameters, tomography
from operando.flags import Flag
from operando.history import entries
from operando.tomo import align, register
from operando.tomo.rigid_motion import small_motion

EDGE = LAW.voxel_size
SHIFT = np.array([1.3, -2.45, 3.2])
TURN = np.array([2.0, -1.5, 3.0])


def displaced(motion, step=1, seed=5, noise=LAW.noise):
    """Return grey values of a step at motion(x), in voxels about the middle, with noise of their own."""
    mu = ndimage.gaussian_filter(tomography.attenuation(parameters.load("small"), composite(step)), LAW.blur)
    back, middle = np.linalg.inv(motion), (np.array(mu.shape) - 1) / 2
    offset = middle + back[:3, 3] - back[:3, :3] @ middle
    mu = ndimage.affine_transform(mu, back[:3, :3], offset, order=5, mode="mirror")
    mu = mu + noise * np.random.default_rng(seed).standard_normal(mu.shape)
    return (LAW.grey_zero + LAW.grey_per_attenuation * mu).astype(np.float32)


def rigid(shift=SHIFT, turn=TURN):
    """Return a map that turns first and shifts then."""
    motion = small_motion(np.r_[0, 0, 0, np.deg2rad(turn)], "rigid")
    motion[:3, 3] = shift
    return motion


@pytest.fixture(scope="module")
def still():
    return as_volume(grey_values(1).astype(np.float32))


@pytest.fixture(scope="module")
def turned():
    return as_volume(displaced(rigid()))


@pytest.fixture(scope="module")
def found(still, turned):
    return register(turned, still)


def test_a_shift_is_found(still):
    seen = as_volume(displaced(rigid(turn=np.zeros(3))))
    found = register(seen, still, kind="translation")
    np.testing.assert_allclose(found["translation"] / EDGE, SHIFT, atol=0.01)
    np.testing.assert_array_equal(found["matrix"], np.eye(3))
    assert found["translation"].attrs["units"] == "um"
    assert found["overlap"] < 1


def test_a_shift_with_a_rotation_is_found(found):
    np.testing.assert_allclose(found["translation"] / EDGE, SHIFT, atol=0.02)
    np.testing.assert_allclose(found["rotation"], TURN, atol=0.02)
    assert float(found["volume_ratio"]) == pytest.approx(1, abs=1e-9)
    assert float(found["quality"]) > 0.99
    assert int(found["flag"]) == 0
    assert found["rotation"].attrs["units"] == "deg"
    np.testing.assert_allclose(found["center"], 32 * EDGE)
    assert entries(found)[-1]["step"] == "tomo.register"


def test_a_rotation_about_z_moves_y_toward_x():
    """The axes z, y, x are right-handed in this order: at 90 deg about z what was along y is along x."""
    quarter = small_motion(np.r_[0, 0, 0, np.pi / 2, 0, 0], "rigid")
    np.testing.assert_allclose(quarter[:3, :3] @ [0, 1, 0], [0, 0, 1], atol=1e-12)


def test_a_stretch_is_found(still):
    stretch = np.array([1.02, 0.99, 1.01])
    motion = np.diag([*stretch, 1.0])
    found = register(as_volume(displaced(motion)), still, kind="affine")
    np.testing.assert_allclose(np.diag(found["matrix"]), stretch, atol=3e-4)
    assert float(found["volume_ratio"]) == pytest.approx(stretch.prod(), abs=5e-4)
    assert (np.abs(found["matrix"] - np.diag(stretch)) < 5 * found["matrix_std"] + 1e-4).all()


def test_a_change_of_the_grey_scale_makes_no_difference(still, turned, found):
    other = register(0.7 * turned + 5000, still)
    for name in ("translation", "rotation"):
        np.testing.assert_allclose(other[name], found[name], atol=2e-4)


def test_the_uncertainty_covers(still):
    """70 noisy copies at a shift against one without noise: pulls of three components each."""
    quiet = as_volume(displaced(np.eye(4), noise=0.0))[16:48, 16:48, 16:48]
    clean = displaced(rigid((0.3, -0.4, 0.2), np.zeros(3)), noise=0.0)
    grey = LAW.noise * LAW.grey_per_attenuation
    exact = register(as_volume(clean)[16:48, 16:48, 16:48], quiet, kind="translation")["translation"]
    noisy = np.array([clean + 3 * grey * np.random.default_rng(s).standard_normal(clean.shape) for s in range(70)])
    found = register(as_volume(noisy)[:, 16:48, 16:48, 16:48], quiet, kind="translation")
    assert_unit_normal(((found["translation"] - exact) / found["translation_std"]).to_numpy().ravel())


def test_a_growing_crack_and_shrinking_particles_do_not_move_the_rest(still):
    found = register(as_volume(displaced(rigid(), step=5)), still)
    np.testing.assert_allclose(found["translation"] / EDGE, SHIFT, atol=0.05)
    np.testing.assert_allclose(found["rotation"], TURN, atol=0.05)


@pytest.mark.parametrize("chained", [False, True])
def test_a_series_is_registered_against_its_first_or_step_by_step(still, chained):
    places = [np.zeros(3), np.array([0.5, 0.2, -0.4]), np.array([1.1, 0.3, -1.0])]
    turns = [np.zeros(3), np.array([0.5, 0.0, -0.4]), np.array([1.0, 0.5, -0.8])]
    scans = [displaced(rigid(p, t), seed=n) for n, (p, t) in enumerate(zip(places, turns, strict=True))]
    series = as_volume(np.stack(scans))[:, 10:54, 10:54, 10:54].assign_coords(time=("scan", np.arange(3.0)))
    found = register(series, chained=chained)
    assert found["translation"].dims == ("scan", "axis")
    assert "time" in found.coords
    np.testing.assert_allclose(found["translation"] / EDGE, places, atol=0.02)
    np.testing.assert_allclose(found["rotation"], turns, atol=0.02)
    assert (found["translation_std"].isel(scan=0) == 0).all()
    if chained:
        assert (found["translation_std"].diff("scan") > 0).all()


def test_large_volumes_are_compared_as_averaged_copies(still, turned):
    lazy = register(turned.chunk(z=20, y=64, x=30), still.chunk(z=64, y=30, x=20), most_voxels=5e4)
    assert entries(lazy)[-1]["parameters"]["averaged"] == 2
    np.testing.assert_allclose(lazy["translation"] / EDGE, SHIFT, atol=0.05)
    np.testing.assert_allclose(lazy["rotation"], TURN, atol=0.1)


def test_the_quality_tells_when_a_volume_shows_something_else(still):
    noise = as_volume(np.random.default_rng(1).normal(size=(64, 64, 64)).astype(np.float32))
    found = register(noise, still)
    assert float(found["quality"]) < 0.2


def test_a_shift_of_a_quarter_of_the_volume_is_found():
    whole = as_volume(grey_values(1))
    fixed, moving = whole[2:50, 10:58, 3:51], whole[14:62, 5:53, 12:60]
    places = {name: fixed[name].to_numpy() for name in "zyx"}
    found = register(moving.assign_coords(places), fixed, kind="translation")
    np.testing.assert_allclose(found["translation"] / EDGE, [-12, 5, -9], atol=0.01)
    assert float(found["overlap"]) < 0.65
    np.testing.assert_allclose(found["center"] / EDGE, [26, 34, 27])


def test_aligned_volumes_show_what_the_reference_shows(still, turned, found):
    moved = align(turned, found)
    shown = np.isfinite(moved.to_numpy())
    assert 0.7 < shown.mean() < 1
    inner = ndimage.binary_erosion(shown, iterations=4)
    noise = LAW.noise * LAW.grey_per_attenuation
    difference = (moved - still).to_numpy()[inner]
    assert abs(difference.mean()) < 0.1 * noise
    assert difference.std() < 1.6 * noise
    assert moved.dims == still.dims
    assert entries(moved)[-1]["step"] == "tomo.align"


@pytest.mark.parametrize(
    "chunks", [{"z": 64, "y": 64, "x": 64}, {"z": 13, "y": 64, "x": 30}, {"z": 64, "y": 7, "x": 64}]
)
def test_aligned_volumes_do_not_hang_on_chunks(turned, found, chunks):
    whole = align(turned, found, dtype="float64")
    lazy = align(turned.chunk(chunks), found, dtype="float64")
    assert lazy.chunks is not None
    np.testing.assert_allclose(lazy.to_numpy(), whole.to_numpy(), rtol=1e-12)


def test_a_motion_of_nothing_leaves_a_volume_as_it_is(still):
    series = xr.concat([still, still], "scan")
    found = register(series, kind="translation")
    back = align(series.astype(np.uint16), found, dtype="uint16", fill=0)
    np.testing.assert_array_equal(back.isel(scan=0), still.astype(np.uint16))
    assert back.dtype == np.uint16


def test_nan_spoils_only_its_neighbors(turned, found):
    holed = turned.copy(deep=True)
    holed.values[30, 30, 30] = np.nan
    clean, spoiled = align(turned, found).to_numpy(), align(holed, found).to_numpy()
    lost = np.isnan(spoiled) & ~np.isnan(clean)
    assert 1 <= lost.sum() <= 8
    far = np.isfinite(spoiled)
    assert np.abs(spoiled - clean)[far].max() < 0.3 * np.ptp(clean[far])


def test_labels_move_to_the_nearest_voxel(found):
    labels = as_volume(composite().label.astype(np.uint8))
    moved = align(labels, found, order=0, fill=0, dtype="uint8")
    assert set(np.unique(moved)) <= set(np.unique(labels)) | {0}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v, _: register(v, v, kind="elastic"), "kind to be one of translation"),
        (lambda v, _: register(v), "one volume alone"),
        (lambda v, _: register(v[:5], v[:5]), "at least 8 voxels"),
        (lambda v, _: register(v[:30], v), "as large as the volumes"),
        (lambda v, _: register(v, v.assign_coords({n: v[n] * 2 for n in "zyx"})), "voxels of one size"),
        (lambda v, _: register(v * np.nan, v), "finite values"),
        (lambda v, m: align(v, m.drop_vars("matrix")), "got no matrix"),
        (lambda v, m: align(v.expand_dims("scan"), m), "the motion of the same volumes"),
        (lambda v, m: align(v, m, order=5), "order from 0 to 3"),
        (lambda v, m: align(v, m, dtype="uint8"), "a finite fill for uint8"),
    ],
)
def test_mistakes_are_named(still, found, call, message):
    with pytest.raises(OperandoError, match=message):
        call(still, found)


@pytest.mark.realdata
@pytest.mark.parametrize("kind", ["rigid", "affine"])
def test_measured_snow_turned_and_stretched_by_numbers_is_found(realdata, kind):
    snow = tifffile.imread(realdata / "tomo" / "snow.tif")[18:82, 18:82, 18:82].astype(np.float64)
    motion = rigid() if kind == "rigid" else np.diag([1.02, 1.02, 1.02, 1.0])
    back, middle = np.linalg.inv(motion), (np.array(snow.shape) - 1) / 2
    offset = middle + back[:3, 3] - back[:3, :3] @ middle
    moved = ndimage.affine_transform(snow, back[:3, :3], offset, order=5, mode="mirror").astype(np.float32)
    found = register(as_volume(moved, 1.0), as_volume(snow.astype(np.float32), 1.0), kind=kind)
    assert int(found["flag"]) & int(Flag.not_converged) == 0
    if kind == "rigid":
        np.testing.assert_allclose(found["translation"], SHIFT, atol=0.02)
        np.testing.assert_allclose(found["rotation"], TURN, atol=0.02)
    else:
        # Interpolating the moved copy by splines of a lower order blurs it: linear ones alone shift this by 3e-4.
        assert float(found["volume_ratio"]) == pytest.approx(1.02**3, abs=2e-4)
