"""The moves of a phase by which one of its lines takes the place of another."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from .compiled_model import POSITION, SHIFT, Compiled
from .model_kernels import PER_LINE, Floats
from .series_kernels import Linear

_ALIKE, _MOST = 0.05, 60


def jumps(model: Compiled) -> Floats:
    """Return changes of the free parameters (jump, free parameter): a shift by the distance of two of its lines.

    Distances that differ by less than 0.05 eV count once; only lines of one region take each other's place. With many
    lines the shorter distances are kept.
    """
    shifts = [k for k, name in enumerate(model.names) if name.endswith(f".{SHIFT}")]
    found: list[tuple[int, float]] = []
    for k in shifts:
        distances = sorted(set(_distances(model, k)), key=abs)
        kept: list[float] = []
        for distance in distances:
            if abs(distance) > _ALIKE and all(abs(distance - one) > _ALIKE for one in kept):
                kept.append(distance)
        found += [(k, distance) for distance in kept[:_MOST]]
    out = np.zeros((len(found), len(model.names)))
    for row, (k, distance) in zip(out, found, strict=True):
        row[k] = distance
    return out


def area_places(model: Compiled, linear: Linear) -> NDArray[np.int64]:
    """Return where each free parameter stands among the areas, -1 if it is none."""
    places = np.full(len(model.names), -1, np.int64)
    areas = linear[0].size - (len(model.rows) - PER_LINE * model.owners.size)
    places[linear[0][:areas]] = np.arange(areas)
    return places


def _distances(model: Compiled, shift: int) -> list[float]:
    """Return by how much a shift moves each of its lines to the place of another one."""
    name = model.names[shift]
    rows = [row for key, row in model.rows if key.endswith(f".{POSITION}")]
    moved = [
        (row.offset, row.terms[name], int(model.places[owner]))
        for row, owner in zip(rows, model.owners, strict=True)
        if name in row.terms
    ]
    return [
        round((other - one) / factor, 6)
        for (one, factor, place), (other, _, there) in permutations(moved, 2)
        if place == there
    ]
