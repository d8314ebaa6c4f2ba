"""SpecsLab Prodigy databases (``.sle``): groups of spectra, each measured in scans and perhaps in loops."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from urllib.parse import quote

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import FileError, printable
from operando.flags import Flag
from operando.header_times import Span
from operando.sniff import Format, Head

from .counting import all_whole
from .region_names import region_name, same_region
from .regions import Entry, Refusal, Regions, Wanted, read_region
from .sle_database import EXPORT, MAGIC, StoredScan, Tables, counts, tables
from .sle_region import SleRegion, sle_region
from .sle_schedule import Planned, planned
from .sle_times import ends_in_order, scan_span
from .spectrum import spectrum as as_dataset

Floats = NDArray[np.float64]

_TABLES = {"Configuration", "Spectrum", "RawData"}
_SEEN = "4.63."
_COMPACTED = (
    "Prodigy interpolated the counts of all channels before it added them: neighbours are correlated, so that chi"
    " squared falls below one"
)


@dataclass(frozen=True)
class _Trace:
    """Where in its loops a scan was measured, and its number; ``1`` where the file says nothing."""

    cycle: str
    scan: str


@dataclass(frozen=True)
class _Spectrum:
    """A spectrum of the file, how the labels of its scans begin, and when all scans of the file ended."""

    path: Path
    region: SleRegion
    label: str
    ends: Sequence[datetime]
    timezone: str | None


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    region: Regions = None,
    group: Wanted = None,
    cycle: Wanted = None,
    spectrum: Wanted = None,
    sum_scans: bool = False,
) -> xr.Dataset:
    """Return the scans of one region of a SpecsLab Prodigy database.

    Parameters
    ----------
    path
        The file; it is opened for reading only.
    timezone
        The zone of the file's times, such as ``"UTC"``: they have none.
    region
        The region's name, such as ``"S 2p"``; that of the only region by default.
    group
        A group of regions by its name or its number in the schedule, or a list of them; by default regions of the same
        name from all groups form one series.
    cycle
        The number of a loop, counted from 1 as Prodigy does (``"2.1"`` where loops are nested), or a list of them; all
        of them by default.
    spectrum
        One scan by its label in ``source``, or all scans of a spectrum by what comes before ``", cycle"`` in it or by
        its number in the schedule, or a list of them.
    sum_scans
        Whether the scans of a loop that were measured to their end are added up to one spectrum.

    Returns
    -------
    xarray.Dataset
        ``counts`` (count) and ``transmission`` against ``binding_energy`` (eV), along ``scan`` if there are several
        scans or loops. A scan that stopped before its end has NaN behind it and is flagged as truncated. Numbers that
        are not whole, although Prodigy did not add up the channels of single scans, are given as ``intensity``: whether
        it adds or averages several scans that it puts into one is not known.

    Raises
    ------
    FileError
        If the database is damaged, being written or of a version whose tables are not known, or the region is not
        there, or was resolved in angle, measured at fixed energies or as snapshots, or its numbers do not fit together.

    Notes
    -----
    The format is not published. Seen on a measured file of version 4.63 (527 scans, Au 4f in oxygen): energies begin at
    ``ElectronEnergy`` and fall by ``Step`` (Au 4f7/2 lies at 84.1 eV). Numbers are counts: from scan to scan their
    variance is 2/3 of their mean and the covariance of neighbours 1/6 of it, as in the sum of many channels that were
    each interpolated linearly. ``ScanDate`` is the end of a scan: a scan took the time since the one before it ended,
    1.3 times the time counted; where that is more than 1.6 times, it is taken to have no dead time. ``WriteIndex`` is
    the number of points written. A channel sees electrons of ``Shift`` times the pass energy more than the analyser is
    set to (the Au 4f doublet on 130 channels at a fixed energy).

    Not seen: swept spectra whose channels were kept apart. They are added as those of SpecsLab2 are, each channel at
    its nearest point where Prodigy interpolates: whole counts stay whole, energies are off by half a step at most. If
    ``Head`` and ``Tail`` do not fit to the shifts they are refused. Numbers of 32 bits, deflated ones and a
    transmission in the table ``Spectrum``, which other versions are said to have, were tried on simulated files only.

    A flipped bit among the counts shows only where it makes them no counts: SQLite keeps no checksums.
    """
    path = Path(path)
    stored = tables(path)
    entries: list[Entry] = []
    refused: list[Refusal] = []
    empty: list[Planned] = []
    plans = planned(path, stored.schedule)
    groups, met = _groups(plans), Counter[str]()
    ends = ends_in_order(one.date for scans in stored.scans.values() for one in scans)
    for plan in plans:
        node = stored.nodes.get(plan.number, -1)
        if node not in stored.spectra or node not in stored.scans:
            empty.append(plan)
            continue
        label = _label(plan, groups, met)
        try:
            found = _Spectrum(path, sle_region(path, stored, plan), label, ends, timezone)
        except FileError as error:
            refused.append(Refusal(region_name(plan.name), error))
            continue
        entries += _entries(found, stored.scans[node], groups[plan.group_number], sum_scans=sum_scans)
    refused += _without_scans(path, entries, empty)
    refused += _without_settings(path, stored, plans)
    chosen_by = {"group": group, "cycle": cycle, "spectrum": spectrum}
    parameters = {"reader": "sle", **chosen_by, "sum_scans": sum_scans}
    return read_region(path, entries, refused, region, parameters, chosen_by=chosen_by, entry="spectrum")


def recognizes(start: Head) -> bool:
    """Whether a file is an SQLite database with the tables of SpecsLab Prodigy; it is opened for reading only."""
    if not start.data.startswith(MAGIC):
        return False
    with suppress(sqlite3.Error, OSError, ValueError):
        where = f"file:{quote(str(start.path.resolve()))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(where, uri=True)) as database:
            rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' LIMIT 1000").fetchall()
        return {str(name) for (name,) in rows} >= _TABLES
    return False


def _groups(plans: Sequence[Planned]) -> dict[int, tuple[str, ...]]:
    """Return the names of the groups by their numbers; the first one differs from those of all others."""
    short = {plan.group_number: _short(plan.group) for plan in plans}
    often = Counter(short.values())
    names = {}
    for plan in plans:
        own, number = short[plan.group_number], str(plan.group_number)
        first = own if own and often[own] == 1 else f"{own} ({number})" if own else number
        names[plan.group_number] = tuple(dict.fromkeys((first, own, plan.group, number)))
    return names


def _short(group: str) -> str:
    """Return the name of a group without the fields that a form appends, such as ``, #Temp: RT``."""
    return group.partition("#")[0].strip(" ,") if "#" in group else group


def _label(plan: Planned, groups: Mapping[int, Sequence[str]], met: Counter[str]) -> str:
    """Return how the labels of a spectrum's scans begin; a second one of the same name carries its number."""
    label = f"{groups[plan.group_number][0]}, {plan.name}"
    met[label] += 1
    return f"{label} ({met[label]})" if met[label] > 1 else label


def _entries(
    found: _Spectrum, stored: Sequence[StoredScan], groups: Sequence[str], *, sum_scans: bool
) -> Iterator[Entry]:
    """Yield the scans of a spectrum, or their sum in each loop."""
    name = region_name(found.region.plan.name)
    scans = [(one, _trace(one.trace)) for one in stored]
    for turn in dict.fromkeys(trace.cycle for _, trace in scans):
        own = [(one, trace) for one, trace in scans if trace.cycle == turn]
        begin = f"{found.label}, cycle {turn}"
        parts = [(begin, own)] if sum_scans else [(f"{begin}, scan {trace.scan}", [(one, trace)]) for one, trace in own]
        for text, chosen in parts:
            keys = {"group": groups, "cycle": (turn,), "spectrum": (text, found.label, str(found.region.plan.number))}
            yield Entry(name, text, partial(_built, found, tuple(one for one, _ in chosen), text), keys)


def _trace(text: str) -> _Trace:
    """Return the place of a scan from a text such as ``Loop=2u;Scan [Idx]=1u``."""
    pairs = [part.rpartition("=") for part in text.split(";") if "=" in part]
    values = [(key.strip(), printable(value.strip().removesuffix("u"))[:40]) for key, _, value in pairs]
    scan = next((value for key, value in values if key.startswith("Scan")), "1")
    return _Trace(".".join(value for key, value in values if not key.startswith("Scan")) or "1", scan)


def _built(found: _Spectrum, scans: Sequence[StoredScan], label: str) -> xr.Dataset:
    """Return a scan, or the sum of those that were measured to their end."""
    path, region = found.path, found.region
    read_in = [(scan, *region.summed(counts(path, scan, region.channels, label))) for scan in scans]
    kept = [one for one in read_in if not one[2]] if len(scans) > 1 else read_in
    if not kept:
        raise FileError(path, "a scan that was measured to its end", "none", place=label)
    told = [f"{len(scans) - len(kept)} scans that stop before their end are left out of the sum"]
    first, total = kept[0][0], np.sum([values for _, values, _ in kept], axis=0)
    single = all(scan.scans == 1 for scan, _, _ in kept)
    counted = all_whole(total) or (single and region.added_up)
    measured = {"counts" if counted else "intensity": total}
    if region.transmission.size:
        measured["transmission"] = region.transmission
    return as_dataset(
        path,
        region.binding_energy(first),
        measured,
        _span(found, [scan for scan, _, _ in kept]),
        region=region_name(region.plan.name),
        entry=label,
        reader="sle",
        metadata=region.metadata,
        conditions={
            "photon_energy": first.photon_energy,
            "dwell": region.plan.dwell,
            "sweeps": sum(scan.scans for scan, _, _ in kept),
            "pass_energy": region.measured.pass_energy if region.plan.mode == "FixedAnalyzerTransmission" else None,
            "work_function": region.measured.work_function,
        },
        flag=Flag.truncated if kept[0][2] else None,
        remarks=[*(told if len(kept) < len(scans) else []), *_remarks(region, total, counted=counted)],
        complete=all(scan.written is not None for scan, _, _ in kept),
    )


def _remarks(region: SleRegion, total: Floats, *, counted: bool) -> list[str]:
    told = []
    if not counted:
        told.append("the numbers are neither whole nor known to be counts: their scale is the file's own")
    elif not all_whole(total):
        told.append(_COMPACTED)
    if not region.version.startswith(_SEEN):
        told.append(f"version {region.version}: files of 4.63 were seen only; compare once with Prodigy's export")
    for key, text in region.plan.fields.items():
        if key.startswith("processing.") and text not in ("0", "0.0"):
            told.append(f"{key.removeprefix('processing.')} = {text} of Prodigy's display is not applied")
    if region.transmission_left_out:
        told.append(f"the transmission has {region.transmission_left_out} values and was left out")
    if (region.gains != 1).any():
        told.append(f"gains of the channels are not applied: {', '.join(f'{gain:g}' for gain in region.gains[:20])}")
    return told


def _span(found: _Spectrum, scans: Sequence[StoredScan]) -> Span:
    """Return when scans were measured, from the start of the first to the end of the last."""
    dwell = found.region.plan.dwell
    counted = [dwell * one.scans * found.region.rows(one) for one in scans]
    spans = [
        scan_span(found.path, one.date, time, found.ends, found.timezone)
        for one, time in zip(scans, counted, strict=True)
    ]
    first, last = spans[0], spans[-1]
    if len(spans) == 1 or np.isnat(first.start) or np.isnat(last.end):
        return first
    return Span(first.start, first.start + (last.end - first.start) // 2, last.end, note=first.note)


def _without_scans(path: Path, entries: Sequence[Entry], empty: Sequence[Planned]) -> list[Refusal]:
    """Return why regions that were planned only are none."""
    found = []
    for plan in empty:
        name = region_name(plan.name)
        if not any(same_region(one.region, name) for one in entries):
            place = f"region {plan.name!r}"
            found.append(Refusal(name, FileError(path, "scans", "none: it was planned, not measured", place=place)))
    return found


def _without_settings(path: Path, stored: Tables, plans: Sequence[Planned]) -> list[Refusal]:
    """Return that there are spectra of which the schedule knows nothing."""
    known = {stored.nodes.get(plan.number) for plan in plans}
    lost = [node for node in stored.spectra if node in stored.scans and node not in known]
    if not lost:
        return []
    got = f"none of nodes {', '.join(map(str, lost[:10]))}"
    return [Refusal("", FileError(path, "settings of each spectrum", got, place="schedule", remedy=EXPORT))]


SLE = Format(name="sle", technique="xps", about="SpecsLab Prodigy (.sle)", recognizes=recognizes, read=read)
