"""Panel: the potential against time, with a tick for every scan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from operando.plot import FLAGGED, INK, HalfCycle

from .cycling import each, onsets_of, said, spread
from .figures import (
    SCAN_TIPS,
    Figure,
    draw_voltage,
    hover,
    legend,
    models,
    new_figure,
    scan_columns,
    scan_source,
    stack,
    voltage_label,
)
from .parts import Part, Plot, counted, plain, text
from .series import LocalTime, Series, all_series, local_time, thinned

if TYPE_CHECKING:
    import xarray as xr

_TICKS = 20_000


def wants(tree: xr.DataTree) -> bool:
    """Return whether any time is known."""
    return "echem" in tree.children or bool(_timed(tree))


def draw(tree: xr.DataTree) -> Iterator[Part]:
    """Yield V(t) and, below it on the same axis, a row of ticks per series."""
    local, series = local_time(tree), _timed(tree)
    curve, known = None, dict[int, HalfCycle]()
    figures: list[Figure] = []
    onsets = onsets_of(tree)
    if "echem" in tree.children:
        echem = tree["echem"].to_dataset()
        curve = new_figure("", voltage_label(echem), height=300, dates=True)
        known = draw_voltage(curve, echem, local)
        _mark_onsets(curve, onsets, local)
        curve.tags = [*curve.tags, {"series": ""}]
        figures.append(curve)
    if series:
        figures.append(_tick_rows(series, local, curve, _TICKS // len(series)))
    stack(figures, f"time ({local.name})", left=max(70, *(8 * len(one.name) + 24 for one in series), 0))
    bad = any(one.flags().any() for one in series)
    caption = _caption(series, local, curve is not None)
    if onsets is not None and onsets.sizes["onset"]:
        caption += " Dashed lines and triangles mark the onsets listed below."
    yield Plot(figures, caption, legend(list(known.values()), flagged=bad, lines=True))


def _mark_onsets(curve: Figure, onsets: xr.Dataset | None, local: LocalTime) -> None:
    """Draw a dashed line where the potential crosses what the recipe names, and a triangle that tells which way."""
    if onsets is None or not onsets.sizes["onset"]:
        return
    time, rising = local.milliseconds(onsets["time"].values), onsets["direction"].values > 0
    data = models.ColumnDataSource(
        {
            "time": time,
            "level": onsets["level"].values.astype(np.float32),
            "marker": np.where(rising, "triangle", "inverted_triangle").tolist(),
            "onset": [said(one) for one in each(onsets)],
            "clock": [local.text(moment) for moment in onsets["time"].values],
            "spread": [spread(float(std)) for std in onsets["time_std"].values],
        }
    )
    for moment in time:
        span = models.Span(location=moment, dimension="height", line_color=INK, line_dash="dashed", line_width=1)
        curve.add_layout(span)
    marks = curve.scatter("time", "level", source=data, marker="marker", size=11, color=INK, line_color="white")
    hover(curve, [marks], [("onset", "@onset"), ("time", "@clock ± @spread")])


def _timed(tree: xr.DataTree) -> list[Series]:
    return [series for series in all_series(tree) if not np.isnat(series.times()).all()]


def _tick_rows(series: list[Series], local: LocalTime, curve: Figure | None, most: int) -> Figure:
    names = list(dict.fromkeys(plain(one.name) for one in reversed(series)))
    shared = {} if curve is None else {"x_range": curve.x_range}
    fig = new_figure("", "", height=80 + 34 * len(names), dates=True, y_range=models.FactorRange(*names), **shared)
    fig.ygrid.grid_line_color = None
    fig.toolbar_location = None
    marks = []
    for one in series:
        data = scan_source(one, _columns(one, local, most))
        style = {"marker": "dash", "angle": np.pi / 2, "size": "size", "color": "color", "line_width": "width"}
        marks.append(fig.scatter("time", "row", source=data, **style))
    hover(fig, marks, SCAN_TIPS)
    return fig


def _columns(series: Series, local: LocalTime, most: int) -> dict[str, Any]:
    known = np.flatnonzero(~np.isnat(series.times()))
    scan = known[thinned(known.size, most)]
    flag = series.flags()[scan]
    return {
        **scan_columns(series, scan, local),
        "time": local.milliseconds(series.times()[scan]),
        "row": [plain(series.name)] * scan.size,
        "color": [FLAGGED if value else INK for value in flag],
        "size": np.where(flag != 0, 24, 16).astype(np.int32),
        "width": np.where(flag != 0, 2.0, 1.0).astype(np.float32),
    }


def _caption(series: list[Series], local: LocalTime, has_curve: bool) -> str:
    said = [
        "Potential of the cell against time." if has_curve else "Times of the scans; no electrochemistry was given."
    ]
    if series:
        said.append("Each tick marks the middle of a scan; a click on one chooses it in all figures.")
    said.append(f"Times are in {text(local.name)}.")
    if local.changes:
        said.append("The zone's clocks changed during the experiment; the offset of its start is kept throughout.")
    hidden = sum(int(np.isnat(one.times()).sum()) for one in series)
    if hidden:
        said.append(f"{counted(hidden, 'scan')} without a time cannot be shown.")
    if any(one.count > _TICKS // len(series) for one in series):
        said.append(f"Only {counted(_TICKS // len(series), 'tick')} a series are drawn, evenly chosen.")
    return " ".join(said)
