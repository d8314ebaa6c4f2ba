"""Onsets: when a quantity crosses a threshold or starts to change, how exactly that is known, and for how long."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import xarray as xr

from .change_points import SHAPES, Shape, find_change
from .clock import Clock, seconds_since, to_ns
from .crossings import Crossing, Trace, crossings, white_noise
from .errors import OperandoError
from .flags import Flag
from .flags import attrs as flag_attrs
from .history import recorded
from .linking import CLOCK
from .schema import ONSETS
from .units import with_units

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Row = dict[str, float]

_LEFT_OUT = int(Flag.clock_step | Flag.not_finite)


def onsets(
    source: xr.DataTree | xr.Dataset,
    of: str = "potential",
    *,
    above: float | None = None,
    below: float | None = None,
    change: Shape | None = None,
    hold: float = 0.0,
    noise: float | None = None,
    clock: Clock | None = None,
    name: str = "",
) -> xr.Dataset:
    """Return when a quantity crosses a level, or when it starts to change.

    Parameters
    ----------
    source
        An experiment, whose ``/echem`` is asked; or a log over ``time``, or a series over ``scan``.
    of
        The quantity, of one dim. A potential needs the cell's ``reference_electrode`` and ``potential_offset``; the
        voltage as measured is on no scale and refused.
    above, below
        Level (the quantity's unit) that is crossed rising or falling. One of them; with ``change``, neither.
    change
        Look for the one time at which a constant quantity starts to rise or fall (``"ramp"``), jumps (``"step"``),
        or, changing steadily before, changes its slope (``"kink"``).
    hold
        Shortest stay (s) beyond the level that counts; returns shorter than this end no stay.
    noise
        Standard deviation of the quantity's noise. By default ``<of>_std`` of a series; of a log, whose errors are
        shared by all samples, how far samples lie off the cubic through their neighbors.
    clock
        The clock of ``source``; by default that which a linked series was corrected by. It adds its ``sigma``.
    name
        A name for the onsets, such as ``"oxidation"``.

    Returns
    -------
    Dataset
        Over ``onset``, in order of time: ``time``, ``time_std`` (s), ``time_low`` and ``time_high`` (the samples that
        the level lies between for certain, or the middle 95 % for a change, both widened by the clock's sigma),
        ``clock_std`` (s), ``time_systematic`` (s; what the error that all samples of a log share, the voltmeter's or
        that of the charge, makes of it), ``level``, ``slope``, ``direction`` (1 rising), ``held`` (s),
        ``half_cycle``, ``cycle``, ``index``, ``name``, ``flag``.

    Raises
    ------
    OperandoError
        If the potential is on no scale, the quantity is missing or of several dims, or not one thing is asked.

    Notes
    -----
    A level counts as crossed when samples stand off it by more than 3 deviations of the noise, or sqrt(2 ln n) for n
    samples if that is more, first on one side, then on the other. Samples within 8 to 20 deviations of the level, if
    more than three, give the time by a fitted line, parabola or cubic, as many as they are; else a monotone cubic
    between the two samples does. Where the quantity levels off within 8 deviations, the fit is too stiff by about its
    own error. ``time_std`` combines noise, sampling
    (width / sqrt(12) of an interval in which the quantity jumps) and clock. A quantity that starts beyond the level has
    no onset. One that is beyond it after a gap is flagged ``ec_gap``, its time the gap's middle.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> import operando
    >>> seconds = np.arange(0, 3600, 10)
    >>> log = xr.Dataset(
    ...     {"potential": ("time", 1.5 + 5e-4 * seconds, {"units": "V"})},
    ...     coords={"time": np.datetime64("2024-03-01T08:00", "ns") + seconds * np.timedelta64(1, "s")},
    ... )
    >>> found = operando.onsets(log, above=2.3, noise=1e-4)
    >>> print(found["time"].values.astype("M8[s]"))
    ['2024-03-01T08:26:40']
    """
    _refuse(above, below, change, hold)
    data = _data(source, of)
    clock_std = clock_sigma(data, clock)
    origin, kept, trace = _trace(data, of, noise)
    if change is not None:
        rows = list(_change_rows(trace, change, hold))
    else:
        level = float(above if above is not None else below)  # type: ignore[arg-type]
        found = crossings(trace, level, rising=above is not None, hold=hold)
        rows = [_crossing_row(one, level, trace, _shared_error(data, of, int(kept[one.after]))) for one in found]
    ds = _table(rows, data, kept, origin, clock_std).assign(name=("onset", np.full(len(rows), name, dtype=object)))
    unit = str(data[of].attrs.get("units", "1"))
    ds = with_units(
        ds, {**ONSETS.units(), "level": unit, "slope": unit if change == "step" else f"{unit}/s"}, ONSETS.long_names()
    )
    ds["flag"].attrs = flag_attrs()
    parameters = {
        "of": of, "above": above, "below": below, "change": change, "hold": hold, "noise": noise, "name": name,
        "clock_std": clock_std,
    }  # fmt: skip
    return recorded(ds, "onsets", parameters, after=data)


def _data(source: xr.DataTree | xr.Dataset, of: str) -> xr.Dataset:
    """Return the log or series to ask."""
    if isinstance(source, xr.DataTree):
        source = source.children.get("echem", source).to_dataset()
    if of == "voltage" or (of == "potential" and of not in source.variables):
        got = "the voltage as measured" if "voltage" in source.variables else "none"
        remedy = "state cell.reference_electrode and cell.potential_offset"
        raise OperandoError(f"onsets: expected a potential on a stated scale, got {got}; {remedy}")
    if of not in source.variables:
        known = ", ".join(
            str(key) for key, data in source.variables.items() if data.ndim == 1 and data.dtype.kind == "f"
        )
        raise OperandoError(f"onsets: expected a quantity of the data, got {of!r}; there are {known or 'none'}")
    if source[of].ndim != 1 or "time" not in source.variables or source[of].dims != source["time"].dims:
        dims = ", ".join(map(str, source[of].dims)) or "none"
        raise OperandoError(f"onsets: expected {of!r} along the dim of time alone, got dims {dims}; choose by .sel")
    return source


def _refuse(above: float | None, below: float | None, change: Shape | None, hold: float) -> None:
    if (above is not None) + (below is not None) + (change is not None) != 1:
        raise OperandoError("onsets: expected one of above, below and change, got none or several; ask one by one")
    if change is not None and change not in SHAPES:
        raise OperandoError(f"onsets: expected change among {', '.join(SHAPES)}, got {change!r}")
    level = above if above is not None else below
    if not (np.isfinite(hold) and hold >= 0) or (level is not None and not np.isfinite(level)):
        raise OperandoError(f"onsets: expected a finite level and a hold from 0 s, got {level} and {hold}")


def clock_sigma(data: xr.Dataset, clock: Clock | None = None) -> float:
    """Return the uncertainty (s) of the clock: the one given, else the one that the series was corrected by."""
    if clock is not None:
        return clock.sigma
    return float(json.loads(data.attrs[CLOCK])["sigma"]) if CLOCK in data.attrs else 0.0


def _trace(data: xr.Dataset, of: str, noise: float | None) -> tuple[np.datetime64, Integers, Trace]:
    """Return the start, which samples are usable, in order of time, and what crosses levels."""
    times, values = data["time"].values.astype("M8[ns]"), data[of].values.astype("f8")
    usable = np.isfinite(values) & ~np.isnat(times)
    if "flag" in data.variables and _is_log(data):
        usable &= (data["flag"].values & _LEFT_OUT) == 0
    kept = np.flatnonzero(usable)
    if not kept.size:
        raise OperandoError(f"onsets: expected finite values of {of!r} with a time, got none")
    kept = kept[np.argsort(times[kept], kind="stable")]
    origin = times[kept[0]]
    time = seconds_since(times[kept], origin)
    piece = _labels(data, "segment", kept)
    part = np.cumsum(np.r_[False, (np.diff(piece) != 0) | (np.diff(_labels(data, "half_cycle", kept)) != 0)])
    return origin, kept, Trace(time, values[kept], _noise(data, of, noise, kept), piece, part)


def _labels(data: xr.Dataset, name: str, kept: Integers) -> Integers:
    """Return whole numbers that tell samples apart; -1 where they are unknown."""
    if name not in data.variables:
        return np.zeros(kept.size, np.int64)
    labels: Integers = np.nan_to_num(data[name].values[kept].astype("f8"), nan=-1.0).astype(np.int64)
    return labels


def _noise(data: xr.Dataset, of: str, noise: float | None, kept: Integers) -> Array:
    """Return the noise of every sample: as given, as the series states, or as the values show."""
    if noise is not None:
        if not (np.isfinite(noise) and noise >= 0):
            raise OperandoError(f"onsets: expected a noise from 0, got {noise}")
        return np.full(kept.size, max(noise, 1e-12))
    time = seconds_since(data["time"].values[kept], data["time"].values[kept[0]])
    shown = white_noise(time, data[of].values[kept].astype("f8"), _labels(data, "segment", kept))
    stated = f"{of}_std" in data.variables and not _is_log(data)
    std = data[f"{of}_std"].values[kept].astype("f8") if stated else np.full(kept.size, shown)
    usable: Array = np.where(np.isfinite(std) & (std > 0), std, max(shown, 1e-12))
    return usable


def _is_log(data: xr.Dataset) -> bool:
    """Whether these are samples, whose stated errors all share, and not scans, whose errors are noise."""
    return "time" in data.dims


def _shared_error(data: xr.Dataset, of: str, at: int) -> float:
    """Return the error of a log's quantity that all its samples share: the voltmeter's, or that of the charge."""
    if not _is_log(data):
        return 0.0
    if f"{of}_std" in data.variables:
        return float(data[f"{of}_std"].values[at])
    return float(data.attrs.get("voltage_error", 0.0)) if of == "potential" else 0.0


def _crossing_row(one: Crossing, level: float, trace: Trace, shared: float) -> Row:
    return {
        "seconds": one.time, "std": one.std, "low": trace.time[one.before], "high": trace.time[one.after],
        "time_systematic": shared / abs(one.slope), "level": level, "slope": one.slope, "held": one.held,
        "after": one.after, "flag": int(Flag.ec_gap) if one.in_gap else 0,
    }  # fmt: skip


def _change_rows(trace: Trace, shape: Shape, hold: float) -> Iterable[Row]:
    """Yield the change that a quantity shows, if it shows one and goes on for long enough."""
    one = find_change(trace.time, trace.value, trace.noise, shape)
    if one is None or trace.time[-1] - one.time < hold:
        return
    yield {
        "seconds": one.time, "std": one.std, "low": one.low, "high": one.high, "time_systematic": 0.0,
        "level": one.level, "slope": one.change, "held": trace.time[-1] - one.time,
        "after": int(np.searchsorted(trace.time, one.time)), "flag": 0, "significance": one.gain,
    }  # fmt: skip


def _table(rows: list[Row], data: xr.Dataset, kept: Integers, origin: np.datetime64, clock_std: float) -> xr.Dataset:
    """Return the onsets as a table, times in UTC."""

    def column(key: str, kind: str = "f8") -> npt.NDArray[np.generic]:
        return np.array([row[key] for row in rows], kind)

    def times(key: str, wider: float = 0.0) -> npt.NDArray[np.datetime64]:
        moments: npt.NDArray[np.datetime64] = origin + to_ns(column(key).astype("f8") + wider)
        return moments

    index = kept[column("after", "i8").astype(np.int64)]
    columns = {
        "time": times("seconds"),
        "time_std": np.hypot(column("std").astype("f8"), clock_std),
        "time_low": times("low", -clock_std),
        "time_high": times("high", clock_std),
        "clock_std": np.full(len(rows), clock_std),
        **{key: column(key) for key in ("time_systematic", "level", "slope", "held")},
        "direction": np.sign(column("slope").astype("f8")).astype("i4"),
        **{key: data[key].values[index].astype("f8") for key in ("half_cycle", "cycle") if key in data.variables},
        "index": index,
        "flag": column("flag", "i4"),
    }
    if rows and "significance" in rows[0]:
        columns["significance"] = column("significance")
    return xr.Dataset({key: ("onset", values) for key, values in columns.items()})
