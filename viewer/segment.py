"""Segment: phases by thresholds that are dragged, and cracks by the plate filter, tried on a slice before the whole."""

from __future__ import annotations

from typing import Any

import xarray as xr
from qtpy.compat import isalive
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from operando import tomo
from operando.pipelines.scratch import kept

from .background import Work, start, told
from .choices import LayerChoice, RecipeRow, numbers_in
from .colors import colors_of, direct_colormap
from .grey_histogram import GreyHistogram
from .previews import plate_slice, segment_slice
from .recorded_steps import RecordedStep
from .shown import across, add_beside, here, lazily, remove, volume_here
from .work_bar import WorkBar

PREVIEW, PLATES, PHASES, CRACKS, VOIDS = "preview: phases", "preview: plate filter", "phases", "cracks", "voids"
SCALES = (1.0, 2.0, 3.0)
_WAIT = 60
"""Milliseconds for which nothing must change before a preview is made."""


class Segment(QWidget):
    """Tell phases and cracks of a volume apart, with previews of the slice that is shown.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are worked on.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.image = LayerChoice(self.viewer, ["Image"], names=["grey", "projections"])
        self.histogram, self.recipe = GreyHistogram(), RecipeRow()
        self.previewing: Work | None = None
        self._again = False
        tabs = QTabWidget()
        tabs.addTab(self._phases_page(), "Phases")
        tabs.addTab(self._cracks_page(), "Cracks")
        self.tabs, self.bar = tabs, WorkBar(self.find, self.apply_phases, self.apply_cracks)
        form = QFormLayout()
        form.addRow("volume", self.image)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(tabs, 1)
        column.addWidget(self.bar)
        column.addWidget(self.recipe)
        self._timer = QTimer(self, singleShot=True, interval=_WAIT)
        self._timer.timeout.connect(self._preview)
        self.image.changed.connect(self.refresh)
        for signal in (self.histogram.moving, self.histogram.moved, self.names.editingFinished):
            signal.connect(self.ask_preview)
        self.scales.editingFinished.connect(self.ask_preview)
        for box in (self.show_phases, self.show_plates):
            box.toggled.connect(self.ask_preview)
        self.viewer.dims.events.current_step.connect(self.ask_preview)
        self.refresh()

    def _phases_page(self) -> QWidget:
        page = QWidget()
        self.classes, self.find = QSpinBox(minimum=2, maximum=6, value=3), QPushButton("Find thresholds")
        self.names, self.show_phases = QLineEdit(), QCheckBox("preview on the slice")
        self.names.setPlaceholderText("names, from the darkest on: void electrolyte ncm")
        self.show_phases.setChecked(True)
        self.apply_phases = QPushButton("Apply to the volume")
        row = QHBoxLayout()
        row.addWidget(self.classes)
        row.addWidget(self.find, 1)
        form = QFormLayout()
        form.addRow("phases", row)
        form.addRow("names", self.names)
        column = QVBoxLayout(page)
        column.addWidget(self.histogram, 1)
        column.addLayout(form)
        column.addWidget(self.show_phases)
        column.addWidget(self.apply_phases)
        self.find.clicked.connect(self.find_thresholds)
        self.apply_phases.clicked.connect(self.segment)
        return page

    def _cracks_page(self) -> QWidget:
        page = QWidget()
        self.scales, self.show_plates = QLineEdit("1 2 3"), QCheckBox("preview the plate filter on the slice")
        self.levels = {name: QLineEdit() for name in ("matrix", "void", "noise", "blur")}
        form = QFormLayout()
        form.addRow("scales (voxels)", self.scales)
        for name, line in self.levels.items():
            line.setPlaceholderText("found from the volume")
            unit = " (voxels)" if name == "blur" else " (grey level)"
            form.addRow(name + unit, line)
        self.apply_cracks = QPushButton("Apply to the volume")
        column = QVBoxLayout(page)
        column.addLayout(form)
        column.addWidget(self.show_plates)
        column.addWidget(self.apply_cracks)
        column.addStretch(1)
        self.apply_cracks.clicked.connect(self.find_cracks)
        return page

    @property
    def volume(self) -> xr.DataArray:
        """The volume (z, y, x) that is shown of the chosen layer."""
        return volume_here(self.viewer, self.image.layer)

    @property
    def phase_names(self) -> list[str] | None:
        """The names of the phases; None where none are given."""
        return self.names.text().replace(",", " ").split() or None

    def refresh(self) -> None:
        """Draw the histogram of the slice that is shown."""
        layer = self.image.layer
        if layer is None:
            return
        with told():
            dim, at = across(self.viewer, layer), here(self.viewer, layer)
            part = self.volume.isel({dim: slice(at[dim], at[dim] + 1)})
            start("histogram", tomo.histogram, part, done=self._show_histogram, quiet=True)

    def _show_histogram(self, found: xr.Dataset) -> None:
        if not self.histogram.thresholds:
            with told():
                self.histogram.thresholds = tomo.threshold_multiotsu(found, self.classes.value())[
                    "threshold"
                ].values.tolist()
        self.histogram.show_histogram(found)
        self.ask_preview()

    def find_thresholds(self) -> Work | None:
        """Look for thresholds in the histogram of the whole volume, on a thread."""
        with told():
            return self.bar.follow(
                start("histogram", _thresholds, self.volume, self.classes.value(), done=self._take_thresholds)
            )
        return None

    def _take_thresholds(self, found: tuple[xr.Dataset, xr.Dataset]) -> None:
        self.histogram.thresholds = found[1]["threshold"].values.tolist()
        self._show_histogram(found[0])

    def segment(self) -> Work | None:
        """Tell phases apart in the whole volume, on a thread."""
        layer, names = self.image.layer, self.phase_names
        with told():
            thresholds, volume, at = _rounded(self.histogram.thresholds), self.volume, here(self.viewer, layer)
            step = RecordedStep("xtm", "segment", {"thresholds": thresholds, "names": names})
            work = start(
                "segment",
                _segmented,
                volume,
                thresholds,
                names,
                done=lambda found: self._show_phases(layer, at, found, step),
            )
            return self.bar.follow(work)
        return None

    def _show_phases(self, layer: Any, at: dict[str, int], found: xr.DataArray, step: RecordedStep) -> None:
        remove(self.viewer, PREVIEW)
        self.show_phases.setChecked(False)
        add_beside(self.viewer, layer, found, PHASES, at, colormap=direct_colormap(colors_of(found)), opacity=0.6)
        self.recipe.record(layer, step)

    def find_cracks(self) -> Work | None:
        """Look for cracks and voids in the whole volume, on a thread; then show with which levels."""
        layer = self.image.layer
        with told():
            settings: dict[str, Any] = {"scales": self._scales(), **self._levels()}
            at = here(self.viewer, layer)

            def show(found: xr.Dataset) -> None:
                self._show_cracks(layer, at, found, settings)

            return self.bar.follow(start("cracks", _cracks, self.volume, settings, done=show))
        return None

    def _show_cracks(self, layer: Any, at: dict[str, int], found: xr.Dataset, settings: dict[str, Any]) -> None:
        known = {name: float(found[own]) for name, own in _LEVELS.items()}
        for name, line in self.levels.items():
            line.setText(f"{known[name]:.6g}")
        remove(self.viewer, PLATES)
        self.show_plates.setChecked(False)
        for name, title in (("void", VOIDS), ("crack", CRACKS)):
            mask = found[name].rename(f"{name}_mask")
            add_beside(self.viewer, layer, mask, title, at, colormap=direct_colormap(colors_of(mask)), opacity=0.7)
        scales = None if settings["scales"] == SCALES else list(settings["scales"])
        used = {**known, "noise_blur": float(found["noise_blur"])}
        self.recipe.record(layer, RecordedStep("xtm", "cracks", {**used, "scales": scales}))

    def ask_preview(self, _event: object = None) -> None:
        """Make the previews that are wanted as soon as nothing changes any more."""
        if isalive(self):
            self._timer.start()

    def _preview(self) -> None:
        layer = self.image.layer
        for box, name in ((self.show_phases, PREVIEW), (self.show_plates, PLATES)):
            if not box.isChecked() or layer is None:
                remove(self.viewer, name)
        if layer is None or not (self.show_phases.isChecked() or self.show_plates.isChecked()):
            return
        if self.previewing is not None and self.previewing.running:
            self._again = True
            return
        with told():
            dim = across(self.viewer, layer)
            place = here(self.viewer, layer)
            asked = {"dim": dim, "at": place[dim]}
            if self.show_phases.isChecked():
                asked |= {"thresholds": _rounded(self.histogram.thresholds), "names": self.phase_names}
            if self.show_plates.isChecked():
                asked |= {"scales": self._scales()}
            self.previewing = start(
                "preview",
                _previews,
                self.volume,
                asked,
                done=lambda found: self._show_previews(layer, place, found),
                quiet=True,
            )
            self.previewing.ended.connect(self._follow_up)

    def _follow_up(self) -> None:
        if self._again:
            self._again = False
            self.ask_preview()

    def _show_previews(self, layer: Any, at: dict[str, int], found: dict[str, xr.DataArray]) -> None:
        if layer is not self.image.layer:
            return
        if PREVIEW in found and self.show_phases.isChecked():
            style = {"colormap": direct_colormap(colors_of(found[PREVIEW])), "opacity": 0.5}
            add_beside(self.viewer, layer, found[PREVIEW], PREVIEW, at, **style)
        if PLATES in found and self.show_plates.isChecked():
            high = float(found[PLATES].quantile(0.999)) or 1.0
            style = {"colormap": "magma", "blending": "additive", "contrast_limits": (0.0, high)}
            add_beside(self.viewer, layer, found[PLATES], PLATES, at, **style)

    def _scales(self) -> tuple[float, ...]:
        return tuple(numbers_in(self.scales.text(), "scales"))

    def _levels(self) -> dict[str, float]:
        """Return the levels that are given."""
        found = {name: numbers_in(line.text(), name) for name, line in self.levels.items() if line.text().strip()}
        return {name: values[0] for name, values in found.items()}


_LEVELS = {"matrix": "matrix_level", "void": "void_level", "noise": "noise", "blur": "blur"}


def _rounded(values: list[float]) -> list[float]:
    """Return grey levels with as many digits as anybody can see, so that a recipe can be read."""
    return [float(f"{value:.6g}") for value in values]


def _thresholds(volume: xr.DataArray, classes: int) -> tuple[xr.Dataset, xr.Dataset]:
    found = tomo.histogram(lazily(volume))
    return found, tomo.threshold_multiotsu(found, classes)


def _segmented(volume: xr.DataArray, thresholds: list[float], names: list[str] | None) -> xr.DataArray:
    found = tomo.segment(lazily(volume), thresholds, names)
    return kept(found.to_dataset(name="phase"))["phase"]


def _cracks(volume: xr.DataArray, settings: dict[str, Any]) -> xr.Dataset:
    return kept(tomo.segment_cracks(lazily(volume), **settings))


def _previews(volume: xr.DataArray, asked: dict[str, Any]) -> dict[str, xr.DataArray]:
    place, found = (volume, asked["dim"], asked["at"]), {}
    if "thresholds" in asked:
        found[PREVIEW] = segment_slice(*place, asked["thresholds"], asked["names"])
    if "scales" in asked:
        found[PLATES] = plate_slice(*place, asked["scales"])
    return found
