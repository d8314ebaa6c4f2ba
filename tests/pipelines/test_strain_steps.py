"""Volumes compared scan by scan through the steps of a recipe: particles that shrink, and material that stretches."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

from operando.errors import OperandoError
from operando.pipelines.steps import strains, volumes

SIZE, EDGE = 32, 0.5
LEVELS, NAMES = [0.0, 100.0, 900.0], ["void", "electrolyte", "ncm"]
CENTER, RADIUS = np.array([15.3, 15.8, 15.6]), 9.0


def grey(growth, seed):
    """Return a sphere whose volume has changed, blurred by 1 voxel, and a part of another one at a face."""
    place = np.moveaxis(np.indices((SIZE,) * 3), 0, -1)
    depth = [
        radius * (1 + growth) ** (1 / 3) - np.linalg.norm(place - at, axis=-1)
        for at, radius in ((CENTER, RADIUS), (np.array([30.0, 30, 30]), 6.0))
    ]
    share = np.clip(np.maximum(*depth) + 0.5, 0, 1)
    values = 100 + 800 * ndimage.gaussian_filter(share, 1.0)
    return values + 20 * np.random.default_rng(seed).standard_normal(values.shape)


def scan(values):
    """Return one scan and its phases."""
    raw = xr.Dataset(
        {"grey": (("scan", "z", "y", "x"), values[np.newaxis].astype(np.float32), {"units": "1"})},
        {dim: (np.arange(SIZE) + 0.5) * EDGE for dim in "zyx"},
        {"history": "[]"},
    )
    flags = np.zeros((1, SIZE), np.int32)
    raw = raw.assign_coords(frame_flag=(("scan", "z"), flags), voxel_size=("scan", [EDGE]), flag=("scan", flags[0, :1]))
    return raw, volumes.segment(raw, raw.drop_vars("grey"), nothing(raw), levels=LEVELS, names=NAMES)


def nothing(raw):
    return raw.drop_vars(list(raw.variables)).drop_attrs()


@pytest.fixture(scope="module")
def still():
    raw, processed = scan(grey(0.0, 1))
    return raw, strains.expansion(raw, processed, nothing(raw), nothing(raw), blur=1.0)


def test_particles_are_told_apart_in_the_first_scan_and_have_not_changed_there(still):
    found = still[1]
    assert found["particle_whole"].values.tolist() == [True, False]
    np.testing.assert_allclose(found["particle_center"][0], (CENTER + 0.5) * EDGE, atol=0.05)
    np.testing.assert_array_equal(found["particle_expansion"], np.zeros((1, 2)))
    assert found["particle_expansion"].attrs["units"] == "1"


def test_a_particle_shrinks_by_what_it_has_lost(still):
    raw, processed = scan(grey(-0.04, 2))
    found = strains.expansion(raw, processed, still[1], still[0], blur=1.0)
    value, std = (float(found[f"particle_expansion{ending}"][0, 0]) for ending in ("", "_std"))
    assert abs(value + 0.04) < 3.3 * std < 0.01
    assert float(found["expansion_mean"][0]) == pytest.approx(value)
    np.testing.assert_array_equal(found["particle_label"], still[1]["particle_label"])
    assert "tomo.volume_expansion" in found.attrs["history"]


def test_nodes_tell_how_the_material_has_moved_since_the_scan_asked_for(still):
    noise = ndimage.gaussian_filter(np.random.default_rng(5).standard_normal((SIZE,) * 3), 1.5)
    before, now = (scan(4000 * np.roll(noise, by, axis=1))[0] for by in (0, 1))
    other, settings = scan(grey(0.0, 3))[0], {"spacing": 8, "window": 15}
    bare = now.drop_vars("grey")
    first = strains.correlate(before, bare, nothing(now), nothing(now), nothing(now), **settings)
    assert np.isnan(first["node_volume_ratio"]).all()
    for since, pair in (("first", (before, other)), ("previous", (other, before))):
        found = strains.correlate(now, bare, bare, *pair, since=since, **settings)
        assert found["node_displacement"].shape == first["node_displacement"].shape
        sound = found["node_flag"] == 0
        assert sound.mean() > 0.8
        apart = found["node_displacement"].where(sound) - np.array([0, EDGE, 0])
        assert float(np.abs(apart).max()) < 0.02
        assert float(np.abs(found["node_volume_ratio"].where(sound) - 1).max()) < 0.02
    assert found["node_displacement"].attrs == {
        "units": "um",
        "long_name": "displacement of the material",
        "since": since,
    }


def test_mistakes_are_named(still):
    raw, processed = still
    with pytest.raises(OperandoError, match="'of' among the phases void, electrolyte, ncm"):
        strains.expansion(raw, processed, nothing(raw), nothing(raw), of="graphite")
    with pytest.raises(OperandoError, match="of 100000 voxels or more, got none"):
        strains.expansion(raw, processed, nothing(raw), nothing(raw), smallest=100_000)
    with pytest.raises(OperandoError, match="expected the particles of the first scan"):
        strains.expansion(raw, processed, raw, raw)
