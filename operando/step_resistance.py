"""Resistance from steps of the current: R = dV/dI at a stated delay after every change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from .clock import seconds_since, to_ns
from .crossings import white_noise
from .cyclers.log import MEAN
from .errors import OperandoError
from .flags import Flag
from .history import recorded
from .units import with_units

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

SMALLEST = 0.05
"""Default smallest change of the current, as part of the log's largest current."""
TOGETHER = 0.005
"""Samples closer than this (s) are those of one switch, before and after it."""

_STEADY = 0.2
_CLEAR = 7.0
_WITHIN = 2
_UNITS = {
    "resistance": "ohm", "resistance_std": "ohm", "delay": "s", "current_before": "A", "current_after": "A",
    "voltage_before": "V", "voltage_after": "V", "half_cycle": "1",
}  # fmt: skip
_NAMES = {
    "time": "time of the change of current, UTC",
    "resistance": "resistance: change of voltage over change of current",
    "resistance_std": "standard uncertainty of the resistance",
    "delay": "time from the change of current to the voltage taken",
    "current_before": "current before the change",
    "current_after": "current after the change",
    "voltage_before": "voltage before the change",
    "voltage_after": "voltage at the delay",
    "half_cycle": "half-cycle after the change",
}


@dataclass(frozen=True)
class _Readings:
    """The usable samples: time (s), voltage, current (whether means since the last sample) and pieces of the log."""

    time: Array
    voltage: Array
    current: Array
    segment: Integers
    mean: bool


@dataclass(frozen=True)
class _Step:
    """Last sample at the old current, first at the new one, first sample after the switch, and between when (s)."""

    old: int
    before: int
    new: int
    after: int
    low: float
    high: float


def step_resistance(
    source: xr.DataTree | xr.Dataset,
    *,
    delay: float = 1.0,
    smallest: float | None = None,
    tolerance: float = 1.0,
    noise: float | None = None,
) -> xr.Dataset:
    """Return the resistance at every change of the current.

    Parameters
    ----------
    source
        An experiment with ``/echem``, or a log over ``time``.
    delay
        Seconds after the change at which the voltage is taken, interpolated between the samples after it; 0 is the
        first of them. What lies between 0 and the delay in the cell's response (ohmic, charge transfer, diffusion)
        is in the number.
    smallest
        Smallest change of the current (A) that counts, 5 % of the largest current by default.
    tolerance
        Seconds within which the change, and the first sample after it, must be known.
    noise
        Standard deviation of the voltage's noise (V); by default how far samples lie off the cubic through their
        neighbors.

    Returns
    -------
    Dataset
        Over ``step``: ``time``, ``resistance`` (ohm) and ``resistance_std``, the ``delay`` (s) at which it was taken,
        ``current_before``, ``current_after`` (A), ``voltage_before``, ``voltage_after`` (V), ``half_cycle``. NaN where
        the log is too coarse around the change.

    Raises
    ------
    OperandoError
        If the delay or the tolerance is negative.

    Notes
    -----
    ``R = (V(t + delay) - V(t)) / (I_after - I_before)``, V(t) being the last voltage before the change. The current
    must be steady on both sides (to a fifth of the change), so that the decay at a constant voltage is no step.
    ``std^2 = (noise^2 (1 + (1-u)^2 + u^2) + (slope * uncertainty of t)^2) / dI^2 + (R sqrt(2) noise of I / dI)^2``;
    errors of the voltage's and the current's zero drop out.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import echem
    >>> log = xr.Dataset(
    ...     {
    ...         "voltage": ("time", [3.0, 3.0, 3.0, 3.1, 3.1, 3.1]),
    ...         "current": ("time", [0.0, 0.0, 0.0, 1e-3, 1e-3, 1e-3]),
    ...         "segment": ("time", np.zeros(6, int)),
    ...         "half_cycle": ("time", [0, 0, 0, 1, 1, 1]),
    ...         "flag": ("time", np.zeros(6, int)),
    ...     },
    ...     coords={"time": np.datetime64("2024-03-01", "ns") + np.arange(6) * np.timedelta64(1, "s")},
    ... )
    >>> print(echem.step_resistance(log)["resistance"].values.round(6))
    [100.]
    """
    if not (delay >= 0 and tolerance >= 0):
        raise OperandoError(f"step_resistance: expected delay and tolerance from 0 s, got {delay} and {tolerance}")
    log = source["echem"].to_dataset().load() if isinstance(source, xr.DataTree) else source
    kept = np.flatnonzero((log["flag"].values & int(Flag.clock_step | Flag.not_finite)) == 0)
    used = log.isel(time=kept)
    origin = used["time"].values.astype("M8[ns]")[0]
    time = seconds_since(used["time"].values, origin)
    voltage, current = used["voltage"].values, used["current"].values
    segment = used["segment"].values.astype(np.int64)
    readings = _Readings(time, voltage, current, segment, log.attrs.get("current_is") == MEAN)
    least = SMALLEST * float(abs(current).max()) if smallest is None else smallest
    spread = white_noise(time, voltage, segment) if noise is None else noise
    steps = list(_steps(readings, least, tolerance, spread))
    rows = [_row(step, readings, delay, tolerance, spread) for step in steps]
    table = np.array(rows).reshape(-1, 4)
    before, after = (current[[getattr(step, side) for step in steps] or np.zeros(0, int)] for side in ("old", "new"))
    change = after - before
    resistance = table[:, 0] / change
    unsteady = resistance * np.sqrt(2) * white_noise(time, current, segment, rounded=False) / change
    columns = {
        "time": origin + to_ns(np.array([0.5 * (step.low + step.high) for step in steps])),
        "resistance": resistance,
        "resistance_std": np.hypot(table[:, 1] / change, unsteady),
        "delay": table[:, 2],
        "current_before": before,
        "current_after": after,
        "voltage_before": voltage[[step.before for step in steps] or np.zeros(0, int)],
        "voltage_after": table[:, 3],
        "half_cycle": used["half_cycle"].values[[step.new for step in steps] or np.zeros(0, int)].astype("f8"),
    }
    ds = xr.Dataset({name: ("step", values) for name, values in columns.items()})
    parameters = {"delay": delay, "smallest": least, "tolerance": tolerance, "noise": spread}
    return recorded(with_units(ds, _UNITS, _NAMES), "echem.step_resistance", parameters, after=log)


def _steps(log: _Readings, least: float, tolerance: float, noise: float) -> Iterator[_Step]:
    """Yield every change between two steady currents; a run of changes, the switch being within it, is one."""
    size = abs(np.diff(log.current))
    large = np.flatnonzero((size > _STEADY * least) & (np.diff(log.segment) == 0))
    runs = np.split(large, np.flatnonzero(np.diff(large) > 1) + 1) if large.size else []
    for run in runs:
        old, new = int(run[0]), int(run[-1]) + 1
        change = abs(log.current[new] - log.current[old])
        beside = [size[k] for k in (old - 1, new) if 0 <= k < size.size]
        decays = run.size > _WITHIN and log.time[new] - log.time[old] > tolerance
        if change >= least and not decays and all(step <= _STEADY * change for step in beside):
            yield _step(log, old, new, noise)


def _step(log: _Readings, old: int, new: int, noise: float) -> _Step:
    """Return where the switch lies among the samples.

    A current that is the mean since the last sample is the new one in the first interval after the switch, which so
    lies at or before the sample that begins it. If that one is within 5 ms of the one before, and its voltage another
    by more than the noise, it stands after the switch.
    """
    time, voltage = log.time, log.voltage
    low, high = float(time[old]), float(time[new - 1] if log.mean else time[new])
    if log.mean and new > old + 1:
        return _Step(old, old, new, new - 1, low, high)
    twin = log.mean and old > 0 and time[old] - time[old - 1] < TOGETHER
    if twin and abs(voltage[old] - voltage[old - 1]) > _CLEAR * noise:
        return _Step(old, old - 1, new, old, float(time[old - 1]), low)
    return _Step(old, old, new, new, low, high)


def _row(
    step: _Step, log: _Readings, delay: float, tolerance: float, noise: float
) -> tuple[float, float, float, float]:
    """Return change of voltage and its error, the delay taken, and the voltage then."""
    time, voltage, first = log.time, log.voltage, step.after
    switch = 0.5 * (step.low + step.high)
    wanted = max(switch + delay, float(time[first]))
    right = int(np.searchsorted(time, wanted))
    sampled = right < time.size and log.segment[min(right, time.size - 1)] == log.segment[first]
    if not sampled or step.high - step.low > tolerance or wanted - switch - delay > tolerance:
        return np.nan, np.nan, np.nan, np.nan
    left = max(right - 1, first)
    width = float(time[right] - time[left])
    u = (wanted - float(time[left])) / width if width > 0 else 0.0
    slope = float(voltage[right] - voltage[left]) / width if width > 0 else 0.0
    value = float(voltage[left] + slope * u * width)
    late = slope * (step.high - step.low) / np.sqrt(12)
    std = float(np.hypot(noise * np.sqrt(1 + (1 - u) ** 2 + u**2), late))
    return value - float(voltage[step.before]), std, wanted - switch, value
