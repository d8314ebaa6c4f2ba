"""A drifting grey scale is brought back to that of the first scan, with errors that cover."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from pulls import assert_unit_normal
from scipy import ndimage
from scipy.optimize import brentq
from scipy.stats import norm
from simulated_volumes import LAW, as_volume, composite, grey_values

from operando.errors import OperandoError
from operando.example_scans import parameters, tomography
from operando.example_scans.microstructure import ELECTROLYTE, NCM
from operando.history import entries
from operando.tomo import match_grey
from operando.tomo.noise_level import noise_level

GAIN, OFFSET = np.array([1.0, 0.93, 1.05, 0.9, 1.1]), np.array([0.0, 400.0, -900.0, 1500.0, 250.0])
NOISE = LAW.noise * LAW.grey_per_attenuation


def drifted(steps=(1, 2, 3, 4, 5)):
    """Return the series whose grey values have drifted so that GAIN and OFFSET undo it."""
    values = [(grey_values(step).astype(float) - o) / g for step, g, o in zip(steps, GAIN, OFFSET, strict=False)]
    return as_volume(np.array(values, dtype=np.float32)).assign_attrs(units="counts")


@pytest.fixture(scope="module")
def phases():
    """Return the inner parts of electrolyte (1) and NCM (2) that are such in all steps."""
    labels = np.zeros((LAW.voxels,) * 3, np.uint8)
    for number, phase in ((1, ELECTROLYTE), (2, NCM)):
        always = np.all([composite(step).label == phase for step in range(1, 6)], axis=0)
        labels[ndimage.binary_erosion(always, iterations=3)] = number
    return labels


def test_two_phases_give_gain_and_offset(phases):
    found = match_grey(drifted(), phases=phases)
    np.testing.assert_allclose(found["gain"], GAIN, rtol=0.002)
    np.testing.assert_allclose(found["offset"], OFFSET, atol=0.05 * NOISE)
    assert (np.abs(found["gain"] - GAIN)[1:] < 5 * found["gain_std"][1:]).all()
    assert float(found["gain_std"][0]) == float(found["offset_std"][0]) == 0
    assert found.attrs["units"] == found["offset"].attrs["units"] == "counts"
    np.testing.assert_allclose(found.isel(scan=4), grey_values(5), atol=0.3 * NOISE)
    assert entries(found)[-1]["step"] == "tomo.match_grey"


def test_one_phase_gives_the_offset(phases):
    moved = drifted((1, 1)) * xr.DataArray(GAIN[:2], dims="scan")
    found = match_grey(moved, phases=phases == 1)
    np.testing.assert_array_equal(found["gain"], 1)
    assert float(found["offset"][1]) == pytest.approx(OFFSET[1], abs=1)


def test_peaks_are_followed_while_they_drift():
    found = match_grey(drifted(), peaks=(13000, 45000))
    np.testing.assert_allclose(found["gain"], GAIN, rtol=0.005)
    np.testing.assert_allclose(found["offset"], OFFSET, atol=0.2 * NOISE)


def test_quantiles_serve_where_nothing_else_changes():
    found = match_grey(drifted((1, 1)), quantiles=(0.3, 0.9))
    assert float(found["gain"][1]) == pytest.approx(GAIN[1], rel=1e-3)
    assert float(found["offset"][1]) == pytest.approx(OFFSET[1], abs=0.05 * NOISE)


def test_the_uncertainty_covers():
    """Two phases of blocks in noise of its own: 101 scans against the first, gain and offset."""
    labels = np.ones((48, 6, 6), np.uint8)
    labels[:, :, 3:] = 2
    noise = np.random.default_rng(21)
    clean = np.where(labels == 1, 100.0, 300.0)
    steady = np.repeat(clean[np.newaxis] + noise.normal(size=clean.shape), 121, axis=0)
    steady[1:] += 10 * noise.normal(size=steady[1:].shape)
    found = match_grey(as_volume(steady), phases=labels)
    pulls = np.r_[((found["gain"] - 1) / found["gain_std"])[1:], (found["offset"] / found["offset_std"])[1:]]
    assert_unit_normal(pulls)


def test_lazy_volumes_stay_lazy_with_the_same_factors(phases):
    series = drifted()
    whole = match_grey(series, phases=phases)
    lazy = match_grey(series.chunk(scan=2, z=13, y=64, x=20), phases=phases)
    assert lazy.chunks is not None
    np.testing.assert_array_equal(lazy["gain"], whole["gain"])
    np.testing.assert_array_equal(lazy.to_numpy(), whole.to_numpy())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "one of phases, peaks and quantiles, got none"),
        ({"peaks": (1, 2), "quantiles": (0.1,)}, "got ['peaks', 'quantiles']"),
        ({"peaks": (1, 2, 3)}, "one or two different peaks"),
        ({"quantiles": (0.1, 1.2)}, "quantiles from 0 to 1"),
        ({"phases": np.zeros((64, 64, 64), bool)}, "labels up to 0"),
        ({"phases": np.ones((4, 4, 4), bool)}, "of the shape (64, 64, 64), got (4, 4, 4)"),
        ({"peaks": (1e9,)}, "expected peaks near"),
    ],
)
def test_mistakes_are_named(settings, message):
    with pytest.raises(OperandoError) as told:
        match_grey(drifted((1, 2)), **settings)
    assert message in str(told.value)


def test_a_phase_that_is_hardly_there_is_refused(phases):
    with pytest.raises(OperandoError, match="in at least 3 of 16 groups"):
        match_grey(drifted((1, 2)), phases=(phases == 1) & (np.arange(64) < 5)[:, np.newaxis, np.newaxis])
    with pytest.raises(OperandoError, match="volumes along scan"):
        match_grey(drifted((1, 2)).isel(scan=0), peaks=(1, 2))


def told_of_edges(still, noise):
    """Return what the median of |d| tells where the structure itself, without noise, has the differences ``still``.

    It is m with mean(Phi((m - d)/s) - Phi((-m - d)/s)) = 1/2, s = sqrt(8) noise, d the differences of 2 x 2 x 2 voxels.
    """
    z, y, x = (slice(0, size // 2 * 2) for size in still.shape)
    part, spread = still[z, y, x], np.sqrt(8) * noise
    for _ in range(3):
        part = np.moveaxis(part[::2] - part[1::2], 0, -1)
    half = brentq(
        lambda m: (norm.cdf((m - part) / spread) - norm.cdf((-m - part) / spread)).mean() - 0.5, 0, 9 * spread
    )
    return half / norm.ppf(0.75) / np.sqrt(8)


def test_the_noise_is_told_whatever_the_structure():
    """Edges raise it by what they add to the differences, 4 %; chance by 1.17/sqrt(n) for the median of n."""
    volume = grey_values(1)
    found = float(noise_level(as_volume(volume), "test"))
    still = LAW.grey_per_attenuation * ndimage.gaussian_filter(
        tomography.attenuation(parameters.load("small"), composite(1)), LAW.blur, mode="nearest"
    )
    expected = told_of_edges(still, NOISE)
    pairs = 16 * (volume.shape[1] // 2) * (volume.shape[2] // 2)
    assert NOISE < expected < 1.06 * NOISE
    assert found == pytest.approx(expected, rel=3.3 * 1.17 / np.sqrt(pairs))
    flat = noise_level(as_volume(np.random.default_rng(4).normal(size=(2, 40, 60, 60)) * 3), "test")
    np.testing.assert_allclose(flat, 3, rtol=0.03)
    with pytest.raises(OperandoError, match="finite values"):
        noise_level(as_volume(np.full((4, 4, 4), np.nan)), "test")
    with pytest.raises(OperandoError, match="at least 2 voxels"):
        noise_level(as_volume(np.zeros((1, 4, 4))), "test")
