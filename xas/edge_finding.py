"""The edge energy e0 as the steepest grid point, spectrum by spectrum, on plain arrays."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .edge_kernels import (
    Floats,
    Ints,
    edge_margin,
    slope,
    smoothing_weights,
    steepest,
    steepest_points,
    steepest_smoothed_points,
)

SMALLEST_STEP = 5e-4
_WINDOW = 75
_CACHED_POINTS = 2 * _WINDOW
_MOST_IN_MATRIX = 3000


def finite_grids(energy: Floats, mu: Floats) -> Iterator[tuple[Ints, Ints]]:
    """Yield (rows, points): spectra that are finite at the same energies, and those energies in ascending order."""
    order = np.argsort(energy, kind="stable")
    order = order[np.isfinite(energy[order])]
    finite = np.isfinite(picked(mu, np.arange(len(mu)), order))
    whole = finite.all(axis=1)
    if whole.any():
        yield np.flatnonzero(whole), order
    groups: dict[bytes, list[int]] = {}
    for row in np.flatnonzero(~whole):
        groups.setdefault(np.packbits(finite[row]).tobytes(), []).append(int(row))
    for rows in groups.values():
        yield np.asarray(rows), order[finite[rows[0]]]


def picked(spectra: Floats, rows: Ints, points: Ints) -> Floats:
    """Return some points of some spectra, contiguous; the array itself, uncopied, if that is all of it in order."""
    if all(np.array_equal(at, np.arange(size)) for at, size in zip((rows, points), spectra.shape, strict=True)):
        return spectra
    return spectra[np.ix_(rows, points)]


def separated(energy: Floats) -> Floats:
    """Return ``energy`` with 0.5 meV added, cumulatively, wherever a value repeats the one before."""
    if energy.size < 2 or np.diff(energy).min() > 10 * SMALLEST_STEP:
        return energy
    added = np.zeros_like(energy)
    for i in np.flatnonzero(np.abs(np.diff(energy)) < SMALLEST_STEP) + 1:
        added[i] = added[i - 1] + SMALLEST_STEP
    return energy + added


def in_order(energy: Floats) -> Ints:
    """Return the points that the next higher energy follows directly; never the last one."""
    return np.flatnonzero(np.diff(np.argsort(energy, kind="stable")) == 1)


def edge_energies(energy: Floats, mu: Floats) -> Floats:
    """Return e0 of each row of ``mu`` (finite, energy ascending); NaN where the scan is too short."""
    found = np.full(len(mu), np.nan)
    x = separated(energy)
    points = in_order(x)
    x = x[points]
    if x.size <= 2 * edge_margin(x.size):
        return found
    step = _typical_step(x)
    first = steepest_points(mu, points, x)
    for index in np.unique(first):
        rows = np.flatnonzero(first == index)
        found[rows] = _refined(energy, mu, rows, (int(index), float(x[index])), step)
    return found


def completed_edges(energy: Floats, mu: Floats, wanted: Floats) -> Floats:
    """Return the e0 to use: the one wanted if it lies inside the scan, else the one found."""
    if energy.size < 2:
        return np.full(len(mu), np.nan)
    with np.errstate(invalid="ignore"):
        missing = ~((wanted >= energy[1]) & (wanted <= energy[-2]))
    e0 = wanted.copy()
    if missing.any():
        e0[missing] = edge_energies(energy, mu if missing.all() else mu[missing])
    return e0


def _refined(energy: Floats, mu: Floats, rows: Ints, guess: tuple[int, float], step: float) -> Floats | float:
    """Return e0 from the smoothed slope in a window around the first guess, a point and its energy."""
    index, start = guess
    low, high = max(3, index - _WINDOW), min(index + _WINDOW, energy.size - 3)
    if index < 0.05 * energy.size:
        start, low, high = float(energy.mean()), max(3, index - 20), energy.size - 3
    x = separated(energy[low:high])
    points = in_order(x)
    x = x[points]
    if x.size <= 2 * edge_margin(x.size):
        return np.nan
    width = 0.5 * (_clipped(step) + _clipped(start / 25000.0))
    if x.size > _MOST_IN_MATRIX:
        found = np.array([steepest(_smoothed(mu[row, points + low], x, width)) for row in rows])
    else:
        found = steepest_smoothed_points(mu, rows, points + low, x, _operator(x, width))
    refined: Floats = np.where(found < 1, energy[low + 2], x[found])
    return refined


def _clipped(step: float) -> float:
    """Return a step within 0.01 and 1 eV; 1 eV if it is unknown."""
    return 1.0 if np.isnan(step) else max(0.01, min(1.0, step))


def _typical_step(x: Floats) -> float:
    """Return the mean of the ten smallest steps but the very smallest; NaN in scans of up to 100 points."""
    skipped = int(0.01 * x.size)
    steps = np.sort(np.diff(x[in_order(x)][skipped:-skipped]))[skipped : skipped + 10]
    return float(steps.mean()) if steps.size else np.nan


def _operator(x: Floats, step: float) -> Floats:
    if x.size > _CACHED_POINTS:
        return _smoothing_operator(x, step)
    return _cached_operator(x.tobytes(), step)


@lru_cache(maxsize=256)
def _cached_operator(x: bytes, step: float) -> Floats:
    return _smoothing_operator(np.frombuffer(x), step)


def _smoothing_operator(x: Floats, step: float) -> Floats:
    return smoothing_weights(x, _grid(x, step))


def _grid(x: Floats, step: float) -> Floats:
    """Return a uniform grid of about ``step`` that reaches 5 steps beyond ``x``."""
    low, high = step * int((x.min() - 5 * step) / step), step * int((x.max() + 5 * step) / step)
    count = min(1 + int(abs(high - low + 0.1 * step) / step), 50 * x.size)
    grid: NDArray[np.float64] = np.linspace(low, high, count)
    return grid


def _smoothed(mu: Floats, x: Floats, step: float) -> Floats:
    """Return the smoothed slope of one spectrum as the matrix gives it, by Fourier transforms: of many points."""
    from scipy.signal import fftconvolve

    rate, grid = np.empty(x.size), _grid(x, step)
    slope(np.ascontiguousarray(mu, dtype=np.float64), x, rate)
    count = grid.size
    lorentzian = 1.0 / (1.0 + (np.arange(2 * count) - float(count)) ** 2)
    values = np.interp(grid, x, rate)
    padded = np.concatenate([values[:0:-1], values, values[::-1]])
    smooth = fftconvolve(padded, lorentzian, mode="valid")[:count] / lorentzian.sum()
    found = np.interp(x, grid, smooth)
    return np.where(np.isfinite(found), found, -1.0)
