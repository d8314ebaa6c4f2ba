"""What a mask leaves out changes nothing beside it; what shows nothing is said to be unknown."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from moved_textures import NOISE, REST, deformed, places, true_shift, volume

from operando.flags import Flag
from operando.tomo import correlate

SIZE, GRADIENT, SHIFT = 48, np.eye(3) * 1.02, (0.4, -0.3, 0.25)
INSIDE = (places(SIZE) ** 2).sum(axis=-1) < 9**2
"""A ball in the middle: a void, or a particle that stays where it is."""
MASK = xr.DataArray(~INSIDE, dims=("z", "y", "x"))
SETTINGS = {"spacing": 9, "window": 13, "start": REST}


@pytest.fixture(scope="module")
def textures():
    """A texture, and what it shows when moved."""
    return deformed(SIZE), deformed(SIZE, GRADIENT, SHIFT)


@pytest.fixture(scope="module")
def material(textures):
    """Both as measured, and the first measured again."""
    still, moved = textures
    return tuple(
        one + NOISE * np.random.default_rng(seed).standard_normal(one.shape)
        for one, seed in ((still, 41), (moved, 42), (still, 43))
    )


def pulls(found):
    """Return the errors of displacements over their uncertainties, in the material that has moved."""
    return (found["displacement"] - true_shift(found, GRADIENT, SHIFT, SIZE)) / found["displacement_std"]


def rms(values):
    return float(np.sqrt((values**2).mean()))


@pytest.mark.parametrize("brighter", [0.0, 5.0])
@pytest.mark.parametrize("smooth", [0.0, 0.7])
def test_a_ball_that_stays_pulls_what_moves_around_it_unless_it_is_masked(material, brighter, smooth):
    """A bright one is worse: its edge outweighs the texture, and blurs reach beyond it."""
    still, moved, again = material
    before, after = (np.where(INSIDE, brighter + again, one) for one in (still, moved))
    settings = {"smooth": smooth, **SETTINGS}
    masked, whole = (correlate(volume(before), volume(after), mask=one, **settings) for one in (MASK, None))
    beside = (masked["share"] < 1) & np.isfinite(masked["displacement"][..., 0])
    assert int(beside.sum()) > 20
    assert rms(pulls(masked).where(beside)) < 1.3
    assert rms(pulls(whole).where(masked["share"] < 1)) > 2


def test_a_ball_that_shows_something_else_loses_nodes_unless_it_is_masked(material):
    still, moved, _ = material
    after = np.where(INSIDE, np.random.default_rng(44).standard_normal(still.shape), moved)
    masked, whole = (correlate(volume(still), volume(after), mask=one, **SETTINGS) for one in (MASK, None))
    assert int((whole["flag"] > 0).sum()) >= 5
    assert not (masked["flag"] > 0).any()
    assert rms(pulls(masked)) < 1.2


@pytest.mark.parametrize(("level", "noise"), [(0.0, 0.0), (3e4, 0.0), (0.0, NOISE), (3e4, NOISE)])
def test_nodes_without_texture_are_flagged_wherever_grey_levels_lie(textures, level, noise):
    """Half of the material shows nothing, or noise alone; its edge moves along."""
    random = np.random.default_rng(45)
    place = places(SIZE)[..., 0]
    pair = [
        volume(level + np.where(empty, 0, one) + noise * random.standard_normal(one.shape))
        for one, empty in zip(textures, (place > 0, place > SHIFT[0]), strict=True)
    ]
    found = correlate(*pair, **SETTINGS)
    # Windows that hold nothing, and those that the texture fills.
    inside, outside = found.sel(z=found["z"] > 16), found.sel(z=found["z"] < 7)
    unknown = inside["displacement_std"].isnull().any("axis") | ((inside["flag"] & int(Flag.ill_conditioned)) > 0)
    assert unknown.all()
    assert (inside["flag"] > 0).all()
    error = outside["displacement"] - true_shift(outside, GRADIENT, SHIFT, SIZE)
    if noise > 0:
        assert (outside["flag"] == 0).all()
        assert float(np.abs(error).max()) < 0.04
    else:  # Windows that see a flat edge alone, without noise, make those beside them stand out.
        assert float(np.abs(error.where(outside["flag"] == 0)).max()) < 0.002
