"""Particles that touch are told apart, in any chunks."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.history import entries
from operando.tomo.particle_labels import separate

SIZE, CENTERS = 30, ((10.2, 10.1, 10.3), (10.2, 22.9, 10.3))


def touching():
    """Return two spheres of radii 7 and 6 that touch."""
    place = np.moveaxis(np.indices((SIZE,) * 3), 0, -1)
    inside = [np.linalg.norm(place - at, axis=-1) < r for at, r in zip(CENTERS, (7, 6), strict=True)]
    coords = {name: np.arange(SIZE) + 0.5 for name in "zyx"}
    return inside, xr.DataArray(inside[0] | inside[1], coords, ("z", "y", "x"))


def test_spheres_that_touch_have_numbers_of_their_own():
    inside, mask = touching()
    labels, table = separate(mask, neck=2.0)
    assert table.sizes["object"] == 2
    for one in inside:
        numbers, counts = np.unique(labels.values[one], return_counts=True)
        assert counts.max() > 0.97 * one.sum()
        assert numbers[counts.argmax()] > 0
    assert not (labels.values[~mask.values]).any()
    assert (labels.values[mask.values] > 0).mean() > 0.98
    assert entries(labels)[-1]["step"] == "tomo.separate"


def test_chunks_change_nothing_and_small_ones_are_left_out():
    _, mask = touching()
    whole = separate(mask, neck=2.0, smallest=300)
    lazy = separate(mask.chunk(z=11, y=13, x=30), neck=2.0, smallest=300)
    np.testing.assert_array_equal(lazy[0].compute(), whole[0])
    assert separate(mask, neck=2.0, smallest=700)[1].sizes["object"] == 0
