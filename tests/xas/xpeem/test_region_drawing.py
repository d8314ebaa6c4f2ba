"""Drawn shapes hold the pixels whose middle lies within them, and what is no shape is told."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from operando.errors import OperandoError
from operando.xas import xpeem
from operando.xas.xpeem.region_drawing import inside

IMAGE = xr.DataArray(np.zeros((40, 50)), dims=("y", "x"), attrs={"units": "1"})


def polygon(*corners):
    return {"kind": "polygon", "corners": [list(corner) for corner in corners]}


def square(y, x, side=4.0):
    return polygon((y, x), (y, x + side), (y + side, x + side), (y + side, x))


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 8), st.integers(1, 8))
def test_a_rectangle_between_pixels_holds_what_lies_between_its_sides(y, x, height, width):
    low, high = (y - 0.5, x - 0.5), (y + height - 0.5, x + width - 0.5)
    corners = np.array([low, (low[0], high[1]), high, (high[0], low[1])])
    want = np.zeros((40, 50), bool)
    want[y : y + height, x : x + width] = True
    np.testing.assert_array_equal(inside((40, 50), "polygon", corners), want)


def test_an_ellipse_is_inside_its_rectangle():
    corners = np.array([[10, 10], [10, 30], [20, 30], [20, 10]], float)
    mask = inside((40, 40), "ellipse", corners)
    assert abs(mask.sum() - np.pi * 5 * 10) < 12
    assert not mask[:10].any()
    assert not mask[:, 31:].any()
    turned = inside((40, 40), "ellipse", corners[:, ::-1])
    np.testing.assert_array_equal(turned, mask.T)


def test_regions_are_numbered_as_they_were_drawn_and_recorded():
    shapes = [square(20.5, 20.5), square(1.5, 1.5, 3.0)]
    found = xpeem.drawn_regions(IMAGE, shapes)
    np.testing.assert_array_equal(found["region_area"], [16, 9])
    np.testing.assert_array_equal(found["region_y"], [22.5, 3.0])
    (step,) = json.loads(found.attrs["history"])
    assert step["parameters"] == {"shapes": shapes}


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ([square(1.5, 1.5), square(3.5, 3.5)], "got pixels in both 1 and 2"),
        ([square(100.0, 1.5)], r"expected pixels of the \(40, 50\) px image in shape 1"),
        ([{"kind": "line", "corners": [[1, 2], [3, 4]]}], "expected kind polygon or ellipse"),
        ([{**square(1.5, 1.5), "side": 2}], "in shape 1, got side"),
        ([polygon((1.0, 2.0), (3.0, 4.0))], "expected 3 or more corners"),
        ([polygon((1.0, 2.0), (3.0, 4.0), (float("nan"), 2.0))], "expected 3 or more corners"),
        ([{"kind": "ellipse", "corners": [[1, 2], [3, 4], [5, 6]]}], "expected 4 or more corners"),
        ([{"kind": "polygon", "corners": "many"}], "got 'many'"),
        ([], "numbers 0 to n"),
    ],
)
def test_what_is_no_shape_is_refused_in_a_line(shapes, said):
    with pytest.raises(OperandoError, match=said) as caught:
        xpeem.drawn_regions(IMAGE, shapes)
    assert "\n" not in str(caught.value)
