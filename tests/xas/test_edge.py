"""The edge energy lies where the edge was put, with an error that covers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from pulls import assert_unit_normal

from operando import OperandoError, xas
from operando.history import entries


def spectrum(energy, mu) -> xr.DataArray:
    dims = ("scan", "energy")[-np.ndim(mu) :]
    return xr.DataArray(mu, dims=dims, coords={"energy": ("energy", energy, {"units": "eV"})})


def test_a_straight_rise_is_crossed_where_it_is_half_way_up():
    energy = np.arange(8300.0, 8400.0, 0.4)
    center = np.array([8340.0, 8341.13, 8342.22])
    mu = np.clip((energy - center[:, None]) / 8.0 + 0.5, 0, 1)
    found = xas.edge_energy(spectrum(energy, mu), e0=8341.0)
    np.testing.assert_allclose(found["edge_energy"], center, atol=1e-9)
    higher = xas.edge_energy(spectrum(energy, mu), level=0.75, e0=8341.0)
    np.testing.assert_allclose(higher["edge_energy"], center + 2.0, atol=1e-9)


def test_an_arctangent_is_crossed_at_its_center():
    energy = np.arange(8300.0, 8400.0, 0.3)
    center = np.linspace(8340, 8343, 31)
    mu = 0.5 + np.arctan((energy - center[:, None]) / 1.5) / np.pi
    found = xas.edge_energy(spectrum(energy, mu))
    np.testing.assert_allclose(found["edge_energy"], center, atol=2e-3)


def test_edge_energy_is_unchanged_by_a_linear_background(spectra):
    mu = spectra(3, noise=0.0)
    plain = xas.edge_energy(xas.normalize(mu))
    tilted = xas.edge_energy(xas.normalize(2 * mu + 5 - 1e-4 * mu["energy"]))
    np.testing.assert_allclose(tilted["edge_energy"], plain["edge_energy"], atol=1e-7)


def test_a_flat_scan_has_no_edge_energy():
    energy = np.arange(8300.0, 8400.0, 0.3)
    mu = np.stack([np.zeros(energy.size), np.full(energy.size, np.nan)])
    found = xas.edge_energy(spectrum(energy, mu))
    assert np.isnan(found["edge_energy"]).all()


def test_an_unknown_method_is_named():
    with pytest.raises(OperandoError, match="half_height"):
        xas.edge_energy(spectrum(np.arange(5.0), np.ones(5)), method="thirds")


def test_noise_is_measured_from_the_spectrum(spectra):
    mu = spectra(200, noise=2e-3)
    estimated = xas.edge_energy(mu, level=0.8)
    known = xas.edge_energy(mu, level=0.8, noise=2e-3)
    ratio = (estimated["edge_energy_std"] / known["edge_energy_std"]).to_numpy()
    assert abs(np.median(ratio) - 1) < 0.05


def counted(mu, quanta, seed):
    """Return what is left of ``mu`` when it rides on a background and quanta are counted."""
    background = 0.3 - float(mu.min())
    return mu.copy(data=np.random.default_rng(seed).poisson(quanta * (mu + background)) / quanta - background)


@pytest.mark.parametrize("noise", [5e-4, 3e-3, "counted"])
def test_the_error_covers_the_truth(spectra, noise):
    clean = spectra(400, noise=0.0)
    truth = xas.edge_energy(xas.normalize(clean))["edge_energy"]
    noisy = counted(clean, 2e5, 20261124) if noise == "counted" else spectra(400, noise=noise, seed=20261123)
    found = xas.edge_energy(xas.normalize(noisy))
    pulls = ((found["edge_energy"] - truth) / found["edge_energy_std"]).to_numpy()
    assert_unit_normal(pulls)


L3 = {"e0": 854.0, "pre1": -10.0, "pre2": -4.0, "norm1": 7.0, "norm2": 11.0, "nnorm": 0}
COARSE = np.r_[844:852:2, 852:858.1:0.5, 859:866]


def white_lines(count):
    """Return spectra with a white line at few energies, as in stacks of images: no curve through neighbors fits."""
    edge = np.linspace(852.6, 853.4, count)[:, None]
    mu = 0.2 + 0.5 + np.arctan((COARSE - edge) / 0.6) / np.pi + 2.5 * np.exp(-0.5 * ((COARSE - edge - 2.5) / 1.2) ** 2)
    return spectrum(COARSE, mu)


@pytest.mark.parametrize("method", ["half_height", "centroid"])
def test_noise_that_is_known_at_every_point_covers_where_points_are_few(method):
    clean = white_lines(1500)
    sigma = 0.01 * np.sqrt(clean)
    noisy = clean + sigma * np.random.default_rng(20261129).standard_normal(clean.shape)
    truth = xas.edge_energy(xas.normalize(clean, **L3), method)["edge_energy"]
    normalized = xas.normalize(noisy, **L3)
    noise = sigma / normalized["edge_step"]
    found = xas.edge_energy(normalized, method, noise=noise)
    assert_unit_normal(((found["edge_energy"] - truth) / found["edge_energy_std"]).to_numpy())
    judged = xas.edge_energy(normalized, method)
    assert float((judged["edge_energy_std"] / found["edge_energy_std"]).median()) > 1.5
    assert entries(found)[-1]["parameters"]["noise"] == "one a point"


def test_noise_of_points_that_is_not_known_is_that_of_points_of_their_height():
    clean = white_lines(200)
    normalized = xas.normalize(clean, **L3)
    noise = xr.full_like(normalized["normalized"], 0.01)
    whole = xas.edge_energy(normalized, noise=noise)
    assert (whole["edge_energy_std"] > 0).all()
    for lost in (0, int(np.searchsorted(COARSE, 853.0))):
        partly = noise.copy()
        partly[:, lost] = np.nan
        found = xas.edge_energy(normalized, noise=partly)
        np.testing.assert_allclose(found["edge_energy_std"], whole["edge_energy_std"], rtol=1e-9)


def test_noise_at_other_energies_is_refused_and_chunks_do_not_matter():
    normalized = xas.normalize(white_lines(4), **L3)
    noise = xr.full_like(normalized["normalized"], 0.01)
    whole = xas.edge_energy(normalized, noise=noise)
    for same in (noise.chunk(energy=5), noise.T, noise.drop_vars("energy"), noise.assign_coords(energy=COARSE + 1e-9)):
        found = xas.edge_energy(normalized, noise=same)
        np.testing.assert_array_equal(found["edge_energy_std"], whole["edge_energy_std"])
    for wrong, said in (
        (noise.isel(energy=slice(3, None)), "energies of the spectra, got 21 from 850 to 865 eV"),
        (noise.drop_vars("energy").isel(energy=slice(3, None)), "energies of the spectra, got 21 others"),
        (noise.isel(energy=slice(None, None, -1)), "energies of the spectra, got 24 from 844 to 865 eV"),
        (noise.expand_dims("y"), "with dims among"),
    ):
        with pytest.raises(OperandoError, match=f"edge_energy: expected noise .*{said}"):
            xas.edge_energy(normalized, noise=wrong)


def test_noise_by_point_that_is_the_same_for_all_is_that_of_one_number(spectra):
    normal = xas.normalize(spectra(5, noise=1e-3))
    one = xas.edge_energy(normal, noise=1e-3)
    same = xas.edge_energy(normal, noise=xr.full_like(normal["normalized"], 1e-3))
    xr.testing.assert_allclose(one.drop_attrs(), same.drop_attrs(), rtol=1e-12)
    lazy = xas.edge_energy(normal.chunk(scan=2), noise=xr.full_like(normal["normalized"], 1e-3).chunk(scan=2))
    xr.testing.assert_identical(lazy.compute().drop_attrs(), same.drop_attrs())


def test_chunks_dims_and_neighbors_change_nothing(spectra):
    mu = spectra(9, noise=1e-3).expand_dims(y=2).copy()
    mu[1, 4, 450:] = np.nan
    normal = xas.normalize(mu)
    expected = xas.edge_energy(normal)
    lazy = xas.edge_energy(xas.normalize(mu.transpose("energy", "scan", "y").chunk(scan=2, y=1)))
    xr.testing.assert_identical(lazy.compute().transpose("y", "scan").drop_attrs(), expected.drop_attrs())
    alone = xas.edge_energy(normal.isel(y=1, scan=3))
    xr.testing.assert_identical(alone.drop_attrs(), expected.isel(y=1, scan=3).drop_attrs())


def test_results_carry_units_and_history(spectra):
    found = xas.edge_energy(xas.normalize(spectra(2)))
    assert {array.attrs["units"] for array in found.data_vars.values()} == {"eV"}
    assert [entry["step"] for entry in entries(found)] == ["xas.normalize", "xas.edge_energy"]
    e0 = xas.find_e0(spectra(2))
    assert e0.attrs["units"] == "eV"
    assert e0.dims == ("scan",)


@pytest.mark.realdata
def test_the_edge_of_the_operando_series_moves_smoothly_where_e0_jumps(nickel_series):
    normal = xas.normalize(xas.signal(nickel_series))
    edge = xas.edge_energy(normal)["edge_energy"]
    assert len(np.unique(normal["e0"])) == 18
    assert abs(edge.min() - 8344.42) < 0.02
    assert abs(edge.max() - 8345.86) < 0.02
    assert np.abs(np.diff(edge)).max() < 0.3 < np.abs(np.diff(normal["e0"])).max()
    as_given = xas.edge_energy(nickel_series["mu"], e0=normal["e0"])["edge_energy"]
    assert abs(as_given.min() - 8344.76) < 0.02
    assert abs(as_given.max() - 8346.21) < 0.02


@pytest.mark.realdata
def test_manganese_oxides_rise_later_the_more_they_are_oxidized(realdata: Path):
    expected = {"MnO": 6544.07, "Mn3O4": 6546.12, "Mn2O3": 6548.97, "MnO2": 6551.63}
    for name, energy in expected.items():
        mu = xas.signal(xas.read(realdata / f"xas/xdl/{name}_rt_01.xdi"), "transmission")
        assert abs(xas.edge_energy(xas.normalize(mu))["edge_energy"].item() - energy) < 0.05


@pytest.mark.realdata
def test_sulfur_white_lines_stand_where_the_library_has_them(realdata: Path):
    expected = {"S_elemental": 2471.7, "pyrite1": 2471.5, "Na2SO3": 2477.4, "NiSO4": 2482.6}
    for name, energy in expected.items():
        normal = xas.normalize(xas.signal(xas.read(realdata / f"xas/xdl/{name}_rt_01.xdi"), "fluorescence"))
        assert abs(normal["normalized"].idxmax("energy").item() - energy) < 0.2
