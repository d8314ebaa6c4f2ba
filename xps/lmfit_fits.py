"""Fits by lmfit, spectrum by spectrum, of models whose expressions are not affine."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from operando.errors import OperandoWarning

from .compiled_model import Compiled
from .fit_blocks import Plan, as_stack, of_lines
from .fit_kernels import FEWEST_COUNTS, NOT_CONVERGED, POISSON, room, statistics
from .fit_products import OTHER_PEAK, PARAMETER, PARAMETER_2
from .fitting import by_blocks
from .layout import ALONG
from .lmfit_models import expression_text, slugs
from .model_kernels import Floats, Spectrum, evaluate, expand
from .series_kernels import CANDIDATES, describe_rows, inverted, one_spectrum, screen_rows
from .starts import start_tables

if TYPE_CHECKING:
    import lmfit

_STEP = np.cbrt(np.finfo(float).eps)
_INSIDE, _ON_BOUND = 1e-3, 1e-3
"""How far inside of its bounds a start lies, in parts of their distance or of a unit; how close to a bound, in
standard deviations, a parameter is taken to lie on it."""
_TOLERANCE, _IMPOSSIBLE = 1e-12, 1e50
_NAMES = ("value", "covariance", "peak_value", "peak_std", "peak_covariance", "number", "seconds", "curve")


def fitted_by_lmfit(
    inputs: tuple[xr.DataArray, ...], given: xr.DataArray, plan: Plan, *, curves: bool
) -> dict[str, xr.DataArray]:
    """Return what is known of each spectrum, as the fits by the kernels give it; say that it takes long.

    ``value`` and ``covariance`` are of the free parameters and, behind them, of those that are expressed.
    """
    names = _NAMES if curves else _NAMES[:-1]
    outputs: list[list[str]] = [[PARAMETER], [PARAMETER, PARAMETER_2], *[["quantity", "peak"]] * 2]
    outputs += [["both", "peak", OTHER_PEAK], ["number"], [], ["curve", ALONG]]
    peaks = len(plan.model.peaks)
    sizes = {"quantity": len(plan.model.keys) + 1, "number": 4, "curve": 2, "both": 2, OTHER_PEAK: peaks}

    def found_of(some: Sequence[xr.DataArray]) -> dict[str, xr.DataArray]:
        results = by_blocks(rows_by_lmfit, some, outputs[: len(names)], plan, sizes, curves=curves)
        return dict(zip(names, results, strict=True))

    found = found_of([*inputs, given])
    seconds = found.pop("seconds")
    if seconds.chunks is not None:
        first = dict.fromkeys(seconds.dims, 0)
        one = [array.isel(first, missing_dims="ignore").compute() for array in (*inputs, given)]
        seconds = found_of(one)["seconds"]
    _tell(plan.model, float(seconds.mean()), int(np.prod(list(inputs[0].sizes.values())[:-1], dtype=np.int64)))
    return found


def _tell(model: Compiled, seconds: float, count: int) -> None:
    name, one = next(iter(model.expressed.items()))
    said = f"fit: lmfit fits {count} spectra one by one, about {1e3 * seconds:.0f} ms each, since {name} is"
    remedy = "a Link, or a sum of quantities with constant factors, is fitted some hundred times as fast"
    warnings.warn(f"{said} {one.text!r}, which is not affine; {remedy}", OperandoWarning, stacklevel=4)


def rows_by_lmfit(values: Floats, *others: Floats, plan: Plan, curves: bool) -> tuple[Floats, ...]:
    """Fit each spectrum for itself and describe what was found.

    ``others`` are response, deviations, known background; parameters to start from, NaN where there are none. Returns
    parameters and covariance, the numbers of the lines (quantity, peak), their standard uncertainties, the covariances
    of areas and positions, (objective, reduced chi-square, runs, state), seconds, and (fitted, background).
    """
    lead, size = values.shape[:-1], len(plan.model.names)
    stack = as_stack(values, (others[0], others[1], others[2]), plan)
    count = len(stack[0])
    begin = np.full((count, CANDIDATES, size), np.nan)
    linear, list_of_starts = plan.screening
    tables = start_tables(plan.model, plan.grid, linear, list_of_starts)
    screen_rows(plan.grid, stack, plan.task[2], (linear, list_of_starts, tables), begin)
    given = np.array(np.broadcast_to(others[3], (*lead, size))).reshape(count, size)
    search, seconds = _Search(plan), np.zeros(count)
    found = np.full((count, size), np.nan), np.zeros(count), np.full(count, NOT_CONVERGED, np.int64)
    for row in range(count):
        known = np.isfinite(given[row, : plan.model.varied]).all()
        search.take(one_spectrum(stack, row))
        started = perf_counter()
        found[0][row], found[2][row] = search.lowest(given[row : row + 1] if known else begin[row])
        seconds[row] = perf_counter() - started
    numbers, curve = _described(stack, found, plan)
    covariance = np.array([search.covariance(one_spectrum(stack, row), found[0][row]) for row in range(count)])
    covariance *= 1.0 if plan.task[3] > 0 else numbers[:, 1, None, None]
    lines = of_lines(found[0], covariance, plan)
    results = [found[0], covariance, *lines, numbers, seconds, *([curve] if curves else [])]
    return tuple(result.reshape((*lead, *result.shape[1:])) for result in results)


def _described(
    stack: tuple[Floats, Floats, Floats, Floats], found: tuple[Floats, Floats, Any], plan: Plan
) -> tuple[Floats, Floats]:
    """Return (objective, reduced chi-square, runs, state) and curves; expressed parameters are not counted as free."""
    low, high, kind, unit = plan.task
    kept = np.arange(low.size) < plan.model.varied
    (count, size), points = found[0].shape, stack[0].shape[1]
    out = np.empty((count, size, size)), np.empty((count, 3)), np.empty((count, 2, points))
    task = (np.where(kept, low, 0.0), np.where(kept, high, 0.0), kind, unit)
    describe_rows(plan.form, stack, task, found, out)
    return np.column_stack([out[1], found[2]]).astype(np.float64), out[2]


class _Search:
    """What lmfit needs of one spectrum after another: parameters with their expressions, and what is made least."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.model, self.kind = plan, plan.model, plan.task[2]
        structure, grid = plan.form
        self.structure, self.grid = structure, grid
        self.full = np.empty(structure[4].size)
        self.memory = room(len(self.model.names), self.full.size, grid[0].size)
        self.slugs = list(slugs([*self.model.names], "fit").values())
        self.parameters = _parameters(self.model, dict(zip(self.model.names, self.slugs, strict=True)))
        self.spectrum: Spectrum = (self.full, self.full, self.full, self.full)
        self._curve(self.model.start)

    def take(self, spectrum: Spectrum) -> None:
        """Take the spectrum that is fitted next."""
        self.spectrum = spectrum

    def lowest(self, starts: Floats) -> tuple[Floats, int]:
        """Return the parameters at the lowest of the minima to which starts lead, and the state of the fit."""
        import lmfit

        best, lowest, state = np.full(len(self.model.names), np.nan), np.inf, NOT_CONVERGED
        if np.count_nonzero(self.spectrum[1]) <= self.model.varied:
            return best, state
        for start in starts[np.isfinite(starts[:, : self.model.varied]).all(axis=1)]:
            self._begin(start)
            settings = {"nan_policy": "propagate", "calc_covar": False}
            try:
                with np.errstate(all="ignore"):
                    least = lmfit.Minimizer(self.residual, self.parameters, **settings)
                    made = least.leastsq(ftol=_TOLERANCE, xtol=_TOLERANCE, gtol=0.0, max_nfev=20_000)
            except (ArithmeticError, ValueError, TypeError):
                continue
            found = self._on_bounds(np.array([made.params[name].value for name in self.slugs[: self.model.varied]]))
            if np.isfinite(found).all() and made.chisqr < lowest:
                best, lowest, state = found, float(made.chisqr), 0 if made.success else NOT_CONVERGED
        return best, state

    def residual(self, parameters: lmfit.Parameters) -> Floats:
        """Return what is left of each point, in standard deviations, the squares of which are made least."""
        curve = self._curve(np.array([parameters[name].value for name in self.slugs], np.float64))
        values, weights, response, known = self.spectrum
        if curve is None:
            return np.full(values.size, np.sqrt(_IMPOSSIBLE / values.size))
        left = values - known - response * curve
        if self.kind == POISSON:
            return np.where(weights > 0, _deviance_roots(values, response * curve + known), 0.0)
        return np.sqrt(weights) * left

    def covariance(self, spectrum: Spectrum, values: Floats) -> Floats:
        """Return the covariance of all parameters, by the information that the curve holds on those that are free."""
        size, varied = values.size, self.model.varied
        out = np.full((size, size), np.nan)
        if not np.isfinite(values).all():
            return out
        turned = self._turned(values)
        expand(self.structure, values, self.full)
        matrix = statistics(self.plan.form, spectrum, self.kind, self.full, self.memory)[1]
        held = ~((values > self.plan.task[0]) & (values < self.plan.task[1]))[:varied]
        free = np.empty((varied, varied))
        inverted(np.ascontiguousarray(turned.T @ matrix @ turned), held, free)
        out[:] = turned @ np.nan_to_num(free) @ turned.T
        lost = (turned != 0) @ ~held == 0
        out[lost] = out[:, lost] = np.nan
        return out

    def _begin(self, start: Floats) -> None:
        """Set the parameters to a start, inside of their bounds: on a bound, nothing would move them."""
        low, high = self.plan.task[0], self.plan.task[1]
        for k, name in enumerate(self.slugs[: self.model.varied]):
            apart = min(high[k] - low[k], 1.0 + abs(start[k]))
            at = min(max(start[k], low[k] + _INSIDE * apart), high[k] - _INSIDE * apart)
            self.parameters[name].value = float(at)

    def _on_bounds(self, free: Floats) -> Floats:
        """Return all parameters, those that have come as close to a bound as it matters on it."""
        values = self.model.completed(free)
        if not np.isfinite(values).all():
            return values
        turned = self._turned(values)
        expand(self.structure, values, self.full)
        matrix = statistics(self.plan.form, self.spectrum, self.kind, self.full, self.memory)[1]
        near = _ON_BOUND / np.sqrt(np.maximum(np.diagonal(turned.T @ matrix @ turned), 1e-300))
        low, high = (end[: free.size] for end in self.plan.task[:2])
        free = np.where(free - low < near, low, np.where(high - free < near, high, free))
        return self.model.completed(free)

    def _turned(self, values: Floats) -> Floats:
        """Return the derivatives of all parameters by those that are free (parameter, free parameter)."""
        free = values[: self.model.varied]
        out = np.zeros((values.size, free.size))
        for k, step in enumerate(_STEP * np.maximum(np.abs(free), 1e-2)):
            move = step * (np.arange(free.size) == k)
            out[:, k] = (self.model.completed(free + move) - self.model.completed(free - move)) / (2 * step)
        out[: free.size] = np.eye(free.size)
        return np.nan_to_num(out)

    def _curve(self, values: Floats) -> Floats | None:
        """Return the curve, None where it has none."""
        expand(self.structure, values, self.full)
        (curve, lines, jacobian), _, (table, _, _), _ = self.memory
        known = np.isfinite(self.full).all() and evaluate(
            self.structure, self.grid, self.full, (curve, lines, jacobian), table
        )
        return curve if known and np.isfinite(curve).all() else None


def _deviance_roots(values: Floats, mean: Floats) -> Floats:
    """Return the signed roots of the terms of the Poisson deviance, as :func:`~operando.xps.fit_kernels.deviance`."""
    inside = np.maximum(mean, FEWEST_COUNTS)
    beyond = mean - inside
    term = inside - values + np.where(values > 0, values * np.log(np.where(values > 0, values, 1.0) / inside), 0.0)
    bend = np.maximum(values, inside) / inside**2
    term += (1.0 - values / inside) * beyond + 0.5 * bend * beyond**2
    return np.sign(values - mean) * np.sqrt(2.0 * np.maximum(term, 0.0))


def _parameters(model: Compiled, names: dict[str, str]) -> lmfit.Parameters:
    """Return lmfit's parameters: those that are free with their bounds, the others with their expressions."""
    import lmfit

    out = lmfit.Parameters()
    for name, start, low, high in zip(model.names, model.start, model.low, model.high, strict=True):
        if name in model.expressed:
            out.add(names[name], expr=expression_text(model, name, names))
        else:
            out.add(names[name], value=start, min=low, max=high)
    return out
