"""Every definition of the edge energy follows the edge, whatever lies below it, with an error that covers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from pulls import assert_unit_normal

from operando import OperandoError, xas
from operando.flags import Flag
from operando.history import entries

METHODS = ("half_height", "integral", "derivative", "centroid", "cross_correlation")
NEW = METHODS[1:]
FINE = np.arange(8233.0, 8533.0, 0.25)
CENTERS = np.linspace(8332.9, 8334.9, 41)


def spectrum(energy, mu) -> xr.DataArray:
    dims = ("scan", "energy")[-np.ndim(mu) :]
    return xr.DataArray(mu, dims=dims, coords={"energy": ("energy", energy, {"units": "eV"})}, attrs={"units": "1"})


def edge(energy, center, width=1.5) -> np.ndarray:
    """An arctangent with a white line that moves along."""
    e = energy - np.asarray(center)[..., None]
    return 0.5 + np.arctan(e / width) / np.pi + 0.4 * np.exp(-0.5 * ((e - 5) / 3) ** 2)


@pytest.mark.parametrize("method", METHODS)
def test_a_shifted_edge_is_found_shifted_to_a_thousandth_of_an_electronvolt(method):
    mu = 0.5 + np.arctan((FINE - CENTERS[:, None]) / 1.5) / np.pi
    for analytic in [mu] if method == "half_height" else [mu, edge(FINE, CENTERS)]:
        away = xas.edge_energy(spectrum(FINE, analytic), method)["edge_energy"].to_numpy() - CENTERS
        assert np.abs(away - away.mean()).max() < 1e-3


@pytest.mark.parametrize("method", ["half_height", "derivative", "centroid"])
def test_a_symmetric_rise_has_its_edge_at_its_center(method):
    mu = 0.5 + np.arctan((FINE - CENTERS[:, None]) / 1.5) / np.pi
    found = xas.edge_energy(spectrum(FINE, mu), method)["edge_energy"]
    np.testing.assert_allclose(found, CENTERS, atol=1e-3)


def test_a_step_is_replaced_by_itself():
    """The integral of a linear rise from 0 to 1 is that of the step at its center, whatever the limits."""
    mu = np.clip((FINE - CENTERS[:, None]) / 8.0 + 0.5, 0, 1)
    for limits in ((-15.0, 20.0, 50.0), (-30.0, 6.0, 90.0)):
        found = xas.edge_energy(spectrum(FINE, mu), "integral", limits=limits)["edge_energy"]
        np.testing.assert_allclose(found, CENTERS, atol=2e-3)


def test_the_mean_over_levels_of_a_linear_rise_is_that_of_the_levels():
    mu = np.clip((FINE - CENTERS[:, None]) / 8.0 + 0.5, 0, 1)
    found = xas.edge_energy(spectrum(FINE, mu), "centroid", levels=(0.5, 0.9))["edge_energy"]
    np.testing.assert_allclose(found, CENTERS + 8.0 * 0.2, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_other_energies_move_the_edge_by_just_as_much(spectra, method):
    mu = spectra(5, noise=1e-3)
    moved = mu.assign_coords(energy=("energy", mu["energy"].to_numpy() + 3.21, mu["energy"].attrs))
    between_points = {"pre1": -141.7, "pre2": -52.3, "norm1": 52.9, "norm2": 701.3}
    plain, later = (
        xas.edge_energy(xas.normalize(one, e0=e0, **between_points), method)
        for one, e0 in ((mu, 8333.1), (moved, 8336.31))
    )
    np.testing.assert_allclose(later["edge_energy"] - plain["edge_energy"], 3.21, rtol=0, atol=1e-6)
    np.testing.assert_allclose(later["edge_energy_std"], plain["edge_energy_std"], rtol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_a_linear_background_and_the_size_of_the_signal_change_nothing(spectra, method):
    mu = spectra(3, noise=1e-3)
    plain = xas.edge_energy(xas.normalize(mu), method)
    tilted = xas.edge_energy(xas.normalize(2 * mu + 5 - 1e-4 * mu["energy"]), method)
    np.testing.assert_allclose(tilted["edge_energy"], plain["edge_energy"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(tilted["edge_energy_std"], plain["edge_energy_std"], rtol=1e-4)


@pytest.mark.parametrize("method", ["derivative", "cross_correlation"])
def test_height_and_slope_left_by_a_poor_normalization_do_not_move_it(method):
    mu = spectrum(FINE, edge(FINE, CENTERS[:5]))
    reference = {"reference": spectrum(FINE, edge(FINE, 8334.0))} if method == "cross_correlation" else {}
    plain = xas.edge_energy(mu, method, e0=8334.0, **reference)["edge_energy"]
    tilted = xas.edge_energy(0.9 * mu + 0.03 + 1e-3 * (mu["energy"] - 8334.0), method, e0=8334.0, **reference)
    np.testing.assert_allclose(tilted["edge_energy"], plain, rtol=0, atol=1e-6)


@pytest.mark.parametrize("nnorm", [None, 0])
@pytest.mark.parametrize("noise", [5e-4, 3e-3, "counted"])
@pytest.mark.parametrize("method", METHODS)
def test_the_error_covers_the_truth(spectra, method, noise, nnorm):
    clean = spectra(400, noise=0.0)
    reference = xas.normalize(clean.isel(scan=200), nnorm=nnorm)["normalized"]
    asked = {"reference": reference} if method == "cross_correlation" else {}
    truth = xas.edge_energy(xas.normalize(clean, nnorm=nnorm), method, **asked)["edge_energy"]
    if noise == "counted":
        background = 0.3 - float(clean.min())
        counts = np.random.default_rng(20261124).poisson(2e5 * (clean + background))
        noisy = clean.copy(data=counts / 2e5 - background)
    else:
        noisy = spectra(400, noise=noise, seed=20261123)
    e0 = xas.normalize(clean)["e0"]
    found = xas.edge_energy(xas.normalize(noisy, e0=e0, nnorm=nnorm), method, **asked)
    assert_unit_normal(((found["edge_energy"] - truth) / found["edge_energy_std"]).to_numpy())


def test_the_noise_of_few_points_before_the_edge_is_part_of_the_error(spectra):
    """A short pre-edge makes baseline and slope the largest part of the integral's error; it covers all the same."""
    clean = spectra(400, noise=0.0)
    few = {"e0": 8333.0, "pre1": -60.0, "pre2": -30.0}
    truth = xas.edge_energy(xas.normalize(clean, **few), "integral")["edge_energy"]
    normal = xas.normalize(spectra(400, noise=2e-3, seed=20261125), **few)
    found = xas.edge_energy(normal, "integral")
    assert_unit_normal(((found["edge_energy"] - truth) / found["edge_energy_std"]).to_numpy())
    points_alone = xas.edge_energy(normal["normalized"], "integral", e0=8333.0)
    assert float((points_alone["edge_energy_std"] / found["edge_energy_std"]).median()) < 0.5**0.5


@pytest.mark.parametrize("method", METHODS)
def test_chunks_dims_and_neighbors_change_nothing(spectra, method):
    mu = spectra(9, noise=1e-3).expand_dims(y=2).copy()
    mu[1, 4, 450:] = np.nan
    normal = xas.normalize(mu)
    asked = {"reference": normal["normalized"][0, 0]} if method == "cross_correlation" else {}
    expected = xas.edge_energy(normal, method, **asked)
    lazy = xas.edge_energy(xas.normalize(mu.transpose("energy", "scan", "y").chunk(scan=2, y=1)), method, **asked)
    assert lazy["edge_energy"].chunks
    xr.testing.assert_allclose(lazy.compute().transpose("y", "scan"), expected, rtol=1e-12)
    alone = xas.edge_energy(normal.isel(y=1, scan=3), method, **asked)
    xr.testing.assert_allclose(alone, expected.isel(y=1, scan=3), rtol=1e-12)


@pytest.mark.parametrize("method", NEW)
def test_a_scan_without_an_edge_has_none_and_is_flagged(spectra, method):
    mu = spectra(3, noise=1e-3).assign_coords(flag=("scan", np.zeros(3, np.int32))).copy()
    mu[1] = 0.0
    reference = xas.normalize(mu.isel(scan=0))["normalized"]
    asked = {"reference": reference} if method == "cross_correlation" else {}
    found = xas.edge_energy(xas.normalize(mu), method, **asked)
    assert np.isnan(found["edge_energy"].to_numpy()).tolist() == [False, True, False]
    assert np.isnan(found["edge_energy_std"].to_numpy()).tolist() == [False, True, False]
    assert [bool(flag & Flag.no_edge) for flag in found["flag"].to_numpy()] == [False, True, False]


def test_a_scan_that_ends_too_early_has_no_integral():
    mu = spectrum(FINE, edge(FINE, CENTERS[:2])).copy()
    mu[1, FINE > 8370.0] = np.nan
    found = xas.edge_energy(mu, "integral")["edge_energy"].to_numpy()
    assert np.isnan(found).tolist() == [False, True]


def test_the_series_itself_can_be_the_reference():
    mu = spectrum(FINE, edge(FINE, CENTERS))
    for reference, middle in (("first", CENTERS[0]), ("mean", CENTERS.mean())):
        found = xas.edge_energy(mu, "cross_correlation", reference=reference)["edge_energy"]
        away = found - xas.edge_energy(spectrum(FINE, edge(FINE, middle)))["edge_energy"] - (CENTERS - middle)
        assert float(away.max() - away.min()) < 3e-3


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"method": "thirds"}, "half_height.*cross_correlation"),
        ({"smoothing": 1.0}, "smoothing belongs to the method 'derivative'"),
        ({"method": "derivative", "levels": (0.1, 0.9)}, "levels belongs to the method 'centroid'"),
        ({"method": "centroid", "levels": (0.9, 0.1)}, "levels that rise"),
        ({"method": "integral", "limits": (-15.0, 60.0, 50.0)}, "limits that rise"),
        ({"method": "derivative", "smoothing": 0.5}, "a smoothing above 0.75 eV"),
        ({"method": "cross_correlation", "reference": "last"}, "'mean' or 'first'"),
        ({"method": "cross_correlation", "reference": spectrum(FINE[:4], np.ones(4))}, "reference with an edge"),
    ],
)
def test_a_mistake_is_named_in_one_line(asked, said):
    with pytest.raises(OperandoError, match=said) as caught:
        xas.edge_energy(spectrum(FINE, edge(FINE, CENTERS[:2])), **asked)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", NEW)
def test_the_history_tells_what_was_asked(spectra, method):
    found = xas.edge_energy(xas.normalize(spectra(2)), method)
    said = entries(found)[-1]
    assert said["step"] == "xas.edge_energy"
    own = {"integral": "limits", "derivative": "smoothing", "centroid": "levels", "cross_correlation": "reference"}
    assert [name for name in own.values() if name in said["parameters"]] == [own[method]]
    assert {array.attrs["units"] for array in found.data_vars.values()} == {"eV"}


@pytest.mark.realdata
@pytest.mark.parametrize("method", NEW)
def test_every_method_moves_with_the_half_height_of_the_operando_series(nickel_series, method):
    """A trend of 229 energies instead of the 18 steps of e0, as smooth as 0.2 to 0.5 eV a scan at the turns."""
    normal = xas.normalize(xas.signal(nickel_series))
    half = xas.edge_energy(normal)["edge_energy"].to_numpy()
    found = xas.edge_energy(normal, method)["edge_energy"].to_numpy()
    assert np.isfinite(found).all()
    assert len(np.unique(found)) == 229
    assert np.corrcoef(half, found)[0, 1] > 0.98
    assert np.corrcoef(half, normal["e0"])[0, 1] < np.corrcoef(half, found)[0, 1]
    roughness = np.diff(found, 2).std() / np.ptp(found)
    assert roughness < np.diff(normal["e0"].to_numpy(), 2).std() / np.ptp(normal["e0"].to_numpy())


@pytest.mark.realdata
@pytest.mark.parametrize("method", ["integral", "centroid"])
def test_manganese_oxides_rise_later_the_more_they_are_oxidized(realdata: Path, method):
    ladder = [
        xas.edge_energy(
            xas.normalize(xas.signal(xas.read(realdata / f"xas/xdl/{name}_rt_01.xdi"), "transmission")), method
        )
        for name in ("MnO", "Mn3O4", "Mn2O3", "MnO2")
    ]
    assert (np.diff([one["edge_energy"].item() for one in ladder]) > 0).all()
