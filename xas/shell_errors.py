"""What the noise of chi(k) does to the variables of a shell fit, on plain arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .wavenumber import FFT_POINTS, Floats

_NOISE_FROM, _NOISE_TO = 15.0, 30.0


class Components(NamedTuple):
    """Rows that take chi to real and imaginary parts of chi(R): where it is fitted, and where only noise is left."""

    fitted: Floats
    noise: Floats


def components(weight: Floats, step: float, rmin: float, rmax: float) -> Components:
    """Return the components between ``rmin`` and ``rmax`` angstrom; ``weight`` is window times power of k."""

    def rows(low: float, high: float) -> Floats:
        r_step = np.pi / (step * FFT_POINTS)
        number = np.arange(int(0.01 + low / r_step), int(0.01 + high / r_step))[:, None]
        angle = 2 * np.pi / FFT_POINTS * number * np.arange(weight.size)
        parts: Floats = weight * np.concatenate([np.cos(angle), -np.sin(angle)])
        return parts

    return Components(rows(rmin, rmax), rows(_NOISE_FROM, _NOISE_TO))


def uncertainties(chi: Floats, misfit: Floats, slopes: Floats, rows: Components) -> tuple[Floats, float]:
    """Return the standard uncertainties of the variables, and the reduced chi-square.

    With L the rows that are fitted and J = L slopes, the solution moves with the data by pinv(J) L, so that its
    covariance is s^2 pinv(J) L L' pinv(J)', s the noise of a point of chi as the noise rows show it. The sum of
    squares expected of noise alone is s^2 tr((1 - J pinv(J)) L L'); what exceeds it is taken for noise, too.
    """
    size = chi.size
    fitted, noise = rows.fitted[:, :size], rows.noise[:, :size]
    variance = ((noise @ chi) ** 2).sum() / (noise**2).sum()
    solve = np.linalg.pinv(fitted @ slopes)
    moved = solve @ fitted
    left = fitted - fitted @ slopes @ moved
    reduced = float(((fitted @ misfit) ** 2).sum() / (variance * (left**2).sum()))
    std = np.sqrt((moved**2).sum(axis=1) * variance * max(1.0, reduced))
    return np.where(std > 0, std, np.nan), reduced
