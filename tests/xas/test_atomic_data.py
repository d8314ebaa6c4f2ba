"""The tables say what the literature says, refuse what they do not hold, and are looked up once."""

from __future__ import annotations

import numpy as np
import pytest

from operando import OperandoError
from operando.xas import atomic_data


@pytest.mark.parametrize(
    ("element", "name", "energy"),
    [("P", "K", 2145.5), ("S", "K", 2472.0), ("Cl", "K", 2822.0), ("Ni", "L3", 852.7), ("Ni", "K", 8333.0)],
)
def test_edges_stand_where_they_are_known(element, name, energy):
    assert atomic_data.edge(element, name).energy == pytest.approx(energy, abs=0.5)
    assert atomic_data.edge(element, name.lower()) == atomic_data.edge(element, name)


def test_a_deeper_hole_lives_shorter():
    assert 0.3 < atomic_data.core_width("Ni", "L3") < atomic_data.core_width("Ni", "K") < 2.0


def test_lines_are_weighted_by_strength_within_a_family():
    family, strong = atomic_data.fluorescence_line("Ni", "Ka"), atomic_data.strongest_line("Ni", "K")
    assert strong == atomic_data.fluorescence_line("Ni", "Ka1")
    assert atomic_data.fluorescence_line("Ni", "Ka2").energy < family.energy < strong.energy
    assert family.edge == "K"
    assert 0.8 < family.share < 1.0


def test_a_compound_attenuates_as_its_elements_do_by_mass():
    energy = np.linspace(8200.0, 8500.0, 7)
    shares = atomic_data.mass_fractions("LiNiO2")
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["Ni"] == pytest.approx(58.693 / 97.63, rel=1e-3)
    by_hand = sum(share * atomic_data.mass_attenuation(element, energy) for element, share in shares.items())
    np.testing.assert_allclose(atomic_data.attenuation("LiNiO2", 4.8, energy), 4.8e-7 * by_hand, rtol=1e-12)


@pytest.mark.parametrize(
    ("material", "density", "energy", "micrometres"),
    [("LiNi0.8Co0.1Mn0.1O2", 4.77, 853.0, 0.31), ("Li3PS4", 1.88, 2475.0, 3.0), ("Li3PS4", 1.88, 2150.0, 8.3)],
)
def test_attenuation_lengths_of_battery_materials(material, density, energy, micrometres):
    length = 1e-3 / atomic_data.attenuation(material, density, energy)
    assert length == pytest.approx(micrometres, rel=0.05)


def test_scattering_adds_to_photoabsorption():
    energy = np.array([500.0, 8000.0, 50000.0])
    photo, total = (atomic_data.mass_attenuation("Si", energy, kind) for kind in ("photo", "total"))
    assert (photo < total).all()
    with pytest.raises(OperandoError, match="'total' or 'photo'"):
        atomic_data.mass_attenuation("Si", energy, "coh")


def test_f2_follows_the_optical_theorem():
    """f'' = mu A E / (2 r_e h c N_A), the jump at the edge in both tables alike within their differences."""
    energy = np.array([8200.0, 8500.0])
    mu = atomic_data.mass_attenuation("Ni", energy, "photo")
    f2 = mu * 58.693 * energy / (2 * 2.8179e-13 * 12398.42e-8 * 6.02214e23)
    np.testing.assert_allclose(atomic_data.scattering_f2("Ni", energy), f2, rtol=0.05)


def test_shapes_are_kept_and_answers_cannot_be_overwritten():
    energy = np.linspace(8000.0, 8100.0, 6).reshape(2, 3)
    values = atomic_data.mass_attenuation("Ni", energy)
    assert values.shape == (2, 3)
    assert atomic_data.scattering_f2("Ni", 8400.0).shape == ()
    assert atomic_data.attenuation("Ni", 8.9, 8400.0).shape == ()
    with pytest.raises(ValueError, match="read-only"):
        values[0, 0] = 0.0


def test_a_second_look_asks_no_table(monkeypatch):
    import xraydb

    energy = np.linspace(8000.0, 8100.0, 11)
    first = atomic_data.attenuation("LiCoO2", 5.0, energy), atomic_data.core_width("Co", "K")
    monkeypatch.setattr(xraydb, "get_xraydb", None)
    np.testing.assert_array_equal(atomic_data.attenuation("LiCoO2", 5.0, energy), first[0])
    assert atomic_data.core_width("Co", "K") == first[1]


def test_a_tabulated_density_may_be_left_out():
    assert atomic_data.attenuation("H2O", None, 8000.0) == atomic_data.attenuation("H2O", 1.0, 8000.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: atomic_data.edge("Xx", "K"), "symbol of an element.*'Xx'"),
        (lambda: atomic_data.edge("Ni", "Q"), "an edge of Ni, one of K, L1.*'Q'"),
        (lambda: atomic_data.core_width("Ni", "N7"), "known width.*'N7'"),
        (lambda: atomic_data.fluorescence_line("Ni", "Zz"), "a line of Ni among.*'Zz'"),
        (lambda: atomic_data.strongest_line("He", "K"), "no emission line"),
        (lambda: atomic_data.mass_fractions("NiQ2"), "formula such as.*'NiQ2'.*element"),
        (lambda: atomic_data.mass_fractions(""), "holds no element"),
        (lambda: atomic_data.attenuation("Li6PS5Cl", None, 2500.0), "density of Li6PS5Cl is not tabulated"),
        (lambda: atomic_data.attenuation("Li6PS5Cl", -1.0, 2500.0), "above 0, got -1"),
        (lambda: atomic_data.mass_attenuation("Ni", 8.333), "are the energies in eV"),
        (lambda: atomic_data.scattering_f2("Ni", [8000.0, np.nan]), "are the energies in eV"),
    ],
)
def test_what_the_tables_do_not_hold_is_said_in_one_line(call, message):
    with pytest.raises(OperandoError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
