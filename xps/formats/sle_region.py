"""One spectrum of a SpecsLab Prodigy database in numbers: its axis, its channels, and their sum at each energy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError

from .sle_database import DAMAGED, EXPORT, Measured, StoredScan, Tables, node_text, points_stored, transmission
from .sle_schedule import Planned, channel_shifts
from .specs_region import SWEPT, SpecsRegion, require_channels

Floats = NDArray[np.float64]

_METHODS = ("XPS", "UPS", "ESCA", "NAPXPS", "ARXPS", "ARUPS", "")
_FEWEST, _MOST_POINTS, _MOST_CHANNELS = 3, 1_000_000, 10_000


@dataclass(frozen=True)
class SleRegion:
    """A spectrum: what its tables and the schedule state, and how its channels lie on the axis."""

    measured: Measured
    plan: Planned
    numbers: SpecsRegion
    version: str
    app_version: str

    @property
    def channels(self) -> int:
        """How many channels the detector has."""
        return self.measured.channels

    @property
    def gains(self) -> Floats:
        """The gains of the channels that are kept apart."""
        return self.numbers.gains

    @property
    def transmission(self) -> Floats:
        """The transmission at each energy, or empty."""
        return self.numbers.transmission if self.numbers.transmission.size == self.numbers.points else np.empty(0)

    @property
    def transmission_left_out(self) -> int:
        """How many values a transmission has that does not fit to the axis."""
        return self.numbers.transmission.size - self.transmission.size

    @property
    def metadata(self) -> dict[str, object]:
        """What the file states of the spectrum."""
        about = {"group": self.plan.group, "method": self.plan.method, "scan_mode": self.plan.mode}
        channels = {
            "shifts": self.numbers.shifts.tolist(),
            "mcd_head": self.numbers.head,
            "mcd_tail": self.numbers.tail,
        }
        versions = {"version": self.version, "app_version": self.app_version}
        return {**about, **self.plan.fields, **versions, **(channels if self.channels > 1 else {})}

    def binding_energy(self, scan: StoredScan) -> Floats:
        """Return the binding energies in the order measured: the photon energy less kinetic ones (Fermi level)."""
        swept = self.measured.step * np.arange(self.numbers.points, dtype=np.float64)
        start = self.measured.start if self.measured.kind == "Binding" else scan.photon_energy - self.measured.start
        return start - swept

    def rows(self, scan: StoredScan) -> int:
        """Return how many points a scan counted, those before and behind its axis included."""
        return self.all_rows if scan.written is None else min(scan.written, self.all_rows)

    @property
    def all_rows(self) -> int:
        """How many points a scan has that was measured to its end."""
        return self.numbers.head + self.numbers.points + self.numbers.tail

    @property
    def added_up(self) -> bool:
        """Whether Prodigy added the channels itself when it stored the scan."""
        return self.channels == 1 and "channels" in self.plan.fields.get("compacted", "").casefold()

    def summed(self, counts: Floats) -> tuple[Floats, bool]:
        """Return the counts of all channels at the energies of the axis, and whether the scan stopped before its end.

        Points that were not measured are NaN.
        """
        return self.numbers.sum_of_channels(counts), len(counts) < self.all_rows


def sle_region(path: Path, stored: Tables, plan: Planned) -> SleRegion:
    """Return a spectrum in numbers.

    Raises
    ------
    FileError
        If it is no photoemission spectrum along a swept kinetic energy, or its parts contradict each other.
    """
    place = f"region {plan.name!r}"
    node = stored.nodes[plan.number]
    measured, scans = stored.spectra[node], stored.scans[node]
    _require_spectrum(path, measured, plan, place)
    _require_scans(path, scans, place)
    head, tail = scans[0].head, scans[0].tail
    points = _points(path, measured, plan, scans, place)
    shifts, gains = np.zeros(1), np.ones(1)
    if measured.channels > 1:
        text = node_text(path, stored.nodes.get(plan.group_number, -1))
        shifts, gains = channel_shifts(path, text, place)
        if shifts.size != measured.channels:
            got = f"{shifts.size} for {measured.channels}"
            raise FileError(path, "a shift for each channel", got, place=place, remedy=EXPORT)
    numbers = SpecsRegion(
        name=plan.name,
        group=plan.group,
        fields={
            "values_per_curve": str(points),
            "scan_delta": repr(measured.step),
            "pass_energy": repr(measured.pass_energy),
            "scan_mode": plan.mode,
        },
        head=head,
        tail=tail,
        shifts=shifts,
        gains=gains,
        transmission=transmission(path, node),
    )
    require_channels(path, numbers, place)
    return SleRegion(measured, plan, numbers, stored.version, stored.app_version)


def _require_spectrum(path: Path, measured: Measured, plan: Planned, place: str) -> None:
    """Refuse what is not measured along the kinetic energy, or not known to be."""
    if plan.mode not in SWEPT:
        raise FileError(path, "a swept kinetic energy", f"the scan mode {plan.mode!r}", place=place)
    if plan.method not in _METHODS:
        raise FileError(path, "photoemission", f"the method {plan.method!r}", place=place)
    if measured.slices != 1:
        got = f"{measured.slices}: resolved in angle or place"
        raise FileError(path, "one curve per scan", got, place=place, remedy="export it summed over the slices")
    if measured.kind not in ("Binding", "Kinetic"):
        raise FileError(path, "binding or kinetic energies", repr(measured.kind)[:40], place=place, remedy=EXPORT)
    if not 1 <= measured.channels <= _MOST_CHANNELS:
        raise FileError(path, f"1 to {_MOST_CHANNELS} channels", str(measured.channels), place=place, remedy=DAMAGED)
    stated = {"Step": measured.step, "EpassOrRR": measured.pass_energy, "ElectronEnergy": measured.start}
    for name, value in stated.items():
        if not np.isfinite(value) or (value <= 0 and name != "ElectronEnergy"):
            raise FileError(path, f"a number {name}", str(value), place=place, remedy=DAMAGED)


def _require_scans(path: Path, scans: list[StoredScan], place: str) -> None:
    """Refuse scans that differ in their points outside the axis, or lack a photon energy."""
    if len({(one.head, one.tail) for one in scans}) > 1:
        raise FileError(path, "scans with the same Head and Tail", "others", place=place, remedy=EXPORT)
    photons = next((one.photon_energy for one in scans if not 0 < one.photon_energy < np.inf), None)
    if photons is not None:
        raise FileError(path, "a photon energy Eexc", str(photons), place=place, remedy=DAMAGED)
    if any(one.scans < 1 for one in scans):
        raise FileError(path, "one scan or more in each entry", "0", place=place, remedy=DAMAGED)


def _points(path: Path, measured: Measured, plan: Planned, scans: list[StoredScan], place: str) -> int:
    """Return how many energies the axis has.

    ``Samples`` may have the points before and behind it or not: the counts tell. Where there are such points, or
    channels apart, the schedule must agree, since no measured file of this kind was seen.
    """
    extra = scans[0].head + scans[0].tail
    rows = max(points_stored(path, one) for one in scans)
    points = rows - extra
    if rows not in (measured.samples, measured.samples + extra) or not _FEWEST <= points <= _MOST_POINTS:
        got = f"{rows} in the counts, {extra} of them before and behind the axis"
        raise FileError(path, f"{measured.samples} points", got, place=place, remedy=DAMAGED)
    apart = extra or measured.channels > 1
    agree = plan.values == points and abs(plan.start - measured.start) < measured.step / 2
    if apart and not agree:
        got = f"{plan.values} from {plan.start:g} eV in the schedule"
        raise FileError(path, f"{points} points from {measured.start:g} eV", got, place=place, remedy=EXPORT)
    return points
