"""Sums of Gaussians that explain counts in bins best, on plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

_CYCLES, _ROUNDS, _STILL = 300, 10, 1e-11
_NARROWEST = 0.2
"""Smallest standard deviation of a phase, bins."""
_LEAST = 1e-300


@dataclass(frozen=True)
class Mixture:
    """Shares, means and standard deviations of the phases, dim (phase)."""

    share: Floats
    mean: Floats
    sigma: Floats

    def ascending(self) -> Mixture:
        """Return the phases from the lowest mean on."""
        order = np.argsort(self.mean, kind="stable")
        return Mixture(self.share[order], self.mean[order], self.sigma[order])


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
        if value - before <= _STILL * counts.sum():
            return fit, value, True
    return fit, value, False


def probabilities(fit: Mixture, edges: Floats) -> Floats:
    """Return the probability of phase and bin, dims (phase, bin)."""
    at = _standard(fit, edges)
    low, high = at[:, :-1], at[:, 1:]
    inside = np.where(low > 0, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
    found: Floats = fit.share[:, np.newaxis] * inside
    return found


def covariance(fit: Mixture, total: float, edges: Floats) -> Floats:
    """Return the inverse of the information that ``total`` independent counts hold of shares, means, deviations."""
    chance, slopes = _slopes(fit, edges)
    number = fit.share.size
    free = np.zeros((3 * number, 3 * number - 1))
    free[:number, : number - 1] = np.vstack([np.eye(number - 1), -np.ones(number - 1)])
    free[number:, number - 1 :] = np.eye(2 * number)
    inner = free.T @ slopes
    found: Floats = free @ np.linalg.pinv(total * (inner / chance) @ inner.T, hermitian=True) @ free.T
    return found


def crossings(fit: Mixture) -> Floats:
    """Return where the odds of neighboring phases are even between their means; NaN where they are not."""
    share, mean, sigma = fit.share, fit.mean, fit.sigma
    square = np.diff(1 / sigma**2) / 2
    linear = -np.diff(mean / sigma**2)
    rest = np.diff(mean**2 / (2 * sigma**2) - np.log(share / sigma))
    found = np.full(mean.size - 1, np.nan)
    for number, coefficients in enumerate(zip(square, linear, rest, strict=True)):
        roots = np.roots(coefficients)
        real = np.sort(roots[np.isreal(roots)].real)
        between = real[(real > mean[number]) & (real < mean[number + 1])]
        if between.size:
            found[number] = between[0]
    return found


def _standard(fit: Mixture, edges: Floats) -> Floats:
    found: Floats = (edges - fit.mean[:, np.newaxis]) / fit.sigma[:, np.newaxis]
    return found


def _density(place: Floats) -> Floats:
    found: Floats = np.exp(-(place**2) / 2) / np.sqrt(2 * np.pi)
    return found


def _likelihood(fit: Mixture, counts: Floats, edges: Floats) -> float:
    return float((counts * np.log(np.maximum(probabilities(fit, edges).sum(axis=0), _LEAST))).sum())


def _maximized(fit: Mixture, counts: Floats, edges: Floats) -> Mixture:
    """Return the mixture after one round of expectation and maximization, with the moments within each bin exact."""
    at, inside = _standard(fit, edges), probabilities(fit, edges)
    weight = counts / np.maximum(inside.sum(axis=0), _LEAST)
    size = np.maximum((weight * inside).sum(axis=1), _LEAST)
    first = -fit.share * (weight * np.diff(_density(at), axis=1)).sum(axis=1) / size
    second = 1 - fit.share * (weight * np.diff(at * _density(at), axis=1)).sum(axis=1) / size
    sigma = fit.sigma * np.sqrt(np.maximum(second - first**2, 0))
    return Mixture(size / size.sum(), fit.mean + fit.sigma * first, np.maximum(sigma, _narrowest(edges)))


def _narrowest(edges: Floats) -> float:
    return _NARROWEST * float(edges[1] - edges[0])


def _slopes(fit: Mixture, edges: Floats) -> tuple[Floats, Floats]:
    """Return the probability of each bin, and its derivatives by shares, means, deviations, dims (parameter, bin)."""
    at, inside = _standard(fit, edges), probabilities(fit, edges)
    scale = -(fit.share / fit.sigma)[:, np.newaxis]
    by_mean, by_sigma = scale * np.diff(_density(at), axis=1), scale * np.diff(at * _density(at), axis=1)
    chance = np.maximum(inside.sum(axis=0), _LEAST)
    return chance, np.concatenate([inside / fit.share[:, np.newaxis], by_mean, by_sigma])


def _scored(fit: Mixture, counts: Floats, edges: Floats) -> Mixture:
    """Return the mixture after a step of Fisher scoring, shortened until it is no worse."""
    chance, slopes = _slopes(fit, edges)
    step = covariance(fit, counts.sum(), edges) @ (slopes @ (counts / chance))
    value = _likelihood(fit, counts, edges)
    for length in (1.0, 0.25, 0.05):
        share, mean, sigma = np.split(np.concatenate([fit.share, fit.mean, fit.sigma]) + length * step, 3)
        if (share > 0).all() and (sigma >= _narrowest(edges)).all():
            tried = Mixture(share, mean, sigma)
            if _likelihood(tried, counts, edges) >= value:
                return tried
    return fit
