"""Panel: the spectra colored by time or potential, one of them picked out, and their map over time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from operando.plot import axis_label

from .colored_lines import colorings, draw_lines
from .figures import HIDDEN_IN_PRINT, Figure, Model, layouts, models, new_figure
from .parts import Part, Plot, counted, heading, text
from .series import LocalTime, Series, local_time, slices, spectra_series, thinned
from .series_slider import head, scan_slider, titles
from .spectra_map import draw_map
from .spectra_shown import Shown, shown, windows

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

_MEASURED = ("mu", "tfy", "tey", "pfy", "fluorescence", "counts", "rate", "intensity", "transmission")
"""The first that a series has is shown; photoelectrons are counted beside the transmission of their analyser."""
_LINES, _PICKED, _MAPPED, _MARGIN = 40, 160, 400, 0.05
_PICK = """
const n = picked.data.x.length, i = this.value
picked.data = {x: picked.data.x, y: all.data.values.slice(i * n, (i + 1) * n)}
title.text = titles[i]
"""


def wants(tree: xr.DataTree) -> bool:
    """Return whether any series has spectra."""
    return bool(_with_spectra(tree))


def draw(tree: xr.DataTree) -> Iterator[Part]:
    """Yield, for every series and signal, its spectra and their map."""
    local, found = local_time(tree), _with_spectra(tree)
    pieces = [
        (series, ", ".join(filter(None, (title, region))), window)
        for series, ds, name in found
        for title, one in slices(ds, name)
        for region, window in windows(series, one[name])
    ]
    share = 2 / max(2, len(pieces))
    for series, title, spectra in pieces:
        if len(pieces) > 1:
            yield heading(f"{series.name}, {title}" if title else series.name)
        chosen = shown(series, spectra, max(20, int(_MAPPED * share)))
        yield _draw_lines(series, chosen, local, max(20, int(_PICKED * share)))
        if series.count > 1:
            yield draw_map(tree, series, chosen, local)


def _with_spectra(tree: xr.DataTree) -> list[tuple[Series, xr.Dataset, str]]:
    """Return each series with the dataset and the variable to show: normalized, else as measured."""
    found = []
    for series in spectra_series(tree):
        for ds, names in ((series.processed, ("normalized",)), (series.raw, _MEASURED)):
            fit = [
                name for name in names if ds is not None and name in ds and {"scan", series.axis} <= {*ds[name].dims}
            ]
            if ds is not None and fit:
                found.append((series, ds, fit[0]))
                break
    return found


def _draw_lines(series: Series, spectra: Shown, local: LocalTime, most: int) -> Plot:
    """Return up to 40 spectra as colored lines, and a slider that picks out one of ``most``."""
    at = thinned(spectra.scan.size, most)
    behind = at[thinned(at.size, _LINES)]
    fig = new_figure(axis_label(spectra.energy), axis_label(spectra.values), height=400)
    fig.x_range.start, fig.x_range.end = spectra.near[::-1] if spectra.falling else spectra.near
    fig.y_range = models.Range1d(*_heights(series, spectra))
    colors = colorings(series, spectra.scan[behind], local)
    energy, values = spectra.energy.values.astype(np.float32), spectra.values.values.astype(np.float32)
    buttons = draw_lines(fig, energy, values[behind], spectra.scan[behind], colors)
    slider = _slider(fig, series, spectra, at, local)
    _say_near(fig, spectra, buttons)
    above = [layouts.row(*buttons, styles={"flex-wrap": "wrap"}, sizing_mode="stretch_width")] if buttons else []
    return Plot(
        [layouts.column(*above, fig, *slider, sizing_mode="stretch_width")],
        _caption(series, spectra, behind.size, at.size, [color.name for color in colors]),
    )


def _heights(series: Series, spectra: Shown) -> tuple[float, float]:
    """Return the range of the spectra without a flag, so that no bad scan flattens the others; else of all."""
    good, values = series.flags()[spectra.scan] == 0, spectra.values.values
    shown = next((one for one in (values[good], values) if np.isfinite(one).any()), np.array([0.0, 1.0]))
    low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
    margin = _MARGIN * (high - low) or 0.5
    return low - margin, high + margin


def _slider(fig: Figure, series: Series, spectra: Shown, at: NDArray[np.intp], local: LocalTime) -> list[Model]:
    """Return a slider that draws one of the spectra ``at`` some places in black and titles the figure with it."""
    if at.size < 2:
        return []
    values = spectra.values.values[at].astype(np.float32)
    picked = models.ColumnDataSource({"x": spectra.energy.values.astype(np.float32), "y": values[0]})
    fig.line("x", "y", source=picked, color="#000000", line_width=2.2)
    said = [f"black: {title}" for title in titles(series, spectra.scan[at], local, "scan")]
    slider = scan_slider(series, spectra.scan[at])
    every = models.ColumnDataSource({"values": values.ravel()})
    args = {"picked": picked, "all": every, "titles": said, "title": head(fig, said[0])}
    slider.js_on_change("value", models.CustomJS(args=args, code=_PICK))
    return [slider]


def _say_near(fig: Figure, spectra: Shown, buttons: list[Any]) -> None:
    """Offer to go from the near-edge region to the whole scan and back, where they differ."""
    whole = (float(spectra.energy.values[0]), float(spectra.energy.values[-1]))
    if spectra.near == whole:
        return
    group = models.RadioButtonGroup(labels=["near edge", "whole scan"], active=0)
    group.stylesheets = [models.InlineStyleSheet(css=HIDDEN_IN_PRINT)]
    code = "[range.start, range.end] = ranges[this.active]"
    args = {"range": fig.x_range, "ranges": [list(spectra.near), list(whole)]}
    group.js_on_change("active", models.CustomJS(args=args, code=code))
    buttons.append(group)


def _caption(series: Series, spectra: Shown, lines: int, picked: int, colors: list[str]) -> str:
    name = text(axis_label(spectra.values))
    said = [f"{name[:1].upper()}{name[1:]} of {text(series.name)}."]
    if series.count == 1:
        return said[0]
    if lines < series.count:
        said.append(f"{counted(lines, 'line')} of {counted(series.count, 'scan')}, evenly chosen,")
    else:
        said.append(f"All {counted(series.count, 'scan')},")
    any_one = "any one of them" if picked == series.count else f"any one of {picked}"
    said.append(f"colored by {' or '.join(colors)}; the slider draws {any_one} in black.")
    if (series.flags() != 0).any() and (series.flags() == 0).any():
        said.append("Flagged scans may lie outside the range of the others.")
    return " ".join(said)
