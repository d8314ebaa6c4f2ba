"""Whether a core line keeps to its phase: each line against what the other lines of the phase say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .line_positions import Positions
from .shift_solver import Solution, solve

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
_CLIP, _ROUNDS = 3.0, 20


@dataclass(frozen=True)
class Departure:
    """How far a line is from its phase (eV; scan), with errors; energy of the line; and how sure that it departs."""

    shift: Floats
    std: Floats
    energy: float
    energy_std: float
    chi2: float
    freedom: int

    def significance(self, scale: float) -> float:
        """Return the standard normal deviate of chi2, errors larger by ``scale``; NaN for less than two scans."""
        return deviate(self.chi2 / scale**2, self.freedom)


def deviate(chi2: float, freedom: int) -> float:
    """Return what a chi2 is as standard deviations of a normal distribution, without end for large ones.

    Notes
    -----
    E. B. Wilson, M. M. Hilferty, Proc. Natl. Acad. Sci. 17, 684 (1931), doi:10.1073/pnas.17.12.684.
    """
    if freedom < 1:
        return float("nan")
    spread = 2 / (9 * freedom)
    return float(((chi2 / freedom) ** (1 / 3) - 1 + spread) / np.sqrt(spread))


def departure(positions: Positions, line: int, fitted: Booleans, reference: Booleans) -> Departure:
    """Return how a line departs from its phase as all ``fitted`` lines but itself show it; NaN if there is none.

    The energy of the line is the mean distance over the reference scans in which it does not depart.
    """
    others = fitted & (np.arange(len(fitted)) != line)
    phase = int(np.argmax(positions.member[line]))
    if not positions.member[others, phase].any():
        nothing = np.full(len(positions.position), np.nan)
        return Departure(nothing, nothing, np.nan, np.nan, np.nan, 0)
    solution = solve(positions.only(others), reference)
    distance = positions.position[:, line] - solution.shift[:, phase]
    variance = _variance(positions, line, others, solution)
    known = np.isfinite(distance) & (variance > 0)
    distance = np.where(known, distance, np.nan)
    weight = np.divide(1.0, variance, out=np.zeros_like(variance), where=known)
    part = _baseline(distance, weight, reference)
    energy = float(np.nansum(part * distance))
    mean_variance = float((part**2 * np.where(known, variance, 0.0)).sum())
    std = np.sqrt(np.maximum(variance * (1 - 2 * part) + mean_variance, 0.0))
    overall = np.nansum(weight * distance) / max(weight.sum(), np.finfo(float).tiny)
    chi2 = float(np.nansum(weight * (distance - overall) ** 2))
    return Departure(
        shift=distance - energy,
        std=np.where(known, std, np.nan),
        energy=energy if known.any() else np.nan,
        energy_std=float(np.sqrt(mean_variance)) if known.any() else np.nan,
        chi2=chi2,
        freedom=int(known.sum()) - 1,
    )


def _variance(positions: Positions, line: int, others: Booleans, solution: Solution) -> Floats:
    """Return the variance of the distance between a line and its phase, errors of line energies left out."""
    phase = int(np.argmax(positions.member[line]))
    shared = positions.covariance[:, line][:, others]
    mixed = np.einsum("tl,tl->t", solution.gain[:, phase], shared)
    return np.asarray(positions.covariance[:, line, line] + solution.own[:, phase, phase] - 2 * mixed)


def _baseline(distance: Floats, weight: Floats, reference: Booleans) -> Floats:
    """Return the weights of the reference scans in which a line keeps its distance, those that depart left out."""
    allowed = (weight > 0) & reference
    allowed = allowed if allowed.any() else weight > 0
    if not allowed.any():
        return np.zeros_like(weight)
    center = float(np.median(distance[allowed]))
    kept = allowed
    for _ in range(_ROUNDS):
        near = allowed & (np.nan_to_num(np.abs(distance - center)) * np.sqrt(weight) < _CLIP)
        if not near.any() or (near == kept).all():
            break
        kept = near
        center = float((weight[kept] * distance[kept]).sum() / weight[kept].sum())
    part = np.where(kept, weight, 0.0)
    return np.asarray(part / part.sum())
