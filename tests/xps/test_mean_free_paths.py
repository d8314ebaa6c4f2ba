"""Mean free paths by TPP-2M against published ones."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from operando import xps
from operando.errors import OperandoError
from operando.history import entries
from operando.xps.mean_free_paths import valence_electrons


@pytest.mark.parametrize(
    ("formula", "density", "gap", "length"),
    [
        ("Li3PS4", 1.87, 3.7, 3.2),
        ("Li2S", 1.66, 3.5, 3.3),
        ("S", 2.07, 2.6, 3.1),
        ("LiNi0.8Co0.1Mn0.1O2", 4.75, 1.5, 2.6),
    ],
)
def test_battery_materials_at_aluminium_k_alpha(formula: str, density: float, gap: float, length: float):
    """At the kinetic energy of S 2p, 1325 eV."""
    found = xps.imfp_tpp2m(1325.0, formula, density, gap)
    assert float(found) == pytest.approx(length, abs=0.05)
    assert found.attrs["units"] == "nm"
    assert entries(found)[-1]["step"] == "xps.imfp_tpp2m"


@pytest.mark.parametrize(("element", "density", "angstrom"), [("Mn", 7.30, 4.61), ("Sm", 7.52, 4.79)])
def test_the_equation_gives_what_nist_tabulates(element: str, density: float, angstrom: float):
    """NIST Electron Inelastic-Mean-Free-Path Database (SRD 71), entries by TPP-2M, at 50 eV: doi:10.18434/T48C78."""
    assert 10 * float(xps.imfp_tpp2m(50.0, element, density)) == pytest.approx(angstrom, rel=3e-3)


def test_silica_agrees_with_the_attenuation_length_measured_in_it():
    """Si 2p in SiO2 at Al K-alpha: 3.448 nm (M. P. Seah, S. J. Spencer, doi:10.1002/sia.1433), albedo about 0.12."""
    path = xps.imfp_tpp2m(1383.0, "SiO2", 2.2, 9.1)
    assert float(xps.effective_attenuation_length(path, 0.12)) == pytest.approx(3.448, rel=0.11)


@pytest.mark.parametrize(
    ("formula", "electrons"),
    [
        *(("Au", 11), ("Al", 3), ("Si", 4), ("Cu", 11), ("Ni", 10), ("Ti", 4), ("W", 6), ("Bi", 5), ("Gd", 9)),
        *(("SiO2", 16), ("Al2O3", 24), ("Li3PS4", 32), ("LiF", 8), ("LiNi0.8Co0.1Mn0.1O2", 22.6), ("KBr", 8)),
    ],
)
def test_valence_electrons_are_those_of_the_equation(formula: str, electrons: float):
    assert valence_electrons(formula) == pytest.approx(electrons)


def test_dims_are_kept_and_arrays_get_one():
    energy = xr.DataArray([[500.0, 600.0], [700.0, 800.0]], dims=("scan", "peak"), attrs={"units": "eV"})
    assert xps.imfp_tpp2m(energy, "Si", 2.33).dims == ("scan", "peak")
    path = xps.imfp_tpp2m([100.0, 1000.0], "Si", 2.33)
    assert path.dims == ("kinetic_energy",)
    assert path["kinetic_energy"].attrs["units"] == "eV"


def test_the_number_of_electrons_can_be_given():
    given = xps.imfp_tpp2m(1000.0, "Zn", 7.14, valence_electrons=12)
    assert float(given) == float(xps.imfp_tpp2m(1000.0, "Zn", 7.14))
    assert float(given) != float(xps.imfp_tpp2m(1000.0, "Zn", 7.14, valence_electrons=2))


@pytest.mark.parametrize("energy", [49.0, 2001.0, [100.0, 3000.0], np.nan])
def test_energies_without_a_known_answer_are_refused(energy: object):
    with pytest.raises(OperandoError, match="50 to 2000 eV"):
        xps.imfp_tpp2m(energy, "Si", 2.33)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(OperandoError, match="density"):
        xps.imfp_tpp2m(1000.0, "Si", 0.0)
    with pytest.raises(OperandoError, match="formula"):
        xps.imfp_tpp2m(1000.0, "Xq2", 2.0)
    with pytest.raises(OperandoError, match="no rule for U"):
        xps.imfp_tpp2m(1000.0, "UO2", 10.9)
    with pytest.raises(OperandoError, match="valence electrons above 0"):
        xps.imfp_tpp2m(1000.0, "Si", 2.33, valence_electrons=0)


def test_attenuation_lengths_are_shorter_than_mean_free_paths():
    path = xps.imfp_tpp2m(1000.0, "Si", 2.33)
    assert float(xps.effective_attenuation_length(path, 0.0)) == float(path)
    found = xps.effective_attenuation_length(path, 0.2)
    assert float(found / path) == pytest.approx(1 - 0.735 * 0.2)
    assert [step["step"] for step in entries(found)] == ["xps.imfp_tpp2m", "xps.effective_attenuation_length"]
    with pytest.raises(OperandoError, match="albedo"):
        xps.effective_attenuation_length(path, 1.2)
