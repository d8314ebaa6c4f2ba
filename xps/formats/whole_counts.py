"""Counts from rates: where a rate times the time counted is a whole number at every point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_DECIDABLE = 0.25
_FEWEST, _TELLING = 3, 20


def whole_counts(rates: Floats, seconds: float | None, error: Floats | float = 0.0) -> Floats | None:
    """Return the electrons counted, or None if the numbers do not show that they were counted for that time.

    Parameters
    ----------
    rates
        Counts per second, any shape; NaN stays NaN.
    seconds
        Time counted per point, over all sweeps.
    error
        By how much a rate times ``seconds`` may be off for the digits that the file has, in counts. Points where that
        exceeds 0.25 decide nothing; half of the points and 3 at least have to.
    """
    if seconds is None or not np.isfinite(seconds) or seconds <= 0:
        return None
    counts = rates * seconds
    whole = np.rint(counts)
    known = np.isfinite(counts)
    allowed = np.broadcast_to(error, counts.shape)
    decides = known & (allowed <= _DECIDABLE)
    if decides.sum() < max(_FEWEST, known.sum() / 2):
        return None
    off = np.abs(counts - whole)[decides] > allowed[decides] + 1e-6
    return None if off.any() or (whole[decides] < 0).any() else whole


def common_divisor(counts: Floats) -> int:
    """Return the largest number that divides all counts, 1 if fewer than 20 are not zero.

    Electrons that were counted one by one have none but 1: a larger one says that the counts were multiplied by it.
    """
    known = counts[np.isfinite(counts) & (counts != 0)]
    return int(np.gcd.reduce(known.astype(np.int64))) if known.size >= _TELLING else 1


def rounding(values: Floats, digits: int) -> Floats:
    """Return by how much numbers written with so many significant digits may be off."""
    size = np.abs(values)
    power = np.floor(np.log10(np.where(size > 0, size, 1.0)))
    return np.where(size > 0, 0.5 * 10.0 ** (power + 1 - digits), 0.0)
