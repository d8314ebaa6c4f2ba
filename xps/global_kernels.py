"""Steps of a fit in which some parameters are one number for a whole series. They know numbers only.

The free parameters of a scan are its own, *local*, and those *shared* by all. In the normal equations of the series the
blocks of different scans only meet in the shared parameters: with H and g of each scan, split into l and s,
``S = sum_i (H_ss - H_sl H_ll^-1 H_ls)`` and ``r = sum_i (g_s - H_sl H_ll^-1 g_l)`` give the shared step ``S d_s = r``,
and each scan its own from ``H_ll d_l = g_l - H_ls d_s`` (Schur complement).

``normal`` is (matrix (row, parameter, parameter), gradient (row, parameter)), zero where a row is left out; ``split``
is (places of the local, of the shared parameters); ``held`` is (which of a scan's own parameters rest on their bounds,
the steps that take them there), for each row where there are several.
"""

from __future__ import annotations

import numpy as np

from operando.kernels import compiled

from .fit_kernels import room, statistics
from .model_kernels import Floats, Form, Ints, expand
from .series_kernels import Stack, finite, inverted, one_spectrum
from .step_kernels import Bools, bounded_step, factored, scaled_matrix, solved

Normal = tuple[Floats, Floats]
Held = tuple[Bools, Floats]
Split = tuple[Ints, Ints]
Limits = tuple[Floats, Floats, float]
"""Lowest and highest free parameters, damping."""

_ACTIVE_SETS = 8
"""Times that the step is solved for with other parameters resting on their bounds."""


@compiled
def statistics_rows(model: Form, stack: Stack, kind: int, free: Floats, out: tuple[Floats, Floats, Floats]) -> None:
    """Write what is made least, the information matrix and the gradient of each row; zero where free is not finite."""
    objective, matrix, gradient = out
    memory = room(free.shape[1], model[0][4].size, model[1][0].size)
    full = np.empty(model[0][4].size)
    for row in range(free.shape[0]):
        objective[row] = 0.0
        matrix[row] = 0.0
        gradient[row] = 0.0
        if finite(free[row]):
            expand(model[0], free[row], full)
            value, information, score = statistics(model, one_spectrum(stack, row), kind, full, memory)
            objective[row] = value
            if value < np.inf:
                matrix[row] = information
                gradient[row] = score


@compiled
def block(matrix: Floats, rows: Ints, columns: Ints, damping: float, out: Floats) -> None:
    """Write a part of a matrix, damping times itself added to the diagonal."""
    for a in range(rows.size):
        for b in range(columns.size):
            out[a, b] = matrix[rows[a], columns[b]]
            if rows[a] == columns[b]:
                out[a, b] *= 1.0 + damping


@compiled
def reduced(normal: Normal, held: Held, damping: float, split: Split, out: tuple[Floats, Floats]) -> None:
    """Add what one scan says of the shared parameters, once its own are eliminated, to ``out``: (S, r)."""
    matrix, gradient = normal
    resting, moved = held
    local, shared = split
    total, right = out
    own, both = np.empty((local.size, local.size)), np.empty((local.size, shared.size))
    block(matrix, local, local, damping, own)
    block(matrix, local, shared, 0.0, both)
    scale, scaled, lower = np.empty(local.size), np.empty(own.shape), np.zeros(own.shape)
    scaled_matrix(own, 0.0, scale, scaled)
    out_of, values = resting.copy(), np.empty(local.size)
    for a in range(local.size):
        out_of[a] |= not own[a, a] > 0.0
    factored(scaled, out_of, lower)
    for s in range(shared.size + 1):
        for a in range(local.size):
            values[a] = both[a, s] if s < shared.size else gradient[local[a]]
            for b in range(local.size):
                values[a] -= own[a, b] * moved[b] if s == shared.size and resting[b] else 0.0
            values[a] *= scale[a]
        solved(lower, out_of, values)
        for t in range(shared.size):
            taken = 0.0
            for a in range(local.size):
                taken += both[a, t] * values[a] * scale[a]
                taken += both[a, t] * moved[a] if s == shared.size and resting[a] else 0.0
            if s < shared.size:
                total[t, s] += matrix[shared[t], shared[s]] - taken
            else:
                right[t] += gradient[shared[t]] - taken


@compiled
def shared_system(normal: Normal, held: Held, damping: float, split: Split, out: tuple[Floats, Floats]) -> None:
    """Write S and r of the whole series, damping times the shared diagonal added to S."""
    matrix, gradient = normal
    out[0][:] = 0.0
    out[1][:] = 0.0
    for row in range(matrix.shape[0]):
        reduced((matrix[row], gradient[row]), (held[0][row], held[1][row]), damping, split, out)
        for s in range(split[1].size):
            out[0][s, s] += damping * matrix[row, split[1][s], split[1][s]]


@compiled
def local_steps(normal: Normal, free: Floats, limits: Limits, split: Split, step: Floats) -> bool:
    """Write each scan's own step at the shared step already in ``step``; return whether other bounds hold than before.

    ``step`` is (row, parameter). A parameter is held where the step ends on its bound.
    """
    matrix, gradient = normal
    local, shared = split
    low, high = limits[0][local], limits[1][local]
    own, right = np.empty((local.size, local.size)), np.empty(local.size)
    part, changed = np.empty(local.size), False
    for row in range(matrix.shape[0]):
        block(matrix[row], local, local, 0.0, own)
        for a in range(local.size):
            right[a] = gradient[row, local[a]]
            for s in shared:
                right[a] -= matrix[row, local[a], s] * step[row, s]
        bounded_step((own, right), free[row][local], (low, high), limits[2], part)
        for a in range(local.size):
            here = free[row, local[a]]
            before, after = here + step[row, local[a]], here + part[a]
            changed |= (before <= low[a]) != (after <= low[a]) or (before >= high[a]) != (after >= high[a])
            step[row, local[a]] = part[a]
    return changed


@compiled
def resting(free: Floats, pull: Floats, limits: Limits, local: Ints) -> Held:
    """Return which of the scans' own parameters lie on their bounds and are pulled outward, or not at all."""
    still = np.zeros((free.shape[0], local.size))
    found = np.zeros(still.shape, np.bool_)
    for row in range(free.shape[0]):
        for a in range(local.size):
            at, force = free[row, local[a]], pull[row, local[a]]
            low, high = limits[0][local[a]], limits[1][local[a]]
            found[row, a] = (at <= low and force <= 0.0) or (at >= high and force >= 0.0)
    return found, still


@compiled
def joint_step(normal: Normal, free: Floats, limits: Limits, split: Split) -> Floats:
    """Return the damped step of all scans (row, parameter) within the bounds.

    Which of the scans' own parameters rest on their bounds is found by solving again with those that the last solution
    left there.
    """
    local, shared = split
    step, part = np.zeros(free.shape), np.empty(shared.size)
    low, high, damping = limits
    held = resting(free, normal[1], limits, local)
    system, begin = (np.empty((shared.size, shared.size)), np.empty(shared.size)), free[first_finite(free)][shared]
    for _ in range(_ACTIVE_SETS):
        shared_system(normal, held, damping, split, system)
        bounded_step(system, begin, (low[shared], high[shared]), 0.0, part)
        for row in range(free.shape[0]):
            for s in range(shared.size):
                step[row, shared[s]] = part[s]
        if not local_steps(normal, free, limits, split, step):
            break
        for row in range(free.shape[0]):
            for a in range(local.size):
                held[1][row, a] = step[row, local[a]]
                end = free[row, local[a]] + held[1][row, a]
                held[0][row, a] = end <= low[local[a]] or end >= high[local[a]]
    return step


@compiled
def first_finite(free: Floats) -> int:
    """Return the first row that is finite, 0 if none is."""
    for row in range(free.shape[0]):
        if finite(free[row]):
            return row
    return 0


@compiled
def joint_gain(normal: Normal, step: Floats) -> float:
    """Return by how much the step of all scans lowers what is made least, to second order."""
    matrix, gradient = normal
    total = 0.0
    for row in range(step.shape[0]):
        for a in range(step.shape[1]):
            inner = 2.0 * gradient[row, a]
            for b in range(step.shape[1]):
                inner -= matrix[row, a, b] * step[row, b]
            total += step[row, a] * inner
    return total


@compiled
def joint_covariance(normal: Normal, held: tuple[Bools, Bools], split: Split, out: Floats) -> None:
    """Write the covariance of each scan's parameters, its own and the shared (row, parameter, parameter).

    ``C_ss = S^-1``, ``C_ls = -X C_ss`` and ``C_ll = H_ll^-1 + X C_ss X^T`` with ``X = H_ll^-1 H_ls``; NaN where a
    parameter is held or not determined. ``held`` is ((row, local), (shared)).
    """
    matrix = normal[0]
    local, shared = split
    system = np.empty((shared.size, shared.size)), np.empty(shared.size)
    shared_system(normal, (held[0], np.zeros(held[0].shape)), 0.0, split, system)
    together, own = np.empty(system[0].shape), np.empty((local.size, local.size))
    inverse = np.empty(own.shape)
    inverted(system[0], held[1].copy(), together)
    for row in range(matrix.shape[0]):
        block(matrix[row], local, local, 0.0, own)
        inverted(own, held[0][row].copy(), inverse)
        one_covariance(matrix[row], split, (inverse, together), out[row])


@compiled
def one_covariance(matrix: Floats, split: Split, parts: tuple[Floats, Floats], out: Floats) -> None:
    """Write the covariance of one scan's parameters from ``H_ll^-1`` and ``C_ss``."""
    local, shared = split
    inverse, together = parts
    known, common = without_nan(inverse), without_nan(together)
    slope = slopes(known, matrix, split)
    for s in range(shared.size):
        for t in range(shared.size):
            out[shared[s], shared[t]] = together[s, t]
    for a in range(local.size):
        for b in range(local.size):
            out[local[a], local[b]] = inverse[a, b]
        for t in range(shared.size):
            both = 0.0
            for s in range(shared.size):
                both -= slope[a, s] * common[s, t]
            for b in range(local.size):
                out[local[a], local[b]] -= both * slope[b, t]
            lost = np.isnan(inverse[a, a]) or np.isnan(together[t, t])
            out[local[a], shared[t]] = out[shared[t], local[a]] = np.nan if lost else both


@compiled
def slopes(known: Floats, matrix: Floats, split: Split) -> Floats:
    """Return X, by how much a scan's own parameters fall where the shared ones rise."""
    local, shared = split
    out = np.zeros((local.size, shared.size))
    for a in range(local.size):
        for s in range(shared.size):
            for b in range(local.size):
                out[a, s] += known[a, b] * matrix[local[b], shared[s]]
    return out


@compiled
def without_nan(values: Floats) -> Floats:
    """Return values with zero in the place of NaN."""
    return np.where(np.isnan(values), 0.0, values)
