"""Displacements at nodes become those at voxels, and carry objects along from scan to scan."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from moved_textures import deformed, places, volume

from operando.errors import OperandoError
from operando.tomo import correlate, displacement_field, track

SIZE, EDGE = 40, 0.5
GRADIENT, SHIFT = np.diag([1.05, 1.0, 0.97]), np.array([3.0, -1.0, 0.0])


@pytest.fixture(scope="module")
def found():
    return correlate(volume(deformed(SIZE)), volume(deformed(SIZE, GRADIENT, SHIFT)), spacing=12, window=13)


def test_voxels_know_where_they_came_from(found):
    """Of an affine map it is exact, F^-1 being linear too, also beyond the outermost nodes."""
    field = displacement_field(found, volume(np.zeros((SIZE,) * 3)))
    place = places(SIZE)
    true = place - (place - SHIFT) @ np.linalg.inv(GRADIENT).T
    assert field.dims == ("axis", "z", "y", "x")
    inner = (slice(6, -6),) * 3
    np.testing.assert_allclose(np.moveaxis(field.to_numpy(), 0, -1)[inner] / EDGE, true[inner], atol=0.03)
    assert field.attrs["units"] == "um"


def test_a_lazy_field_is_the_same(found):
    labels = volume(np.zeros((SIZE,) * 3))
    lazy = displacement_field(found, labels.chunk(z=13, x=17))
    assert lazy.chunks is not None
    np.testing.assert_array_equal(lazy, displacement_field(found, labels))


def test_small_objects_that_moved_farther_than_they_are_wide_keep_their_track(found):
    boxes = np.zeros((2, SIZE, SIZE, SIZE), np.int32)
    for number, at in enumerate(np.argwhere(np.ones((3, 3, 3))) * 8 + 12, 1):
        gone = np.rint((at - (SIZE - 1) / 2) @ GRADIENT.T + SHIFT + (SIZE - 1) / 2).astype(int)
        for scan, (z, y, x) in enumerate((at, gone)):
            boxes[scan, z : z + 2, y : y + 2, x : x + 2] = number if scan == 0 else 28 - number
    labels = volume(boxes).astype(np.int32)
    field = displacement_field(found, labels.isel(scan=0))
    moved = xr.concat([xr.zeros_like(field), field], "scan")
    known = track(labels, moved)
    assert known.sizes["track"] == 27
    np.testing.assert_array_equal(known["object"].isel(scan=1), 28 - known["object"].isel(scan=0))
    assert track(labels).sizes["track"] > 27


def test_mistakes_are_named(found):
    with pytest.raises(OperandoError, match="the displacement of one volume"):
        displacement_field(found.drop_vars("displacement"), volume(np.zeros((8,) * 3)))
    with pytest.raises(OperandoError, match="in px"):
        displacement_field(found, xr.DataArray(np.zeros((8,) * 3), dims=("z", "y", "x")))
