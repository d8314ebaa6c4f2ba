"""Fits of many spectra: starts, contests between them, errors. They know numbers only."""

from __future__ import annotations

import numpy as np

from operando.kernels import compiled, compiled_sums

from .fit_kernels import (
    FEWEST_COUNTS,
    NOT_CONVERGED,
    POISSON,
    SQUARES,
    Room,
    Task,
    measured,
    minimize,
    normal,
    room,
    weigh,
)
from .model_kernels import NO_LOSS, PER_LINE, Floats, Form, Grid, Ints, Spectrum, Structure, assign, expand, fill_line
from .step_kernels import Bools, bounded_step, factored, scaled_matrix, solved

Linear = tuple[Ints, Floats, Floats, Floats]
"""The linear parameters: (free parameter of each or -1, start, low, high): areas, inelastic background, polynomial."""

Screening = tuple[Linear, Floats, Floats]
"""Linear parameters, starts (start, free parameter), and shape and background of each free area at each start (start,
2, area + 1, energy), fixed areas last."""
Stack = tuple[Floats, Floats, Floats, Floats]
"""Many spectra: what is one of them in ``Spectrum``, with a leading axis."""

CANDIDATES, _HOPELESS = 3, 3.0
"""Starts that are followed to their minimum, unless their squares exceed the best start's by this factor."""
_ROUNDING = 1e-9
"""Residuals below this part of the curve have no sign."""


@compiled
def fill_shapes(
    structure: Structure, grid: Grid, at: tuple[Floats, Floats], places: Ints, out: tuple[Floats, Floats]
) -> bool:
    """Write shape and background of each free area (2, area + 1, energy), fixed areas last; false without a width.

    ``at`` is (free parameters, full parameters), ``places`` where a free parameter stands among the areas, -1 if it is
    none; ``out`` is (those, room for a line).
    """
    free, full = at
    tables, table = out
    _, pointers, columns, factors, offsets = structure
    tables[:] = 0.0
    last = tables.shape[1] - 1
    for line in range(structure[0].size):
        if not fill_line(structure, grid, full, line, table):
            return False
        row, span = PER_LINE * line, grid[4][grid[5][line]]
        for k in range(2):
            for i in range(span[0], span[1]):
                tables[k, last, i] += offsets[row] * table[k * PER_LINE, i]
            for entry in range(pointers[row], pointers[row + 1]):
                place = places[columns[entry]]
                factor = factors[entry] * (1.0 if place >= 0 else free[columns[entry]])
                for i in range(span[0], span[1]):
                    tables[k, place if place >= 0 else last, i] += factor * table[k * PER_LINE, i]
    return True


@compiled
def fill_starts(structure: Structure, grid: Grid, starts: Floats, places: Ints, tables: Floats) -> None:
    """Write what :func:`fill_shapes` does for each start (start, 2, area + 1, energy); nothing without a width."""
    full, table = np.empty(structure[4].size), np.zeros((2 * PER_LINE, grid[0].size))
    for s in range(starts.shape[0]):
        expand(structure, starts[s], full)
        if not fill_shapes(structure, grid, (starts[s], full), places, (tables[s], table)):
            tables[s] = 0.0


@compiled_sums
def evaluate_linear(tables: Floats, grid: Grid, values: Floats, curve: Floats, jacobian: Floats) -> None:
    """Write curve and Jacobian by the linear parameters, at given shapes (2, area + 1, energy)."""
    _, basis, _, kind, spans, _, _ = grid
    areas, count = tables.shape[1] - 1, spans.shape[0]
    jacobian[areas : areas + count] = 0.0
    for region in range(count):
        height = values[areas + region] if kind != NO_LOSS else 0.0
        first, last = spans[region, 0], spans[region, 1]
        part, loss = curve[first:last], jacobian[areas + region, first:last]
        assign(part, tables[0, areas, first:last])
        assign(loss, tables[1, areas, first:last])
        for a in range(areas):
            own, shape, rise = jacobian[a, first:last], tables[0, a, first:last], tables[1, a, first:last]
            for i in range(part.size):
                own[i] = shape[i] + height * rise[i]
                part[i] += values[a] * shape[i]
                loss[i] += values[a] * rise[i]
        for i in range(part.size):
            part[i] += height * loss[i]
            loss[i] = loss[i] if kind != NO_LOSS else 0.0
    for term in range(basis.shape[0]):
        for i in range(curve.size):
            jacobian[areas + count + term, i] = basis[term, i]
            curve[i] += values[areas + count + term] * basis[term, i]


@compiled
def screened(grid: Grid, spectrum: Spectrum, given: tuple[Linear, Floats], values: Floats, memory: Room) -> float:
    """Fit the linear parameters alone, into ``values``; return the sum of squares expected there.

    ``given`` is (linear parameters, shapes and backgrounds of the areas at one start).
    """
    (_, begin, low, high), tables = given
    (curve, _, jacobian), _, (_, marks, matrix), (gradient, step, _, _, scratch, _) = memory
    assign(values, begin)
    expected = 0.0
    for _ in range(2):
        evaluate_linear(tables, grid, values, curve, jacobian)
        total = weigh(spectrum, SQUARES, curve, marks)
        normal(jacobian, marks, matrix, gradient, scratch)
        expected = total - bounded_step((matrix, gradient), values, (low, high), 1e-9, step)
        for a in range(values.size):
            values[a] = min(max(values[a] + step[a], low[a]), high[a])
    return expected


@compiled
def ranked(best: Floats, expected: float, found: Floats) -> int:
    """Make room for a start among the best; return its place, past the end if it has none."""
    at = best.size
    while at > 0 and expected < best[at - 1]:
        at -= 1
        if at + 1 < best.size:
            best[at + 1] = best[at]
            found[at + 1] = found[at]
    if at < best.size:
        best[at] = expected
    return at


@compiled
def candidates(grid: Grid, spectrum: Spectrum, screening: Screening, found: Floats, memory: Room) -> int:
    """Write the starts that come closest to a spectrum, the best first, linear parameters fitted; return how many."""
    linear, starts, tables = screening
    index = linear[0]
    best, values = np.full(found.shape[0], np.inf), np.empty(index.size)
    for s in range(starts.shape[0]):
        at = ranked(best, screened(grid, spectrum, (linear, tables[s]), values, memory), found)
        if at < best.size:
            found[at] = starts[s]
            for a in range(index.size):
                if index[a] >= 0:
                    found[at, index[a]] = values[a]
    kept = 1
    while kept < best.size and best[kept] < _HOPELESS * best[0]:
        kept += 1
    return kept


@compiled
def one_spectrum(stack: tuple[Floats, Floats, Floats, Floats], row: int) -> Spectrum:
    """Return one spectrum of many."""
    return stack[0][row], stack[1][row], stack[2][row], stack[3][row]


@compiled
def lightened(spectrum: Spectrum, kind: int) -> Spectrum:
    """Return the spectrum with the weights of the data, by which starts are compared."""
    values, weights, response, known = spectrum
    if kind == SQUARES:
        return spectrum
    light = np.empty(values.size)
    for i in range(values.size):
        light[i] = weights[i] / max(values[i], 1.0)
    return values, light, response, known


@compiled
def finite(values: Floats) -> bool:
    """Return whether all values are finite."""
    good = True
    for value in values:
        good &= np.isfinite(value)
    return good


@compiled
def points_used(spectrum: Spectrum) -> int:
    """Return how many points have a weight."""
    count = 0
    for i in range(spectrum[1].size):
        count += spectrum[1][i] > 0.0
    return count


@compiled
def screen_rows(grid: Grid, stack: Stack, kind: int, screening: Screening, out: Floats) -> None:
    """Write the starts that suit each row (row, start, free parameter), the best first, unless it has one already."""
    memory = room(screening[0][0].size, 1, grid[0].size)
    found = np.empty((CANDIDATES, out.shape[2]))
    for row in range(out.shape[0]):
        if not finite(out[row, 0]):
            light = lightened(one_spectrum(stack, row), kind)
            for k in range(candidates(grid, light, screening, found, memory)):
                out[row, k] = found[k]


@compiled
def fit_rows(model: Form, stack: Stack, task: Task, starts: Floats, found: tuple[Floats, Floats, Ints]) -> None:
    """Keep the lowest of the minima that each row has from its starts and from what was found before.

    ``starts`` are (row, start, free parameter), passed over where they are not finite. ``found`` is free parameters,
    objective (infinite where there is nothing yet) and state of each row, replaced in place; NaN where there are no
    more points than parameters.
    """
    low, high = task[0], task[1]
    memory = room(low.size, model[0][4].size, model[1][0].size)
    other = np.empty(low.size)
    for row in range(starts.shape[0]):
        spectrum = one_spectrum(stack, row)
        best, lowest = found[0][row], found[1][row]
        if points_used(spectrum) <= low.size:
            best[:] = np.nan
            found[1][row], found[2][row] = np.nan, NOT_CONVERGED
            continue
        for s in range(starts.shape[1]):
            if finite(starts[row, s]):
                for a in range(low.size):
                    other[a] = min(max(starts[row, s, a], low[a]), high[a])
                value, state = minimize(model, spectrum, task, (other, best, lowest), memory)
                if state <= NOT_CONVERGED and (value < lowest * (1.0 - 1e-9) or not lowest < np.inf):
                    assign(best, other)
                    lowest, found[2][row] = value, state
        found[1][row] = lowest


@compiled
def describe_rows(
    model: Form,
    stack: Stack,
    task: Task,
    found: tuple[Floats, Floats, Ints],
    out: tuple[Floats, Floats, Floats],
) -> None:
    """Describe what was found of each row.

    ``out`` is the covariance of the free parameters (NaN where they are at a bound or not determined), (objective,
    reduced chi-square, runs) and (fitted, background).
    """
    memory = room(task[0].size, model[0][4].size, model[1][0].size)
    for row in range(found[0].shape[0]):
        results = found[0][row], out[0][row], out[1][row], out[2][row]
        describe(model, one_spectrum(stack, row), task, results, memory)


@compiled
def describe(
    model: Form, spectrum: Spectrum, task: Task, results: tuple[Floats, Floats, Floats, Floats], memory: Room
) -> None:
    """Write covariance, (objective, reduced chi-square, runs) and (fitted, background) of one spectrum.

    ``results`` is (free parameters, and those three).
    """
    low, high, kind, unit = task
    free, covariance, numbers, curves = results
    (curve, lines, jacobian), _, (table, marks, matrix), (gradient, _, full, _, scratch, _) = memory
    values, weights, response, known = spectrum
    if not finite(free):
        covariance[:] = np.nan
        numbers[:] = np.nan
        curves[:] = np.nan
        return
    numbers[0] = measured(model, spectrum, kind, free, (memory[0], marks, full, table))
    normal(jacobian, marks, matrix, gradient, scratch)
    held = np.empty(free.size, np.bool_)
    for a in range(free.size):
        held[a] = not low[a] < free[a] < high[a]
    inverted(matrix, held, covariance)
    total = 0.0
    for i in range(values.size):
        curves[0, i] = response[i] * curve[i] + known[i]
        curves[1, i] = response[i] * (curve[i] - lines[i]) + known[i]
        scratch[i] = values[i] - curves[0, i]
        strength = weights[i]
        if kind == POISSON and weights[i] > 0.0:
            strength = 1.0 / max(curves[0, i], FEWEST_COUNTS)
        total += strength * scratch[i] ** 2
        if abs(scratch[i]) < _ROUNDING * abs(curves[0, i]):
            scratch[i] = 0.0
    numbers[1] = total / max(points_used(spectrum) - (free.size - held.sum()), 1)
    numbers[2] = runs(scratch, weights)
    for a in range(free.size):
        for b in range(free.size):
            covariance[a, b] *= unit if unit > 0.0 else numbers[1]


@compiled
def inverted(matrix: Floats, held: Bools, out: Floats) -> None:
    """Write the inverse over the parameters that are not held; those not determined join them; NaN there."""
    size = held.size
    scale, values = np.empty(size), np.empty(size)
    scaled, lower = np.empty((size, size)), np.zeros((size, size))
    scaled_matrix(matrix, 0.0, scale, scaled)
    for a in range(size):
        held[a] |= not matrix[a, a] > 0.0
    factored(scaled, held, lower)
    for a in range(size):
        values[:] = 0.0
        values[a] = 1.0
        solved(lower, held, values)
        for b in range(size):
            out[a, b] = np.nan if held[a] or held[b] else values[b] * scale[a] * scale[b]


@compiled
def runs(residual: Floats, weights: Floats) -> float:
    """Return by how many standard deviations the runs of equal sign differ from those of noise (Wald, Wolfowitz)."""
    above, below, changes, last = 0, 0, 1, 0
    for i in range(residual.size):
        if weights[i] > 0.0 and residual[i] != 0.0:
            sign = 1 if residual[i] > 0.0 else -1
            changes += last * sign < 0
            above += sign > 0
            below += sign < 0
            last = sign
    count = above + below
    product = 2.0 * above * below
    if product == 0.0 or count < 3:
        return np.nan
    spread = product * (product - count) / (count**2 * (count - 1.0))
    return (changes - product / count - 1.0) / np.sqrt(spread) if spread > 0.0 else np.nan


@compiled
def draw_rows(model: Form, free: Floats, response: Floats, owners: Ints, out: Floats) -> None:
    """Write each line without background (row, peak, energy); ``owners`` tells which peak a line is part of."""
    structure, grid = model
    full, table = np.empty(structure[4].size), np.empty((2 * PER_LINE, grid[0].size))
    out[:] = 0.0
    for row in range(free.shape[0]):
        expand(structure, free[row], full)
        for line in range(owners.size):
            area = full[PER_LINE * line] if fill_line(structure, grid, full, line, table) else np.nan
            for i in range(grid[4][grid[5][line], 0], grid[4][grid[5][line], 1]):
                out[row, owners[line], i] += response[row, i] * area * table[0, i]
