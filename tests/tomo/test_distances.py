import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import distance_transform_edt, gaussian_filter

from operando.errors import OperandoError
from operando.tomo.distances import distance


def blobs(shape, seed, above=0.0):
    return gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.0) > above


def placed(mask, edges=(0.65, 0.65, 0.65)):
    at = {name: (np.arange(size) + 0.5) * edge for name, size, edge in zip("zyx", mask.shape[-3:], edges, strict=True)}
    return xr.DataArray(mask, dims=("scan", "z", "y", "x")[-mask.ndim :], coords=at)


@given(arrays(np.bool_, st.tuples(*[st.integers(1, 9)] * 3)))
@settings(max_examples=40, deadline=None)
def test_distances_are_those_of_all_pairs_of_voxels(mask):
    inside, outside = np.argwhere(mask), np.argwhere(~mask)
    found = distance(placed(mask, (1.3, 0.65, 0.7))).values if min(mask.shape) > 1 else distance(mask).values
    edges = (1.3, 0.65, 0.7) if min(mask.shape) > 1 else (1, 1, 1)
    away = np.linalg.norm((inside[:, None] - outside) * edges, axis=2).min(axis=1, initial=np.inf)
    assert_allclose(found[mask], away, rtol=1e-6)
    assert not found[~mask].any()


@pytest.mark.peer
@pytest.mark.parametrize("edges", [(1.0, 1.0, 1.0), (1.3, 0.65, 0.7)])
def test_distances_equal_those_of_scipy(edges):
    mask = blobs((40, 33, 51), 1)
    assert_allclose(distance(placed(mask, edges)).values, distance_transform_edt(mask, sampling=edges), rtol=1e-6)


@pytest.mark.parametrize("chunks", [{"z": 13, "y": 20, "x": 9}, {"scan": 2, "z": 24}])
@pytest.mark.parametrize("cap", [None, 2.0])
def test_chunks_do_not_change_a_distance(chunks, cap):
    masks = placed(np.stack([blobs((24, 30, 28), 2, above=-0.05), blobs((24, 30, 28), 3)]), (1.3, 0.65, 0.7))
    lazy = distance(masks.chunk(chunks), cap)
    assert lazy.chunks is not None
    assert_array_equal(lazy.values, distance(masks, cap).values)


def test_distances_beyond_the_cap_read_the_cap_and_nearer_ones_are_exact():
    mask = blobs((30, 30, 30), 4, above=-0.1)
    whole, short = distance(mask).values, distance(mask, 3.5).values
    assert whole.max() > 5
    assert_array_equal(short, np.minimum(whole, np.float32(3.5)))


def test_faces_of_the_volume_are_no_interface():
    assert np.isinf(distance(np.ones((3, 4, 5), bool)).values).all()
    mask = np.ones((6, 6, 6), bool)
    mask[0] = False
    assert_array_equal(distance(mask).values[:, 2, 3], np.arange(6))


def test_what_is_no_mask_is_refused():
    with pytest.raises(OperandoError, match="true and false, got values of type int64"):
        distance(np.ones((3, 3, 3), np.int64))
    with pytest.raises(OperandoError, match="cap above 0 px, got 0"):
        distance(np.ones((3, 3, 3), bool), 0.0)


def test_a_distance_says_its_unit_and_how_it_was_made():
    found = distance(placed(blobs((8, 8, 8), 5)), 1.0)
    assert found.attrs["units"] == "um"
    assert found.attrs["long_name"] == "distance to the nearest voxel outside"
    assert "tomo.distance" in found.attrs["history"]
    assert found.dtype == np.float32
