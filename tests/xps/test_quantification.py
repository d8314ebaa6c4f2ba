"""Atomic fractions: known solids come back, errors cover, the closure holds."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from pulls import assert_unit_normal

from operando import xps
from operando.errors import OperandoError
from operando.history import entries
from operando.schema import problems
from operando.xps.layout import QUANTITIES
from operando.xps.quantification import binding_energy

AL_K_ALPHA = 1486.6
LENGTHS = {"Li 1s": 3.5, "S 2p": 3.2, "P 2p": 3.3}
FACTORS = {"Li 1s": 0.0569, "S 2p": 1.675, "P 2p": 1.19}
ATOMS = {"Li 1s": 3.0, "S 2p": 4.0, "P 2p": 1.0}
TRUE = np.array([3, 4, 1]) / 8


def fits(scans: int = 5, relative: float = 0.02, noise: int | None = None) -> dict[str, xr.Dataset]:
    """Return the areas of Li3PS4, in two peaks of 70 and 30 %, brighter from scan to scan."""
    rng = np.random.default_rng(noise)
    out = {}
    for name, atoms in ATOMS.items():
        area = 1e4 * atoms * FACTORS[name] * LENGTHS[name] * np.outer(np.arange(1, scans + 1), [0.7, 0.3])
        std = relative * area
        seen = area if noise is None else area + std * rng.standard_normal(area.shape)
        out[name] = xr.Dataset(
            {"area": (("scan", "peak"), seen), "area_std": (("scan", "peak"), std)},
            coords={
                "peak": np.array(["a", "b"], dtype=object),
                "potential": ("scan", np.linspace(2, 3, scans), {"units": "V"}),
            },
        )
    return out


def quantified(areas: dict[str, xr.Dataset], **settings: object) -> xr.Dataset:
    return xps.quantify(areas, AL_K_ALPHA, **{"attenuation_lengths": LENGTHS, "sensitivity": FACTORS, **settings})


def test_the_composition_of_a_known_solid_comes_back():
    found = quantified(fits())
    np.testing.assert_allclose(found["atomic_fraction"].transpose("scan", "level"), np.tile(TRUE, (5, 1)), rtol=1e-12)
    assert not problems(found, QUANTITIES)
    assert list(found["element"].values) == ["Li", "S", "P"]
    assert "potential" in found.coords
    assert entries(found)[-1]["step"] == "xps.quantify"


def test_tables_give_the_composition_to_what_they_are_good_for():
    """With cross sections and mean free paths from the tables instead of the rounded ones the areas were made with."""
    pytest.importorskip("xraylib", reason="xraylib is not installed")
    found = xps.quantify(fits(), AL_K_ALPHA, material=xps.Material("Li3PS4", 1.87, 3.7))
    np.testing.assert_allclose(found["atomic_fraction"].isel(scan=0), TRUE, rtol=0.03)


def test_soft_photons_that_do_not_reach_c_1s_do_too():
    pytest.importorskip("xraylib", reason="xraylib is not installed")
    areas = {name: fits()[name] for name in ("S 2p", "P 2p")}
    found = xps.quantify(areas, 250.0, attenuation_lengths=LENGTHS)
    np.testing.assert_allclose(found["atomic_fraction"].sum("level"), 1, rtol=1e-12)


def test_errors_of_areas_cover():
    scans = 200
    found = quantified(fits(scans, noise=5))
    pulls = (found["atomic_fraction"] - xr.DataArray(TRUE, dims="level")) / found["atomic_fraction_std"]
    assert_unit_normal(pulls.sel(level="S 2p").to_numpy())
    assert_unit_normal(pulls.sel(level="Li 1s").to_numpy())


def test_the_closure_ties_the_errors_together():
    found = quantified(fits())
    np.testing.assert_allclose(found["atomic_fraction"].sum("level"), 1, rtol=1e-12)
    np.testing.assert_allclose(found["atomic_fraction_covariance"].sum("other_level"), 0, atol=1e-18)


def test_two_elements_have_the_same_error():
    two = {name: fits()[name] for name in ("S 2p", "P 2p")}
    found = quantified(two)["atomic_fraction_std"]
    np.testing.assert_allclose(found.isel(level=0), found.isel(level=1), rtol=1e-12)


def test_the_uncertainty_of_the_factors_is_systematic():
    """With one uncertain level of share x: dx = x (1 - x) u."""
    found = quantified(fits(), uncertainty={"Li 1s": 0.1, "S 2p": 0.0, "P 2p": 0.0})
    expected = 0.1 * TRUE[0] * np.array([1 - TRUE[0], TRUE[1], TRUE[2]])
    np.testing.assert_allclose(found["atomic_fraction_systematic"].isel(scan=2), expected, rtol=1e-10)


def test_covariance_of_peaks_counts():
    areas = fits()
    for fit in areas.values():
        std = fit["area_std"]
        fit["area_covariance"] = (
            std * std.rename(peak="other_peak") * xr.DataArray([[1, -0.9], [-0.9, 1]], dims=("peak", "other_peak"))
        )
    anti = quantified(areas)["atomic_fraction_std"]
    assert (anti < 0.7 * quantified(fits())["atomic_fraction_std"]).all()


def test_a_line_on_its_bound_leaves_the_others_their_errors():
    areas = fits()
    areas["S 2p"]["area_std"][1, 1] = np.nan
    found = quantified(areas)["atomic_fraction_std"]
    assert found.notnull().all()
    assert (found.isel(scan=1) < found.isel(scan=0)).all()


def test_transmission_divides():
    bright = {name: fit * (2.0 if name == "S 2p" else 1.0) for name, fit in fits().items()}
    found = quantified(bright, transmission={"S 2p": 2.0})
    np.testing.assert_allclose(found["atomic_fraction"].isel(scan=0), TRUE, rtol=1e-12)


def test_a_missing_level_leaves_nothing_known_of_the_scan():
    areas = fits()
    areas["P 2p"]["area"][2] = np.nan
    found = quantified(areas)["atomic_fraction"]
    assert found.isel(scan=2).isnull().all()
    assert found.isel(scan=[0, 1, 3, 4]).notnull().all()


def test_arrays_and_single_spectra_do_too():
    areas = {name: fit["area"].isel(scan=0).sum("peak") for name, fit in fits().items()}
    found = quantified(areas)
    np.testing.assert_allclose(found["atomic_fraction"], TRUE, rtol=1e-12)
    assert found["atomic_fraction_std"].isnull().all()


@settings(max_examples=50, deadline=None)
@given(scale=st.floats(1e-3, 1e6), order=st.permutations(list(ATOMS)))
def test_neither_the_scale_nor_the_order_matters(scale: float, order: list[str]):
    areas = {name: fits()[name]["area"] * scale for name in order}
    found = quantified(areas)["atomic_fraction"].sel(level=list(ATOMS)).isel(scan=0)
    np.testing.assert_allclose(found, TRUE, rtol=1e-10)


def test_binding_energies_are_those_of_the_tables():
    assert binding_energy("C 1s") == pytest.approx(284.8, abs=2)
    assert binding_energy("S 2p") == pytest.approx(163, abs=1)


def test_what_is_not_clear_is_refused():
    with pytest.raises(OperandoError, match="one core level each"):
        quantified({"S 2p": fits()["S 2p"], "S 2s": fits()["S 2p"]})
    with pytest.raises(OperandoError, match="either a material or attenuation lengths"):
        quantified(fits(), material=xps.Material("Li3PS4", 1.87))
    with pytest.raises(OperandoError, match="none for P 2p"):
        quantified(fits(), attenuation_lengths={"Li 1s": 3.0, "S 2p": 3.0})
    with pytest.raises(OperandoError, match="same scans"):
        quantified({**fits(), "P 2p": fits(4)["P 2p"]})
    with pytest.raises(OperandoError, match="'area' for P 2p"):
        quantified({**fits(), "P 2p": fits()["P 2p"].drop_vars("area")})
    with pytest.raises(OperandoError, match="relative uncertainty"):
        quantified(fits(), uncertainty={"Li 1s": 0.1})
