"""The schedule in a SpecsLab Prodigy database: groups of spectra with the settings that they were measured with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, fromstring

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError, printable

from .sle_database import DAMAGED

Floats = NDArray[np.float64]

_LONGEST = 500
_OTHERS = ("UserSettings", "ViewSettings", "GroupSettings", "CommonSpectrumSettings")


@dataclass(frozen=True)
class Planned:
    """A spectrum as the schedule has it.

    ``number`` and ``group_number`` are its own and its group's in the schedule, ``mode`` is how the energy was swept,
    ``values`` how many energies it was to have from ``start`` (eV; 0 and NaN if not told).
    """

    number: int
    name: str
    group: str
    group_number: int
    method: str
    mode: str
    dwell: float
    values: int
    start: float
    fields: dict[str, str]


def planned(path: Path, text: str) -> list[Planned]:
    """Return the spectra of a schedule in its order.

    Raises
    ------
    FileError
        If it is no XML, or declares entities, which are never expanded.
    """
    return [
        _planned(path, spectrum, group, method)
        for group, method in _groups(_parsed(path, text, "schedule"))
        for spectrum in group.findall("Spectrum")
    ]


def channel_shifts(path: Path, text: str, place: str) -> tuple[Floats, Floats]:
    """Return the shifts of the channels, as parts of the pass energy, and their gains; empty if none are told."""
    if not text:
        return np.empty(0), np.empty(0)
    detectors = list(_parsed(path, text, place).iter("Detector"))
    return (
        np.array([_float(one.get("Shift", "")) for one in detectors]),
        np.array([_float(one.get("Gain", "1")) for one in detectors]),
    )


def _parsed(path: Path, text: str, place: str) -> Element:
    if "<!ENTITY" in text:
        raise FileError(path, "XML without entities", "declared entities", place=place)
    try:
        return fromstring(text)  # noqa: S314
    except (ParseError, ValueError) as error:
        raise FileError(path, "well-formed XML", printable(str(error)), place=place, remedy=DAMAGED) from None


def _groups(root: Element) -> Iterator[tuple[Element, str]]:
    """Yield the groups of spectra, however deep in loops, each with its method: the last tag in capitals above it."""
    waiting: list[tuple[Element, str]] = [(root, "")]
    while waiting:
        element, method = waiting.pop()
        if element.tag == "SpectrumGroup":
            yield element, method
            continue
        method = element.tag if element.tag.isupper() else method
        waiting += [(child, method) for child in reversed(element)]


def _planned(path: Path, spectrum: Element, group: Element, method: str) -> Planned:
    settings = next((one for one in spectrum if one.tag.endswith("Settings") and one.tag not in _OTHERS), None)
    stated = {} if settings is None else dict(settings.attrib)
    common = {
        f"{one.tag}.{key}": text for one in group.iterfind("CommonSpectrumSettings/*") for key, text in one.items()
    }
    mode = common.pop("ScanMode.Name", "") or ("" if settings is None else settings.tag.removesuffix("Settings"))
    processing = spectrum.find("DataProcessing")
    done = {} if processing is None else {f"processing.{key}": text for key, text in processing.items() if text}
    fields = {**common, **stated, **done, "comment": spectrum.findtext("Comment") or ""}
    compact = group.find("GroupSettings")
    fields["compacted"] = "" if compact is None else compact.get("AutoCompact", "")
    return Planned(
        number=_number(path, spectrum),
        name=_text(spectrum.get("Name", "")),
        group=_text(group.get("Name", "")),
        group_number=_number(path, group),
        method=method,
        mode=_text(mode),
        dwell=_float(stated.get("DwellTime", "")),
        values=_counted(stated.get("NumValues", "")),
        start=_float(stated.get("Ebin", stated.get("Ekin", ""))),
        fields={key: _text(value) for key, value in fields.items() if value.strip()},
    )


def _number(path: Path, element: Element) -> int:
    text = element.get("ID", "")
    if not _is_whole(text):
        got = printable(repr(text))[:40]
        raise FileError(path, "a number as ID", got, place=f"schedule, {element.tag}", remedy=DAMAGED)
    return int(text)


def _counted(text: str) -> int:
    return int(text) if _is_whole(text) else 0


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 12


def _text(value: str) -> str:
    return printable(" ".join(value.split()))[:_LONGEST]


def _float(text: str) -> float:
    try:
        return float(text) if "_" not in text else np.nan
    except ValueError:
        return np.nan
