"""The smooth background under EXAFS: a spline in k that carries the low Fourier components, on plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline, make_interp_spline
from scipy.linalg import solve_triangular

from .tapers import taper
from .wavenumber import EV_PER_K2, FFT_POINTS, K_STEP, Floats, k_grid, wave_number

_DEGREE = 3
_LEAST_KNOTS, _MOST_KNOTS = 5, 128
_LEAST_PIVOT = 1e-10
_HALVINGS = 60


@dataclass(frozen=True)
class SplineSettings:
    """What the caller fixed; None where the rule decides. Lengths in angstrom, wave numbers in 1/angstrom."""

    rbkg: float = 1.0
    nknots: int | None = None
    kmin: float = 0.0
    kmax: float | None = None
    kweight: int = 1
    dk: float = 0.1
    window: str = "hanning"
    nclamp: int = 3
    clamp_lo: float = 0.0
    clamp_hi: float = 1.0


@dataclass(frozen=True)
class Operators:
    """What spectra with the same energies and the same e0 share.

    ``basis`` and ``design`` are the splines on the measured points and on the grid, ``project`` takes chi on the grid
    to the coordinates of its low Fourier components: the first are those the splines reach, through ``triangle``.
    """

    points: slice
    k: Floats
    grid: Floats
    basis: Floats
    design: Floats
    project: Floats
    triangle: Floats
    clamped: NDArray[np.int64]
    clamps: Floats


def operators(energy: Floats, e0: float, given: SplineSettings) -> Operators | None:
    """Return the operators for one e0; None where the points do not determine a background."""
    if not energy.size or not energy[0] <= e0 < energy[-1]:
        return None
    first = int(np.flatnonzero(energy <= e0)[-1])
    k = wave_number(energy[first:], e0)
    kmax = float(k[-1]) if given.kmax is None else max(0.0, min(float(k[-1]), given.kmax))
    last = min(energy.size, 2 + int(np.flatnonzero(energy <= max(e0 + EV_PER_K2 * kmax**2, energy[0]))[-1])) - 1
    anchors, low_r = _anchors(k, kmax, given)
    k, grid = k[: last - first + 1], k_grid(kmax)
    if k.size <= _DEGREE or grid.size <= _DEGREE or np.diff(anchors).min() <= 0 or 2 * low_r < anchors.size:
        return None
    basis = BSpline(_knots(anchors), np.eye(anchors.size), _DEGREE)(k)
    design = _on_grid(k, basis, grid)
    weight = grid**given.kweight * taper(grid, given.kmin, kmax, (given.dk, given.dk), given.window)
    components = _low_components(low_r, grid.size) * weight
    q, r = np.linalg.qr(components @ design, mode="complete")
    triangle, pivots = r[: anchors.size], np.abs(np.diag(r))
    if not pivots.min() > _LEAST_PIVOT * pivots.max():
        return None
    clamped, clamps = _clamps(grid.size, given)
    return Operators(slice(first, last + 1), k, grid, basis, design, q.T @ components, triangle, clamped, clamps)


def subtracted(mu: Floats, shared: Operators) -> tuple[Floats, Floats]:
    """Return chi on the grid, in units of mu, and the background on ``shared.points``, a row a spectrum.

    With x the spline's coordinates behind ``triangle``, the sum of squares to be minimized is
    |d|^2 + rest + s^2 |m - K d|^2, where d = x - q and s = 0.1 + 10 mean square of the low components. Its minimum
    has d = a K' e and (1 + a K K') e = m, so only the number a is left to be found.
    """
    interpolated = _on_grid(shared.k, np.ascontiguousarray(mu[:, shared.points].T), shared.grid)
    size = shared.triangle.shape[1]
    coordinates = shared.project @ interpolated
    x, rest = coordinates[:size], (coordinates[size:] ** 2).sum(axis=0)
    if shared.clamped.size:
        weighted = shared.clamps[:, None] * shared.design[shared.clamped]
        pull = solve_triangular(shared.triangle, weighted.T, trans="T").T
        values, vectors = np.linalg.eigh(pull @ pull.T)
        values = values.clip(0)[:, None]
        ends = vectors.T @ (shared.clamps[:, None] * interpolated[shared.clamped] - pull @ x)
        strength = _clamp_strength(ends**2, values, rest, len(coordinates))
        x = x + pull.T @ vectors @ (strength * ends / (1 + strength * values))
    coefficients = solve_triangular(shared.triangle, x)
    return (interpolated - shared.design @ coefficients).T, (shared.basis @ coefficients).T


def _clamp_strength(ends: Floats, values: Floats, rest: Floats, count: int) -> Floats:
    """Return a = s^2/(1 + 20/N s |e|^2) of each spectrum, by bisection.

    ``ends`` are the squares of m along the eigenvectors of K K', ``values`` its eigenvalues, ``count`` is N.
    """

    def required(a: Floats) -> Floats:
        e2 = ends / (1 + a * values) ** 2
        s = 0.1 + 10 * (a**2 * (values * e2).sum(axis=0) + rest) / count
        a_next: Floats = s**2 / (1 + 20 / count * s * e2.sum(axis=0))
        return a_next

    high = (0.1 + 10 * rest / count) ** 2
    while np.any(beyond := required(high) > high):
        high = np.where(beyond, 4 * high, high)
    width = high
    for _ in range(_HALVINGS):
        width = width / 2
        middle = high - width
        high = np.where(required(middle) > middle, high, middle)
    return high


def _anchors(k: Floats, kmax: float, given: SplineSettings) -> tuple[Floats, int]:
    """Return the wave numbers the spline is anchored at, and the number of Fourier components it is fitted to."""
    r_step = np.pi / (K_STEP * FFT_POINTS)
    rbkg, span = max(given.rbkg, 2 * r_step), kmax - given.kmin
    count = 1 + int(2 * rbkg * span / np.pi)
    low_r = int(1 + (count - 1) * np.pi / (2 * r_step * span)) if span > 0 else 0
    count = max(_LEAST_KNOTS, min(_MOST_KNOTS, count if given.nknots is None else given.nknots))
    wanted = given.kmin + np.arange(count) * span / (count - 1)
    return k[np.abs(k - wanted[:, None]).argmin(axis=1)], low_r


def _knots(anchors: Floats) -> Floats:
    """Return the knots of the spline that interpolates at ``anchors``, not a knot at the second and last but one."""
    ends = np.ones(_DEGREE + 1)
    return np.concatenate([anchors[0] * ends, anchors[2:-2], anchors[-1] * ends])


def _on_grid(k: Floats, values: Floats, grid: Floats) -> Floats:
    """Return the columns of ``values``, given at ``k``, interpolated by cubic splines."""
    out: Floats = make_interp_spline(k, values, _DEGREE, check_finite=False)(grid)
    return out


def _low_components(count: int, points: int) -> Floats:
    """Return real and imaginary parts of the first ``count`` Fourier components as rows on ``points`` points."""
    angle = 2 * np.pi / FFT_POINTS * np.arange(count)[:, None] * np.arange(points)
    parts: Floats = K_STEP / np.sqrt(np.pi) * np.concatenate([np.cos(angle), -np.sin(angle)])
    return parts


def _clamps(points: int, given: SplineSettings) -> tuple[NDArray[np.int64], Floats]:
    """Return the points at which chi is pulled to 0 and how strongly."""
    count = min(given.nclamp, points)
    where = np.concatenate([np.arange(count), np.arange(points - count, points)])
    weights = np.repeat([abs(given.clamp_lo), abs(given.clamp_hi)], count)
    return where[weights > 0], weights[weights > 0]
