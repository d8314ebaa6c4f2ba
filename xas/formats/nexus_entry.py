"""What an NXxas entry holds, in either dialect: energies, detectors by the file's names, and what each measures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError
from operando.hdf5 import Node, scalars
from operando.header_times import Span

from .guess import quantity

Floats = NDArray[np.float64]
INTENSITY = "intensity"
MODES = {
    "transmission": "transmission",
    "fluorescence yield": "fluorescence",
    "total fluorescence yield": "fluorescence",
    "fluorescence": "fluorescence",
    "partial fluorescence yield": "pfy",
    "total electron yield": "tey",
    "electron yield": "tey",
    "tey": "tey",
    "partial electron yield": "pey",
    "auger electron yield": "pey",
    "reference": "reference",
}
"""What the raw detector measures in each of the modes, as NXxas spells them and as files do."""

_STATED = {
    "element.symbol": ("element.symbol", "element.name", "element", "scan.xrayedge.element"),
    "element.edge": ("edge.name", "edge", "scan.xrayedge.edge"),
}
_ENTRIES, _DEPTH = ("NXentry", "NXsubentry"), 3
_MOST_CHANNELS = 512
_BEAMS = {"incoming_beam": "i0", "absorbed_beam": ""}
_REFERENCE = re.compile(r"(i_?)?ref\w*|standard", re.IGNORECASE)
_UNIT = re.compile(r"\(\s*(\w+)\s*\)\s*$")


@dataclass
class Spectrum:
    """One entry, or several that are one scan.

    ``detectors`` has the numbers (energy) or (energy, channel) under the names of the file; ``taken`` says which of
    them are which quantity, unless the user says otherwise. ``span``, ``flag`` and ``channels`` are what a stack of
    spectra states of each.
    """

    label: str
    energy: Floats
    unit: str
    detectors: dict[str, Floats] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    taken: dict[str, list[str]] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    span: Span | None = None
    flag: int | None = None
    channels: list[str] = field(default_factory=list)

    def add(self, name: str, values: Floats, *, measures: str | None = None, unit: str = "") -> None:
        """Take in a detector, the first of its name, and what it measures, the first of its kind."""
        if name in self.detectors:
            return
        self.detectors[name] = values
        if unit:
            self.units[name] = unit
        if measures is not None and measures not in self.taken:
            self.taken[measures] = [name]


def entries(root: Node) -> Iterator[tuple[Node, Node | None] | FileError]:
    """Yield every NXxas entry and subentry with the entry that holds it; a broken link as the error that it is.

    One within an NXxas entry may be anything: it is left to those who read the entry.
    """
    yield from _entries(root, None, _DEPTH)


def _entries(node: Node, above: Node | None, depth: int) -> Iterator[tuple[Node, Node | None] | FileError]:
    own = above is not None and _is_nxxas(above)
    for name in sorted(node.names(), key=natural):
        try:
            child = node.get(name)
            if child is None or not child.is_group or child.attribute("NX_class") not in _ENTRIES:
                continue
            wanted = _is_nxxas(child)
        except FileError as error:
            if not own:
                yield error
            continue
        if wanted:
            yield child, above
        if depth > 1:
            yield from _entries(child, child, depth - 1)


def _is_nxxas(entry: Node) -> bool:
    return str(_scalar(entry, "definition")).startswith("NXxas")


def spectrum(entry: Node, above: Node | None) -> Spectrum:
    """Return what an entry holds; what its own groups lack is looked for in the entry above it.

    Raises
    ------
    FileError
        If it has no energies or no values along them.
    """
    places = [place for place in (entry, above) if place is not None]
    energy = _energy(entry, places)
    values = energy.numbers()
    if values.ndim != 1 or values.size < 2:
        raise energy.error("energies along one dimension", f"shape {values.shape}")
    unit = _unit(energy)
    found = Spectrum(entry.name.strip("/"), values, unit or "eV")
    if not unit:
        found.remarks.append(f"{energy.name} has no unit: taken as eV")
    mode = _mode(entry)
    own = entry.name.rpartition("/")[2] if entry.attribute("NX_class") == "NXsubentry" else INTENSITY
    _add_intensity(found, entry, own)
    _add_detectors(found, places, mode)
    _add_raw(found, entry)
    if not found.detectors:
        raise entry.error(f"values for {values.size} energies", "none", "name the detector in 'columns'")
    for place in reversed(places):
        found.fields.update(scalars(place, passing_over=(*_ENTRIES, "NXdata"), broken=found.remarks))
    found.remarks = list(dict.fromkeys(found.remarks))
    if mode:
        found.fields["mode"] = mode
    for name, ways in _STATED.items():
        stated = next((found.fields[way] for way in ways if way in found.fields), None)
        if stated is not None:
            found.fields[name] = stated
    return found


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts numbers in names by value."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d{1,18})", name) if part]


def _energy(entry: Node, places: Sequence[Node]) -> Node:
    for found in (way for place in places for way in _ways(place)):
        if found is not None and not found.is_group and found.shape not in (None, ()):
            return found
    raise entry.error("energies in 'energy' or 'instrument/monochromator/energy'", "none")


def _ways(place: Node) -> Iterator[Node | None]:
    """Yield where the energies of an entry may be."""
    yield place.get("energy")
    yield from (group.get("energy") for group in _monochromators(place))
    yield from (axis for plot in _of_class(place, "NXdata") for axis in _axes(plot))


def _monochromators(place: Node) -> list[Node]:
    return [
        mono for instrument in _of_class(place, "NXinstrument") for mono in _of_class(instrument, "NXmonochromator")
    ]


def _axes(plot: Node) -> Iterator[Node]:
    """Yield the axes of a plot that its attributes name."""
    named = plot.attribute("axes")
    for name in [named] if isinstance(named, str) else named if isinstance(named, list) else []:
        axis = plot.get(name) if name and "energy" in name.lower() else None
        if axis is not None:
            yield axis


def _unit(energy: Node) -> str:
    """Return the unit of the energies: their own, their group's, or the one in brackets behind their name."""
    group = energy.get("/" + energy.name.rpartition("/")[0])
    for unit in (energy.attribute("units"), group.attribute("units") if group is not None else None):
        if isinstance(unit, str) and unit.strip():
            return unit.strip()
    named = _UNIT.search(str(energy.attribute("long_name") or ""))
    return named[1] if named else ""


def _mode(entry: Node) -> str:
    """Return the mode of detection that an entry states."""
    ways = [_scalar(entry, "mode"), _scalar(entry, "mode/name")]
    ways += [_scalar(plot, "mode") for plot in _of_class(entry, "NXdata")]
    return next((str(way).strip() for way in ways if isinstance(way, str) and way.strip()), "")


def _add_intensity(found: Spectrum, entry: Node, own: str) -> None:
    """Add the absorption that the newer dialect states, or the plotted signal of an entry that has nothing else."""
    plots = _of_class(entry, "NXdata")
    intensity = entry.get(INTENSITY)
    title = " ".join(str(_scalar(plot, "title") or "") for plot in plots)
    if intensity is None and not _of_class(entry, "NXinstrument"):
        signals = [(plot, plot.attribute("signal")) for plot in plots]
        intensity = next((plot.get(name) for plot, name in signals if isinstance(name, str)), None)
    if intensity is None:
        return
    if not _fits(intensity, found.energy.size) or intensity.shape != found.energy.shape:
        raise intensity.error(f"{found.energy.size} values, as many as energies", f"shape {intensity.shape}")
    reference = _REFERENCE.fullmatch(own) or _REFERENCE.fullmatch(title.strip())
    found.add(own, intensity.numbers(), measures="reference" if reference else "mu", unit=_own_unit(intensity))


def _add_detectors(found: Spectrum, places: Sequence[Node], mode: str) -> None:
    """Add the detectors of the instrument, and a monitor where none measures the incoming beam."""
    for place in places:
        for group in (
            one for instrument in _of_class(place, "NXinstrument") for one in _of_class(instrument, "NXdetector")
        ):
            name = group.name.rpartition("/")[2]
            measures = MODES.get(mode.lower()) if name == "absorbed_beam" else _BEAMS.get(name) or quantity(name)
            _add(found, group, name, None if measures == "mu" else measures)
            if name == "absorbed_beam" and measures is None:
                said = f"mode {mode!r}" if mode else "no mode"
                found.remarks.append(f"{group.name}: {said}: what it measures is unknown; name it in 'columns'")
        for group in _of_class(place, "NXmonitor"):
            _add(found, group, group.name.rpartition("/")[2], "i0")


def _add(found: Spectrum, group: Node, name: str, measures: str | None) -> None:
    try:
        data = group.get("data")
        if data is None or data.is_group:
            return
        if _fits(data, found.energy.size):
            found.add(name, data.numbers(), measures=measures, unit=_own_unit(data))
        elif measures is not None:
            found.remarks.append(f"{data.name} left out: shape {data.shape} for {found.energy.size} energies")
    except FileError as error:
        found.remarks.append(str(error))


def _add_raw(found: Spectrum, entry: Node) -> None:
    """Add the columns of a table of raw data under their labels."""
    table, size = entry.get("rawdata"), found.energy.size
    labels = _labels(table.attribute("array_labels")) if table is not None and not table.is_group else []
    if table is None or not labels or table.shape not in ((size, len(labels)), (len(labels), size)):
        return
    values = table.numbers()
    for label, column in zip(labels, values.T if values.shape[0] == size else values, strict=True):
        found.add(label, column)


def _labels(text: Any) -> list[str]:
    try:
        labels = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return []
    return [str(label) for label in labels] if isinstance(labels, list) else []


def _fits(data: Node, size: int) -> bool:
    """Whether values lie along the energies, perhaps in the channels of a detector; spectra and images do not."""
    shape = data.shape or ()
    return len(shape) in (1, 2) and shape[0] == size and (len(shape) == 1 or shape[1] <= _MOST_CHANNELS)


def _own_unit(data: Node) -> str:
    unit = data.attribute("units")
    return unit.strip() if isinstance(unit, str) else ""


def _of_class(node: Node, kind: str) -> list[Node]:
    """Return the groups of a NeXus class within a group, in natural order; what cannot be reached is none of them."""
    named = sorted(node.children(), key=lambda item: natural(item[0]))
    return [child for _, child in named if child.is_group and child.attribute("NX_class") == kind]


def _scalar(node: Node, path: str) -> str | float | None:
    found = node.get(path)
    return None if found is None else found.scalar()
