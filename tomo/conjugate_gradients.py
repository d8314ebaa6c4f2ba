"""Conjugate gradients that watch the energy of the potential: its error is that of the conductance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

MOST = 500
"""Iterations after which a solution is given up."""

_WINDOW, _SHARE = 2, 4
_NOTHING = 1e-13


class System(Protocol):
    """What is left to be balanced, and the energy that the potential dissipates to begin with."""

    energy: float

    def precondition(self, step: float) -> float:
        """Step along the direction, guess what still lacks, and return the product of guess and residual."""

    def follow(self, share: float) -> float:
        """Add a share of the last direction to the guess, and return the product of the direction and its image."""

    def end(self, step: float) -> None:
        """Take a last step."""


@dataclass(frozen=True)
class Solved:
    """Energy of the potential, an upper bound of the least there can be, and by how much that may still lie below."""

    energy: float
    left: float
    iterations: int
    converged: bool


def minimize(system: System, tolerance: float, most: int = MOST) -> Solved:
    """Return the energy of the potential that dissipates least.

    Every iteration k takes d_k off the energy, and all that is left to take is the sum of those to come. It is held
    for converged where the last quarter of them (two at least: where throats follow each other, little is taken for a
    while before more is) took less than ``tolerance`` of it, and what is left, if they go on to fall by the same
    factor, is less as well.

    Notes
    -----
    Z. Strakos, P. Tichy, Electron. Trans. Numer. Anal. 13, 56 (2002).
    """
    energy, step, before = system.energy, 0.0, 1.0
    falls: list[float] = []
    limit = _NOTHING * energy
    for number in range(most):
        product = system.precondition(step)
        if not math.isfinite(product) or product < 0:
            return Solved(energy, _left(falls), number, converged=False)
        if product <= limit:
            return Solved(energy, 0.0, number, converged=True)
        curvature = system.follow(product / before if number else 0.0)
        if not curvature > 0:
            return Solved(energy, _left(falls), number, converged=False)
        step, before = product / curvature, product
        falls.append(step * product)
        energy -= falls[-1]
        window = max(_WINDOW, len(falls) // _SHARE)
        if len(falls) > _WINDOW and max(sum(falls[-window:]), _left(falls)) < tolerance * energy:
            system.end(step)
            return Solved(energy, _left(falls), number + 1, converged=True)
    system.end(step)
    return Solved(energy, _left(falls), most, converged=False)


def _left(falls: list[float]) -> float:
    """Return what is still to come if falls shrink as they did over the last ones."""
    if len(falls) <= _WINDOW:
        return math.inf
    ratio = (falls[-1] / falls[-1 - _WINDOW]) ** (1 / _WINDOW)
    return falls[-1] * ratio / (1 - ratio) if ratio < 1 else math.inf
