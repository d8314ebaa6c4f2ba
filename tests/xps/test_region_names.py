"""Names of regions mean the same level however they are written; those of several lines are names of their own."""

from __future__ import annotations

import pytest

from operando.xps.formats.region_names import region_in, region_name, same_region


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("S2p", "S 2p"),
        ("S_2p", "S 2p"),
        (" Fe 2p 3/2 ", "Fe 2p3/2"),
        ("Ni2p32", "Ni 2p3/2"),
        ("C 1s 1", "C 1s"),
        ("Pt4f PE20", "Pt 4f"),
        ("Fe2p_FeO", "Fe 2p"),
        ("C 1s\x00", "C 1s"),
        ("Survey", "Survey"),
        ("  two   words ", "two words"),
        ("O KLL", "O KLL"),
        ("s2p", "S 2p"),
        ("Sn3d5", "Sn 3d5/2"),
        ("Sn 3d5", "Sn 3d5/2"),
        ("Sn_3d_5/2", "Sn 3d5/2"),
        ("Su1s", "Survey"),
        ("Su 1s", "Survey"),
        ("survey", "Survey"),
        ("Fe3p-Mg2p", "Fe3p-Mg2p"),
        ("Fe3s-Si2p-Mg2s", "Fe3s-Si2p-Mg2s"),
        ("O 1s + Na KLL", "O 1s + Na KLL"),
        ("CrO 2p Mg anode", "CrO 2p Mg anode"),
        ("C 2d", "C 2d"),
        ("Fe2p5", "Fe2p5"),
    ],
)
def test_names_of_core_levels_are_written_alike(text, name):
    assert region_name(text) == name
    assert region_name(name) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [("111216_0459_O1s", "O 1s"), ("clean_Au_4f", "Au 4f"), ("PET_C1s", "C 1s"), ("survey", None), ("XS2pY", None)],
)
def test_a_core_level_is_found_in_the_name_of_a_file(text, name):
    assert region_in(text) == name


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("S 2p", "s2P", True),
        ("Sn3d5", "Sn 3d5/2", True),
        ("Ni2p32", "Ni 2p 3/2", True),
        ("Su1s", "survey", True),
        ("Fe3p-Mg2p", "Fe3p-Mg2p", True),
        ("Fe3p - Mg2p", "fe 3p-mg 2p", True),
        ("Fe3p-Mg2p", "Fe 3p", False),
        ("Sn 3d5/2", "Sn 3d", False),
        ("Fe LMM", "Fe_LMM", True),
    ],
)
def test_two_names_of_one_region_are_known_as_such(one, other, same):
    assert same_region(one, other) == same_region(other, one) == same
