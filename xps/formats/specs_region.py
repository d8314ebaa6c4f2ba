"""One region of SPECS in numbers: its axis, its channels, and the sum of the channels at each energy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError, printable

Floats = NDArray[np.float64]

SWEPT = ("FixedAnalyzerTransmission", "FixedRetardingRatio")
"""Modes in which the kinetic energy is swept."""
METHODS = ("XPS", "UPS", "ESCA", "")
_FEWEST, _MOST_POINTS = 3, 1_000_000
_MOST_OFFSET = 1e9


@dataclass(frozen=True)
class Scan:
    """The counts of one scan, (point, channel), with the extra points before and behind; where in the file it is.

    ``time`` is when its cycle began, in s since 1970; ``of`` how many scans the cycle has.
    """

    cycle: int
    number: int
    of: int
    time: int
    counts: Floats
    scaled: bool = False


@dataclass(frozen=True)
class SpecsRegion:
    """A region: what the file states of it, and its scans."""

    name: str
    group: str
    fields: dict[str, str]
    head: int
    tail: int
    shifts: Floats
    gains: Floats
    transmission: Floats
    scans: list[Scan] = field(default_factory=list)

    def number(self, name: str) -> float:
        """Return a number among the fields, NaN if there is none."""
        return _float(self.fields.get(name, ""))

    @property
    def points(self) -> int:
        """How many energies the axis has."""
        return _whole(self.fields.get("values_per_curve", ""))

    @property
    def binding_energy(self) -> Floats:
        """The binding energies in the order measured: excitation energy less kinetic energy (of the Fermi level)."""
        kinetic = self.number("kinetic_energy") + self.number("scan_delta") * np.arange(self.points, dtype=np.float64)
        return self.number("excitation_energy") - kinetic

    @property
    def offsets(self) -> Floats:
        """By how many points each channel is ahead of the first energy of the axis; not finite in damaged files.

        A channel measures electrons of ``shift`` times the pass energy more than the analyser is set to, so that its
        point k has the energy E0 + (k - head) step + shift Ep.
        """
        with np.errstate(all="ignore"):
            return self.shifts * self.number("pass_energy") / self.number("scan_delta")

    def first_points(self) -> NDArray[np.int64]:
        """Return for each channel which of its points has the first energy of the axis, to the nearest point."""
        return self.head - np.floor(self.offsets + 0.5).astype(np.int64)

    def summed(self, scan: Scan) -> tuple[Floats, bool]:
        """Return the counts of all channels at the energies of the axis, and whether the scan stopped before its end.

        Points that a channel lacks are NaN.
        """
        counts, stopped = _measured(scan.counts)
        return self.sum_of_channels(counts), stopped or len(counts) < self.head + self.points + self.tail

    def sum_of_channels(self, counts: Floats) -> Floats:
        """Return the counts (point, channel) of all channels at the energies of the axis, NaN where a channel has none.

        Points that are missing at the end were not measured.
        """
        whole = np.full((self.head + self.points + self.tail, counts.shape[1]), np.nan)
        whole[: len(counts)] = counts
        rows = self.first_points()[None, :] + np.arange(self.points)[:, None]
        inside = (rows >= 0) & (rows < len(whole))
        taken = np.take_along_axis(whole, np.clip(rows, 0, len(whole) - 1), axis=0)
        total: Floats = np.where(inside, taken, np.nan).sum(axis=1)
        return total


def stated_name(element: Element) -> str:
    """Return the name of a region."""
    return printable((element.findtext("string[@name='name']") or "").strip()) or "without a name"


def cycle_starts(element: Element) -> list[int]:
    """Return when the cycles of a region began, in s since 1970."""
    texts = (cycle.findtext("ulong[@name='time']") for cycle in element.findall("sequence[@name='cycles']/struct"))
    return [_whole(text or "") for text in texts]


def specs_region(path: Path, group: str, element: Element) -> SpecsRegion:
    """Return a region in numbers.

    Raises
    ------
    FileError
        If it is no photoemission spectrum along a swept kinetic energy, or its parts contradict each other.
    """
    place = f"region {stated_name(element)!r}"
    detectors = element.findall(".//sequence[@name='detectors']/struct")
    region = SpecsRegion(
        name=stated_name(element),
        group=group,
        fields=_fields(element),
        head=_whole(element.findtext("ulong[@name='mcd_head']") or "0"),
        tail=_whole(element.findtext("ulong[@name='mcd_tail']") or "0"),
        shifts=np.array([_float(one.findtext("double[@name='shift']") or "") for one in detectors]),
        gains=np.array([_float(one.findtext("double[@name='gain']") or "1") for one in detectors]),
        transmission=_numbers(path, element.find("sequence[@name='transmission']"), place),
    )
    _require_spectrum(path, region, place)
    require_channels(path, region, place)
    scans = list(_scans(path, region, element, place))
    if not scans:
        compact = element.find("sequence[@name='compact_cycles']")
        kept = "compact cycles" if compact is not None and compact.get("length", "0") != "0" else "none"
        raise FileError(path, "scans with counts", kept, place=place, remedy="export it with separate scans")
    region.scans.extend(scans)
    return region


def _fields(element: Element) -> dict[str, str]:
    """Return what the file states of a region, by the names that it has there."""
    found: dict[str, str] = {}
    for struct in element.findall("struct[@name='region']"):
        for one in struct:
            text = one.findtext("string") if one.tag == "struct" else one.text
            found[one.get("name", "")] = printable((text or "").strip())
    for key, place in (("analyzer", "analyzer_info"), ("source", "source_info")):
        found[key] = printable((element.findtext(f"struct[@name='{place}']/string[@name='name']") or "").strip())
    for one in element.findall("sequence[@name='parameters']/struct"):
        name, value = one.findtext("string[@name='name']"), one.find("any[@name='value']/")
        if name and value is not None and value.text:
            found[f"parameter.{printable(name)}"] = printable(value.text.strip())[:500]
    return found


def _require_spectrum(path: Path, region: SpecsRegion, place: str) -> None:
    """Refuse what is not measured along the kinetic energy."""
    mode, method = region.fields.get("scan_mode", ""), region.fields.get("analysis_method", "")
    if mode not in SWEPT:
        raise FileError(path, "a swept kinetic energy", f"the scan mode {mode!r}", place=place)
    if method.upper() not in METHODS:
        raise FileError(path, "photoemission", f"the method {method!r}", place=place)
    curves = _whole(region.fields.get("curves_per_scan", "1"))
    if curves != 1:
        got = f"{curves}: resolved in angle or place"
        raise FileError(path, "one curve per scan", got, place=place, remedy="export it summed over the slices")
    if not _FEWEST <= region.points <= _MOST_POINTS or max(region.head, region.tail) > _MOST_POINTS:
        got = f"{max(region.points, 0)}, and {region.head} before and {region.tail} behind them"
        raise FileError(path, f"{_FEWEST} to {_MOST_POINTS} points", got, place=place)
    for name in ("scan_delta", "excitation_energy", "kinetic_energy", "pass_energy"):
        if not np.isfinite(region.number(name)) or (name == "scan_delta" and region.number(name) <= 0):
            raise FileError(path, f"a number {name}", repr(region.fields.get(name, "")), place=place)
    base = region.number("kinetic_energy_base")
    if np.isfinite(base) and base != 0:
        raise FileError(path, "kinetic energies from 0 eV", f"a kinetic_energy_base of {base:g} eV", place=place)


def require_channels(path: Path, region: SpecsRegion, place: str) -> None:
    """Refuse channels whose shifts do not fit to the extra points before and behind the axis.

    Raises
    ------
    FileError
        If there are none, or they would begin elsewhere than within these points.
    """
    channels = region.shifts.size
    if not channels or not np.isfinite(region.shifts).all() or region.head < 0 or region.tail < 0:
        raise FileError(path, "detectors with shifts", f"{channels} detectors", place=place)
    if channels > 1 and region.fields["scan_mode"] == "FixedRetardingRatio":
        raise FileError(path, "one channel in the mode FixedRetardingRatio", f"{channels}", place=place)
    extra = region.head + region.tail
    if not (np.abs(region.offsets) < _MOST_OFFSET).all():
        got = f"channels that are {np.abs(region.offsets).max():.3g} points apart"
        raise FileError(path, f"channels within the {extra} extra points", got, place=place)
    first = region.first_points()
    if first.min() not in (-1, 0, 1) or abs(int(first.max()) - extra) > 1:
        got = f"channels that begin at points {first.min()} to {first.max()}"
        raise FileError(path, f"channels within the {extra} extra points", got, place=place)


def _scans(path: Path, region: SpecsRegion, element: Element, place: str) -> Iterator[Scan]:
    channels, most = region.shifts.size, region.head + region.points + region.tail
    for k, cycle in enumerate(element.findall("sequence[@name='cycles']/struct")):
        time = _whole(cycle.findtext("ulong[@name='time']") or "")
        series = cycle.find("sequence[@name='scans']")
        of = _whole(series.get("length", "")) if series is not None else 0
        for n, scan in enumerate(cycle.findall("sequence[@name='scans']/struct")):
            at = f"{place}, cycle {k}, scan {n}"
            sequence = scan.find("sequence[@name='counts']")
            if sequence is None:
                raise FileError(path, "counts", "none", place=at, remedy="copy it again")
            counts = _numbers(path, sequence, at)
            if counts.size == 0:
                continue
            if counts.size % channels or counts.size > most * channels:
                got = f"{counts.size} counts of {channels} channels"
                raise FileError(path, f"{most * channels} counts", got, place=at)
            factors = scan.find("sequence[@name='scaling_factors']")
            scaled = factors is not None and factors.get("length", "0") != "0"
            yield Scan(k, n, max(of, n + 1), time, counts.reshape(-1, channels), scaled)


def _numbers(path: Path, sequence: Element | None, place: str) -> Floats:
    """Return the numbers of a sequence: as many as it states."""
    if sequence is None or sequence.get("length") == "0":
        return np.empty(0)
    text = " ".join(one.text or "" for one in sequence)
    try:
        # One by one: an array of texts is as wide everywhere as its longest.
        values = np.fromiter(map(float, text.split()), np.float64) if "_" not in text else None
    except ValueError:
        values = None
    if values is None or not np.isfinite(values).all():
        raise FileError(path, "numbers", "something else", place=place, remedy="copy it again")
    if str(values.size) != sequence.get("length"):
        expected = f"{sequence.get('length')} numbers of {sequence.get('name')}"
        raise FileError(path, expected, str(values.size), place=place, remedy="copy it again")
    return values


def _measured(counts: Floats) -> tuple[Floats, bool]:
    """Return the points up to the last one with a count in any channel, and whether that cut something off.

    Zeros at the end mean that nothing was measured there, unless so few electrons came that they may be true.
    """
    filled = np.flatnonzero(counts.sum(axis=1) > 0)
    if filled.size == 0:
        return counts, False
    end = int(filled[-1]) + 1
    if len(counts) - end < _FEWEST or np.median(counts[:end].sum(axis=1)) < _FEWEST:
        return counts, False
    return counts[:end], True


def _float(text: str) -> float:
    try:
        return float(text) if "_" not in text else np.nan
    except ValueError:
        return np.nan


def _whole(text: str) -> int:
    """Return a whole number, -1 if the text is none."""
    stripped = text.strip()
    return int(stripped) if stripped.isascii() and stripped.isdigit() and len(stripped) < 12 else -1
