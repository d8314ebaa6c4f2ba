"""Train: strokes over a few voxels of each phase, a classifier that learns from them, and its answer for the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from qtpy.compat import isalive
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from operando.errors import OperandoError
from operando.pipelines.export.classifier import write_classifier
from operando.pipelines.scratch import kept
from operando.tomo import Features, PixelClassifier

from .background import Work, start, told
from .choices import LayerChoice, RecipeRow, numbers_in
from .class_previews import Tile, classified_tile, tiles_of
from .colors import colors_of, direct_colormap
from .recorded_steps import RecordedStep
from .shown import across, add_beside, axes_of, here, lazily, middle_of_view, remove, volume_at, volume_here
from .work_bar import WorkBar

SCRIBBLES, PREVIEW, CLASSES = "scribbles", "preview: classes", "classes"
_SHOWN_FEATURES, _DRAWABLE = 3, 9


class Train(QWidget):
    """Teach a pixel classifier by scribbles, see what it makes of the slice, and apply it to the whole volume.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are worked on.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.image = LayerChoice(self.viewer, ["Image"], names=["grey", "projections"])
        self.drawing, self.names = QPushButton("Draw scribbles"), QLineEdit("void electrolyte ncm")
        self.scales, self.trees = QLineEdit("1 2 4"), QSpinBox(minimum=1, maximum=1000, value=50)
        self.training, self.said = QPushButton("Train"), QLabel("Draw over some voxels of each phase, then train.")
        self.said.setWordWrap(True)
        self.preview, self.applying = QCheckBox("preview on the slice"), QPushButton("Apply to the volume")
        self.saving = QPushButton("Save classifier ...")
        self.preview.setChecked(True)
        self.classifier: PixelClassifier | None = None
        self.tile: Work | None = None
        self._waiting: list[Tile] = []
        self._trained_on: Any = None
        self._drawn_at: dict[str, int] = {}
        self.bar, self.recipe = WorkBar(self.training, self.applying, self.saving), RecipeRow()
        self._lay_out()
        self.drawing.clicked.connect(self.draw)
        self.training.clicked.connect(self.train)
        self.applying.clicked.connect(self.apply)
        self.saving.clicked.connect(self._ask)
        self.preview.toggled.connect(self.show_preview)
        self.viewer.dims.events.current_step.connect(self.show_preview)
        self._set()

    def _lay_out(self) -> None:
        form, buttons = QFormLayout(), QHBoxLayout()
        form.addRow("volume", self.image)
        form.addRow("phases 1, 2 ...", self.names)
        form.addRow("scales (voxels)", self.scales)
        form.addRow("trees", self.trees)
        for button in (self.applying, self.saving):
            buttons.addWidget(button)
        column = QVBoxLayout(self)
        column.addLayout(form)
        for widget in (self.drawing, self.training, self.said, self.preview):
            column.addWidget(widget)
        column.addLayout(buttons)
        column.addStretch(1)
        column.addWidget(self.bar)
        column.addWidget(self.recipe)

    @property
    def scribbles(self) -> Any:
        """The layer that is drawn on; None before there is one."""
        return next((one for one in self.viewer.layers if one.name == SCRIBBLES), None)

    def draw(self) -> None:
        """Make a layer to draw on, in the place of the volume, and take the brush."""
        layer = self.image.layer
        with told():
            volume = volume_here(self.viewer, layer)
            if self.scribbles is None:
                empty = xr.DataArray(np.zeros(volume.shape, np.uint8), volume.coords, volume.dims)
                called = [_name(self.names.text().split(), number) for number in range(1, _DRAWABLE + 1)]
                empty.attrs = {"flag_values": list(range(1, _DRAWABLE + 1)), "flag_meanings": " ".join(called)}
                colors = direct_colormap(colors_of(empty))
                self._drawn_at = here(self.viewer, layer)
                add_beside(self.viewer, layer, empty, SCRIBBLES, self._drawn_at, colormap=colors, opacity=1.0)
            self.scribbles.brush_size = 3
            self.scribbles.selected_label = 1
            self.scribbles.mode = "paint"
            self.viewer.layers.selection.active = self.scribbles

    def train(self) -> Work | None:
        """Fit the classifier to the scribbles, on a thread."""
        layer = self.image.layer
        with told():
            if self.scribbles is None:
                raise OperandoError("train: expected scribbles, got none; draw over some voxels of each phase first")
            features = Features(scales=tuple(numbers_in(self.scales.text(), "scales")))
            classifier = PixelClassifier(features=features, trees=self.trees.value())
            volume = volume_at(layer, self._drawn_at)
            marks = np.asarray(self.scribbles.data)
            if marks.size != volume.size:
                raise OperandoError(
                    f"train: expected scribbles on {layer.name}, got those of another; remove them first"
                )
            marks = marks.reshape(volume.shape)
            names = self.names.text().split()

            def show(found: PixelClassifier) -> None:
                self.classifier, self._trained_on = found, layer
                self.said.setText(in_words(found))
                self._set()
                self.show_preview()

            return self.bar.follow(start("train", _taught, classifier, volume, marks, names, done=show))
        return None

    def show_preview(self, _event: object = None) -> None:
        """Show what the classifier makes of the slice, tile by tile; what was asked for before is let go."""
        self._waiting = []
        if not isalive(self):
            return
        if self.classifier is None or self.image.layer is not self._trained_on or not self.preview.isChecked():
            remove(self.viewer, PREVIEW)
            return
        layer, volume = self._trained_on, volume_here(self.viewer, self._trained_on)
        dim, at = across(self.viewer, layer), here(self.viewer, layer)
        empty = volume.isel({dim: at[dim]}).drop_attrs()
        empty = empty.copy(data=np.zeros(empty.shape, np.uint8)).assign_attrs(_flags(self.classifier))
        add_beside(self.viewer, layer, empty, PREVIEW, colormap=direct_colormap(colors_of(empty)), opacity=0.5)
        self._scribbles_on_top()
        self._waiting = tiles_of(volume, dim, at[dim], middle_of_view(self.viewer, layer))
        self._next_tile()

    def _scribbles_on_top(self) -> None:
        if self.scribbles is not None and self.viewer.layers[-1] is not self.scribbles:
            self.viewer.layers.move(self.viewer.layers.index(self.scribbles), len(self.viewer.layers))

    def _next_tile(self) -> None:
        if not self._waiting or (self.tile is not None and self.tile.running) or self.classifier is None:
            return
        tile, waiting = self._waiting.pop(0), self._waiting
        volume = volume_here(self.viewer, self._trained_on)

        def show(found: np.ndarray) -> None:
            if waiting is self._waiting and PREVIEW in self.viewer.layers:
                self._paint(tile, found)

        self.tile = start("classes", classified_tile, self.classifier, volume, tile, done=show, quiet=True)
        self.tile.ended.connect(self._next_tile)

    def _paint(self, tile: Tile, found: np.ndarray) -> None:
        layer, axes = self.viewer.layers[PREVIEW], axes_of(self._trained_on)
        at = tuple(
            tile[name] if name in tile and layer.data.shape[number] > 1 else slice(0, 1)
            for number, name in enumerate(axes)
        )
        layer.data[at] = found.reshape(layer.data[at].shape)
        layer.refresh()

    def apply(self) -> Work | None:
        """Classify the whole volume, on a thread; what no memory holds goes to a temporary folder."""
        layer, classifier = self.image.layer, self.classifier
        with told():
            volume, at = volume_here(self.viewer, layer), here(self.viewer, layer)
            if classifier is None:
                raise OperandoError("apply: expected a trained classifier, got none; train it first")

            def show(found: xr.DataArray) -> None:
                self.preview.setChecked(False)
                colors = direct_colormap(colors_of(found))
                add_beside(self.viewer, layer, found, CLASSES, at, colormap=colors, opacity=0.6)
                self._scribbles_on_top()

            return self.bar.follow(start("classify", _classified, classifier, volume, done=show))
        return None

    def save(self, path: Path) -> None:
        """Write the classifier to a file; the step of the recipe then names it."""
        with told():
            if self.classifier is None:
                raise OperandoError("save: expected a trained classifier, got none; train it first")
            write_classifier(path, self.classifier, overwrite=True)
            self.recipe.record(self._trained_on, RecordedStep("xtm", "classify", {"classifier": path}))

    def _ask(self) -> None:
        beside = self.recipe.recipe.parent / "phases.forest"
        chosen, _ = QFileDialog.getSaveFileName(self, "Classifier", str(beside), "Classifiers (*.forest)")
        if chosen:
            self.save(Path(chosen))

    def _set(self) -> None:
        for button in (self.applying, self.saving):
            button.setEnabled(self.classifier is not None)


def marked(marks: np.ndarray) -> np.ndarray:
    """Return the drawn voxels of a volume (z, y, x) as a table (voxel, 4) of z, y, x and class."""
    places = np.argwhere(marks)
    return np.column_stack([places, marks[tuple(places.T)].astype(np.int64)])


def in_words(classifier: PixelClassifier) -> str:
    """Return what a classifier has learned: its score on voxels that trees had not seen, and what decides."""
    importances = classifier.importances
    order = np.argsort(importances.values)[::-1][:_SHOWN_FEATURES]
    best = ", ".join(str(importances["feature"].values[at]) for at in order)
    return f"{100 * classifier.score:.1f} % of labelled voxels right by trees that had not seen them; most by {best}"


def _flags(classifier: PixelClassifier) -> dict[str, Any]:
    return {"flag_values": list(classifier.classes), "flag_meanings": " ".join(classifier.classes.values())}


def _name(names: list[str], number: int) -> str:
    return names[number - 1] if number <= len(names) else f"phase_{number}"


def _taught(classifier: PixelClassifier, volume: xr.DataArray, marks: np.ndarray, names: list[str]) -> PixelClassifier:
    table = marked(marks)
    classes = {int(one): _name(names, int(one)) for one in np.unique(table[:, 3])}
    return classifier.fit(volume, table, classes)


def _classified(classifier: PixelClassifier, volume: xr.DataArray) -> xr.DataArray:
    found = classifier.predict(lazily(volume))
    named = kept(found.to_dataset(name="phase"))["phase"]
    return named.assign_attrs(_flags(classifier))
