"""Edge and normalization are those of larch on the same input."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from operando import xas

pytestmark = pytest.mark.peer

PAIRS = {"norm": "normalized", "flat": "flattened", "pre_edge": "pre_edge", "post_edge": "post_edge"}


@pytest.fixture(scope="module")
def larch() -> SimpleNamespace:
    """Return larch's ``find_e0`` and ``pre_edge`` as functions of arrays, or skip."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        larch = pytest.importorskip("larch", reason="xraylarch is not installed (extra 'larch')")
        from larch.xafs import find_e0, pre_edge

    def normalized(energy, mu, **settings):
        group = larch.Group()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pre_edge(np.array(energy), np.array(mu), group=group, **settings)
        return group

    return SimpleNamespace(find_e0=lambda energy, mu: find_e0(np.array(energy), np.array(mu)), normalized=normalized)


def as_spectra(energy, mu) -> xr.DataArray:
    dims = ("scan", "energy")[-np.ndim(mu) :]
    return xr.DataArray(mu, dims=dims, coords={"energy": ("energy", energy, {"units": "eV"})})


def assert_same(larch, energy, mu, ours: xr.Dataset, points=slice(None), **settings):
    """Compare one spectrum; ``points`` are those larch kept, in its order."""
    group = larch.normalized(energy, mu, **settings)
    assert ours["e0"].item() == group.e0
    scale = np.abs(group.norm).max()
    for theirs, name in PAIRS.items():
        span = scale if name in {"normalized", "flattened"} else scale * group.edge_step
        np.testing.assert_allclose(ours[name].to_numpy()[points], getattr(group, theirs), rtol=0, atol=1e-9 * span)
    np.testing.assert_allclose(ours["edge_step"].item(), group.edge_step, rtol=1e-9)


SETTINGS = [
    {},
    {"pre1": -100.0},
    {"pre2": -30.0},
    {"pre1": -30.0, "pre2": -120.0},
    {"norm1": 100.0},
    {"norm2": 400.0},
    {"norm2": -50.0},
    {"norm1": 500.0, "norm2": 60.0},
    {"nnorm": 0},
    {"nnorm": 1},
    {"nnorm": 3},
    {"nvict": 1},
    {"nvict": 3},
    {"nvict": -2},
    {"step": 0.7},
    {"e0": 8340.1},
    {"e0": 1.0},
    {"e0": 8184.0},
    {"pre1": -12.0, "pre2": -8.0},
    {"pre1": -500.0, "norm2": 5000.0},
    {"norm1": 20.0, "norm2": 45.0},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_every_setting_acts_as_in_larch(larch, spectra: Callable[..., xr.DataArray], settings):
    mu = spectra(4, noise=2e-3)
    ours = xas.normalize(mu, **settings)
    for k in range(4):
        assert_same(larch, mu["energy"], mu[k], ours.isel(scan=k), **settings)


def test_e0_of_a_noisy_series_is_larchs(larch, spectra):
    for noise in (0.0, 1e-3, 2e-2, 0.1, 0.5):
        mu = spectra(40, noise=noise)
        expected = [larch.find_e0(mu["energy"], row) for row in mu]
        np.testing.assert_array_equal(xas.find_e0(mu), expected)


def test_e0_may_differ_from_spectrum_to_spectrum(larch, spectra):
    mu = spectra(4)
    wanted = xr.DataArray([8330.0, 8341.3, np.nan, 8350.0], dims="scan")
    ours = xas.normalize(mu, e0=wanted)
    for k, e0 in enumerate([8330.0, 8341.3, None, 8350.0]):
        assert_same(larch, mu["energy"], mu[k], ours.isel(scan=k), e0=e0)


@pytest.mark.parametrize("points", [14, 17, 22, 30, 60, 99, 100, 101, 102, 103, 150])
def test_short_scans_are_normalized_as_in_larch(larch, points):
    energy = np.linspace(8290.0, 8400.0, points)
    mu = np.arctan((energy - 8333.3) / 2) + 0.01 * np.sin(energy)
    assert_same(larch, energy, mu, xas.normalize(as_spectra(energy, mu)))


@pytest.mark.parametrize("points", [3, 8, 12, 13])
def test_scans_too_short_for_larch_give_nan(larch, points):
    energy = np.linspace(8290.0, 8400.0, points)
    mu = np.arctan((energy - 8333.3) / 2)
    with pytest.raises(ValueError, match=r"zero-size|empty|at least"):
        larch.normalized(energy, mu)
    ours = xas.normalize(as_spectra(energy, mu))
    assert all(np.isnan(ours[name]).all() for name in ours.data_vars)


def test_points_that_are_not_finite_are_left_out_as_in_larch(larch, spectra):
    mu = spectra(5).copy()
    mu[0, 200:215] = np.nan
    mu[1, 400:] = np.nan
    mu[2, [0, 3, 499]] = np.inf
    mu[3] = np.nan
    ours = xas.normalize(mu)
    for k in (0, 1, 2, 4):
        kept = np.flatnonzero(np.isfinite(mu[k]))
        assert_same(larch, mu["energy"], mu[k], ours.isel(scan=k), points=kept)
        assert np.isnan(np.delete(ours["normalized"][k].to_numpy(), kept)).all()
    assert all(np.isnan(ours[name][3]).all() for name in ours.data_vars)


def test_falling_and_shuffled_energies_are_sorted_as_in_larch(larch, spectra):
    mu = spectra(1)[0]
    for order in (np.arange(500)[::-1], np.random.default_rng(3).permutation(500)):
        mixed = mu.isel(energy=order)
        assert_same(larch, mixed["energy"], mixed, xas.normalize(mixed), points=np.argsort(mixed["energy"].to_numpy()))


def test_repeated_energies_are_pulled_apart_as_in_larch(larch, spectra):
    mu = spectra(1)[0]
    energy = mu["energy"].to_numpy().copy()
    for start, count in ((30, 1), (100, 2), (106, 1), (300, 3), (498, 1)):
        energy[start + 1 : start + 1 + count] = energy[start]
    repeated = as_spectra(energy, mu.to_numpy())
    assert_same(larch, energy, mu, xas.normalize(repeated))
    assert xas.find_e0(repeated).item() == larch.find_e0(energy, mu)


def test_an_edge_in_the_first_points_is_looked_for_again_as_in_larch(larch, spectra):
    mu = spectra(3).copy()
    mu[:, 12] += [3.0, -3.0, 1.0]
    ours = xas.normalize(mu)
    for k in range(3):
        assert_same(larch, mu["energy"], mu[k], ours.isel(scan=k))


@pytest.mark.realdata
def test_the_operando_series_is_normalized_as_by_larch(larch, nickel_series):
    ours = xas.normalize(xas.signal(nickel_series))
    assert nickel_series.sizes["scan"] == 229
    for k in range(229):
        assert_same(larch, nickel_series["energy"], nickel_series["mu"][k], ours.isel(scan=k))
    assert len(np.unique(ours["e0"])) == 18


@pytest.mark.realdata
def test_the_library_of_reference_spectra_is_normalized_as_by_larch(larch, realdata):
    files = sorted((realdata / "xas/xdl").glob("*.xdi"))
    assert len(files) == 12
    for file in files:
        scan = xas.read(file)
        mu = xas.signal(scan, "transmission" if "transmission" in scan else "fluorescence")
        assert_same(larch, scan["energy"], mu, xas.normalize(mu))
