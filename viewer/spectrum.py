"""Spectrum: absorption spectra of a series, or of places in a stack of images, normalized and fitted at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr
from qtpy.compat import isalive
from qtpy.QtWidgets import QCheckBox, QFormLayout, QLabel, QVBoxLayout, QWidget

from operando.errors import OperandoError

from . import sliders, spectrum_curves, timeline
from .absorption_series import AbsorptionSeries, absorption_series
from .background import Work, start
from .choices import RecipeRow
from .curves import Curves
from .image_places import ImagePlaces
from .image_spectra import Stack, spectra, stack_of
from .layers import about
from .range_boxes import RangeBoxes
from .recipe_settings import Settings
from .recorded_steps import RecordedStep
from .scan_slider import ScanSlider
from .series_choice import SeriesChoice
from .spectrum_steps import steps_of_spectra, steps_of_stack
from .stored_series import StoredSeries

_EMPTY = "Open a store with absorption spectra (xas) or stacks of images (xpeem)."
_MISSING = "series of absorption spectra", "name a store that holds some"


class Spectrum(QWidget):
    """The spectra of a scan of a series, or of a stack of images under the cursor or in every drawn shape.

    Parameters
    ----------
    napari_viewer
        The viewer whose scans and cursor it follows.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.series = SeriesChoice(self.viewer, absorption_series, _MISSING, self._stacks)
        self.places, self.ranges = ImagePlaces(self.viewer, lambda: self.layer), RangeBoxes()
        self.scan, self.fit, self.said = ScanSlider(self.viewer), QCheckBox("fit by the references"), QLabel(_EMPTY)
        self.fit.setChecked(True)
        self.said.setWordWrap(True)
        self.curves, self.recipe = Curves((3.0, 1.0), height=300), RecipeRow()
        self.stack: Stack | None = None
        self.result: xr.Dataset | None = None
        self._stack_of: StoredSeries | None = None
        self._ranges_of: StoredSeries | None = None
        self._work: Work | None = None
        self._again = False
        self._lay_out()
        self._connect()
        self.series.refresh()
        self._choose()

    @property
    def layer(self) -> Any:
        """The layer of images that is looked at; None if there is none."""
        return next((one for one in _stack_layers(self.viewer) if _series_of(one) == self.series.chosen), None)

    def open(self, store: Path, *, quiet: bool = False) -> None:
        """Add the absorption spectra of a store to the choice; complain where it has none, unless ``quiet``."""
        self.series.open(store, quiet=quiet)

    def load(self, _event: object = None) -> None:
        """Load the images of the scan that is shown, unless they are there or spectra without images are."""
        layer = self.layer if isalive(self) else None
        if layer is None:
            return
        series, scan = _series_of(layer), sliders.place(self.viewer, layer, "scan")
        if self.stack is not None and (self._stack_of, self.stack.scan) == (series, scan):
            return

        def take(stack: Stack) -> None:
            self._loaded(series, stack)

        self.said.setText("loading the images ...")
        start("images of the stack", stack_of, series.store, series.node, scan, done=take, quiet=True)

    def update_spectra(self, _event: object = None) -> None:
        """Compute the spectra anew; while some are computed only the last wish is remembered."""
        if self._work is not None and self._work.running:
            self._again = True
            return
        series = self.series.chosen
        self._work = self._of_series(series) if isinstance(series, AbsorptionSeries) else self._of_stack(series)
        if self._work is not None:
            self._work.failed.connect(self._failed)
            self._work.ended.connect(self._ended)

    def _of_series(self, series: AbsorptionSeries) -> Work:
        """Start the spectra of the scan at which the slider stands."""
        scan, ranges, fit = self.scan.value(), self.ranges.settings, self.fit.isChecked()

        def show(ds: xr.Dataset) -> None:
            words = timeline.in_words(series.coords, scan, series.zone)
            also = f" · after {', '.join(series.also)}" if series.also else ""
            self._show(series, ds, "signal", words + also)
            self._record(series, lambda: steps_of_spectra(series.settings, series.asked(ranges), fit="fit" in ds))

        return start("spectra", series.spectra, scan, ranges, fit=fit, done=show, quiet=True)

    def _of_stack(self, series: StoredSeries | None) -> Work | None:
        """Start the spectra of the places in the images, if there are any."""
        stack, layer = self.stack, self.layer
        if series is None or layer is None or stack is None or self._stack_of != series:
            return None
        masks = self.places.masks((stack.images.sizes["y"], stack.images.sizes["x"]))
        if not masks:
            return None
        shapes = {} if self.places.under_cursor else self.places.shapes()
        drawn = ([shapes[name] for name in masks], list(masks.values())) if shapes else None
        asked, fit = {**stack.settings.normalize, **self.ranges.settings}, self.fit.isChecked()
        coords = about(layer)["array"].coords

        def show(ds: xr.Dataset) -> None:
            words = timeline.in_words(coords, stack.scan, stack.zone) if "time" in coords else ""
            self._show(series, ds, "region", words)
            self.places.color({str(name): spectrum_curves.color(at) for at, name in enumerate(masks)})
            self._record(series, lambda: steps_of_stack(stack, asked, drawn, fit="fit" in ds))

        return start("spectra", spectra, stack, masks, asked, fit=fit, done=show, quiet=True)

    def _show(self, series: StoredSeries, ds: xr.Dataset, dim: str, words: str) -> None:
        """Show spectra, unless another series was chosen meanwhile."""
        if not isalive(self) or series != self.series.chosen:
            return
        self.result = ds
        spectrum_curves.draw(self.curves, ds, dim)
        self.said.setText("<br>".join(filter(None, [words, *spectrum_curves.in_words(ds, dim)])))

    def _record(self, series: StoredSeries, steps: Callable[[], list[RecordedStep]]) -> None:
        """Show what was done as steps of the recipe, or why a recipe cannot say it."""
        if not isalive(self) or series != self.series.chosen:
            return
        try:
            self.recipe.record_for(steps(), series.node, series.store)
        except OperandoError as error:
            self.recipe.refuse(str(error))

    def _ended(self) -> None:
        self._work = None
        if self._again and isalive(self):
            self._again = False
            self.update_spectra()

    def _failed(self, reason: str) -> None:
        if isalive(self):
            self.said.setText("not done, see the notification")
            self.recipe.refuse(reason)

    def _choose(self) -> None:
        """Show the series that is chosen."""
        self.recipe.refuse("")
        self.curves.clear()
        series = self.series.chosen
        alone = isinstance(series, AbsorptionSeries)
        self.places.setVisible(series is not None and not alone)
        self.form.setRowVisible(self.scan, alone)
        self.scan.show_scans_of(series if alone else None)
        if isinstance(series, AbsorptionSeries):
            self.said.setText("loading the spectra ...")
            self._take(series, series.settings)
        elif series is None:
            self.said.setText(_EMPTY)
        elif self.stack is not None and self._stack_of == series:
            self._take(series, self.stack.settings)
        self.load()
        self.update_spectra()

    def _loaded(self, series: StoredSeries, stack: Stack) -> None:
        if not isalive(self) or self.layer is None or series != self.series.chosen:
            return
        self.stack, self._stack_of = stack, series
        self._take(series, stack.settings)
        self.said.setText("Point at the images, or draw regions.")
        self.update_spectra()

    def _take(self, series: StoredSeries, settings: Settings) -> None:
        """Set the ranges that the recipe of a series has, when it is shown first."""
        if self._ranges_of != series:
            self._ranges_of = series
            self.ranges.take(settings.normalize)
            self.ranges.setEnabled(settings.scale != "mback")

    def _stacks(self) -> list[StoredSeries]:
        return list(dict.fromkeys(map(_series_of, _stack_layers(self.viewer))))

    def _lay_out(self) -> None:
        self.form = QFormLayout()
        self.form.addRow("series", self.series)
        self.form.addRow("scan", self.scan)
        column = QVBoxLayout(self)
        column.addLayout(self.form)
        for widget in (self.places, self.ranges, self.fit):
            column.addWidget(widget)
        column.addWidget(self.curves, 1)
        column.addWidget(self.said)
        column.addWidget(self.recipe)

    def _connect(self) -> None:
        self.series.changed.connect(self._choose)
        self.places.changed.connect(self.update_spectra)
        self.scan.valueChanged.connect(self.update_spectra)
        self.ranges.changed.connect(self.update_spectra)
        self.fit.toggled.connect(self.update_spectra)
        self.viewer.dims.events.current_step.connect(self.load)


def _series_of(layer: Any) -> StoredSeries:
    return StoredSeries(Path(about(layer)["source"]), sliders.series_of(layer))


def _stack_layers(viewer: Any) -> list[Any]:
    """Return the layers of stacks of stores; those that show a place where it is in all frames first."""
    found = [one for one in viewer.layers if sliders.has(one, "energy") and about(one)["is_store"]]
    found = [one for one in found if sliders.has(one, "scan")]
    return sorted(found, key=lambda one: about(one)["variable"] != "aligned")
