"""What each choice of a clock would make of a series: the potential of every scan under every one of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from .clock import Clock
from .errors import ClockError
from .history import recorded
from .linking import CLOCK, link
from .schema import LINKED

_TIMES = ("time_start", "time", "time_end")
_HOUR = 3600.0
_STATES = ("potential", "voltage")
AS_STORED = "as stored"


def clock_choices(
    series: xr.Dataset, echem: xr.Dataset, clocks: Iterable[Clock | Mapping[str, Any]] = ()
) -> xr.Dataset:
    """Return the potential of every scan as different choices of the scans' clock would have it.

    Parameters
    ----------
    series
        A linked series; its ``attrs["clock"]`` says which clock was chosen.
    echem
        The log it was linked to.
    clocks
        Further clocks to try.

    Returns
    -------
    Dataset
        Over ``choice`` (as stored, not corrected, an hour more, an hour less, and the further clocks) and ``scan``:
        ``potential`` (V, or ``voltage`` where no potential is stated) and ``difference`` from what is stored, NaN where
        the log does not cover the scan. Over ``choice``: ``offset`` (s), ``drift``, ``sigma`` (s), ``rms`` (V) of the
        difference and ``outside``, the number of scans that leave the log.

    Raises
    ------
    ClockError
        If the series or the log has no times.
    """
    if "time" not in series.coords or "scan" not in series.dims or not echem.sizes.get("time"):
        raise ClockError("clock_choices: expected scans with times and a log, got none")
    state = next(name for name in _STATES if name in echem)
    stored = Clock.from_dict(json.loads(series.attrs[CLOCK])) if CLOCK in series.attrs else _none(echem)
    shown = _as_shown(series, stored if CLOCK in series.attrs else None)
    tried = _choices(stored, clocks, named=CLOCK in series.attrs)
    rows = [link(shown, echem, clock)[state].values for clock in tried.values()]
    values = np.stack(rows)
    difference = values - values[0]
    attrs = dict(echem[state].attrs)
    lost = np.isnan(values).sum(axis=1) - np.isnan(values[0]).sum()
    numbers = {
        "offset": ("s", "what the clock is taken to show too much", [clock.offset for clock in tried.values()]),
        "drift": ("1", "drift of the clock", [clock.drift for clock in tried.values()]),
        "sigma": ("s", "standard uncertainty of a corrected time", [clock.sigma for clock in tried.values()]),
        "rms": ("V", f"root mean square of the change of the {state}", np.sqrt(_mean_square(difference))),
        "outside": ("1", "scans that would leave the log, more than as stored", lost.astype(float)),
    }
    ds = xr.Dataset(
        {
            state: (("choice", "scan"), values, {"units": "V", "long_name": attrs.get("long_name", state)}),
            "difference": (("choice", "scan"), difference, {"units": "V", "long_name": f"change of the {state}"}),
            **{
                key: ("choice", np.asarray(column, float), {"units": unit, "long_name": text})
                for key, (unit, text, column) in numbers.items()
            },
        },
        {
            "choice": ("choice", np.array(list(tried), object)),
            "method": ("choice", np.array([clock.method for clock in tried.values()], object)),
            "time": ("scan", series["time"].values, {"long_name": "middle of the scan, UTC, as stored"}),
        },
    )
    return recorded(ds, "clock_choices", {"choices": list(tried)})


def _none(echem: xr.Dataset) -> Clock:
    return Clock("scans", "log", np.datetime64(echem["time"].values[0], "ns"))


def _choices(stored: Clock, clocks: Iterable[Clock | Mapping[str, Any]], *, named: bool) -> dict[str, Clock]:
    """Return the clocks to try by their names, the stored one first."""
    out = {f"{AS_STORED}: {stored.name}" if named else AS_STORED: stored}
    if named:
        out["not corrected"] = replace(stored, offset=0.0, drift=0.0, sigma=0.0, method="assumed")
    for sign, word in ((1, "an hour later"), (-1, "an hour earlier")):
        out[word] = replace(stored, offset=stored.offset - sign * _HOUR, method="assumed")
    for one in clocks:
        clock = one if isinstance(one, Clock) else Clock.from_dict(one)
        if clock.name != stored.name:
            out[clock.name] = clock
    return out


def _as_shown(series: xr.Dataset, clock: Clock | None) -> xr.Dataset:
    """Return the coordinates of the scans with the times that their own clock showed."""
    linked = {var.name for var in LINKED}
    kept = {str(key): var for key, var in series.coords.items() if var.dims == ("scan",) and str(key) not in linked}
    out = xr.Dataset(coords=kept)
    if "flag" not in out.coords:
        out = out.assign_coords(flag=("scan", np.zeros(series.sizes["scan"], "i4")))
    if clock is None:
        return out
    return out.assign_coords(
        {name: ("scan", clock.from_reference(out[name].values)) for name in _TIMES if name in out.coords}
    )


def _mean_square(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    squares = np.where(known, values, 0.0) ** 2
    mean: np.ndarray = squares.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return mean
