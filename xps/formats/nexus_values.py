"""What a NeXus entry measured: whole counts of a detector rather than rates, scan by scan where it keeps them apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError
from operando.hdf5 import Node

from .counting import all_whole

Floats = NDArray[np.float64]

_COUNTS = {"count", "counts"}
_RATES = {"counts_per_second", "counts per second", "count/s", "counts/s", "counts/second", "cps", "1/s", "hz"}
_PART = re.compile(r"cycle_?(\d{1,9})_scan_?(\d{1,9})(?:_chan(?:nel)?_?(\d{1,9}))?")
_OF_DETECTOR = re.compile(r"pixel|angular|spatial|chan|detector|k[xyz]?$|k_|x$|y$", re.IGNORECASE)


@dataclass(frozen=True)
class Measured:
    """What was measured: ``counts``, ``rate`` or ``intensity``, values (scan, energy), and a name of each scan."""

    quantity: str
    values: Floats
    labels: list[str]


def measured(groups: Sequence[Node], plot: Node, size: int, remarks: list[str], *, trusted: bool = False) -> Measured:
    """Return what was measured along ``size`` energies, from groups of data, the detector's own first.

    Whole counts are preferred to rates, rates to what has neither's unit.

    Parameters
    ----------
    trusted
        Whether counts may be no whole numbers, since this program wrote them.

    Raises
    ------
    FileError
        If none of the groups has such values.
    """
    found: list[Measured] = []
    wrong: list[FileError] = []
    for group in groups:
        for candidate in (_parts, _signal):
            try:
                one = candidate(group, size, remarks, trusted)
            except FileError as error:
                wrong.append(error)
                continue
            if one is not None:
                found.append(one)
    for quantity in ("counts", "rate", "intensity"):
        for one in found:
            if one.quantity == quantity:
                return one
    raise wrong[0] if wrong else plot.error(f"values along {size} energies", "none")


def signal(group: Node, otherwise: str) -> Node | None:
    """Return what a group shows: the dataset that it calls its signal, else the one of a name."""
    name = group.attribute("signal")
    found = group.get(name if isinstance(name, str) else otherwise)
    return None if found is None or found.is_group else found


def _parts(group: Node, size: int, remarks: list[str], trusted: bool) -> Measured | None:
    """Return the scans that a group keeps apart, ``cycle0_scan0_chan0`` and so on: the channels of each are summed."""
    scans: dict[tuple[int, int], list[Node]] = {}
    for name in group.names():
        match = _PART.fullmatch(name)
        node = group.get(name) if match else None
        if match and node is not None and not node.is_group and node.shape == (size,):
            scans.setdefault((int(match[1]), int(match[2])), []).append(node)
    units = {_unit(node) for nodes in scans.values() for node in nodes}
    if not scans or not units <= _COUNTS:
        return None
    order = sorted(scans)
    values = np.array([np.sum([node.numbers() for node in scans[key]], axis=0) for key in order])
    if not (trusted or all_whole(values)):
        remarks.append(f"{group.name}: no whole numbers: not taken as counts")
        return None
    channels = {len(nodes) for nodes in scans.values()}
    if channels != {1}:
        remarks.append(f"{group.name}: sum of {', '.join(map(str, sorted(channels)))} channels, not shifted")
    cycles = len({cycle for cycle, _ in order}) > 1
    labels = [f"cycle {cycle}, scan {scan}" if cycles else f"scan {scan}" for cycle, scan in order]
    return Measured("counts", values, labels if len(labels) > 1 else [""])


def _signal(group: Node, size: int, remarks: list[str], trusted: bool) -> Measured | None:
    """Return what a group shows, its scans along the first dim."""
    node = signal(group, "data")
    if node is None or not node.shape:
        return None
    values = _arranged(group, node, size, remarks)
    if values is None:
        return None
    unit = _unit(node)
    quantity = "counts" if unit in _COUNTS else "rate" if unit in _RATES else "intensity"
    if quantity == "counts" and not (trusted or all_whole(values)):
        remarks.append(f"{node.name}: unit {unit}, but no whole numbers: not taken as counts")
        quantity = "intensity"
    labels = [f"scan {k}" for k in range(values.shape[0])] if values.shape[0] > 1 else [""]
    return Measured(quantity, values, labels)


def _arranged(group: Node, node: Node, size: int, remarks: list[str]) -> Floats | None:
    """Return values as (scan, energy): dims of the detector are summed, one other dim is that of the scans.

    None if it cannot be told which dim is which.
    """
    shape = node.shape or ()
    axes = group.attribute("axes")
    names = [axes] if isinstance(axes, str) else axes if isinstance(axes, list) else []
    if len(names) != len(shape):
        if len(shape) != 1 or shape[0] != size:
            return None
        names = ["energy"]
    along = [k for k, name in enumerate(names) if "energy" in name.lower() and shape[k] == size]
    if len(along) != 1:
        return None
    summed = [k for k, name in enumerate(names) if k not in along and _OF_DETECTOR.match(name)]
    kept = [k for k in range(len(shape)) if k not in along and k not in summed]
    if len(kept) > 1:
        raise node.error("one dim besides the energy", f"dims {', '.join(names)}")
    values = node.numbers().transpose(*kept, *along, *summed)
    if summed:
        remarks.append(f"{node.name}: summed over {', '.join(names[k] for k in summed)}")
        values = values.sum(axis=tuple(range(len(kept) + 1, len(shape))))
    return np.atleast_2d(values)


def _unit(node: Node) -> str:
    unit = node.attribute("units")
    return unit.strip().lower() if isinstance(unit, str) else ""
