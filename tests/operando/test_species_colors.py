"""Species and phases keep their colors in every figure, and the color-blind tell apart what lies side by side."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import xarray as xr
from skimage.color import deltaE_ciede2000, rgb2lab

from operando.kind_colors import AXIS_COLORS, COLORS, SUBSTANCES, kind_colors
from operando.plot import FLAGGED, INK, half_cycles
from operando.species_colors import species_colors, species_of
from operando.xps import species

SEEN = {
    "trichromacy": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
"""Linear RGB as it is seen: Machado et al., IEEE Trans. Vis. Comput. Graph. 15, 1291 (2009), severity 1."""
APART = 11.0
"""CIEDE2000 between two curves of a figure; some 2 are just seen side by side, Okabe's and Ito's colors have 12."""


def lab(color, seen):
    rgb = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(SEEN[seen] @ linear, 0, 1)
    return rgb2lab(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))


def nearest(colors, seen):
    pairs = itertools.combinations([lab(color, seen) for color in colors], 2)
    return min(float(deltaE_ciede2000(one, other)) for one, other in pairs)


def figures():
    """Return all colors that may lie side by side in one figure, by what it shows."""
    levels = {one.level: [] for one in species()}
    for one in species():
        levels[one.level].append(f"{one.level} {one.name}")
    found = {level: species_colors(names) for level, names in levels.items() if len(names) > 1}
    turns = xr.Dataset({"half_cycle": ("scan", np.arange(7.0)), "current": ("scan", [0.0, 1, -1, 1, -1, 1, -1])})
    return found | {
        "references of nickel": species_colors(["reduced Ni", "lithiated NCM", "delithiated NCM"]),
        "components": species_colors([f"component {at}" for at in range(10)]),
        "a volume": kind_colors(["void", "crack", "contact loss", "ncm", "electrolyte", "carbon", "lithium", "copper"]),
        "directions": list(AXIS_COLORS.values()),
        "half-cycles": [one.color for one in half_cycles(turns).values()],
        "scans and their flags": [INK, FLAGGED],
    }


@pytest.mark.parametrize("seen", SEEN)
def test_what_lies_side_by_side_is_told_apart(seen):
    assert {shown: distance for shown, colors in figures().items() if (distance := nearest(colors, seen)) < APART} == {}


def test_colors_that_the_color_blind_mix_up_would_be_found():
    assert nearest(["#009E73", "#7F7F7F"], "deuteranopia") < APART < nearest(["#009E73", "#7F7F7F"], "trichromacy")
    assert nearest(["#C04040", "#508030"], "deuteranopia") < APART


def test_a_species_has_one_color_in_every_core_level_and_in_every_order():
    sulfur = dict(zip(names := ["S 2p PS4 3-", "S 2p Li2S", "S 2p S0"], species_colors(names), strict=True))
    phosphorus = dict(zip(names := ["P 2p Li3P", "P 2p PS4 3-"], species_colors(names), strict=True))
    assert sulfur["S 2p PS4 3-"] == phosphorus["P 2p PS4 3-"] == species_colors(["PS4 3-"])[0]
    assert species_colors(["S 2p S0", "S 2p Li2S"]) == [sulfur["S 2p S0"], sulfur["S 2p Li2S"]]
    assert species_of("P 2p3/2 P-S-P") == species_of("P-S-P") == "p s p"


def test_electrolyte_and_active_material_look_alike_in_spectra_and_in_volumes():
    assert species_colors(["S 2p PS4 3-", "lithiated NCM"]) == [COLORS["electrolyte"], COLORS["particle"]]
    assert kind_colors(["li3ps4", "ncm811"]) == [COLORS["electrolyte"], COLORS["particle"]]


def test_unknown_species_take_colors_that_no_other_has():
    names = ["unknown", "Li2S", "another", "S0"]
    assert len(set(species_colors(names))) == len(names)
    assert species_colors(names)[1] == species_colors(["Li2S"])[0]
    assert len(set(species_colors([f"substance {at}" for at in range(16)]))) == len(SUBSTANCES) == 16
