"""Kernels of the linear combination: non-negative least squares with a sum, and a shift in energy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled, inlined, inlined_sums

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_RIDGE = 1e-14
_TIGHT = 1e-10
_LEAST = 1e-300
_MOST = 1e-2


@compiled
def cholesky_solved(matrix: Floats, rows: Floats) -> None:
    """Replace ``rows`` (right-hand sides) by their solutions; ``matrix``, symmetric and positive, is used up."""
    size = matrix.shape[0]
    for j in range(size):
        for k in range(j):
            matrix[j, j] -= matrix[j, k] ** 2
        matrix[j, j] = np.sqrt(max(matrix[j, j], _LEAST))
        for i in range(j + 1, size):
            for k in range(j):
                matrix[i, j] -= matrix[i, k] * matrix[j, k]
            matrix[i, j] /= matrix[j, j]
    for row in rows:
        for i in range(size):
            for k in range(i):
                row[i] -= matrix[i, k] * row[k]
            row[i] /= matrix[i, i]
        for i in range(size - 1, -1, -1):
            for k in range(i + 1, size):
                row[i] -= matrix[k, i] * row[k]
            row[i] /= matrix[i, i]


@compiled
def free_solution(gram: Floats, right: Floats, fixed: Flags, values: Floats, total: tuple[float, int]) -> Floats:
    """Return the least-squares solution with some values fixed; appended is the multiplier of the sum.

    Minimizes f G f/2 - b f over the free f. With a finite ``total[0]`` the first ``total[1]`` values add up to it.
    """
    wanted, summed = total
    size, many = right.size, 0
    free, out = np.empty(size, np.int64), np.zeros(size + 1)
    for k in range(size):
        out[k] = values[k]
        if not fixed[k]:
            free[many] = k
            many += 1
    matrix, rows = np.empty((many, many)), np.zeros((2, many))
    for i in range(many):
        rows[0, i], rows[1, i] = right[free[i]], 1.0 if free[i] < summed else 0.0
        for k in range(size):
            if fixed[k]:
                rows[0, i] -= gram[free[i], k] * values[k]
        for j in range(many):
            matrix[i, j] = gram[free[i], free[j]]
        matrix[i, i] *= 1.0 + _RIDGE
    cholesky_solved(matrix, rows)
    multiplier = _multiplier(rows, free, (wanted, summed), np.where(fixed, values, 0.0))
    for i in range(many):
        out[free[i]] = rows[0, i] - multiplier * rows[1, i]
    out[size] = multiplier
    return out


@compiled
def _multiplier(rows: Floats, free: NDArray[np.int64], total: tuple[float, int], held: Floats) -> float:
    """Return by how much of the second solution the first must be lowered to meet the sum."""
    missing, along = -total[0], 0.0
    for k in range(total[1]):
        missing += held[k]
    for i in range(rows.shape[1]):
        if free[i] < total[1]:
            missing += rows[0, i]
            along += rows[1, i]
    return missing / along if np.isfinite(missing) and along > 0.0 else 0.0


@compiled
def bounded_solution(
    gram: Floats, right: Floats, limits: tuple[Floats, Floats, float], summed: int
) -> tuple[Floats, Flags]:
    """Return the least-squares solution within bounds, and which values lie on one: a primal active set.

    ``limits`` are the lowest and highest values and what the first ``summed`` ones add up to, NaN if they need not.
    The problem is convex, so the solution is the only one.
    """
    low, high, total = limits
    count = right.size
    f, fixed = np.empty(count), np.empty(count, np.bool_)
    left = total
    for k in range(count):
        f[k] = low[k] if np.isfinite(low[k]) else 0.0
        fixed[k] = low[k] == high[k]
        left -= f[k] if k < summed else 0.0
    for k in range(summed):
        if left > 0.0:
            step = min(high[k] - low[k], left)
            f[k] += step
            left -= step
    for _ in range(20 * count + 20):
        wanted = free_solution(gram, right, fixed, f, (total, summed))
        if not _moved_to(wanted, low, high, f, fixed) and not _released(
            gram, right, (low, high, wanted[count], summed), f, fixed
        ):
            break
    return f, fixed


@compiled
def _moved_to(wanted: Floats, low: Floats, high: Floats, f: Floats, fixed: Flags) -> bool:
    """Move ``f`` towards the solution wanted, up to the first bound in the way; return whether there was one."""
    reach, blocking = 1.0, -1
    for k in range(f.size):
        step = wanted[k] - f[k]
        limit = (high[k] if step > 0.0 else low[k]) - f[k]
        if not fixed[k] and step != 0.0 and np.isfinite(limit) and limit / step < reach:
            reach, blocking = max(limit / step, 0.0), k
    for k in range(f.size):
        if not fixed[k]:
            f[k] += reach * (wanted[k] - f[k])
    if blocking >= 0:
        f[blocking] = high[blocking] if wanted[blocking] > f[blocking] else low[blocking]
        fixed[blocking] = True
    return blocking >= 0


@compiled
def _released(gram: Floats, right: Floats, limits: tuple[Floats, Floats, float, int], f: Floats, fixed: Flags) -> bool:
    """Free the value whose bound costs most; return whether there was one."""
    low, high, multiplier, summed = limits
    largest, released = 0.0, -1
    for k in range(f.size):
        largest = max(largest, abs(right[k]))
    worst = -_TIGHT * largest
    for k in range(f.size):
        if fixed[k] and low[k] < high[k]:
            slope = (multiplier if k < summed else 0.0) - right[k]
            for j in range(f.size):
                slope += gram[k, j] * f[j]
            gain = slope if f[k] <= low[k] else -slope
            if gain < worst:
                worst, released = gain, k
    if released >= 0:
        fixed[released] = False
    return released >= 0


@compiled
def shifted(spline: tuple[Floats, Floats], energy: Floats, shift: float, out: Floats, slope: Floats) -> None:
    """Fill ``out`` and ``slope`` with splines moved up by ``shift`` and their derivatives; rows are the splines.

    A spline is its points and its pieces, dims power (cubic first), interval, spline; beyond the ends the outer
    pieces go on.
    """
    points, pieces = spline
    last = points.size - 2
    for j in range(energy.size):
        x = energy[j] - shift
        at = min(max(np.searchsorted(points, x, side="right") - 1, 0), last)
        t = x - points[at]
        for k in range(slope.shape[0]):
            a, b, c, d = pieces[0, at, k], pieces[1, at, k], pieces[2, at, k], pieces[3, at, k]
            out[k, j] = ((a * t + b) * t + c) * t + d
            slope[k, j] = (3.0 * a * t + 2.0 * b) * t + c


@inlined_sums
def _products(left: Floats, right: Floats) -> Floats:
    """Return the sums of products of all pairs of rows."""
    out = np.zeros((left.shape[0], right.shape[0]))
    for i in range(left.shape[0]):
        for j in range(right.shape[0]):
            for k in range(left.shape[1]):
                out[i, j] += left[i, k] * right[j, k]
    return out


@compiled
def _left_over(spectrum: Floats, curves: Floats, f: Floats, out: Floats) -> None:
    """Fill ``out`` with the spectrum minus its fit."""
    out[:] = spectrum
    for k in range(f.size):
        for j in range(out.size):
            out[j] -= f[k] * curves[k, j]


@compiled
def combine_rows(
    measured: tuple[Floats, Floats],
    energy: Floats,
    model: tuple[Floats, Floats, Floats],
    limits: tuple[Floats, Floats, float, Floats, float, float],
    out: tuple[Floats, Floats, Floats, Floats, NDArray[np.int64]],
) -> None:
    """Fit every row by splines and further curves, by least squares under bounds.

    ``measured`` are the spectra and the standard deviation of every point; a row where that is NaN, or all where it has
    no rows, is judged by its residuals.
    ``model`` holds the splines' points and pieces and the curves of a background; ``limits`` the lowest and highest
    coefficients, their sum over the splines (NaN if free), each row's shift to start from, its lowest and its highest.
    ``out`` takes per row the coefficients, the shift, their sandwich covariance (the shift last), the residuals, and
    a state: bit 0 for a coefficient at its bound, bit 1 for the shift at its bound, bit 2 for not converged.
    """
    spectra, noise = measured
    points, pieces, extra = model
    low, high, total, start, least, most = limits
    solution, found, covariance, residual, state = out
    count, within = pieces.shape[2], (low, high, total)
    curves, slopes = np.empty((count + extra.shape[0], energy.size)), np.empty((count, energy.size))
    curves[count:] = extra
    shifted((points, pieces), energy, start[0], curves, slopes)
    gram = _products(curves, curves)
    known = np.zeros(curves.shape[0], np.bool_)
    made, moves = tangents(curves, slopes, solution[0], known, (total, count, False))
    pull, inflation = influence(made)
    for i in range(spectra.shape[0]):
        spectrum, found[i], state[i] = spectra[i : i + 1], start[i], 0
        moved = least < most or (i > 0 and start[i] != start[i - 1])
        if moved:
            shifted((points, pieces), energy, start[i], curves, slopes)
            gram = _products(curves, curves)
        f, fixed = bounded_solution(gram, _products(spectrum, curves)[0], within, count)
        _left_over(spectra[i], curves, f, residual[i])
        for _ in range(60 if least < most else 0):
            made, _ = tangents(curves, slopes, f, fixed, (total, count, True))
            rows = _products(residual[i : i + 1], made)
            cholesky_solved(_normal(made), rows)
            before, found[i] = found[i], min(max(found[i] + rows[0, -1], least), most)
            shifted((points, pieces), energy, found[i], curves, slopes)
            gram = _products(curves, curves)
            f, fixed = bounded_solution(gram, _products(spectrum, curves)[0], within, count)
            _left_over(spectra[i], curves, f, residual[i])
            state[i] = 0 if abs(found[i] - before) < 1e-9 else 4
            if state[i] == 0:
                break
        at_limit = least < most and (found[i] == least or found[i] == most)
        state[i] |= (2 if at_limit else 0) | (1 if fixed[:count].any() else 0)
        solution[i] = f
        if moved or (fixed != known).any():
            made, moves = tangents(curves, slopes, f, fixed, (total, count, least < most and not at_limit))
            pull, inflation = influence(made)
            known = fixed
        if noise.shape[0] > 0 and np.isfinite(noise[i]).all():
            sandwich(pull, moves, noise[i], covariance[i])
        else:
            sandwich(pull, moves, residual[i] * inflation, covariance[i])


@compiled
def tangents(
    curves: Floats, slopes: Floats, f: Floats, fixed: Flags, asked: tuple[float, int, bool]
) -> tuple[Floats, Floats]:
    """Return the directions in which a solution can move: their curves, and what they change (the shift last).

    ``asked`` is the sum of the shares (NaN if free), their number, and whether the shift moves. With a sum, the
    shares move against the last free one.
    """
    total, count, turns = asked
    size, pivot, many = curves.shape[0], -1, 1 if turns else 0
    for k in range(size):
        if not fixed[k]:
            many += 1
            pivot = k if k < count and np.isfinite(total) else pivot
    many -= 1 if pivot >= 0 else 0
    made, moves, at = np.zeros((many, curves.shape[1])), np.zeros((many, size + 1)), 0
    for k in range(size):
        if fixed[k] or k == pivot:
            continue
        moves[at, k] = 1.0
        made[at] = curves[k]
        if pivot >= 0 and k < count:
            moves[at, pivot] = -1.0
            made[at] -= curves[pivot]
        at += 1
    if turns:
        moves[at, size] = 1.0
        for k in range(count):
            made[at] -= f[k] * slopes[k]
    return made, moves


@inlined
def _normal(made: Floats) -> Floats:
    """Return the normal matrix, just off singular."""
    normal = _products(made, made)
    for k in range(normal.shape[0]):
        normal[k, k] = normal[k, k] * (1.0 + _RIDGE) + _LEAST
    return normal


@inlined
def influence(made: Floats) -> tuple[Floats, Floats]:
    """Return by how much each point moves the solution along each direction, and what makes noise of its residual.

    That is N^-1 j, point by point, and 1/(1 - h) with h the leverage: the residual is the noise less what the fit
    follows of it.
    """
    many = made.shape[0]
    through = made.T.copy()
    cholesky_solved(_normal(made), through)
    out, inflation = np.empty((many, made.shape[1])), np.empty(made.shape[1])
    for j in range(made.shape[1]):
        leverage = 0.0
        for k in range(many):
            leverage += through[j, k] * made[k, j]
            out[k, j] = through[j, k]
        inflation[j] = 1.0 / max(1.0 - leverage, _MOST)
    return out, inflation


@inlined_sums
def sandwich(pull: Floats, moves: Floats, scatter: Floats, out: Floats) -> None:
    """Fill the covariance of the coefficients: the sum over the points of (s influence)(s influence)', s the scatter.

    It holds also where the noise differs from point to point; with residual/(1 - h) it is the estimator HC3.
    """
    out[:] = 0.0
    many = pull.shape[0]
    for i in range(many):
        for j in range(i + 1):
            spread = 0.0
            for k in range(scatter.size):
                spread += pull[i, k] * pull[j, k] * scatter[k] ** 2
            for a in range(out.shape[0]):
                for b in range(out.shape[0]):
                    both = moves[i, a] * moves[j, b] + (moves[j, a] * moves[i, b] if i != j else 0.0)
                    out[a, b] += spread * both
