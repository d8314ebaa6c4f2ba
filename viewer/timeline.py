"""Timeline: the potential against time with a tick for every scan, tied to the slider of the scans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import xarray as xr
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QVBoxLayout, QWidget

import operando
from operando import flags, plot

from . import sliders
from .background import start
from .curves import Curves, theme_colors
from .layers import about

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SAMPLES = 20_000
_DRAWN = ("voltage", "potential", "current", "half_cycle", "segment")
_EMPTY = "Open a store: its scans will be ticks on the voltage curve."


class Timeline(QWidget):
    """Where the shown scan lies on the voltage curve. A click on the curve shows the scan that is nearest in time.

    Parameters
    ----------
    napari_viewer
        The viewer whose slider it is tied to.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.series, self.curves, self.said = QComboBox(), Curves(height=260), QLabel(_EMPTY)
        self.said.setWordWrap(True)
        form = QFormLayout()
        form.addRow("series", self.series)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.curves, 1)
        column.addWidget(self.said)
        self._source = ""
        self._marker: Any = None
        self._behind: Any = None
        self._zone = ZoneInfo("UTC")
        self.curves.canvas.mpl_connect("button_press_event", self._clicked)
        self.curves.canvas.mpl_connect("draw_event", self._drawn)
        self.series.currentTextChanged.connect(self._show_place)
        events = self.viewer.layers.events
        for event in (events.inserted, events.removed):
            event.connect(self.refresh)
        self.viewer.dims.events.current_step.connect(self._show_place)
        self.refresh()

    @property
    def layer(self) -> Any:
        """The layer whose scans are followed; None if there is none."""
        return next((one for one in self._followed() if sliders.series_of(one) == self.series.currentText()), None)

    @property
    def times(self) -> NDArray[np.datetime64]:
        """When the scans of the followed series were measured."""
        found: NDArray[np.datetime64] = about(self.layer)["array"]["time"].values
        return found

    def refresh(self, _event: object = None) -> None:
        """See which series there are, and draw the curve of their store."""
        layers = self._followed()
        names = list(dict.fromkeys(map(sliders.series_of, layers)))
        if names != [self.series.itemText(at) for at in range(self.series.count())]:
            self.series.clear()
            self.series.addItems(names)
        source = about(layers[0])["source"] if layers else ""
        if source and source != self._source:
            start("timeline", timeline_of, source, done=self._draw, quiet=True)
        self._source = source
        self._show_place()

    def go_to(self, time: np.datetime64) -> int:
        """Show the scan that is nearest to a time, and return its number from 0."""
        known = np.flatnonzero(~np.isnat(self.times))
        scan = int(known[np.abs(self.times[known] - time).argmin()])
        sliders.go(self.viewer, self.layer, "scan", scan)
        return scan

    def _followed(self) -> list[Any]:
        """Return the layers that have scans with times, one store's."""
        found = [one for one in self.viewer.layers if sliders.has(one, "scan") and about(one)["is_store"]]
        timed = [one for one in found if "time" in about(one)["array"].coords]
        return [one for one in timed if about(one)["source"] == about(timed[0])["source"]]

    def _draw(self, tree: xr.DataTree) -> None:
        from matplotlib.colors import same_color

        self._zone = plot.experiment_zone(tree)
        axes = self.curves.axes
        axes.clear()
        plot.timeline(tree, axes)
        legend = axes.get_legend()
        colors = theme_colors()
        for text in [*(legend.get_texts() if legend else ()), *axes.texts]:
            text.set_color(colors["text"])
        for collection in axes.collections:
            if same_color(collection.get_color(), plot.INK):  # type: ignore[attr-defined]
                collection.set_color(colors["text"])
        self._marker = axes.axvline(axes.get_xlim()[0], color=colors["text"], lw=2, alpha=0.8, animated=True)
        self.curves.paint()
        self._show_place()

    def _drawn(self, _event: object) -> None:
        """Keep the drawn curve, so that moving the marker draws the marker alone."""
        canvas = self.curves.canvas
        self._behind = canvas.copy_from_bbox(self.curves.figure.bbox)
        self._draw_marker()

    def _draw_marker(self) -> None:
        if self._marker is not None and self._behind is not None:
            canvas = self.curves.canvas
            canvas.restore_region(self._behind)
            self.curves.axes.draw_artist(self._marker)
            canvas.blit(self.curves.figure.bbox)

    def _clicked(self, event: Any) -> None:
        if event.inaxes is self.curves.axes and self.layer is not None:
            self.go_to(np.datetime64(round(event.xdata * 86400e9), "ns"))

    def _show_place(self, _event: object = None) -> None:
        layer = self.layer
        if layer is None:
            self.said.setText(_EMPTY)
            return
        scan = sliders.place(self.viewer, layer, "scan")
        self.said.setText(in_words(about(layer)["array"].coords, scan, self._zone))
        if self._marker is not None and not np.isnat(self.times[scan]):
            self._marker.set_xdata([self.times[scan]] * 2)
            self._draw_marker()


def timeline_of(source: str) -> xr.DataTree:
    """Return what a timeline draws of a store, in memory: the curve, thinned if it is long, and the scans' times."""
    tree = operando.open(source)
    kept = {"/": xr.Dataset(attrs=tree.attrs)}
    if "echem" in tree.children:
        echem = tree["echem"].to_dataset()
        every = -(-echem.sizes["time"] // _SAMPLES)
        kept["/echem"] = echem[[name for name in _DRAWN if name in echem]].isel(time=slice(None, None, every)).load()
    for path, ds in plot.series_nodes(tree):
        names = [name for name in ("time", "flag") if name in ds.variables]
        kept[f"{path}/raw"] = xr.Dataset(coords={name: ds[name].variable for name in names}).load()
    return xr.DataTree.from_dict(kept)


def in_words(coords: Any, scan: int, zone: ZoneInfo) -> str:
    """Return where a scan lies, for people: its number, time, potential, state of charge, and reasons for doubt."""
    time = coords["time"].values
    said = [f"scan {scan + 1} of {time.size}", "no time"]
    if not np.isnat(time[scan]):
        said[1] = f"{pd.Timestamp(time[scan]).tz_localize('UTC').tz_convert(zone):%Y-%m-%d %H:%M:%S}"
    for name, form in (("potential", "{:.3f} V"), ("soc", "state of charge {:.2f}")):
        if name in coords and np.isfinite(coords[name].values[scan]):
            said.append(form.format(float(coords[name].values[scan])))
    if "flag" in coords and coords["flag"].values[scan]:
        said.append(", ".join(flags.names(int(coords["flag"].values[scan]))).replace("_", " "))
    return " · ".join(said)
