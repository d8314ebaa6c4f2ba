"""Scans are brought to one energy scale by their references, and errors of the shifts cover."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.stats import chi2

from operando import xas
from operando.errors import OperandoError
from operando.flags import Flag

REAL = Path(__file__).parents[3] / "shared" / "data" / "xas" / "xdl"
ENERGY = np.concatenate(
    [np.arange(8230.0, 8320.0, 2.0), np.arange(8320.0, 8360.0, 0.4), np.arange(8360.0, 8500.0, 2.0)]
)


def foil(energy):
    e = energy - 8333.0
    rise = 1 / (1 + np.exp(-e / 1.0))
    return rise * (1 + 0.2 * np.exp(-(((e - 6) / 4) ** 2)) + 0.05 * np.cos(np.sqrt(np.clip(e, 0, None)))) + 2.0


def drifting(count=12, noise=1e-3, seed=8) -> tuple[np.ndarray, xr.Dataset]:
    """Return shifts and scans that show the sample and, behind it, the reference."""
    rng = np.random.default_rng(seed)
    shifts = rng.uniform(-3.0, 3.0, count)
    shifts[0] = 0.0
    at = ENERGY - shifts[:, None]
    mu = 1 / (1 + np.exp(-(at - 8340.0) / 1.5))
    reference = foil(at) + rng.normal(0, noise, at.shape)
    scans = xr.Dataset(
        {"mu": (("scan", "energy"), mu, {"units": "1"}), "reference": (("scan", "energy"), reference, {"units": "1"})},
        coords={"energy": ("energy", ENERGY, {"units": "eV"}), "flag": ("scan", np.zeros(count, np.int32))},
    )
    return shifts, scans


def standard() -> xr.DataArray:
    return xr.DataArray(foil(ENERGY), dims="energy", coords={"energy": ("energy", ENERGY, {"units": "eV"})})


def test_shifts_are_found_and_samples_coincide():
    shifts, scans = drifting()
    found = xas.align(scans)
    np.testing.assert_allclose(found["energy_shift"], shifts, atol=0.02)
    edges = xas.edge_energy(xas.normalize(found["mu"]))["edge_energy"]
    assert float(edges.max() - edges.min()) < 0.03
    assert found["energy_shift"].attrs["units"] == "eV"
    assert not found["flag"].any()


def test_errors_of_the_shifts_cover():
    shifts, scans = drifting(200)
    found = xas.align(scans, standard=standard())
    pulls = ((found["energy_shift"] - shifts) / found["energy_shift_std"]).to_numpy()
    n = pulls.size
    low, high = np.sqrt(chi2.ppf([0.0005, 0.9995], n) / n)
    assert low < np.sqrt(np.mean(pulls**2)) < high


def test_a_poor_reference_is_flagged_and_its_scan_left_alone():
    _, scans = drifting(3)
    scans["reference"][1] = np.random.default_rng(0).normal(size=ENERGY.size)
    found = xas.align(scans)
    assert [bool(flag & Flag.poor_reference) for flag in found["flag"].to_numpy()] == [False, True, False]
    assert np.isnan(found["energy_shift"][1])
    np.testing.assert_array_equal(found["mu"][1], scans["mu"][1])


def test_lazy_scans_give_the_same():
    _, scans = drifting(5)
    lazy = xas.align(scans.chunk(scan=2), standard=standard())
    assert lazy["mu"].chunks
    xr.testing.assert_allclose(lazy.compute(), xas.align(scans, standard=standard()), rtol=1e-10)


def test_a_standard_without_an_edge_is_refused():
    _, scans = drifting(2)
    with pytest.raises(OperandoError, match="standard with an edge"):
        xas.align(scans, standard=0.0 * standard())


@pytest.mark.realdata
def test_the_manganese_ladder_rises_with_oxidation_aligned_or_not():
    """Half heights within 0.05 eV as known; the references lie behind strong absorbers and are poor."""
    if not REAL.exists():
        pytest.skip("needs the measured manganese oxides")
    names = ("MnO", "Mn3O4", "Mn2O3", "MnO2")
    scans = xas.read_series([REAL / f"{name}_rt_01.xdi" for name in names])

    def half_heights(series):
        return xas.edge_energy(xas.normalize(xas.signal(series, "transmission")))["edge_energy"].to_numpy()

    np.testing.assert_allclose(half_heights(scans), [6544.07, 6546.12, 6548.97, 6551.63], atol=0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = xas.align(scans, standard=1, method="e0")
    np.testing.assert_allclose(found["energy_shift"], [1.31, 0.0, -0.352, 0.0], atol=0.005)
    np.testing.assert_allclose(np.diff(half_heights(found)), [3.4, 3.2, 2.3], atol=0.1)
    assert int(found["flag"][0]) & Flag.poor_reference
