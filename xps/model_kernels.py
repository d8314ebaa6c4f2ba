"""The curve of a model and its derivatives by the free parameters. It knows numbers only.

The full parameters of a model are, for each line, area, position, fwhm and four shape parameters, then for each region
the height of the inelastic background (k of Shirley, B of Tougaard), then for each the coefficients of its polynomial.
They are affine in the free ones: ``full = C free + offsets``, C in compressed rows. All kernels of the fit share these
tuples:

``structure``
    (codes of the lines' shapes, row pointers, columns and factors of C, offsets).
``grid``
    (binding energies, ascending; curves of the polynomials (coefficient, energy); operator that makes the inelastic
    background of a line from its shape (energy, energy); kind of that background: 0 none, 1 the cumulative of the
    line, 2 by the operator; first and last point, not included, of each region; the region of each line; the functions
    of the lines' shapes: :func:`~operando.xps.line_kernels.line_functions`).
``model``
    (structure, grid).
``spectrum``
    (values, weights, response, known curve): what was measured, the weight of each point (0 leaves it out), the
    factor by which the analyser lets it through, and what is known to lie under it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled, compiled_sums

from .line_kernels import Shapes, fill, rows_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Structure = tuple[Ints, Ints, Ints, Floats, Floats]
Points = tuple[Floats, Floats, Floats, int, Ints, Ints]
Grid = tuple[Floats, Floats, Floats, int, Ints, Ints, Shapes]
Form = tuple[Structure, Grid]
Spectrum = tuple[Floats, Floats, Floats, Floats]

PER_LINE = 7
"""Full parameters of a line: area, position, fwhm, four shape parameters."""
NO_LOSS, CUMULATIVE, OPERATOR = 0, 1, 2
"""Kinds of inelastic background."""


@compiled
def assign(target: Floats, values: Floats) -> None:
    """Write values of the same size; an assignment to a slice would bring numpy's checks of shapes into each kernel."""
    for i in range(target.size):
        target[i] = values[i]


@compiled
def expand(structure: Structure, free: Floats, full: Floats) -> None:
    """Write the full parameters."""
    _, pointers, columns, factors, offsets = structure
    for row in range(offsets.size):
        value = offsets[row]
        for entry in range(pointers[row], pointers[row + 1]):
            value += factors[entry] * free[columns[entry]]
        full[row] = value


@compiled_sums
def through(operator: Floats, values: Floats, out: Floats) -> None:
    """Write the operator applied to each row of values."""
    for row in range(values.shape[0]):
        for i in range(operator.shape[0]):
            total = 0.0
            for j in range(operator.shape[1]):
                total += operator[i, j] * values[row, j]
            out[row, i] = total


@compiled
def fill_part(code: int, grid: Grid, span: tuple[int, int], quantities: Floats, table: Floats) -> None:
    """Write a line at the points of its region alone; ``quantities`` are its position, width and shape parameters."""
    first, last = span
    used = rows_of(code)
    own = np.empty((2 * PER_LINE, last - first))
    fill(grid[6], code, grid[0][first:last], quantities[0], quantities[1], quantities[2:], own)
    if grid[3] == OPERATOR:
        through(np.ascontiguousarray(grid[2][first:last, first:last]), own[:used], own[PER_LINE:])
    for row in range(used):
        assign(table[row, first:last], own[row])
        assign(table[PER_LINE + row, first:last], own[PER_LINE + row])


@compiled
def fill_line(structure: Structure, grid: Grid, full: Floats, line: int, table: Floats) -> bool:
    """Write shape and background of one line of unit area, and their derivatives; false if it has no width.

    Only the points of its region are written: the line is nothing elsewhere.
    """
    x, _, operator, kind, spans, regions, shapes = grid
    at = PER_LINE * line
    if not full[at + 2] > 0.0:
        return False
    first, last = spans[regions[line], 0], spans[regions[line], 1]
    if last - first == x.size:
        fill(shapes, structure[0][line], x, full[at + 1], full[at + 2], full[at + 3 : at + PER_LINE], table)
        if kind == OPERATOR:
            through(operator, table[: rows_of(structure[0][line])], table[PER_LINE:])
        return True
    fill_part(structure[0][line], grid, (first, last), full[at + 1 : at + PER_LINE], table)
    return True


@compiled_sums
def add_row(structure: Structure, row: int, values: Floats, scale: float, jacobian: Floats) -> None:
    """Add the derivative by one full parameter to those by the free parameters that it depends on."""
    _, pointers, columns, factors, _ = structure
    for entry in range(pointers[row], pointers[row + 1]):
        column, factor = columns[entry], factors[entry] * scale
        for i in range(values.size):
            jacobian[column, i] += factor * values[i]


@compiled_sums
def add_line(
    structure: Structure, place: tuple[int, int], full: Floats, out: tuple[Floats, Floats, Floats], table: Floats
) -> None:
    """Add one line, its inelastic background and its derivatives.

    ``place`` is (line, its region), ``out`` (lines, sum of the backgrounds at height one, jacobian), ``table`` what
    :func:`fill_line` wrote, at the points of the region; all of the same length.
    """
    lines, loss, jacobian = out
    pointers, at = structure[1], PER_LINE * place[0]
    area, height = full[at], full[PER_LINE * structure[0].size + place[1]]
    for i in range(lines.size):
        lines[i] += area * table[0, i]
        loss[i] += area * table[PER_LINE, i]
    for q in range(PER_LINE):
        if pointers[at + q + 1] > pointers[at + q]:
            for i in range(lines.size):
                table[q, i] += height * table[PER_LINE + q, i]
            add_row(structure, at + q, table[q], area if q else 1.0, jacobian)


@compiled_sums
def evaluate(structure: Structure, grid: Grid, full: Floats, out: tuple[Floats, Floats, Floats], table: Floats) -> bool:
    """Write the curve, the lines without background, and the Jacobian (free parameter, energy).

    ``out`` is (curve, lines, jacobian), ``table`` room for 15 rows. False, and nothing to be used, if a line has no
    width.
    """
    curve, lines, jacobian = out
    _, basis, _, kind, spans, regions, _ = grid
    step, count = PER_LINE * structure[0].size, spans.shape[0]
    lines[:] = 0.0
    jacobian[:] = 0.0
    loss = table[2 * PER_LINE]
    loss[:] = 0.0
    for line in range(structure[0].size):
        if not fill_line(structure, grid, full, line, table):
            return False
        place = (line, regions[line])
        if count == 1:
            add_line(structure, place, full, (lines, loss, jacobian), table)
        else:
            first, last = spans[place[1], 0], spans[place[1], 1]
            window = (lines[first:last], loss[first:last], jacobian[:, first:last])
            add_line(structure, place, full, window, table[:, first:last])
    for region in range(count):
        first, last = spans[region, 0], spans[region, 1]
        part, shown, rise = curve[first:last], lines[first:last], loss[first:last]
        for i in range(part.size):
            part[i] = shown[i] + full[step + region] * rise[i]
        if kind != NO_LOSS:
            add_row(structure, step + region, rise, 1.0, jacobian[:, first:last])
    for term in range(basis.shape[0]):
        for i in range(lines.size):
            curve[i] += full[step + count + term] * basis[term, i]
        add_row(structure, step + count + term, basis[term], 1.0, jacobian)
    return True
