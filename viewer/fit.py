"""Fit: the spectra of a photoemission series, their lines and what a fit leaves; one scan fitted again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from operando import flags, xps
from operando.plot import unit_label
from operando.xps import plot

from .background import Work, start, told
from .choices import RecipeRow
from .curves import Curves, theme_colors
from .fitted_series import FittedSeries, fitted_series, model_table
from .recorded_steps import RecordedStep
from .scan_slider import ScanSlider
from .series_choice import SeriesChoice
from .work_bar import WorkBar

_MISSING = "spectra fitted with lines", "run the step 'fit' of xps"
_DARK = 0.45
"""Brightness below which a drawn color is lost on a dark background."""


class Fit(QWidget):
    """Browse the fits of a photoemission series; its slider follows that of the viewer in time, and moves it.

    Parameters
    ----------
    napari_viewer
        The viewer whose scans are followed.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.shown: xr.Dataset | None = None
        self.series, self.region = SeriesChoice(self.viewer, fitted_series, _MISSING), QComboBox()
        self.scan, self.said = ScanSlider(self.viewer), QLabel("Open a store with fitted spectra.")
        self.said.setWordWrap(True)
        self.curves, self.model = Curves((3.0, 1.0), height=300), QPlainTextEdit()
        self.model.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.model.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.model.setMinimumHeight(90)
        self.refitting, self.restoring = QPushButton("Fit this scan again"), QPushButton("As stored")
        self.bar, self.recipe = WorkBar(self.refitting), RecipeRow()
        self._lay_out()
        self.series.changed.connect(self._choose)
        self.region.currentIndexChanged.connect(self._draw)
        self.scan.valueChanged.connect(self._show_scan)
        self.refitting.clicked.connect(self.refit)
        self.restoring.clicked.connect(self.restore)
        self.series.refresh()

    def _lay_out(self) -> None:
        buttons, form = QHBoxLayout(), QFormLayout()
        form.addRow("series", self.series)
        form.addRow("region", self.region)
        form.addRow("scan", self.scan)
        for button in (self.refitting, self.restoring):
            buttons.addWidget(button)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.said)
        column.addWidget(self.curves, 1)
        column.addWidget(QLabel("model, as in a recipe"))
        column.addWidget(self.model)
        column.addLayout(buttons)
        column.addWidget(self.bar)
        column.addWidget(self.recipe)

    @property
    def chosen(self) -> FittedSeries | None:
        """The series that is shown."""
        found: FittedSeries | None = self.series.chosen
        return found

    def open(self, store: Path, *, quiet: bool = False) -> None:
        """Add the fitted series of a store to the choice; complain where it has none, unless ``quiet``."""
        self.series.open(store, quiet=quiet)

    def _choose(self) -> None:
        series = self.chosen
        if series is None:
            return
        self.region.blockSignals(True)
        self.region.clear()
        self.region.addItems(series.regions)
        self.region.setEnabled(len(series.regions) > 1)
        self.region.blockSignals(False)
        self.scan.show_scans_of(series)
        self.restore()

    def restore(self) -> None:
        """Show the stored fit and its model."""
        if self.chosen is not None:
            self.model.setPlainText(self.chosen.model)
            self._show_scan()

    def _show_scan(self, _scan: int = 0) -> None:
        series = self.chosen
        if series is not None:
            start("spectrum", series.fit, self.scan.value(), done=self._show, quiet=True)

    def _show(self, found: xr.Dataset) -> None:
        self.shown = found
        self._draw()

    def _draw(self) -> None:
        found = self.shown
        if found is None:
            return
        above, below = self.curves.plots
        above.clear()
        below.clear()
        plot.fit(found, (above, below), region=self.region.currentText() or None)
        above.set_ylabel(f"intensity ({unit_label(str(found['fitted'].attrs.get('units', '1')))})")
        self._recolor()
        self.said.setText(fit_in_words(found, self.scan.value(), self.region.currentText()))

    def _recolor(self) -> None:
        """Draw in a light color what is nearly black, since the background is dark, and the other way round."""
        from matplotlib.colors import rgb_to_hsv, to_rgb

        colors = theme_colors()
        dark = rgb_to_hsv(to_rgb(colors["background"]))[2] < _DARK
        for axes in self.curves.plots:
            legend = axes.get_legend()
            handles = list(legend.get_lines()) if legend is not None else []
            for line in [*axes.lines, *handles]:
                if dark and rgb_to_hsv(to_rgb(line.get_color()))[2] < _DARK:
                    line.set_color(colors["text"])
                if dark and line.get_marker() not in ("None", None, ""):
                    line.set_markeredgecolor(colors["text"])
            for text in legend.get_texts() if legend is not None else ():
                text.set_color(colors["text"])
                text.set_fontsize(7)
        self.curves.paint()

    def refit(self) -> Work | None:
        """Fit the scan that is shown again with the model as edited, on a thread."""
        series, scan = self.chosen, self.scan.value()
        if series is None:
            return None
        with told():
            table = model_table(self.model.toPlainText())
            model = xps.Model.from_json(table)
            settings = series.settings
            step = RecordedStep("xps", "fit", {**table, **_changed(settings)}).checked()

            def show(found: xr.Dataset) -> None:
                self._show(found)
                self.recipe.record_for([step], series.node, series.store)

            return self.bar.follow(start("fit", series.refit, scan, model, done=show))
        return None


def _changed(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a fit that differ from the step's defaults."""
    usual = {"weights": "auto", "window": None}
    return {name: value for name, value in settings.items() if value != usual[name]}


def fit_in_words(found: xr.Dataset, scan: int, region: str = "") -> str:
    """Return how well a scan is fitted, in words: number, potential, chi-square, shares of lines, reasons for doubt."""
    said = [f"scan {scan + 1}"]
    if "potential" in found.coords and np.isfinite(found["potential"]):
        said.append(f"{float(found['potential']):.3f} V")
    said.append(f"reduced χ² {float(found['reduced_chi_square']):.3f}")
    regions = found["peak_region"].values if region else [""] * found.sizes["peak"]
    peaks = [name for name, own in zip(found["peak"].values, regions, strict=True) if own == region]
    shares = {str(name): float(found["fraction"].sel(peak=name)) for name in peaks}
    said.append(", ".join(f"{name} {100 * share:.1f} %" for name, share in shares.items() if share > 0.0005))
    if "flag" in found.coords and int(found["flag"]):
        said.append(", ".join(flags.names(int(found["flag"]))).replace("_", " "))
    return " · ".join(said)
