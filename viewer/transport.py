"""Transport: how much a phase hinders what flows through it, and where it touches another; the cost shown first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]
import xarray as xr
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from operando import tomo
from operando.errors import OperandoError
from operando.pipelines.steps.filled_slices import filled
from operando.tomo.costs import Cost
from operando.tomo.layout import PLACES
from operando.tomo.phases import named_phases

from .background import Work, start, steps, told
from .choices import LayerChoice, RecipeRow
from .recorded_steps import RecordedStep
from .shown import here, lazily, volume_here
from .work_bar import WorkBar

_COLUMNS = ("tortuosity factor", "lower bound", "effective diffusivity", "")
_MOST_PHASES = 32


class Transport(QWidget):
    """Tortuosity factor, effective diffusivity and contact of the phases in a layer of labels.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are worked on.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.labels = LayerChoice(self.viewer, ["Labels"], names=["phase_label", "phase", "phases"])
        self.phases, self.first, self.second = QListWidget(), QComboBox(), QComboBox()
        self.phases.setMaximumHeight(90)
        self.axes = {name: QCheckBox(name) for name in PLACES}
        self.axes["z"].setChecked(True)
        self.cost, self.contact = QLabel(), QLabel()
        self.flow_button, self.contact_button = QPushButton("Tortuosity"), QPushButton("Contact area")
        self.table = QTableWidget(0, len(_COLUMNS))
        self.table.setHorizontalHeaderLabels(_COLUMNS)
        self.table.setFixedHeight(132)
        for label in (self.cost, self.contact):
            label.setWordWrap(True)
        self.bar, self.recipe = WorkBar(self.flow_button, self.contact_button), RecipeRow()
        self.names: dict[int, str] = {}
        self._lay_out()
        self.labels.changed.connect(self.refresh)
        self.phases.itemChanged.connect(self.show_cost)
        for box in self.axes.values():
            box.toggled.connect(self.show_cost)
        self.flow_button.clicked.connect(self.measure_flow)
        self.contact_button.clicked.connect(self.measure_contact)
        self.refresh()

    def _lay_out(self) -> None:
        along, pair, form = QHBoxLayout(), QHBoxLayout(), QFormLayout()
        for box in self.axes.values():
            along.addWidget(box)
        for widget in (self.first, QLabel("with"), self.second):
            pair.addWidget(widget)
        form.addRow("phases", self.labels)
        form.addRow("conducting", self.phases)
        form.addRow("along", along)
        form.addRow("cost", self.cost)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.flow_button)
        column.addWidget(self.table)
        below = QFormLayout()
        below.addRow("contact of", pair)
        column.addLayout(below)
        column.addWidget(self.contact_button)
        column.addWidget(self.contact)
        column.addStretch(1)
        column.addWidget(self.bar)
        column.addWidget(self.recipe)

    @property
    def conducting(self) -> list[str]:
        """The phases that are ticked."""
        items = [self.phases.item(at) for at in range(self.phases.count())]
        return [item.text() for item in items if item.checkState() == Qt.CheckState.Checked]

    @property
    def along(self) -> tuple[str, ...]:
        """The axes that are ticked."""
        return tuple(name for name, box in self.axes.items() if box.isChecked())

    @property
    def volume(self) -> xr.DataArray:
        """The labels (z, y, x) that are shown; their names in the attributes."""
        volume = volume_here(self.viewer, self.labels.layer)
        if self.names and named_phases(volume) is None:
            flags = {"flag_values": list(self.names), "flag_meanings": " ".join(self.names.values())}
            return volume.assign_attrs(flags)
        return volume

    def refresh(self) -> None:
        """See which phases the chosen layer has, and what measuring them will cost."""
        layer = self.labels.layer
        self.names = {}
        if layer is not None:
            with told():
                self.names = _phases(volume_here(self.viewer, layer), here(self.viewer, layer))
        called = list(self.names.values())
        chosen = next((name for name in called if "electrolyte" in name), called[len(called) // 2] if called else "")
        self.phases.blockSignals(True)
        self.phases.clear()
        for name in called:
            item = QListWidgetItem(name)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if name == chosen else Qt.CheckState.Unchecked)
            self.phases.addItem(item)
        self.phases.blockSignals(False)
        for box in (self.first, self.second):
            box.clear()
            box.addItems(called)
        self.first.setCurrentIndex(len(called) - 1)
        self.second.setCurrentText(chosen)
        self.show_cost()

    def show_cost(self, _changed: object = None) -> None:
        """Say what measuring will read, hold and take, before it starts."""
        if not self.names:
            self.cost.setText("open labels of phases, or make some with Segment")
            return
        if not (self.along and self.conducting):
            self.cost.setText("choose a phase and an axis")
            return
        flow, contact = self.costs()
        self.cost.setText(f"{_said(flow)}\n{_said(contact)}")

    def costs(self) -> tuple[Cost, Cost]:
        """Return what tortuosity factors and contact will cost, as :func:`operando.tomo.cost` tells."""
        volume = volume_here(self.viewer, self.labels.layer)
        known: dict[str, Any] = {"dtype": volume.dtype}
        one = tomo.cost("tortuosity", volume.shape, **known)
        return replace(one, seconds=one.seconds * len(self.along)), tomo.cost("contact_area", volume.shape, **known)

    def measure_flow(self) -> Work | None:
        """Solve for the flow along each axis that is ticked, on a thread; it can be canceled between axes."""
        layer, of, dims = self.labels.layer, self.conducting, self.along
        with told():
            if not (of and dims):
                raise OperandoError("transport: expected a phase and an axis, got none; tick one of each")
            tomo.check_cost(self.costs()[0], _free())
            step = RecordedStep("xtm", "tortuosity", {"of": of if len(of) > 1 else of[0], "dims": list(dims)})

            def show(found: xr.Dataset) -> None:
                self._show_flow(found)
                self.recipe.record(layer, step)

            return self.bar.follow(start("tortuosity", _flow, self.volume, of, dims, done=show))
        return None

    def measure_contact(self) -> Work | None:
        """Measure over which area two phases touch, on a thread."""
        layer, pair = self.labels.layer, (self.first.currentText(), self.second.currentText())
        with told():
            volume = self.volume
            tomo.check_cost(self.costs()[1], _free())
            step = RecordedStep("xtm", "contact", dict(zip("ab", pair, strict=True)))

            def show(found: xr.Dataset) -> None:
                self.contact.setText(contact_in_words(found, *pair))
                self.found_contact = found
                self.recipe.record(layer, step)

            return self.bar.follow(start("contact", tomo.contact_area, volume, *pair, done=show))
        return None

    def _show_flow(self, found: xr.Dataset) -> None:
        self.found_flow = found
        self.table.setRowCount(found.sizes["axis"])
        self.table.setVerticalHeaderLabels([str(name) for name in found["axis"].values])
        for row in range(found.sizes["axis"]):
            one = found.isel(axis=row)
            numbers = [one[name].item() for name in ("tortuosity_factor", "tau_lower", "effective_diffusivity")]
            texts = [f"{number:.4g}" for number in numbers] + [str(one["reason"].item())]
            for column, text in enumerate(texts):
                self.table.setItem(row, column, QTableWidgetItem(text))
        self.table.resizeColumnsToContents()
        lost = int(found.attrs["lost"])
        self.bar.say(f"{lost} slices in a row are lost and taken to be like the nearest one" if lost else "")


def contact_in_words(found: xr.Dataset, a: str, b: str) -> str:
    """Return contact and share of two phases with their uncertainties."""
    area, share = found["contact_area"], found["contact_share"]
    errors = found["contact_area_std"].item(), found["contact_share_std"].item()
    units = str(area.attrs["units"]).replace("^2", "²").replace("um", "µm")
    return (
        f"{a} touches {b} over {area.item():.4g} ± {errors[0]:.1g} {units}: "
        f"{100 * share.item():.3g} ± {100 * errors[1]:.1g} % of its surface"
    )


def _flow(volume: xr.DataArray, of: Sequence[str], dims: Sequence[str]) -> xr.Dataset:
    """Return what flows through phases along axes, one after the other; ``attrs["lost"]`` slices in a row are lost."""
    numbers = [number for number, name in (named_phases(volume) or {}).items() if name in of]
    whole, lost = filled(lazily(volume).compute())
    mask = whole.copy(deep=False, data=np.isin(whole.data, numbers))
    found = [tomo.tortuosity(mask, [dim]).assign_attrs(lost=lost) for dim in steps(dims)]
    ways: dict[str, Any] = {"data_vars": "different", "coords": "different", "compat": "equals"}
    return xr.concat(found, "axis", **ways, join="exact", combine_attrs="override")


def _phases(volume: xr.DataArray, at: dict[str, int]) -> dict[int, str]:
    """Return the phases of labels by number: by their names, else those of the slice that is shown."""
    known = named_phases(volume)
    if known is not None:
        return {number: name for number, name in known.items() if number and name != "unclassified"}
    found = np.unique(volume.isel(z=at.get("z", 0)).to_numpy())
    found = found[found > 0]
    if found.size > _MOST_PHASES:
        raise OperandoError(f"transport: expected labels of phases, got {found.size} numbers in a slice; choose others")
    return {int(number): f"phase_{number}" for number in found}


def _said(cost: Cost) -> str:
    """Return a cost without the tasks, which the work makes none of."""
    return re.sub(r", \d+ tasks", "", str(cost)).replace("_", " ")


def _free() -> float:
    return float(psutil.virtual_memory().available)
