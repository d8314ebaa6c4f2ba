"""HDF5 files of BEC, the beamline control of the SLS: a group a device, in it one a signal: value and timestamp."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando import hdf5
from operando.errors import FileError, OperandoError
from operando.hdf5 import Node
from operando.header_times import Span, parsed_time, seconds, span
from operando.history import recorded
from operando.sniff import Format, Head
from operando.text_table import Table

from .guess import guessed_settings
from .hdf5 import Column, as_scan, checked, gathered

_ENTRY = "/entry"
_DEVICES = "/entry/collection/devices"
_METADATA = "/entry/collection/metadata"
_EARLIEST, _LATEST = 631152000.0, 4102444800.0
_SHOWN, _FEWEST = 16, 3


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    columns: Mapping[str, Column] | None = None,
    units: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Return the scan in a BEC file.

    Parameters
    ----------
    path
        The file, ``..._master.h5``; what it links to is read from its own folder and the folders below.
    timezone
        Zone of the start and end that the file states, for files without timestamps.
    columns
        ``{name: "device/signal"}`` with the names ``energy`` and those of a scan (``mu``, ``i0``, ``tey`` ...); the
        signal may be left out where it is called as its device, a column of a table is one name more, and a path from
        the root begins with ``/``. A list gives the dim ``detector``, and so do values (energy, detector).
    units
        ``{name: unit in the file}``, by default eV for the energy and 1 for all else.

    Returns
    -------
    xarray.Dataset
        Dim ``energy`` (eV, ascending). Times are those of the first and the last reading of the energy. Readings of
        different number are cut to the shortest, flagged and remarked on. Single readings stand in ``metadata``.

    Raises
    ------
    FileError
        If there is no such device or signal (those found are listed), a link leads out of the folder or to nothing, or
        a signal has no readings along the scan, or less than half of another's.
    OperandoError
        If a setting is unknown.

    Notes
    -----
    https://bec.readthedocs.io; written by its file writer as ``/entry/collection/devices/<device>/<signal>/value``.
    """
    path, units = checked(path, columns, units)
    with hdf5.opened(path) as root:
        devices = root.get(_DEVICES)
        if devices is None or not devices.is_group:
            raise FileError(path, f"a group {_DEVICES}", f"a file with {hdf5.content(root)}")
        if columns is None or "energy" not in columns or len(columns) < 2:
            wanted = "settings 'columns' with 'energy' and what was measured"
            raise FileError(path, wanted, ", ".join(columns or {}) or "none", remedy=_advice(devices))
        found = gathered(path, columns, lambda name: _value(root, devices, name))
        readings, left_out = _single(devices)
        found.remarks += left_out
        kept = found.values["energy"].shape[0]
        times = _times(root, _value(root, devices, _first(columns["energy"]))[0], kept, timezone, found.remarks)
        stated = root.get(_METADATA)
        fields = hdf5.scalars(stated, broken=found.remarks) if stated is not None and stated.is_group else {}
    metadata = {**fields, "readings": readings, "columns": dict(columns)}
    ds = as_scan(path, found, units, times, metadata=metadata, reader="bec")
    parameters = {"reader": "bec", "columns": columns, "units": units, "timezone": timezone}
    return recorded(ds, "xas.read", parameters)


def recognizes(start: Head) -> bool:
    """Whether the file is HDF5 with a group of devices where BEC has it."""
    if not hdf5.is_hdf5(start):
        return False
    try:
        with hdf5.opened(start.path) as root:
            devices = root.get(_DEVICES)
            return devices is not None and devices.is_group
    except OperandoError:
        return False


def suggest(start: Head) -> dict[str, Any]:
    """Return the settings that such a file probably needs, guessed from the names of its signals and their numbers."""
    try:
        with hdf5.opened(start.path) as root:
            devices = root.get(_DEVICES)
            signals = dict(_signals(devices)) if devices is not None else {}
            sizes = {name: shape[0] for name, node in signals.items() if len(shape := node.shape or ()) == 1}
            usual = Counter(sizes.values()).most_common(1)[0][0] if sizes else 0
            if usual < _FEWEST:
                return {}
            values = {name: _numbers(signals[name]) for name, size in sizes.items() if size == usual}
    except OperandoError:
        return {}
    known = {name: column for name, column in values.items() if column is not None}
    return _guessed(known) if known else {}


def _guessed(values: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return settings guessed from a table of the signals, labelled as short as they can be told apart."""
    short = {name: name.split("/")[0] if len(set(name.split("/"))) == 1 else name.split("/")[1] for name in values}
    counts = Counter(short.values())
    names = {short[name] if counts[short[name]] == 1 else name: name for name in values}
    table = Table([], list(names), np.column_stack(list(values.values())), [], cut=False)
    settings = guessed_settings(table)
    columns = settings.get("columns", {})
    full = [names[label] if isinstance(label, str) else list(names.values())[label] for label in columns.values()]
    return {**settings, "columns": dict(zip(columns, full, strict=True))} if columns else {}


def _value(root: Node, devices: Node, name: str) -> tuple[Node, str | None]:
    """Return the dataset that a name means, and the column if it names one of a table.

    Raises
    ------
    FileError
        If there is none, with the signals there are.
    """
    parts = name.strip("/").split("/")
    ways = (
        [(name, None), (name.rpartition("/")[0], parts[-1])]
        if name.startswith("/")
        else [
            (f"{name}/{name}/value", None),
            (f"{name}/value", None),
            (f"{'/'.join(parts[:-1])}/value", parts[-1]),
        ]
    )
    for way, column in ways:
        found = (root if name.startswith("/") else devices).get(way)
        if found is not None and not found.is_group:
            return found, column
    listed = ", ".join(label for label, _ in list(_signals(devices))[:_SHOWN]) or "none"
    raise FileError(root.file, f"a signal {name!r}", f"a file with {listed}", place="columns")


def _signals(devices: Node, left_out: list[str] | None = None) -> Iterator[tuple[str, Node]]:
    """Yield the signals' names and values; a link that leads nowhere is told in ``left_out``."""
    for device in devices.names():
        try:
            group = devices.get(device)
            names = group.names() if group is not None else []
        except FileError as error:
            if left_out is not None:
                left_out.append(str(error))
            continue
        for signal in names:
            try:
                value = group.get(f"{signal}/value") if group is not None else None
            except FileError as error:
                if left_out is not None:
                    left_out.append(str(error))
                continue
            if value is not None and not value.is_group:
                yield f"{device}/{signal}", value


def _single(devices: Node) -> tuple[dict[str, str | float], list[str]]:
    """Return the signals that were read once, and what could not be looked into."""
    found: dict[str, str | float] = {}
    left_out: list[str] = []
    for name, value in _signals(devices, left_out):
        try:
            reading = value.scalar()
        except FileError as error:
            left_out.append(str(error))
            continue
        if reading is not None:
            found[name] = reading
    return found, left_out


def _times(root: Node, energy: Node, kept: int, timezone: str | None, remarks: list[str]) -> Span:
    """Return when the readings of the energy were taken, else the start and end that the entry states."""
    stamps = energy.get(f"{energy.name.rpartition('/')[0]}/timestamp")
    values = _numbers(stamps) if stamps is not None else None
    if values is not None:
        values = np.ravel(values)[:kept]
        known = values[(values > _EARLIEST) & (values < _LATEST)]
        if known.size:
            first, last = _moment(known.min()), _moment(known.max())
            note = "timestamps of the energy's first and last reading"
            return Span(first, first + (last - first) // 2, last, note=note)
        remarks.append(f"{energy.name}: no timestamp is a time in seconds since 1970")
    entry = root.get(_ENTRY)
    start, end = (entry.attribute(key) if entry is not None else None for key in ("start_time", "end_time"))
    if not isinstance(start, str) or parsed_time(start) is None:
        return Span()
    ended = end if isinstance(end, str) and parsed_time(end) is not None else None
    return span(root.file, start, timezone=timezone, end=ended)


def _moment(stamp: float) -> np.datetime64:
    """Return a time in s since 1970; as one float times 1e9 it would lose its last digits."""
    whole = int(stamp)
    moment: np.datetime64 = np.datetime64(whole, "s").astype("datetime64[ns]") + seconds(float(stamp) - whole)
    return moment


def _numbers(node: Node) -> np.ndarray | None:
    try:
        return node.numbers()
    except FileError:
        return None


def _first(column: Column) -> str:
    return column if isinstance(column, str) else column[0]


def _advice(devices: Node) -> str:
    listed = [name for name, value in _signals(devices) if value.shape not in (None, ())]
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return f"its signals with readings are {', '.join(listed[:_SHOWN]) or 'none'}{more}"


BEC = Format(
    name="bec",
    technique="xas",
    about="HDF5 of BEC (SLS), described by the recipe",
    recognizes=recognizes,
    read=read,
    suggest=suggest,
)
