"""From count rates back to counts, where they are whole counts in the time that a file states."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_DIGITS, _ALL_DIGITS = 6, 15
"""CasaXPS and some instruments print six digits; a double has fifteen that are sure."""
_DECIMALS = 6
_FINEST, _DECIDABLE, _EXACT = 1e-3, 0.1, 1e-6
_FEWEST, _TELLING, _MOST = 3, 20, 2.0**53
NOT_WHOLE = "the counts are no whole numbers: they were scaled or corrected, so that Poisson errors may not hold"


def counts_of(rates: Floats, seconds: float | None, error: Floats | None = None) -> Floats | None:
    """Return the counts behind rates, or None if they cannot be known or were all multiplied by one number.

    Parameters
    ----------
    rates, seconds, error
        As :func:`whole_counts` takes them.
    """
    counts = whole_counts(rates, seconds, error)
    return None if counts is None or common_divisor(counts) > 1 else counts


def whole_counts(rates: Floats, seconds: float | None, error: Floats | None = None) -> Floats | None:
    """Return rates times the time counted, or None if that does not show that electrons were counted.

    Parameters
    ----------
    rates
        Counts per second, any shape; NaN stays NaN.
    seconds
        Time counted per point, over all sweeps.
    error
        By how much a rate may be off; by default half a step in the last digit that the rates seem to be written with,
        of six at least.

    Notes
    -----
    Counts are whole numbers and not negative. A point at which a rate times ``seconds`` may be off by more than 0.1
    decides nothing; half of the points and 3 at least have to, and all that do have to agree. Where the error is not
    known, it is enough that all are whole, but rates rounded to steps of more than one count decide nothing.
    """
    known = np.isfinite(rates)
    if seconds is None or not 0 < seconds < np.inf or known.sum() < _FEWEST:
        return None
    if np.abs(rates[known]).max() > _MOST / max(seconds, 1.0):
        return None
    counts = np.where(known, rates, np.nan) * seconds
    whole = np.rint(counts)
    if (counts[known] < -_DECIDABLE).any() or (error is None and _step(rates[known]) * seconds > 1 + _FINEST):
        return None
    off = (rounding(rates, printed_digits(rates)) if error is None else error) * seconds + _FINEST
    decides = known & (off <= _DECIDABLE)
    apart = np.abs(counts - whole)
    shown = decides.sum() >= max(_FEWEST, known.sum() / 2) and (apart <= off)[decides].all()
    exact = error is None and (apart[known] <= _FINEST).all()
    return np.abs(whole) if shown or exact else None


def common_divisor(counts: Floats) -> int:
    """Return the largest number that divides all counts, 1 if fewer than 20 are not zero.

    Electrons that were counted one by one have none but 1: a larger one says that the counts were multiplied by it.
    """
    known = counts[np.isfinite(counts) & (counts != 0)]
    return int(np.gcd.reduce(known.astype(np.int64))) if known.size >= _TELLING else 1


def all_whole(values: Floats) -> bool:
    """Return whether values are counts: whole, none negative, missing ones left aside, some known."""
    known = values[np.isfinite(values)]
    return bool(known.size and (known >= 0).all() and (np.abs(known - np.rint(known)) <= _EXACT).all())


def rounding(values: Floats, digits: int) -> Floats:
    """Return by how much numbers written with so many significant digits may be off."""
    half: Floats = 0.5 * 10.0 ** (_power(values) + 1 - digits)
    return np.where(np.nan_to_num(values) != 0, half, 0.0)


def printed_digits(values: Floats) -> int:
    """Return with how many significant digits numbers seem to be written: six at least, since zeros at the end hide."""
    known = values[np.isfinite(values) & (values != 0)]
    for digits in range(_DIGITS, _ALL_DIGITS):
        step = 10.0 ** (_power(known) + 1 - digits)
        if (np.abs(known / step - np.rint(known / step)) * step <= 4 * np.finfo(float).eps * np.abs(known)).all():
            return digits
    return _ALL_DIGITS


def _power(values: Floats) -> Floats:
    size = np.abs(np.nan_to_num(values))
    power: Floats = np.floor(np.log10(np.where(size > 0, size, 1.0)))
    return power


def _step(rates: Floats) -> float:
    """Return the step to which rates were printed, such as 0.01."""
    for decimals in range(_DECIMALS):
        if (np.abs(rates * 10**decimals - np.rint(rates * 10**decimals)) < 1e-6 * np.maximum(1, np.abs(rates))).all():
            return float(10.0**-decimals)
    return float(10.0**-_DECIMALS)
