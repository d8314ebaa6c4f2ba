"""Bring normalized spectra to the scale of the tables: attenuation below the edge and the height of its step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import atomic_data

Floats = NDArray[np.float64]
_BELOW = (0.94, 0.998)
_PAST = 20.0
_POINTS = 50
_SHELLS = {"L": ("L3", "L2"), "M": ("M5", "M4")}


@dataclass(frozen=True)
class EdgeScale:
    """The attenuation (1/nm) of a material around an edge of one of its elements.

    ``below`` is that of all but the edge over the energies asked for, a power law through the tables below the edge
    and carried on; ``step`` what one edge step of the normalized spectrum adds, read at ``above`` (eV).
    """

    below: Floats
    below_above: float
    step: float
    above: float

    def attenuation(self, normalized: Floats) -> Floats:
        """Return the attenuation (1/nm) of a spectrum in edge steps."""
        return np.asarray(self.below + self.step * normalized)


def edge_scale(material: str, density: float | None, element: str, edge: str, energy: Floats) -> EdgeScale:
    """Return the tables' scale for spectra at ``energy`` (eV).

    The step is read 20 eV above the edge, or above the second of a pair (L3 and L2, M5 and M4) that the spectra reach,
    where the normalized absorption is one.

    Raises
    ------
    OperandoError
        If material, element or edge are unknown, or the density (g/cm^3) is and is not given.
    """
    first = atomic_data.edge(element, edge).energy
    shell = [atomic_data.edge(element, name).energy for name in _SHELLS.get(edge[:1].upper(), (edge,))]
    last = max([first, *(value for value in shell if value < energy.max())])
    above = min(last + _PAST, max(float(energy.max()), first + 1.0))
    tabulated = np.geomspace(_BELOW[0] * first, _BELOW[1] * first, _POINTS)
    attenuation = atomic_data.attenuation(material, density, tabulated)
    power, level = np.polyfit(np.log(tabulated), np.log(attenuation), 1)
    carried_on = float(np.exp(level + power * np.log(above)))
    step = float(atomic_data.attenuation(material, density, above).item()) - carried_on
    return EdgeScale(np.exp(level + power * np.log(energy)), carried_on, step, above)
