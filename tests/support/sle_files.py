"""Databases as SpecsLab Prodigy 4.63 writes them: the tables and the schedule of a measured file, small."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

TABLES = {
    "Configuration": "Key TEXT COLLATE NOCASE NOT NULL PRIMARY KEY, Value TEXT NOT NULL",
    "NodeMapping": "Node INTEGER PRIMARY KEY, InternalID INTEGER NOT NULL UNIQUE",
    "Spectrum": (
        "Node INTEGER PRIMARY KEY, EnergyChns INTEGER, NonEnergyChns INTEGER, Samples INTEGER, ElectronEnergy FLOAT,"
        " EnergyType TEXT, Step FLOAT, EpassOrRR FLOAT, Ubias FLOAT, Udet FLOAT, Wf FLOAT, Timestamp TEXT"
    ),
    "RawData": (
        "RawID INTEGER PRIMARY KEY, Node INTEGER, ScanDate TEXT, Scans INTEGER, Eexc FLOAT, Head INTEGER,"
        " Tail INTEGER, Trace TEXT, WriteIndex INTEGER"
    ),
    "CountRateData": (
        "RawID INTEGER, Offset INTEGER, NextOffset INTEGER, ChunkSize INTEGER, Data BLOB, PRIMARY KEY (RawID, Offset)"
    ),
    "TransmissionData": "Node INTEGER, Ekin FLOAT, NonEnergyChns INTEGER, Samples INTEGER, Data BLOB",
    "NodeData": "Node INTEGER PRIMARY KEY, Data TEXT, Timestamp TEXT",
}
PHOTONS = 1486.61
DEAD = 1.3
"""How much longer a scan takes than it counts."""
_DATE = "%Y-%b-%d %H:%M:%S.%f"


@dataclass
class SleSpectrum:
    """A spectrum; ``electrons`` gives what one channel counts at kinetic energies (eV), in scan k.

    ``loops`` are how many scans each turn of the loop has; ``written`` how many points a scan measured, by its number
    (all of them by default); ``head_added`` are rows before the axis that the shifts do not need.
    """

    name: str
    electrons: Callable[[np.ndarray, int], np.ndarray]
    points: int = 101
    start: float = 95.0
    step: float = 0.1
    pass_energy: float = 20.0
    shifts: Sequence[float] = (0.0,)
    loops: Sequence[int] = (1,)
    written: Mapping[int, int] = field(default_factory=dict)
    dwell: float = 0.1
    mode: str = "FixedAnalyzerTransmission"
    kind: str = "Binding"
    scans: int = 1
    slices: int = 1
    samples: int | None = None
    head_added: int = 0
    transmission: np.ndarray | None = None
    attributes: str = ""
    planned_points: int | None = None

    @property
    def head(self) -> int:
        return int(np.floor(max(self.shifts) * self.pass_energy / self.step + 0.5)) + self.head_added

    @property
    def tail(self) -> int:
        return int(np.floor(-min(self.shifts) * self.pass_energy / self.step + 0.5))

    def counts(self, scan: int) -> np.ndarray:
        """Return what a scan counts, (point, channel), each channel at its own energies."""
        rows = np.arange(self.head + self.points + self.tail) - self.head
        kinetic = PHOTONS - self.start + rows * self.step
        return self.electrons(kinetic[:, None] + np.asarray(self.shifts) * self.pass_energy, scan).astype(np.float64)


@dataclass
class SleGroup:
    """A group of spectra; ``compact`` tells what Prodigy adds up when it stores a scan."""

    name: str
    spectra: Sequence[SleSpectrum]
    compact: str = "None"
    method: str = "XPS"


def sle(
    path: Path,
    groups: Sequence[SleGroup],
    *,
    version: str = "4.63.1",
    stored: str = "f8",
    chunk: int = 40,
    tables: Mapping[str, str] = TABLES,
    schedule: str | None = None,
    begins: datetime = datetime(2020, 8, 27, 8, 28),
) -> Path:
    """Write a database; ``stored`` is ``f8``, ``f4`` or ``deflated``, ``chunk`` the points of a chunk."""
    with closing(sqlite3.connect(path)) as made:
        made.execute("PRAGMA synchronous = OFF")
        made.execute("PRAGMA journal_mode = MEMORY")
        for name, columns in tables.items():
            made.execute(f"CREATE TABLE {name} ({columns})")
        writer = _Writer(made, stored, chunk, begins)
        parts = [writer.group(group) for group in groups]
        text = f'<!DOCTYPE SpecsLabSchedule><Experiment><Schedule ID="1">{"".join(parts)}</Schedule></Experiment>'
        said = {"Version": version, "AppVersion": f"{version}-r1", "Schedule": schedule or text}
        made.executemany("INSERT INTO Configuration VALUES (?, ?)", said.items())
        made.commit()
    return path


class _Writer:
    def __init__(self, made: sqlite3.Connection, stored: str, chunk: int, begins: datetime) -> None:
        self.made, self.stored, self.chunk, self.now = made, stored, chunk, begins
        self.number, self.raw = 1, 0

    def node(self) -> tuple[int, int]:
        """Return a number of the schedule and the node that stands for it."""
        self.number += 1
        self.made.execute("INSERT INTO NodeMapping VALUES (?, ?)", (self.number + 100, self.number))
        return self.number, self.number + 100

    def group(self, group: SleGroup) -> str:
        number, node = self.node()
        shifts = group.spectra[0].shifts
        detectors = "".join(f'<Detector Gain="1" Position="0" Shift="{shift!r}"/>' for shift in shifts)
        text = f'<Data><DetectorCalibration Name="a">{detectors}</DetectorCalibration></Data>'
        self.made.execute("INSERT INTO NodeData VALUES (?, ?, '')", (node, text.encode()))
        inside = "".join(self.spectrum(one) for one in group.spectra)
        common = f'<ScanMode Name="{group.spectra[0].mode}"/><SlitInfo Entrance="4:7x20c" Exit="C:mesh"/>'
        return (
            f'<{group.method} ID="{number + 500}"><Loop ID="{number + 700}"><SpectrumGroup ID="{number}"'
            f' Name="{group.name}"><GroupSettings AutoCompact="{group.compact}"/>'
            f"<CommonSpectrumSettings>{common}</CommonSpectrumSettings>{inside}</SpectrumGroup></Loop></{group.method}>"
        )

    def spectrum(self, one: SleSpectrum) -> str:
        number, node = self.node()
        samples = one.points if one.samples is None else one.samples
        start = one.start if one.kind == "Binding" else PHOTONS - one.start
        row = (node, len(one.shifts), one.slices, samples, start, one.kind, one.step, one.pass_energy)
        if one.loops:
            self.made.execute(f"INSERT INTO Spectrum VALUES ({', '.join('?' * 12)})", (*row, 400, 1550, 4.156, ""))
        if one.transmission is not None:
            data = np.asarray(one.transmission, "<f8").tobytes()
            self.made.execute("INSERT INTO TransmissionData VALUES (?, 0, 1, ?, ?)", (node, samples, data))
        scan = 0
        for turn, scans in enumerate(one.loops, 1):
            for k in range(1, scans + 1):
                self.scan(one, node, scan, f"Loop={turn}u;Scan [Idx]={k}u")
                scan += 1
        tag = "Ebin" if one.kind == "Binding" else "Ekin"
        return (
            f'<Spectrum ID="{number}" Name="{one.name}"><Comment/><UserSettings Overwrite="false"/><{one.mode}Settings'
            f' DwellTime="{one.dwell!r}" {tag}="{start!r}" Epass="{one.pass_energy:g}" LensMode="LargeArea"'
            f' NumScans="1" NumValues="{one.planned_points or one.points}"/>'
            f'<DataProcessing ChannelMask="" SpectrumShift="0" {one.attributes}/></Spectrum>'
        )

    def scan(self, one: SleSpectrum, node: int, scan: int, trace: str) -> None:
        self.raw += 1
        counts = one.counts(scan)
        written = one.written.get(scan, len(counts))
        counts[written:] = 0
        self.now += timedelta(seconds=DEAD * one.dwell * written)
        date = self.now.strftime(_DATE)
        row = (self.raw, node, date, one.scans, PHOTONS, one.head, one.tail, trace, written)
        self.made.execute("INSERT INTO RawData VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        for begin in range(0, len(counts), self.chunk):
            part = counts[begin : begin + self.chunk]
            row = (self.raw, begin, begin + len(part), part.size, self.encoded(part))
            self.made.execute("INSERT INTO CountRateData VALUES (?, ?, ?, ?, ?)", row)

    def encoded(self, part: np.ndarray) -> bytes:
        data = part.astype("<f4" if self.stored == "f4" else "<f8").tobytes()
        return zlib.compress(data) if self.stored == "deflated" else data
