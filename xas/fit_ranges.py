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
    center = nearest(energy, e0)
    pre1, pre2, norm1, norm2 = fit_offsets(energy, e0, given)
    pre, straight = _pre_edge(energy, e0, pre1, pre2)
    post, post_degree = _post_edge(energy, e0, (norm1, norm2), given.nnorm)
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


def fit_offsets(energy: Floats, e0: float, given: Settings) -> tuple[float, float, float, float]:
    """Return where the pre-edge and the post-edge begin and end, in eV relative to e0, as the rule completes them."""
    unit = 5.0 if nearest(energy, e0) > 20 else 2.0
    pre1 = unit * round((energy[1] - e0) / unit) if given.pre1 is None else given.pre1
    pre1 = max(pre1, energy.min() - e0)
    pre2 = 0.5 * pre1 if given.pre2 is None else given.pre2
    end = energy.max() - e0
    norm2 = 5.0 * round(end / 5.0) if given.norm2 is None else given.norm2
    norm2 = min(end - norm2 if norm2 < 0 else norm2, end)
    norm1 = min(25, 5.0 * round(norm2 / 15.0)) if given.norm1 is None else given.norm1
    norm1, norm2 = min(norm1, norm2), max(norm1, norm2)
    return min(pre1, pre2), max(pre1, pre2), min(norm1, norm2 - 2), norm2


def _pre_edge(energy: Floats, e0: float, start: float, stop: float) -> tuple[tuple[int, int], bool]:
    """Return the points of the pre-edge and whether they carry a line (else a constant)."""
    offsets = energy - e0
    straight = at_or_below(offsets, stop) - at_or_below(offsets, start) >= 3
    first, last = at_or_below(energy, start + e0), nearest(energy, stop + e0)
    if straight and last - first < 2:
        last = min(energy.size, first + 2)
    return (first, max(last, first + 1)), straight


def _post_edge(energy: Floats, e0: float, ends: tuple[float, float], wanted: int | None) -> tuple[tuple[int, int], int]:
    """Return the points of the post-edge and the degree of its polynomial."""
    start, stop = ends
    span = stop - start
    degree = (2 if span >= 300 else 1 if span >= 30 else 0) if wanted is None else wanted
    degree = max(min(degree, _MAX_DEGREE), 0)
    first, last = min(at_or_below(energy, start + e0), energy.size - 3), nearest(energy, stop + e0)
    if last - first < 2:
        first, degree = max(first - 2, 0), 0
    elif last - first < 5:
        degree = min(1, degree)
    return (first, last), degree


def at_or_below(values: Floats, value: float) -> int:
    """Return the last index whose value is not above ``value``; 0 if all are."""
    return 0 if value < values.min() else int(np.flatnonzero(values <= value)[-1])


def nearest(values: Floats, value: float) -> int:
    """Return the index of the value nearest to ``value``."""
    return int(np.abs(values - value).argmin())
