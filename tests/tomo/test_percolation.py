import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from operando.errors import OperandoError
from operando.tomo.percolation import percolates


def joined(mask, axis):
    """Whether a cluster of scipy's reaches from the first face to the last."""
    clusters, _ = ndimage.label(np.moveaxis(mask, axis, 0))
    both = np.intersect1d(clusters[0], clusters[-1])
    return bool((both > 0).any())


def wound(mask, axis):
    """Whether a cluster of a long row of copies, each joined to itself across the other faces, passes all of them."""
    copies = mask.size + 2
    shape = tuple(copies if number == axis else 3 for number in range(3))
    clusters, _ = ndimage.label(np.moveaxis(np.tile(mask, shape), axis, 0))
    both = np.intersect1d(clusters[0], clusters[-1])
    return bool((both > 0).any())


masks = arrays(np.bool_, st.tuples(*[st.integers(1, 6)] * 3))


@given(masks)
@settings(max_examples=40, deadline=None)
def test_a_path_from_face_to_face_is_one_of_scipys_clusters(mask):
    assert percolates(mask, "all").values.tolist() == [joined(mask, axis) for axis in range(3)]


def test_a_path_that_is_shifted_where_the_volume_repeats_leads_to_no_image():
    mask = np.zeros((6, 6, 6), bool)
    mask[:, 2, 2] = True
    mask[5, 2, 2] = False
    assert not percolates(mask, boundary="periodic")
    mask[5, 2] = True
    assert percolates(mask, "all", boundary="periodic").values.tolist() == [True, False, True]
    mask[5, 2] = False
    mask[5, 2, 2] = True
    assert percolates(mask, "all", boundary="periodic").values.tolist() == [True, False, False]


def test_a_stair_through_repeated_volumes_leads_along_all_axes_it_climbs():
    stair = np.zeros((4, 4, 4), bool)
    for step in range(4):
        stair[step, step, 1] = stair[step, (step + 1) % 4, 1] = True
    assert percolates(stair, "all", boundary="periodic").values.tolist() == [True, True, False]
    assert not percolates(stair, "x")
    assert percolates(stair, "y")


@pytest.mark.parametrize("seed", range(12))
def test_periodic_paths_are_those_of_many_copies(seed):
    mask = np.random.default_rng(seed).random((3, 2, 3)) < 0.5
    padded = np.zeros((3, 4, 3), bool)
    padded[:, :2] = mask
    found = percolates(padded, "all", boundary="periodic").values.tolist()
    assert found[1] is False
    assert found[0] == wound(padded, 0)
    assert found[2] == wound(padded, 2)


@given(masks)
@settings(max_examples=40, deadline=None)
def test_paths_around_the_sides_are_those_through_copies_beside_the_volume(mask):
    found = percolates(mask, "all", boundary="periodic_sides").values.tolist()
    for axis in range(3):
        shape = tuple(1 if number == axis else mask[:, 0].size + 2 for number in range(3))
        assert found[axis] == joined(np.tile(mask, shape), axis)


def test_each_volume_of_a_series_is_looked_at_lazily():
    masks = np.zeros((2, 5, 6, 7), bool)
    masks[1, :, 3, 3] = True
    series = xr.DataArray(masks, dims=("scan", "z", "y", "x"), coords={"voxel_size": 0.5, "scan": [3, 4]})
    found = percolates(series.chunk({"z": 2}), ["x", "z"])
    assert found.dims == ("scan", "axis")
    assert found.sel(axis="z").values.tolist() == [False, True]
    assert found.sel(axis="x").values.tolist() == [False, False]
    assert found.attrs["units"] == "1"
    assert "tomo.percolates" in found.attrs["history"]
    assert percolates(series, "z").dims == ("scan",)


def test_what_cannot_be_is_refused():
    mask = np.ones((3, 3, 3), bool)
    with pytest.raises(OperandoError, match="expected a dim of z, y and x"):
        percolates(mask, "w")
    with pytest.raises(OperandoError, match="faces, periodic_sides, periodic, got 'open'"):
        percolates(mask, boundary="open")
    with pytest.raises(OperandoError, match="true and false"):
        percolates(mask.astype(int))
