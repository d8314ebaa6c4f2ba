"""Fits of blocks of spectra: plain arrays in, plain arrays out, as dask's workers call them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .compiled_model import AREA, POSITION, Compiled
from .fit_kernels import Task
from .line_kernels import line_functions
from .model_kernels import Floats, Form, Grid, Ints, Points
from .relocation import area_places, jumps
from .relocation_kernels import relocate_rows
from .series_kernels import CANDIDATES, Linear, Stack, describe_rows, draw_rows, fit_rows, screen_rows
from .starts import start_tables


@dataclass(frozen=True)
class Plan:
    """What all spectra of one call share."""

    model: Compiled
    points: Points
    task: Task
    screening: tuple[Linear, Floats]
    weighting: str

    @property
    def degrees(self) -> int:
        """Degrees of freedom of a spectrum all of whose points are used."""
        return max(self.points[0].size - self.model.varied, 1)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Own the arrays where the plan arrives: read-only ones would have the kernels compiled anew."""
        vars(self).update({name: _owned(value) for name, value in state.items()})

    @property
    def grid(self) -> Grid:
        """The points, and the lines' shapes, as the kernels take them."""
        return *self.points, line_functions(self.model.structure[0])

    @property
    def form(self) -> Form:
        """The model as the kernels take it."""
        return _owned(self.model.structure), self.grid

    @cached_property
    def table(self) -> tuple[Floats, Floats]:
        """How the numbers of the lines (quantity, peak) follow from the free parameters: factors and offsets."""
        names = [[f"{peak}.{key}" for peak in self.model.peaks] for key in self.model.keys]
        known = self.model.quantities
        rows = [known[self._stands_for(name)] for row in names for name in row if self._stands_for(name) in known]
        has = np.array([self._stands_for(name) in known for row in names for name in row])
        factors, offsets = np.zeros((has.size, len(self.model.names))), np.full(has.size, np.nan)
        factors[has], offsets[has] = self.model.dense(rows)
        return factors, offsets

    def _stands_for(self, name: str) -> str:
        """Return the quantity that holds a number: a second line without a width of its own has the first's."""
        return name if name in self.model.quantities else name.replace(".fwhm_2", ".fwhm")


def _owned(value: Any) -> Any:
    """Return a tuple with copies of its arrays that may be written to."""
    if isinstance(value, tuple):
        return tuple(_owned(item) for item in value)
    return np.array(value) if isinstance(value, np.ndarray) else value


def rows_fitted(
    values: Floats, response: Floats, sigma: Floats, known: Floats, given: Floats, *, plan: Plan
) -> tuple[Floats, ...]:
    """Fit each spectrum for itself: free parameters, objective, state."""
    lead, size = values.shape[:-1], len(plan.model.names)
    stack = as_stack(values, (response, sigma, known), plan)
    count = len(stack[0])
    starts = np.full((count, CANDIDATES, size), np.nan)
    starts[:, 0] = np.broadcast_to(given, (*lead, size)).reshape(count, size)
    if np.isnan(starts[:, 0]).any():
        linear, begin = plan.screening
        tables = start_tables(plan.model, plan.grid, linear, begin)
        screen_rows(plan.grid, stack, plan.task[2], (linear, begin, tables), starts)
    found = np.zeros((count, size)), np.full(count, np.inf), np.zeros(count, np.int64)
    fit_rows(plan.form, stack, plan.task, starts, found)
    _relocate(stack, found, plan)
    return found[0].reshape(*lead, size), found[1].reshape(lead), found[2].astype(float).reshape(lead)


def _relocate(stack: Stack, found: tuple[Floats, Floats, Ints], plan: Plan) -> None:
    """Try whether lines of a phase were taken for one another, once for each phase that shifts."""
    if plan.model.phases and (moves := jumps(plan.model)).size:
        linear = plan.screening[0]
        given = (linear, area_places(plan.model, linear), plan.task[2])
        start = np.empty((len(found[0]), 1, len(plan.model.names)))
        for _ in plan.model.phases:
            relocate_rows(plan.form, stack, given, (moves, plan.task[0], plan.task[1]), (found[0], start))
            fit_rows(plan.form, stack, plan.task, start, found)


def rows_refined(values: Floats, *others: Floats, plan: Plan, curves: bool) -> tuple[Floats, ...]:
    """Try the neighbors as starts and describe what was found.

    ``others`` are response, deviations, known background; free parameters, objective, state; free parameters of the
    spectra before and after.
    Returns free parameters, their covariance, the numbers of the lines (quantity, peak; the share of the area last),
    their standard uncertainties, the covariances of areas and of positions, (objective, reduced chi-square, runs,
    state), and (fitted, background).
    """
    lead, (size, points) = values.shape[:-1], (len(plan.model.names), values.shape[-1])
    response, sigma, known, free, objective, state, before, after = others
    stack = as_stack(values, (response, sigma, known), plan)
    count = len(stack[0])
    found = free.reshape(count, size).copy(), objective.reshape(count).copy(), state.reshape(count).astype(np.int64)
    starts = np.stack([before.reshape(count, size), after.reshape(count, size)], axis=1)
    out = np.empty((count, size, size)), np.empty((count, 3)), np.empty((count, 2, points))
    fit_rows(plan.form, stack, plan.task, starts, found)
    describe_rows(plan.form, stack, plan.task, found, out)
    numbers = np.column_stack([out[1], found[2]]).astype(np.float64)
    results = (found[0], out[0], *of_lines(found[0], out[0], plan), numbers, *([out[2]] if curves else []))
    return tuple(result.reshape(*lead, *result.shape[1:]) for result in results)


def rows_drawn(values: Floats, response: Floats, *, plan: Plan) -> Floats:
    """Return each line without background (peak, energy)."""
    free = np.ascontiguousarray(values).reshape(-1, values.shape[-1])
    points, peaks = plan.points[0].size, len(plan.model.peaks)
    through = response[..., None] if response.shape[-1:] != (points,) else response
    through = np.broadcast_to(through, (*values.shape[:-1], points)).reshape(-1, points).astype(np.float64)
    out = np.empty((len(free), peaks, points))
    draw_rows(plan.form, free, through, plan.model.owners, out)
    return out.reshape(*values.shape[:-1], peaks, points)


def as_stack(values: Floats, others: tuple[Floats, Floats, Floats], plan: Plan) -> Stack:
    """Return spectra as rows with the weight of each point; what is not finite has none.

    ``others`` are response, standard deviations and known background.
    """
    rows = np.ascontiguousarray(values, np.float64).reshape(-1, values.shape[-1])
    through, spread, under = (np.asarray(as_rows(one, values), np.float64) for one in others)
    usable = np.isfinite(rows + through + spread + under) & (through > 0) & (spread > 0)
    rows = np.where(usable, rows, 0.0)
    strength = 1 / np.maximum(rows, 1.0) if plan.weighting == "data" else 1 / np.where(usable, spread, 1.0) ** 2
    return rows, np.where(usable, strength, 0.0), np.where(usable, through, 0.0), np.where(usable, under, 0.0)


def as_rows(one: Floats, values: Floats) -> Floats:
    """Return an array with or without an axis of energies as rows beside ``values``."""
    whole = one if one.shape[-1:] == values.shape[-1:] else one[..., None]
    return np.array(np.broadcast_to(whole, values.shape).reshape(-1, values.shape[-1]), np.float64)


def of_lines(free: Floats, covariance: Floats, plan: Plan) -> tuple[Floats, Floats, Floats]:
    """Return the numbers of the lines and their standard uncertainties (row, quantity, peak).

    Last comes the covariance of areas and that of positions (row, 2, peak, other peak).
    """
    factors, offsets = plan.table
    held = np.isnan(np.diagonal(covariance, axis1=1, axis2=2))
    spread = np.nan_to_num(covariance)
    depends = factors != 0
    lost = depends.any(axis=1) & ((~held).astype(float) @ depends.T.astype(float) == 0)
    variance = ((factors @ spread) * factors).sum(axis=-1)
    std = np.where(lost | np.isnan(offsets), np.nan, np.sqrt(np.maximum(variance, 0.0)))
    shape = len(free), len(plan.model.keys), len(plan.model.peaks)
    values, std = (np.einsum("rf,qf->rq", free, factors) + offsets).reshape(shape), std.reshape(shape)
    areas, rows = values[:, plan.model.keys.index(AREA)], factors[: shape[2]]
    together = (plan.model.places[:, None] == plan.model.places).astype(np.float64)
    total = (areas[:, None, :] * together).sum(axis=-1)
    share = areas / np.where(total > 0, total, np.nan)
    turn = (np.eye(shape[2]) - share[:, :, None] * together) / total[:, :, None] @ rows
    share_std = np.sqrt(np.maximum(((turn @ spread) * turn).sum(axis=-1), 0.0))
    share_std = np.where(np.isnan(std[:, 0]), np.nan, share_std)
    first = [plan.model.keys.index(key) * shape[2] for key in (AREA, POSITION)]
    both = np.stack([factors[at : at + shape[2]] @ spread @ factors[at : at + shape[2]].T for at in first], axis=1)
    return (
        np.concatenate([values, share[:, None]], axis=1),
        np.concatenate([std, share_std[:, None]], axis=1),
        both,
    )
