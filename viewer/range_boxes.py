"""The ranges of a normalization as numbers in boxes; one that is not set is found from the spectrum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import QDoubleSpinBox, QGridLayout, QLabel, QSpinBox, QWidget

_ENERGIES = ("e0", "pre1", "pre2", "norm1", "norm2")
_FOUND = "found"


class RangeBoxes(QWidget):
    """The parameters of ``xas.normalize``: the edge energy (eV), the ends of both ranges (eV from it), the degree."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.energies = {name: _energy(0.0 if name == "e0" else -10_000.0) for name in _ENERGIES}
        self.order = QSpinBox()
        self.order.setRange(-1, 5)
        self.order.setSpecialValueText(_FOUND)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        for at, (name, box) in enumerate(self._boxes.items()):
            box.setValue(box.minimum())
            box.setKeyboardTracking(False)
            box.setToolTip("empty the box, or go down to the end, and it is found from the spectrum")
            box.valueChanged.connect(lambda _value: self.changed.emit())
            grid.addWidget(QLabel(name if box is self.order else f"{name} (eV)"), at // 3, 2 * (at % 3))
            grid.addWidget(box, at // 3, 2 * (at % 3) + 1)

    @property
    def settings(self) -> dict[str, Any]:
        """The parameters as they are set; None where they are to be found."""
        return {name: None if box.value() == box.minimum() else box.value() for name, box in self._boxes.items()}

    def take(self, given: Mapping[str, Any]) -> None:
        """Set the parameters that a recipe has, all others to be found; nothing is told of it."""
        for name, box in self._boxes.items():
            box.blockSignals(True)
            value = given.get(name)
            box.setValue(box.minimum() if value is None else value)
            box.blockSignals(False)

    @property
    def _boxes(self) -> dict[str, Any]:
        return {**self.energies, "nnorm": self.order}


class _Energy(QDoubleSpinBox):
    """An energy with as many digits as it needs; nothing in the box stands for one that is found."""

    def textFromValue(self, value: float) -> str:  # noqa: N802
        return f"{value:.10g}"

    def valueFromText(self, text: str) -> float:  # noqa: N802
        return float(super().valueFromText(text) if text.strip() else self.minimum())

    def validate(self, text: str, place: int) -> Any:
        if not text.strip():
            return QValidator.State.Acceptable, text, place
        return super().validate(text, place)


def _energy(least: float) -> QDoubleSpinBox:
    box = _Energy()
    box.setRange(least, 200_000.0)
    box.setDecimals(3)
    box.setSingleStep(0.5)
    box.setSpecialValueText(_FOUND)
    return box
