import dask.array as da
import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter
from scipy.special import ndtr

from operando import tomo
from operando.errors import OperandoError
from operando.history import entries
from operando.tomo import plate_kernels, plates

SCALES = (1.0, 2.0)


@pytest.fixture(scope="module")
def noise():
    values = np.random.default_rng(11).normal(size=(2, 44, 37, 41)).astype(np.float32)
    return xr.DataArray(values, dims=("scan", "z", "y", "x"))


def plate(normal, width, blur=0.7, edge=41, offset=0.0):
    """Return the blurred share of a dark plate through the middle of a cube."""
    normal = np.asarray(normal) / np.linalg.norm(normal)
    place = np.arange(edge) - (edge - 1) / 2
    distance = sum(
        axis * part for axis, part in zip(np.meshgrid(place, place, place, indexing="ij"), normal, strict=True)
    )
    return ndtr((distance - offset + width / 2) / blur) - ndtr((distance - offset - width / 2) / blur), normal


def hessians(volume, sigma):
    """Return Gaussian second derivatives, dims (z, y, x, 3, 3)."""
    found = np.empty((*volume.shape, 3, 3))
    for i in range(3):
        for j in range(3):
            order = np.bincount([i, j], minlength=3)
            found[..., i, j] = gaussian_filter(volume, sigma, order=order, mode="reflect", truncate=6)
    return found


def test_eigenvalues_are_those_of_lapack():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(6, 4000)).astype(np.float32)
    rows[:, 0] = 0
    rows[:, 1] = [2, 0, 0, 2, 0, 2]
    rows[:, 2] = [7, 0, 0, 1e-3, 0, 1e-3]
    found = np.empty((3, rows.shape[1]))
    plate_kernels.eigenvalues(rows, 1.0, found)
    matrix = rows[[[0, 1, 2], [1, 3, 4], [2, 4, 5]]].transpose(2, 0, 1).astype(float)
    expected = np.linalg.eigvalsh(matrix)[:, ::-1].T
    assert_allclose(found, expected, atol=1e-7 * np.abs(expected).max())


def test_the_answer_is_that_of_gaussian_derivatives():
    smooth = gaussian_filter(np.random.default_rng(4).normal(size=(36, 34, 32)), 0.8)
    eigen = np.linalg.eigvalsh(hessians(smooth, 2.0))
    expected = np.clip(4 * (eigen[..., 2] - np.maximum(np.abs(eigen[..., 0]), np.abs(eigen[..., 1]))), 0, None)
    found = tomo.plate_filter(smooth, (2.0,)).values
    assert np.abs(found - expected).max() < 0.02 * expected.max()


@pytest.mark.parametrize("chunks", [{"z": 44, "y": 37, "x": 41}, {"z": 15, "y": 37, "x": 20}, {"scan": 2, "y": 19}])
def test_chunks_never_change_a_bit(noise, chunks):
    whole = tomo.plate_filter(noise, SCALES, details=True)
    lazy = tomo.plate_filter(noise.chunk(chunks), SCALES, details=True)
    for name in ("plate", "normal", "scale"):
        assert isinstance(lazy[name].data, da.Array)
        assert_array_equal(lazy[name].values, whole[name].values)
    assert_array_equal(tomo.plate_filter(noise, SCALES).values, whole["plate"].values)


def test_turning_the_volume_turns_the_answer(noise):
    one = noise[0]
    turned = tomo.plate_filter(one.transpose("x", "z", "y").values, SCALES)
    assert_allclose(turned.values, tomo.plate_filter(one, SCALES).transpose("x", "z", "y").values, atol=2e-6)


@pytest.mark.parametrize("degrees", [0, 30, 45, 60])
@pytest.mark.parametrize("width", [3, 5])
def test_an_inclined_plate_answers_as_an_upright_one_and_tells_its_normal(degrees, width):
    angle = np.deg2rad(degrees)
    share, normal = plate((np.cos(angle), 0.3 * np.sin(angle), np.sin(angle)), width)
    ds = tomo.plate_filter(-share.astype(np.float32), SCALES, details=True)
    upright = tomo.plate_filter(-plate((1, 0, 0), width)[0].astype(np.float32), SCALES)
    middle = (slice(19, 22),) * 3
    assert float(ds["plate"][20, 20, 20]) == pytest.approx(float(upright[20, 20, 20]), rel=0.03)
    pointing = np.abs(ds["normal"][middle].values @ normal)
    assert np.rad2deg(np.arccos(np.clip(pointing, 0, 1))).max() < 0.6
    assert set(np.unique(ds["scale"][middle])) == {2.0}


def test_dark_and_bright_are_each_others_negative_and_flat_volumes_give_nothing(noise):
    assert_array_equal(tomo.plate_filter(-noise, SCALES, bright=True).values, tomo.plate_filter(noise, SCALES).values)
    assert tomo.plate_filter(np.full((12, 13, 14), 7.0, np.float32)).max() < 7 * 1e-6


def test_a_ball_answers_less_than_a_plate():
    share, _ = plate((1, 0, 0), 4)
    place = np.arange(41) - 20.0
    radius = np.sqrt(sum(axis**2 for axis in np.meshgrid(place, place, place, indexing="ij")))
    ball = ndtr((2 - radius) / 0.7)
    answers = [float(tomo.plate_filter(-body.astype(np.float32), (2.0,))[20, 20, 20]) for body in (ball, share)]
    assert answers[0] < 0.01 * answers[1]


def test_values_that_are_not_finite_reach_no_further_than_the_kernel(noise):
    one = noise[0].copy()
    one[20, 20, 20] = np.nan
    found, clean = tomo.plate_filter(one, SCALES), tomo.plate_filter(noise[0], SCALES)
    away = np.ones(one.shape, bool)
    away[tuple(slice(20 - plates.margin(SCALES), 21 + plates.margin(SCALES)) for _ in range(3))] = False
    assert np.isfinite(found.values).all()
    assert_array_equal(found.values[away], clean.values[away])
    assert found[20, 20, 20] == 0


def test_the_result_says_what_it_is(noise):
    placed = noise.assign_coords({axis: (np.arange(noise.sizes[axis]) + 0.5) * 0.65 for axis in "zyx"})
    found = tomo.plate_filter(placed.assign_attrs(units="1/um"), SCALES)
    assert found.dims == noise.dims
    assert found.attrs["units"] == "1/um"
    assert "dark plates" in found.attrs["long_name"]
    assert entries(found)[-1]["parameters"] == {"scales": [1.0, 2.0], "bright": False}


def test_scales_below_the_voxels_and_bricks_are_refused(noise):
    with pytest.raises(OperandoError, match=r"0\.8 voxels or more, got \[0\.5\]"):
        tomo.plate_filter(noise, (0.5,))
    with pytest.raises(OperandoError, match="cubic voxels"):
        tomo.plate_filter(noise.assign_coords(z=np.arange(44) * 2.0, y=np.arange(37.0), x=np.arange(41.0)))
