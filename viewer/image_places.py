"""Where in a stack of images a spectrum is taken: under the cursor, or in every drawn shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QPushButton, QSpinBox, QVBoxLayout, QWidget

from operando.kind_colors import SUBSTANCES
from operando.xas.xpeem.region_drawing import inside

from .background import told
from .image_spectra import Mask, disk
from .layers import about

CURSOR, REGIONS = "under the cursor", "in drawn regions"
_KINDS = {"ellipse": "ellipse", "rectangle": "polygon", "polygon": "polygon", "path": "polygon"}
_DIGITS = 2
"""Digits of a corner (px): as many as anybody can draw, so that a recipe can be read."""


class ImagePlaces(QWidget):
    """The pixels that are looked at.

    Parameters
    ----------
    viewer
        The viewer whose cursor is followed and on whose layers of shapes regions are drawn.
    images
        Returns the layer of images that is looked at; None if there is none.
    """

    changed = Signal()

    def __init__(self, viewer: Any, images: Callable[[], Any]) -> None:
        super().__init__()
        self.viewer, self._images = viewer, images
        self.where, self.radius, self.draw = QComboBox(), QSpinBox(), QPushButton("Draw a region")
        self.where.addItems([CURSOR, REGIONS])
        self.radius.setRange(0, 50)
        self.radius.setValue(2)
        self._place: tuple[float, float] | None = None
        self._heard: set[int] = set()
        form, column = QFormLayout(), QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        form.addRow("spectrum", self.where)
        form.addRow("radius (px)", self.radius)
        column.addLayout(form)
        column.addWidget(self.draw)
        self.draw.clicked.connect(self._add_region)
        self.where.currentTextChanged.connect(lambda _text: self.changed.emit())
        self.radius.valueChanged.connect(lambda _value: self.changed.emit())
        viewer.mouse_move_callbacks.append(self._moved)

    @property
    def under_cursor(self) -> bool:
        """Whether the spectrum is that under the cursor."""
        return bool(self.where.currentText() == CURSOR)

    def look(self, y: float, x: float) -> None:
        """Look at a pixel of the images, as if the cursor were there."""
        self._place = (y, x)
        self.changed.emit()

    def shapes(self) -> dict[str, dict[str, Any]]:
        """Return every drawn shape by its name, as the step ``regions`` of a recipe has it; corners in pixels."""
        found: dict[str, dict[str, Any]] = {}
        images = self._images()
        for layer in self.viewer.layers:
            if images is None or not (_is_shapes(layer) and layer.visible):
                continue
            for number, (kind, corners) in enumerate(zip(layer.shape_type, layer.data, strict=True), 1):
                if str(kind) in _KINDS:
                    places = [_pixel(images, layer.data_to_world(corner)) for corner in corners]
                    rounded = np.round(np.array(places), _DIGITS).tolist()
                    found[f"{layer.name} {number}"] = {"kind": _KINDS[str(kind)], "corners": rounded}
        return found

    def masks(self, size: tuple[int, int]) -> dict[str, Mask]:
        """Return the pixels (y, x) that are looked at in images of a size, by the name of the place."""
        if self.under_cursor:
            return {} if self._place is None else {"cursor": disk(size, *self._place, self.radius.value())}
        shapes = self.shapes().items()
        found = {name: inside(size, one["kind"], np.array(one["corners"])) for name, one in shapes}
        return {name: mask for name, mask in found.items() if mask.any()}

    def color(self, colors: dict[str, str]) -> None:
        """Give each drawn shape the color of its spectrum."""
        for layer in self.viewer.layers:
            numbers = [f"{layer.name} {at + 1}" for at in range(len(layer.data))] if _is_shapes(layer) else []
            if any(name in colors for name in numbers):
                layer.edge_color = [colors.get(name, "gray") for name in numbers]

    def _moved(self, _viewer: Any, event: Any) -> None:
        images = self._images() if isalive(self) and self.under_cursor else None
        if images is None:
            return
        with told():
            y, x = _pixel(images, event.position)
            size = about(images)["array"].sizes
            if 0 <= y < size["y"] and 0 <= x < size["x"]:
                self.look(y, x)

    def _add_region(self) -> None:
        """Add a layer to draw on, and draw."""
        self.where.setCurrentText(REGIONS)
        layer = self._images()
        if layer is None:
            return
        shapes = [one for one in self.viewer.layers if _is_shapes(one)]
        if not shapes:
            options = {"scale": layer.scale[-2:], "translate": layer.translate[-2:], "units": layer.units[-2:]}
            color = {"edge_color": SUBSTANCES[1], "face_color": "transparent"}
            shapes = [self.viewer.add_shapes(ndim=2, name="regions", **color, **options)]
        if id(shapes[-1]) not in self._heard:
            self._heard.add(id(shapes[-1]))
            shapes[-1].events.data.connect(self._drawn)
        self.viewer.layers.selection.active = shapes[-1]
        shapes[-1].mode = "add_polygon"

    def _drawn(self, _event: object = None) -> None:
        if isalive(self):
            self.changed.emit()


def _is_shapes(layer: Any) -> bool:
    return bool(layer._type_string == "shapes")


def _pixel(images: Any, world: Any) -> tuple[float, float]:
    """Return the place (y, x) in a layer of images, pixels, of a place in the viewer."""
    at = [float(images.translate[k]) for k in range(images.ndim)]
    given = [float(one) for one in world][-images.ndim :]
    at[-len(given) :] = given
    y, x = images.world_to_data(at)[-2:]
    return float(y), float(x)
