"""Names of core levels."""

from __future__ import annotations

import pytest

from operando.errors import OperandoError
from operando.xps.core_levels import core_level


@pytest.mark.parametrize(
    ("name", "shells"),
    [
        ("C 1s", ("K",)),
        ("S 2s", ("L1",)),
        ("S 2p", ("L2", "L3")),
        ("Ni 2p3/2", ("L3",)),
        ("Ni 2p1/2", ("L2",)),
        ("La 3d5/2", ("M5",)),
        ("Zr 3d", ("M4", "M5")),
        ("Au 4f7/2", ("N7",)),
        ("Au 4f", ("N6", "N7")),
    ],
)
def test_a_subshell_has_its_name_in_the_notation_of_x_rays(name: str, shells: tuple[str, ...]):
    assert core_level(name).shells == shells


@pytest.mark.parametrize("spelled", ["S 2p", "S_2p", "S2p", " S 2p "])
def test_node_names_mean_the_level(spelled: str):
    assert core_level(spelled).name == "S 2p"


@pytest.mark.parametrize("name", ["", "sulfur", "S 2d", "S 1p", "Ni 2p5/2", "S 2p/3", "VB"])
def test_what_is_no_core_level_is_refused(name: str):
    with pytest.raises(OperandoError, match="core level"):
        core_level(name)
