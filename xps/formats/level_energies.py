"""Whether energies can be the binding energies of the core level that a region is named after."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

_NAMED = re.compile(r"([A-Z][a-z]?) ([1-7][spdf])(?:[135/2]{1,3})?")
_SHELLS = "KLMNOPQ"
_SUBSHELLS = {"s": ("1",), "p": ("2", "3"), "d": ("4", "5"), "f": ("6", "7")}
_BEYOND = 30.0
"""What a region may lie off the tabulated level, in eV: chemical shifts, charging and a generous background."""


def may_be(region: str, binding_energy: NDArray[np.float64]) -> bool:
    """Return whether energies (eV) can be binding energies of a region; true for one that names no tabulated level.

    Notes
    -----
    Tabulated levels: W. T. Elam, B. D. Ravel, J. R. Sieber, Radiat. Phys. Chem. 63, 121 (2002),
    doi:10.1016/S0969-806X(01)00227-4, as xraydb has them.
    """
    levels = tabulated(region)
    finite = binding_energy[np.isfinite(binding_energy)]
    if not levels or finite.size == 0:
        return True
    low, high = finite.min() - _BEYOND, finite.max() + _BEYOND
    return any(low <= level <= high for level in levels)


def tabulated(region: str) -> list[float]:
    """Return the binding energies (eV) of the level that a region such as ``"S 2p"`` is named after, if tabulated."""
    match = _NAMED.fullmatch(region)
    if match is None:
        return []
    import xraydb

    shell, subshell = _SHELLS[int(match[2][0]) - 1], _SUBSHELLS[match[2][1]]
    names = ["K"] if shell == "K" else [f"{shell}{number}" for number in subshell]
    try:
        edges = xraydb.xray_edges(match[1])
    except ValueError:
        return []
    return [float(edges[name].energy) for name in names if name in edges]
