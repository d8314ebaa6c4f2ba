import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import distance_transform_edt, gaussian_filter

from operando.errors import OperandoError
from operando.tomo.thickness import local_thickness


def by_definition(mask, most=np.inf):
    """2 max d(c) over all c nearer to the voxel than d(c): sphere after sphere."""
    away = np.minimum(distance_transform_edt(mask), most)
    thickness = np.zeros(mask.shape)
    grid = np.ogrid[tuple(slice(size) for size in mask.shape)]
    for middle in np.argwhere(mask):
        radius = away[tuple(middle)]
        covered = sum((at - c) ** 2 for at, c in zip(grid, middle, strict=True)) < radius**2 - 1e-9
        thickness[covered] = np.maximum(thickness[covered], 2 * radius)
    return thickness


def blobs(shape, seed, above=0.0):
    return gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.0) > above


@pytest.mark.parametrize("most", [None, 3.3, 2.0])
def test_thickness_is_that_of_the_definition(most):
    mask = blobs((24, 26, 22), 1)
    assert_allclose(local_thickness(mask, most).values, by_definition(mask, most or np.inf), rtol=1e-6)


@given(arrays(np.bool_, st.tuples(*[st.integers(1, 7)] * 3)).filter(lambda mask: not mask.all()))
@settings(max_examples=30, deadline=None)
def test_thickness_of_any_mask_is_that_of_the_definition(mask):
    assert_allclose(local_thickness(mask).values, by_definition(mask), rtol=1e-6)


@pytest.mark.parametrize("chunks", [{"z": 11, "y": 30, "x": 17}, {"scan": 2, "z": 24, "y": 9}])
@pytest.mark.parametrize("most", [None, 1.7])
def test_chunks_do_not_change_a_thickness(chunks, most):
    masks = xr.DataArray(
        np.stack([blobs((24, 30, 28), 2), blobs((24, 30, 28), 3)]), dims=("scan", "z", "y", "x")
    ).assign_coords(voxel_size=0.65)
    lazy = local_thickness(masks.chunk(chunks), most)
    assert lazy.chunks is not None
    assert_array_equal(lazy.values, local_thickness(masks, most).values)


def test_a_sphere_is_as_thick_as_its_diameter():
    z, y, x = np.ogrid[-15:16, -15:16, -15:16]
    mask = xr.DataArray(z**2 + y**2 + x**2 < 12.0**2, dims=("z", "y", "x")).assign_coords(voxel_size=0.5)
    found = local_thickness(mask)
    assert found.attrs["units"] == "um"
    assert float(found.max()) == 12.0
    assert (found.values[mask.values] == 12.0).mean() == 1.0


@pytest.mark.parametrize(("layers", "thickness"), [(1, 2), (2, 2), (5, 6), (6, 6)])
def test_a_layer_gets_the_thickness_that_the_docstring_states(layers, thickness):
    mask = np.zeros((12, 20, 20), bool)
    mask[3 : 3 + layers] = True
    assert set(np.unique(local_thickness(mask).values[mask])) == {float(thickness)}


@pytest.mark.realdata
def test_thickness_of_measured_cotton_is_that_of_the_definition(realdata):
    import tifffile

    cotton = tifffile.imread(realdata / "tomo" / "localthickness_cotton.tif")[20:52, 20:52, 20:52] > 0
    found, exact = local_thickness(cotton).values, by_definition(cotton)
    assert_allclose(found, exact, rtol=1e-6)
    assert found[cotton].mean() == pytest.approx(exact[cotton].mean(), rel=0.05)


def test_a_mask_without_an_end_needs_a_radius():
    whole = np.ones((4, 4, 4), bool)
    with pytest.raises(OperandoError, match="give a max_radius"):
        local_thickness(whole)
    assert (local_thickness(whole, 2.0).values == 4.0).all()
    with pytest.raises(OperandoError, match=r"at least a voxel, 1 px, got 0\.2"):
        local_thickness(whole, 0.2)
    long = xr.DataArray(whole, dims=("z", "y", "x"), coords={"z": np.arange(4.0) * 2, "y": range(4), "x": range(4)})
    with pytest.raises(OperandoError, match="cubic voxels"):
        local_thickness(long)
