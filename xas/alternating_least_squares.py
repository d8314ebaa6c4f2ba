"""Spectra and shares of components found from one another in turn, on plain matrices."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .curve_resolution_kernels import solve_rows, unimodal

Floats = NDArray[np.float64]
_STILL, _EXACT = 1e-6, 1e-24
_FIRST, _FASTER = 0.3, 1.3


@dataclass(frozen=True)
class Constraints:
    """What shares and spectra must obey.

    ``known`` are the spectra of the first components, which stay as they are. The components ``unimodal`` rise, then
    fall, along each run of rows in ``runs``.
    """

    nonnegative_fractions: bool = True
    nonnegative_spectra: bool = True
    sum_to_one: bool = True
    known: Floats = field(default_factory=lambda: np.empty((0, 0)))
    unimodal: tuple[int, ...] = ()
    runs: tuple[NDArray[np.intp], ...] = ()

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest share, and what shares add up to: NaN if they need not."""
        return (0.0 if self.nonnegative_fractions else -np.inf, 1.0 if self.sum_to_one else np.nan)


@dataclass(frozen=True)
class Resolved:
    """Shares (rows, components) and spectra (components, columns), and how they were found."""

    shares: Floats
    spectra: Floats
    iterations: int
    converged: bool


def resolve(data: Floats, spectra: Floats, asked: Constraints, tolerance: float, most: int) -> Resolved:
    """Return shares and spectra that no longer change, beginning with ``spectra``.

    Without a sum, spectra that are not known are brought to a root mean square of one. The iteration has converged
    when the squares left change by less than ``tolerance`` of themselves, or shares by less than a millionth of it.
    """
    shares = shares_of(data, spectra, asked)
    squares, ahead = _squares_left(data, shares, spectra), 0.0
    enough = _EXACT * float(np.einsum("ij,ij->", data, data))
    for iteration in range(1, most + 1):
        before, left = (spectra, shares), squares
        best = on_scale(spectra_of(data, shares, asked), asked)
        spectra = _ahead(before[0], best, ahead, asked)
        shares = shares_of(data, spectra, asked)
        squares, ahead = _squares_left(data, shares, spectra), _FASTER * ahead + _FIRST
        if squares > left:
            spectra, shares, ahead = best, shares_of(data, best, asked), 0.0
            squares = _squares_left(data, shares, spectra)
        moved = np.abs(shares - before[1]).max() / max(np.abs(shares).max(), np.finfo(float).tiny)
        if abs(left - squares) <= tolerance * squares or squares <= enough or moved <= _STILL * tolerance:
            return Resolved(shares, spectra, iteration, converged=True)
    return Resolved(shares, spectra, most, converged=False)


def _ahead(before: Floats, best: Floats, steps: float, asked: Constraints) -> Floats:
    """Return spectra beyond the best ones, on the way they came, since turns towards the solution are slow."""
    spectra = best + steps * (best - before)
    if asked.nonnegative_spectra:
        spectra[len(asked.known) :] = np.maximum(spectra[len(asked.known) :], 0.0)
    return on_scale(spectra, asked)


def shares_of(data: Floats, spectra: Floats, asked: Constraints) -> Floats:
    """Return the shares that fit each row best."""
    right, gram = data @ spectra.T, spectra @ spectra.T
    shares = _solved(right, gram, asked.limits)
    if not asked.unimodal:
        return shares
    held = np.full_like(shares, np.nan)
    for at in asked.unimodal:
        for run in asked.runs:
            held[run, at] = np.maximum(unimodal(np.ascontiguousarray(shares[run, at])), asked.limits[0])
    if asked.sum_to_one:
        held /= np.maximum(np.nansum(held, axis=1, keepdims=True), 1.0)
    return _solved(right, gram, asked.limits, held)


def spectra_of(data: Floats, shares: Floats, asked: Constraints) -> Floats:
    """Return the spectra that fit each column best."""
    least = 0.0 if asked.nonnegative_spectra else -np.inf
    held = np.empty((0, 0))
    if asked.known.size:
        held = np.full((data.shape[1], shares.shape[1]), np.nan)
        held[:, : len(asked.known)] = asked.known.T
    return _solved(data.T @ shares, shares.T @ shares, (least, np.nan), held).T.copy()


def on_scale(spectra: Floats, asked: Constraints) -> Floats:
    """Return spectra as they are if shares add up to one, else those not known with a root mean square of one."""
    if asked.sum_to_one:
        return spectra
    height = np.sqrt(np.mean(spectra**2, axis=1, keepdims=True))
    height[: len(asked.known)] = 1.0
    return spectra / np.where(height > 0, height, 1.0)


def _squares_left(data: Floats, shares: Floats, spectra: Floats) -> float:
    left = data - shares @ spectra
    return float(np.einsum("ij,ij->", left, left))


def _solved(right: Floats, gram: Floats, limits: tuple[float, float], held: Floats | None = None) -> Floats:
    out = np.empty(right.shape)
    solve_rows(np.ascontiguousarray(right), gram, limits, np.empty((0, 0)) if held is None else held, out)
    return out
