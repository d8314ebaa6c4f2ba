"""Spectra drawn anew from a fit and fitted again: plain arrays in, plain arrays out."""

from __future__ import annotations

import hashlib

import numpy as np

from .fit_blocks import Plan, as_rows, as_stack, of_lines
from .fit_kernels import FEWEST_COUNTS, NOT_CONVERGED
from .model_kernels import Floats
from .series_kernels import Stack, describe_rows, fit_rows

PERCENTILES = (2.275, 15.866, 50.0, 84.134, 97.725)
"""Percentiles of the draws: those of -2, -1, 0, 1 and 2 standard deviations."""


def rows_redrawn(
    values: Floats, *others: Floats, plan: Plan, draws: int, seed: int, residual: bool
) -> tuple[Floats, Floats]:
    """Return std, bias and percentiles of the numbers of the lines, and the share of draws that could be fitted.

    ``others`` are response, deviations, known background; free parameters. The first result is (2 + percentiles,
    quantity, peak), the share of the area the last quantity.
    """
    lead, size = values.shape[:-1], len(plan.model.names)
    rows, *given = (as_rows(one, values) for one in (values, *others[:3]))
    free = np.array(others[3], np.float64).reshape(-1, size)
    shape = 2 + len(PERCENTILES), len(plan.model.keys) + 1, len(plan.model.peaks)
    out, kept = np.full((len(rows), *shape), np.nan), np.zeros(len(rows))
    for k in range(len(rows)):
        if np.isfinite(free[k]).all():
            parts = given[0][k : k + 1], given[1][k : k + 1], given[2][k : k + 1]
            stream = _stream(seed, rows[k])
            drawn = _drawn(rows[k : k + 1], parts, free[k : k + 1], plan, (draws, stream, residual))
            out[k], kept[k] = _summary(as_stack(drawn, parts, plan), free[k : k + 1], plan)
    return out.reshape(*lead, *shape), kept.reshape(lead)


def _stream(seed: int, row: Floats) -> np.random.Generator:
    """Return the random numbers of one spectrum, which hang on its own values: not on chunks, order or neighbors."""
    content = hashlib.blake2b(np.nan_to_num(row, nan=-1.0).tobytes(), digest_size=16).digest()
    return np.random.default_rng([seed, int.from_bytes(content, "little")])


def _drawn(
    row: Floats,
    given: tuple[Floats, Floats, Floats],
    free: Floats,
    plan: Plan,
    how: tuple[int, np.random.Generator, bool],
) -> Floats:
    """Return spectra (draw, energy) about the fitted curve, NaN where the spectrum has no point."""
    draws, stream, residual = how
    stack = as_stack(row, given, plan)
    mean, variance = _curve(stack, free, plan)
    used, counts = stack[1][0] > 0, plan.weighting in {"model", "data"}
    noise = np.sqrt(np.maximum(mean, FEWEST_COUNTS)) if counts else np.broadcast_to(given[1][0], mean.shape)
    if residual:
        left = (stack[0][0] - mean)[used] / noise[used]
        left = (left - left.mean()) * np.sqrt(left.size / max(left.size - free.size, 1))
        out: Floats = mean + noise * stream.choice(left, (draws, mean.size))
    elif counts:
        out = stream.poisson(np.maximum(mean, 0.0), (draws, mean.size)).astype(np.float64)
    else:
        scale = np.sqrt(variance) if plan.weighting == "none" else 1.0
        out = mean + scale * noise * stream.standard_normal((draws, mean.size))
    out[:, ~used] = np.nan
    return out


def _curve(stack: Stack, free: Floats, plan: Plan) -> tuple[Floats, float]:
    """Return the fitted curve of one spectrum and its reduced chi-square."""
    size, points = free.shape[1], stack[0].shape[1]
    out = np.empty((1, size, size)), np.empty((1, 3)), np.empty((1, 2, points))
    describe_rows(plan.form, stack, plan.task, (free, np.zeros(1), np.zeros(1, np.int64)), out)
    return out[2][0, 0], float(out[1][0, 1])


def _summary(stack: Stack, free: Floats, plan: Plan) -> tuple[Floats, float]:
    """Fit what was drawn, from the fit's values; return what the results scatter by, and the share that converged."""
    draws, size = len(stack[0]), free.shape[1]
    found = np.zeros((draws, size)), np.full(draws, np.inf), np.zeros(draws, np.int64)
    fit_rows(plan.form, stack, plan.task, np.tile(free, (draws, 1, 1)), found)
    good = (found[2] & NOT_CONVERGED) == 0
    if good.sum() < 2:
        return np.full((2 + len(PERCENTILES), len(plan.model.keys) + 1, len(plan.model.peaks)), np.nan), 0.0
    both = np.concatenate([free, found[0][good]])
    best, *others = of_lines(both, np.zeros((len(both), size, size)), plan)[0]
    scatter = np.array(others)
    numbers = scatter.std(axis=0, ddof=1), scatter.mean(axis=0) - best
    return np.concatenate([np.array(numbers), np.percentile(scatter, PERCENTILES, axis=0)]), float(good.mean())
