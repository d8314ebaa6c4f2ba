import dask
import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter

from operando.errors import OperandoError
from operando.tomo import Features, feature_stack
from operando.tomo.eigenvalues import eigenvalues
from operando.tomo.feature_kernels import gaussian, reach

SMALL = Features(scales=(1.0, 2.0))


@pytest.fixture(scope="module")
def volume():
    grey = np.random.default_rng(11).integers(0, 60000, (2, 30, 34, 38)).astype(np.uint16)
    return xr.DataArray(grey, dims=("scan", "z", "y", "x"), coords={"scan": [3, 4]})


def middle(features, name):
    """The feature where no face is within reach."""
    reach = SMALL.margin
    return features.sel(feature=name).values[reach:-reach, reach:-reach, reach:-reach]


def quadratic(edge=44):
    z, y, x = np.meshgrid(*[np.arange(edge) - edge / 2] * 3, indexing="ij")
    return np.asarray(3.0 * z**2 - 1.0 * y**2 + 0.5 * x**2 + 2.0 * z * x, np.float32)


@pytest.mark.peer
@pytest.mark.parametrize("scale", [0.7, 2.0, 3.3])
def test_gaussians_are_those_of_scipy(scale):
    block = np.random.default_rng(2).normal(size=(40, 41, 42)).astype(np.float32)
    inner = (slice(reach(scale), -reach(scale)),) * 3
    theirs = gaussian_filter(block.astype(float), scale, radius=reach(scale))[inner]
    assert_allclose(gaussian(block, scale), theirs, atol=2e-6)


def test_eigenvalues_are_those_of_the_matrix():
    parts = np.random.default_rng(3).normal(size=(6, 500)).astype(np.float32)
    parts[:, 0] = 0
    parts[:, 1] = 1, 0, 0, 1, 0, 1
    zz, zy, zx, yy, yx, xx = parts.astype(float)
    exact = np.linalg.eigvalsh(np.array([[zz, zy, zx], [zy, yy, yx], [zx, yx, xx]]).transpose(2, 0, 1))[:, ::-1]
    found = np.empty((3, 500))
    eigenvalues(parts, 2.0, found)
    assert_allclose(found.T, 2 * exact, atol=4e-7 * np.abs(exact).max())


@pytest.mark.parametrize("scale", [1, 2])
def test_a_quadratic_has_its_own_curvature_at_every_scale(scale):
    features = feature_stack(quadratic(), SMALL)
    exact = scale**2 * np.linalg.eigvalsh([[6.0, 0, 2.0], [0, -2.0, 0], [2.0, 0, 1.0]])[::-1]
    for number, value in enumerate(exact, 1):
        assert_allclose(middle(features, f"hessian_{number}@{scale}"), value, atol=5e-3)
    assert_allclose(middle(features, f"laplacian@{scale}"), 5 * scale**2, atol=5e-3)


@pytest.mark.parametrize("scale", [1, 2])
def test_a_ramp_has_one_slope_and_one_direction(scale):
    z, y, x = np.meshgrid(*[np.arange(40.0)] * 3, indexing="ij")
    features = feature_stack((3 * z + 4 * x + 0 * y).astype(np.float32), SMALL)
    assert_allclose(middle(features, f"gradient@{scale}"), 5 * scale, rtol=1e-4)
    assert_allclose(middle(features, f"structure_1@{scale}"), 25 * scale**2, rtol=1e-4)
    assert_allclose(middle(features, f"structure_3@{scale}"), 0, atol=1e-2)


def test_a_checkerboard_deviates_by_its_contrast():
    z, y, x = np.indices((40, 40, 40))
    features = feature_stack(50 + 7.0 * (-1.0) ** (z + y + x), SMALL)
    assert_allclose(middle(features, "deviation@2"), 7, rtol=1e-3)


@pytest.mark.parametrize("chunks", [{"z": 30, "y": 34, "x": 38}, {"z": 13, "y": 34, "x": 9}, {"scan": 2, "z": 16}])
def test_features_do_not_hang_on_chunks(volume, chunks):
    lazy = feature_stack(volume.chunk(chunks), SMALL)
    assert lazy.chunks is not None
    assert lazy.dims == ("scan", "feature", "z", "y", "x")
    assert_array_equal(lazy.values, feature_stack(volume, SMALL).values)


def test_features_do_not_hang_on_tiles_or_the_order_of_dims(volume, monkeypatch):
    whole = feature_stack(volume, SMALL)
    monkeypatch.setattr("operando.tomo.tiles.TILE", 11)
    assert_array_equal(feature_stack(volume.transpose("x", "scan", "z", "y"), SMALL).values, whole.values)


def test_features_look_as_far_as_their_margin_says(volume):
    grey = volume.values[0].astype(np.float32)
    spoilt = grey.copy()
    spoilt[0, 0, 0] = np.nan
    bad = ~np.isfinite(feature_stack(spoilt, SMALL).values).all(axis=0)
    corner = SMALL.margin
    assert bad[corner - 1, corner - 1, corner - 1]
    assert not bad[corner + 1 :].any()
    assert not bad[:, corner + 1 :].any()
    assert not bad[:, :, corner + 1 :].any()


def test_every_feature_has_its_name_and_says_where_it_comes_from(volume):
    lazy = feature_stack(volume.chunk(z=16))
    assert lazy.sizes["feature"] == 31
    assert lazy.feature.values[:3].tolist() == ["grey", "gaussian@1", "gradient@1"]
    assert_array_equal(lazy.isel(feature=0).astype(np.uint16), volume)
    assert lazy.attrs["scales"] == [1.0, 2.0, 4.0]
    assert lazy.attrs["units"] == ""
    assert "tomo.feature_stack" in lazy.attrs["history"]
    few = Features(scales=(3,), families=("deviation", "gaussian"))
    assert few.names == ("grey", "gaussian@3", "deviation@3")
    with dask.config.set(scheduler="sync"):
        assert_array_equal(
            feature_stack(volume, few).sel(feature="deviation@3"),
            feature_stack(volume, Features(scales=(1, 3))).sel(feature="deviation@3"),
        )


@pytest.mark.parametrize("wrong", [{"scales": ()}, {"scales": (0.1,)}, {"scales": (1e9,)}, {"scales": (1, 1)}])
def test_scales_that_are_none_are_refused(wrong):
    with pytest.raises(OperandoError, match=r"Features: expected .* scale"):
        Features(**wrong)


def test_families_that_are_none_are_refused():
    with pytest.raises(OperandoError, match="expected some of gaussian, derivatives"):
        Features(families=("texture",))
