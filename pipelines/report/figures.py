"""The look of every bokeh figure of the report, and the pieces that several panels draw."""

from __future__ import annotations

from importlib import import_module
from textwrap import wrap
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from operando import flags
from operando.plot import FLAGGED, INK, REST, HalfCycle, axis_label, half_cycles, reached, starts_after_gap, voltage_of

from .parts import plain, text

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from .series import LocalTime, Series

# Bokeh's annotations refuse keywords that its models document, so its modules are taken as they are.
models: Any = import_module("bokeh.models")
plotting: Any = import_module("bokeh.plotting")
layouts: Any = import_module("bokeh.layouts")
Figure: TypeAlias = Any
Model: TypeAlias = Any

FONT = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif"
UNLINKED = HalfCycle(-1, "unknown", "no half-cycle known", INK)
MARKERS = {"o": "circle", "s": "square", "D": "diamond"}
_SIGNS = {"o": "●", "s": "■", "D": "◆"}
_CURVE_POINTS = 4000
_LABEL_LETTERS = 32
_HOUR = 3.6e6
TIME, POTENTIAL = "time", "potential"
"""What the tags of figures say of their x axes."""
HIDDEN_IN_PRINT = "@media print { :host { visibility: hidden; } }"
WRAPPED = f"{HIDDEN_IN_PRINT} .bk-btn-group {{ flex-wrap: wrap; }}"


def new_figure(
    x: str, y: str, *, height: int = 340, dates: bool = False, potential: bool = False, **settings: Any
) -> Figure:
    """Return an empty figure as wide as its place, with axis labels and the report's typography.

    Its x axis is time, ``dates``, or ``potential``, and then shared with others of the page, or something else.
    """
    fig = plotting.figure(
        height=height,
        sizing_mode="stretch_width",
        x_axis_type="datetime" if dates else "linear",
        tools="box_zoom,pan,wheel_zoom,reset,save",
        active_drag=None,
        active_scroll=None,
        toolbar_location="above",
        x_axis_label=plain(x),
        y_axis_label="\n".join(wrap(plain(y), _LABEL_LETTERS)),
        min_border_right=18,
        **settings,
    )
    fig.toolbar.logo = None
    fig.toolbar.stylesheets = [models.InlineStyleSheet(css=HIDDEN_IN_PRINT)]
    fig.outline_line_color = "#999999"
    fig.grid.grid_line_color = "#eeeeee"
    for axis in fig.axis:
        axis.axis_label_text_font = axis.major_label_text_font = FONT
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size, axis.major_label_text_font_size = "14px", "13px"
        axis.axis_label_text_color = axis.major_label_text_color = "#222222"
        axis.axis_line_color = axis.major_tick_line_color = "#777777"
        axis.minor_tick_line_color = None
    fig.tags = [{"axis": TIME if dates else POTENTIAL}] if dates or potential else []
    if dates:
        set_dates(fig)
        if isinstance(fig.x_range, models.DataRange1d):
            fig.x_range.default_span = _HOUR
    return fig


def set_dates(fig: Figure) -> None:
    """Label the time axis with dates as ISO 8601 has them."""
    fig.xaxis.formatter = models.DatetimeTickFormatter(
        seconds="%H:%M:%S",
        minsec="%H:%M:%S",
        minutes="%H:%M",
        hourmin="%H:%M",
        hours="%H:%M",
        days="%d %b",
        context=models.DatetimeTickFormatter(days="%Y", hours="%d %b %Y", hourmin="%d %b %Y", minutes="%d %b %Y"),
        context_which="start",
    )
    fig.xaxis.ticker.desired_num_ticks = 5


def stack(figures: list[Figure], time: str, *, left: int = 70, right: int = 18) -> None:
    """Line up figures that share a time axis: equal margins, dates and the axis label on the lowest alone."""
    for fig in figures:
        fig.min_border_left, fig.min_border_right = left, right
    for fig in figures[:-1]:
        fig.xaxis.visible = False
    figures[-1].xaxis.axis_label = plain(time)


def hover(fig: Figure, renderers: list[Any], tooltips: list[tuple[str, str]]) -> None:
    """Tell what a mark is when the pointer is on it, as text, never as markup; a click on a scan's chooses it."""
    fig.add_tools(models.HoverTool(renderers=renderers, tooltips=tooltips, point_policy="snap_to_data", limit=3))
    if any(mark.data_source.tags for mark in renderers):
        fig.add_tools(models.TapTool(renderers=renderers, visible=False))


SCAN_TIPS = [
    ("scan", "@scan"),
    ("file", "@source"),
    ("time", "@clock"),
    ("potential (V)", "@potential{0.000}"),
    ("flags", "@reasons"),
]
"""What a scan's mark tells, from the columns of :func:`scan_columns`."""


def scan_columns(series: Series, scan: NDArray[np.intp], local: LocalTime) -> dict[str, Any]:
    """Return what the pointer tells of the given scans, as columns for bokeh."""
    sources = series.sources()
    return {
        "scan": scan.astype(np.int32),
        "potential": series.column("potential")[scan].astype(np.float32),
        "source": [sources[at] for at in scan],
        "clock": [local.text(time) for time in series.times()[scan]],
        "reasons": ["; ".join(flags.describe(value)) or "none" for value in series.flags()[scan]],
    }


def scan_source(series: Series, columns: dict[str, Any]) -> Model:
    """Return a source of marks of scans, ``columns`` with those of :func:`scan_columns`, that can be chosen."""
    return models.ColumnDataSource(columns, tags=[{"series": series.path}])


def add_color_bar(fig: Figure, mapper: Model, label: str) -> list[Any]:
    """Put a color bar and, beside it, its label on the right of a figure; return both."""
    bar = models.ColorBar(
        color_mapper=mapper,
        width=10,
        padding=4,
        major_label_text_font=FONT,
        major_label_text_font_size="12px",
        ticker=models.BasicTicker(desired_num_ticks=5),
    )
    title = models.Title(
        text=plain(label),
        align="center",
        text_font=FONT,
        text_font_style="normal",
        text_font_size="14px",
        text_color="#222222",
    )
    fig.add_layout(bar, "right")
    fig.add_layout(title, "right")
    return [bar, title]


def choice(labels: list[str], *, wrapped: bool = False) -> Model:
    """Return buttons of which one is pressed; ``wrapped`` ones fill several lines if need be."""
    css = WRAPPED if wrapped else HIDDEN_IN_PRINT
    return models.RadioButtonGroup(labels=labels, active=0, stylesheets=[models.InlineStyleSheet(css=css)])


def switch(labels: list[str], shown: list[list[Any]], *, wrapped: bool = False) -> Model:
    """Return buttons of which each shows its own renderers and hides those of the others."""
    buttons = choice(labels, wrapped=wrapped)
    code = "shown.forEach((models, i) => models.forEach(model => { model.visible = i == this.active }))"
    buttons.js_on_change("active", models.CustomJS(args={"shown": shown}, code=code))
    return buttons


def draw_voltage(fig: Figure, echem: xr.Dataset, local: LocalTime) -> dict[int, HalfCycle]:
    """Draw the potential against time, colored by half-cycle; return the half-cycles drawn."""
    values = np.asarray(voltage_of(echem).values, dtype=float)
    time = local.milliseconds(echem["time"].values)
    values = np.where(starts_after_gap(echem), np.nan, values)
    known = half_cycles(echem) or {0: HalfCycle(0, "rest", "", INK)}
    number = echem["half_cycle"].values if "half_cycle" in echem.variables else np.zeros(values.size)
    for half_cycle in known.values():
        inside = reached(number == half_cycle.number)
        kept = outline(np.where(inside, values, np.nan), _CURVE_POINTS)
        drawn = np.where(inside, values, np.nan)[kept].astype(np.float32)
        fig.line(time[kept], drawn, color=half_cycle.color, line_width=1.5)
    return known


def outline(values: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """Return the indices that keep a curve's extremes and gaps with about ``most`` points."""
    step = -(-values.size // max(most // 3, 1))
    if values.size <= most:
        return np.arange(values.size)
    padded = np.pad(values, (0, -values.size % step), constant_values=np.nan).reshape(-1, step)
    start = np.arange(padded.shape[0]) * step
    gap = np.isnan(padded)
    low = np.where(gap, np.inf, padded).argmin(axis=1)
    high = np.where(gap, -np.inf, padded).argmax(axis=1)
    kept = np.concatenate([start + low, start + high, start + gap.argmax(axis=1), [0, values.size - 1]])
    return np.unique(kept[kept < values.size])


def voltage_label(echem: xr.Dataset) -> str:
    """Return the axis label of the potential, or of the voltage where no potential is stated."""
    return axis_label(voltage_of(echem))


def legend(groups: list[HalfCycle], *, flagged: bool = False, lines: bool = False) -> str:
    """Return the legend as HTML: sign and color of each half-cycle, and of flagged scans."""
    named = {group.name: group for group in groups if group.name}
    signs = [(group.color, "━" if lines else _SIGNS[group.marker], name) for name, group in named.items()]
    if flagged:
        signs.append((FLAGGED, "┃", "flagged scan") if lines else (REST, "○", "flagged scan (hollow)"))
    return " ".join(
        f'<span class="key"><span style="color:{text(color)}">{sign}</span> {text(name)}</span>'
        for color, sign, name in signs
    )
