"""Spectrum: what a stack of images shows under the cursor or in drawn regions, normalized and fitted at once."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import xarray as xr
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QGridLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from operando.kind_colors import SUBSTANCES

from . import sliders
from .background import Work, start, told
from .curves import Curves
from .image_spectra import Mask, Stack, disk, drawn, spectra, stack_of
from .layers import about

CURSOR, REGIONS = "under the cursor", "in drawn regions"
_RANGES = {"e0": 854.0, "pre1": -10.0, "pre2": -4.0, "norm1": 7.0, "norm2": 11.0}
_EMPTY = "Open a store with stacks of images (xpeem)."


class Spectrum(QWidget):
    """The spectrum under the cursor, or of every shape of a layer of shapes.

    Parameters
    ----------
    napari_viewer
        The viewer whose cursor it follows.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.series, self.where, self.radius = QComboBox(), QComboBox(), QSpinBox()
        self.where.addItems([CURSOR, REGIONS])
        self.radius.setRange(0, 50)
        self.radius.setValue(2)
        self.fit, self.draw = QCheckBox("fit by the references"), QPushButton("Draw a region")
        self.fit.setChecked(True)
        self.ranges = {name: _number(value) for name, value in _RANGES.items()}
        self.order = QSpinBox()
        self.order.setRange(0, 2)
        self.curves, self.said = Curves((3.0, 1.0), height=320), QLabel(_EMPTY)
        self.said.setWordWrap(True)
        self.stack: Stack | None = None
        self.result: xr.Dataset | None = None
        self._place: tuple[float, float] | None = None
        self._work: Work | None = None
        self._again = False
        self._lay_out()
        self._connect()
        self.refresh()

    @property
    def layer(self) -> Any:
        """The layer of images that is looked at; None if there is none."""
        return next((one for one in _stacks(self.viewer) if sliders.series_of(one) == self.series.currentText()), None)

    @property
    def settings(self) -> dict[str, Any]:
        """The parameters of ``xas.normalize`` as they are set."""
        return {name: box.value() for name, box in self.ranges.items()} | {"nnorm": self.order.value()}

    def refresh(self, _event: object = None) -> None:
        """See which stacks there are, and load the one that is shown."""
        names = list(dict.fromkeys(map(sliders.series_of, _stacks(self.viewer))))
        if names != [self.series.itemText(at) for at in range(self.series.count())]:
            self.series.clear()
            self.series.addItems(names)
        self.load()

    def load(self, _event: object = None) -> None:
        """Load the images of the scan that is shown, unless they are there."""
        layer = self.layer
        if layer is None:
            self.said.setText(_EMPTY)
            return
        wanted = sliders.series_of(layer), sliders.place(self.viewer, layer, "scan")
        if self.stack is not None and (self.stack.series, self.stack.scan) == wanted:
            return
        self.said.setText("loading the images ...")
        start("images of the stack", stack_of, about(layer)["source"], *wanted, done=self._loaded, quiet=True)

    def masks(self) -> dict[str, Mask]:
        """Return the pixels to be looked at: those around the cursor, or of every drawn shape."""
        layer = self.layer
        if layer is None or self.stack is None:
            return {}
        shape = tuple(self.stack.images.sizes[axis] for axis in ("y", "x"))
        if self.where.currentText() == CURSOR:
            if self._place is None:
                return {}
            return {"cursor": disk(shape, *self._place, self.radius.value())}
        shapes = [one for one in self.viewer.layers if _is_shapes(one) and one.visible]
        found = {}
        for one in shapes:
            for number, (kind, corners) in enumerate(zip(one.shape_type, one.data, strict=True), 1):
                if kind != "line":
                    places = np.array([self._pixel(layer, one.data_to_world(corner)) for corner in corners])
                    found[f"{one.name} {number}"] = drawn(shape, str(kind), places)
        return {name: mask for name, mask in found.items() if mask.any()}

    def look(self, y: float, x: float) -> None:
        """Look at a pixel of the images, as if the cursor were there."""
        self._place = (y, x)
        self.update_spectra()

    def update_spectra(self, _event: object = None) -> None:
        """Compute the spectra anew; while some are computed only the last wish is remembered."""
        if self._work is not None and self._work.running:
            self._again = True
            return
        masks = self.masks()
        if not masks or self.stack is None:
            return
        self._work = start(
            "spectra", spectra, self.stack, masks, self.settings, fit=self.fit.isChecked(), done=self._show, quiet=True
        )
        self._work.ended.connect(self._ended)

    def _ended(self) -> None:
        self._work = None
        if self._again:
            self._again = False
            self.update_spectra()

    def _loaded(self, stack: Stack) -> None:
        first = self.stack is None or self.stack.series != stack.series
        self.stack = stack
        if first:
            self._take(stack.settings.normalize)
        self.said.setText("Point at the images, or draw regions.")
        self.update_spectra()

    def _take(self, given: Any) -> None:
        """Set the ranges that the recipe has."""
        for name, box in [*self.ranges.items(), ("nnorm", self.order)]:
            if given.get(name) is not None:
                box.blockSignals(True)
                box.setValue(given[name])
                box.blockSignals(False)

    def _pixel(self, layer: Any, world: Any) -> tuple[float, float]:
        at = [float(layer.translate[k]) for k in range(layer.ndim)]
        given = [float(one) for one in world][-layer.ndim :]
        at[-len(given) :] = given
        y, x = layer.world_to_data(at)[-2:]
        return float(y), float(x)

    def _moved(self, _viewer: Any, event: Any) -> None:
        layer = self.layer
        if layer is not None and self.where.currentText() == CURSOR:
            with told():
                y, x = self._pixel(layer, event.position)
                size = about(layer)["array"].sizes
                if 0 <= y < size["y"] and 0 <= x < size["x"]:
                    self.look(y, x)

    def _add_region(self) -> None:
        """Add a layer to draw on, and draw."""
        self.where.setCurrentText(REGIONS)
        layer = self.layer
        if layer is None:
            return
        shapes = [one for one in self.viewer.layers if _is_shapes(one)]
        if not shapes:
            options = {"scale": layer.scale[-2:], "translate": layer.translate[-2:], "units": layer.units[-2:]}
            color = {"edge_color": SUBSTANCES[1], "face_color": "transparent"}
            shapes = [self.viewer.add_shapes(ndim=2, name="regions", **color, **options)]
        shapes[-1].events.data.connect(self.update_spectra)
        self.viewer.layers.selection.active = shapes[-1]
        shapes[-1].mode = "add_polygon"

    def _show(self, ds: xr.Dataset) -> None:
        self.result = ds
        upper, lower = self.curves.plots
        upper.clear()
        lower.clear()
        said = []
        energy = ds["energy"].values
        for at, name in enumerate(ds["region"].values):
            one, color = ds.sel(region=name), _color(at)
            upper.plot(energy, one["normalized"], "o", ms=3.5, color=color, label=str(name))
            said.append(f"<span style='color: {color}'>●</span> {escape(str(name))} ({int(one['pixels'])} px)")
            if "fitted" in ds:
                upper.plot(energy, one["fitted"], "-", lw=1.4, color=color)
                lower.plot(energy, one["residual"], "o-", ms=2, lw=0.8, color=color)
                parts = zip(ds["reference"].values, one["fraction"].values, one["fraction_std"].values, strict=True)
                said[-1] += ": " + ", ".join(f"{escape(part)} {share:.2f} ± {std:.2f}" for part, share, std in parts)
        upper.set_ylabel("normalized absorption")
        lower.set_ylabel("residual")
        lower.set_xlabel("photon energy (eV)")
        self.said.setText("<br>".join(said))
        self.curves.paint()
        self._color_shapes(list(ds["region"].values))

    def _color_shapes(self, names: list[str]) -> None:
        """Give each drawn shape the color of its spectrum."""
        for layer in self.viewer.layers:
            numbers = [f"{layer.name} {at + 1}" for at in range(len(layer.data))] if _is_shapes(layer) else []
            if any(name in names for name in numbers):
                layer.edge_color = [_color(names.index(name)) if name in names else "gray" for name in numbers]

    def _lay_out(self) -> None:
        form, grid = QFormLayout(), QGridLayout()
        form.addRow("stack", self.series)
        form.addRow("spectrum", self.where)
        form.addRow("radius (px)", self.radius)
        for at, (name, box) in enumerate([*self.ranges.items(), ("nnorm", self.order)]):
            grid.addWidget(QLabel(name if box is self.order else f"{name} (eV)"), at // 3, 2 * (at % 3))
            grid.addWidget(box, at // 3, 2 * (at % 3) + 1)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.draw)
        column.addLayout(grid)
        column.addWidget(self.fit)
        column.addWidget(self.curves, 1)
        column.addWidget(self.said)

    def _connect(self) -> None:
        self.draw.clicked.connect(self._add_region)
        self.series.currentTextChanged.connect(self.load)
        self.where.currentTextChanged.connect(self.update_spectra)
        for box in (*self.ranges.values(), self.order, self.radius):
            box.valueChanged.connect(self.update_spectra)
        self.fit.toggled.connect(self.update_spectra)
        self.viewer.mouse_move_callbacks.append(self._moved)
        for event in (self.viewer.layers.events.inserted, self.viewer.layers.events.removed):
            event.connect(self.refresh)
        self.viewer.dims.events.current_step.connect(self.load)


def _is_shapes(layer: Any) -> bool:
    return bool(layer._type_string == "shapes")


def _color(at: int) -> str:
    return SUBSTANCES[(at + 1) % len(SUBSTANCES)]


def _stacks(viewer: Any) -> list[Any]:
    """Return the layers of stacks of stores; those that show a place where it is in all frames first."""
    found = [one for one in viewer.layers if sliders.has(one, "energy") and about(one)["is_store"]]
    found = [one for one in found if sliders.has(one, "scan")]
    return sorted(found, key=lambda one: about(one)["variable"] != "aligned")


def _number(value: float) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(-1000.0, 200_000.0)
    box.setDecimals(1)
    box.setSingleStep(0.5)
    box.setValue(value)
    return box
