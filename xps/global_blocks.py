"""Blocks of a series some of whose parameters are one number for all: plain arrays in, plain arrays out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .fit_blocks import Plan, as_stack, of_lines
from .fit_kernels import NOT_CONVERGED
from .global_kernels import statistics_rows
from .model_kernels import Floats
from .series_kernels import CANDIDATES, describe_rows, fit_rows, screen_rows
from .starts import linear, start_tables, starts


def pinned(plan: Plan, values: Floats, places: np.ndarray) -> Plan:
    """Return the plan with the parameters at ``places`` held at ``values``."""
    start, low, high = plan.model.start.copy(), plan.model.low.copy(), plan.model.high.copy()
    start[places] = low[places] = high[places] = values
    model = replace(plan.model, start=start, low=low, high=high)
    screening = linear(model), starts(model)
    return replace(plan, model=model, task=(low, high, *plan.task[2:]), screening=screening)


def rows_pinned(values: Floats, *others: Floats, plan: Plan) -> tuple[Floats, ...]:
    """Fit what is free in each spectrum, from the list of starts and from those given: free parameters, objective.

    ``others`` are response, deviations, known background; starts (parameter), any number of them.
    """
    lead, size = values.shape[:-1], len(plan.model.names)
    stack = as_stack(values, (others[0], others[1], others[2]), plan)
    count = len(stack[0])
    begin = np.full((count, CANDIDATES, size), np.nan)
    (lines, list_of_starts) = plan.screening
    tables = start_tables(plan.model, plan.grid, lines, list_of_starts)
    screen_rows(plan.grid, stack, plan.task[2], (lines, list_of_starts, tables), begin)
    given = [np.broadcast_to(one, (*lead, size)).reshape(count, 1, size) for one in others[3:]]
    found = np.zeros((count, size)), np.full(count, np.inf), np.zeros(count, np.int64)
    fit_rows(plan.form, stack, plan.task, np.concatenate([*given, begin], axis=1), found)
    return found[0].reshape(*lead, size), found[1].reshape(lead)


def rows_known(values: Floats, *others: Floats, plan: Plan) -> tuple[Floats, ...]:
    """Return objective, information matrix, gradient and number of points of each spectrum.

    ``others`` are response, deviations, known background; free parameters. All are zero where those are not finite.
    """
    lead, size = values.shape[:-1], len(plan.model.names)
    stack = as_stack(values, (others[0], others[1], others[2]), plan)
    free = np.array(others[3], np.float64).reshape(-1, size)
    out = np.empty(len(free)), np.empty((len(free), size, size)), np.empty((len(free), size))
    statistics_rows(plan.form, stack, plan.task[2], free, out)
    points = (stack[1] > 0).sum(axis=1) * np.isfinite(free).all(axis=1)
    return (*(one.reshape((*lead, *one.shape[1:])) for one in out), points.reshape(lead).astype(np.float64))


def rows_described(values: Floats, *others: Floats, plan: Plan, curves: bool) -> tuple[Floats, ...]:
    """Describe spectra whose free parameters and their covariance are known.

    ``others`` are response, deviations, known background; free parameters, covariance. ``plan`` holds the shared ones,
    so that a spectrum's degrees of freedom are those of its own. Returns the numbers of the lines, their standard
    uncertainties, the covariances of areas and positions, (objective, reduced chi-square, runs, state), and (fitted,
    background).
    """
    lead, (size, points) = values.shape[:-1], (len(plan.model.names), values.shape[-1])
    stack = as_stack(values, (others[0], others[1], others[2]), plan)
    free = np.array(others[3], np.float64).reshape(-1, size)
    covariance = np.asarray(others[4]).reshape(-1, size, size)
    count = len(free)
    found = free, np.zeros(count), np.where(np.isfinite(free).all(axis=1), 0, NOT_CONVERGED)
    out = np.empty((count, size, size)), np.empty((count, 3)), np.empty((count, 2, points))
    describe_rows(plan.form, stack, plan.task, found, out)
    numbers = np.column_stack([out[1], found[2]]).astype(np.float64)
    results = (*of_lines(free, covariance, plan), numbers, *([out[2]] if curves else []))
    return tuple(result.reshape(*lead, *result.shape[1:]) for result in results)
