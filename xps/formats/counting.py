"""From count rates back to counts, where they are whole counts in the time that a file states."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_DIGITS = 6
"""Digits to which CasaXPS and some instruments print."""
_FINEST, _ABSOLUTE, _TELLING = 1e-3, 6, 0.1
NOT_WHOLE = "the counts are no whole numbers: they were scaled or corrected, so that Poisson errors may not hold"


def counts_of(rate: Floats, duration: float | None) -> Floats | None:
    """Return the counts behind rates (count/s), or None if they cannot be known.

    Parameters
    ----------
    duration
        Time counted per point over all sweeps, s.

    Notes
    -----
    They are known if rate times duration is a whole number at every point, and the rates were not rounded to steps of
    more than one count. Rates may be rounded to six digits if half of the points or more are small enough to tell.
    """
    finite = np.isfinite(rate)
    if duration is None or not duration > 0 or not finite.any():
        return None
    product = rate * duration
    whole = np.round(product)
    apart, allowed = np.abs(product - whole), np.maximum(_FINEST, _rounding(rate) * duration)
    telling = finite & (allowed < _TELLING)
    rounded = telling.sum() * 2 >= finite.sum() and (apart <= allowed)[telling].all()
    if not rounded and (apart[finite] > _FINEST).any():
        return None
    if _resolution(rate[finite]) * duration > 1 + _FINEST or (product[finite] < -_TELLING).any():
        return None
    return np.where(finite, whole, np.nan)


def all_whole(values: Floats) -> bool:
    """Whether values are whole numbers, missing ones left aside."""
    finite = values[np.isfinite(values)]
    return bool((finite == np.round(finite)).all())


def _rounding(rate: Floats) -> Floats:
    """Return by how much rates may be off that were rounded to six digits."""
    size = np.maximum(np.abs(np.nan_to_num(rate)), 1e-300)
    half_step: Floats = 0.501 * 10.0 ** (np.floor(np.log10(size)) + 1 - _DIGITS)
    return half_step


def _resolution(rate: Floats) -> float:
    """Return the step to which rates were printed, such as 0.01."""
    for digits in range(_ABSOLUTE):
        if (np.abs(rate * 10**digits - np.round(rate * 10**digits)) < 1e-6 * np.maximum(1, np.abs(rate))).all():
            return float(10.0**-digits)
    return float(10.0**-_ABSOLUTE)
