"""Regions: every piece above the threshold once, by number, and nothing of what touches its surroundings."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from operando.errors import OperandoError
from operando.xas import xpeem

CENTERS = ((12.0, 15.0), (30.0, 50.0), (48.0, 20.0))
RADII = (5.0, 8.0, 6.0)


def discs(size=(64, 70), step=100.0, noise=0.0):
    rows, columns = np.indices(size)
    inside = [np.hypot(rows - y, columns - x) <= radius for (y, x), radius in zip(CENTERS, RADII, strict=True)]
    values = step * np.logical_or.reduce(inside) + np.random.default_rng(3).normal(0, noise or 1e-9, size)
    return xr.DataArray(values, dims=("y", "x"), attrs={"units": "1"}), inside


def test_discs_are_found_whole_in_the_order_of_their_first_pixel():
    image, inside = discs(noise=3.0)
    found = xpeem.regions(image, shrink=0)
    np.testing.assert_array_equal(found["region_label"], sum((k + 1) * disc for k, disc in enumerate(inside)))
    np.testing.assert_allclose(np.c_[found["region_y"], found["region_x"]], CENTERS)
    np.testing.assert_array_equal(found["region_area"], [disc.sum() for disc in inside])
    assert found["region_label"].attrs["units"] == "1"


def test_numbers_do_not_depend_on_the_order_of_the_dims():
    image, _ = discs()
    np.testing.assert_array_equal(xpeem.regions(image.T)["region_label"], xpeem.regions(image)["region_label"])


def test_shrinking_takes_off_the_rim():
    image, _ = discs()
    found = xpeem.regions(image, shrink=2, smallest=5)["region_label"].values
    rows, columns = np.indices(found.shape)
    for (y, x), radius in zip(CENTERS, RADII, strict=True):
        distance = np.hypot(rows - y, columns - x)
        assert (found[distance <= radius - 4] > 0).all()
        assert not found[(distance > radius - 1) & (distance < radius + 2)].any()


def test_small_pieces_and_all_but_the_largest_may_be_left_out():
    image, inside = discs()
    areas = [int(disc.sum()) for disc in inside]
    assert xpeem.regions(image, shrink=0, smallest=areas[0] + 1).sizes["region"] == 2
    (largest,) = xpeem.regions(image, shrink=0, most=1)["region_area"].values
    assert largest == max(areas)


def test_pixels_without_a_value_belong_to_no_region():
    image, _ = discs()
    image[:, :15] = np.nan
    label = xpeem.regions(image, smallest=5)["region_label"].values
    assert not label[:, :15].any()
    assert label.max() == 3


@pytest.mark.parametrize(
    ("image", "options", "said"),
    [
        (discs()[0].expand_dims("scan"), {}, "dims y and x"),
        (discs()[0] * np.nan, {}, "hardly any"),
        (discs()[0] * 0, {}, "hardly any"),
        (discs()[0], {"threshold": 1e6}, "got none; state a lower 'threshold'"),
        (discs()[0], {"smallest": 0}, "smallest and most from 1"),
    ],
)
def test_what_has_no_regions_is_refused_in_words(image, options, said):
    with pytest.raises(OperandoError, match=said):
        xpeem.regions(image, **options)


def test_an_image_of_numbers_must_hold_each_of_them():
    label = np.zeros((8, 8), int)
    label[1:3, 1:3], label[5:, 5:] = 1, 2
    found = xpeem.labelled(label)
    np.testing.assert_array_equal(found["region_area"], [4, 9])
    np.testing.assert_allclose(found["region_x"], [1.5, 6.0])
    for bad in (label * 2, label - 1, label * 0):
        with pytest.raises(OperandoError, match="numbers 0 to n"):
            xpeem.labelled(bad)
