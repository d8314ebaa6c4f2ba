"""Readers of impedance spectra: EC-Lab text files and tables. Each returns a series over ``scan`` and ``frequency``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from .clock import Times, to_ns, to_utc
from .cyclers import eclab
from .errors import FileError
from .flags import Flag
from .flags import attrs as flag_attrs
from .series import stack
from .sniff import Format, Head, head
from .table_columns import column_values, require_tables
from .text_table import Column, parse, whole_text
from .units import convert

Array = npt.NDArray[np.float64]

FREQUENCY = "frequency"
FEWEST = 3
"""Fewest frequencies of a sweep."""

_ECLAB = ("freq/Hz", "Re(Z)/Ohm", "-Im(Z)/Ohm")
_NAMES = ("frequency", "real", "imaginary", "minus_imaginary", "elapsed")
_UNITS = {"frequency": "Hz", "real": "ohm", "imaginary": "ohm", "minus_imaginary": "ohm", "elapsed": "s"}


def read_eclab(
    path: str | Path, *, timezone: str | None = None, start: str | None = None, date_order: str | None = None
) -> xr.Dataset:
    """Return the sweeps in an EC-Lab text file of an impedance technique.

    Parameters
    ----------
    path
        The ``.mpt`` file.
    timezone, start, date_order
        As for the cycler's logs (:func:`operando.cyclers.eclab.read`).

    Raises
    ------
    FileError
        If the file has no impedance, or as for the cycler's logs.
    """
    table = eclab.Table(Path(path))
    missing = [label for label in _ECLAB if label not in table.labels]
    if missing:
        raise FileError(path, f"a column {missing[0]!r}", f"columns {', '.join(table.labels[:12])}")
    _, times = eclab.sample_times(table, eclab.Dates(table, date_order), timezone, start)
    frequency, real, minus = (table.column(label) for label in _ECLAB)
    return _series(path, "eclab", frequency, _complex(real, -minus), times)


def read_columns(
    path: str | Path,
    *,
    timezone: str | None = None,
    columns: Mapping[str, Column],
    units: Mapping[str, str] | None = None,
    start: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
) -> xr.Dataset:
    """Return the sweeps in a table of text.

    Parameters
    ----------
    path
        The file.
    timezone
        Zone of ``start``.
    columns
        Label, or number from 0, of ``frequency``, ``real``, one of ``imaginary`` and ``minus_imaginary``, and perhaps
        of ``elapsed``, the time since ``start``.
    units
        Units in the file where they are not Hz, ohm and s.
    start
        Local time (ISO) at which the measurement began; without it the sweeps have no time, and are flagged.
    delimiter, decimal
        ``","``, ``";"``, tab or ``"whitespace"``; ``"."`` or ``","``. Found from the rows by default.

    Raises
    ------
    FileError
        If the file holds no table or lacks a column, or a setting is unknown.
    """
    path = Path(path)
    require_tables(path, columns=columns, units=units)
    unknown = sorted({*columns, *(units or {})} - set(_NAMES))
    imaginary = [name for name in ("imaginary", "minus_imaginary") if name in columns]
    if unknown or len(imaginary) != 1 or not {"frequency", "real"} <= set(columns):
        got = repr(unknown[0]) if unknown else ", ".join(columns) or "none"
        raise FileError(
            path, "columns frequency, real, and imaginary or minus_imaginary", got, place="columns",
            remedy="further ones are elapsed",
        )  # fmt: skip
    start_of = head(path)
    table = parse(start_of, whole_text(start_of), delimiter, decimal)
    found = {
        name: convert(column_values(path, table, name, column), (units or {}).get(name, _UNITS[name]), _UNITS[name])
        for name, column in columns.items()
    }
    sign = -1.0 if imaginary[0] == "minus_imaginary" else 1.0
    began = np.datetime64("NaT", "ns") if start is None else to_utc(start, timezone, file=path, place="start")
    elapsed = found.get("elapsed", np.zeros(len(table.values)))
    value = _complex(found["real"], sign * found[imaginary[0]])
    return _series(path, "columns", found["frequency"], value, began + to_ns(elapsed))


def _series(
    path: str | Path, reader: str, frequency: Array, value: npt.NDArray[np.complex128], times: Times
) -> xr.Dataset:
    """Return the sweeps of a file as a series; rows without a frequency (rests between sweeps) belong to none."""
    rows = np.flatnonzero(np.isfinite(frequency) & (frequency > 0))
    sweeps = [part for part in _sweeps(frequency, rows) if part.size >= FEWEST]
    if not sweeps:
        raise FileError(path, f"a sweep of at least {FEWEST} frequencies", f"{rows.size} rows with a frequency")
    name = Path(path).name
    scans = [_scan(f"{name}::{k}", frequency[part], value[part], times[part]) for k, part in enumerate(sweeps)]
    series = stack(scans, FREQUENCY)
    for key, meaning in (("time", "middle"), ("time_start", "start"), ("time_end", "end")):
        series[key].attrs = {"long_name": f"{meaning} of the scan, UTC"}
    series["flag"].attrs = flag_attrs()
    return series.assign_attrs(format=reader)


def _complex(real: Array, imaginary: Array) -> npt.NDArray[np.complex128]:
    """Return complex numbers, each part as it is: a product with 1j would spread what is not finite."""
    value = np.empty(real.shape, np.complex128)
    value.real, value.imag = real, imaginary
    return value


def _sweeps(frequency: Array, rows: npt.NDArray[np.intp]) -> list[npt.NDArray[np.intp]]:
    """Return the rows of every sweep: a new one begins where the frequency runs back."""
    if rows.size < 2:
        return [rows]
    change = np.diff(frequency[rows])
    down = np.count_nonzero(change < 0) >= np.count_nonzero(change > 0)
    back = change > 0 if down else change < 0
    return np.split(rows, np.flatnonzero(back) + 1)


def _scan(source: str, frequency: Array, value: npt.NDArray[np.complex128], times: Times) -> xr.Dataset:
    order = np.argsort(frequency, kind="stable")
    order = order[np.r_[True, np.diff(frequency[order]) > 0]]
    start, end = times.min(), times.max()
    flag = Flag.no_time if np.isnat(start) else Flag(0)
    flag |= Flag.not_finite if not np.isfinite(value).all() else Flag(0)
    ohm = {"units": "ohm"}
    return xr.Dataset(
        {
            "z_real": (FREQUENCY, value.real[order], {**ohm, "long_name": "impedance, real part"}),
            "z_imaginary": (FREQUENCY, value.imag[order], {**ohm, "long_name": "impedance, imaginary part"}),
        },
        coords={
            FREQUENCY: (FREQUENCY, frequency[order], {"units": "Hz", "long_name": "frequency"}),
            "time_start": start,
            "time": start + (end - start) // 2,
            "time_end": end,
            "source": source,
            "flag": np.int32(flag),
        },
    )


def _recognizes_eclab(start: Head) -> bool:
    return eclab.recognizes(start) and bool(re.search(r"^freq/Hz\t", start.text, re.MULTILINE))


def _is_table(start: Head) -> bool:
    return start.is_text


FORMATS: Sequence[Format] = (
    Format("eclab", "impedance", "impedance in BioLogic EC-Lab text (.mpt)", _recognizes_eclab, read_eclab),
    Format("columns", "impedance", "columns of text, named by the caller", _is_table, read_columns, specific=False),
)
"""Every format, in the order in which they are asked whether a file is theirs."""
