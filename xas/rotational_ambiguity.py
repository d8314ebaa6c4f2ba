"""How far shares and spectra can be turned into one another without a poorer fit: bands of feasible solutions.

Shares C and spectra S may be replaced by C T^-1 and T S. The rows of T add up to one: with a sum that is the sum of the
shares, without it the free height of each spectrum. What may fall below zero is only what noise would take there once
in a thousand series.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial import ConvexHull, QhullError
from scipy.special import ndtri

from .alternating_least_squares import Constraints, Resolved, on_scale, shares_of

Floats = NDArray[np.float64]
_CHANCE = 1e-3
_FARTHEST = 20.0
_ROUNDING, _KEPT = 1e-9, 1e-6


@dataclass(frozen=True)
class Band:
    """The lowest and highest shares and spectra among the feasible solutions found."""

    shares: tuple[Floats, Floats]
    spectra: tuple[Floats, Floats]


@dataclass(frozen=True)
class _Cloud:
    """Points that may not fall below zero when they are turned.

    ``values`` has dims point, component; the noise of a combination w of the components is (w noise w)^1/2, and
    ``reach`` of it is allowed, as is what the solution itself lacks (``slack``, one a component).
    """

    values: Floats
    noise: Floats
    reach: float
    slack: Floats

    @classmethod
    def of(cls, values: Floats, noise: Floats, reach: float) -> _Cloud:
        """Return the cloud of a solution, which is itself allowed."""
        lacking = (-values - reach * np.sqrt(np.diag(noise))).max(axis=0)
        return cls(values, noise, reach, np.maximum(lacking, 0.0) + _ROUNDING * np.abs(values).max())

    def above(self, weights: Floats, at: int) -> Floats:
        """Return how far above its limit each point is, with a combination in place of component ``at``."""
        noise = np.sqrt(weights @ self.noise @ weights)
        return np.asarray(self.values @ weights + self.reach * noise + self.slack[at])

    def outer(self) -> _Cloud:
        """Return the cloud's corners: where they are above their limits, all points are."""
        spread = self.values - self.values.mean(axis=0)
        _, sizes, axes = np.linalg.svd(spread, full_matrices=False)
        flat = spread @ axes[sizes > _ROUNDING * sizes[0]].T
        try:
            corners = ConvexHull(flat).vertices if flat.shape[1] > 1 else [flat.argmin(), flat.argmax()]
        except QhullError:
            return self
        return replace(self, values=self.values[corners])


def band(data: Floats, found: Resolved, asked: Constraints) -> Band:
    """Return the band of a solution whose shares and spectra are not negative.

    For two components it is that of Lawton and Sylvestre, complete and in closed form. For more it is spanned by the
    solutions in which each component contributes least and most to the whole (MCR-BANDS) and in which each spectrum
    lies farthest in a few directions, found by sequential quadratic programming: it may be too narrow.
    """
    shares, spectra = found.shares, found.spectra
    low, high = [shares.copy(), spectra.copy()], [shares.copy(), spectra.copy()]
    for turn in _turns(data, found, asked):
        turned = on_scale(np.maximum(turn @ spectra, 0.0), asked)
        if asked.known.size:
            turned[: len(asked.known)] = asked.known
        for k, values in enumerate((shares_of(data, turned, asked), turned)):
            np.minimum(low[k], values, out=low[k])
            np.maximum(high[k], values, out=high[k])
    return Band((low[0], high[0]), (low[1], high[1]))


def _turns(data: Floats, found: Resolved, asked: Constraints) -> Iterator[Floats]:
    """Yield the transformations that lead to the ends of the band."""
    count, known = len(found.spectra), len(asked.known)
    shares, spectra = _clouds(data, found, asked)
    if count == 2:
        first = _reaches(spectra, shares, 0) if known < 1 else (0.0, 0.0)
        second = _reaches(spectra, shares, 1) if known < 2 else (0.0, 0.0)
        for one in first:
            for other in second:
                yield np.array([[1.0 - one, one], [other, 1.0 - other]])
    elif count > max(known, 2):
        yield from _extremes(spectra.outer(), shares.outer(), found, known)


def _clouds(data: Floats, found: Resolved, asked: Constraints) -> tuple[_Cloud, _Cloud]:
    """Return shares and spectra free of their bounds, with the noise of each that the residuals show."""
    (rows, columns), count = data.shape, len(found.spectra)
    left = data - found.shares @ found.spectra
    freedom = max(rows * columns - count * (rows + columns - count), 1)
    variance = float(np.einsum("ij,ij->", left, left)) / freedom
    free = Constraints(nonnegative_fractions=False, sum_to_one=asked.sum_to_one)
    inverse = np.linalg.pinv(found.spectra @ found.spectra.T)
    if asked.sum_to_one:
        summed = inverse.sum(axis=1)
        inverse = inverse - np.outer(summed, summed) / summed.sum()
    crossed = np.linalg.pinv(found.shares.T @ found.shares)
    spectra = data.T @ found.shares @ crossed
    if asked.known.size:
        spectra[:, : len(asked.known)] = asked.known.T
    reach = float(-ndtri(_CHANCE / (count * (rows + columns))))
    return (
        _Cloud.of(shares_of(data, found.spectra, free), variance * inverse, reach),
        _Cloud.of(spectra, variance * crossed, reach),
    )


def _reaches(spectra: _Cloud, shares: _Cloud, at: int) -> tuple[float, float]:
    """Return how far one of two spectra can go away from the other and towards it.

    The spectrum becomes s + a (other - s); the other's shares then are in the proportion of c' - a (c + c').
    """
    other = 1 - at
    away = _zeros(spectra, at, (at, other), -1.0)
    towards = min(_zeros(spectra, at, (at, other), 1.0), _zeros(shares, other, (other, at), 1.0, total=True))
    return -away, towards


def _zeros(cloud: _Cloud, at: int, order: tuple[int, int], sign: float, *, total: bool = False) -> float:
    """Return the first distance at which a point of ``v + a d``, allowed its noise, falls below zero.

    Closed form: (v + slack + a d)^2 = reach^2 times the variance, a quadratic in a.
    """
    one, two = order
    value, noise = cloud.values[:, one] + cloud.slack[at], cloud.noise
    step = sign * (
        (-cloud.values[:, one] - cloud.values[:, two]) if total else cloud.values[:, two] - cloud.values[:, one]
    )
    weight, change = np.array([1.0, 0.0]), sign * (np.array([-1.0, -1.0]) if total else np.array([-1.0, 1.0]))
    inner = noise[np.ix_(order, order)]
    square = cloud.reach**2 * np.array([weight @ inner @ weight, 2 * weight @ inner @ change, change @ inner @ change])
    a, b, c = step**2 - square[2], 2 * value * step - square[1], value**2 - square[0]
    root = np.sqrt(np.maximum(b**2 - 4 * a * c, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.stack([(-b - root) / (2 * a), (-b + root) / (2 * a), -c / b])
        below = (b**2 >= 4 * a * c) & (ends >= 0) & (value + ends * step <= 0)
    return float(min(ends[below & np.isfinite(ends)].min(initial=np.inf), _FARTHEST))


def _extremes(spectra: _Cloud, shares: _Cloud, found: Resolved, known: int) -> Iterator[Floats]:
    """Yield the transformations at which components contribute least and most, and at which spectra change most."""
    count = len(found.spectra)
    free = np.array([(i, j) for i in range(known, count) for j in range(count) if i != j])
    products = found.shares.T @ found.shares, found.spectra @ found.spectra.T

    def turn(numbers: Floats) -> Floats:
        out = np.zeros((count, count))
        out[free[:, 0], free[:, 1]] = numbers
        return out + np.diag(1.0 - out.sum(axis=1))

    def contribution(at: int, sign: float, numbers: Floats) -> float:
        turned = turn(numbers)
        back = np.linalg.pinv(turned)[:, at]
        return sign * float(np.log((back @ products[0] @ back) * (turned[at] @ products[1] @ turned[at])))

    def change(at: int, way: Floats, numbers: Floats) -> float:
        return float(turn(numbers)[at] @ way)

    def allowed(numbers: Floats) -> Floats:
        turned = turn(numbers)
        back = np.asarray(np.linalg.pinv(turned), dtype=np.float64)
        parts = [spectra.above(turned[k], k) for k in range(known, count)]
        return np.concatenate([*parts, *(shares.above(back[:, k], k) for k in range(count))])

    aims: list[Callable[[Floats], float]] = [partial(contribution, k, s) for k in range(count) for s in (1.0, -1.0)]
    aims += [partial(change, k, way) for k in range(known, count) for way in _ways(found.spectra, k)]
    for aim in aims:
        best = _minimized(aim, np.zeros(len(free)), allowed)
        if best is not None:
            yield turn(best)


def _ways(spectra: Floats, at: int) -> Floats:
    """Return directions in which a spectrum may change: along the main differences from the others, and between."""
    others = [k for k in range(len(spectra)) if k != at]
    axes, sizes, _ = np.linalg.svd(spectra[others] - spectra[at], full_matrices=False)
    ways = [sign * row for row in np.eye(len(others)) for sign in (1.0, -1.0)]
    ways += [one + other for k, one in enumerate(ways) for other in ways[k + 1 :] if one @ other == 0]
    out = np.zeros((len(ways), len(spectra)))
    out[:, others] = np.array(ways) * sizes @ axes.T
    return out


def _minimized(
    objective: Callable[[Floats], float], start: Floats, allowed: Callable[[Floats], Floats]
) -> Floats | None:
    """Return where the least value was found; None if what is allowed was left."""
    limits = [(-_FARTHEST, _FARTHEST)] * start.size
    constraint = {"type": "ineq", "fun": allowed}
    options = {"maxiter": 200, "ftol": 1e-9}
    found = minimize(objective, start, method="SLSQP", bounds=limits, constraints=constraint, options=options)
    inside = np.isfinite(found.fun) and allowed(found.x).min() > -_KEPT
    return np.asarray(found.x) if inside else None
