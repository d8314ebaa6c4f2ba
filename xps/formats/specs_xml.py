"""SPECS SpecsLab2 XML: groups of regions, each with cycles of scans, each with the counts of every channel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import FileError
from operando.flags import Flag
from operando.header_times import Span, seconds
from operando.sniff import Format, Head

from .region_names import region_name, same_region
from .regions import Entry, Refusal, Regions, Wanted, names_of, read_region
from .specs_region import Scan, SpecsRegion, cycle_starts, specs_region, stated_name
from .specs_xml_file import RegionElement, region_elements
from .spectrum import spectrum as as_dataset

Floats = NDArray[np.float64]

_MOST_DEAD = 1.6
_YEARS = (np.datetime64("1990-01-01", "s"), np.datetime64("2100-01-01", "s"))


def read(
    path: str | Path,
    *,
    timezone: str | None = None,  # noqa: ARG001
    region: Regions = None,
    group: str | None = None,
    cycle: Wanted = None,
    spectrum: Wanted = None,
    sum_scans: bool = False,
) -> xr.Dataset:
    """Return the scans of one region of a SpecsLab2 XML file.

    Parameters
    ----------
    path
        The file.
    timezone
        Not used: the file has seconds since 1970, UTC.
    region
        The region's name, such as ``"S 2p"``; that of the only region by default.
    group
        The name of a group of regions; by default regions of the same name from all groups form one series.
    cycle
        The number of a cycle, counted from 0 as SpecsLab does, or a list of numbers; all of them by default.
    spectrum
        One scan by its cycle and number, such as ``"0.14"``, or by its label in ``source``, or a list of them.
    sum_scans
        Whether the scans of a cycle that were measured to their end are added up to one spectrum.

    Returns
    -------
    xarray.Dataset
        ``counts`` (count) and ``transmission`` against ``binding_energy`` (eV), along ``scan`` if there are several
        scans or cycles. A scan that stopped before its end has NaN behind it and is flagged as truncated.

    Raises
    ------
    FileError
        If the XML breaks off before the region's end or declares entities, there is no such region, or it is resolved
        in angle, measured at fixed energies or with the photon energy swept, or its numbers do not fit together.

    Notes
    -----
    The channels of a detector look at energies that differ by ``shift`` times the pass energy. For the kinetic energy
    E0 + n step of the axis each channel gives its nearest point k = n + head - round(shift Ep / step), and the counts
    of all channels are added: whole counts stay whole, energies are off by half a step at most. The binding energy is
    the excitation energy less the kinetic energy, which refers to the Fermi level: the work function is not used.
    The file states when a cycle began, not when its scans did: they share evenly the time until the next cycle of the
    file began, if it is 1 to 1.6 times the time counted; else they are taken to have no dead time, and scans after the
    first one begin a little too early.
    """
    path = Path(path)
    wanted = names_of(path, region)
    entries: list[Entry] = []
    refused: list[Refusal] = []
    groups: list[str] = []
    starts: list[int] = []
    others: list[str] = []
    met = Counter[str]()
    try:
        for found in region_elements(path):
            groups.append(found.group)
            starts += cycle_starts(found.element)
            name = region_name(stated_name(found.element))
            if group is not None and found.group != group:
                continue
            if wanted and not any(same_region(name, one) for one in wanted):
                others.append(name)
                continue
            label = f"{found.group}, {name}" if found.group else name
            met[label] += 1
            label = f"{label} ({met[label]})" if met[label] > 1 else label
            _add(path, found, label, starts, (entries, refused), sum_scans=sum_scans)
    except FileError as error:
        refused.append(Refusal("", error))
    if group is not None and group not in groups and groups:
        raise FileError(path, f"a group among {', '.join(dict.fromkeys(groups))}", repr(group), place="group")
    chosen_by = {"cycle": cycle, "spectrum": spectrum}
    parameters = {"reader": "specs_xml", "group": group, **chosen_by, "sum_scans": sum_scans}
    return read_region(path, entries, refused, region, parameters, chosen_by=chosen_by, entry="spectrum", others=others)


def recognizes(start: Head) -> bool:
    """Whether the file is XML with SPECS's names of types in it."""
    return start.text.lstrip().startswith("<") and "IDL:specs.de/" in start.text


def _add(
    path: Path,
    found: RegionElement,
    label: str,
    starts: Sequence[int],
    lists: tuple[list[Entry], list[Refusal]],
    *,
    sum_scans: bool,
) -> None:
    """Add the scans of a region to the entries, or the reason why it has none; ``label`` begins their labels."""
    name, (entries, refused) = region_name(stated_name(found.element)), lists
    try:
        region = specs_region(path, found.group, found.element)
    except FileError as error:
        refused.append(Refusal(name, error))
        return
    for cycle in dict.fromkeys(scan.cycle for scan in region.scans):
        scans = [scan for scan in region.scans if scan.cycle == cycle]
        if len(scans) != scans[0].of:
            place = f"region {region.name!r}, cycle {cycle}"
            refused.append(Refusal(name, FileError(path, f"{scans[0].of} scans", str(len(scans)), place=place)))
        begin = f"{label}, cycle {cycle}"
        if sum_scans:
            make = partial(_sum, path, region, scans, begin, starts)
            entries.append(Entry(name, begin, make, {"cycle": (str(cycle),), "spectrum": (begin,)}))
            continue
        for scan in scans:
            own = f"{begin}, scan {scan.number}"
            keys = {"cycle": (str(cycle),), "spectrum": (f"{cycle}.{scan.number}", own)}
            entries.append(Entry(name, own, partial(_single, path, region, scan, own, starts), keys))


def _single(path: Path, region: SpecsRegion, scan: Scan, label: str, starts: Sequence[int]) -> xr.Dataset:
    counts, stopped = region.summed(scan)
    flag = Flag.truncated if stopped else None
    return _dataset(
        path, region, counts, _span(region, scan, 1, starts), label, flag=flag, sweeps=1, remarks=_remarks(scan)
    )


def _sum(path: Path, region: SpecsRegion, scans: Sequence[Scan], label: str, starts: Sequence[int]) -> xr.Dataset:
    """Return the sum of the scans of a cycle that were measured to their end."""
    summed = [(scan, *region.summed(scan)) for scan in scans]
    whole = [counts for _, counts, stopped in summed if not stopped]
    if not whole:
        raise FileError(path, "a scan that was measured to its end", "none", place=label)
    short = [str(scan.number) for scan, _, stopped in summed if stopped]
    told = [f"left out of the sum, since they stop before their end: scans {', '.join(short)}"] if short else []
    total: Floats = np.sum(whole, axis=0)
    times = _span(region, scans[0], len(scans), starts)
    return _dataset(path, region, total, times, label, sweeps=len(whole), remarks=[*told, *_remarks(scans[0])])


def _dataset(
    path: Path,
    region: SpecsRegion,
    counts: Floats,
    times: Span,
    label: str,
    *,
    sweeps: int,
    remarks: Sequence[str],
    flag: Flag | None = None,
) -> xr.Dataset:
    measured = {"counts": counts}
    told = list(remarks)
    if region.transmission.size == region.points:
        measured["transmission"] = region.transmission
    elif region.transmission.size:
        told.append(f"the transmission has {region.transmission.size} values and was left out")
    if (region.gains != 1).any():
        told.append(f"gains of the channels are not applied: {', '.join(f'{gain:g}' for gain in region.gains[:20])}")
    return as_dataset(
        path,
        region.binding_energy,
        measured,
        times,
        region=region_name(region.name),
        entry=label,
        reader="specs_xml",
        metadata=_metadata(region),
        conditions={
            "photon_energy": region.number("excitation_energy"),
            "dwell": region.number("dwell_time"),
            "sweeps": sweeps,
            "pass_energy": region.number("pass_energy"),
            "work_function": region.number("effective_workfunction"),
        },
        flag=flag,
        remarks=told,
    )


def _remarks(scan: Scan) -> list[str]:
    return ["the scaling factors of the file are not applied"] if scan.scaled else []


def _metadata(region: SpecsRegion) -> dict[str, Any]:
    channels = {"shifts": region.shifts.tolist(), "mcd_head": region.head, "mcd_tail": region.tail}
    return {"group": region.group, **region.fields, **channels}


def _span(region: SpecsRegion, scan: Scan, scans: int, starts: Sequence[int]) -> Span:
    """Return when scans were measured, from the beginnings of the cycles and the time counted per point."""
    began = np.datetime64(max(scan.time, 0), "s")
    counted = region.number("dwell_time") * (region.head + region.points + region.tail)
    if not _YEARS[0] < began < _YEARS[1]:
        return Span()
    start = began.astype("M8[ns]")
    if not 0 < counted * max(scan.of, scans) < 1e7:
        return Span(start, start, note="start of the cycle only")
    until = (min((time for time in starts if time > scan.time), default=0) - scan.time) / scan.of
    taken = until if 1 <= until / counted <= _MOST_DEAD else counted
    start = start + seconds(taken * scan.number)
    length = taken * scans
    note = "starts of the cycles, and times counted per point"
    return Span(start, start + seconds(length / 2), start + seconds(length), note=note)


SPECS_XML = Format(
    name="specs_xml",
    technique="xps",
    about="SPECS SpecsLab2 XML",
    recognizes=recognizes,
    read=read,
)
