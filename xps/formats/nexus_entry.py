"""What an NXmpes or NXxps entry holds: energies, what was measured, when, and under which conditions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError, OperandoError
from operando.hdf5 import Node, scalars
from operando.units import factor

from .nexus_values import Measured, measured, signal
from .region_names import region_name

Floats = NDArray[np.float64]

_DEFINITIONS = ("NXmpes", "NXxps")
_ANALYSERS = ("NXelectronanalyser", "NXelectronanalyzer")
_DETECTORS = ("NXdetector", "NXelectron_detector")
_UNKNOWN = 1e30
"""Writers put 1e37 where they know no number."""
_DEPTH = 4
_NUMBERED = re.compile(r"(?<!\d)\d+_")


@dataclass
class Entry:
    """One entry: ``energy`` (eV) is binding energy if ``binding``, else kinetic; None where nothing says so."""

    name: str
    region: str
    energy: Floats
    binding: bool | None
    measured: Measured
    photon_energy: Floats | None
    conditions: dict[str, Floats] = field(default_factory=dict)
    transmission: Floats | None = None
    curve: tuple[Floats, Floats] | None = None
    clock: dict[str, Any] = field(default_factory=dict)
    flags: Floats | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def entries(root: Node) -> Iterator[Node | FileError]:
    """Yield every entry whose definition is NXmpes, NXxps or kin; a broken link as the error that it is."""
    for name in root.names():
        try:
            child = root.get(name)
            if child is None or not child.is_group or child.attribute("NX_class") != "NXentry":
                continue
            definition = child.get("definition")
            if definition is not None and str(definition.scalar()).startswith(_DEFINITIONS):
                yield child
        except FileError as error:
            yield error


def entry(node: Node) -> Entry:
    """Return what an entry holds.

    Raises
    ------
    FileError
        If it has no plot with an energy axis, or nothing measured along it.
    """
    plot = _plot(node)
    axis = _energy_axis(plot)
    energy = _in(axis, "eV", axis.numbers())
    if energy.ndim != 1:
        raise axis.error("energies along one dim", f"shape {energy.shape}")
    instrument = below(node, ("NXinstrument",), 1)
    analysers = [one for above in instrument for one in below(above, _ANALYSERS, 1)]
    detectors = [one for above in [*instrument, *analysers] for one in below(above, _DETECTORS, 1)]
    raw = [one for detector in detectors for one in below(detector, ("NXdata",), 1)]
    remarks: list[str] = []
    own = _scalar(node, "program_name") == "operando"
    found = Entry(
        node.name.strip("/"),
        _region(node),
        energy,
        _binding(axis),
        measured([*raw, plot], plot, energy.size, remarks, trusted=own),
        _photon_energy(instrument),
        remarks=remarks,
    )
    found.conditions = _conditions(analysers, detectors)
    found.transmission = _along(plot, "transmission", energy.size)
    found.curve = next((curve for one in analysers if (curve := _curve(one)) is not None), None)
    found.clock = _clock(node, plot)
    found.flags = _column(plot.get("flag"))
    found.fields = {**scalars(node, passing_over=("NXdata", "NXcollection", "NXuser"), broken=remarks), **_origin(node)}
    return found


def below(node: Node, classes: Sequence[str], depth: int = _DEPTH) -> list[Node]:
    """Return the groups of some NeXus classes within a group, as deep as ``depth``; what cannot be reached is none."""
    found = []
    for _, child in node.children():
        if not child.is_group:
            continue
        if child.attribute("NX_class") in classes:
            found.append(child)
        elif depth > 1:
            found += below(child, classes, depth - 1)
    return found


def _plot(node: Node) -> Node:
    """Return the group of data that an entry shows by default, else ``data``, else its first with an energy axis."""
    default = node.attribute("default")
    names = [name for name in (default, "data") if isinstance(name, str)]
    ways = [*(node.get(name) for name in names), *below(node, ("NXdata",), 1)]
    plots = [one for one in ways if one is not None and one.is_group and one.attribute("NX_class") == "NXdata"]
    if not plots:
        raise node.error("a group of class NXdata", "none")
    return next((one for one in plots if _energy_name(one) is not None), plots[0])


def _energy_name(plot: Node) -> str | None:
    axes = plot.attribute("axes")
    named = [axes] if isinstance(axes, str) else axes if isinstance(axes, list) else []
    return next((name for name in [*named, "energy"] if "energy" in name.lower() and plot.get(name) is not None), None)


def _energy_axis(plot: Node) -> Node:
    name = _energy_name(plot)
    axis = plot.get(name) if name is not None else None
    if axis is None or axis.is_group:
        raise plot.error("an axis 'energy'", f"axes {plot.attribute('axes')!r}")
    return axis


def _binding(axis: Node) -> bool | None:
    """Whether an axis has binding energies, as its attribute says, else its name."""
    for text in (axis.attribute("type"), axis.attribute("long_name"), axis.name.rpartition("/")[2]):
        for word, binding in (("binding", True), ("kinetic", False)):
            if isinstance(text, str) and word in text.lower():
                return binding
    return None


def _region(node: Node) -> str:
    """Return what was measured: the one transition that is stated, else what the entry's name ends with."""
    stated = node.get("transitions")
    text = stated.scalar() if stated is not None else None
    if isinstance(text, str) and text.strip():
        return region_name(text.strip())
    last = node.name.strip("/").rpartition("__")[2]
    return region_name(_NUMBERED.sub("", last, count=1))


def _photon_energy(instrument: Sequence[Node]) -> Floats | None:
    """Return the energy of the probing beam in eV, for all spectra or for each, else that of the monochromator."""
    beams = [beam for above in instrument for beam in below(above, ("NXbeam",))]
    beams.sort(key=lambda beam: "probe" not in beam.name.rpartition("/")[2])
    monochromators = [one for above in instrument for one in below(above, ("NXmonochromator",))]
    ways = [*((one, "incident_energy") for one in beams), *((one, "energy") for one in monochromators)]
    known = (_column(group.get(name), "eV") for group, name in ways)
    return next((values for values in known if values is not None and np.nanmax(values) > 0), None)


def _conditions(analysers: Sequence[Node], detectors: Sequence[Node]) -> dict[str, Floats]:
    """Return the conditions that an entry states, each for all spectra or one a spectrum."""
    dispersions = [one for above in analysers for one in below(above, ("NXenergydispersion",), 1)]
    places: Mapping[str, tuple[Sequence[Node], str, str]] = {
        "pass_energy": (dispersions, "pass_energy", "eV"),
        "work_function": (analysers, "work_function", "eV"),
        "dwell": (detectors, "count_time", "s"),
        "sweeps": (detectors, "sweeps", ""),
        "emission_angle": (analysers, "transformations/analyzer_take_off_polar_angle", "degree"),
    }
    found = {}
    for name, (groups, path, unit) in places.items():
        columns = (_column(group.get(path), unit) for group in groups)
        column = next((values for values in columns if values is not None), None)
        if column is not None:
            found[name] = column
    return found


def _curve(analyser: Node) -> tuple[Floats, Floats] | None:
    """Return an analyser's transmission against kinetic energy in eV, if it has that."""
    group = analyser.get("transmission_function")
    if group is None or not group.is_group:
        return None
    axis, values = group.get("kinetic_energy"), signal(group, "relative_intensity")
    if axis is None or values is None or axis.is_group:
        return None
    energy, relative = _in(axis, "eV", axis.numbers()), values.numbers()
    if energy.ndim != 1 or energy.shape != relative.shape or energy.size < 2:
        return None
    order = np.argsort(energy, kind="stable")
    return energy[order], relative[order]


def _along(plot: Node, name: str, size: int) -> Floats | None:
    """Return what a plot has beside its signal, (scan, energy)."""
    found = plot.get(name)
    if found is None or found.is_group or not found.shape or found.shape[-1] != size or len(found.shape) > 2:
        return None
    return found.numbers().reshape(-1, size)


def _clock(node: Node, plot: Node) -> dict[str, Any]:
    """Return what an entry says of times: texts of its start and end, and of each spectrum seconds from a start."""
    clock: dict[str, Any] = {name: _scalar(node, name) for name in ("start_time", "end_time")}
    for name in ("time_start", "time", "time_end"):
        found = plot.get(name)
        seconds = _column(found, "s")
        start = found.attribute("start") if found is not None else None
        if seconds is not None and isinstance(start, str):
            clock[name] = (start, seconds)
    return clock


def _column(node: Node | None, unit: str = "") -> Floats | None:
    """Return a number or a column of numbers; None if it is none, or only stands for a number that is not known."""
    if node is None or node.is_group or node.shape is None or len(node.shape) > 1:
        return None
    try:
        values = np.atleast_1d(node.numbers())
    except FileError:
        return None
    if not (np.abs(values) < _UNKNOWN).any():
        return None
    return _in(node, unit, values) if unit else values


def _in(node: Node, unit: str, values: Floats) -> Floats:
    """Return values in a unit, from the one that the file states, if any."""
    stated = node.attribute("units")
    if not isinstance(stated, str) or not stated.strip():
        return values
    try:
        return values * factor(stated.strip(), unit)
    except OperandoError as error:
        raise node.error(f"a unit such as {unit}", repr(stated), str(error).partition(": ")[2]) from None


def _origin(node: Node) -> dict[str, Any]:
    """Return what a file of this program says of where its spectra came from."""
    text = _scalar(node, "origin/record")
    try:
        return {"origin": json.loads(text)} if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return {}


def _scalar(node: Node, path: str) -> str | float | None:
    found = node.get(path)
    return None if found is None else found.scalar()
