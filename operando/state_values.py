"""What quantities were at a time, a potential or a state of charge: interpolated between scans, never beyond them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from .clock import Clock, seconds_since
from .errors import OperandoError
from .history import recorded
from .linking import link
from .onset_times import clock_sigma, onsets
from .windows import Moment, window

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

SCAN = "scan"
TOLERANCE = 0.02
"""Farthest distance in potential (V) or state of charge of a scan that tells what is so at a state."""
TYPICAL = 2.0
"""Farthest distance in time of a scan, in median intervals between scans."""


def at(
    source: xr.DataTree | xr.Dataset,
    *,
    time: Moment | None = None,
    potential: float | None = None,
    soc: float | None = None,
    half_cycle: int | None = None,
    tolerance: float | None = None,
) -> xr.Dataset:
    """Return what the quantities of a series or a log were at one time, potential or state of charge.

    Parameters
    ----------
    source
        A series over ``scan``; a log over ``time``, or an experiment, whose log is asked.
    time, potential, soc
        The state: a moment (UTC), V, or 1. Exactly one of them.
    half_cycle
        The half-cycle in which the state is meant; by default the first time that it is reached.
    tolerance
        Farthest distance (s for a time, else the unit of the quantity) of the two scans around the state. By default
        2 median intervals between scans, 0.02 V or 0.02. For a log: the gaps within it and nothing else.

    Returns
    -------
    Dataset
        Every number along ``scan`` (or ``time``) without that dim, with ``_std``; NaN where no two scans within the
        tolerance lie around the state, or where one of them has no value. ``time`` is when the state was reached.

    Raises
    ------
    OperandoError
        If not one state is asked, or the data know neither it nor the half-cycle.

    Notes
    -----
    The scans around the state are the first two that follow each other in time, both sound in their place, with the
    state between them: ``y = (1 - u) y0 + u y1``, and, with the slope ``b = (y1 - y0)/(x1 - x0)``,
    ``std^2 = (1-u)^2 std0^2 + u^2 std1^2 + b^2 ((1-u)^2 xstd0^2 + u^2 xstd1^2)``. The errors of the place are those
    that linking found, the spread within a scan among them. A log gives the values at the moment at which the state
    is crossed (:func:`operando.onsets`), by :func:`operando.link`, whose errors they
    have; the moment's error and that of the log's sensor enter through the slopes.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> import operando
    >>> scans = xr.Dataset(
    ...     {"edge_energy": ("scan", [8344.0, 8345.0], {"units": "eV"}), "edge_energy_std": ("scan", [0.1, 0.1])},
    ...     coords={
    ...         "potential": ("scan", [3.99, 4.01]),
    ...         "time": ("scan", np.array(["2024-03-01T08:00", "2024-03-01T08:05"], "M8[ns]")),
    ...     },
    ... )
    >>> found = operando.at(scans, potential=4.0)
    >>> print(found["edge_energy"].item(), round(found["edge_energy_std"].item(), 4))
    8344.5 0.0707
    """
    asked = {name: one for name, one in (("time", time), ("potential", potential), ("soc", soc)) if one is not None}
    if len(asked) != 1:
        raise OperandoError(f"at: expected one of time, potential and soc, got {len(asked)} of them; ask for one state")
    if isinstance(source, xr.DataTree):
        source = source.children.get("echem", source).to_dataset()
    ((name, state),) = asked.items()
    if name not in source.variables:
        raise OperandoError(f"at: expected data with {name!r}, got none; link the series to a log, or state the cell")
    kept = source if half_cycle is None else window(source, half_cycle=half_cycle)
    dim = SCAN if SCAN in source.dims else "time"
    if not kept.sizes[dim] or not in_order(kept, name)[0].size:
        raise OperandoError(
            f"at: expected data that know {name!r} in half-cycle {half_cycle}, got none; see its coords"
        )
    ds = _of_series(kept, name, state, tolerance) if dim == SCAN else _of_log(source, kept, name, state)
    parameters = {name: str(state) if name == "time" else state, "half_cycle": half_cycle, "tolerance": tolerance}
    return recorded(ds, "at", parameters, after=source)


def around(x: Array, state: float, tolerance: float) -> tuple[int, int, float] | None:
    """Return the first two neighbors in ``x`` around ``state`` within ``tolerance``, and the second one's share."""
    near = abs(x - state) <= tolerance
    between = (x[:-1] - state) * (x[1:] - state) <= 0
    found = np.flatnonzero(near[:-1] & near[1:] & between)
    if not found.size:
        return None
    one = int(found[0])
    width = float(x[one + 1] - x[one])
    return one, one + 1, float(state - x[one]) / width if width else 0.0


def in_order(series: xr.Dataset, name: str) -> tuple[Integers, Array]:
    """Return the scans that know their time and place, in order of time, and the place of each (a time as s)."""
    times = series["time"].values.astype("M8[ns]")
    known = ~np.isnat(times)
    since = seconds_since(times, times[known].min()) if known.any() else np.full(times.size, np.nan)
    place = since if name == "time" else series[name].values.astype("f8")
    kept = np.flatnonzero(np.isfinite(place) & known)
    order: Integers = kept[np.argsort(since[kept], kind="stable")]
    return order, place[order]


def numbers_along(ds: xr.Dataset, dim: str) -> list[str]:
    """Return the names of the floating-point numbers along ``dim``, their uncertainties left out."""
    names = (str(name) for name, data in ds.variables.items() if dim in data.dims and data.dtype.kind == "f")
    return [name for name in names if not name.endswith("_std")]


def _of_series(series: xr.Dataset, name: str, state: Any, tolerance: float | None) -> xr.Dataset:
    """Return every number of a series at a state, interpolated between two scans."""
    order, x = in_order(series, name)
    place = float(state) if name != "time" else _moment_after(series, order, state)
    reach = tolerance if tolerance is not None else TYPICAL * _interval(x) if name == "time" else TOLERANCE
    first, second, share = around(x, place, reach) or (0, 0, np.nan)
    ends = [series.isel({SCAN: int(order[one])}) for one in (first, second)]
    apart = float(x[second] - x[first])
    weights = (1 - share, share)
    out: dict[str, xr.Variable] = {}
    for key in numbers_along(series, SCAN):
        one, other = (end[key].variable for end in ends)
        slope = (other - one) / apart if apart else 0.0 * one
        variance = slope**2 * _place_variance(ends, weights, name, series)
        if f"{key}_std" in series.variables:
            variance = variance + sum(
                (weight * end[f"{key}_std"].variable) ** 2 for weight, end in zip(weights, ends, strict=True)
            )
        out[key] = _labeled(one * weights[0] + other * weights[1], series[key].attrs)
        out[f"{key}_std"] = _labeled(variance**0.5, _std_attrs(series, key))
    moments = [end["time"].values.astype("M8[ns]") for end in ends]
    ns = 0 if np.isnan(share) else int(share * (moments[1] - moments[0]).astype("i8"))
    reached = np.datetime64("NaT", "ns") if np.isnan(share) else moments[0] + np.timedelta64(ns, "ns")
    kept = {str(key): data for key, data in series.coords.items() if SCAN not in data.dims}
    attrs = {"long_name": "time at which the state was reached, UTC"}
    return xr.Dataset(out, coords={**kept, "time": xr.Variable((), reached, attrs)}, attrs=series.attrs)


def _interval(x: Array) -> float:
    """Return the median interval between scans."""
    return float(np.median(np.diff(x))) if x.size > 1 else 0.0


def _place_variance(ends: list[xr.Dataset], weights: tuple[float, float], name: str, series: xr.Dataset) -> float:
    """Return the variance of where the two scans lie: that of their states, or of their clock."""
    if name == "time":
        return clock_sigma(series) ** 2
    stds = [float(end[f"{name}_std"]) if f"{name}_std" in end.variables else 0.0 for end in ends]
    return float(sum((weight * np.nan_to_num(std)) ** 2 for weight, std in zip(weights, stds, strict=True)))


def _labeled(variable: xr.Variable, attrs: Mapping[str, Any]) -> xr.Variable:
    return xr.Variable(variable.dims, variable.data, dict(attrs))


def _std_attrs(ds: xr.Dataset, key: str) -> dict[str, Any]:
    named = str(ds[key].attrs.get("long_name", key))
    return {"units": ds[key].attrs.get("units", "1"), "long_name": f"standard uncertainty of {named}"}


def _moment_after(series: xr.Dataset, order: Integers, moment: Moment) -> float:
    first = series["time"].values.astype("M8[ns]")[order].min()
    return float(seconds_since(np.array([str(moment).removesuffix("Z")], "M8[ns]"), first)[0])


def _of_log(log: xr.Dataset, part: xr.Dataset, name: str, state: Any) -> xr.Dataset:
    """Return every number of a log at a state: linked as a scan without length at the moment that it is reached."""
    moment: Any = np.datetime64("NaT", "ns")
    sigma = 0.0
    if name == "time":
        moment = np.datetime64(str(state).removesuffix("Z"), "ns")
    else:
        found = [onsets(part, name, above=float(state)), onsets(part, name, below=float(state))]
        reached = xr.concat(found, "onset", data_vars="minimal", combine_attrs="drop").sortby("time")
        if reached.sizes["onset"]:
            moment = reached["time"].values[0]
            sigma = float(np.hypot(reached["time_std"][0], reached["time_systematic"][0]))
    times = dict.fromkeys(("time_start", "time", "time_end"), moment)
    point = xr.Dataset(coords={**times, "flag": np.int32(0)})
    clock = Clock("onset", "log", log["time"].values[0], sigma=sigma)
    linked = link(point, log, clock).drop_vars(["time_start", "time_end", "ec_samples"])
    return linked.reset_coords([name for name in linked.coords if name != "time"]).drop_attrs(deep=False)
