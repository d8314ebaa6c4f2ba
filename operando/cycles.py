"""Charge by half-cycle and by cycle: capacity, loss, coulombic efficiency, and the charge through an area."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from .errors import OperandoError
from .flags import Flag
from .flags import attrs as flag_attrs
from .history import recorded
from .units import factor, with_units

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_HALF_UNITS = {
    "charge": "C", "charge_std": "C", "capacity": "mAh/g", "capacity_std": "mAh/g", "areal_capacity": "mAh/cm^2",
    "areal_capacity_std": "mAh/cm^2", "mean_potential": "V", "duration": "s", "direction": "1", "cycle": "1",
    "complete": "1",
}  # fmt: skip
_HALF_NAMES = {
    "half_cycle": "half-cycle: 0 rest before the first current, then +1 a reversal",
    "charge": "charge passed in the half-cycle, charge positive",
    "charge_std": "standard uncertainty of the charge",
    "capacity": "capacity of the half-cycle per active mass",
    "capacity_std": "standard uncertainty of the capacity",
    "areal_capacity": "capacity of the half-cycle per electrode area",
    "areal_capacity_std": "standard uncertainty of the areal capacity",
    "mean_potential": "potential, mean over the charge passed",
    "duration": "duration, gaps included",
    "direction": "direction: 1 charge, -1 discharge, 0 rest",
    "cycle": "cycle number",
    "complete": "whether another half-cycle follows",
    "time_start": "start of the half-cycle, UTC",
    "time_end": "end of the half-cycle, UTC",
}
_CYCLE_UNITS = {
    "charge_first": "C", "charge_second": "C", "capacity_loss": "C", "capacity_loss_std": "C",
    "coulombic_efficiency": "1", "coulombic_efficiency_std": "1", "retention": "1", "retention_std": "1",
    "complete": "1",
}  # fmt: skip
_CYCLE_NAMES = {
    "cycle": "cycle number",
    "charge_first": "charge passed in the first half-cycle, without sign",
    "charge_second": "charge passed in the second half-cycle, without sign",
    "capacity_loss": "capacity loss: charge of the first half-cycle less that of the second",
    "capacity_loss_std": "standard uncertainty of the capacity loss",
    "coulombic_efficiency": "coulombic efficiency: charge of the second half-cycle over that of the first",
    "coulombic_efficiency_std": "standard uncertainty of the coulombic efficiency",
    "retention": "capacity retention: charge of the second half-cycle over that of cycle 1",
    "retention_std": "standard uncertainty of the capacity retention",
    "complete": "whether another half-cycle follows the second",
}


def half_cycles(source: xr.DataTree | xr.Dataset) -> xr.Dataset:
    """Return charge and capacity of every half-cycle.

    Parameters
    ----------
    source
        An experiment with ``/echem`` and, for areas, ``/cell``; or a log over ``time``.

    Returns
    -------
    Dataset
        Over ``half_cycle``: ``charge`` (C, charge positive), ``capacity`` (mAh/g, where the active mass is stated) and
        ``areal_capacity`` (mAh/cm^2, where the area is) without sign, ``mean_potential`` (V), ``duration`` (s),
        ``time_start``, ``time_end``, ``direction`` (1 charge), ``cycle``, ``complete`` (another half-cycle follows)
        and ``flag`` (``ec_gap`` if a gap lies within).

    Notes
    -----
    ``charge`` is the difference of the log's own integral at the half-cycle's last sample and at the last one before
    it: with currents that are means since the last sample exactly ``sum I dt``. Nothing is integrated across gaps;
    ``charge_std`` holds the current's offset times the time, and what may have passed in gaps.
    ``mean_potential = Int E dq / Int dq``.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import echem
    >>> seconds = np.arange(0, 7201, 3600)
    >>> log = xr.Dataset(
    ...     {
    ...         "charge": ("time", [0.0, 3.6, 0.36]),
    ...         "charge_std": ("time", [0.0, 0.01, 0.02]),
    ...         "voltage": ("time", [3.0, 4.0, 3.1]),
    ...         "half_cycle": ("time", [0, 1, 2]),
    ...         "cycle": ("time", [0, 1, 1]),
    ...         "segment": ("time", [0, 0, 0]),
    ...     },
    ...     coords={"time": np.datetime64("2024-03-01", "ns") + seconds * np.timedelta64(1, "s")},
    ... )
    >>> print(echem.half_cycles(log)["charge"].values)
    [ 0.    3.6  -3.24]
    """
    log, area = _log_and_area(source)
    half = log["half_cycle"].values.astype(np.int64)
    numbers, first = np.unique(half, return_index=True)
    last = np.r_[first[1:] - 1, half.size - 1]
    before = np.maximum(first - 1, 0)
    charge, std = log["charge"].values, log["charge_std"].values if "charge_std" in log else np.zeros(half.size)
    passed, error = charge[last] - charge[before], std[last] - std[before]
    times = log["time"].values.astype("M8[ns]")
    gaps = np.r_[0, np.cumsum(np.diff(log["segment"].values) != 0)]
    columns: dict[str, Any] = {
        "charge": passed,
        "charge_std": error,
        "mean_potential": _mean_potential(log, before, last),
        "duration": (times[last] - times[before]) / np.timedelta64(1, "s"),
        "direction": np.where(numbers == 0, 0, np.sign(passed)).astype("i4"),
        "cycle": (numbers + 1) // 2,
        "complete": numbers < numbers[-1],
        "time_start": times[before],
        "time_end": times[last],
        "flag": np.where(gaps[last] > gaps[before], int(Flag.ec_gap), 0).astype("i4"),
    }
    columns |= _per(passed, error, log, last, area)
    ds = xr.Dataset({name: ("half_cycle", values) for name, values in columns.items()}, {"half_cycle": numbers})
    ds = with_units(ds, {**_HALF_UNITS, "half_cycle": "1"}, _HALF_NAMES)
    ds["flag"].attrs = flag_attrs()
    return recorded(ds, "echem.half_cycles", {"electrode_area": area}, after=log)


def cycles(source: xr.DataTree | xr.Dataset) -> xr.Dataset:
    """Return capacity loss, coulombic efficiency and capacity retention of every cycle.

    Parameters
    ----------
    source
        As for :func:`half_cycles`.

    Returns
    -------
    Dataset
        Over ``cycle``: ``charge_first`` and ``charge_second`` (C, without sign; of half-cycles 2n - 1 and 2n),
        ``capacity_loss`` (C), ``coulombic_efficiency``, ``retention``, each with ``_std``, NaN where a half-cycle is
        missing; ``complete``, false where the second half-cycle is the log's last and may go on.

    Notes
    -----
    The first half-cycle puts in what the second takes out: with Q1 and Q2 their charges without sign, loss = Q1 - Q2
    and efficiency = Q2/Q1 (discharge over charge for a cell that is charged first), retention = Q2/Q2 of cycle 1. An
    error of the current's zero lengthens one and shortens the other, so that their errors add up:
    ``std(Q2/Q1) = Q2/Q1 (std1/Q1 + std2/Q2)``; between cycles it is shared:
    ``std = retention |std2/Q2 - std2/Q2 of cycle 1|``.

    Loss, efficiency and retention are definitions; errors follow from them to first order.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import echem
    >>> seconds = 100.0 * np.arange(7)
    >>> log = xr.Dataset(
    ...     {
    ...         "charge": ("time", [0.0, 0.0, 5.0, 10.0, 6.0, 2.0, 2.0], {"units": "C"}),
    ...         "voltage": ("time", [3.0, 3.0, 3.5, 4.0, 3.6, 3.2, 3.2], {"units": "V"}),
    ...         "half_cycle": ("time", [0, 0, 1, 1, 2, 2, 2]),
    ...         "segment": ("time", np.zeros(7, int)),
    ...     },
    ...     {"time": np.datetime64("2024-03-01T08:00", "ns") + (seconds * 1e9).astype("m8[ns]")},
    ... )
    >>> found = echem.cycles(log)
    >>> print(float(found["capacity_loss"][0]), float(found["coulombic_efficiency"][0]))
    2.0 0.8
    """
    halves = half_cycles(source)
    known = halves["half_cycle"].values
    most = int(known[-1])
    numbers = np.arange(1, (most + 1) // 2 + 1)
    charge, std = abs(halves["charge"].values), halves["charge_std"].values
    parts = []
    for half in (2 * numbers - 1, 2 * numbers):
        at = np.clip(np.searchsorted(known, half), 0, known.size - 1)
        there = known[at] == half
        parts += [np.where(there, charge[at], np.nan), np.where(there, std[at], np.nan)]
    first, first_std, second, second_std = parts
    loss, efficiency = first - second, second / first
    relative = second_std / second
    start = second[0] if second.size else np.nan
    base = relative[0] if relative.size else np.nan
    columns = {
        "charge_first": first,
        "charge_second": second,
        "capacity_loss": loss,
        "capacity_loss_std": first_std + second_std,
        "coulombic_efficiency": efficiency,
        "coulombic_efficiency_std": efficiency * (first_std / first + relative),
        "retention": second / start,
        "retention_std": second / start * abs(relative - base),
        "complete": most > 2 * numbers,
    }
    ds = xr.Dataset({name: ("cycle", values) for name, values in columns.items()}, {"cycle": numbers})
    ds = with_units(ds, {**_CYCLE_UNITS, "cycle": "1"}, _CYCLE_NAMES)
    return recorded(ds, "echem.cycles", {}, after=halves)


def areal_charge(source: xr.DataTree | xr.Dataset, area: float | None = None) -> xr.Dataset:
    """Return the charge that has passed through the electrode's area since the start of the log.

    Parameters
    ----------
    source
        As for :func:`half_cycles`.
    area
        Electrode area (cm^2); that of ``/cell`` by default.

    Returns
    -------
    Dataset
        Over ``time``: ``areal_charge`` (mAh/cm^2, charge positive) and ``areal_throughput`` (mAh/cm^2, charge and
        discharge added up without sign), each with ``_std``.

    Raises
    ------
    OperandoError
        If no area is stated.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import echem
    >>> log = xr.Dataset(
    ...     {
    ...         "charge": ("time", [0.0, 3.6, 1.8], {"units": "C"}),
    ...         "half_cycle": ("time", [0, 1, 2]),
    ...         "segment": ("time", [0, 0, 0]),
    ...     },
    ...     {"time": np.datetime64("2024-03-01T08:00", "ns") + np.arange(3) * np.timedelta64(1, "h")},
    ... )
    >>> found = echem.areal_charge(log, area=0.5)
    >>> print(found["areal_charge"].values.round(9).tolist(), found["areal_throughput"].values.round(9).tolist())
    [0.0, 2.0, 1.0] [0.0, 2.0, 3.0]
    """
    log, stated = _log_and_area(source)
    area = stated if area is None else area
    if area is None or not area > 0:
        raise OperandoError(f"areal_charge: expected an electrode area (cm^2), got {area}; state cell.electrode_area")
    scale = factor("C", "mA*h") / area
    charge = log["charge"].values
    throughput = np.r_[0.0, np.cumsum(abs(np.diff(charge)))]
    std = (log["charge_std"].values if "charge_std" in log else np.zeros(charge.size)) * scale
    columns = {"areal_charge": charge * scale, "areal_throughput": throughput * scale}
    names = {
        "areal_charge": "charge per electrode area since the start of the log",
        "areal_throughput": "charge and discharge per electrode area since the start of the log",
    }
    columns |= {f"{name}_std": std for name in names}
    names |= {f"{name}_std": f"standard uncertainty of the {text}" for name, text in names.items()}
    ds = xr.Dataset({name: ("time", values) for name, values in columns.items()}, {"time": log["time"]})
    ds = with_units(ds, dict.fromkeys(columns, "mAh/cm^2"), names)
    return recorded(ds, "echem.areal_charge", {"area": area}, after=log)


def _log_and_area(source: xr.DataTree | xr.Dataset) -> tuple[xr.Dataset, float | None]:
    if isinstance(source, xr.DataTree):
        if "echem" not in source.children:
            raise OperandoError("cycles: expected an experiment with /echem, got none; name its files in [echem]")
        cell = source["cell"].to_dataset() if "cell" in source.children else xr.Dataset()
        borrowed = str(cell.attrs.get("from_header", ""))
        stated = "electrode_area" in cell and "electrode_area" not in borrowed
        return source["echem"].to_dataset().load(), float(cell["electrode_area"]) if stated else None
    missing = [name for name in ("charge", "half_cycle", "segment") if name not in source.variables]
    if missing:
        raise OperandoError(f"cycles: expected a log with charge and half-cycles, got none of {', '.join(missing)}")
    return source, None


def _mean_potential(log: xr.Dataset, before: Integers, last: Integers) -> Array:
    """Return the mean over the charge passed, NaN where none passes."""
    potential = log["potential" if "potential" in log else "voltage"].values
    passed = np.diff(log["charge"].values)
    middle = 0.5 * (potential[1:] + potential[:-1])
    sums = [np.r_[0.0, np.cumsum(np.nan_to_num(one))] for one in (middle * passed, passed)]
    work, charge = (one[last] - one[before] for one in sums)
    mean: Array = np.divide(work, charge, out=np.full(last.size, np.nan), where=charge != 0)
    return mean


def _per(passed: Array, error: Array, log: xr.Dataset, last: Integers, area: float | None) -> dict[str, Array]:
    """Return the charge per mass and per area, as far as these are stated."""
    found: dict[str, Array] = {}
    if "capacity" in log:
        found["capacity"] = log["capacity"].values[last]
        per = np.divide(found["capacity"], abs(passed), out=np.zeros(last.size), where=passed != 0)
        found["capacity_std"] = error * per
    if area is not None:
        scale = factor("C", "mA*h") / area
        found |= {"areal_capacity": abs(passed) * scale, "areal_capacity_std": error * scale}
    return found
