"""Put the electrochemistry on every scan: the mean over the scan's own interval, never the nearest sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from .clock import Clock, seconds_since
from .cyclers.log import MEAN
from .echem import typical_interval
from .errors import ClockError
from .flags import Flag
from .flags import attrs as flag_attrs
from .history import recorded_again
from .schema import LINKED, RECORDED

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

CLOCK = "clock"
"""Attribute of a linked series that keeps, as JSON, the clock its times were corrected by."""

_AVERAGED = ("voltage", "potential", "current", "charge", "soc")
_TIMES = dict(zip(("time_start", "time", "time_end"), RECORDED, strict=True))
"""Times of a scan, and what keeps each as the scan's own clock showed it."""
_BY_LOG = int(Flag.ec_gap | Flag.ec_outside)


def link(series: xr.Dataset, echem: xr.Dataset, clock: Clock | None = None) -> xr.Dataset:
    """Return ``series`` with the electrochemistry of every scan as coordinates along ``scan``.

    Parameters
    ----------
    series
        Scans with ``time_start``, ``time``, ``time_end`` (UTC) and ``flag``; or one scan, with them as scalars. A
        series that was linked before is linked anew, from the times that its own clock showed.
    echem
        What :func:`operando.echem.read` returned.
    clock
        The clock that the scans' times were written by. They are brought to the electrochemistry's clock first;
        the clock is kept in ``attrs["clock"]``. None: both are one clock, exact.

    Returns
    -------
    Dataset
        With the coordinates of :data:`operando.schema.LINKED`, and with a clock those of
        :data:`operando.schema.RECORDED`.

    Raises
    ------
    ClockError
        If the times of ``series`` have been corrected before, and what they were is not kept.

    Notes
    -----
    A value is ``Int v dt / Int dt`` over the part of the scan that the log covers, ``v`` interpolated between
    samples of one segment only (a current that is the mean since the last sample is constant in between).
    Its uncertainty combines the spread of ``v`` within the scan, the sensor's error ``u`` (the log's
    ``<name>_std``, ``voltage_error`` or ``current_offset_std``) and the clock's ``sigma``::

        std^2 = spread^2 + u^2 + (|v(end) - v(start)| / length * sigma)^2

    ``half_cycle`` and ``cycle`` are those in which most of the scan lies. A scan that the log does not cover at
    all, or of which more than max(2 typical intervals, 3 sigma) is not covered, is NaN, with ``ec_gap`` (between
    segments) or ``ec_outside`` (before or after the log); one that misses less is flagged and keeps its value. The
    typical interval is that of the segments in which the scan starts and ends, the longer of the two.
    Nothing is extrapolated. Samples that are not finite or stand on a clock that stepped back are passed over.

    Examples
    --------
    A scan from 8:10 to 8:20 in a log whose voltage rises by 0.1 V in an hour:

    >>> import numpy as np, xarray as xr
    >>> import operando
    >>> start = np.datetime64("2024-03-01T08:00", "ns")
    >>> time, none = start + np.arange(361) * np.timedelta64(10, "s"), ("time", np.zeros(361, int))
    >>> voltage = ("time", 3.0 + np.arange(361) / 3600, {"units": "V"})
    >>> counters = dict.fromkeys(("segment", "cycle", "half_cycle", "flag"), none)
    >>> log = xr.Dataset({"voltage": voltage}, {"time": time} | counters)
    >>> minutes = {"time_start": 10, "time": 15, "time_end": 20}
    >>> scan = {name: ("scan", [start + np.timedelta64(after, "m")]) for name, after in minutes.items()}
    >>> series = xr.Dataset(coords=scan | {"flag": ("scan", [0])})
    >>> linked = operando.link(series, log)
    >>> print(round(float(linked["voltage"][0]), 3), linked["voltage"].attrs["units"])
    3.025 V
    """
    corrected = _corrected(series, clock)
    dims = corrected["time"].dims
    log = Log.of(echem)
    start, end = intervals(corrected, log.origin)
    sigma = clock.sigma if clock is not None else 0.0
    covered = log.covered(end) - log.covered(start)
    inside = np.isfinite(start) & log.holds(start, end)
    missing = np.where(inside, np.clip(end - start - covered, 0, None), np.nan)
    good = inside & (missing <= np.maximum(2 * log.typical_in(start, end), 3 * sigma))
    coords: dict[str, xr.Variable] = {}
    for name in (name for name in _AVERAGED if name in echem):
        mean, std = _average(log, name, echem, (start, end), sigma)
        coords |= _float(name, dims, np.where(good, mean, np.nan)) | _float(
            f"{name}_std", dims, np.where(good, std, np.nan)
        )
    half, cycle = log.majority(start, end, echem)
    coords |= _float("half_cycle", dims, np.where(good, half, np.nan)) | _float(
        "cycle", dims, np.where(good, cycle, np.nan)
    )
    samples = np.where(good, log.samples(start, end), 0)
    coords["ec_samples"] = _variable("ec_samples", dims, samples.astype("i4"))
    flag = (corrected["flag"].values.ravel() & ~_BY_LOG) | _reasons(log, start, end, inside, missing)
    coords["flag"] = xr.Variable(dims, flag.reshape(corrected["time"].shape).astype("i4"), flag_attrs())
    return recorded_again(corrected.assign_coords(coords), "link", {"clock": clock.to_dict() if clock else None})


def _corrected(series: xr.Dataset, clock: Clock | None) -> xr.Dataset:
    """Return ``series`` with its times on the reference clock."""
    series = _as_recorded(series)
    if clock is None:
        return series
    times: dict[str, xr.Variable] = {}
    for name, own in _TIMES.items():
        if name in series.coords:
            recorded = series[name].variable
            times[own.name] = xr.Variable(recorded.dims, recorded.values, {"long_name": own.meaning})
            times[name] = recorded.copy(data=clock.to_reference(recorded.values))
    return series.assign_coords(times).assign_attrs({CLOCK: clock.to_json()})


def _as_recorded(series: xr.Dataset) -> xr.Dataset:
    """Return ``series`` with the times that its own clock showed."""
    if CLOCK not in series.attrs:
        return series
    kept = {name: own.name for name, own in _TIMES.items() if own.name in series.coords}
    if not kept:
        raise ClockError(f"the times of this series were corrected before, by {series.attrs[CLOCK]}; link the raw one")
    back = {name: series[name].variable.copy(data=series[own].values) for name, own in kept.items()}
    attrs = {name: value for name, value in series.attrs.items() if name != CLOCK}
    return series.assign_coords(back).drop_vars(list(kept.values())).drop_attrs(deep=False).assign_attrs(attrs)


def intervals(series: xr.Dataset, origin: np.datetime64) -> tuple[Array, Array]:
    """Return start and end (s after ``origin``) of every scan; the middle stands in for what is missing."""
    middle = seconds_since(np.atleast_1d(series["time"].values), origin)
    edges = []
    for name in ("time_start", "time_end"):
        edge = seconds_since(np.atleast_1d(series[name].values), origin) if name in series.coords else middle
        edges.append(np.where(np.isnan(edge), middle, edge))
    start, end = edges
    start, end = np.where(np.isnan(start), end, start), np.where(np.isnan(end), start, end)
    return np.minimum(start, end), np.maximum(start, end)


def _variable(name: str, dims: tuple[object, ...], values: npt.NDArray[np.generic]) -> xr.Variable:
    layout = next(var for var in LINKED if var.name == name)
    shaped = values if dims else values[0]
    return xr.Variable(dims, shaped, {"units": layout.units, "long_name": layout.meaning})


def _float(name: str, dims: tuple[object, ...], values: Array) -> dict[str, xr.Variable]:
    return {name: _variable(name, dims, values)}


@dataclass(frozen=True)
class Log:
    """The usable samples of the log, in order of time, as cumulative sums over covered time."""

    origin: np.datetime64
    keep: npt.NDArray[np.bool_]
    time: Array
    segment: Integers
    width: Array
    typical: Array

    @classmethod
    def of(cls, echem: xr.Dataset) -> Log:
        """Return the log in ``echem``: ``time``, ``segment`` and ``flag``."""
        origin = np.datetime64(echem["time"].values[0], "ns")
        time = seconds_since(echem["time"].values, origin)
        unusable = int(Flag.clock_step | Flag.not_finite)
        keep = ((echem["flag"].values & unusable) == 0) & np.isfinite(time)
        time, segment = time[keep], echem["segment"].values[keep].astype(np.int64)
        width = np.where(np.diff(segment) == 0, np.diff(time), 0.0)
        pieces = np.split(time, np.flatnonzero(np.diff(segment)) + 1)
        typical = np.repeat([typical_interval(part) for part in pieces], [part.size for part in pieces])
        return cls(origin, keep, time, segment, width, typical)

    def values(self, variable: xr.DataArray) -> Array:
        """Return a variable's usable samples."""
        kept: Array = variable.values[self.keep].astype("f8")
        return kept

    def left(self, x: Array) -> Integers:
        """Return the sample that begins the interval in which ``x`` lies."""
        return np.clip(np.searchsorted(self.time, x, side="right") - 1, 0, max(self.time.size - 2, 0))

    def typical_in(self, start: Array, end: Array) -> Array:
        """Return the typical interval where each scan starts or ends, the longer of the two."""
        after = np.clip(np.searchsorted(self.time, end, side="right") - 1, 0, self.time.size - 1)
        before = np.clip(np.searchsorted(self.time, start), 0, self.time.size - 1)
        longer: Array = np.maximum(self.typical[before], self.typical[after])
        return longer

    def part(self, x: Array) -> tuple[Integers, Array]:
        """Return the interval of ``x`` and how far into its covered width ``x`` is; 0 within a gap."""
        k = self.left(x)
        if not self.width.size:
            return k, np.zeros(x.shape)
        into = np.clip(x - self.time[k], 0.0, self.width[k])
        return k, np.divide(into, self.width[k], out=np.zeros(x.shape), where=self.width[k] > 0)

    def covered(self, x: Array) -> Array:
        """Return the covered time (s) from the log's start to ``x``."""
        total = np.r_[0.0, np.cumsum(self.width)]
        k, u = self.part(x)
        covered: Array = total[k] + u * (self.width[k] if self.width.size else 0.0)
        return covered

    def integral(self, values: Array, x: Array, power: int, held: bool) -> Array:
        """Return the integral of ``values ** power`` over covered time from the log's start to ``x``."""
        if not self.width.size:
            return np.zeros(x.shape)
        a, b = values[:-1], values[1:]
        full = _piece(a, b, np.ones(a.size), power, held) * self.width
        k, u = self.part(x)
        total: Array = np.r_[0.0, np.cumsum(full)][k] + _piece(a[k], b[k], u, power, held) * self.width[k]
        return total

    def at(self, values: Array, x: Array, held: bool) -> Array:
        """Return the value at ``x``; within a gap the last one before it."""
        if values.size < 2:
            return np.broadcast_to(values, x.shape)
        k, u = self.part(x)
        at_end = np.searchsorted(self.time, x, side="right") > self.time.size - 1
        u = np.where(at_end & (self.width[k] > 0), 1.0, u)
        inside = np.where(u > 0, values[k + 1], values[k]) if held else values[k] * (1 - u) + values[k + 1] * u
        return np.where(at_end, values[-1], inside)

    def holds(self, start: Array, end: Array) -> npt.NDArray[np.bool_]:
        """Return whether the log covers any of each interval, or the instant of one without length."""
        some = self.covered(end) > self.covered(start)
        k = np.clip(np.searchsorted(self.time, start, side="right") - 1, 0, self.time.size - 1)
        following = np.minimum(k + 1, self.time.size - 1)
        within = (start >= self.time[0]) & (start <= self.time[-1])
        joined = (self.segment[k] == self.segment[following]) | (start == self.time[k])
        holds: npt.NDArray[np.bool_] = some | ((start == end) & within & joined)
        return holds

    def samples(self, start: Array, end: Array) -> Integers:
        """Return how many samples lie in each interval."""
        return np.searchsorted(self.time, end, side="right") - np.searchsorted(self.time, start, side="left")

    def majority(self, start: Array, end: Array, echem: xr.Dataset) -> tuple[Array, Array]:
        """Return the half-cycle and cycle that hold most of each interval; a sample's label holds until it."""
        half, cycle = self.values(echem["half_cycle"]), self.values(echem["cycle"])
        first = np.clip(np.searchsorted(self.time, start), 0, self.time.size - 1)
        last = np.clip(np.searchsorted(self.time, end), 0, self.time.size - 1)
        total = np.r_[0.0, np.cumsum(self.width)]
        middle = 0.5 * (self.covered(start) + self.covered(end))
        chosen = np.clip(np.searchsorted(total, middle), first, last)
        for scan in np.flatnonzero(np.isfinite(start) & (half[last] - half[first] > 1)):
            part = np.arange(first[scan], last[scan] + 1)
            edges = self.covered(np.clip(np.r_[start[scan], self.time[part]], start[scan], end[scan]))
            time_in = np.bincount(half[part].astype(int), np.diff(edges))
            chosen[scan] = part[np.flatnonzero(half[part] == time_in.argmax())[0]]
        return half[chosen], cycle[chosen]


def _piece(a: Array, b: Array, u: Array, power: int, held: bool) -> Array:
    """Return the integral from 0 to ``u`` of (a + (b - a) s) ** power, or of b ** power where it is held."""
    if held:
        return b**power * u
    c = a + (b - a) * u
    return 0.5 * (a + c) * u if power == 1 else (a * a + a * c + c * c) / 3 * u


def _average(
    log: Log, name: str, echem: xr.Dataset, interval: tuple[Array, Array], sigma: float
) -> tuple[Array, Array]:
    """Return the mean of one variable over every interval and its standard uncertainty."""
    start, end = interval
    held = name == "current" and echem.attrs.get("current_is") == MEAN
    values = log.values(echem[name])
    center = float(values.mean()) if values.size else 0.0
    values = values - center
    length = log.covered(end) - log.covered(start)
    instant = length <= 0
    safe = np.where(instant, 1.0, length)
    edges = np.stack([start, end])
    mean, square = (np.diff(log.integral(values, edges, power, held), axis=0)[0] / safe for power in (1, 2))
    first, last = log.at(values, start, held), log.at(values, end, held)
    mean = np.where(instant, first, mean)
    spread = np.where(instant, 0.0, np.clip(square - mean**2, 0, None))
    slope = np.where(instant, _slope(log, values, start), (last - first) / safe)
    return mean + center, np.sqrt(spread + _sensor(log, name, echem, start, end) ** 2 + (slope * sigma) ** 2)


def _slope(log: Log, values: Array, x: Array) -> Array:
    if not log.width.size:
        return np.zeros(x.shape)
    k = log.left(x)
    return np.divide(values[k + 1] - values[k], log.width[k], out=np.zeros(x.shape), where=log.width[k] > 0)


def _sensor(log: Log, name: str, echem: xr.Dataset, start: Array, end: Array) -> Array:
    """Return the log's own standard uncertainty of a variable in the middle of every interval."""
    if f"{name}_std" in echem:
        return log.at(log.values(echem[f"{name}_std"]), 0.5 * (start + end), held=False)
    key = "current_offset_std" if name == "current" else "voltage_error"
    return np.full(start.shape, float(echem.attrs.get(key, 0.0)))


def _reasons(
    log: Log, start: Array, end: Array, inside: npt.NDArray[np.bool_], missing: Array
) -> npt.NDArray[np.int32]:
    """Return the flags of the scans that the log does not cover wholly."""
    known = np.isfinite(start)
    outside = known & ((start < log.time[0]) | (end > log.time[-1]))
    beyond = np.clip(log.time[0] - start, 0, None) + np.clip(end - log.time[-1], 0, None)
    tiny = 1e-6
    in_gap = known & ~outside & ~inside | (inside & (np.nan_to_num(missing) > beyond + tiny))
    flags = np.where(known, 0, int(Flag.no_time)) | np.where(outside, int(Flag.ec_outside), 0)
    return np.asarray(flags | np.where(in_gap, int(Flag.ec_gap), 0), "i4")
