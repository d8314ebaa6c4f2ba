"""Any HDF5 file, described by a recipe: which dataset is what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando import hdf5
from operando.errors import FileError, OperandoError
from operando.flags import Flag
from operando.hdf5 import Node
from operando.header_times import Span, span
from operando.history import recorded
from operando.sniff import Format
from operando.units import parse
from operando.xas.layout import DETECTORS

from .scan import in_electronvolts, require_known, require_units, scan

Floats = NDArray[np.float64]
Column = str | Sequence[str]
Find = Callable[[str], tuple[Node, str | None]]
_FEWEST_SHARE = 0.5


@dataclass
class Readings:
    """The columns of a scan, of equal length, and what was odd about them."""

    values: dict[str, Floats] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    channels: list[str] | None = None
    remarks: list[str] = field(default_factory=list)
    flag: Flag = field(default_factory=lambda: Flag(0))


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    columns: Mapping[str, Column] | None = None,
    units: Mapping[str, str] | None = None,
    time: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Return the scan in an HDF5 file of any layout.

    Parameters
    ----------
    path
        The file.
    timezone
        Zone of the times in the file, such as ``"Europe/Paris"``, where they have none.
    columns
        ``{name: path in the file}`` with the names ``energy`` and those of a scan (``mu``, ``i0``, ``tey`` ...), such
        as ``"/entry/data/energy"``; a column of a table is one name more. A list gives the dim ``detector``, and so
        do values (energy, detector).
    units
        ``{name: unit in the file}``, by default the unit that the dataset states, else eV for the energy.
    time
        ``start`` and ``end``: the paths of the texts that state them.

    Raises
    ------
    FileError
        If the file is no HDF5 or lacks a dataset, or the datasets cannot be the readings of one scan.
    OperandoError
        If a setting is unknown.
    """
    path, units = checked(path, columns, units)
    with hdf5.opened(path) as root:
        if columns is None or "energy" not in columns or len(columns) < 2:
            remedy = "give the paths of the datasets, such as columns = {energy = '/entry/data/energy'}"
            got = f"a file with {hdf5.content(root)}"
            raise FileError(path, "settings 'columns' with 'energy' and what was measured", got, remedy=remedy)
        found = gathered(path, columns, lambda name: _dataset(root, name))
        fields = hdf5.scalars(root, broken=found.remarks)
        times = _times(root, time or {}, timezone)
    ds = as_scan(path, found, units, times, metadata={"fields": fields, "columns": dict(columns)}, reader="hdf5")
    return recorded(ds, "xas.read", {"reader": "hdf5", "columns": columns, "units": units, "time": time})


def checked(
    path: str | Path, columns: Mapping[str, Column] | None, units: Mapping[str, str] | None
) -> tuple[Path, dict[str, str]]:
    """Return the path and the units, once the settings are known to name quantities and units that there are."""
    path = Path(path)
    for name, value in (("columns", columns), ("units", units)):
        if not isinstance(value, Mapping | None):
            raise OperandoError(f"{path}: {name}: expected a table {{ ... }}, got {value!r}")
    units = {name: str(unit) for name, unit in (units or {}).items()}
    require_units(path, units)
    require_known(path, columns or {}, "columns")
    for name, column in (columns or {}).items():
        several = column if isinstance(column, Sequence) else ()
        if not several or not all(isinstance(one, str) for one in several):
            raise OperandoError(f"{path}: columns.{name}: expected a name or a list of them, got {column!r}")
    return path, units


def gathered(path: Path, columns: Mapping[str, Column], find: Find) -> Readings:
    """Return the columns that ``find`` leads to, cut to the same length.

    Raises
    ------
    FileError
        If one is missing or no series of readings, or has less than half the readings of another.
    """
    found = Readings()
    for name, column in sorted(columns.items(), key=lambda item: item[0] not in DETECTORS):
        several = [column] if isinstance(column, str) else list(column)
        parts = [_readings(path, name, *find(one)) for one in several]
        sizes = {values.shape[0] for values in parts}
        if len(sizes) > 1:
            raise FileError(path, "as many readings of each channel", str(sorted(sizes)), place=f"columns.{name}")
        found.values[name] = (
            parts[0]
            if isinstance(column, str)
            else np.concatenate([values if values.ndim == 2 else values[:, None] for values in parts], axis=1)
        )
        if found.values[name].ndim == 2 and found.channels is None:
            width = found.values[name].shape[1]
            found.channels = several if len(several) == width else [str(k) for k in range(width)]
        unit = find(several[0])[0].attribute("units")
        if isinstance(unit, str) and _is_unit(unit):
            found.units[name] = unit
    return _cut(path, found)


def as_scan(
    path: Path, found: Readings, units: Mapping[str, str], times: Span, *, metadata: Mapping[str, object], reader: str
) -> xr.Dataset:
    """Return readings as a scan, energies in eV."""
    values, remarks = dict(found.values), list(found.remarks)
    unit = {**found.units, **units}.get("energy", "")
    if not unit:
        remarks.append("the energies have no unit: taken as eV")
    energy = values.pop("energy")
    if energy.ndim != 1:
        raise FileError(path, "energies along one dimension", f"shape {energy.shape}", place="columns.energy")
    widths = {name: column.shape[1] for name, column in values.items() if column.ndim == 2}
    if len(set(widths.values())) > 1:
        listed = ", ".join(f"{name} {width}" for name, width in widths.items())
        raise FileError(path, "as many channels of each quantity", listed, place="columns")
    return scan(
        path,
        in_electronvolts(path, energy, unit or "eV", None),
        values,
        times,
        units={**found.units, **units},
        metadata=metadata,
        reader=reader,
        flag=found.flag,
        remarks=remarks,
        detectors=found.channels,
    )


def _readings(path: Path, name: str, node: Node, column: str | None) -> Floats:
    shape = node.shape
    if shape is not None and len(shape) not in (1, 2):
        got = "a single value" if shape == () else f"values of shape {shape}"
        raise FileError(path, "readings along the scan", got, place=f"columns.{name} ({node.name})")
    return node.numbers(column)


def _cut(path: Path, found: Readings) -> Readings:
    """Cut the columns to the shortest, flag and remark that; they belong together from the first reading on."""
    sizes = {name: values.shape[0] for name, values in found.values.items()}
    least, most = min(sizes.values()), max(sizes.values())
    if least == most:
        return found
    listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
    if least < _FEWEST_SHARE * most:
        raise FileError(path, "as many readings of each quantity", listed, place="columns")
    found.values = {name: values[:least] for name, values in found.values.items()}
    found.remarks.append(f"different numbers of readings ({listed}): the first {least} are taken")
    found.flag |= Flag.truncated
    return found


def _dataset(root: Node, name: str) -> tuple[Node, str | None]:
    """Return the dataset at a path, and the column if the last name is one of a table's."""
    found = root.get(name)
    if found is None:
        above, _, column = name.rstrip("/").rpartition("/")
        table = root.get(above) if above else None
        if table is not None and not table.is_group:
            return table, column
    if found is None or found.is_group:
        got = "a group" if found is not None else f"a file with {hdf5.content(root)}"
        raise FileError(root.file, f"a dataset {name!r}", got, place="columns")
    return found, None


def _times(root: Node, time: Mapping[str, str], timezone: str | None) -> Span:
    unknown = [key for key in time if key not in ("start", "end")]
    if unknown:
        raise OperandoError(f"{root.file}: time: expected the keys start, end, got {unknown[0]!r}")
    texts = {key: _dataset(root, path)[0].scalar() for key, path in time.items()}
    if not isinstance(texts.get("start"), str):
        return Span()
    end = texts.get("end")
    return span(root.file, str(texts["start"]), timezone=timezone, end=end if isinstance(end, str) else None)


def _is_unit(text: str) -> bool:
    try:
        return bool(text.strip()) and parse(text) is not None
    except OperandoError:
        return False


HDF5 = Format(
    name="hdf5",
    technique="xas",
    about="HDF5 of any layout, described by the recipe",
    recognizes=hdf5.is_hdf5,
    read=read,
    specific=False,
)
