"""Offset and drift of a clock from a voltage that two instruments recorded.

The copy ``u`` was read at raw times ``r``, the log ``v`` at reference times. The correction ``c(r) = a + b x``,
``x`` from -1 to 1 over the copy, makes ``u(r) = p + q v(r + c(r))``; gain ``q`` and bias ``p`` of the second
voltmeter are fitted along. A coarse cross-correlation over the allowed offsets starts a Gauss-Newton iteration.

Three things keep ``sigma`` honest. The slopes that multiply the residuals are smoothed ones, because the slope
between two noisy samples is mostly noise and would count as information. Samples near a jump that the log
resolves no better than its own interval are left out, because nobody knows where in that interval it lies. The
covariance comes from the sums of the scores over blocks longer than the log's interval, so that errors that
neighboring samples share are counted once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.fft import irfft, next_fast_len, rfft
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from .clock import Clock, seconds_since
from .errors import ClockError
from .flags import Flag

Array = npt.NDArray[np.float64]

DRIFT_PRIOR = 2e-4
"""Spread of the drifts of instruments' clocks (s/s), quartz being good to 1e-4: it decides only in short runs."""

_ITERATIONS = 40
_COARSE = 20_000
_MIN_CORRELATION = 0.5
_NEEDED = 30
_CLOSE = 0.01
_FREEZE = 6


@dataclass(frozen=True)
class _Log:
    """The log on the reference clock, in seconds after its start."""

    time: Array
    value: Array
    joined: npt.NDArray[np.bool_]
    slope: Array
    smooth: npt.NDArray[np.bool_]


def estimate_clock(
    copy: xr.DataArray | xr.Dataset,
    log: xr.DataArray | xr.Dataset,
    *,
    t_ref: np.datetime64 | None = None,
    name: str = "copy",
    reference: str = "cycler",
    search: float = 9000.0,
) -> Clock:
    """Return the clock that recorded ``copy``, from the voltage it shares with ``log``.

    The copy's voltage and the cycler's are the same electrical signal, so no chemistry enters.

    Parameters
    ----------
    copy, log
        Voltage (V) along ``time``: a DataArray, or a Dataset with ``voltage``; ``log`` may carry ``segment``,
        and nothing is then compared across its gaps.
    t_ref
        Instant at which ``offset`` is stated; the log's first time by default.
    name, reference
        Names of the copy's clock and of the log's.
    search
        Largest offset looked for, in seconds; the default covers an error of two hours in the time zone.

    Returns
    -------
    Clock
        Offset (s), drift (1) and their standard uncertainty (s).

    Raises
    ------
    ClockError
        If the two do not overlap, do not look like the same voltage, or hold nothing that fixes the time.
    """
    start = np.datetime64(log["time"].values[0], "ns")
    t_ref = start if t_ref is None else t_ref
    raw, value, _ = _channel(copy, start)
    time, voltage, segment = _channel(log, start)
    if raw.size < _NEEDED or time.size < _NEEDED:
        raise ClockError(
            f"clock {name!r}: expected at least {_NEEDED} voltages in both channels, got {raw.size} and {time.size}"
        )
    correction, joined = -_coarse_offset((raw, value), (time, voltage, segment), search, name), np.diff(segment) == 0
    shape = _shape(time, voltage, joined, _noise(value))
    a, b, cov = _refined(raw, value, shape, correction, name)
    x = _scaled(raw)
    sigma = float(np.sqrt(cov[0, 0] + 2 * cov[0, 1] * x.mean() + cov[1, 1] * (x**2).mean()))
    if sigma > search:
        raise ClockError(f"clock {name!r}: the voltage hardly changes, nothing in it fixes the time")
    rate = b / _half_span(raw)
    since_ref = float(seconds_since(np.array([t_ref], "M8[ns]"), start)[0])
    at_ref = a + rate * (since_ref - _middle(raw))
    drift = -rate / (1 + rate)
    return Clock(name, reference, t_ref, -at_ref * (1 + drift), drift, sigma, "shared_channel")


def _channel(data: xr.DataArray | xr.Dataset, start: np.datetime64) -> tuple[Array, Array, npt.NDArray[np.int64]]:
    """Return time (s after ``start``), voltage and segment of the samples that are usable, in order of time."""
    voltage = data["voltage"] if isinstance(data, xr.Dataset) else data
    time = seconds_since(voltage["time"].values, start)
    values = voltage.values.astype(float)
    marked = "segment" in data.coords or (isinstance(data, xr.Dataset) and "segment" in data)
    segment = np.asarray(data["segment"].values) if marked else np.zeros(time.size, int)
    good = np.isfinite(time) & np.isfinite(values)
    if isinstance(data, xr.Dataset) and "flag" in data:
        good &= (data["flag"].values & int(Flag.clock_step)) == 0
    order = np.flatnonzero(good)[np.argsort(time[good], kind="stable")]
    return time[order], values[order], segment[order].astype(np.int64)


def _middle(raw: Array) -> float:
    return float(raw[0] + raw[-1]) / 2


def _half_span(raw: Array) -> float:
    return float(raw[-1] - raw[0]) / 2


def _scaled(raw: Array) -> Array:
    scaled: Array = (raw - _middle(raw)) / _half_span(raw)
    return scaled


def _noise(value: Array) -> float:
    """Return the noise of a channel from its second differences, which a smooth signal does not enter."""
    second = np.diff(value, 2)
    return float(np.median(abs(second - np.median(second))) * 1.4826 / np.sqrt(6.0))


def _binned(time: Array, value: Array, origin: float, step: float, size: int) -> tuple[Array, Array]:
    """Return the mean value in each bin of ``step`` seconds and whether the bin holds any."""
    index = np.floor((time - origin) / step).astype(int)
    inside = (index >= 0) & (index < size)
    count = np.bincount(index[inside], minlength=size)
    total = np.bincount(index[inside], value[inside], minlength=size)
    return total / np.maximum(count, 1), (count > 0).astype(float)


def _coarse_offset(
    copy: tuple[Array, Array], log: tuple[Array, Array, npt.NDArray[np.int64]], search: float, name: str
) -> float:
    """Return the offset (s) at which copy and log correlate best, wherever both exist."""
    (raw, value), (time, voltage, segment) = copy, log
    origin, end = min(raw[0], time[0]), max(raw[-1], time[-1])
    step = max(float(np.median(np.diff(raw))), (end - origin) / _COARSE, 1.0)
    size = int((end - origin) / step) + 1
    u, has_u = _binned(raw, value, origin, step, size)
    centers = origin + (np.arange(size) + 0.5) * step
    v = np.interp(centers, time, voltage)
    left = np.clip(np.searchsorted(time, centers) - 1, 0, time.size - 2)
    has_v = ((centers >= time[0]) & (centers <= time[-1]) & (segment[left] == segment[left + 1])).astype(float)
    lags = np.arange(-int(search / step), int(search / step) + 1)
    r = _correlation(u - value.mean(), has_u, v - voltage.mean(), has_v, lags)
    best = int(np.nanargmax(r)) if np.isfinite(r).any() else -1
    if best < 0 or r[best] < _MIN_CORRELATION:
        found = f"a correlation of at most {r[best]:.2f}" if best >= 0 else "no overlap or no change of voltage"
        raise ClockError(
            f"clock {name!r}: expected two records of one voltage within {search:g} s, got {found}; "
            "check the channel, its unit and the time zone"
        )
    return float(lags[best] * step)


def _correlation(u: Array, has_u: Array, v: Array, has_v: Array, lags: npt.NDArray[np.int64]) -> Array:
    """Return Pearson's r of ``u`` moved back by each lag with ``v``, over the bins that both have."""
    size = next_fast_len(2 * u.size + 2 * int(abs(lags).max()))

    def against(left: Array, right: Array) -> Array:
        cross: Array = irfft(rfft(left, size) * np.conj(rfft(right, size)), size)[lags]
        return cross

    u, v = u * has_u, v * has_v
    count = np.rint(against(has_u, has_v))
    enough = count > max(_NEEDED, 0.2 * min(has_u.sum(), has_v.sum()))
    n = np.maximum(count, 1)
    mean_u, mean_v = against(u, has_v) / n, against(has_u, v) / n
    var_u = against(u * u, has_v) / n - mean_u**2
    var_v = against(has_u, v * v) / n - mean_v**2
    spread = np.sqrt(np.clip(var_u, 0, None) * np.clip(var_v, 0, None))
    usable = enough & (spread > 1e-12)
    return np.where(usable, (against(u, v) / n - mean_u * mean_v) / np.where(usable, spread, 1), np.nan)


def _shape(time: Array, voltage: Array, joined: npt.NDArray[np.bool_], noise: float) -> _Log:
    """Return the log with smoothed slopes and with the intervals that hold an unresolved jump marked."""
    slope = np.diff(voltage) / np.maximum(np.diff(time), 1e-9)
    expected = 0.5 * (np.r_[slope[:1], slope[:-1]] + np.r_[slope[1:], slope[-1:]])
    surprise = abs(np.diff(voltage) - expected * np.diff(time))
    typical = float(np.median(surprise))
    jump = surprise > max(noise, 6 * 1.4826 * typical, 1e-9)
    smooth = ~maximum_filter1d(jump | ~joined, 3)
    change = np.where(smooth, np.diff(voltage), 0.0)
    step = max(float(np.median(np.diff(time))), (time[-1] - time[0]) / 200_000)
    grid = np.arange(time[0], time[-1] + step, step)
    level = np.interp(grid, time, np.r_[0.0, np.cumsum(change)])
    derivative = gaussian_filter1d(level, 3.0, order=1, mode="nearest") / step
    return _Log(time, voltage, joined, np.interp(time, grid, derivative), smooth)


def _refined(raw: Array, value: Array, log: _Log, a: float, name: str) -> tuple[float, float, Array]:
    """Return ``a``, ``b`` and their covariance by Gauss-Newton steps on the smoothed slopes."""
    x, b, used = _scaled(raw), 0.0, None
    prior = 1 / (DRIFT_PRIOR * _half_span(raw)) ** 2
    for iteration in range(_ITERATIONS):
        if iteration < _FREEZE or used is None:
            used = _covered(raw + a + b * x, log, name)
        tau = (raw + a + b * x)[used]
        scores, curvature, residual = _system(tau, value[used], x[used], log, name)
        curvature[1, 1] += prior
        change = np.linalg.solve(curvature, scores.T @ residual - np.array([0.0, b * prior, 0.0, 0.0]))
        a, b = a + float(change[0]), b + float(change[1])
        if (np.abs(change[:2]) < _CLOSE * np.sqrt(np.diag(np.linalg.inv(curvature))[:2])).all():
            break
    else:
        raise ClockError(f"clock {name!r}: the fit of the shared voltage did not converge; check the channel")
    inverse = np.linalg.inv(curvature)
    block = 5 * float(np.median(np.diff(log.time)))
    meat = _block_sum(scores, residual, raw[used], block)
    meat[1, 1] += prior
    cov: Array = inverse @ meat @ inverse.T
    return a, b, cov[:2, :2]


def _covered(tau: Array, log: _Log, name: str) -> npt.NDArray[np.intp]:
    """Return the samples that fall where the log can be interpolated."""
    used = np.flatnonzero((tau >= log.time[0]) & (tau <= log.time[-1]) & log.smooth[_interval(tau, log)])
    if used.size < _NEEDED:
        raise ClockError(f"clock {name!r}: the copy and the log have hardly any time in common")
    return used


def _interval(tau: Array, log: _Log) -> npt.NDArray[np.intp]:
    return np.clip(np.searchsorted(log.time, tau, side="right") - 1, 0, log.time.size - 2)


def _system(tau: Array, u: Array, x: Array, log: _Log, name: str) -> tuple[Array, Array, Array]:
    """Return weighted instruments, curvature and residuals of the samples at reference times ``tau``."""
    k = _interval(tau, log)
    width = np.maximum(log.time[k + 1] - log.time[k], 1e-9)
    part = (tau - log.time[k]) / width
    v = log.value[k] * (1 - part) + log.value[k + 1] * part
    slope = log.slope[k] * (1 - part) + log.slope[k + 1] * part
    gain, bias = np.polyfit(v, u, 1)
    residual = u - bias - gain * v
    weight = 1 / max(float(np.median(abs(residual))) * 1.4826, 1e-7) ** 2
    design = np.column_stack([gain * slope, gain * slope * x, v - v.mean(), np.ones(v.size)])
    raw_slope = gain * (log.value[k + 1] - log.value[k]) / width
    jacobian = np.column_stack([raw_slope, raw_slope * x, design[:, 2], design[:, 3]])
    scores = weight * design
    curvature = scores.T @ jacobian
    if np.linalg.matrix_rank(curvature) < len(curvature):
        raise ClockError(f"clock {name!r}: the voltage hardly changes, nothing in it fixes the time")
    return scores, curvature, residual


def _block_sum(scores: Array, residual: Array, raw: Array, width: float) -> Array:
    """Return the covariance of the summed scores, samples within a block taken as dependent."""
    block = np.floor((raw - raw[0]) / width).astype(int)
    edges = np.flatnonzero(np.r_[True, np.diff(block) > 0])
    sums = np.add.reduceat(scores * residual[:, None], edges, axis=0)
    meat: Array = sums.T @ sums
    return meat
