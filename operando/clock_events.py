"""Offset and drift of a clock from events that it and the reference clock both noted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from .clock import Clock, Times, seconds_since
from .errors import ClockError
from .history import recorded
from .shared_channel import DRIFT_PRIOR

Array = npt.NDArray[np.float64]

DISAGREE = 4.0
"""Standard uncertainties by which an event may lie off the others; one farther off is another event, or a slip."""
HOUR, NEAR = 3600.0, 120.0
"""An offset this near (s) to whole half hours, and not to none, looks like a mistaken time zone."""


def clock_from_events(
    shown: Times,
    reference: Times,
    std: npt.ArrayLike,
    *,
    labels: Sequence[str] = (),
    t_ref: np.datetime64 | None = None,
    span: tuple[Any, Any] | None = None,
    name: str = "clock",
    reference_name: str = "cycler",
    method: str = "event",
) -> tuple[Clock, xr.Dataset]:
    """Return the clock that noted events, a beam dump, a shutter, a trigger, which the reference clock noted too.

    Parameters
    ----------
    shown, reference
        The events' times by this clock and by the reference (UTC, as either shows it).
    std
        Standard uncertainty (s) of their difference, one or for each: how sharply both notes tell the event.
    labels
        Names of the events.
    t_ref
        Instant at which ``offset`` is stated; the first event by default.
    span
        First and last time (UTC) for which ``sigma`` shall hold on average; those of the events by default.
    name, reference_name
        The two clocks.
    method
        ``"event"`` or ``"trigger"``.

    Returns
    -------
    Clock
        With ``sigma``, the root mean square of the corrected time's uncertainty over ``span``.
    Dataset
        Over ``event``: ``residual`` and ``std`` (s). ``offset`` (s) and ``drift`` (s/s) with ``_std`` and
        ``offset_drift_covariance``; ``reduced_chi_square``.

    Raises
    ------
    ClockError
        If there is no event, a time or ``std`` is missing, or one event lies off the others by more than four standard
        uncertainties.

    Notes
    -----
    shown - reference = offset + drift (reference - t_ref), by least squares with the weights 1/std^2. A drift of
    0 +- 2e-4, what quartz clocks have at most, is known before: it decides where events are few or close. Errors grow
    by the root of the reduced chi^2, if that is above 1. Events are marks of instruments, never of the chemistry.

    P. R. Bevington, D. K. Robinson, Data Reduction and Error Analysis for the Physical Sciences, McGraw-Hill (2003).

    Examples
    --------
    >>> import numpy as np
    >>> import operando
    >>> reference = np.datetime64("2024-03-01T08:00", "ns") + np.arange(3) * np.timedelta64(10, "h")
    >>> shown = reference + np.timedelta64(37, "s")
    >>> clock, residuals = operando.clock_from_events(shown, reference, 0.5, name="beamline")
    >>> print(f"{clock.offset:.1f} s, drift {abs(clock.drift) * 1e6:.1f} ppm, uncertainty {clock.sigma:.1f} s")
    37.0 s, drift 0.0 ppm, uncertainty 0.4 s
    """
    since, off, sigma, names = _checked(shown, reference, std, labels, name)
    start = (np.min(np.atleast_1d(reference)) if t_ref is None else t_ref).astype("M8[ns]")
    since = since + float((np.min(reference) - start) / np.timedelta64(1, "s"))
    design = np.column_stack([np.ones(off.size), since])
    weight = 1 / sigma**2
    precision = design.T @ (design * weight[:, None]) + np.diag([0.0, 1 / DRIFT_PRIOR**2])
    covariance = np.asarray(np.linalg.inv(precision), np.float64)
    offset, drift = covariance @ (design.T @ (weight * off))
    residual = off - design @ (offset, drift)
    _refuse_strays(since, off, sigma, names, name)
    chi = float((weight * residual**2).sum()) / max(off.size - 2, 1)
    if off.size > 2:
        covariance *= max(chi, 1.0)
    ends = np.array(span if span is not None else (np.min(reference), np.max(reference)), "M8[ns]")
    clock = Clock(name, reference_name, start, float(offset), float(drift), _sigma(ends, start, covariance), method)
    return clock, _told(clock, covariance, chi, (residual, sigma, reference, names))


def zone_trap(clock: Clock) -> str:
    """Return what is odd about a clock that differs by whole half hours; empty if nothing is."""
    halves = round(clock.offset / (HOUR / 2))
    if halves == 0 or abs(clock.offset - halves * HOUR / 2) > NEAR:
        return ""
    return (
        f"clock {clock.name!r} shows {halves / 2:+g} h to {clock.reference!r}, within {NEAR:g} s: a time zone or "
        "daylight-saving time was likely mistaken; check timezone in the recipe before trusting the offset"
    )


def _checked(
    shown: Times, reference: Times, std: npt.ArrayLike, labels: Sequence[str], name: str
) -> tuple[Array, Array, Array, list[str]]:
    """Return seconds since the first event, differences (s), their standard uncertainties and names."""
    shown, reference = np.atleast_1d(shown), np.atleast_1d(reference)
    if shown.size != reference.size or not shown.size:
        raise ClockError(f"clock {name!r}: expected events noted by both clocks, got {shown.size} and {reference.size}")
    names = [str(label) for label in labels] or [f"event {number}" for number in range(1, shown.size + 1)]
    sigma = np.broadcast_to(np.asarray(std, float), shown.shape).copy()
    since = seconds_since(reference, np.min(reference))
    off = seconds_since(shown, np.min(reference)) - since
    bad = ~(np.isfinite(since) & np.isfinite(off) & np.isfinite(sigma) & (sigma > 0))
    if bad.any():
        at = names[int(np.flatnonzero(bad)[0])]
        raise ClockError(f"clock {name!r}: expected two times and a std above 0 s for each event, got less for {at!r}")
    return since, off, sigma, names


def _refuse_strays(since: Array, off: Array, sigma: Array, names: list[str], name: str) -> None:
    """Refuse an event that lies off the line through the others."""
    if off.size < 3:
        return
    far = np.empty(off.size)
    for k in range(off.size):
        rest = np.arange(off.size) != k
        design = np.column_stack([np.ones(off.size), since])
        weight = 1 / sigma[rest] ** 2
        inverse = np.linalg.inv(design[rest].T @ (design[rest] * weight[:, None]) + np.diag([0.0, 1 / DRIFT_PRIOR**2]))
        expected = design[k] @ inverse @ (design[rest].T @ (weight * off[rest]))
        far[k] = (off[k] - expected) / np.sqrt(sigma[k] ** 2 + design[k] @ inverse @ design[k])
    worst = int(abs(far).argmax())
    if abs(far[worst]) > DISAGREE:
        raise ClockError(
            f"clock {name!r}: expected events that agree, got {names[worst]!r} off the others by "
            f"{abs(far[worst]):.1f} standard uncertainties; was it another event, or is std too small?"
        )


def _sigma(ends: Times, start: np.datetime64, covariance: Array) -> float:
    """Return the root mean square of the error of a corrected time over a span."""
    first, last = (float(edge) for edge in seconds_since(ends, start))
    at = np.linspace(first, last, 101)
    variance = covariance[0, 0] + 2 * at * covariance[0, 1] + at**2 * covariance[1, 1]
    return float(np.sqrt(variance.mean()))


def _told(clock: Clock, covariance: Array, chi: float, events: tuple[Array, Array, Times, list[str]]) -> xr.Dataset:
    residual, sigma, reference, names = events
    words = {
        "offset": (clock.offset, "s", "offset of the clock at t_ref"),
        "offset_std": (covariance[0, 0] ** 0.5, "s", "standard uncertainty of the offset"),
        "drift": (clock.drift, "1", "drift of the clock"),
        "drift_std": (covariance[1, 1] ** 0.5, "1", "standard uncertainty of the drift"),
        "offset_drift_covariance": (covariance[0, 1], "s", "covariance of offset and drift"),
        "reduced_chi_square": (chi, "1", "squares of the residuals by those of their errors, per degree of freedom"),
    }
    ds = xr.Dataset(
        {key: ((), float(value), {"units": unit, "long_name": text}) for key, (value, unit, text) in words.items()}
    )
    ds["residual"] = ("event", residual, {"units": "s", "long_name": "difference of the clocks off the line"})
    ds["std"] = ("event", sigma, {"units": "s", "long_name": "standard uncertainty of the difference"})
    ds = ds.assign_coords(event=np.array(names, object), time=("event", np.atleast_1d(reference).astype("M8[ns]")))
    return recorded(ds.assign_attrs(clock=clock.to_json()), "clock_from_events", {"method": clock.method})
