"""Which columns of a BioLogic file are voltage, current and counters: shared by its text and binary forms."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from operando.errors import FileError
from operando.units import convert, factor

from .log import INSTANT, MEAN

Array = npt.NDArray[np.float64]
Column = Callable[[str], Array]

VOLTAGES = ("Ewe/V", "<Ewe>/V", "<Ewe/V>", "Ewe-Ece/V", "Ecell/V", "<Ecell>/V", "<Ecell/V>")
COUNTERS = {"cycler_cycle": "cycle number", "cycler_half_cycle": "half cycle", "step": "Ns"}
_MEAN_CURRENT = re.compile(r"<I>/(\w+)$|<I/(\w+)>$")
_CURRENT = re.compile(r"I/(\w+)$")
_SET_CURRENT = re.compile(r"control/(\w*A)$")
_CHARGE = re.compile(r"\(Q-Qo\)/(mA\.h|C|A\.h)$")
_INCREMENT = re.compile(r"dq/(mA\.h|C|A\.h)$", re.IGNORECASE)
_QUANTITY = re.compile(r"(\d+(?:[.,]\d+)?) (mg|g|cm²|A\.h|mA\.h)$")
_POTENTIOSTATIC, _REST = 2, 3


class Columns:
    """The columns of one file under operando's names, each computed from the labels that the file has."""

    def __init__(self, path: str | Path, labels: list[str], column: Column, technique: str) -> None:
        self.path, self.labels, self.column, self.technique = path, labels, column, technique
        self.notes: list[str] = []
        self.current_is = INSTANT

    def read(self, elapsed: Array, voltage: str | None = None) -> dict[str, Array]:
        """Return voltage (V), current (A) and the counters that the file has."""
        out = {"voltage": self.column(self._voltage(voltage)), "current": self._current(elapsed)}
        charge = self._match(_CHARGE)
        if charge:
            out["cycler_charge"] = convert(self.column(charge[0]), charge[1], "C")
        return out | {name: self.column(label) for name, label in COUNTERS.items() if label in self.labels}

    def _voltage(self, wanted: str | None) -> str:
        found = [label for label in ((wanted,) if wanted else VOLTAGES) if label in self.labels]
        if found:
            return found[0]
        raise FileError(
            self.path,
            f"a voltage column {wanted!r}" if wanted else f"a voltage column among {', '.join(VOLTAGES)}",
            f"columns {', '.join(self.labels[:12])}",
            remedy="export Ewe, or name the column with voltage = '...'",
        )

    def _match(self, pattern: re.Pattern[str]) -> tuple[str, str] | None:
        for label in self.labels:
            found = pattern.match(label)
            if found:
                return label, next(group for group in found.groups() if group)
        return None

    def _current(self, elapsed: Array) -> Array:
        mean, reading, increment = (self._match(pattern) for pattern in (_MEAN_CURRENT, _CURRENT, _INCREMENT))
        if mean or reading:
            label, unit = mean or reading or ("", "")
            self.current_is = MEAN if mean else INSTANT
            return convert(self.column(label), unit, "A")
        if increment:
            self.current_is = MEAN
            self.notes.append(f"current is {increment[0]} over the time since the last sample")
            return _rate(convert(self.column(increment[0]), increment[1], "C"), elapsed)
        return self._set_current(elapsed.size)

    def _set_current(self, size: int) -> Array:
        """Return the current that was set: exact at rest, and under current control to the cycler's accuracy."""
        mode = self.column("mode") if "mode" in self.labels else None
        if "Open Circuit" in self.technique or (mode is not None and (mode == _REST).all()):
            self.notes.append("current is 0 by definition: the circuit was open")
            return np.zeros(size)
        control = self._match(_SET_CURRENT)
        if control and mode is not None and not (mode == _POTENTIOSTATIC).any():
            self.notes.append("current is the set value: the file has no measured one")
            return np.where(mode == _REST, 0.0, convert(self.column(control[0]), control[1], "A"))
        raise FileError(
            self.path,
            "a current column such as <I>/mA or I/mA",
            f"columns {', '.join(self.labels[:12])}",
            remedy="export the current, or dq, from EC-Lab",
        )


def _rate(charge: Array, elapsed: Array) -> Array:
    """Return the mean current since the last sample; 0 for the first, before which nothing has passed."""
    width = np.diff(elapsed, prepend=elapsed[:1])
    # A damaged charge or time may leave no finite rate; checks of what is finite tell it.
    with np.errstate(over="ignore"):
        return np.divide(charge, width, out=np.zeros_like(charge), where=width > 0)


def cell_values(header: Mapping[str, str]) -> dict[str, float]:
    """Return the cell's values that a header states: masses in mg, area in cm^2, capacity in mAh; zeros left out."""
    wanted = {
        "active_mass": ("Mass of active material", "mg"),
        "characteristic_mass": ("Characteristic mass", "mg"),
        "electrode_area": ("Electrode surface area", "cm^2"),
        "battery_capacity": ("Battery capacity", "mA*h"),
    }
    found: dict[str, float] = {}
    for name, (key, unit) in wanted.items():
        match = _QUANTITY.match(header.get(key, ""))
        if match:
            value = float(match[1].replace(",", ".")) * factor(match[2].replace("²", "^2"), unit)
            found |= {name: value} if value else {}
    return found
