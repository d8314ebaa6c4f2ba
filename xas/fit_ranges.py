"""Where the pre-edge and the post-edge are fitted, and with which polynomials, on plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .normalization_kernels import Floats

_MAX_DEGREE = 5


@dataclass(frozen=True)
class Settings:
    """What the caller fixed; None where the rule decides. Energies in eV relative to e0, ``step`` in units of mu."""

    pre1: float | None = None
    pre2: float | None = None
    norm1: float | None = None
    norm2: float | None = None
    nnorm: int | None = None
    nvict: int = 0
    step: float | None = None


class Ranges(NamedTuple):
    """The points and degrees of the two fits, as slices of the energies; ``center`` is the point nearest e0."""

    pre: tuple[int, int]
    pre_degree: int
    nvict: int
    post: tuple[int, int]
    post_degree: int
    center: int


def fit_ranges(energy: Floats, e0: float, given: Settings) -> Ranges | None:
    """Return the ranges for one e0; None if no point is left to fit."""
    center = _nearest(energy, e0)
    pre, straight = _pre_edge(energy, e0, center, given)
    post, post_degree = _post_edge(energy, e0, given)
    if pre[1] <= pre[0] or post[1] - post[0] <= post_degree:
        return None
    return Ranges(pre, int(straight), given.nvict if straight else 0, post, post_degree, center)


def polynomial_fit(x: Floats, everywhere: Floats, degree: int) -> tuple[Floats, Floats]:
    """Return the least-squares operator on values at ``x`` and the basis curves ``everywhere``.

    The basis is powers of the energy scaled to [-1, 1] over ``x``.
    """
    middle, half = (x.max() + x.min()) / 2, max((x.max() - x.min()) / 2, 1e-12)
    basis = np.vander((x - middle) / half, degree + 1, increasing=True)
    curves = np.vander((everywhere - middle) / half, degree + 1, increasing=True)
    return np.ascontiguousarray(np.linalg.pinv(basis)), np.ascontiguousarray(curves.T)


def _pre_edge(energy: Floats, e0: float, center: int, given: Settings) -> tuple[tuple[int, int], bool]:
    """Return the points of the pre-edge and whether they carry a line (else a constant)."""
    unit = 5.0 if center > 20 else 2.0
    start = unit * round((energy[1] - e0) / unit) if given.pre1 is None else given.pre1
    start = max(start, energy.min() - e0)
    stop = 0.5 * start if given.pre2 is None else given.pre2
    start, stop = min(start, stop), max(start, stop)
    offsets = energy - e0
    straight = _at_or_below(offsets, stop) - _at_or_below(offsets, start) >= 3
    first, last = _at_or_below(energy, start + e0), _nearest(energy, stop + e0)
    if straight and last - first < 2:
        last = min(energy.size, first + 2)
    return (first, max(last, first + 1)), straight


def _post_edge(energy: Floats, e0: float, given: Settings) -> tuple[tuple[int, int], int]:
    """Return the points of the post-edge and the degree of its polynomial."""
    end = energy.max() - e0
    stop = 5.0 * round(end / 5.0) if given.norm2 is None else given.norm2
    stop = min(end - stop if stop < 0 else stop, end)
    start = min(25, 5.0 * round(stop / 15.0)) if given.norm1 is None else given.norm1
    start, stop = min(start, stop), max(start, stop)
    start = min(start, stop - 2)
    span = stop - start
    degree = (2 if span >= 300 else 1 if span >= 30 else 0) if given.nnorm is None else given.nnorm
    degree = max(min(degree, _MAX_DEGREE), 0)
    first, last = min(_at_or_below(energy, start + e0), energy.size - 3), _nearest(energy, stop + e0)
    if last - first < 2:
        first, degree = max(first - 2, 0), 0
    elif last - first < 5:
        degree = min(1, degree)
    return (first, last), degree


def _at_or_below(values: Floats, value: float) -> int:
    return 0 if value < values.min() else int(np.flatnonzero(values <= value)[-1])


def _nearest(values: Floats, value: float) -> int:
    return int(np.abs(values - value).argmin())
