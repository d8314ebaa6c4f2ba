"""How far a parameter can go until the fit is worse by a given amount. It knows numbers only.

``problem`` is (model, spectrum, task) of :mod:`~operando.xps.fit_kernels`; ``goal`` is (place of the parameter, by how
much what is made least has risen at the limit, its standard deviation as expected).
"""

from __future__ import annotations

import numpy as np

from operando.kernels import compiled

from .fit_kernels import NOT_CONVERGED, Room, Task, measured, minimize, normal, room
from .model_kernels import Floats, Form, Ints, Spectrum, assign
from .series_kernels import Stack, finite, one_spectrum

Problem = tuple[Form, Spectrum, Task]
Goal = tuple[int, float, float]

_DOUBLINGS, _ROOTS, _RESTARTS = 40, 60, 5
"""Times that a limit is looked for twice as far; steps to it; lower minima that are followed."""
_CLOSE, _LOWER = 1e-5, 1e-6
"""How close a limit is found, in standard deviations; what counts as a lower minimum, as part of the rise."""


@compiled
def lowest_at(problem: Problem, place: int, value: float, free: Floats, memory: Room) -> float:
    """Return what is made least where one parameter is held and the others, replaced in place, are fitted again."""
    model, spectrum, task = problem
    low, high = task[0].copy(), task[1].copy()
    low[place] = high[place] = free[place] = value
    objective, _ = minimize(model, spectrum, (low, high, task[2], task[3]), (free, free, np.inf), memory)
    return objective


@compiled
def rise(objective: float, best: float, goal: Goal) -> float:
    """Return the root of the rise over that at the limit, less one: nearly linear in the parameter, zero there."""
    return float(np.sqrt(max(objective - best, 0.0) / goal[1])) - 1.0


@compiled
def limit(problem: Problem, goal: Goal, search: tuple[Floats, float, float], free: Floats, memory: Room) -> float:
    """Return the limit of one side.

    ``search`` is (best free parameters, their objective, side: 1 or -1). The limit is the bound where the rise is not
    reached before it, and infinite where it is never. It is NaN where something lower than the best is met, whose
    parameters ``free`` then holds.
    """
    best, lowest, side = search
    place, task = goal[0], problem[2]
    bound = task[1][place] if side > 0 else task[0][place]
    inner, below, width = best[place], -1.0, goal[2]
    assign(free, best)
    if inner == bound:
        return float(bound)
    for _ in range(_DOUBLINGS):
        outer = best[place] + side * width
        if (outer - bound) * side >= 0.0:
            outer = bound
        objective = lowest_at(problem, place, outer, free, memory)
        if objective < lowest - _LOWER * goal[1]:
            return np.nan
        above = rise(objective, lowest, goal)
        if above >= 0.0:
            return root(problem, goal, (inner, below, outer, above, lowest), free, memory)
        if outer == bound:
            return float(bound)
        inner, below = outer, above
        width *= 2.0
    return side * np.inf


@compiled
def root(
    problem: Problem, goal: Goal, bracket: tuple[float, float, float, float, float], free: Floats, memory: Room
) -> float:
    """Return where the rise is that at the limit, as :func:`limit` does, by regula falsi (Illinois).

    ``bracket`` is (value inside, rise there, value outside, rise there, objective of the best).
    """
    inner, below, outer, above, lowest = bracket
    last, at = 0, outer
    for _ in range(_ROOTS):
        share = below / (below - above) if np.isfinite(above) else 0.5
        at = inner + share * (outer - inner)
        objective = lowest_at(problem, goal[0], at, free, memory)
        if objective < lowest - _LOWER * goal[1]:
            return np.nan
        here = rise(objective, lowest, goal)
        if abs(here) < _CLOSE or abs(outer - inner) < _CLOSE * goal[2]:
            break
        if here < 0.0:
            inner, below = at, here
            above *= 0.5 if last < 0 else 1.0
            last = -1
        else:
            outer, above = at, here
            below *= 0.5 if last > 0 else 1.0
            last = 1
    return at


@compiled
def interval(problem: Problem, goal: Goal, best: Floats, lowest: float, memory: Room) -> tuple[float, float, float]:
    """Return both limits and the least; the best parameters are replaced where better ones are found on the way."""
    free, ends = np.empty(best.size), np.empty(2)
    for _ in range(_RESTARTS):
        better = False
        for k in range(2):
            ends[k] = limit(problem, goal, (best, lowest, 2.0 * k - 1.0), free, memory)
            if np.isnan(ends[k]):
                assign(best, free)
                lowest, _ = minimize(problem[0], problem[1], problem[2], (best, free, np.inf), memory)
                better = True
                break
        if not better:
            return ends[0], ends[1], lowest
    return np.nan, np.nan, lowest


@compiled
def expected(matrix: Floats, covariance: Floats, place: int) -> float:
    """Return about how far the limit lies: the standard deviation, that beside fixed others where it is not known."""
    if covariance[place, place] > 0.0:
        return float(np.sqrt(covariance[place, place]))
    return 1.0 / float(np.sqrt(matrix[place, place])) if matrix[place, place] > 0.0 else 1.0


@compiled
def profile_rows(
    model: Form, stack: Stack, task: Task, found: tuple[Floats, Floats, Ints, Floats], out: Floats
) -> None:
    """Write best value, lower and upper limit (row, place, 3) of the parameters at ``places``.

    ``found`` is (free parameters, covariance, places, rise of each row: z^2 times the variance of a point of weight
    one); NaN where nothing was found.
    """
    values, covariance, places, rises = found
    memory = room(task[0].size, model[0][4].size, model[1][0].size)
    for row in range(values.shape[0]):
        out[row] = np.nan
        if not (finite(values[row]) and rises[row] > 0.0):
            continue
        problem, best = (model, one_spectrum(stack, row), task), values[row].copy()
        lowest, state = minimize(problem[0], problem[1], task, (best, best, np.inf), memory)
        if state & NOT_CONVERGED:
            continue
        _, _, (table, marks, matrix), (gradient, _, full, _, scratch, _) = memory
        measured(model, problem[1], task[2], best, (memory[0], marks, full, table))
        normal(memory[0][2], marks, matrix, gradient, scratch)
        widths = np.array([expected(matrix, covariance[row], place) for place in places])
        for k in range(places.size):
            goal = (places[k], rises[row], widths[k] * np.sqrt(rises[row] if task[3] > 0.0 else 1.0))
            low, high, lowest = interval(problem, goal, best, lowest, memory)
            out[row, k, 0], out[row, k, 1], out[row, k, 2] = best[places[k]], low, high
