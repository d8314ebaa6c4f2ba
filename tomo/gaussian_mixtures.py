"""Sums of Gaussians that explain counts in bins best, phases and what two of them share; on plain arrays.

A phase is one Gaussian. Voxels that two phases share, in every proportion alike, are ``STEPS`` Gaussians from the
level of one to that of the other. Where there are such, all have one standard deviation: a phase that is free to be
wide takes the shared voxels for its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag
from scipy.special import ndtr

Floats = NDArray[np.float64]

STEPS = 12
"""Gaussians that stand for the voxels that two phases share; even, so that each leans to one of the two."""

_CYCLES, _ROUNDS = 200, 5
_STILL = 1e-3, 1e-9
"""Gain of the likelihood's logarithm that ends the search: at all, and for every count."""
_RAREST = 1e-9
_NARROWEST = 0.2
"""Smallest standard deviation of a phase, bins."""
_LEAST = 1e-300
_GRID = 200


@dataclass(frozen=True)
class Mixture:
    """Shares of the phases and, behind them, of the pairs of neighbors; means and standard deviations of the phases."""

    share: Floats
    mean: Floats
    sigma: Floats

    def spreads(self) -> Floats:
        """Return which standard deviations are free, dims (phase, number): one for all if voxels are shared."""
        phases = self.mean.size
        return np.ones((phases, 1)) if self.share.size > phases else np.eye(phases)

    def parts(self) -> tuple[Floats, NDArray[np.int64], Floats]:
        """Return what each Gaussian holds of each phase (Gaussian, phase), its component, its weight within that."""
        number = self.mean.size
        pairs = self.share.size - number
        along = (np.arange(STEPS) + 0.5) / STEPS
        rows = np.eye(number)
        between = [(1 - along)[:, np.newaxis] * rows[at] + along[:, np.newaxis] * rows[at + 1] for at in range(pairs)]
        component = np.concatenate([np.arange(number), np.repeat(number + np.arange(pairs), STEPS)])
        weight = np.concatenate([np.ones(number), np.full(pairs * STEPS, 1 / STEPS)])
        return np.vstack([rows, *between]), component, weight

    def gaussians(self) -> tuple[Floats, Floats, Floats]:
        """Return shares, means and standard deviations of all Gaussians."""
        holds, component, weight = self.parts()
        return weight * self.share[component], holds @ self.mean, np.sqrt(holds @ self.sigma**2)


def searched(fit: Mixture, counts: Floats, edges: Floats) -> tuple[Mixture, float, bool]:
    """Return the mixture of the highest likelihood from a start on, that likelihood's logarithm, and if it is at rest.

    Rounds of expectation and maximization, which never lose their way, alternate with steps of Fisher scoring, which
    reach the end.
    """
    value = -np.inf
    for _ in range(_CYCLES):
        for _ in range(_ROUNDS):
            fit = _maximized(fit, counts, edges)
        fit = _scored(fit, counts, edges)
        before, value = value, _likelihood(fit, counts, edges)
        if value - before <= _STILL[0] + _STILL[1] * counts.sum():
            return fit, value, bool((np.diff(fit.mean) > 0).all())
    return fit, value, False


def probabilities(fit: Mixture, edges: Floats) -> Floats:
    """Return the probability of Gaussian and bin, dims (Gaussian, bin)."""
    share, at = fit.gaussians()[0], _standard(fit, edges)
    low, high = at[:, :-1], at[:, 1:]
    inside = np.where(low > 0, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
    found: Floats = share[:, np.newaxis] * inside
    return found


def covariance(fit: Mixture, total: float, edges: Floats) -> Floats:
    """Return the inverse of the information that ``total`` independent counts hold of shares, means, deviations."""
    chance, slopes = _slopes(fit, edges)
    shares = np.vstack([np.eye(fit.share.size - 1), -np.ones(fit.share.size - 1)])
    free = block_diag(shares, np.eye(fit.mean.size), fit.spreads())
    inner = free.T @ slopes
    found: Floats = free @ np.linalg.pinv(total * (inner / chance) @ inner.T, hermitian=True) @ free.T
    return found


def crossings(fit: Mixture) -> Floats:
    """Return where between two neighboring phases the odds of being mostly the one or the other are even; else NaN."""
    from scipy.optimize import brentq

    holds, _, _ = fit.parts()
    share, mean, sigma = fit.gaussians()
    found = np.full(fit.mean.size - 1, np.nan)
    for number in range(found.size):
        side = np.where(np.isclose(holds[:, [number, number + 1]].sum(axis=1), 1), holds[:, number] - 0.5, 0.0)
        weight = np.sign(side) * share / sigma

        def odds(place: Floats | float, weight: Floats = weight) -> Floats:
            at = (np.asarray(place)[..., np.newaxis] - mean) / sigma
            found: Floats = _density(at) @ weight
            return found

        places = np.linspace(fit.mean[number], fit.mean[number + 1], _GRID)
        turns = np.flatnonzero((odds(places[:-1]) > 0) & (odds(places[1:]) <= 0))
        if turns.size:
            found[number] = brentq(odds, places[turns[0]], places[turns[0] + 1], xtol=1e-9 * fit.sigma[number])
    return found


def _standard(fit: Mixture, edges: Floats) -> Floats:
    _, mean, sigma = fit.gaussians()
    found: Floats = (edges - mean[:, np.newaxis]) / sigma[:, np.newaxis]
    return found


def _density(place: Floats) -> Floats:
    found: Floats = np.exp(-(place**2) / 2) / np.sqrt(2 * np.pi)
    return found


def _likelihood(fit: Mixture, counts: Floats, edges: Floats) -> float:
    return float((counts * np.log(np.maximum(probabilities(fit, edges).sum(axis=0), _LEAST))).sum())


def _maximized(fit: Mixture, counts: Floats, edges: Floats) -> Mixture:
    """Return the mixture after one round of expectation and maximization, with the moments within each bin exact.

    Means, then variances, are weighted least squares over all Gaussians, in which phases stand alone or in part.
    """
    holds, component, _ = fit.parts()
    share, mean, sigma = fit.gaussians()
    at, inside = _standard(fit, edges), probabilities(fit, edges)
    weight = counts / np.maximum(inside.sum(axis=0), _LEAST)
    size = (weight * inside).sum(axis=1)
    first = -share * (weight * np.diff(_density(at), axis=1)).sum(axis=1)
    second = size - share * (weight * np.diff(at * _density(at), axis=1)).sum(axis=1)
    means = _least_squares(holds, size / sigma**2, (size * mean + sigma * first) / sigma**2)
    moved = holds @ means - mean
    square = sigma**2 * second - 2 * moved * sigma * first + size * moved**2
    spreads = fit.spreads()
    variances = spreads @ _least_squares(holds @ spreads, size / sigma**4, square / sigma**4)
    shares = np.maximum(np.bincount(component, size), _LEAST)
    sigmas = np.sqrt(np.maximum(variances, _narrowest(edges) ** 2)).astype(np.float64)
    return Mixture(shares / shares.sum(), means, sigmas)


def _least_squares(holds: Floats, weight: Floats, weighted: Floats) -> Floats:
    """Return what the phases have, where a Gaussian has its parts of them: ``weighted`` over ``weight``."""
    matrix = (holds.T * np.maximum(weight, _LEAST)) @ holds
    return np.asarray(np.linalg.lstsq(matrix, holds.T @ weighted, rcond=None)[0], dtype=np.float64)


def _narrowest(edges: Floats) -> float:
    return _NARROWEST * float(edges[1] - edges[0])


def _slopes(fit: Mixture, edges: Floats) -> tuple[Floats, Floats]:
    """Return the probability of each bin, and its derivatives by shares, means, deviations, dims (parameter, bin)."""
    holds, component, _ = fit.parts()
    share, _, sigma = fit.gaussians()
    at, inside = _standard(fit, edges), probabilities(fit, edges)
    scale = -(share / sigma)[:, np.newaxis]
    by_mean = holds.T @ (scale * np.diff(_density(at), axis=1))
    by_sigma = (holds * fit.sigma / sigma[:, np.newaxis]).T @ (scale * np.diff(at * _density(at), axis=1))
    by_share = (component == np.arange(fit.share.size)[:, np.newaxis]) @ inside / fit.share[:, np.newaxis]
    return np.maximum(inside.sum(axis=0), _LEAST), np.concatenate([by_share, by_mean, by_sigma])


def _scored(fit: Mixture, counts: Floats, edges: Floats) -> Mixture:
    """Return the mixture after a step of Fisher scoring, shortened until it is no worse."""
    chance, slopes = _slopes(fit, edges)
    step = covariance(fit, counts.sum(), edges) @ (slopes @ (counts / chance))
    value = _likelihood(fit, counts, edges)
    ends = [fit.share.size, fit.share.size + fit.mean.size]
    for length in (1.0, 0.25, 0.05):
        share, mean, sigma = np.split(np.concatenate([fit.share, fit.mean, fit.sigma]) + length * step, ends)
        share = np.maximum(share, _RAREST)
        tried = Mixture(share / share.sum(), mean, np.maximum(sigma, _narrowest(edges)))
        if _likelihood(tried, counts, edges) >= value:
            return tried
    return fit
