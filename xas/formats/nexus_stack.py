"""Entries of NXxas that hold a stack of spectra, as the definition of 2026 has it: one scan of each."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operando.clock import to_ns
from operando.errors import FileError
from operando.hdf5 import Node, scalars
from operando.header_times import NOT_A_TIME, Span, moment, parsed_time
from operando.nexus_tree import TIMES, stated_flags
from operando.xas.layout import COUNTING, DETECTORS

from .guess import quantity
from .nexus_entry import INTENSITY, MODES, Spectrum

Floats = NDArray[np.float64]
_KNOWN = {*DETECTORS, *COUNTING}
_LONGEST = 1e9


@dataclass
class Stack:
    """One entry, or several that are detectors of the same scans: ``measured`` has (scan, energy[, channel])."""

    label: str
    energy: Floats
    unit: str
    measured: dict[str, Floats] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    channels: list[str] = field(default_factory=list)
    clock: dict[str, tuple[str, Floats]] = field(default_factory=dict)
    flags: NDArray[np.int32] | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def is_stack(entry: Node) -> bool:
    """Whether an entry holds several spectra along its first dim."""
    energy, intensity = entry.get("energy"), entry.get(INTENSITY)
    if energy is None or intensity is None or energy.is_group or intensity.is_group:
        return False
    one, many = energy.shape or (), intensity.shape or ()
    return len(one) == 1 and len(many) == 2 and many[1:] == one


def stack(entry: Node) -> Stack:
    """Return the spectra of an entry; the absorption itself only where its detectors were not kept."""
    energy, intensity = entry.get("energy"), entry.get(INTENSITY)
    if energy is None or intensity is None:
        raise entry.error("energy and intensity", "none")
    unit = energy.attribute("units")
    found = Stack(entry.name.strip("/"), energy.numbers(), unit if isinstance(unit, str) and unit else "eV")
    shape = intensity.shape or ()
    for detector in _detectors(entry):
        _take(found, detector, shape)
    mode = entry.get("mode")
    own = MODES.get(str(mode.scalar()).lower(), "mu") if mode is not None else "mu"
    own = "tfy" if own == "fluorescence" and "tfy" in found.measured else own
    if own not in found.measured:
        name = "mu" if own != "reference" else own
        found.measured[name], found.units[name] = intensity.numbers(), _unit(intensity)
    _tell(found, entry)
    return found


def joined(stacks: list[Stack]) -> list[Stack]:
    """Return stacks of the same scans as one, which has all their detectors."""
    kept: list[Stack] = []
    for one in stacks:
        same = next((other for other in kept if _same_scans(one, other)), None)
        if same is None:
            kept.append(one)
            continue
        same.measured = {**one.measured, **same.measured}
        same.units = {**one.units, **same.units}
        same.channels = same.channels or one.channels
        same.fields = {key: value for key, value in same.fields.items() if one.fields.get(key) == value}
    return kept


def spectra(stack: Stack, timezone: str | None, root: Node) -> list[Spectrum]:
    """Return each spectrum of a stack as an entry of its own, with its times and flags as stated."""
    spans = _spans(stack, timezone, root)
    count = len(next(iter(stack.measured.values())))
    found = []
    for k in range(count):
        one = Spectrum(f"{stack.label}/{k + 1}", stack.energy, stack.unit, fields=stack.fields, remarks=stack.remarks)
        for name, values in stack.measured.items():
            one.add(name, values[k], measures=name, unit=stack.units.get(name, ""))
        one.span, one.channels = spans[k], stack.channels
        one.flag = None if stack.flags is None else int(stack.flags[k])
        found.append(one)
    return found


def _detectors(entry: Node) -> list[Node]:
    return [
        detector
        for _, instrument in entry.children()
        if instrument.is_group and instrument.attribute("NX_class") == "NXinstrument"
        for _, detector in instrument.children()
        if detector.is_group and detector.attribute("NX_class") == "NXdetector"
    ]


def _take(found: Stack, detector: Node, shape: tuple[int, ...]) -> None:
    name, data = detector.name.rpartition("/")[2], detector.get("data")
    known = name if name in _KNOWN else quantity(name)
    if data is None or data.is_group or known is None or (data.shape or ())[:2] != shape:
        return
    found.measured[known], found.units[known] = data.numbers(), _unit(data)
    channels = data.attribute("channels")
    names = [channels] if isinstance(channels, str) else channels if isinstance(channels, list) else []
    if len(data.shape or ()) == 3 and len(names) == (data.shape or ())[2]:
        found.channels = found.channels or names


def _tell(found: Stack, entry: Node) -> None:
    """Add what an entry says of its scans and of itself."""
    for name in TIMES:
        seconds = entry.get(f"data/{name}")
        start = seconds.attribute("start") if seconds is not None else None
        if seconds is not None and isinstance(start, str):
            found.clock[name] = (start, seconds.numbers())
    flag = entry.get("data/flag")
    if flag is not None and not flag.is_group:
        values = flag.numbers()
        if values.shape == (len(next(iter(found.measured.values()))),):
            found.flags = stated_flags(values)
    found.fields |= scalars(entry, passing_over=("NXdata", "NXcollection", "NXsubentry"), broken=found.remarks)
    found.fields |= {
        f"element.{key}": found.fields[way]
        for key, way in (("symbol", "element.symbol"), ("edge", "edge.name"))
        if way in found.fields
    }
    record = entry.get("origin/record")
    text = record.scalar() if record is not None else None
    try:
        told = json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        told = {}
    if isinstance(told, dict) and told:
        found.fields["origin"] = {key: value for key, value in told.items() if key != "source"}


def _same_scans(one: Stack, other: Stack) -> bool:
    if one.unit != other.unit or not np.array_equal(one.energy, other.energy):
        return False
    if one.clock.keys() != other.clock.keys() or "mu" in one.measured or "mu" in other.measured:
        return False
    for name in one.clock:
        if one.clock[name][0] != other.clock[name][0]:
            return False
        if not np.array_equal(one.clock[name][1], other.clock[name][1], equal_nan=True):
            return False
    shared = one.measured.keys() & other.measured.keys()
    return bool(one.clock or shared) and all(
        np.array_equal(one.measured[name], other.measured[name], equal_nan=True) for name in shared
    )


def _spans(stack: Stack, timezone: str | None, root: Node) -> list[Span]:
    count = len(next(iter(stack.measured.values())))
    moments = {}
    for name, (start, seconds) in stack.clock.items():
        if seconds.shape != (count,):
            raise FileError(root.file, f"times of {count} spectra", str(seconds.shape), place=f"/{stack.label}/data")
        began = moment(root.file, start, timezone) if parsed_time(start) is not None else None
        nothing = np.full(count, NOT_A_TIME)
        within = np.where(np.abs(seconds) < _LONGEST, seconds, np.nan)
        moments[name] = nothing if began is None else np.asarray(began + to_ns(within), "datetime64[ns]")
    nothing = np.full(count, NOT_A_TIME)
    starts, middles, ends = (moments.get(name, nothing) for name in ("time_start", "time", "time_end"))
    return [Span(starts[k], middles[k], ends[k], note="times of each spectrum") for k in range(count)]


def _unit(node: Node) -> str:
    unit = node.attribute("units")
    return unit.strip() if isinstance(unit, str) else ""
