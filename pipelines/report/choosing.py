"""A click on a scan chooses it in the whole page: its marks, its time in every figure, and the sliders of all series.

Figures tell by tags what they show: sources of marks and sliders of which series they are, figures whose axis is time
or potential that it is. What a click moves is known by its number and looked up in the page: if figures held it, each
of them would be made up of all others, which bokeh goes through figure by figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from .figures import POTENTIAL, TIME, Figure, Model, models
from .series import LocalTime, all_series, local_time

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

CHOSEN = "#0050d0"
_MARGIN = 0.02
_SHORT = 0.15
"""Share of the whole time from which on figures share their time axis; what is shorter keeps its own."""


def link(models_shown: Sequence[Model], tree: xr.DataTree) -> None:
    """Let all figures of a page share their axes of time and of potential, and choose a scan together.

    Parameters
    ----------
    models_shown
        All that is shown on the page, figures and what they are made up of.
    tree
        The experiment.
    """
    found = sorted(models_shown, key=lambda model: int(model.id[1:]))
    figures = [model for model in found if isinstance(model, models.Plot)]
    for kind in (TIME, POTENTIAL):
        _share([fig for fig in figures if _tag(fig, "axis") == kind])
    sources = [one for one in found if isinstance(one, models.ColumnDataSource) and one.tags]
    sliders = [one for one in found if isinstance(one, models.Slider) and one.tags]
    if not sources:
        return
    lines = [_line(fig) for fig in figures if _tag(fig, "axis") == TIME]
    code = (files(__package__) / "choosing.js").read_text("utf-8")
    moved = {"sources": sources, "sliders": sliders, "lines": lines}
    ids = {kind: [model.id for model in some] for kind, some in moved.items()}
    callback = models.CustomJS(args={"ids": ids, **_scans(tree)}, code=code)
    for source in sources:
        source.selected.js_on_change("indices", callback)
    for mark in found:
        if isinstance(mark, models.GlyphRenderer) and mark.data_source.tags:
            _show_chosen(mark)
    for fig in figures:
        if _tag(fig, "series") is not None:
            fig.js_on_event("tap", callback)


def _tag(model: Model, name: str) -> Any:
    return next((tag[name] for tag in model.tags if isinstance(tag, dict) and name in tag), None)


def _scans(tree: xr.DataTree) -> dict[str, Any]:
    """Return names, times and potentials of the scans of every series, None where they are not known."""
    local, series = local_time(tree), all_series(tree)
    return {
        "names": {one.path: one.name for one in series},
        "times": {one.path: _known(_times(one.times(), local)) for one in series},
        "potentials": {one.path: _known(one.column("potential").round(4)) for one in series},
    }


def _times(times: NDArray[np.datetime64], local: LocalTime) -> NDArray[np.float64]:
    return np.rint(local.milliseconds(times))


def _known(values: NDArray[np.float64]) -> list[float | None]:
    return [value if known else None for value, known in zip(values.tolist(), np.isfinite(values), strict=True)]


def _share(figures: list[Figure]) -> None:
    """Give figures one range that holds what each of them shows, but for those that show a short part of it."""
    spans = [_span(fig) for fig in figures]
    known = [span for span in spans if span is not None]
    if len(known) < 2:
        return
    low, high = min(span[0] for span in known), max(span[1] for span in known)
    margin = _MARGIN * (high - low)
    shared = models.Range1d(low - margin, high + margin)
    for fig, span in zip(figures, spans, strict=True):
        if span is not None and span[1] - span[0] >= _SHORT * (high - low) > 0:
            fig.x_range = shared


def _span(fig: Figure) -> tuple[float, float] | None:
    """Return the range that a figure was given, or that of its marks."""
    if isinstance(fig.x_range, models.Range1d):
        return float(fig.x_range.start), float(fig.x_range.end)
    columns = [
        np.asarray(mark.data_source.data[mark.glyph.x], float)
        for mark in fig.renderers
        if isinstance(getattr(mark.glyph, "x", None), str)
    ]
    values = np.concatenate([column[np.isfinite(column)] for column in columns]) if columns else np.empty(0)
    return (float(values.min()), float(values.max())) if values.size else None


def _line(fig: Figure) -> Model:
    """Draw a line at the time of the chosen scan, not yet to be seen."""
    line = models.Span(location=0, dimension="height", line_color=CHOSEN, line_width=1.5, visible=False)
    fig.add_layout(line)
    return line


def _show_chosen(mark: Model) -> None:
    """Let points that are chosen stand out."""
    if isinstance(mark.glyph, models.Scatter):
        size = mark.glyph.size
        larger = size + 7 if isinstance(size, int | float) else 30
        mark.selection_glyph = mark.glyph.clone(size=larger, line_color=CHOSEN, line_width=3)
