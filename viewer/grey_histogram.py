"""The histogram of grey levels with thresholds that can be dragged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from qtpy.QtCore import Signal

from .curves import Curves, theme_colors

_NEAR = 8
"""How far from a threshold a click still takes hold of it, pixels."""
_MOST = 512
"""Bars drawn at most; finer bins are summed."""


class GreyHistogram(Curves):
    """Voxels by grey level, and thresholds between phases."""

    moved = Signal()
    """A threshold is where the user wants it now."""
    moving = Signal()
    """A threshold is being dragged."""

    def __init__(self) -> None:
        super().__init__(height=190)
        self.histogram: xr.Dataset | None = None
        self._thresholds: list[float] = []
        self._lines: list[Any] = []
        self._held: int | None = None
        self.canvas.mpl_connect("button_press_event", self._press)
        self.canvas.mpl_connect("button_release_event", self._release)
        self.canvas.mpl_connect("motion_notify_event", self._drag)

    @property
    def thresholds(self) -> list[float]:
        """The thresholds, ascending."""
        return sorted(self._thresholds)

    @thresholds.setter
    def thresholds(self, values: Sequence[float]) -> None:
        self._thresholds = sorted(map(float, values))
        self._draw_lines()

    def show_histogram(self, found: xr.Dataset) -> None:
        """Draw what :func:`operando.tomo.histogram` returns of one volume."""
        self.histogram = found
        from matplotlib.ticker import MaxNLocator

        level, counts = found["level"].to_numpy(), found["counts"].to_numpy()
        by = -(-level.size // _MOST)
        starts = np.arange(0, level.size, by)
        height = np.add.reduceat(counts, starts)
        edges = np.append(level[starts], level[-1] + found["level"].attrs["bin_width"])
        colors, axes = theme_colors(), self.axes
        axes.clear()
        axes.stairs(height, edges, fill=True, color=colors["primary"])
        axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_ylim(bottom=0.5)
        units = str(found["level"].attrs.get("units", "1"))
        axes.set_xlabel("grey level" + (f" ({units})" if units not in ("1", "") else ""), fontsize=8)
        axes.set_ylabel("voxels", fontsize=8)
        seen = np.cumsum(counts) / counts.sum()
        low, high = (level[np.searchsorted(seen, share)] for share in (0.0005, 0.9995))
        low, high = min([low, *self._thresholds]), max([high, *self._thresholds])
        axes.set_xlim(low - 0.05 * (high - low), high + 0.05 * (high - low) + 1e-9)
        self._draw_lines()
        self.paint()

    def _draw_lines(self) -> None:
        for line in self._lines:
            if line.axes is not None:
                line.remove()
        color = theme_colors()["current"]
        self._lines = [self.axes.axvline(value, color=color, lw=2.5) for value in self._thresholds]
        self.redraw()

    def _press(self, event: Any) -> None:
        if event.inaxes is not self.axes or not self._thresholds:
            return
        pixels = self.axes.transData.transform([(value, 1.0) for value in self._thresholds])[:, 0]
        nearest = int(np.abs(pixels - event.x).argmin())
        self._held = nearest if abs(pixels[nearest] - event.x) <= _NEAR else None

    def _drag(self, event: Any) -> None:
        if self._held is None or event.xdata is None:
            return
        self._thresholds[self._held] = float(event.xdata)
        self._lines[self._held].set_xdata([event.xdata] * 2)
        self.redraw()
        self.moving.emit()

    def _release(self, _event: Any) -> None:
        if self._held is not None:
            self._held = None
            self.thresholds = self._thresholds
            self.moved.emit()
