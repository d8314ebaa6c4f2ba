"""The Dataset that every reader of photoemission spectra returns: one spectrum of one region."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando import flags
from operando.entries import ENTRY
from operando.errors import FileError
from operando.flags import Flag
from operando.header_times import Span
from operando.xps.layout import CONDITIONS, MEASURED, RAW

Floats = NDArray[np.float64]

FEWEST = 3
_LOWEST, _HIGHEST = -100.0, 20_000.0


def spectrum(
    path: Path,
    binding_energy: Floats,
    measured: Mapping[str, Floats],
    times: Span,
    *,
    region: str,
    entry: str,
    reader: str,
    metadata: Mapping[str, Any],
    conditions: Mapping[str, float | None] | None = None,
    flag: Flag | None = None,
    remarks: Sequence[str] = (),
    complete: bool = False,
) -> xr.Dataset:
    """Return a spectrum as every reader gives it.

    Parameters
    ----------
    binding_energy
        Binding energies in eV, in the order measured.
    measured
        One of :data:`~operando.xps.layout.MEASURED`, and perhaps ``transmission``; both (binding_energy).
    region
        What was measured, such as ``"S 2p"``.
    entry
        Which spectrum of the file it is, such as ``"S 2p, cycle 3"``; it follows the file in ``source``.
    conditions
        Numbers among :data:`~operando.xps.layout.CONDITIONS`; those that are None, or no positive number, are left
        out (an angle may be 0).
    flag
        What the reader found odd; what the numbers show is added here.
    complete
        Whether the file states that all points were measured: zeros at the end are then counts.

    Raises
    ------
    FileError
        If fewer than 3 points are left or the energies cannot be binding energies in eV.
    """
    flag = flag or Flag(0)
    usable = np.isfinite(binding_energy) & (binding_energy > _LOWEST) & (binding_energy < _HIGHEST)
    if usable.sum() < FEWEST:
        got = f"{usable.sum()} of {binding_energy.size} points"
        expected = f"{FEWEST} points or more with a binding energy in eV"
        raise FileError(path, expected, got, place=entry, remedy="check the photon energy and the unit")
    order = np.argsort(binding_energy[usable], kind="stable")
    energy = binding_energy[usable][order]
    columns = {name: np.asarray(values, np.float64)[usable][order] for name, values in measured.items()}
    steps = np.diff(binding_energy[usable])
    if not usable.all() or not all(np.isfinite(values).all() for values in columns.values()):
        flag |= Flag.not_finite
    if (steps > 0).any() and (steps < 0).any():
        flag |= Flag.unsorted_energy
    if (np.diff(energy) == 0).any():
        flag |= Flag.duplicate_energy
    flag |= _shown(columns, falling=bool(steps.sum() < 0), complete=complete)
    if np.isnat(times.start):
        flag |= Flag.no_time
    known = {
        name: float(value)
        for name, value in (conditions or {}).items()
        if value is not None and np.isfinite(value) and (value > 0 or (name == "emission_angle" and value > -360))
    }
    ds = xr.Dataset(
        {name: ("binding_energy", values) for name, values in columns.items()} | known,
        coords={
            "binding_energy": ("binding_energy", energy),
            "time_start": times.start,
            "time": times.middle,
            "time_end": times.end,
            "source": xr.Variable((), np.array(f"{path.name}{ENTRY}{entry}" if entry else path.name, dtype=object)),
            "flag": ((), np.int32(flag), flags.attrs()),
        },
        attrs={
            "format": reader,
            "region": region,
            "metadata": json.dumps(dict(metadata), ensure_ascii=False),
            **times.attributes(),
        },
    )
    if remarks:
        ds.attrs["remarks"] = json.dumps(list(remarks), ensure_ascii=False)
    return _labelled(ds)


def _shown(columns: dict[str, Floats], *, falling: bool, complete: bool) -> Flag:
    """Return what the measured values show: nothing measured at all, or nothing more from some point on.

    Zeros behind that point are made NaN: they are no counts, unless the spectrum is known to be complete.
    """
    flag = Flag(0)
    for name in MEASURED:
        values = columns.get(name)
        if values is None:
            continue
        finite = values[np.isfinite(values)]
        if finite.size == 0 or np.ptp(finite) == 0:
            return flag | Flag.dead_detector
        measured = np.flatnonzero(np.nan_to_num(values) != 0)
        behind = slice(None, measured[0]) if falling else slice(measured[-1] + 1, None)
        if not complete and np.count_nonzero(values[behind] == 0) >= FEWEST and np.median(finite) >= FEWEST:
            columns[name] = values.copy()
            columns[name][behind] = np.nan
            flag |= Flag.truncated
    return flag


def _labelled(ds: xr.Dataset) -> xr.Dataset:
    meanings, units = RAW.long_names(), {name: unit for name, (unit, _) in {**MEASURED, **CONDITIONS}.items()}
    for name in ds.variables:
        ds[name].attrs.setdefault("long_name", meanings.get(str(name), str(name)))
    for name, unit in {**units, "transmission": "1", "binding_energy": "eV"}.items():
        if name in ds.variables:
            ds[name].attrs["units"] = unit
    return ds
