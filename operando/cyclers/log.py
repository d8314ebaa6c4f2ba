"""What every cycler reader returns: one Dataset over time, built in one place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from operando.clock import Times, seconds_since, to_ns, to_utc
from operando.errors import FileError
from operando.flags import Flag
from operando.flags import attrs as flag_attrs

Array = npt.NDArray[np.float64]

MEAN, INSTANT = "mean", "instant"
"""How ``attrs["current_is"]`` says what a current is: the mean since the last sample, or a reading at the sample."""

_UNITS = {
    "voltage": ("V", "voltage as measured"),
    "current": ("A", "current, charge positive"),
    "cycler_charge": ("C", "charge counter of the cycler"),
    "cycler_cycle": ("1", "cycle counter of the cycler, not trusted"),
    "cycler_half_cycle": ("1", "half-cycle counter of the cycler, not trusted"),
    "step": ("1", "step of the cycler's program"),
}
_ROUNDED = 2.0


def build(
    path: str | Path,
    reader: str,
    time: Times,
    columns: Mapping[str, npt.NDArray[Any]],
    *,
    metadata: Mapping[str, Any],
    current_is: str = INSTANT,
    notes: tuple[str, ...] = (),
    flag: npt.NDArray[np.int32] | None = None,
) -> xr.Dataset:
    """Return a cycler's log as a Dataset over ``time`` (UTC).

    Samples without a finite voltage or current are kept and flagged ``not_finite``; a step without a number is -1.

    Raises
    ------
    FileError
        If there is no sample, one has no time, or none has a finite voltage.
    """
    if time.size == 0:
        raise FileError(path, "at least one sample", "none", remedy="check that the measurement was started")
    values = {name: np.asarray(column, "f8") for name, column in columns.items()}
    if "step" in values:
        values["step"] = _whole(values["step"])
    untimed = np.flatnonzero(np.isnat(time))
    if untimed.size:
        raise FileError(path, "a time in every row", "none", place=f"row {untimed[0] + 1} of the data")
    bad = np.zeros(time.size, bool)
    for name in ("voltage", "current"):
        if name in values:
            values[name] = np.where(np.isfinite(values[name]), values[name], np.nan)
            bad = bad | np.isnan(values[name])
    if bad.all():
        raise FileError(path, "samples with a finite voltage and current", "none")
    raised = np.zeros(time.size, "i4") if flag is None else flag.astype("i4")
    raised = raised | np.where(bad, int(Flag.not_finite), 0).astype("i4")
    data = {
        name: ("time", column, {"units": _UNITS[name][0], "long_name": _UNITS[name][1]})
        for name, column in values.items()
    }
    return xr.Dataset(
        {**data, "flag": ("time", raised, flag_attrs())},
        coords={"time": ("time", time.astype("M8[ns]"), {"long_name": "time, UTC"})},
        attrs={
            "format": reader,
            "source": Path(path).name,
            "current_is": current_is,
            "metadata": json.dumps(metadata, ensure_ascii=False),
            "notes": json.dumps(list(notes), ensure_ascii=False),
        },
    )


def _whole(numbers: Array) -> npt.NDArray[np.int32]:
    """Return whole numbers; -1 for what is none."""
    return np.where(np.abs(numbers) < 2**31, numbers, -1.0).astype("i4")


def elapsed_times(start: np.datetime64, elapsed: Array) -> Times:
    """Return ``start`` plus elapsed seconds: a change of the local clock during the log does not enter."""
    times: Times = start + to_ns(elapsed)
    return times


def local_and_elapsed(local: Times, elapsed: Array, timezone: str | None, path: str | Path, place: str) -> Times:
    """Return UTC times from a column of local times and one of elapsed seconds.

    The elapsed seconds are finer and know no daylight saving, so they count from the first local time as long
    as the two columns agree to 2 s. Where they part, because the counter stood still in a pause, the local times
    rule.
    """
    utc: Times = to_utc(local, timezone, file=path, place=place, elapsed=elapsed)
    counted = elapsed - elapsed[0]
    apart = seconds_since(utc, utc[0]) - counted
    return utc if (abs(apart) > _ROUNDED).any() else elapsed_times(utc[0], counted)


def joined_parts(size: int, starts: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Return flags that mark where a file says a new part begins, the first sample excepted."""
    flag = np.zeros(size, "i4")
    index = np.asarray(starts, int)
    flag[index[(index > 0) & (index < size)]] = int(Flag.after_gap)
    return flag
