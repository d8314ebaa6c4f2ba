"""Glitches are found and replaced; white lines, steps and noise are left alone."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from operando import xas
from operando.errors import OperandoError
from operando.flags import Flag

ENERGY = np.concatenate([np.arange(838, 849, 1.0), np.arange(849, 858, 0.1), np.arange(858, 893, 0.5)])


def edge(energy=ENERGY, width=0.5):
    rise = 1 / (1 + np.exp(-(energy - 853.8) / 0.3))
    return 0.4 + rise + 4 * np.exp(-((energy - 854) ** 2) / (2 * width**2)) + 0.8 * np.exp(-((energy - 871) ** 2) / 2)


def noisy(count=50, noise=0.004, seed=5) -> xr.DataArray:
    mu = edge() + np.random.default_rng(seed).normal(0, noise, (count, ENERGY.size))
    coords = {"energy": ("energy", ENERGY, {"units": "eV"}), "flag": ("scan", np.zeros(count, np.int32))}
    return xr.DataArray(mu, dims=("scan", "energy"), coords=coords, attrs={"units": "1"})


@pytest.mark.parametrize("noise", [0.0, 0.001, 0.004, 0.02])
@pytest.mark.parametrize("width", [0.3, 0.5])
def test_a_clean_edge_is_left_as_it_is(noise, width):
    spectra = noisy(noise=noise) - edge() + edge(width=width)
    found = xas.deglitch(spectra)
    touched = (found != spectra).any("energy").to_numpy()
    # A threshold of 8 standard deviations leaves room for the errors of a noise found from 14 points.
    assert touched.mean() <= 0.02
    np.testing.assert_array_equal(found["flag"].to_numpy() > 0, touched)


@pytest.mark.parametrize("points", [1, 2, 3])
@pytest.mark.parametrize("height", [-0.3, 0.3])
def test_a_glitch_is_replaced_by_what_lies_around_it(points, height):
    spectra = noisy()
    at = np.flatnonzero(ENERGY == 864.0)[0]
    spectra[:, at : at + points] += height
    found = xas.deglitch(spectra)
    np.testing.assert_allclose(found[:, at : at + points], edge()[None, at : at + points].repeat(50, 0), atol=0.05)
    assert (found["flag"].to_numpy() & Flag.glitch).all()


def test_a_known_glitch_is_replaced_in_every_scan_and_detector():
    scans = xr.Dataset({"mu": noisy(3), "i0": noisy(3, seed=6)})
    found = xas.deglitch(scans, energies=[863.0], width=0.6)
    changed = (found["mu"] != scans["mu"]).to_numpy()
    near = np.abs(ENERGY - 863.0) <= 0.6
    assert (changed[:, near]).all()
    assert not (changed[:, ~near]).any()
    np.testing.assert_array_equal(found["glitches"], near.sum())


def test_a_glitch_of_one_detector_is_replaced_in_all():
    scans = xr.Dataset({"tey": noisy(2), "i0": noisy(2, seed=6)})
    scans["i0"][0, 120] -= 1.0
    found = xas.deglitch(scans)
    assert found["tey"][0, 120] != scans["tey"][0, 120]
    np.testing.assert_array_equal(found["glitches"], [1, 0])


def test_a_step_is_no_glitch():
    spectra = noisy()
    spectra[:, 130:] *= 1.05
    touched = (xas.deglitch(spectra) != spectra).any("energy")
    assert float(touched.mean()) <= 0.02


def test_missing_points_and_chunks_change_nothing():
    spectra = noisy(6)
    spectra[:, 120] += 0.5
    spectra[2, 30:35] = np.nan
    lazy = xas.deglitch(spectra.chunk(scan=2))
    assert lazy.chunks
    xr.testing.assert_equal(lazy.compute(), xas.deglitch(spectra))
    assert np.isnan(lazy[2, 32])


def test_scans_without_spectra_are_refused():
    with pytest.raises(OperandoError, match="along the dim 'energy'"):
        xas.deglitch(xr.Dataset({"current": ("scan", [1.0])}))
