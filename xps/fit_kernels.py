"""Levenberg-Marquardt with an analytic Jacobian for one spectrum. It knows numbers only.

What is made least is ``sum w (y - T m)^2``, or the Poisson deviance ``2 sum (mu - y + y log(y / mu))``, mu = T m, by
Fisher scoring. Gradient and information (normal) matrix of half of it are, in the free parameters, ``sum J score`` and
``sum J J information`` over the points; :func:`statistics` gives all three for any full parameters.
The tuples ``model`` and ``spectrum`` are those of :mod:`~operando.xps.model_kernels`.
"""

from __future__ import annotations

import numpy as np

from operando.kernels import compiled, compiled_sums

from .model_kernels import PER_LINE, Floats, Form, Spectrum, assign, evaluate, expand
from .step_kernels import distance, learned, next_step

Room = tuple[
    tuple[Floats, Floats, Floats],
    tuple[Floats, Floats, Floats],
    tuple[Floats, Floats, Floats],
    tuple[Floats, Floats, Floats, Floats, Floats, Floats],
]
"""Arrays that a fit works in: (curve, lines, Jacobian) here and at a trial; (table of a line, score and information of
each point, matrix); (gradient, step, full parameters, trial, a curve, gradient before)."""
Task = tuple[Floats, Floats, int, float]
"""Lowest and highest free parameters, what is made least, variance of a point of weight one (0 if not known)."""
SQUARES, POISSON = 0, 1
"""What is made least."""
NOT_CONVERGED = 1
"""State of a fit."""
SAME, LEFT = 4, 8
"""Bits of a contest: it runs into the rival's minimum; it was given up."""

FEWEST_COUNTS = 1e-3
"""Counts below which a model is taken as too low to be true."""
_ITERATIONS, _SLOW, _HEAVIEST = 120, 25, 1e12
_NEAR, _CONVERGED = 1e-7, 1e-16
"""What a step may still lower, in units of one squared deviation: below rounding of the objective; below notice."""
_STILL = 1e-6
"""Squared deviations that the last step may be long: a longer one that lowers nothing is due to a wrong curvature."""
_SAME_BASIN, _HOPE = 9.0, 2.5
"""Squared deviations within which two minima are one; by how many times its expectation a step may disappoint."""


@compiled
def room(free: int, full: int, points: int) -> Room:
    """Return the arrays that a fit works in."""
    return (
        (np.empty(points), np.empty(points), np.empty((free, points))),
        (np.empty(points), np.empty(points), np.empty((free, points))),
        (np.empty((2 * PER_LINE + 1, points)), np.empty((2, points)), np.empty((free, free))),
        (np.empty(free), np.empty(free), np.empty(full), np.empty(free), np.empty(points), np.empty(free)),
    )


@compiled_sums
def squares(spectrum: Spectrum, curve: Floats, marks: Floats) -> float:
    """Return the weighted sum of squares; write score and information of each point."""
    values, weights, response, known = spectrum
    total = 0.0
    for i in range(values.size):
        left = values[i] - known[i] - response[i] * curve[i]
        strength = weights[i] * response[i]
        marks[0, i] = strength * left
        marks[1, i] = strength * response[i]
        total += weights[i] * left * left
    return total


@compiled
def deviance(spectrum: Spectrum, curve: Floats, marks: Floats) -> float:
    """Return the Poisson deviance; write score and information of each point.

    Below a thousandth of a count the deviance goes on as a parabola, so that a model that is not positive somewhere
    is bad, not impossible.
    """
    values, weights, response, known = spectrum
    total = 0.0
    for i in range(values.size):
        if weights[i] == 0.0:
            marks[0, i] = marks[1, i] = 0.0
            continue
        mean, value = response[i] * curve[i] + known[i], values[i]
        inside = max(mean, FEWEST_COUNTS)
        slope, bend = 1.0 - value / inside, 1.0 / inside
        term = inside - value
        if value > 0.0:
            term += value * np.log(value / inside)
        if mean < inside:
            beyond = mean - inside
            bend = max(value, inside) / inside**2
            term += slope * beyond + 0.5 * bend * beyond**2
            slope += bend * beyond
        total += 2.0 * term
        marks[0, i] = -slope * response[i]
        marks[1, i] = bend * response[i] ** 2
    return total


@compiled
def weigh(spectrum: Spectrum, kind: int, curve: Floats, marks: Floats) -> float:
    """Return what is made least, and write score and information of each point."""
    if kind == POISSON:
        return deviance(spectrum, curve, marks)
    return squares(spectrum, curve, marks)


@compiled_sums
def normal(jacobian: Floats, marks: Floats, matrix: Floats, gradient: Floats, scratch: Floats) -> None:
    """Write the information matrix and the gradient in the free parameters."""
    for a in range(gradient.size):
        total = 0.0
        for i in range(scratch.size):
            total += jacobian[a, i] * marks[0, i]
            scratch[i] = jacobian[a, i] * marks[1, i]
        gradient[a] = total
        for b in range(a + 1):
            total = 0.0
            for i in range(scratch.size):
                total += scratch[i] * jacobian[b, i]
            matrix[a, b] = total
            matrix[b, a] = total


@compiled
def measured(
    model: Form,
    spectrum: Spectrum,
    kind: int,
    free: Floats,
    into: tuple[tuple[Floats, Floats, Floats], Floats, Floats, Floats],
) -> float:
    """Return what is made least at the free parameters, infinite where a line has no width.

    ``into`` is ((curve, lines, jacobian), score and information of each point, room for full parameters, for a table).
    """
    curves, marks, full, table = into
    expand(model[0], free, full)
    if not evaluate(model[0], model[1], full, curves, table):
        return np.inf
    return weigh(spectrum, kind, curves[0], marks)


@compiled
def statistics(model: Form, spectrum: Spectrum, kind: int, full: Floats, memory: Room) -> tuple[float, Floats, Floats]:
    """Return what is made least, the information matrix and the gradient in the free parameters.

    The arrays are those of ``memory``, overwritten by the next call; infinite where a line has no width.
    """
    curves, _, (table, marks, matrix), (gradient, _, _, _, scratch, _) = memory
    if not evaluate(model[0], model[1], full, curves, table):
        return np.inf, matrix, gradient
    objective = weigh(spectrum, kind, curves[0], marks)
    normal(curves[2], marks, matrix, gradient, scratch)
    return objective, matrix, gradient


@compiled
def verdict(matrix: Floats, trial: Floats, hope: float, rival: tuple[Floats, float], scale: float) -> int:
    """Return whether a search runs into a rival's minimum (SAME), cannot get below it (LEFT), or goes on (0)."""
    if distance(matrix, trial, rival[0]) < _SAME_BASIN * scale:
        return SAME
    return LEFT if hope > rival[1] else 0


@compiled
def advance(free: Floats, trial: Floats, step: Floats) -> None:
    """Go to the trial, and write the step that it was."""
    for a in range(free.size):
        step[a] = trial[a] - free[a]
        free[a] = trial[a]


@compiled
def go(free: Floats, step: Floats, bounds: tuple[Floats, Floats], trial: Floats) -> None:
    """Write where a step leads, within the bounds."""
    for a in range(free.size):
        trial[a] = min(max(free[a] + step[a], bounds[0][a]), bounds[1][a])


@compiled
def settled(matrix: Floats, free: Floats, trial: Floats, scale: float) -> bool:
    """Go to the trial and return true, if the way is short."""
    short = distance(matrix, free, trial) <= _STILL * scale
    if short:
        assign(free, trial)
    return short


@compiled
def minimize(
    model: Form, spectrum: Spectrum, task: Task, search: tuple[Floats, Floats, float], memory: Room
) -> tuple[float, int]:
    """Lower what is made least by Levenberg-Marquardt steps; return it and the state.

    ``search`` is (free parameters, replaced in place; those of a minimum already found; its objective, infinite if
    there is none): the search stops where it runs into that minimum or cannot get below.

    Close to the minimum no damping is left, and what successive gradients show of the second derivatives is added,
    without which the last digits come slowly.
    """
    low, high, kind, unit = task
    free, rival, bar = search
    here, there, (table, marks, matrix), (gradient, step, full, trial, scratch, before) = memory
    bend, whole = np.zeros(matrix.shape), np.empty(matrix.shape)
    objective = measured(model, spectrum, kind, free, (here, marks, full, table))
    if not objective < np.inf:
        return np.inf, NOT_CONVERGED
    normal(here[2], marks, matrix, gradient, scratch)
    damping, near = 1e-3, 0
    for turn in range(_ITERATIONS):
        if damping > _HEAVIEST:
            break
        gain = next_step((matrix, bend, gradient), free, (low, high), damping, (step, whole))
        scale = unit if unit > 0.0 else objective / marks.shape[1]
        go(free, step, (low, high), trial)
        if gain <= _CONVERGED * scale or (near > _SLOW and gain < _NEAR * scale):
            if settled(matrix, free, trial, scale):
                return objective, 0
            bend[:] = 0.0
            damping = max(8.0 * damping, 1e-3)
            continue
        if bar < np.inf:
            state = verdict(matrix, trial, objective - _HOPE * gain if turn > 1 else -np.inf, (rival, bar), scale)
            if state > 0:
                return objective, state
        lowest = measured(model, spectrum, kind, trial, (there, marks, full, table))
        close = gain < _NEAR * scale
        if not (lowest <= objective or (close and lowest < np.inf)):
            damping = max(8.0 * damping, 3e-3)
            continue
        damping *= 0.1 if objective - lowest > 0.5 * gain else 1.0
        advance(free, trial, step)
        assign(before, gradient)
        objective = lowest
        here, there = there, here
        normal(here[2], marks, matrix, gradient, scratch)
        near += close
        if gain < 0.1 * scale:
            damping = 0.0
            learned((bend, matrix), step, before, gradient)
    return objective, NOT_CONVERGED
