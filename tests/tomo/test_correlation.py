"""Displacement and strain are found at nodes, within their errors, whatever the chunks; what is lost is said to be."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import xarray as xr
from moved_textures import NOISE, REST, deformed, places, texture, true_shift, volume
from pulls import assert_unit_normal
from scipy import ndimage

from operando.errors import OperandoError
from operando.flags import Flag
from operando.history import entries
from operando.tomo import correlate
from operando.tomo.rigid_motion import small_motion

SIZE = 48
TURN = small_motion(np.r_[0, 0, 0, np.deg2rad([0.0, 3.0, 0.0])], "rigid")[:3, :3]
SHEAR = np.array([[1, 0, 0.03], [0, 1, 0], [0, 0, 1.0]])
APART = {"spacing": 15, "window": 15}
FROM_REST = {**APART, "start": REST}


@pytest.fixture(scope="module")
def still():
    return volume(deformed(SIZE, noise=NOISE, seed=1))


@pytest.fixture(scope="module")
def stretched():
    return volume(deformed(SIZE, np.diag([1.03, 1, 1]), (0.3, -0.4, 0.2), NOISE, 2))


@pytest.mark.parametrize(
    ("gradient", "seed"),
    [(np.eye(3), 11), (np.eye(3) * 1.02, 12), (SHEAR, 13), (TURN, 14)],
    ids=["noise", "+2 %", "shear", "3 deg"],
)
def test_what_moved_is_found_within_its_errors(still, gradient, seed):
    """Windows side by side, so that their noise is independent: 12 pulls of each of 27."""
    shift = (0.4, -0.3, 0.25)
    found = correlate(still, volume(deformed(SIZE, gradient, shift, NOISE, seed)), **APART)
    assert (found["flag"] == 0).all()
    pulls = [
        (found["displacement"] - true_shift(found, gradient, shift, SIZE)) / found["displacement_std"],
        (found["deformation_gradient"] - gradient) / found["deformation_gradient_std"],
    ]
    assert_unit_normal(np.concatenate([one.to_numpy().ravel() for one in pulls]))
    ratio = (found["volume_ratio"] - np.linalg.det(gradient)) / found["volume_ratio_std"]
    assert abs(float(ratio.mean())) < 3.3 / np.sqrt(27)


def test_the_result_tells_units_history_and_agreement(still, stretched):
    found = correlate(still, stretched, **APART)
    assert dict(found.sizes) == {"z": 3, "y": 3, "x": 3, "axis": 3, "column": 3, "principal": 3}
    assert found["displacement"].attrs["units"] == "um"
    assert all("long_name" in one.attrs and "units" in one.attrs for one in found.data_vars.values())
    assert entries(found)[-1]["step"] == "tomo.correlate"
    np.testing.assert_allclose(found["z"], [4.25, 11.75, 19.25])
    assert (found["correlation"] > 0.95).all()
    np.testing.assert_allclose(found["strain"].mean(["z", "y", "x"])[0, 0], (1.03**2 - 1) / 2, atol=2e-3)
    np.testing.assert_allclose(np.abs(found["principal_axis"].isel(principal=0, axis=0)), 1, atol=0.02)


def test_a_stronger_darker_picture_is_the_same(still, stretched):
    one, other = correlate(still, stretched, **FROM_REST), correlate(still, 0.5 * stretched - 7, **FROM_REST)
    np.testing.assert_allclose(one["displacement"], other["displacement"], atol=1e-3)
    np.testing.assert_allclose(2 * other["residual"], one["residual"], rtol=0.01)


@pytest.mark.parametrize(
    "chunks", [{"z": 48, "y": 48, "x": 48}, {"z": 13, "y": 48, "x": 20}, {"z": 7, "y": 30, "x": 48}]
)
def test_chunks_change_nothing(still, stretched, chunks):
    settings = {"spacing": 9, "window": 9, "levels": 1, "kind": "translation", "start": REST}
    mask = xr.DataArray(places(SIZE)[..., 0] > -10, dims=("z", "y", "x"))
    whole = correlate(still, stretched, mask=mask, **settings)
    lazy = correlate(still.chunk(chunks), stretched.chunk(z=11), mask=mask.chunk(y=17), **settings)
    for name in ("displacement", "volume_ratio_std", "residual", "flag"):
        np.testing.assert_array_equal(lazy[name], whole[name])


def test_only_what_the_mask_holds_counts(still, stretched):
    spoiled = stretched.copy(deep=True)
    spoiled.values[:, :, 30:] = np.random.default_rng(3).normal(size=(SIZE, SIZE, SIZE - 30))
    mask = xr.DataArray(places(SIZE)[..., 2] < 26 - SIZE / 2, dims=("z", "y", "x"))
    found = correlate(still, spoiled, mask=mask, coverage=0.4, **FROM_REST)
    within = found["share"] > 0.4
    assert within.isel(x=0).all()
    assert np.isnan(found["displacement"].isel(x=-1)).all()
    assert (found["flag"].isel(x=-1) == 0).all()
    error = found["displacement"] - true_shift(found, np.diag([1.03, 1, 1]), (0.3, -0.4, 0.2), SIZE)
    assert float(np.abs(error.isel(x=slice(0, 2))).max()) < 0.05


def test_a_node_that_sees_something_else_is_flagged_and_takes_what_lies_around(still, stretched):
    spoiled = stretched.copy(deep=True)
    spoiled.values[16:32, 16:32, 16:32] = np.random.default_rng(4).normal(size=(16,) * 3)
    found = correlate(still, spoiled, spacing=8, window=9, start=REST)
    lost = (found["flag"] & int(Flag.not_converged)) > 0
    assert lost.sel(z=12, y=12, x=12, method="nearest")
    assert not lost.isel(z=0).any()
    error = found["displacement"] - true_shift(found, np.diag([1.03, 1, 1]), (0.3, -0.4, 0.2), SIZE)
    assert float(np.abs(error).max()) < 0.25
    assert np.isnan(found["displacement_std"].where(lost, drop=True)).any()
    assert np.isfinite(found["displacement_std"].where(~lost).isel(z=0)).all()


@pytest.mark.parametrize("kind", ["affine", "translation"])
def test_where_nothing_but_noise_is_seen_nothing_is_said_to_be_found(kind):
    still, moved = (volume(np.random.default_rng(seed).standard_normal((36,) * 3)) for seed in (1, 2))
    found = correlate(still, moved, spacing=9, window=13, kind=kind, start=REST)
    assert (found["flag"] != 0).all()


def test_nan_is_not_compared(still, stretched):
    holed, gone = still.copy(deep=True), stretched.copy(deep=True)
    holed.values[20:23, 20:23, 20:23], gone.values[5:8, 5:8, 5:8] = np.nan, np.nan
    one, other = correlate(still, stretched, **FROM_REST), correlate(holed, gone, **FROM_REST)
    assert (other["flag"] == 0).all()
    assert (other["share"] < 1).any()
    assert float(np.abs(one["displacement"] - other["displacement"]).max()) < 0.02


def test_shifts_in_small_windows_give_gradients_by_the_nodes_around(still, stretched):
    found = correlate(still, stretched, spacing=6, window=9, kind="translation", start=REST)
    error = (found["volume_ratio"] - 1.03) / found["volume_ratio_std"]
    assert abs(float(found["volume_ratio"].mean()) - 1.03) < 1e-3
    assert 0.6 < float(np.sqrt((error**2).mean())) < 1.5


def test_regularized_fields_are_smoother_and_no_less_true(still, stretched):
    settings = {"spacing": 9, "window": 11, "start": REST}
    rough = correlate(still, stretched, **settings)
    smooth = correlate(still, stretched, regularization=9, **settings)
    errors = [float(np.sqrt(((one["volume_ratio"] - 1.03) ** 2).mean())) for one in (rough, smooth)]
    assert errors[1] < 0.4 * errors[0]
    assert float(smooth["volume_ratio_std"].mean()) < 0.4 * float(rough["volume_ratio_std"].mean())
    assert abs(float(smooth["volume_ratio"].mean()) - 1.03) < 1e-3


def test_a_repeat_tells_errors_that_noise_does_not(still, stretched):
    """A sample that bends to and fro along y between scans at rest."""
    settings = {"spacing": 9, "window": 11, "start": REST}
    place = places(SIZE)
    bent = texture(place - 0.08 * np.sin(place[..., :1] * 2 * np.pi / 30) * np.array([0, 1.0, 0]))
    again = volume(bent + NOISE * np.random.default_rng(7).standard_normal(bent.shape))
    found = correlate(still, stretched, repeat=again, **settings)
    assert float(found["displacement_std_factor"].sel(axis="y")) > 2
    assert (np.abs(found["displacement_std_factor"].sel(axis=["z", "x"]) - 1) < 0.45).all()
    factor = found["displacement_std"] / correlate(still, stretched, **settings)["displacement_std"]
    np.testing.assert_allclose(factor, found["displacement_std_factor"].broadcast_like(factor), rtol=1e-6)


def test_coarse_voxels_find_what_fine_ones_alone_do_not():
    """Displacements of 5 to 7 voxels, from rest."""
    size = 56
    place = places(size)
    shift = (6 + np.sin(place[..., :1] * 2 * np.pi / 80)) * np.array([0, 1.0, 0])
    still, moved = volume(texture(place)), volume(texture(place - shift))
    fine, found = (correlate(still, moved, spacing=10, window=11, levels=n, start=REST) for n in (0, 1))
    lost = [int((one["flag"] > 0).sum()) for one in (fine, found)]
    true = 6 + np.sin((found["z"] - size / 4) * 2 * np.pi / 40)
    # Some of the outermost nodes leave the volume.
    assert lost[1] < 0.1 * found["flag"].size < 0.9 * lost[0]
    error = (found["displacement"].isel(axis=1) / 0.5 - true).where(found["flag"] == 0)
    assert float(np.abs(error).max()) < 0.1


def test_a_series_is_compared_scan_by_scan(still, stretched):
    series = xr.concat([still, stretched], "scan").assign_coords(time=("scan", [0.0, 1.0]))
    found = correlate(still, series, **FROM_REST)
    assert found["displacement"].dims == ("scan", "z", "y", "x", "axis")
    assert "time" in found.coords
    assert float(np.abs(found["displacement"].isel(scan=0)).max()) < 1e-6
    alone = correlate(still, stretched, **FROM_REST)
    np.testing.assert_array_equal(found["displacement"].isel(scan=1), alone["displacement"])


def test_plain_arrays_are_in_voxels(still, stretched):
    found = correlate(still.to_numpy(), stretched.to_numpy(), **APART)
    assert found["displacement"].attrs["units"] == "px"
    np.testing.assert_allclose(
        found["displacement"] / 2, correlate(still, stretched, **APART)["displacement"], atol=1e-9
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "elastic"}, "kind to be one of translation, affine"),
        ({"window": 10}, "an odd window of 5 voxels or more"),
        ({"window": 49}, "at least 49 voxels"),
        ({"spacing": 0}, "a spacing of 1 or more"),
        ({"coverage": 0}, "a coverage above 0"),
        ({"smooth": -1}, "smooth of 0 or more"),
        ({"levels": 4}, "fewer levels for 48 voxels"),
        ({"mask": np.ones((3, 3, 3), bool)}, "a mask of bool as large"),
    ],
)
def test_mistakes_are_named(still, settings, message):
    with pytest.raises(OperandoError, match=message):
        correlate(still, still, **{"window": 15, **settings})


def test_volumes_that_do_not_fit_are_named(still):
    with pytest.raises(OperandoError, match="volumes of equal size"):
        correlate(still, still[:40])
    with pytest.raises(OperandoError, match="voxels of one size"):
        correlate(still, volume(still.to_numpy(), 0.7))


@pytest.mark.realdata
@pytest.mark.parametrize(("gradient", "ratio"), [(np.eye(3) * 1.02, 1.0612), (np.diag([1.03, 1, 1]), 1.0300)])
def test_measured_snow_stretched_by_numbers_grows_by_them(realdata, gradient, ratio):
    snow = tifffile.imread(realdata / "tomo" / "snow.tif").astype(np.float64)
    back, middle = np.linalg.inv(gradient), (np.array(snow.shape) - 1) / 2
    moved = ndimage.affine_transform(snow, back, middle - back @ middle, order=5, mode="mirror")
    found = correlate(volume(snow, 1.0), volume(moved, 1.0), spacing=20, window=27)
    assert (found["flag"] == 0).all()
    assert float(found["volume_ratio"].mean()) == pytest.approx(ratio, abs=2e-4)
