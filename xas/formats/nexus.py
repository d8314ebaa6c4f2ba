"""NeXus files of absorption scans: the application definition NXxas, as first defined and as used today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando import hdf5
from operando.entries import as_series, named
from operando.errors import FileError, OperandoError
from operando.hdf5 import Node
from operando.header_times import Span, parsed_time, span
from operando.sniff import Format, Head
from operando.units import known_unit
from operando.xas.layout import DETECTORS

from .hdf5 import Column, checked
from .nexus_entry import Spectrum, entries, spectrum
from .nexus_stack import Stack, is_stack, joined, spectra, stack
from .scan import in_electronvolts, scan

Floats = NDArray[np.float64]
_STARTS, _ENDS = ("start_time", "scan.start_time"), ("end_time", "scan.end_time")


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    entry: str | None = None,
    columns: Mapping[str, Column] | None = None,
    units: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Return the scans in a NeXus file.

    Parameters
    ----------
    path
        The file.
    timezone
        Zone of the times where they state none, such as ``"Europe/Paris"``.
    entry
        The name of one entry; all of them by default.
    columns
        ``{name: detector}`` for what the file leaves open, such as ``{"fluorescence": ["mca1", "mca2"]}``: the name
        of a detector, of a subentry, or of a column of its raw data. A list gives the dim ``detector``.
    units
        ``{name: unit in the file}`` where the file states none, or a wrong one.

    Returns
    -------
    xarray.Dataset
        Against ``energy`` (eV): ``mu``, the ``intensity`` of an entry, and from its detectors ``i0``, ``transmission``,
        ``fluorescence``, ``tey``, ``pey``, ``pfy`` by the mode stated, ``reference`` by its name. The subentries of an
        entry, and entries with the same start, energies and I0 but different modes, are one scan; several spectra of
        the same quantity are told apart along ``detector``. Several scans, also those of an entry that holds a stack,
        lie along ``scan``, with the entry behind ``::`` in ``source``. What is no spectrum, or shares less than half
        its energies with the others, is left out with a warning that names it, and in ``attrs["remarks"]``.

    Raises
    ------
    FileError
        If the file is broken off or has no such entry, or no entry is a spectrum.
    OperandoError
        If a setting names an unknown quantity or unit.

    Notes
    -----
    https://manual.nexusformat.org/classes/applications/NXxas.html
    """
    path, units = checked(path, columns, units)
    with hdf5.opened(path) as root:
        found, left_out = _spectra(root, entry, timezone)
    scans = []
    for one in found:
        try:
            scans.append(_scan(path, one, timezone, columns or {}, units))
        except FileError as error:
            left_out.append(error)
    if not scans:
        raise left_out[0] if left_out else _nothing(path)
    parameters = {"reader": "nexus", "entry": entry, "columns": columns, "units": units, "timezone": timezone}
    return as_series(path, scans, left_out, parameters, entry="entry")


def recognizes(start: Head) -> bool:
    """Whether the file is HDF5 with an entry whose definition is NXxas."""
    if not hdf5.is_hdf5(start):
        return False
    try:
        with hdf5.opened(start.path) as root:
            return any(not isinstance(found, FileError) for found in entries(root))
    except OperandoError:
        return False


def _spectra(root: Node, wanted: str | None, timezone: str | None) -> tuple[list[Spectrum], list[FileError]]:
    """Return the scans of a file, each from one entry or several, and why other entries are none."""
    found: list[tuple[Spectrum, str]] = []
    stacks: list[Stack] = []
    left_out: list[FileError] = []
    names = []
    for item in entries(root):
        if isinstance(item, FileError):
            if wanted is None or _within(item.place.strip("/"), wanted):
                left_out.append(item)
            continue
        node, above = item
        names.append(node.name.strip("/"))
        if wanted is not None and not _within(names[-1], wanted):
            continue
        try:
            if is_stack(node):
                stacks.append(stack(node))
                continue
            parent = above.name if above is not None and node.attribute("NX_class") == "NXsubentry" else ""
            found.append((spectrum(node, above), parent))
        except FileError as error:
            left_out.append(error)
    if wanted is not None and not any(_within(name, wanted) for name in names):
        raise FileError(root.file, f"an entry among {', '.join(names) or 'none'}", repr(wanted), place="entry")
    stacked = [one for each in joined(stacks) for one in spectra(each, timezone, root)]
    return [*_as_scans(found), *stacked], list({str(error): error for error in left_out}.values())


def _within(name: str, wanted: str) -> bool:
    return name == wanted.strip("/") or name.startswith(f"{wanted.strip('/')}/")


def _as_scans(found: Sequence[tuple[Spectrum, str]]) -> list[Spectrum]:
    """Return one spectrum a scan, from the entries that belong to the same one."""
    scans: list[tuple[Spectrum, str]] = []
    for one, parent in found:
        for at, (other, its_parent) in enumerate(scans):
            if _same_scan(one, other, siblings=bool(parent) and parent == its_parent):
                scans[at] = (_joined(other, one, parent), its_parent)
                break
        else:
            scans.append((one, parent))
    return [one for one, _ in scans]


def _same_scan(one: Spectrum, other: Spectrum, *, siblings: bool) -> bool:
    """Whether two entries are detectors of one scan."""
    if one.unit != other.unit or not np.array_equal(one.energy, other.energy):
        return False
    beams = [spectrum.detectors[spectrum.taken["i0"][0]] for spectrum in (one, other) if "i0" in spectrum.taken]
    if len(beams) == 2 and not np.array_equal(beams[0], beams[1], equal_nan=True):
        return False
    if siblings:
        return True
    start = _first(one.fields, _STARTS)
    return bool(start) and start == _first(other.fields, _STARTS) and one.taken.keys() & other.taken.keys() <= {"i0"}


def _joined(one: Spectrum, other: Spectrum, parent: str) -> Spectrum:
    """Return two entries as one scan, detectors of the same name told apart by their entries'."""
    label = parent.strip("/") or f"{one.label}+{other.label}"
    own = other.label.rpartition("/")[2]
    joined = Spectrum(label, one.energy, one.unit, dict(one.detectors), dict(one.units), fields=_shared(one, other))
    joined.taken = {name: list(detectors) for name, detectors in one.taken.items()}
    joined.remarks = list(dict.fromkeys([*one.remarks, *other.remarks]))
    for name, values in other.detectors.items():
        same = name in joined.detectors and np.array_equal(joined.detectors[name], values, equal_nan=True)
        key = name if same or name not in joined.detectors else f"{own}/{name}"
        joined.detectors[key] = values
        if name in other.units:
            joined.units[key] = other.units[name]
        for quantity in (quantity for quantity, detectors in other.taken.items() if name in detectors):
            if key not in joined.taken.setdefault(quantity, []):
                joined.taken[quantity].append(key)
    return joined


def _shared(one: Spectrum, other: Spectrum) -> dict[str, Any]:
    return {key: value for key, value in one.fields.items() if other.fields.get(key) == value}


def _scan(
    path: Path, one: Spectrum, timezone: str | None, columns: Mapping[str, Column], units: Mapping[str, str]
) -> xr.Dataset:
    """Return a scan.

    Raises
    ------
    FileError
        If it is no spectrum.
    """
    place = f"entry {one.label!r}"
    taken = {
        **one.taken,
        **{name: [column] if isinstance(column, str) else list(column) for name, column in columns.items()},
    }
    several = {name for name, column in columns.items() if not isinstance(column, str)}
    unknown = [name for names in taken.values() for name in names if name not in one.detectors]
    if unknown:
        raise FileError(path, f"detectors among {', '.join(one.detectors)}", repr(unknown[0]), place=place)
    if not any(name in taken for name in DETECTORS if name != "i0"):
        remedy = f"name one of {', '.join(one.detectors)} in 'columns'"
        raise FileError(path, "a detector behind the sample", "none that is known", place=place, remedy=remedy)
    remarks = list(one.remarks)
    measured, channels = _measured(one, taken, several, remarks)
    times = _times(path, one, timezone, remarks) if one.span is None else one.span
    stated = {**_stated(one, taken, remarks), **units}
    metadata = {"entry": one.label, **one.fields, "detectors": taken}
    try:
        energy = in_electronvolts(path, one.energy, units.get("energy", one.unit), None)
        ds = scan(
            path,
            energy,
            measured,
            times,
            units=stated,
            metadata=metadata,
            reader="nexus",
            remarks=remarks,
            detectors=one.channels or channels,
        )
    except FileError as error:
        raise FileError(path, error.expected, error.got, place=place, remedy=error.remedy) from None
    except OperandoError as error:
        raise FileError(
            path, "a unit of energy", str(error), place=place, remedy="state units = {energy = 'eV'}"
        ) from None
    if one.flag is not None:
        ds = ds.assign_coords(flag=ds["flag"].copy(data=np.int32(one.flag)))
    return named(ds, path, one.label)


def _measured(
    one: Spectrum, taken: Mapping[str, Sequence[str]], several: set[str], remarks: list[str]
) -> tuple[dict[str, Floats], list[str] | None]:
    """Return the quantities and the names of the channels; one dim ``detector`` has room for one set of them."""
    measured: dict[str, Floats] = {}
    channels: list[str] | None = None
    for name in sorted(taken, key=lambda name: name not in DETECTORS):
        values = [one.detectors[detector] for detector in taken[name]]
        if len(values) == 1 and values[0].ndim == 1 and name not in several:
            measured[name] = values[0]
            continue
        own = [channel for detector in taken[name] for channel in _named(detector, one.detectors[detector])]
        if channels is not None and len(own) != len(channels):
            remarks.append(f"{name} left out: {len(own)} channels beside {len(channels)}; choose some in 'columns'")
            continue
        measured[name] = np.concatenate([v if v.ndim == 2 else v[:, None] for v in values], axis=1)
        channels = channels or own
    return measured, channels


def _named(detector: str, values: Floats) -> list[str]:
    """Return the names of a detector's channels."""
    return [detector] if values.ndim == 1 else [f"{detector}[{k}]" for k in range(values.shape[1])]


def _stated(one: Spectrum, taken: Mapping[str, Sequence[str]], remarks: list[str]) -> dict[str, str]:
    """Return the units that the file states; what pint does not know is a remark."""
    found = {}
    for name, detectors in taken.items():
        stated = one.units.get(detectors[0], "")
        unit, told = known_unit(stated, detectors[0])
        remarks += told
        if stated and not told:
            found[name] = unit
    return found


def _first(fields: Mapping[str, Any], keys: Sequence[str]) -> str:
    return next((str(fields[key]) for key in keys if fields.get(key)), "")


def _times(path: Path, one: Spectrum, timezone: str | None, remarks: list[str]) -> Span:
    """Return when the scan was measured; a time that cannot be read is a remark."""
    start, end = _first(one.fields, _STARTS), _first(one.fields, _ENDS)
    unread = [text for text in (start, end) if text and parsed_time(text) is None]
    remarks += [f"no date and time in ISO 8601: {text}" for text in unread]
    if parsed_time(start) is None:
        return Span()
    try:
        return span(path, start, timezone=timezone, end=end if parsed_time(end) else None)
    except FileError as error:
        remarks.append(f"times not used: expected {error.expected}, got {error.got}")
        return Span()


def _nothing(path: Path) -> FileError:
    with hdf5.opened(path) as root:
        return FileError(path, "an entry whose definition is NXxas", hdf5.content(root))


NEXUS = Format(
    name="nexus",
    technique="xas",
    about="NeXus, application definition NXxas",
    recognizes=recognizes,
    read=read,
)
