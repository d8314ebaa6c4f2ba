"""Lines of a model from the table of known species."""

from __future__ import annotations

from collections.abc import Sequence

from operando.errors import OperandoError

from .constraints import Free, Link, Quantity
from .known_species import Species, core_level, overlaps, species
from .model import Doublet, Line, Peak

_MARGIN = 0.5
"""How far beyond its known spread a species may lie (eV)."""


def species_lines(names: Sequence[str], level: str, fwhm: float) -> list[Line]:
    """Return a line for each species, all of one width."""
    known = core_level(level)
    lines: list[Line] = []
    for found in (_one(name, level) for name in names):
        name = found.name.replace(".", "")
        reach = found.spread + _MARGIN
        position = Free(found.energy, found.energy - reach, found.energy + reach)
        width: Quantity = Link(f"{lines[0].name}.fwhm") if lines else fwhm
        if known.splitting > 0:
            lines.append(Doublet(name, position, width, level=level, phase=found.phase))
        else:
            lines.append(Peak(name, position, width, phase=found.phase))
    return lines


def overlap_line(name: str, fwhm: float) -> Peak:
    """Return the line of a known overlap, at Al K alpha if it is an Auger line."""
    found = [one for one in overlaps() if one.name == name]
    if not found:
        known = ", ".join(dict.fromkeys(one.name for one in overlaps()))
        raise OperandoError(f"Model: expected an overlap among {known}, got {name!r}")
    energy, spread = found[0].binding_energy(), found[0].spread
    return Peak(name.replace(".", ""), Free(energy, energy - spread, energy + spread), fwhm)


def _one(name: str, level: str) -> Species:
    found = species(level, name)
    if len(found) != 1:
        got = "; ".join(one.name for one in found) or "none"
        raise OperandoError(f"Model: expected one species of {level} named {name!r}, got {got}")
    return found[0]
