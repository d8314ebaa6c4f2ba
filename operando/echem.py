"""The electrochemistry of one cell as one table: files joined, charge integrated, half-cycles counted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from . import cyclers
from .cell import describe
from .cell import describe as cell
from .clock import seconds_since
from .cyclers.log import MEAN
from .cycles import areal_charge, cycles, half_cycles
from .errors import FileError, OperandoError
from .flags import Flag
from .flags import attrs as flag_attrs
from .history import recorded
from .incremental_capacity import incremental_capacity
from .schema import ECHEM, check
from .step_resistance import step_resistance
from .units import factor, with_units

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

__all__ = [
    "areal_charge",
    "cell",
    "cycles",
    "half_cycles",
    "incremental_capacity",
    "read",
    "step_resistance",
    "typical_interval",
]

GAP_MIN = 60.0
"""No interval shorter than this (s) within a file is a gap."""
GAP_FACTOR = 10.0
"""An interval is a gap when it is this many times the typical one."""
REST_FRACTION = 0.005
"""A current below this part of the largest one is rest."""
HELD = 3
"""Samples for which a new sign of the current must be held to begin a half-cycle."""
OFFSET_FRACTION = 1e-3
"""Default standard uncertainty of the current's offset, as part of the largest current: a cycler's 0.1 %."""
VOLTAGE_ERROR = 1e-3
"""Default standard uncertainty of the voltage (V), a cycler's typical accuracy."""

_POSSIBLE = 2.0
_RESOLVED = 0.9


def read(
    paths: str | Path | Sequence[str | Path],
    *,
    timezone: str | None = None,
    reader: str | None = None,
    cell: xr.Dataset | Mapping[str, Any] | None = None,
    gap: float | None = None,
    rest_current: float | None = None,
    current_offset_std: float | None = None,
    voltage_error: float = VOLTAGE_ERROR,
    **settings: Any,
) -> xr.Dataset:
    """Return the log of one run, from one file or several, in the layout :data:`operando.schema.ECHEM`.

    Parameters
    ----------
    paths
        Files of one cell, in any order.
    timezone
        Zone of their local times (IANA).
    reader, settings
        Name of the reader (found by content otherwise) and its settings.
    cell
        What :func:`cell` returned, or its values. ``active_mass`` gives ``capacity``, ``reference_capacity``
        with ``soc0`` gives ``soc``, ``reference_electrode`` with ``potential_offset`` gives ``potential``; none
        is guessed.
    gap
        Longest interval (s) within a file that is no gap. By default 10 times the typical interval, and at
        least 60 s. The typical interval is the one that half of the file's time is spent in or below, so
        that a log recorded by steps of voltage, dense after a switch and sparse on a plateau, is not cut up.
    rest_current
        Size (A) below which a current is rest; by default 0.5 % of the largest that is held for 3 samples.
    current_offset_std
        Standard uncertainty (A) of the current's offset; by default 0.1 % of that largest current.
    voltage_error
        Standard uncertainty (V) of the voltage, kept in the attributes for linking.

    Returns
    -------
    Dataset
        Over ``time``. Every file, every gap within a file and every step back of its clock begins a new
        ``segment``. Time that steps back is kept in the file's order and flagged ``clock_step``.

    Raises
    ------
    FileError
        If a file cannot be read, has no current, or overlaps another in time.

    Notes
    -----
    ``charge`` adds up the cycler's own counter where it has one, else the current: times the interval where it is
    the mean since the last sample, by the trapezoid where it is a reading. A counter that jumps by more than twice
    what the current allows was reset, and the current is used there; one that stands still in more than a tenth of
    the samples with current is too coarse and not used at all. Nothing is integrated across a gap;
    ``charge_std = current_offset_std * t + sum over gaps of |I| * length``, t being the recorded time.
    ``half_cycle`` is 0 until the first current and counts up at every change of sign held for 3 samples that are
    not rest (a lone one counts if its current, spread over the samples to the nearest other one, is no rest either:
    noise that now and then exceeds ``rest_current`` does not count); ``cycle = (half_cycle + 1) // 2``;
    ``soc = soc0 + charge / Q_ref``; ``capacity`` is the charge since the half-cycle began per active mass, without
    sign. The cycler's own counters are kept beside, not trusted.
    """
    files = [paths] if isinstance(paths, str | Path) else list(paths)
    if not files:
        raise OperandoError("echem: expected at least one file, got none; check the recipe's pattern")
    logs = [_log(path, timezone, reader, settings) for path in files]
    stated = cell if isinstance(cell, xr.Dataset) else describe(cell or {})
    ds = _joined(logs, files, gap)
    largest = _largest(ds["current"].values)
    rest = REST_FRACTION * largest if rest_current is None else rest_current
    offset = OFFSET_FRACTION * largest if current_offset_std is None else current_offset_std
    ds = _with_charge(ds, offset, rest)
    half = _half_cycles(ds["current"].values, rest)
    ds = ds.assign(half_cycle=("time", half), cycle=("time", (half + 1) // 2))
    ds = _with_state(ds, stated)
    ds = with_units(ds.drop_vars("held"), ECHEM.units(), ECHEM.long_names())
    ds["flag"].attrs = flag_attrs()
    parameters = {
        "files": [Path(path).name for path in files], "timezone": timezone, "rest_current": rest,
        "current_offset_std": offset, "voltage_error": voltage_error, "gap": gap, **settings,
    }  # fmt: skip
    ds = ds.assign_attrs(current_offset_std=offset, voltage_error=voltage_error, rest_current=rest)
    return check(recorded(ds, "echem.read", parameters), ECHEM)


def typical_interval(time: Array) -> float:
    """Return the interval (s) such that half of the time is spent in intervals no longer than it."""
    width = np.sort(np.diff(time))
    width = width[width > 0]
    if not width.size:
        return 0.0
    spent = np.cumsum(width)
    return float(width[np.searchsorted(spent, spent[-1] / 2)])


def _log(path: str | Path, timezone: str | None, reader: str | None, settings: Mapping[str, Any]) -> xr.Dataset:
    log = cyclers.read(path, timezone=timezone, reader=reader, **settings)
    if "current" not in log:
        raise FileError(path, "a current", "none", remedy="name its column in columns = { current = '...' }")
    return log


def _joined(logs: list[xr.Dataset], files: Sequence[str | Path], gap: float | None) -> xr.Dataset:
    """Return all samples in one table, pieces in order of time, with ``segment`` and the flags of gaps."""
    pieces = [piece for number, log in enumerate(logs) for piece in _pieces(log, number, gap)]
    pieces.sort(key=lambda piece: piece["time"].values[0])
    _refuse_overlap(pieces, files)
    names = {str(name) for log in logs for name in log.data_vars}
    data = {name: np.concatenate([_column(piece, name) for piece in pieces]) for name in sorted(names)}
    data["flag"][np.cumsum([0, *(piece.sizes["time"] for piece in pieces[:-1])])[1:]] |= int(Flag.after_gap)
    sizes = [piece.sizes["time"] for piece in pieces]
    held = np.concatenate([np.full(piece.sizes["time"], piece.attrs["current_is"] == MEAN) for piece in pieces])
    order = sorted(range(len(logs)), key=lambda number: logs[number]["time"].values[0])
    first = logs[order[0]]
    sources = [
        {"file": Path(files[n]).name, "start": f"{logs[n]['time'].values[0]}Z", "samples": logs[n].sizes["time"]}
        for n in order
    ]
    notes = [f"{Path(files[n]).name}: {note}" for n in order for note in json.loads(logs[n].attrs["notes"])]
    return xr.Dataset(
        {**{name: ("time", column) for name, column in data.items()}, "held": ("time", held)},
        coords={
            "time": ("time", np.concatenate([piece["time"].values for piece in pieces]), {"long_name": "time, UTC"})
        },
        attrs={
            "format": first.attrs["format"],
            "metadata": first.attrs["metadata"],
            "sources": json.dumps(sources),
            "notes": json.dumps(notes, ensure_ascii=False),
            "current_is": first.attrs["current_is"],
        },
    ).assign(segment=("time", np.repeat(np.arange(len(pieces), dtype="i4"), sizes)))


def _column(piece: xr.Dataset, name: str) -> npt.NDArray[Any]:
    if name in piece:
        return piece[name].values
    size = piece.sizes["time"]
    return np.full(size, -1, "i4") if name == "step" else np.full(size, np.nan)


def _pieces(log: xr.Dataset, number: int, gap: float | None) -> list[xr.Dataset]:
    """Return the parts of one file between its gaps; a part that steps back in time joins the one before."""
    time = seconds_since(log["time"].values, log["time"].values[0])
    back = time < np.maximum.accumulate(np.where(np.isnan(time), -np.inf, time))
    log = log.assign(flag=log["flag"] | np.where(back, int(Flag.clock_step), 0).astype("i4"))
    longest = max(GAP_MIN, GAP_FACTOR * typical_interval(time)) if gap is None else gap
    cut = np.r_[False, np.diff(time) > longest] | ((log["flag"].values & int(Flag.after_gap)) > 0)
    cut |= np.r_[False, np.diff(back.astype(int)) != 0]
    edges = [0, *np.flatnonzero(cut[1:] & np.isfinite(time[1:])) + 1, time.size]
    parts = [log.isel(time=slice(a, b)) for a, b in pairwise(edges)]
    return [part.assign_attrs(number=number) for part in parts]


def _largest(current: Array) -> float:
    """Return the largest size of the current that is held for 3 samples: a spike is no current."""
    size = np.nan_to_num(abs(current))
    held = np.minimum.reduce([size[k : size.size - HELD + 1 + k] for k in range(HELD)]) if size.size >= HELD else size
    return float(held.max() or size.max())


def _refuse_overlap(pieces: list[xr.Dataset], files: Sequence[str | Path]) -> None:
    kept = [piece for piece in pieces if not (piece["flag"].values & int(Flag.clock_step)).any()]
    for before, after in pairwise(kept):
        end, start = before["time"].values[-1], after["time"].values[0]
        if start < end and before.attrs["number"] != after.attrs["number"]:
            raise FileError(
                files[after.attrs["number"]],
                f"a start after the end of {Path(files[before.attrs['number']]).name} at {end}Z",
                f"{start}Z",
                remedy="leave out the copy or the other cell's file; files of one run do not overlap",
            )


def _with_charge(ds: xr.Dataset, offset: float, rest: float) -> xr.Dataset:
    """Return ``ds`` with ``charge`` and ``charge_std``, nothing being integrated across a gap."""
    time = seconds_since(ds["time"].values, ds["time"].values[0])
    current = np.nan_to_num(ds["current"].values)
    width, inside = np.diff(time), np.diff(ds["segment"].values) == 0
    held = ds["held"].values[1:]
    passed = np.where(held, current[1:], 0.5 * (current[1:] + current[:-1])) * width
    usable = inside & (width >= 0)
    if "cycler_charge" in ds:
        counted = np.diff(ds["cycler_charge"].values)
        allowed = _POSSIBLE * np.maximum(abs(current[1:]), abs(current[:-1])) * width + 1e-9
        flowing = usable & (np.minimum(abs(current[1:]), abs(current[:-1])) > rest) & np.isfinite(counted)
        if np.count_nonzero(counted[flowing]) >= _RESOLVED * np.count_nonzero(flowing):
            passed = np.where(abs(counted) <= allowed, counted, passed)
    charge = np.r_[0.0, np.cumsum(np.where(usable, passed, 0.0))]
    unknown = np.where(inside, 0.0, np.maximum(abs(current[1:]), abs(current[:-1])) * np.clip(width, 0, None))
    std = offset * np.r_[0.0, np.cumsum(np.where(usable, width, 0.0))] + np.r_[0.0, np.cumsum(unknown)]
    return ds.assign(charge=("time", charge), charge_std=("time", std))


def _half_cycles(current: Array, rest: float) -> Integers:
    """Return the half-cycle of every sample: +1 at each change of sign held for 3 samples; rests inherit."""
    current = np.nan_to_num(current)
    sign = np.where(np.abs(current) > rest, np.sign(current), 0).astype(int)
    active = np.flatnonzero(sign)
    apart = np.r_[current.size, np.diff(active), current.size]
    active = active[np.abs(current[active]) > rest * np.minimum(apart[:-1], apart[1:])]
    half = np.zeros(current.size, np.int64)
    if not active.size:
        return half
    starts = np.flatnonzero(np.r_[True, np.diff(sign[active]) != 0])
    lengths = np.diff(np.r_[starts, active.size])
    lasting = starts[lengths >= HELD]
    signs = sign[active[lasting]]
    changes = lasting[np.r_[True, signs[1:] != signs[:-1]]] if lasting.size else lasting
    half[active[changes]] = 1
    return np.cumsum(half)


def _with_state(ds: xr.Dataset, stated: xr.Dataset) -> xr.Dataset:
    """Return ``ds`` with potential, capacity and state of charge, as far as the cell's values are stated."""
    offset = stated.attrs.get("potential_offset", "")
    if stated.attrs.get("reference_electrode") and offset != "":
        ds = ds.assign(potential=ds["voltage"] + float(offset))
    charge = ds["charge"].values * factor("C", "mA*h")
    borrowed = json.loads(stated.attrs.get("from_header", "[]"))
    if "active_mass" in stated and "active_mass" not in borrowed:
        grams = float(stated["active_mass"]) * 1e-3
        ds = ds.assign(capacity=("time", abs(charge - _at_start(charge, ds["half_cycle"].values)) / grams))
    if "reference_capacity" in stated and "soc0" in stated:
        q_ref, soc0 = float(stated["reference_capacity"]), float(stated["soc0"])
        std = ds["charge_std"].values * factor("C", "mA*h") / q_ref
        ds = ds.assign(soc=("time", soc0 + charge / q_ref), soc_std=("time", std))
    return ds


def _at_start(charge: Array, half: Integers) -> Array:
    """Return, for every sample, the charge when its half-cycle began: that of the last sample before it."""
    first = np.flatnonzero(np.r_[True, np.diff(half) > 0])
    level = charge[np.maximum(first - 1, 0)]
    return level[np.searchsorted(first, np.arange(charge.size), side="right") - 1]
