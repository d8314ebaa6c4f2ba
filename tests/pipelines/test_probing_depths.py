"""Steps say how deep a technique sees: 95 % from above, by one definition for yields, lines and volumes."""

import numpy as np
import pytest
import xarray as xr

from operando import xas, xps
from operando.errors import OperandoError
from operando.pipelines.steps.probing_depths import of_lines, of_volume, of_yield

NCM = {"material": "LiNi0.8Co0.1Mn0.1O2", "density": 4.7, "element": "Ni", "edge": "L3"}
THREE = -np.log(0.05)


@pytest.fixture
def spectra():
    energy = np.linspace(835.0, 900.0, 131)
    white = np.stack([1 + 5 * np.exp(-(((energy - 855) / 2) ** 2)), 1 + 3 * np.exp(-(((energy - 856) / 2) ** 2))])
    norm = (np.arctan((energy - 854) / 0.5) / np.pi + 0.5) * white
    return xr.Dataset(
        {
            "normalized": (("scan", "signal", "energy"), np.stack([norm, norm], 1), {"units": "1"}),
            "e0": (("scan", "signal"), np.full((2, 2), 854.0), {"units": "eV"}),
        },
        {
            "energy": ("energy", energy, {"units": "eV"}),
            "signal": ("signal", np.array(["tey", "tfy"], object)),
        },
        {"history": "[]"},
    )


def test_electrons_come_from_three_escape_depths_and_photons_from_where_the_spectrum_lets_them(spectra):
    both = of_yield(xr.Dataset(), spectra, signal="tey", escape_depth=5.0, **NCM)
    both = of_yield(xr.Dataset(), both, signal="tfy", line="La1", **NCM)
    depth = both["probing_depth"]
    assert depth.attrs["units"] == "nm"
    assert depth.attrs["of"] == "fraction"
    electrons, photons = (depth.sel(signal=name).values for name in ("tey", "tfy"))
    assert (electrons < THREE * 5).all()
    assert (electrons > THREE * 4).all()
    own = xas.probing_depth("tfy", **NCM, spectrum=spectra["normalized"].sel(signal="tfy", drop=True), line="La1")
    inside = (own["energy"] >= 854) & (own["energy"] <= 874)
    np.testing.assert_allclose(photons, own["information_depth"].where(inside).mean("energy"))
    assert (photons > 100).all()
    std = both["probing_depth_std"]
    assert (std.sel(signal="tey") > 0.2 * electrons).all()
    assert (std.sel(signal="tfy") > 0.1 * photons).all()


def test_what_is_not_asked_for_stays_unknown_and_images_have_no_signal(spectra):
    alone = of_yield(xr.Dataset(), spectra, signal="tey", escape_depth=5.0, **NCM)
    assert np.isnan(alone["probing_depth"].sel(signal="tfy")).all()
    regions = spectra.isel(signal=0, drop=True).rename(scan="region").expand_dims("scan")
    found = of_yield(xr.Dataset(), regions, escape_depth=5.0, **NCM)
    assert found["probing_depth"].dims == ("scan", "region")


def lines():
    fit = {"position": (("scan", "peak"), np.array([[284.8, 161.5], [284.9, 161.6]]), {"units": "eV"})}
    processed = xr.Dataset(fit, {"peak": np.array(["C 1s", "S 2p"], object)}, {"history": "[]"})
    raw = xr.Dataset(
        {
            "photon_energy": ("scan", [1486.7, 1486.7], {"units": "eV"}),
            "emission_angle": ("scan", [60.0, 60.0], {"units": "deg"}),
        }
    )
    return raw, processed


def test_lines_come_from_three_attenuation_lengths_along_the_normal():
    raw, processed = lines()
    found = of_lines(raw, processed, attenuation_length=3.2, attenuation_uncertainty=0.2)
    np.testing.assert_allclose(found["probing_depth"], THREE * 3.2 / 2)
    np.testing.assert_allclose(found["probing_depth_std"], 0.2 * THREE * 3.2 / 2)
    by_material = of_lines(raw, processed, material="Li3PS4", density=1.9)
    known = xps.imfp_tpp2m(1486.7 - processed["position"].values[0], "Li3PS4", 1.9)
    np.testing.assert_allclose(by_material["probing_depth"].values[0], THREE * known.values / 2, rtol=1e-6)


def test_a_volume_is_seen_evenly_from_its_first_slice_on():
    raw = xr.Dataset(
        {"grey": (("scan", "z", "y", "x"), np.zeros((2, 40, 3, 3)))},
        {"voxel_size": ("scan", [0.5, 0.5], {"units": "um"})},
    )
    found = of_volume(raw, xr.Dataset(attrs={"history": "[]"}), above=2.0, above_std=1.0)
    np.testing.assert_allclose(found["depth_from"], 2000)
    np.testing.assert_allclose(found["probing_depth"], 2000 + 0.95 * 20000)
    np.testing.assert_allclose(found["probing_depth_std"], 1000)
    assert found["probing_depth"].attrs["weight"] == "even"


def test_mistakes_are_told(spectra):
    raw, processed = lines()
    with pytest.raises(OperandoError, match="put the step 'normalize' before it"):
        of_yield(xr.Dataset(), xr.Dataset(), escape_depth=5.0, **NCM)
    with pytest.raises(OperandoError, match="either attenuation_length"):
        of_lines(raw, processed)
    with pytest.raises(OperandoError, match="put the step 'fit' before it"):
        of_lines(raw, xr.Dataset(), attenuation_length=3.0)
    with pytest.raises(OperandoError, match="voxel_size"):
        of_volume(xr.Dataset(), xr.Dataset())
