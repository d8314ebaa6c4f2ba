"""The core level in a region's name and the energies it may have."""

from __future__ import annotations

import numpy as np
import pytest

from operando.xps.formats.level_energies import may_be, tabulated


@pytest.mark.parametrize(
    ("region", "low", "high"),
    [("S 2p", 158, 172), ("C 1s", 280, 296), ("Au 4f", 80, 92), ("Ni 2p3/2", 850, 880), ("Sn 3d5", 480, 500)],
)
def test_measured_windows_of_known_lines_hold_their_level(region, low, high):
    assert tabulated(region)
    assert may_be(region, np.array([low, high], float))
    assert not may_be(region, 1486.6 - np.array([low, high], float))


@pytest.mark.parametrize("region", ["Survey", "VB", "Su 1s", "H 2p", "region"])
def test_what_names_no_tabulated_level_may_be_anything(region):
    assert may_be(region, np.array([1e3, 1.1e3]))
    assert tabulated(region) == []


def test_energies_that_are_all_missing_say_nothing():
    assert may_be("S 2p", np.array([np.nan]))
