"""One scan from the columns of a file: energies in eV, ascending; what is odd becomes a flag."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando import flags
from operando.errors import FileError, OperandoError
from operando.flags import Flag
from operando.header_times import Span
from operando.units import DIMENSIONLESS, convert, parse, registry, require_parsable
from operando.xas.layout import COUNTING, DETECTORS, RAW

Floats = NDArray[np.float64]

_ANGLES = ("degree", "degrees", "deg", "radian", "radians", "rad")
_HC = 12398.419843320026
_LOWEST, _HIGHEST = 30.0, 300_000.0
FEWEST = 3
_NEED_I0 = ("tey", "tfy", "pfy", "pey", "fluorescence", "transmission")
_UNITS = {"count_time": "s"}


def scan(
    path: Path,
    energy: Floats,
    columns: Mapping[str, Floats],
    times: Span,
    *,
    units: Mapping[str, str],
    metadata: Mapping[str, Any],
    reader: str,
    flag: Flag | None = None,
    remarks: Sequence[str] = (),
    detectors: Sequence[str] | None = None,
) -> xr.Dataset:
    """Return a scan as every reader gives it.

    Parameters
    ----------
    energy
        Energies in eV, in the order measured.
    columns
        The measured values (energy) or (energy, detector), by the names of :data:`~operando.xas.layout.DETECTORS` and
        :data:`~operando.xas.layout.COUNTING`.
    flag
        What the reader found odd; what the numbers show is added here.
    detectors
        The names of the channels along ``detector``, where the file has some.

    Raises
    ------
    FileError
        If fewer than 3 rows are left or the energies cannot be photon energies in eV.
    """
    flag = flag or Flag(0)
    for values in columns.values():
        flag |= Flag(0) if np.isfinite(values).all() else Flag.not_finite
    usable = _usable(path, energy)
    if not usable.all():
        flag |= Flag.not_finite
        energy, columns = energy[usable], {name: values[usable] for name, values in columns.items()}
    steps = np.diff(energy)
    if (steps < 0).any():
        flag |= Flag.unsorted_energy
        order = np.argsort(energy, kind="stable")
        energy, columns = energy[order], {name: values[order] for name, values in columns.items()}
    if (np.diff(energy) == 0).any():
        flag |= Flag.duplicate_energy
    flag |= _detector_flags(columns)
    if np.isnat(times.start):
        flag |= Flag.no_time
    ds = xr.Dataset(
        {name: (("energy", "detector")[: values.ndim], values) for name, values in columns.items()},
        coords={
            "energy": ("energy", energy),
            "time_start": times.start,
            "time": times.middle,
            "time_end": times.end,
            "source": xr.Variable((), np.array(path.name, dtype=object)),
            "flag": ((), np.int32(flag), flags.attrs()),
        },
        attrs={
            "format": reader,
            "metadata": json.dumps(dict(metadata), ensure_ascii=False),
            **times.attributes(),
        },
    )
    if detectors is not None and "detector" in ds.dims:
        ds = ds.assign_coords(detector=("detector", np.array(detectors, dtype=object)))
    if remarks:
        ds.attrs["remarks"] = json.dumps(list(remarks), ensure_ascii=False)
    return _labelled(ds, units)


def in_electronvolts(path: Path, values: Floats, unit: str, d_spacing: float | None) -> Floats:
    """Return photon energies in eV from energies in ``unit``, or from Bragg angles: E = h c/(2 d sin theta).

    Raises
    ------
    FileError
        If ``unit`` is neither, or an angle comes without the d-spacing (angstrom).
    """
    if parse(unit).is_compatible_with(registry().eV):
        return convert(values, unit, "eV")
    if unit in _ANGLES:
        if d_spacing is None or not d_spacing > 0:
            remedy = "give d_spacing, in angstrom (Si(111): 3.1356)"
            raise FileError(path, "the d-spacing that turns angles into energies", "none", remedy=remedy)
        sine = np.sin(convert(values, unit, "radian"))
        return _HC / (2 * d_spacing * np.where(sine > 0, sine, np.nan))
    raise FileError(path, "an energy or an angle as the first axis", f"unit {unit!r}")


def _usable(path: Path, energy: Floats) -> NDArray[np.bool_]:
    """Return which rows have a photon energy, of 30 eV to 300 keV.

    Raises
    ------
    FileError
        If most rows with a number have none, or fewer than 3 rows are left.
    """
    stated = np.isfinite(energy) & (energy > 0)
    if stated.sum() >= FEWEST and not _LOWEST <= np.median(energy[stated]) <= _HIGHEST:
        spread = f"{energy[stated].min():g} to {energy[stated].max():g}"
        remedy = "state the unit, such as units = {energy = 'keV'}, or name the right column"
        raise FileError(path, "photon energies in eV", spread, place="energy", remedy=remedy)
    usable: NDArray[np.bool_] = stated & (energy >= _LOWEST) & (energy <= _HIGHEST)
    if usable.sum() < FEWEST:
        got = f"{usable.sum()} of {energy.size} rows"
        raise FileError(path, f"{FEWEST} rows or more with an energy", got, place="table")
    return usable


def _detector_flags(columns: Mapping[str, Floats]) -> Flag:
    """Return what the measured values show."""
    flag, columns = Flag(0), {name: values for name, values in columns.items() if name in DETECTORS}
    for values in columns.values():
        finite = values[np.isfinite(values).reshape(len(values), -1).all(axis=1)]
        if finite.size == 0 or (np.ptp(finite, axis=0) == 0).any():
            flag |= Flag.dead_detector
    dark = [(values.reshape(len(values), -1) == 0).all(axis=1) for values in columns.values()]
    if len(dark) > 1 and np.logical_and.reduce(dark).any():
        flag |= Flag.not_finite
    if "i0" in columns:
        flag |= Flag(0) if (columns["i0"] > 0).all() else Flag.no_i0
    elif any(name in columns for name in _NEED_I0):
        flag |= Flag.no_i0
    return flag


def _labelled(ds: xr.Dataset, units: Mapping[str, str]) -> xr.Dataset:
    meanings = RAW.long_names()
    for name in ds.variables:
        ds[name].attrs.setdefault("long_name", meanings.get(str(name), str(name)))
    for name in (*DETECTORS, *COUNTING):
        if name in ds:
            ds[name].attrs["units"] = units.get(name, _UNITS.get(name, DIMENSIONLESS))
    ds["energy"].attrs["units"] = "eV"
    return ds


def require_known(path: Path, names: Mapping[str, Any], what: str) -> None:
    """Check that settings name only what a scan may have.

    Raises
    ------
    OperandoError
        Naming the quantities there are.
    """
    known = ("energy", *DETECTORS, *COUNTING)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise OperandoError(f"{path}: {what}: expected names among {', '.join(known)}, got {unknown[0]!r}")


def require_units(path: Path, units: Mapping[str, str]) -> None:
    """Check that units belong to known quantities and can be parsed.

    Raises
    ------
    OperandoError
        Naming the unit.
    """
    require_known(path, units, "units")
    require_parsable(path, units)
