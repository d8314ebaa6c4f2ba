"""SPECS ``.xy``: the text that SpecsLab 2 and Prodigy export."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import FileError
from operando.flags import Flag
from operando.sniff import Format, Head, head

from .counting import all_whole, counts_of, rounding
from .region_names import region_name
from .regions import Entry, Refusal, Regions, Wanted, numbered, read_region
from .specs_dates import acquisition
from .specs_xy_file import Block, Region, XyFile, number_of, parsed, prefix_of, significant_digits
from .spectrum import spectrum as as_dataset

Floats = NDArray[np.float64]

_MODES = {"FixedAnalyzerTransmission", "FixedRetardingRatio", "SnapshotFAT", "Snapshot (FAT)", "Snapshot", ""}
_SWEPT = {"FixedAnalyzerTransmission", "FixedRetardingRatio"}
_METHODS = {"XPS", "UPS", "ESCA", ""}
_COUNTED = {"counts", "counts/s"}
_KINETIC, _BINDING = "kinetic", "binding"
_FEWEST, _MOST_MISSING = 3, 1_000_000
_PRINTED = 6
"""Significant digits that SpecsLab 2 writes; Prodigy writes more."""


@dataclass(frozen=True)
class _Curve:
    """One spectrum of the file: its energies, its columns by label, and whether rows are missing at its end."""

    energies: Floats
    columns: Mapping[str, Floats]
    cut: bool


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    region: Regions = None,
    group: str | None = None,
    cycle: Wanted = None,
    spectrum: Wanted = None,
) -> xr.Dataset:
    """Return the spectra of one region of a SPECS ``.xy`` file.

    Parameters
    ----------
    path
        The file.
    timezone
        Zone of the acquisition dates where the file writes them in local time, such as ``"Europe/Berlin"``.
    region
        The region's name, such as ``"Fe 2p"``; that of the only region by default.
    group
        The name of a group of regions; by default regions of the same name from all groups form one series.
    cycle
        The number of a cycle, counted from 0 as SPECS does, or a list of numbers; all of them by default.
    spectrum
        The ``Spectrum ID`` of a region (Prodigy), or the label of one scan in ``source``, or a list of them.

    Returns
    -------
    xarray.Dataset
        Against ``binding_energy`` (eV), along ``scan`` if there are several cycles or scans: ``counts`` (count) where
        the file's rates times the time counted are whole numbers, else ``rate`` (count/s), as where the channels of
        the detector were interpolated; ``transmission`` where it was exported. Channels exported separately are added.
        External channels and results of operations are left out with a remark.

    Raises
    ------
    FileError
        If a curve breaks off within a row, energies are not those that the header states, or no region was measured
        along a swept kinetic energy.

    Notes
    -----
    The binding energy is the photon energy less the kinetic energy, which refers to the Fermi level.
    """
    path = Path(path)
    prefix = prefix_of(head(path))
    if prefix is None:
        raise FileError(path, "'Created by: SpecsLab ...' in a comment", repr(head(path).lines[0][:40]), place="line 1")
    file = parsed(path, prefix)
    known = list(dict.fromkeys(one.group for one in file.regions))
    if group is not None and group not in known:
        raise FileError(path, f"a group among {', '.join(known) or 'none'}", repr(group), place="group")
    entries: list[Entry] = []
    refused: list[Refusal] = []
    if file.broken_off and (len(file.regions) > 1 or file.open_end):
        end = FileError(path, "whole curves", "a file that breaks off", place="end of the file", remedy="copy it again")
        refused.append(Refusal("", end))
    regions = [one for one in file.regions if group is None or one.group == group]
    for one, label in zip(regions, numbered([_called(one) for one in regions]), strict=True):
        refused += _missing_scans(path, one)
        try:
            entries += _entries(file, one, label, timezone)
        except FileError as error:
            refused.append(Refusal(region_name(one.name), error))
    chosen_by = {"cycle": cycle, "spectrum": spectrum}
    parameters = {"reader": "specs_xy", "group": group, **chosen_by, "timezone": timezone}
    return read_region(path, entries, refused, region, parameters, chosen_by=chosen_by, entry="spectrum")


def recognizes(start: Head) -> bool:
    """Whether the first line says that SpecsLab created the file."""
    return prefix_of(start) is not None


def _called(region: Region) -> str:
    """Return what tells a region from others of its name, if the file says it."""
    number = region.fields.get("Spectrum ID", "")
    parts = [region.group, region_name(region.name), f"spectrum {number}" if number else ""]
    return ", ".join(part for part in parts if part)


def _entries(file: XyFile, region: Region, begin: str, timezone: str | None) -> list[Entry]:
    """Return the spectra of a region, one a cycle and scan; ``begin`` begins their labels."""
    _require_spectrum(file.path, region)
    curves: dict[tuple[int, int | None], list[Block]] = {}
    for block in region.blocks:
        curves.setdefault((block.cycle, block.scan), []).append(block)
    if not curves:
        raise FileError(file.path, "a curve", "none", place=f"region {region.name!r}, line {region.line}")
    _require_channels(file.path, region, curves.values())
    name, number = region_name(region.name), region.fields.get("Spectrum ID", "")
    entries = []
    for (cycle, scan), blocks in curves.items():
        label = f"{begin}, cycle {cycle}" + ("" if scan is None else f", scan {scan}")
        keys = {"cycle": (str(cycle),), "spectrum": (number or label, label)}
        entries.append(Entry(name, label, partial(_dataset, file, region, blocks, label, timezone), keys))
    return entries


def _missing_scans(path: Path, region: Region) -> list[Refusal]:
    """Return which cycles have fewer scans than the file states, where each scan stands by itself."""
    told = []
    for cycle in dict.fromkeys(block.cycle for block in region.blocks):
        blocks = [block for block in region.blocks if block.cycle == cycle]
        scans = {block.scan for block in blocks}
        stated = blocks[0].fields.get("Number of Scans") or region.fields.get("Number of Scans", "")
        if None not in scans and stated and stated != str(len(scans)):
            place = f"region {region.name!r}, cycle {cycle}"
            reason = FileError(path, f"{stated} scans", str(len(scans)), place=place)
            told.append(Refusal(region_name(region.name), reason))
    return told


def _require_channels(path: Path, region: Region, curves: Iterable[Sequence[Block]]) -> None:
    """Refuse curves that are neither different scans nor different channels of one."""
    for blocks in curves:
        channels = [block.channel for block in blocks]
        if len(blocks) > 1 and (None in channels or len(set(channels)) < len(channels)):
            place = f"region {region.name!r}, line {blocks[1].line}"
            raise FileError(path, "one curve for each scan and channel", "several", place=place)


def _require_spectrum(path: Path, region: Region) -> None:
    """Refuse a region that was not measured along the kinetic energy."""
    place = f"region {region.name!r}, line {region.line}"
    mode, method = region.fields.get("Scan Mode", ""), region.fields.get("Analysis Method", "")
    if mode not in _MODES:
        raise FileError(path, "a swept kinetic energy", f"the scan mode {mode!r}", place=place)
    if method.upper() not in _METHODS:
        raise FileError(path, "photoemission", f"the method {method!r}", place=place)
    if region.fields.get("Curves/Scan", "1") != "1" or any(block.curve for block in region.blocks):
        got = f"{region.fields.get('Curves/Scan')}: resolved in angle or place"
        raise FileError(path, "one curve per scan", got, place=place, remedy="export it summed over the slices")


def _dataset(file: XyFile, region: Region, blocks: Sequence[Block], label: str, timezone: str | None) -> xr.Dataset:
    """Return one scan of a region, its channels added."""
    curve = _added(file, region, blocks)
    fields = {**region.fields, **blocks[0].fields}
    sweeps = 1.0 if blocks[0].scan is not None else number_of(fields, "Number of Scans")
    dwell = number_of(fields, "Dwell Time")
    measured, remarks = _measured(curve, blocks, dwell * sweeps)
    aside = [name for name, rows in file.asides.items() if rows]
    if aside:
        remarks.append(f"left out beside the spectra: {', '.join(dict.fromkeys(aside[:10]))}")
    times = acquisition(file.path, fields.get("Acquisition Date", ""), dwell * sweeps * curve.energies.size, timezone)
    return as_dataset(
        file.path,
        _binding_energies(file, region, curve.energies),
        measured,
        times,
        region=region_name(region.name),
        entry=label,
        reader="specs_xy",
        metadata={"group": region.group, **fields, "export": file.settings},
        conditions={
            "photon_energy": number_of(fields, "Excitation Energy"),
            "dwell": dwell,
            "sweeps": sweeps,
            "pass_energy": number_of(fields, "Pass Energy"),
            "work_function": number_of(fields, "Eff. Workfunction"),
        },
        flag=Flag.truncated if curve.cut else None,
        remarks=remarks,
    )


def _added(file: XyFile, region: Region, blocks: Sequence[Block]) -> _Curve:
    """Return the sum of the channels, which have to share their energies."""
    channels = [_curve(file, region, block) for block in blocks]
    first = channels[0]
    for one in channels[1:]:
        if not np.array_equal(first.energies, one.energies) or set(one.columns) != set(first.columns):
            expected, remedy = "channels on one axis", "export it with Separate Channel Data: no"
            place = f"region {region.name!r}, line {blocks[0].line}"
            raise FileError(file.path, expected, "channels on different ones", place=place, remedy=remedy)
    columns = {
        label: first.columns[label]
        if label.startswith("transmission")
        else np.sum([one.columns[label] for one in channels], axis=0)
        for label in first.columns
    }
    return _Curve(first.energies, columns, any(one.cut for one in channels))


def _curve(file: XyFile, region: Region, block: Block) -> _Curve:
    """Return a block in numbers; rows that are missing at its end are NaN, on the axis as it goes on."""
    place = f"region {region.name!r}, line {block.line}"
    stated = region.fields.get("Values/Curve", "")
    if (
        not (stated.isascii() and stated.isdigit() and len(stated) < 10)
        or block.labels[:1] != ["energy"]
        or not _COUNTED & set(block.labels)
    ):
        got = f"{' '.join(block.labels) or 'no columns'} of {stated or 'unknown'} values"
        raise FileError(file.path, "columns of energy and counts, and Values/Curve", got, place=place)
    points = int(stated)
    table = block.table(file.path, points)
    if len(table) < _FEWEST:
        raise FileError(file.path, f"{points} rows", str(len(table)), place=place, remedy="copy it again")
    energies, missing = table[:, 0], points - len(table)
    step = float(np.median(np.diff(energies)))
    if region.fields.get("Scan Mode", "") in _SWEPT:
        _require_swept(file, region, energies, step, place)
    if 0 < missing <= _MOST_MISSING and np.allclose(np.diff(energies), step, rtol=1e-3):
        energies = np.append(energies, energies[-1] + step * np.arange(1, missing + 1))
        table = np.vstack([table, np.full((missing, table.shape[1]), np.nan)])
    columns = dict(zip(block.labels[1:], table[:, 1:].T, strict=True))
    return _Curve(energies, columns, missing > 0)


def _require_swept(file: XyFile, region: Region, energies: Floats, step: float, place: str) -> None:
    """Refuse energies that do not begin where the header states, or do not go on in even steps."""
    axis = _axis(file)
    first = number_of(region.fields, f"{axis.title()} Energy")
    if np.isfinite(first) and abs(energies[0] - first) > abs(step) * 1.001 + 1e-3:
        raise FileError(file.path, f"{axis} energies from {first:g} eV", f"from {energies[0]:g} eV", place=place)
    off = np.abs(np.diff(energies) - step)
    uneven = np.flatnonzero(~(off <= 0.1 * abs(step) + 2 * rounding(energies[1:], _PRINTED)))
    if uneven.size:
        got = f"{energies[uneven[0]]:g} to {energies[uneven[0] + 1]:g} eV"
        raise FileError(file.path, f"energies in steps of {step:g} eV", got, place=place, remedy="copy it again")


def _axis(file: XyFile) -> str:
    """Return which energy the axis is.

    Raises
    ------
    FileError
        If the file does not say.
    """
    settings = file.settings
    said = settings.get("Energy Axis", "").lower()
    kinetic = settings.get("Kinetic Energy Axis", "").lower()
    if said.startswith(_KINETIC) or kinetic == "yes":
        return _KINETIC
    if said.startswith(_BINDING) or kinetic == "no":
        return _BINDING
    expected = "the setting 'Energy Axis: Binding Energy' or 'Kinetic Energy'"
    raise FileError(file.path, expected, said or "none", place="settings of the export")


def _binding_energies(file: XyFile, region: Region, energies: Floats) -> Floats:
    if _axis(file) == _BINDING:
        return energies
    photon = number_of(region.fields, "Excitation Energy")
    if not np.isfinite(photon):
        raise FileError(file.path, "a number 'Excitation Energy'", "none", place=f"region {region.name!r}")
    return photon - energies


def _measured(curve: _Curve, blocks: Sequence[Block], seconds: float) -> tuple[dict[str, Floats], list[str]]:
    """Return what was measured under its name, and what is to be said about it."""
    found: dict[str, Floats] = {}
    remarks: list[str] = []
    for label, values in curve.columns.items():
        if label.startswith("transmission"):
            found["transmission"] = values
        elif label == "counts/s":
            counts = counts_of(values, seconds, rounding(values, _digits(blocks)) * len(blocks))
            found |= {"rate": values} if counts is None else {"counts": counts}
        elif label == "counts":
            whole = all_whole(values)
            if not whole:
                remarks.append("the counts are no whole numbers, perhaps means of scans: kept as they are")
            found["counts" if whole else "intensity"] = values
        else:
            remarks.append(f"the column {label!r} was left out")
    return found, remarks


def _digits(blocks: Sequence[Block]) -> int:
    """Return how many significant digits the counts are written with: zeros at the end are not written."""
    texts = [cells[1] for block in blocks for cells in (line.split() for line in block.rows) if len(cells) > 1]
    return max(significant_digits(texts), _PRINTED)


SPECS_XY = Format(
    name="specs_xy",
    technique="xps",
    about="SPECS .xy of SpecsLab 2 or Prodigy",
    recognizes=recognizes,
    read=read,
)
