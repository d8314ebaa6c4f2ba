"""The slider of a widget through the scans of a series; it goes with that of the viewer in time, and moves it."""

from __future__ import annotations

from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSlider

from . import sliders
from .layers import about
from .stored_series import StoredSeries, nearest


class ScanSlider(QSlider):
    """Go through the scans of a series, also where no layer shows them.

    Parameters
    ----------
    viewer
        The viewer whose scans are followed: a layer of the same store, whatever its series.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.viewer = viewer
        self.series: StoredSeries | None = None
        self._moving = False
        self.valueChanged.connect(self._go)
        self.viewer.dims.events.current_step.connect(self.follow)

    def show_scans_of(self, series: StoredSeries | None) -> None:
        """Go through the scans of another series, from the one that the viewer shows; nothing is told of it."""
        self.series = series
        if series is None:
            return
        self.blockSignals(True)
        self.setRange(0, series.scans - 1)
        self.setValue(0)
        self.follow()
        self.blockSignals(False)

    def follow(self, _event: object = None) -> None:
        """Show the scan that is nearest in time to what the viewer shows."""
        if not isalive(self):
            return
        layer = self.timed()
        if self.series is None or layer is None or self._moving:
            return
        time = about(layer)["array"]["time"].values[sliders.place(self.viewer, layer, "scan")]
        scan = nearest(self.series.times, time)
        if scan is not None:
            self._moving = True
            self.setValue(scan)
            self._moving = False

    def timed(self) -> Any:
        """Return a layer of the same store whose scans have times; None if there is none."""
        if self.series is None:
            return None
        for layer in self.viewer.layers:
            known = about(layer)
            same = known.get("source") == str(self.series.store)
            if same and sliders.has(layer, "scan") and "time" in known["array"].coords:
                return layer
        return None

    def _go(self, scan: int) -> None:
        """Move the viewer to the time of a scan."""
        layer = self.timed()
        if self.series is None or layer is None or self._moving:
            return
        other = nearest(about(layer)["array"]["time"].values, self.series.times[scan])
        if other is not None:
            self._moving = True
            sliders.go(self.viewer, layer, "scan", other)
            self._moving = False
