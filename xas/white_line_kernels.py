"""White lines on the steps of their edges: places, heights, areas and widths, on plain arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from operando.kernels import compiled

from .areas import area_weights
from .crossing import Located
from .local_fits import turned

Floats = NDArray[np.float64]

_FERMI = 4 * np.arccosh(np.sqrt(2))
_SMALL = 1e-3
_ASTRAY = 0.2


@dataclass(frozen=True)
class Lines:
    """The white lines of one edge, or of a pair, as sought in all spectra of a call.

    ``shares`` of the edge step and ``widths`` (FWHM, eV) are those of each step, ``splitting`` (eV) lies between the
    two of a pair; ``search`` (eV from half height) is where the first is, ``offset`` (eV) how far behind its line a
    step stands, ``shape`` what it looks like.
    """

    shares: tuple[float, ...]
    widths: tuple[float, ...]
    splitting: float
    search: tuple[float, float]
    smoothing: float
    shape: str
    offset: float


End = tuple[float, ...]
"""Numbers by which the places of the lines are multiplied, and one that is added (eV): an energy."""


class Found(NamedTuple):
    """Place (eV) and height of each line of the rows."""

    places: tuple[Located, ...]
    heights: tuple[Located, ...]


def step(distance: Floats, width: float, shape: str) -> Floats:
    """Return the step of an edge, 0 to 1, whose slope has the full width at half maximum ``width``."""
    if shape == "fermi":
        return np.asarray(expit(_FERMI * distance / width))
    return np.asarray(0.5 + np.arctan(2 * distance / width) / np.pi)


def found_lines(x: Floats, y: Floats, half: Floats, law: Lines, *, second: bool) -> Found:
    """Return the lines of each row: the highest behind half height, and the one that the splitting puts behind it.

    Unless the ``second`` is asked for, its step stands where the splitting puts it.
    """
    both = [_highest(x, y, half + law.search[0], half + law.search[1], law)]
    if len(law.shares) > 1:
        place, height = both[0]
        there, away = place.value + law.splitting, _ASTRAY * law.splitting
        behind = (Located(there, place.slopes), height)
        both.append(_highest(x, y, there - away, there + away, law) if second else behind)
    places, heights = zip(*both, strict=True)
    return Found(places, heights)


def _highest(x: Floats, y: Floats, start: Floats, stop: Floats, law: Lines) -> tuple[Located, Located]:
    """Return place and height of the highest maximum between two energies of each row."""
    within = (x >= start[:, None]) & (x <= stop[:, None])
    home = np.where(within.any(axis=1), x[np.where(within, y, -np.inf).argmax(axis=1)], np.nan)
    return turned(x, y, (start, stop, home), law.smoothing, 1)


def steps(x: Floats, places: tuple[Floats, ...], law: Lines) -> Floats:
    """Return the steps of the edges below each row, at energies (point) or (row, point)."""
    parts = [
        share * step(x - place[:, None] - law.offset, width, law.shape)
        for share, place, width in zip(law.shares, places, law.widths, strict=True)
    ]
    return np.asarray(np.sum(parts, axis=0))


def area(x: Floats, y: Floats, found: Found, law: Lines, ends: tuple[End, End]) -> Located:
    """Return the area between each row and its steps.

    ``ends`` say from where to where.
    """

    def measured(numbers: tuple[Floats, ...]) -> tuple[Floats, Floats]:
        places = numbers[: len(law.shares)]
        first, last = (np.tensordot(end[:-1], np.stack(places), 1) + end[-1] for end in ends)
        weights = area_weights(x, first, last)
        return np.einsum("ij,ij->i", weights, y - steps(x, places, law)), weights

    return _with_lines(measured, found.places)


def width(x: Floats, y: Floats, found: Found, law: Lines, which: int) -> Located:
    """Return the full width of a line at half its height above the steps; NaN where it does not fall so far."""

    def measured(numbers: tuple[Floats, ...]) -> tuple[Floats, Floats]:
        *places, height = numbers
        home = places[which]
        below = steps(home[:, None], tuple(places), law)[:, 0]
        return half_widths(x, y - steps(x, tuple(places), law), home, (height - below) / 2)

    return _with_lines(measured, (*found.places, found.heights[which]))


def _with_lines(measured: Callable[[tuple[Floats, ...]], tuple[Floats, Floats]], lines: tuple[Located, ...]) -> Located:
    """Return a number that is measured from the points, with slopes, given others that follow from the points too."""
    given = tuple(one.value for one in lines)
    value, slopes = measured(given)
    for k, one in enumerate(lines):
        low, high = (measured((*given[:k], given[k] + by, *given[k + 1 :]))[0] for by in (-_SMALL, _SMALL))
        slopes = slopes + ((high - low) / (2 * _SMALL))[:, None] * one.slopes
    return Located(value, slopes)


@compiled
def half_widths(x: Floats, z: Floats, home: Floats, half: Floats) -> tuple[Floats, Floats]:
    """Return how far apart each row, from ``home`` outwards, first falls below ``half``, and the weights of its points.

    By linear interpolation; NaN where it does not on both sides.
    """
    found, weights = np.full(home.size, np.nan), np.zeros(z.shape)
    for s in range(home.size):
        if not (half[s] > 0.0 and x[0] <= home[s] <= x[-1]):
            continue
        top = min(max(np.searchsorted(x, home[s]), 1), x.size - 1)
        if z[s, top - 1] > z[s, top]:
            top -= 1
        left, right = top, top
        while left > 0 and z[s, left] >= half[s]:
            left -= 1
        while right < x.size - 1 and z[s, right] >= half[s]:
            right += 1
        if left == right or z[s, left] >= half[s] or z[s, right] >= half[s]:
            continue
        ends = np.empty(2)
        for k, i in enumerate((left, right - 1)):
            rise = z[s, i + 1] - z[s, i]
            part = (half[s] - z[s, i]) / rise
            ends[k] = x[i] + part * (x[i + 1] - x[i])
            sign = (1.0 if k == 0 else -1.0) * (x[i + 1] - x[i]) / rise
            weights[s, i] += sign * (1.0 - part)
            weights[s, i + 1] += sign * part
        found[s] = ends[1] - ends[0]
    return found, weights
