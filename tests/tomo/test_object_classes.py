"""Kinds of voids: the bounds are where flat ellipsoids of one aspect ratio lie, and hold for bodies of other making."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

from operando import tomo
from operando.tomo.object_classes import Kind, classify_objects

EDGE = 0.5
SIZE = 56
BLUR, NOISE = 0.9, 0.1
"""px, and in units of the contrast between void and matrix."""


def tilted(rng):
    """Return a rotation matrix, evenly drawn."""
    found = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    return found * np.sign(np.linalg.det(found))


def inside(body, turned, middle):
    """Return the share of each voxel, 0 or 1 by eight points, that a body fills; lengths in px."""
    share = np.zeros((SIZE,) * 3)
    for corner in np.ndindex(2, 2, 2):
        places = np.indices(share.shape) + (np.array(corner)[:, None, None, None] - 0.5) / 2
        own = np.tensordot(turned, places - np.reshape(middle, (3, 1, 1, 1)), axes=1)
        share += body(own) / 8
    return share


def ellipsoid(*half):
    return lambda own: sum((axis / length) ** 2 for axis, length in zip(own, half, strict=True)) < 1


def plate(thick, wide, long):
    half = np.array([thick, wide, long]) / 2
    return lambda own: np.all([np.abs(axis) < length for axis, length in zip(own, half, strict=True)], axis=0)


def shell(radius, thick):
    """Return a bowl: half of a thin spherical shell, bent so far that no plane fits it."""

    def body(own):
        away = np.sqrt((own**2).sum(axis=0))
        return (np.abs(away - radius) < thick / 2) & (own[0] > -radius / 3)

    return body


BODIES = {
    "coin": (ellipsoid(2.2, 15, 15), Kind.crack),
    "oval coin": (ellipsoid(2.0, 12, 18), Kind.crack),
    "plate": (plate(3.5, 20, 26), Kind.crack),
    "bowl": (shell(14, 2.4), Kind.crack),
    "ball": (ellipsoid(9, 9, 9), Kind.void),
    "small ball": (ellipsoid(3, 3, 3), Kind.void),
    "rod": (ellipsoid(3.5, 3.5, 18), Kind.void),
    "pebble": (ellipsoid(6, 9, 12), Kind.void),
    "thick coin": (ellipsoid(5, 10, 10), Kind.void),
    "speck": (ellipsoid(1.6, 1.6, 1.6), Kind.unresolved),
}


@pytest.mark.parametrize("name", list(BODIES))
@pytest.mark.parametrize("seed", [1, 2])
def test_bodies_of_any_tilt_are_told_through_blur_and_noise(name, seed):
    body, kind = BODIES[name]
    rng = np.random.default_rng([seed, list(BODIES).index(name)])
    share = inside(body, tilted(rng), rng.uniform(-0.5, 0.5, 3) + SIZE / 2)
    seen = ndimage.gaussian_filter(share, BLUR) + NOISE * rng.standard_normal(share.shape)
    mask = xr.DataArray(seen > 0.5, dims=("z", "y", "x")).assign_coords(
        {axis: (np.arange(SIZE) + 0.5) * EDGE for axis in "zyx"}
    )
    labels, table = tomo.label(mask)
    found = classify_objects(tomo.shapes(table, labels))
    assert int(found["kind"][int(found["voxels"].argmax("object"))]) == kind


def of_ellipsoid(aspect, width=12.0):
    """Return the table of a flat ellipsoid (a, a, a/aspect) with its volume, axes and surface exact."""
    short, e = width / aspect, np.sqrt(1 - aspect**-2)
    surface = 2 * np.pi * width**2 * (1 + (1 - e**2) / e * np.arctanh(e))
    volume = 4 / 3 * np.pi * width**2 * short
    columns = {
        "voxels": 10_000,
        "volume": volume,
        "flatness": 1 - 1 / aspect,
        "surface_area": surface,
        "sphericity": np.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / surface,
    }
    table = xr.Dataset({name: ("object", np.atleast_1d(value)) for name, value in columns.items()})
    lengths = 2 * np.array([[width, width, short]])
    return table.assign(principal_length=(("object", "principal"), lengths)).assign_coords(
        principal=["long", "middle", "short"]
    )


def test_the_bounds_of_cracks_and_of_round_voids_are_aspect_ratios_of_flat_ellipsoids():
    """Cracks are 2.7 times as wide as thick or more, lost contact 3.4 times, and 11 times what is bent out of plane."""
    for aspect, kind in ((2.5, Kind.void), (2.9, Kind.crack)):
        assert int(classify_objects(of_ellipsoid(aspect))["kind"][0]) == kind
    assert float(classify_objects(of_ellipsoid(2.67))["slenderness"][0]) == pytest.approx(5.0, abs=0.02)
    assert float(of_ellipsoid(3.45)["sphericity"][0]) == pytest.approx(0.75, abs=0.005)
    assert float(of_ellipsoid(10.8)["sphericity"][0]) == pytest.approx(0.4, abs=0.005)
