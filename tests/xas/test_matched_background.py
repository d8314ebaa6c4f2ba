"""The match to the tables gives back the edge that was put in, and the numbers of larch."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from operando import OperandoError, xas
from operando.flags import Flag
from operando.history import entries
from operando.xas import atomic_data

METHODS = ("mback", "mback_norm")


def spectrum(energy, mu) -> xr.DataArray:
    dims = ("scan", "energy")[-np.ndim(mu) :]
    return xr.DataArray(mu, dims=dims, coords={"energy": ("energy", energy, {"units": "eV"})}, attrs={"units": "1"})


def tabulated(energy) -> np.ndarray:
    return atomic_data.scattering_f2("Ni", energy)


@pytest.mark.parametrize("thickness", [0.02, 0.4])
def test_a_bare_tabulated_edge_is_matched_whatever_its_background(thickness):
    energy = np.arange(8100.0, 9000.0, 1.0)
    e = (energy - 8333.0) / 500
    mu = spectrum(energy, thickness * (tabulated(energy) + 5 - 3 * e + 2 * e**2 - e**3))
    found = xas.mback(mu, "Ni", e0=8333.0)
    np.testing.assert_allclose(found["f2_scale"], 1 / thickness, rtol=1e-9)
    np.testing.assert_allclose(found["f2_matched"], found["f2"], rtol=1e-9)
    line = spectrum(energy, thickness * (tabulated(energy) + 5 - 3 * e))
    found = xas.mback(line, "Ni", e0=8333.0, method="mback_norm", nvict=0)
    np.testing.assert_allclose(found["f2_scale"], 1 / thickness, rtol=1e-9)


def test_the_tail_of_the_emission_line_is_left_to_the_error_function():
    energy = np.arange(8100.0, 9000.0, 1.0)
    line = atomic_data.strongest_line("Ni", "K").energy
    from scipy.special import erfc

    mu = spectrum(energy, 0.1 * (tabulated(energy) + 3 * erfc((energy - line) / 900.0)))
    with_tail = xas.mback(mu, "Ni", order=0, erfc_width=900.0)
    without = xas.mback(mu, "Ni", order=0)
    np.testing.assert_allclose(with_tail["f2_scale"], 10.0, rtol=1e-9)
    assert abs(without["f2_scale"].item() / 10.0 - 1) > 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_normalized_is_unchanged_by_scale_and_linear_background(spectra, method):
    mu = spectra(3, noise=1e-3)
    plain = xas.mback(mu, "Ni", method=method, nvict=0)
    tilted = xas.mback(2 * mu + 5 - 1e-4 * mu["energy"], "Ni", method=method, nvict=0)
    np.testing.assert_allclose(tilted["edge_step"], 2 * plain["edge_step"], rtol=1e-2 if method == "mback" else 1e-9)
    np.testing.assert_allclose(tilted["normalized"], plain["normalized"], atol=1e-2 if method == "mback" else 1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_chunks_dims_and_neighbors_change_nothing(spectra, method):
    mu = spectra(7, noise=1e-3).expand_dims(y=2).copy()
    mu[1, 4, 450:] = np.nan
    expected = xas.mback(mu, "Ni", method=method)
    lazy = xas.mback(mu.transpose("energy", "scan", "y").chunk(scan=2, y=1), "Ni", method=method)
    xr.testing.assert_allclose(lazy.compute().transpose("y", "scan", "energy"), expected, rtol=1e-12)
    alone = xas.mback(mu.isel(y=1, scan=4), "Ni", method=method)
    xr.testing.assert_allclose(alone, expected.isel(y=1, scan=4), rtol=1e-11)
    assert np.isnan(expected["normalized"][1, 4, 450:]).all()


def test_results_are_labelled(spectra):
    mu = spectra(2).assign_attrs(units="mm")
    found = xas.mback(mu, "Ni")
    assert found["normalized"].dims == mu.dims
    assert found["edge_step"].attrs["units"] == found["pre_edge"].attrs["units"] == "mm"
    assert found["f2_scale"].attrs["units"] == "1/(mm)"
    assert all({"units", "long_name"} <= set(array.attrs) for array in found.data_vars.values())
    assert entries(found)[-1]["step"] == "xas.mback"
    rebuilt = found["normalized"] * found["edge_step"] + found["pre_edge"]
    np.testing.assert_allclose(rebuilt, mu, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_scans_without_an_edge_are_flagged_and_kept(spectra, method):
    mu = spectra(3).copy()
    mu[1] = np.nan
    mu[2] = -mu[2]
    found = xas.mback(mu.assign_coords(flag=("scan", np.zeros(3, np.int32))), "Ni", method=method)
    assert (found["flag"] == [0, Flag.no_edge, Flag.no_edge]).all()
    assert np.isnan(found["normalized"][1:]).all()


def test_a_scan_too_short_for_the_regions_is_missing():
    energy = np.arange(8300.0, 8400.0, 0.5)
    mu = spectrum(energy, np.arctan(energy - 8340.0))
    assert np.isnan(xas.mback(mu, "Ni")["edge_step"])
    assert np.isfinite(xas.mback(mu, "Ni", pre2=-15.0, norm1=20.0, order=1)["edge_step"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"element": "Xx"}, "symbol of an element"),
        ({"edge": "Q1"}, "an edge of Ni"),
        ({"method": "weng"}, "'mback' or 'mback_norm', got 'weng'"),
        ({"order": 7}, "order from 0 to 6, got 7"),
        ({"nnorm": 6}, "nnorm from 0 to 5, got 6"),
        ({"erfc_width": 0.0}, "above 0 eV, got 0"),
    ],
)
def test_impossible_settings_are_refused_in_one_line(spectra, settings, message):
    with pytest.raises(OperandoError, match=message):
        xas.mback(spectra(1), **{"element": "Ni", **settings})


def test_a_post_edge_without_room_before_the_next_edge_is_refused():
    energy = np.arange(800.0, 950.0, 0.3)
    mu = spectrum(energy, np.arctan(energy - 853.0) + 0.5 * np.arctan(energy - 870.0))
    with pytest.raises(OperandoError, match=r"before the L2 edge 17\.3 eV above, got norm1 = 25"):
        xas.mback(mu, "Ni", "L3", method="mback_norm")
    assert np.isfinite(xas.mback(mu, "Ni", "L3", norm1=40.0, pre2=-15.0, order=1)["edge_step"])


def larch_group(function: str, mu: xr.DataArray, number: int, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        larch = pytest.importorskip("larch", reason="xraylarch is not installed (extra 'larch')")
        xafs = pytest.importorskip("larch.xafs")
        group = larch.Group(energy=mu["energy"].to_numpy().copy(), mu=mu.to_numpy().copy())
        if function == "mback":
            xafs.mback(group.energy, group.mu, group=group, z=number, **settings)
        else:
            xafs.mback_norm(group, z=number, **settings)
    return group


def assert_as_larch(method: str, mu: xr.DataArray, absorber: tuple[str, int], **settings):
    ours = xas.mback(mu, absorber[0], method=method, **settings)
    theirs = larch_group(method, mu, absorber[1], **settings)
    assert ours["e0"].item() == theirs.e0
    np.testing.assert_allclose(ours["normalized"], theirs.norm, rtol=0, atol=1e-9 * np.abs(theirs.norm).max())
    np.testing.assert_allclose(ours["edge_step"], theirs.edge_step, rtol=1e-9)
    if method == "mback":
        np.testing.assert_allclose(ours["f2_matched"], theirs.fpp, atol=1e-9 * np.ptp(theirs.fpp))
    else:
        matched = theirs.mback_mu + (ours["f2_matched"] - ours["f2"]) / ours["f2_scale"]
        np.testing.assert_allclose(matched, mu, atol=1e-9 * np.ptp(mu.to_numpy()))


@pytest.mark.peer
@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("mback", {}),
        ("mback", {"order": 1, "pre1": -120.0, "pre2": -20.0, "norm1": 60.0, "norm2": 500.0}),
        ("mback", {"order": 5, "e0": 8336.2}),
        ("mback_norm", {}),
        ("mback_norm", {"nvict": 0, "nnorm": 1}),
        ("mback_norm", {"pre1": -120.0, "pre2": -40.0, "norm1": 100.0, "norm2": 600.0}),
    ],
)
def test_every_setting_acts_as_in_larch(spectra, method, settings):
    assert_as_larch(method, spectra(2, noise=2e-3)[1], ("Ni", 28), **settings)


@pytest.mark.peer
def test_the_post_edge_of_an_l3_edge_stops_at_l2_as_in_larch():
    energy = np.arange(7050.0, 8100.0, 1.0)
    rise = np.arctan((energy - 7243.0) / 3) + 0.5 * np.arctan((energy - 7930.0) / 3)
    mu = spectrum(energy, rise - 1e-4 * energy)
    ours = xas.mback(mu, "Gd", "L3", method="mback_norm")
    theirs = larch_group("mback_norm", mu, 64, edge="L3")
    np.testing.assert_allclose(ours["normalized"], theirs.norm, atol=1e-9)


@pytest.mark.peer
@pytest.mark.realdata
@pytest.mark.parametrize(
    ("method", "file", "absorber", "settings"),
    [
        ("mback", "larch/ni_metal_rt.xdi", ("Ni", 28), {}),
        ("mback_norm", "larch/ni_metal_rt.xdi", ("Ni", 28), {}),
        ("mback", "larch/cu_metal_rt.xdi", ("Cu", 29), {}),
        ("mback_norm", "larch/cu_metal_rt.xdi", ("Cu", 29), {}),
        ("mback", "xdl/Mn2O3_rt_01.xdi", ("Mn", 25), {"pre2": -8.0, "norm1": 30.0}),
        ("mback_norm", "xdl/Mn2O3_rt_01.xdi", ("Mn", 25), {}),
    ],
)
def test_measured_spectra_are_matched_as_by_larch(realdata: Path, method, file, absorber, settings):
    scan = xas.read(realdata / "xas" / file)
    mu = xas.signal(scan) if "mu" in scan else xas.signal(scan, "transmission")
    assert_as_larch(method, mu, absorber, **settings)


@pytest.mark.peer
@pytest.mark.realdata
@pytest.mark.parametrize("method", METHODS)
def test_the_operando_series_is_matched_as_by_larch(realdata: Path, method):
    files = sorted((realdata / "xas/perex/xas").glob("*.txt"))[::60]
    mu = xas.signal(xas.read_series(files, columns={"energy": "shifted energy", "mu": "normalized"}))
    for row in mu:
        assert_as_larch(method, row, ("Ni", 28))
