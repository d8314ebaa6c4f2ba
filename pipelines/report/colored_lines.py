"""Lines of many scans in one figure, colored by time or potential."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.palettes import Viridis256

from operando.plot import REST, axis_label

from .figures import Figure, Model, add_color_bar, hover, models, switch
from .series import axis_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .series import LocalTime, Series

_DARK_ENOUGH = Viridis256[:230]


@dataclass(frozen=True)
class Coloring:
    """What may color the lines: its name, the label of the color bar, and one number a line."""

    name: str
    label: str
    numbers: NDArray[np.float64]


def colorings(series: Series, scan: NDArray[np.intp], local: LocalTime) -> list[Coloring]:
    """Return what can color the lines of scans: time, or what stands for it, and the potential if it is known."""
    axis, potential = axis_of(series, "time", local), series.column("potential")[scan]
    found = [Coloring(axis.name, axis.label, axis.values[scan])]
    if axis.dated:
        hours = (axis.values - np.nanmin(axis.values)) / 3.6e6
        found = [Coloring(axis.name, "time since first scan (h)", hours[scan])]
    if np.isfinite(potential).any():
        found.append(Coloring("potential", axis_label(series.scans["potential"]), potential))
    return found


def draw_lines(
    fig: Figure,
    x: NDArray[np.float32],
    rows: NDArray[np.float32],
    scan: NDArray[np.intp],
    colors: list[Coloring],
) -> list[Model]:
    """Draw one line a scan, and return the buttons that change what colors them: none if there is one choice."""
    data: dict[str, Any] = {"xs": [x] * len(rows), "ys": list(rows), "scan": scan}
    data |= {f"color{i}": color.numbers for i, color in enumerate(colors)}
    source = models.ColumnDataSource(data)
    layers = [_layer(fig, source, f"color{i}", color) for i, color in enumerate(colors)]
    for layer in layers[1:]:
        for model in layer:
            model.visible = False
    return [switch([f"color: {color.name}" for color in colors], layers)] if len(colors) > 1 else []


def _layer(fig: Figure, source: Model, name: str, color: Coloring) -> list[Any]:
    known = color.numbers[np.isfinite(color.numbers)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    mapper = models.LinearColorMapper(
        palette=_DARK_ENOUGH, low=low, high=high if high > low else low + 1, nan_color=REST
    )
    lines = fig.multi_line("xs", "ys", source=source, line_color={"field": name, "transform": mapper}, line_width=1.1)
    hover(fig, [lines], [("scan", "@scan")])
    return [lines, *add_color_bar(fig, mapper, color.label)] if color.numbers.size > 1 else [lines]
