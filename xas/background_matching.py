"""Match absorption to tabulated f'' by least squares, spectrum by spectrum, on plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .fit_ranges import Ranges, Settings, at_or_below, fit_offsets, fit_ranges, nearest, polynomial_fit
from .normalization_kernels import Floats

_STEEPEST_WEIGHT, _FLATTEST_WEIGHT = 0.1, 1.0


@dataclass(frozen=True)
class Table:
    """f'' at the energies of the spectra, and what else belongs to the background: one row a curve, maybe none."""

    f2: Floats
    curves: Floats


class Matched(NamedTuple):
    """Spectra on the scale of f'', one row a spectrum; edge step, scale and e0 are one number each."""

    normalized: Floats
    pre_edge: Floats
    f2_matched: Floats
    edge_step: Floats
    f2_scale: Floats
    e0: Floats


def match_polynomial(energy: Floats, mu: Floats, e0: float, given: Settings, table: Table, *, order: int) -> Matched:
    """Match s mu to f'' + a polynomial of the energy, below and above the edge; both regions weigh the same.

    The edge step and the pre-edge are those of f'' + polynomial.
    """
    e0 = float(energy[nearest(energy, e0)])
    pre1, pre2, norm1, norm2 = _whole_scan(energy, e0, given)
    inside = Settings(pre1, pre2, norm1, norm2, nnorm=2)
    ranges = fit_ranges(energy, e0, inside)
    below = np.arange(at_or_below(energy, pre1 + e0), nearest(energy, pre2 + e0) + 1)
    above = np.arange(nearest(energy, norm1 + e0), at_or_below(energy, norm2 + e0) + 1)
    points = np.union1d(below, above)
    background = np.vstack([np.vander((energy - e0) / np.ptp(energy), order + 1, increasing=True).T, table.curves])
    if ranges is None or min(below.size, above.size) < 3 or points.size <= len(background) + 1:
        return _nothing(mu)
    weight = np.ones_like(energy)
    weight[below] = below.size**-0.5
    weight[above] = above.size**-0.5
    weight = weight[points]
    basis, target, data = background[:, points] * weight, table.f2[points] * weight, mu[:, points] * weight
    fit = np.linalg.pinv(basis)
    rest = data - data @ fit @ basis
    scale = (rest @ (target - target @ fit @ basis)) / (rest**2).sum(axis=1)
    coefficients = (scale[:, None] * data - target) @ fit
    lines, steps = _edge_of(np.vstack([table.f2, background]), energy, ranges)
    step = np.maximum(np.abs(steps[0] + coefficients @ steps[1:]), 1e-12)
    pre_edge = (lines[0] + coefficients @ lines[1:]) / scale[:, None]
    edge_step = step / scale
    matched = scale[:, None] * mu - coefficients @ background
    return Matched((mu - pre_edge) / edge_step[:, None], pre_edge, matched, edge_step, scale, np.full(len(mu), e0))


def match_line(
    energy: Floats, mu: Floats, e0: float, given: Settings, table: Table, *, next_edge: float = np.inf
) -> Matched:
    """Match mu without its pre-edge line to scale (f'' + a line of the energy); the edge step is that of the match.

    Below the edge all points weigh 1, above it the weight grows from 0.1 to 1; no post-edge reaches ``next_edge``.
    """
    pre1, pre2, norm1, norm2 = fit_offsets(energy, e0, given)
    ranges = fit_ranges(energy, e0, given)
    norm2 = min(norm2, next_edge - e0)
    if ranges is None or norm2 <= norm1:
        return _nothing(mu)
    inside = Settings(pre1, pre2, norm1, norm2, ranges.post_degree, ranges.nvict)
    weight = np.zeros_like(energy)
    weight[: at_or_below(energy, e0 + pre2)] = 1.0
    first, last = at_or_below(energy, e0 + norm1), at_or_below(energy, e0 + norm2) + 1
    weight[first:last] = np.linspace(_STEEPEST_WEIGHT, _FLATTEST_WEIGHT, last - first)
    matching = fit_ranges(energy, e0, inside)
    line = (energy - energy.mean()) / np.ptp(energy)
    background = np.vstack([np.ones_like(energy), line, table.curves])
    if matching is None or np.count_nonzero(weight) <= len(background) + 1:
        return _nothing(mu)
    curves = np.vstack([table.f2, background])
    rise = mu - _pre_edges(mu, energy, ranges)
    coefficients = (rise * weight) @ np.linalg.pinv(curves * weight)
    steps = _edge_of(curves, energy, matching)[1]
    edge_step = np.maximum(np.abs(coefficients @ steps), 1e-12)
    matched = (rise - coefficients[:, 1:] @ background) / coefficients[:, :1]
    scale = 1 / coefficients[:, 0]
    return Matched(rise / edge_step[:, None], mu - rise, matched, edge_step, scale, np.full(len(mu), e0))


def _whole_scan(energy: Floats, e0: float, given: Settings) -> tuple[float, float, float, float]:
    """Return where the regions of the match begin and end, in eV relative to e0: by default up to the scan's ends."""
    first, last = energy.min() - e0, energy.max() - e0
    pre1 = first if given.pre1 is None else max(given.pre1, first)
    pre2 = -50.0 if given.pre2 is None else given.pre2
    norm1 = 100.0 if given.norm1 is None else given.norm1
    norm2 = last if given.norm2 is None or given.norm2 < 0 else min(given.norm2, last)
    return min(pre1, pre2), max(pre1, pre2), min(norm1, norm2), max(norm1, norm2)


def _pre_edges(curves: Floats, energy: Floats, ranges: Ranges) -> Floats:
    """Return the line through the pre-edge of each curve."""
    fit, powers = polynomial_fit(energy[slice(*ranges.pre)], energy, ranges.pre_degree)
    weight = energy**ranges.nvict if ranges.nvict else np.ones_like(energy)
    lines: Floats = ((curves * weight)[:, slice(*ranges.pre)] @ fit.T @ powers) / weight
    return lines


def _edge_of(curves: Floats, energy: Floats, ranges: Ranges) -> tuple[Floats, Floats]:
    """Return the pre-edge line and the edge step of each curve; both are linear in the curves."""
    lines = _pre_edges(curves, energy, ranges)
    fit, powers = polynomial_fit(energy[slice(*ranges.post)], energy, ranges.post_degree)
    return lines, (curves - lines)[:, slice(*ranges.post)] @ fit.T @ powers[:, ranges.center]


def _nothing(mu: Floats) -> Matched:
    """Return spectra and numbers that are all missing."""
    spectra, numbers = np.full(mu.shape, np.nan), np.full(len(mu), np.nan)
    return Matched(spectra, spectra, spectra, numbers, numbers, numbers)
