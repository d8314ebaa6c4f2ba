"""Lines through numbers of every scan against potential and time: error bars, what may be missed, what happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from operando.plot import INK, axis_label

from .figures import SCAN_TIPS, Figure, hover, models, new_figure, scan_columns
from .parts import plain
from .series import LocalTime, Series, thinned

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POINTS = 6000
EVENTS = {
    "begins": ("star", "✶"),
    "takes in another": ("triangle", "△"),
    "splits": ("inverted_triangle", "▽"),
    "merges into another": ("x", "×"),
    "heals or is lost": ("square_x", "⊠"),
}
"""Marker and sign of what happens to a crack."""


@dataclass(frozen=True)
class Line:
    """One number a scan, NaN where there is none.

    ``std`` is its standard uncertainty and ``whole`` what it would be with what cannot be seen; ``events`` are keys of
    ``EVENTS`` and the scans at which they are marked.
    """

    name: str
    color: str
    marker: str
    value: NDArray[np.float64]
    std: NDArray[np.float64] | None = None
    whole: NDArray[np.float64] | None = None
    events: list[tuple[int, str]] = field(default_factory=list)


def draw_lines(
    series: Series, lines: list[Line], label: str, local: LocalTime, places: tuple[str, ...] = ("potential", "time")
) -> list[Figure]:
    """Return a figure against the potential, if it is known, and one against time, or the scan's number."""
    scan = thinned(series.count, max(2, _POINTS // max(1, len(lines))))
    y_range = models.DataRange1d(range_padding=0.08)
    filling = np.where(series.flags()[scan] != 0, 0.0, 0.75).astype(np.float32)
    about = {**scan_columns(series, scan, local), "fill": filling}
    figures = []
    for place in places:
        title, x, dated = _axis(series, place, local)
        if not np.isfinite(x[scan]).any():
            continue
        fig = new_figure(title, label, dates=dated, y_range=y_range)
        fig.name = place
        marks = [_draw(fig, line, x, about) for line in lines]
        hover(fig, marks, [("", "@name"), *SCAN_TIPS, (plain(label), "@value{0.00a} ± @error{0.00a}")])
        figures.append(fig)
    return figures


def _axis(series: Series, place: str, local: LocalTime) -> tuple[str, NDArray[np.float64], bool]:
    """Return label and numbers of an axis, and whether they are dates."""
    if place != "time":
        return axis_label(series.scans[place]) if place in series.scans else "", series.column(place), False
    times = series.times()
    if np.isnat(times).all():
        return "scan number", np.arange(series.count, dtype=float), False
    return f"time ({local.name})", local.milliseconds(times), True


def _draw(fig: Figure, line: Line, x: NDArray[np.float64], about: dict[str, Any]) -> Any:
    """Draw one line, ``about`` being columns on the scans that are drawn, and return its points."""
    scan = about["scan"]
    value, error, whole = (
        np.full(scan.size, np.nan) if one is None else one[scan] for one in (line.value, line.std, line.whole)
    )
    numbers = {"x": x[scan], "value": value, "error": error, "low": value - error, "high": value + error}
    source = models.ColumnDataSource({**about, **numbers, "whole": whole, "name": [plain(line.name)] * scan.size})
    style = {"source": source, "color": line.color}
    if line.whole is not None:
        fig.segment("x", "value", "x", "whole", line_width=9, line_alpha=0.25, **style)
    fig.line("x", "value", line_width=1, line_alpha=0.6, **style)
    fig.segment("x", "low", "x", "high", line_alpha=0.8, **style)
    look = {"line_color": line.color, "fill_color": line.color, "fill_alpha": "fill", "size": 6}
    points = fig.scatter("x", "value", source=source, marker=line.marker, **look)
    for kind, (marker, _) in EVENTS.items():
        at = [one for one, what in line.events if what == kind and one in scan]
        if at:
            fig.scatter(x[at], line.value[at], marker=marker, size=13, line_color=INK, fill_color=None)
    return points
