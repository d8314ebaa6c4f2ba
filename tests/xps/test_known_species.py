"""The table of species: complete, sourced, in the order that chemistry demands; mistakes in it are named."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

from operando import xps
from operando.errors import FileError, OperandoError
from operando.xps.known_species import AL_K_ALPHA, TABLE, core_level, overlaps, species, species_table, tube_satellites
from operando.xps.species_file import PHASES

CARBON = 284.8


def energy(level, name):
    (found,) = species(level, name)
    return found.energy


@pytest.mark.parametrize("one", species(), ids=lambda one: f"{one.level} {one.name}")
def test_every_species_is_complete_and_says_where_it_comes_from(one):
    assert one.name
    assert 0 < one.spread <= 1.5
    assert one.phase in PHASES
    assert len(one.source.text) > 10
    assert not one.source.doi or re.fullmatch(r"10\.\d{4}/\S+", one.source.doi)
    assert core_level(one.level).level == one.level
    assert (one.window_source is None) == (one.reduced_below is None and one.oxidized_above is None)


def test_unverified_values_say_so():
    assert {one.verified for one in species()} == {True, False}
    recalled = {one.name for one in species("P 2p") if not one.verified}
    assert {"Li3P", "LixP", "PS4 3-"} <= recalled


def test_more_oxidized_sulfur_lies_at_higher_binding_energy():
    names = ("Li2S", "PS4 3-", "polysulfide, central", "S0", "sulfite", "sulfate")
    energies = [energy("S 2p", name) for name in names]
    assert energies == sorted(energies)
    assert [one.name for one in species("S 2p")] == [
        one.name for one in sorted(species("S 2p"), key=lambda one: one.energy)
    ]


def test_more_oxidized_phosphorus_lies_at_higher_binding_energy():
    energies = [energy("P 2p", name) for name in ("Li3P", "PS4 3-", "P-S-P", "Li3PO4", "LixPOyFz", "LixPFy")]
    assert energies == sorted(energies)


def test_chains_of_sulfur_keep_their_distance_to_the_element():
    element = energy("S 2p", "S0")
    assert element - energy("S 2p", "terminal") == pytest.approx(2.4)
    assert element - energy("S 2p", "central") == pytest.approx(0.6)


def test_thiophosphate_lasts_only_between_its_potentials():
    for level in ("S 2p", "P 2p"):
        (found,) = species(level, "PS4")
        assert (found.reduced_below, found.oxidized_above) == (1.7, 2.3)


def test_reference_carbon_is_where_the_table_says():
    assert energy("C 1s", "C-C") == CARBON


@pytest.mark.parametrize(
    ("level", "splitting", "ratio", "shared"),
    [
        ("S 2p", 1.18, 0.511, True),
        ("P2p", 0.86, 0.511, True),
        ("cl_2p", 1.60, 0.511, True),
        ("Ti 2p", 5.7, 0.511, False),
    ],
)
def test_doublets(level, splitting, ratio, shared):
    found = core_level(level)
    assert (found.splitting, found.ratio, found.shared_width) == (splitting, ratio, shared)


def test_levels_without_spin_orbit_splitting_have_none():
    for level in ("Li 1s", "C 1s", "O 1s", "F 1s"):
        assert core_level(level).splitting == core_level(level).ratio == 0.0


def test_doublet_ratios_are_near_those_of_the_degeneracies():
    ideal = {"p": 1 / 2, "d": 2 / 3, "f": 3 / 4}
    for level in {one.level for one in species()}:
        found = core_level(level)
        if found.splitting:
            assert found.ratio == pytest.approx(ideal[level[-1]], rel=0.03)


def test_overlapping_lines_lie_near_the_level_they_disturb():
    for one in overlaps():
        near = [known.energy for known in species() if known.level == one.level]
        if near:
            at = one.binding_energy()
            second = core_level(one.level).splitting
            assert min(near) - 15 - one.spread < at < max(near) + second + 15 + one.spread


def test_auger_lines_move_with_the_photon_energy_and_levels_do_not():
    by_name = {one.name: one for one in overlaps("Mn 2p") + overlaps("Li 1s")}
    auger, level = by_name["Ni L3M45M45"], by_name["Ni 3p"]
    assert auger.binding_energy() == pytest.approx(AL_K_ALPHA - 846.0)
    assert auger.binding_energy(1253.6) - auger.binding_energy() == pytest.approx(1253.6 - AL_K_ALPHA)
    assert level.binding_energy(1253.6) == level.binding_energy()


@pytest.mark.parametrize("anode", ["Al", "Mg"])
def test_satellites_weaken_with_their_distance(anode):
    found = tube_satellites(anode)
    assert [one.name for one in found] == ["alpha3", "alpha4", "alpha5", "alpha6", "beta"]
    heights = [one.height for one in found]
    assert heights[:4] == sorted(heights[:4], reverse=True)
    assert max(heights) < 0.1


def test_table_for_notebooks_holds_the_same():
    table = species_table("S 2p")
    assert table["binding_energy"].attrs["units"] == "eV"
    assert table["species"].values.tolist() == [one.name for one in species("S 2p")]
    np.testing.assert_array_equal(table["binding_energy"], [one.energy for one in species("S 2p")])
    assert table.to_dataframe().loc["Li2S", "doi"] == "10.1039/C5RA14915K"
    assert table["oxidized_above"].sel(species="PS4 3-") == 2.3


def test_public_name_is_the_function_whatever_was_imported_before():
    assert callable(xps.species)
    code = "import operando.xps.known_species; from operando import xps; print(len(xps.species('S 2p')) > 5)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"


def test_unknown_level_is_refused_with_those_known():
    with pytest.raises(OperandoError, match=r"species: expected one of S 2p, P 2p.*got 'S 3p'"):
        species("S 3p")
    with pytest.raises(OperandoError, match="tube_satellites: expected one of Al, Mg"):
        tube_satellites("Ag")
    assert species("S 2p", "unobtainium") == []


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('name = "Li2S", energy = 160.4', "energy = 160.4", "species S 2p entry 1: 'name' is missing"),
        ("energy = 160.4", "energy = -1.0", "species S 2p Li2S: 'energy' must lie between 0 and 1500 eV, got -1"),
        ("energy = 160.4", 'energy = "high"', "species S 2p Li2S: 'energy' must be a number, got 'high'"),
        ("energy = 160.4", "energy = nan", "species S 2p Li2S: 'energy' must be a number, got nan"),
        ("energy = 160.4, spread = 0.4", "energy = 160.4, spread = 40.0", "'spread' must lie between 0 and 10 eV"),
        ("energy = 160.4", "enrgy = 160.4", "'enrgy' is not known here; known are name, energy"),
        ('source = "fantauzzi2015"', 'source = "nobody"', "source 'nobody' is not among the sources"),
        ('phase = "product"', 'phase = "soup"', "phase must be one of electrolyte, product"),
        ("reduced_below = 1.7", "reduced_below = 2.7", "reduced_below must lie below oxidized_above"),
        (', window_source = "zhu2015"', "", "potentials and 'window_source' belong together"),
        ("splitting = 1.18, ", "", "levels S 2p: a splitting and a ratio belong together"),
        ('kind = "auger"', 'kind = "level"', "an Auger line has a 'kinetic_energy', a level an 'energy'"),
        ("height = 0.064", "height = 6.4", "satellites Al alpha3: a satellite has a shift above 0"),
        ('reference = "C 1s 284.8 eV"', "", "'reference' must say"),
        ("[satellites]", "[sattelites]", "unknown section 'sattelites'"),
    ],
)
def test_mistakes_in_a_table_are_named_in_plain_sentences(tmp_path, old, new, sentence):
    text = TABLE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(OperandoError, match=r"mine\.toml: ") as caught:
        species(path=path)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_mistakes_are_named_at_once(tmp_path):
    text = (
        TABLE.read_text(encoding="utf-8")
        .replace("height = 0.064", "height = 6.4")
        .replace('phase = "product"', 'phase = "soup"', 1)
    )
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OperandoError, match=r"soup.*satellite"):
        species(path=path)


def test_missing_or_broken_table_is_a_file_error(tmp_path):
    with pytest.raises(FileError, match="expected a table of species"):
        species(path=tmp_path / "none.toml")
    (tmp_path / "broken.toml").write_text("reference = ")
    with pytest.raises(FileError, match="expected TOML"):
        species(path=tmp_path / "broken.toml")
