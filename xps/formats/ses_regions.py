"""Regions as SES, the program of Scienta analysers, saves them: header, dims and numbers become spectra."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from math import isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError, OperandoError
from operando.header_times import Span, span

from .counting import all_whole
from .region_names import region_name
from .regions import Entry
from .spectrum import spectrum

Floats = NDArray[np.float64]
Slices = tuple[float, float] | None

_REPEATED = re.compile(r"iterat|sweep|step|point|repeat|scan|cycle|measure|time", re.IGNORECASE)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})(?:\.\d+)?\s*([AP]M)?", re.IGNORECASE)
_PULSES, _CAMERA = "pulse", "adc"
_LONGEST = 1e9


@dataclass(frozen=True)
class SesRegion:
    """One region: the fields of its header, and ``values`` whose dims are ``scales`` (name, values), energy first."""

    fields: Mapping[str, str]
    scales: Sequence[tuple[str, Floats]]
    values: Floats

    @property
    def name(self) -> str:
        """What was measured."""
        return region_name(self.fields.get("Region Name", "")) or "region"

    @property
    def binding(self) -> bool | None:
        """Whether energies are binding energies, else kinetic; None if nothing says so."""
        for text in (self.scales[0][0], self.fields.get("Energy Scale", "")):
            if "binding" in text.lower():
                return True
            if "kinetic" in text.lower():
                return False
        return None

    def number(self, field: str) -> float | None:
        """Return a number of the header, with a point or a comma; None if it is not there or not finite."""
        try:
            value = float(self.fields.get(field, "").replace(",", ".").replace("_", "?"))
        except ValueError:
            return None
        return value if isfinite(value) else None


def checked_slices(path: Path, slices: Sequence[float] | None) -> Slices:
    """Return the range of slices that a setting asks for.

    Raises
    ------
    OperandoError
        If it is no pair of numbers.
    """
    if slices is None:
        return None
    try:
        first, last = (float(end) for end in slices)
    except (TypeError, ValueError):
        raise OperandoError(f"{path}: slices: expected two numbers, such as (-5, 5), got {slices!r}") from None
    return min(first, last), max(first, last)


def ses_entries(
    path: Path,
    region: SesRegion,
    label: str,
    *,
    reader: str,
    timezone: str | None,
    slices: Slices,
    photon_energy: float | None,
) -> list[Entry]:
    """Return the spectra of a region to be built: one, or one a step where it was measured again and again.

    Parameters
    ----------
    label
        What the region is called where its spectra are told apart.
    slices
        The slices that are summed, from and to on their own scale; all by default.
    photon_energy
        What takes the place of the header's excitation energy, in eV.

    Raises
    ------
    FileError
        If the energies cannot be told to be binding or kinetic, kinetic ones lack a photon energy, or no slice lies
        within ``slices``.
    OperandoError
        If ``photon_energy`` is no positive number.
    """
    if photon_energy is not None and not (isinstance(photon_energy, int | float) and photon_energy > 0):
        raise OperandoError(f"{path}: photon_energy: expected an energy in eV, got {photon_energy!r}")
    remarks: list[str] = []
    energy, stated = _binding_energy(path, region, photon_energy, remarks)
    values, repeats = _summed(path, region, slices, remarks)
    sweeps = region.number("Number of Sweeps")
    conditions = {
        "photon_energy": photon_energy or stated,
        "dwell": _dwell(region, sweeps),
        "sweeps": sweeps,
        "pass_energy": region.number("Pass Energy"),
    }
    quantity = _quantity(region, values, remarks)
    times = _times(path, region, timezone, remarks, repeated=bool(repeats))
    made = []
    for k, (step, column) in enumerate(_columns(values, repeats)):
        name = f"{label}, {step}" if step else label
        build = partial(
            spectrum,
            path,
            energy,
            {quantity: column},
            times,
            region=region.name,
            entry=name,
            reader=reader,
            metadata=region.fields,
            conditions=conditions,
            remarks=remarks if k == 0 else (),
        )
        made.append(Entry(region.name, name, build, {"spectrum": (name,)}))
    return made


def _binding_energy(
    path: Path, region: SesRegion, photon_energy: float | None, remarks: list[str]
) -> tuple[Floats, float | None]:
    """Return binding energies and the header's photon energy; E_B = hv - E, as SES itself turns one into the other."""
    stated, energy = region.number("Excitation Energy"), region.scales[0][1]
    place = f"region {region.name!r}"
    if region.binding is None:
        got = repr(region.scales[0][0])
        raise FileError(path, "'Binding Energy' or 'Kinetic Energy' as the first dim", got, place=place)
    if region.binding:
        if photon_energy and stated:
            remarks.append(f"binding energies moved from a photon energy of {stated:g} to {photon_energy:g} eV")
            return energy + (photon_energy - stated), stated
        return energy, stated
    used = photon_energy or stated
    if not used or used <= 0:
        remedy = "state photon_energy in eV"
        raise FileError(path, "an excitation energy for kinetic energies", "none", place=place, remedy=remedy)
    return used - energy, stated


def _summed(
    path: Path, region: SesRegion, slices: Slices, remarks: list[str]
) -> tuple[Floats, list[tuple[str, Floats]]]:
    """Return the values summed over slices, and the scales of the dims that are left besides the energy."""
    values, repeats, at = region.values, [], 1
    for k, (name, scale) in enumerate(region.scales[1:]):
        if k > 0 or not _is_slices(region, name, scale.size):
            repeats.append((name, scale))
            at += 1
            continue
        first, last = slices or (-np.inf, np.inf)
        chosen = (scale >= first) & (scale <= last)
        if not chosen.any():
            got = f"{first:g} to {last:g}"
            expected = f"slices within {scale.min():g} to {scale.max():g} ({name})"
            raise FileError(path, expected, got, place=f"region {region.name!r}")
        if scale.size > 1:
            ends = scale[chosen]
            remarks.append(f"sum of {chosen.sum()} of {scale.size} slices, {name} {ends[0]:g} to {ends[-1]:g}")
        values = values.compress(chosen, axis=at).sum(axis=at)
    return values, [(name, scale) for name, scale in repeats if scale.size > 1]


def _is_slices(region: SesRegion, name: str, size: int) -> bool:
    """Whether the first dim besides the energy is one of slices of the detector, else one of repeated measurements."""
    stated = region.number("Number of Slices")
    if size == stated or "y-scale" in name.lower():
        return True
    return stated is None and not _REPEATED.search(name)


def _columns(values: Floats, repeats: Sequence[tuple[str, Floats]]) -> Iterator[tuple[str, Floats]]:
    """Yield each spectrum with a label that says which of the repeats it is."""
    sizes = [scale.size for _, scale in repeats]
    flat = values.reshape(values.shape[0], -1)
    for k, at in enumerate(np.ndindex(*sizes)):
        label = ", ".join(f"{name} {scale[i]:g}" for (name, scale), i in zip(repeats, at, strict=True))
        yield label, flat[:, k]


def _quantity(region: SesRegion, values: Floats, remarks: list[str]) -> str:
    """Return what the values are: electrons counted, summed over sweeps, if they are whole numbers and no camera's."""
    mode = (region.fields.get("DetectorMode") or region.fields.get("Detector Mode") or "").lower()
    if _CAMERA in mode:
        remarks.append("detector in ADC mode: the brightness of a camera's image, not electrons counted")
        return "intensity"
    if not all_whole(values):
        remarks.append("no whole numbers: an intensity on the file's own scale, not electrons counted")
        return "intensity"
    if _PULSES not in mode:
        remarks.append("the file does not say that electrons were counted; its whole numbers are taken as counts")
    return "counts"


def _dwell(region: SesRegion, sweeps: float | None) -> float | None:
    """Return the time per point and sweep: SES states it as that of a channel over all sweeps, or as that of a step.

    In a swept region every energy crosses the whole detector: the time of a step is not that of a point.
    """
    over_all, step = region.number("Time per Spectrum Channel"), region.number("Step Time")
    if over_all and sweeps:
        return over_all / sweeps
    if step and region.fields.get("Acquisition Mode", "").lower() == "fixed":
        return step / 1000
    return None


def _duration(region: SesRegion) -> float | None:
    """Return how long was counted, in s: a swept region takes a step a point, and more to cross the detector."""
    step, sweeps = region.number("Step Time") or 0.0, region.number("Number of Sweeps") or 0.0
    points, more = 1, 0.0
    if region.fields.get("Acquisition Mode", "").lower() == "swept":
        points, more = region.scales[0][1].size, region.number("Time per Spectrum Channel") or 0.0
    elif region.fields.get("Acquisition Mode", "").lower() != "fixed":
        return None
    duration = sweeps * step / 1000 * points + more
    return duration if min(step, sweeps) > 0 and 0 < duration < _LONGEST else None


def _times(path: Path, region: SesRegion, timezone: str | None, remarks: list[str], *, repeated: bool) -> Span:
    day, clock = region.fields.get("Date", ""), region.fields.get("Time", "")
    if not day and not clock:
        return Span()
    began = _moment(day, clock)
    if began is None:
        remarks.append(f"date {day!r} and time {clock!r} can be read in more ways than one, or in none: not used")
        return Span()
    if repeated:
        remarks.append(f"the series began at {began}; when each of its spectra did is not stated")
        return Span()
    duration = _duration(region)
    if duration is None:
        return span(path, began, timezone=timezone)
    remarks.append("the end is the start and the time counted, without dead time")
    return span(path, began, timezone=timezone, duration=duration)


def _moment(day: str, clock: str) -> str | None:
    """Return date and time in ISO 8601; None if they are none, or day and month cannot be told apart."""
    hours, numbers = _CLOCK.fullmatch(clock.strip()), [int(part) for part in re.findall(r"\d{1,9}", day)]
    if hours is None or len(numbers) != 3:
        return None
    half = (hours[4] or "").upper()
    hour = int(hours[1]) % 12 + 12 * (half == "PM") if half else int(hours[1])
    ways = [numbers] if numbers[0] > 31 else [numbers[::-1]]
    if numbers[0] <= 31 and "/" in day:
        ways.append([numbers[2], numbers[0], numbers[1]])
    found = {text for way in ways if (text := _iso(*way))}
    return f"{found.pop()}T{hour:02d}:{hours[2]}:{hours[3]}" if len(found) == 1 and hour < 24 else None


def _iso(year: int, month: int, day: int) -> str | None:
    try:
        return date(year, month, day).isoformat() if year >= 1970 else None
    except ValueError:
        return None
