"""Try whether lines were taken for one another: fits moved so that one line takes another's place."""

from __future__ import annotations

import numpy as np

from operando.kernels import compiled

from .fit_kernels import Room, room
from .model_kernels import PER_LINE, Floats, Form, Ints, Spectrum, assign, expand
from .series_kernels import Linear, Stack, fill_shapes, finite, lightened, one_spectrum, screened

_BETTER = 0.98
"""Share of the squares below which a place is better worth a fit; noise alone does not reach it."""


@compiled
def expected_at(
    model: Form, spectrum: Spectrum, free: Floats, given: tuple[Linear, Ints], memory: tuple[Room, Floats, Floats]
) -> float:
    """Return the squares expected where the linear parameters alone are fitted, and write these into ``free``."""
    linear, places = given
    work, tables, values = memory
    full, table = np.empty(model[0][4].size), np.zeros((2 * PER_LINE, model[1][0].size))
    expand(model[0], free, full)
    if not fill_shapes(model[0], model[1], (free, full), places, (tables, table)):
        return np.inf
    squares = screened(model[1], spectrum, (linear, tables), values, work)
    for a in range(values.size):
        if linear[0][a] >= 0:
            free[linear[0][a]] = values[a]
    return squares


@compiled
def relocate_rows(
    model: Form,
    stack: Stack,
    given: tuple[Linear, Ints, int],
    jumps: tuple[Floats, Floats, Floats],
    rows: tuple[Floats, Floats],
) -> None:
    """Write, for each row, the best place to which a jump leads, NaN if none is better.

    ``given`` is (linear parameters, places of the areas, what is made least), ``jumps`` the changes of the free
    parameters (jump, free parameter) with their lowest and highest values, ``rows`` the minima (row, free parameter)
    and what is written (row, 1, free parameter).
    """
    found, out = rows
    linear, places, kind = given
    changes, low, high = jumps
    size, count = linear[0].size, places.max() + 1
    memory = room(size, 1, model[1][0].size), np.empty((2, count + 1, model[1][0].size)), np.empty(size)
    trial = np.empty(found.shape[1])
    for row in range(found.shape[0]):
        out[row] = np.nan
        if not finite(found[row]):
            continue
        light = lightened(one_spectrum(stack, row), kind)
        assign(trial, found[row])
        best = _BETTER * expected_at(model, light, trial, (linear, places), memory)
        for jump in range(changes.shape[0]):
            inside = True
            for a in range(trial.size):
                trial[a] = found[row, a] + changes[jump, a]
                inside &= low[a] <= trial[a] <= high[a]
            if not inside:
                continue
            squares = expected_at(model, light, trial, (linear, places), memory)
            if squares < best:
                best = squares
                out[row, 0] = trial
