"""Straight lines joined at breakpoints, through points with errors along both axes and among each other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

Floats = NDArray[np.float64]
MOST = 3
"""Breakpoints that are looked for at most."""
_CANDIDATES = {1: 60, 2: 24, 3: 16}
_ENDS = 3
_STARTS = 3
_ROUNDS = 4
_ITERATIONS, _HALVINGS, _SAME = 50, 12, 1e-10
_SETTLED = 1e-3


@dataclass(frozen=True)
class BrokenLine:
    """y = intercept + slope x + sum change_k (x - break_k) for x above break_k: its parameters in this order."""

    parameters: Floats
    covariance: Floats
    chi2: float
    points: int

    @property
    def breaks(self) -> int:
        """Number of breakpoints."""
        return (len(self.parameters) - 2) // 2

    @property
    def freedom(self) -> int:
        """Degrees of freedom."""
        return self.points - len(self.parameters)

    @property
    def bic(self) -> float:
        """Bayesian information criterion, for errors that are known but for a common factor.

        A breakpoint counts as three parameters, since it is the best of many places.
        """
        scatter = max(self.chi2, np.finfo(float).tiny) / self.points
        return float(self.points * np.log(scatter) + (2 + 3 * self.breaks) * np.log(self.points))

    def slopes(self) -> tuple[Floats, Floats]:
        """Return the slopes of the segments and their standard uncertainties."""
        turn = np.zeros((self.breaks + 1, len(self.parameters)))
        turn[:, 1] = 1
        for segment in range(1, self.breaks + 1):
            turn[segment, 2 : 2 + segment] = 1
        spread = turn @ self.covariance @ turn.T
        return turn @ self.parameters, np.sqrt(np.diag(spread))

    def at(self, x: Floats) -> Floats:
        """Return y."""
        return _value(self.parameters, x)

    def slope_at(self, x: Floats) -> Floats:
        """Return dy/dx."""
        breaks = self.parameters[2 + self.breaks :]
        above = x[:, np.newaxis] > breaks
        return np.asarray(self.parameters[1] + above @ self.parameters[2 : 2 + self.breaks])


def broken_line(x: Floats, y: Floats, covariance: Floats, x_std: Floats, breaks: int) -> BrokenLine | None:
    """Return the line with ``breaks`` breakpoints that fits best, None if there are too few points.

    Errors of x count with the slope where they are (effective variance). The intercept is free, so an error common to
    all y, even an infinite one, does not matter to the rest: the covariance may be singular along it.
    """
    if len(np.unique(x)) < 2 * _ENDS + breaks or len(x) < 2 * breaks + 3:
        return None
    slope = np.full(len(x), np.polyfit(x, y, 1)[0])
    white, common = _whitening(covariance + np.diag((slope * x_std) ** 2))
    line = _fitted(x, y, white, breaks, None)
    for _ in range(_ROUNDS):
        if line is None:
            return None
        before, slope = slope, line.slope_at(x)
        if (np.abs(slope**2 - before**2) * x_std**2 <= _SETTLED * np.diag(covariance)).all():
            break
        white, common = _whitening(covariance + np.diag((slope * x_std) ** 2))
        line = _fitted(x, y, white, breaks, line)
    if line is None:
        return None
    line.covariance[0, 0] = max(line.covariance[0, 0] - common, 0.0)
    return line


def _whitening(covariance: Floats) -> tuple[Floats, float]:
    """Return the matrix that makes errors independent and of size 1, and what was added to the covariance for it.

    That is an error common to all points, with which a covariance that is singular along it can be inverted.
    """
    variances = np.diag(covariance)
    if np.count_nonzero(covariance) == np.count_nonzero(variances):
        return np.diag(1 / np.sqrt(variances)), 0.0
    common = float(np.mean(variances))
    root = np.linalg.cholesky(covariance + common)
    return np.asarray(solve_triangular(root, np.eye(len(root)), lower=True), dtype=np.float64), common


def _fitted(x: Floats, y: Floats, white: Floats, breaks: int, before: BrokenLine | None) -> BrokenLine | None:
    """Return the best line for errors that ``white`` makes independent, None if no breakpoints hold."""
    if breaks == 0:
        starts = [np.empty(0)]
    else:
        starts = _starts(x, y, white, breaks) if before is None else [before.parameters[2 + breaks :]]
    lines = [_refined(x, y, white, start) for start in starts]
    return min(lines, key=lambda line: line.chi2, default=None)


def _starts(x: Floats, y: Floats, white: Floats, breaks: int) -> list[Floats]:
    """Return the best breakpoints on a coarse grid, from one set of products for all combinations."""
    inner = np.sort(np.unique(x))[_ENDS - 1 : -_ENDS + 1]
    grid = np.unique(np.quantile(inner, np.linspace(0, 1, _CANDIDATES[breaks] + 2)[1:-1]))
    hinges = np.maximum(x[:, np.newaxis] - grid, 0.0)
    design = white @ np.column_stack([np.ones_like(x), x, hinges])
    products, seen = design.T @ design, design.T @ (white @ y)
    combined = [at for at in combinations(range(len(grid)), breaks) if _held(grid[list(at)], x)]
    chosen = np.array(combined, dtype=int).reshape(-1, breaks)
    columns = np.column_stack([np.zeros((len(chosen), 1), int), np.ones((len(chosen), 1), int), chosen + 2])
    normal = products[columns[:, :, np.newaxis], columns[:, np.newaxis, :]]
    side = seen[columns]
    explained = np.einsum("ij,ij->i", side, np.linalg.solve(normal, side[..., np.newaxis])[..., 0])
    return [grid[chosen[index]] for index in np.argsort(-explained)[:_STARTS]]


def _held(breaks: Floats, x: Floats) -> bool:
    """Whether there are points enough between breakpoints to hold the line there: one wild point is no segment."""
    inside = np.diff(np.searchsorted(np.sort(x), np.sort(breaks)))
    return bool((inside >= _ENDS).all())


def _refined(x: Floats, y: Floats, white: Floats, start: Floats) -> BrokenLine:
    """Return the line that fits best near breakpoints ``start``, by Gauss and Newton with halved steps."""
    breaks, ends = len(start), np.sort(x)[[_ENDS - 2, 1 - _ENDS]]
    design = np.column_stack([np.ones_like(x), x, np.maximum(x[:, np.newaxis] - start, 0.0)])
    parameters = np.concatenate([np.linalg.lstsq(white @ design, white @ y, rcond=None)[0], start])
    rest = white @ (_value(parameters, x) - y)
    for _ in range(_ITERATIONS if breaks else 0):
        step = np.linalg.lstsq(white @ _jacobian(parameters, x), -rest, rcond=None)[0]
        better = None
        for halvings in range(_HALVINGS):
            trial = parameters + step / 2**halvings
            trial[2 + breaks :] = np.clip(trial[2 + breaks :], *ends)
            left = white @ (_value(trial, x) - y)
            if left @ left < rest @ rest and _held(trial[2 + breaks :], x):
                better = trial, left
                break
        if better is None:
            break
        gained = rest @ rest - better[1] @ better[1]
        parameters, rest = better
        if gained < _SAME * (rest @ rest):
            break
    parameters = _ordered(parameters)
    turned = white @ _jacobian(parameters, x)
    inverse: Floats = np.asarray(np.linalg.pinv(turned.T @ turned, hermitian=True), dtype=np.float64)
    return BrokenLine(parameters, inverse, float(rest @ rest), len(x))


def _ordered(parameters: Floats) -> Floats:
    """Return the parameters with ascending breakpoints."""
    breaks = (len(parameters) - 2) // 2
    order = np.argsort(parameters[2 + breaks :])
    return np.concatenate([parameters[:2], parameters[2 : 2 + breaks][order], parameters[2 + breaks :][order]])


def _value(parameters: Floats, x: Floats) -> Floats:
    breaks = (len(parameters) - 2) // 2
    hinges = np.maximum(x[:, np.newaxis] - parameters[2 + breaks :], 0.0)
    return np.asarray(parameters[0] + parameters[1] * x + hinges @ parameters[2 : 2 + breaks])


def _jacobian(parameters: Floats, x: Floats) -> Floats:
    breaks = (len(parameters) - 2) // 2
    distance = x[:, np.newaxis] - parameters[2 + breaks :]
    moved = -parameters[2 : 2 + breaks] * (distance > 0)
    return np.column_stack([np.ones_like(x), x, np.maximum(distance, 0.0), moved])
