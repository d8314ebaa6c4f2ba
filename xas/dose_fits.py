"""How a number changes with dose: a line, or an approach to a limit where the data demand it. Plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import minimize_scalar

Floats = NDArray[np.float64]

LEAST = 4
_LEAST_BENT = 6
_SHORTEST, _LONGEST, _TRIES = 0.05, 5.0, 40


@dataclass(frozen=True)
class DoseFit:
    """What a fit says; ``constant`` is the dose within which 63 % of the way to the limit is gone, NaN of a line."""

    initial: float = np.nan
    initial_std: float = np.nan
    rate: float = np.nan
    rate_std: float = np.nan
    constant: float = np.nan
    constant_std: float = np.nan
    reduced_chi_square: float = np.nan
    p_value: float = np.nan
    count: int = 0


@dataclass(frozen=True)
class _Solution:
    """Coefficients and covariance of a weighted fit, its chi-square and the degrees of freedom it left."""

    numbers: Floats
    covariance: Floats
    chi_square: float
    freedom: int
    known: bool

    @property
    def reduced(self) -> float:
        return self.chi_square / self.freedom

    @property
    def scale(self) -> float:
        """By how much the scatter says that variances are too small; all there is to go by if none was stated."""
        return max(1.0, self.reduced) if self.known else self.reduced

    def p_of(self, square: float, terms: int) -> float:
        """Return how probable a statistic of ``terms`` squares is, scaled, where nothing is there but noise."""
        if self.known and self.reduced <= 1:
            return float(stats.chi2.sf(square, terms))
        if not self.scale > 0:
            return 0.0 if square > 0 else 1.0
        return float(stats.f.sf(square / self.scale / terms, terms, self.freedom))


def dose_fit(dose: Floats, y: Floats, std: Floats, *, threshold: float, model: str) -> DoseFit:
    """Return the fit of y(dose) with the standard deviations ``std``, NaN where none are stated.

    ``model`` is ``"linear"`` or ``"auto"``, which bends the line only where that lies beyond ``threshold`` standard
    deviations; two questions are then asked, and the p-value is twice the smaller of theirs.
    """
    known = bool(np.isfinite(std).any())
    used = np.isfinite(dose) & np.isfinite(y) & ((std > 0) | (not known))
    x, values, sigma = dose[used], y[used], std[used] if known else np.ones(int(used.sum()))
    if x.size < LEAST or not np.ptp(x) > 0:
        return DoseFit(count=int(x.size))
    line = _solved([np.ones(x.size), x], values, sigma, known=known)
    square = line.numbers[1] ** 2 / line.covariance[1, 1]
    p = line.p_of(float(square), 1)
    if model == "linear" or x.size < _LEAST_BENT:
        return _told(line, line.numbers[1], np.array([0.0, 1.0]), p)
    bent, constant = _bent(x, values, sigma, known=known)
    bent_p = bent.p_of(max(line.chi_square - bent.chi_square, 0.0), 2)
    p = min(1.0, 2 * min(p, bent_p))
    if not bent_p < stats.norm.sf(threshold):
        return _told(line, line.numbers[1], np.array([0.0, 1.0]), p)
    gradient = np.array([0.0, 1 / constant, -bent.numbers[1] / constant**2])
    return _told(bent, bent.numbers[1] / constant, gradient, p, constant)


def _told(solution: _Solution, rate: float, gradient: Floats, p: float, constant: float = np.nan) -> DoseFit:
    """Return what a solution says, with its uncertainties scaled by the scatter."""
    covariance = solution.covariance * solution.scale
    return DoseFit(
        float(solution.numbers[0]),
        float(np.sqrt(covariance[0, 0])),
        float(rate),
        float(np.sqrt(gradient @ covariance @ gradient)),
        constant,
        float(np.sqrt(covariance[2, 2])) if np.isfinite(constant) else np.nan,
        solution.reduced if solution.known else np.nan,
        p,
        solution.freedom + solution.numbers.size,
    )


def _bent(x: Floats, y: Floats, sigma: Floats, *, known: bool) -> tuple[_Solution, float]:
    """Return the best y = y0 + A (1 - exp(-x/D)) and its D, within 1/20 to 5 times the span of the doses."""

    def chi_square(exponent: float) -> float:
        gone = -np.expm1(-x / np.exp(exponent))
        return _solved([np.ones(x.size), gone], y, sigma, known=known).chi_square

    tried = np.log(np.ptp(x)) + np.linspace(np.log(_SHORTEST), np.log(_LONGEST), _TRIES)
    best = int(np.argmin([chi_square(exponent) for exponent in tried]))
    low, high = tried[max(best - 1, 0)], tried[min(best + 1, _TRIES - 1)]
    constant = float(np.exp(minimize_scalar(chi_square, bounds=(low, high), method="bounded").x))
    start = _solved([np.ones(x.size), -np.expm1(-x / constant)], y, sigma, known=known)
    left = np.exp(-x / constant)
    slope = -start.numbers[1] * x / constant**2 * left
    full = _solved([np.ones(x.size), 1 - left, slope], y, sigma, known=known)
    numbers = np.append(start.numbers, constant)
    return _Solution(numbers, full.covariance, start.chi_square, start.freedom - 1, known), constant


def _solved(curves: list[Floats], y: Floats, sigma: Floats, *, known: bool) -> _Solution:
    """Return the weighted least-squares fit of a sum of curves."""
    basis = np.stack(curves, axis=1) / sigma[:, None]
    inverse = np.linalg.pinv(basis)
    numbers = inverse @ (y / sigma)
    chi_square = float(((y / sigma - basis @ numbers) ** 2).sum())
    return _Solution(numbers, inverse @ inverse.T, chi_square, y.size - len(curves), known)
