from __future__ import annotations

import math

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from skimage.measure import regionprops_table

from operando import tomo
from operando.errors import OperandoError

DIMS = ("z", "y", "x")


@pytest.fixture(scope="module")
def labels():
    """Labels with gaps, in no order, of regions in several pieces."""
    noise = np.random.default_rng(7)
    coarse = noise.choice([0, 3, 4, 70_000, 12, 900], size=(6, 5, 7))
    return coarse.repeat(4, 0).repeat(5, 1).repeat(3, 2).astype(np.int32) * (noise.random((24, 25, 21)) < 0.9)


@pytest.fixture(scope="module")
def grey(labels):
    return 1e6 + np.random.default_rng(8).normal(size=labels.shape)


def test_regions_have_the_sizes_boxes_and_moments_that_scikit_image_finds(labels, grey):
    found = tomo.regions(labels, grey)
    names = ("label", "area", "bbox", "centroid", "inertia_tensor", "mean_intensity")
    theirs = regionprops_table(labels, grey, properties=names)
    assert_array_equal(found["number"], theirs["label"])
    assert_array_equal(found["voxels"], theirs["area"])
    for axis in range(3):
        assert_array_equal(found["box_min"][:, axis], theirs[f"bbox-{axis}"])
        assert_array_equal(found["box_max"][:, axis] + 1, theirs[f"bbox-{axis + 3}"])
        assert_allclose(found["centroid"][:, axis], theirs[f"centroid-{axis}"], rtol=0, atol=1e-9)
    points = found["covariance"].values - np.eye(3) / 12
    inertia = np.trace(points, axis1=1, axis2=2)[:, None, None] * np.eye(3) - points
    for one in range(3):
        for other in range(3):
            assert_allclose(inertia[:, one, other], theirs[f"inertia_tensor-{one}-{other}"], rtol=1e-9, atol=1e-9)
    assert_allclose(found["intensity_mean"], theirs["mean_intensity"], rtol=1e-12)
    spread = [grey[labels == number].std() for number in theirs["label"]]
    assert_allclose(found["intensity_spread"], spread, rtol=1e-9)


@pytest.mark.parametrize("chunks", [(24, 25, 21), (5, 25, 8), (1, 9, 21)])
def test_chunks_change_nothing(labels, grey, chunks):
    whole = tomo.regions(labels, grey)
    lazy = xr.DataArray(da.from_array(labels, chunks=chunks), dims=DIMS)
    found = tomo.regions(lazy, xr.DataArray(da.from_array(grey, chunks=7), dims=DIMS))
    exact = [name for name in whole if not str(name).startswith("intensity")]
    xr.testing.assert_identical(found[exact], whole[exact])
    xr.testing.assert_allclose(found, whole, rtol=1e-9)


def test_means_of_many_voxels_lose_nothing_to_rounding():
    """A large region whose first voxel is unlike the others: a sum in one row is off by 7e-15."""
    values = np.random.default_rng(9).normal(1, 0.1, (60, 200, 200))
    values[0, 0, 0] = 0
    table = tomo.regions(np.ones(values.shape, np.int32), values)
    assert_allclose(table["intensity_mean"], [math.fsum(values.flat) / values.size], rtol=4e-16, atol=0)


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.int64])
def test_whole_numbers_of_any_kind_are_labels(labels, dtype):
    small = np.where(labels > 60_000, 60_000, labels)
    xr.testing.assert_identical(tomo.regions(small.astype(dtype)), tomo.regions(small))


def test_regions_of_what_was_labeled_are_the_table_of_label():
    solid = np.random.default_rng(2).random((2, 12, 14, 10)) < 0.25
    size = xr.DataArray([0.5, 0.7], dims="scan")
    mask = xr.DataArray(solid, dims=("scan", *DIMS)).assign_coords(voxel_size=size)
    labels, table = tomo.label(mask, 6)
    xr.testing.assert_identical(tomo.regions(labels).drop_attrs(), table.drop_attrs())
    assert_allclose(table["volume"], table["voxels"] * size[table["scan"]] ** 3)
    assert_allclose(table["centroid"][0], 0.25 + 0.5 * np.argwhere(labels[0].values == 1).mean(axis=0))


def test_each_variable_tells_its_unit_and_meaning(labels, grey):
    grey = xr.DataArray(grey, dims=DIMS, attrs={"units": "1/um"})
    table = tomo.regions(xr.DataArray(labels, dims=DIMS).assign_coords(voxel_size=0.65), grey)
    assert all({"units", "long_name"} <= set(variable.attrs) for variable in table.variables.values())
    expected = {"centroid": "um", "covariance": "um^2", "volume": "um^3", "intensity_mean": "1/um", "flatness": "1"}
    assert {name: table[name].attrs["units"] for name in expected} == expected


def test_uneven_places_are_told_before_anything_is_computed(labels):
    lazy = xr.DataArray(da.from_array(labels, chunks=12).map_blocks(refuse, dtype=np.int32), dims=DIMS)
    uneven = lazy.assign_coords({name: np.arange(size) ** 2.0 for name, size in lazy.sizes.items()})
    with pytest.raises(OperandoError, match="evenly spaced"):
        tomo.regions(uneven)
    with pytest.raises(OperandoError, match="evenly spaced"):
        tomo.label(uneven > 0)


def refuse(block):
    raise AssertionError("a block was computed")


def test_what_are_no_labels_is_refused(labels, grey):
    with pytest.raises(OperandoError, match="expected labels"):
        tomo.regions(grey)
    with pytest.raises(OperandoError, match=r"labels from 0 to 4294967295, got -5 to"):
        tomo.regions(np.where(labels == 3, -5, labels))
    with pytest.raises(OperandoError, match="on the voxels of the labels"):
        tomo.regions(labels, grey[1:])
