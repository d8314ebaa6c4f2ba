"""Core levels by their names: ``"S 2p"``, ``"Ni 2p3/2"``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from operando.errors import OperandoError

_ORBITALS = "spdf"
_PATTERN = re.compile(r"([A-Z][a-z]?)[ _-]*([1-7])([spdf])(?:[ _]?([1357])[/_]2)?")


@dataclass(frozen=True)
class CoreLevel:
    """A core level: element, principal quantum number n, orbital quantum number l and the subshells it holds.

    ``shells`` are in the notation of X-rays (``"K"``, ``"L2"``); both of a spin-orbit pair where the name tells none.
    """

    element: str
    n: int
    orbital: str
    shells: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its usual name without the spin-orbit part, such as ``"S 2p"``."""
        return f"{self.element} {self.n}{self.orbital}"


@cache
def core_level(name: str) -> CoreLevel:
    """Return the core level that ``name`` means; ``"S_2p"`` and ``"S2p"`` are ``"S 2p"`` too.

    Raises
    ------
    OperandoError
        If the name is none of a core level, or there is no such orbital.
    """
    found = _PATTERN.fullmatch(name.strip())
    if found is None:
        raise OperandoError(f"expected a core level such as 'S 2p' or 'Ni 2p3/2', got {name!r}")
    element, n, orbital, twice_j = found[1], int(found[2]), found[3], found[4]
    angular = _ORBITALS.index(orbital)
    pair = (1,) if angular == 0 else (2 * angular - 1, 2 * angular + 1)
    if angular >= n or (twice_j and int(twice_j) not in pair):
        raise OperandoError(f"expected a core level such as 'S 2p' or 'Ni 2p3/2', got {name!r}: no such orbital")
    chosen = (int(twice_j),) if twice_j else pair
    return CoreLevel(element, n, orbital, tuple(_shell(n, angular, j) for j in chosen))


def _shell(n: int, angular: int, twice_j: int) -> str:
    """Return the name of a subshell in the notation of X-rays: 2p3/2 is ``"L3"``."""
    letter = "KLMNOPQ"[n - 1]
    return letter if n == 1 else f"{letter}{angular + (twice_j + 1) // 2}"
