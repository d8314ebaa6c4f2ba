"""Edge energies between the grid points by several definitions, on plain arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .areas import area_weights, interpolated
from .crossing import Located, rises
from .edge_finding import edge_energies
from .local_fits import ENOUGH, turned

if TYPE_CHECKING:
    from scipy.interpolate import CubicSpline

Floats = NDArray[np.float64]

_ROUNDS = 30
_CLOSE = 1e-10
_FURTHEST = 1.0


@dataclass(frozen=True)
class Sought:
    """What is sought in all spectra of one call; the public function explains it."""

    method: str
    level: float
    window: tuple[float, float]
    levels: tuple[float, float]
    limits: tuple[float, float, float]
    smoothing: float
    reference: tuple[Floats, Floats] | None = None


def located(x: Floats, y: Floats, center: Floats, *, sought: Sought) -> tuple[Located]:
    """Return the edge energies of rows by the method sought."""
    return (METHODS[sought.method](x, y, center, sought),)


def half_height(x: Floats, y: Floats, center: Floats, sought: Sought) -> Located:
    """Return where each row first rises through the level."""
    return rises(x, y, center + sought.window[0], center + sought.window[1], sought.level)


def mean_rise(x: Floats, y: Floats, center: Floats, sought: Sought) -> Located:
    """Return the mean energy of all levels between two: that of the derivative from one crossing to the other.

    Where the limits lie does not matter to first order, for the numbers are at the levels there.
    """
    (low, high), stop = sought.levels, center + sought.window[1]
    first = rises(x, y, center + sought.window[0], stop, low).value
    last = rises(x, y, first, stop, high).value
    weights = area_weights(x, first, last)
    area = np.einsum("ij,ij->i", weights, y)
    return Located((last * high - first * low - area) / (high - low), -weights / (high - low))


def replaced_by_step(x: Floats, y: Floats, center: Floats, sought: Sought) -> Located:
    """Return where a step as high as the mean post-edge has the area of each row, limits counted from half height."""
    half, half_slopes = half_height(x, y, center, sought)
    start, plateau, stop = (half + limit for limit in sought.limits)
    whole, post = area_weights(x, start, stop), area_weights(x, plateau, stop)
    post /= sought.limits[2] - sought.limits[1]
    area, level = (np.einsum("ij,ij->i", weights, y) for weights in (whole, post))
    at_start, at_plateau, at_stop = (interpolated(x, y, edge) for edge in (start, plateau, stop))
    level[level <= 0] = np.nan
    moved_level = (at_stop - at_plateau) / (sought.limits[2] - sought.limits[1])
    moved = 1 - (at_stop - at_start) / level + area / level**2 * moved_level
    slopes = -whole / level[:, None] + (area / level**2)[:, None] * post + moved[:, None] * half_slopes
    return Located(stop - area / level, slopes)


def steepest_rise(x: Floats, y: Floats, center: Floats, sought: Sought) -> Located:
    """Return where the cubic around each energy turns from bending up to bending down, at the steepest such place."""
    spans = (center + sought.window[0], center + sought.window[1], half_height(x, y, center, sought).value)
    return turned(x, y, spans, sought.smoothing, 2)[0]


def best_overlap(x: Floats, y: Floats, center: Floats, sought: Sought) -> Located:
    """Return the reference's half height plus the shift at which it correlates best with each row.

    y = c R(E - s) + a + b E by least squares; the slopes of s are those of the fit linear in its four numbers.
    """
    if sought.reference is None:
        raise ValueError("a reference is needed")
    # It takes as long to import as thousands of edges to find, and only this method needs it.
    from scipy.interpolate import CubicSpline

    spline = CubicSpline(*sought.reference)
    known = (spline.x[None], spline(spline.x)[None])
    middle = edge_energies(spline.x, known[1])
    home = half_height(spline.x, known[1], middle, sought).value[0]
    inside = (x >= home + sought.window[0]) & (x <= home + sought.window[1])
    found, slopes = np.full(len(y), np.nan), np.zeros(y.shape)
    starts = half_height(x, y, center, sought).value - home
    for s in np.flatnonzero(np.isfinite(starts)):
        moved = x - starts[s]
        used = inside & (moved >= spline.x[0] + _FURTHEST) & (moved <= spline.x[-1] - _FURTHEST)
        shift, weights = _shift(x[used], y[s, used], spline, float(starts[s]))
        found[s], slopes[s, used] = home + shift, weights
    return Located(found, slopes)


def _shift(x: Floats, y: Floats, reference: CubicSpline, start: float) -> tuple[float, Floats]:
    """Return the shift of one spectrum by Gauss and Newton's method and its derivatives; NaN if it does not settle."""
    shift, nothing, rate = start, (np.nan, np.zeros(x.size)), reference.derivative()
    line = np.stack([np.ones(x.size), (x - x.mean()) / max(np.ptp(x), 1.0)])
    for _ in range(_ROUNDS if x.size >= ENOUGH else 0):
        if x[0] - shift < reference.x[0] or x[-1] - shift > reference.x[-1]:
            return nothing
        curves = np.stack([reference(x - shift), *line, -rate(x - shift)])
        fit = np.linalg.solve(curves @ curves.T, curves)
        numbers = fit @ y
        if not numbers[0] > 0:
            return nothing
        step = float(np.clip(numbers[3] / numbers[0], -_FURTHEST, _FURTHEST))
        shift += step
        if abs(step) < _CLOSE:
            return shift, fit[3] / numbers[0]
    return nothing


METHODS: dict[str, Callable[[Floats, Floats, Floats, Sought], Located]] = {
    "half_height": half_height,
    "integral": replaced_by_step,
    "derivative": steepest_rise,
    "centroid": mean_rise,
    "cross_correlation": best_overlap,
}
"""The definitions of the edge energy by name."""
