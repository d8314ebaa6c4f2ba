"""Panel: what each choice of a clock would make of the potentials of the scans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from operando.clock import Clock
from operando.clock_events import zone_trap
from operando.clock_trials import clock_choices
from operando.errors import OperandoError
from operando.linking import CLOCK
from operando.plot import INK

from .figures import Figure, hover, legend_below, models, new_figure
from .parts import Html, Part, Plot, heading, plain, table, text
from .series import LocalTime, Series, all_series, json_list, local_time, thinned
from .verdict import METHODS

if TYPE_CHECKING:
    import xarray as xr

_COLORS = (INK, "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_POINTS = 4000
_HEAD = ("choice", "offset (s)", "drift (ppm)", "uncertainty (s)", "how", "rms change (V)", "scans lost from the log")


def wants(tree: xr.DataTree) -> bool:
    """Return whether there is a log and scans with times."""
    return "echem" in tree.children and any(_judged(series) for series in all_series(tree))


def draw(tree: xr.DataTree) -> Iterator[Part]:
    """Yield, for every clock, the change of the potentials under each choice, in the series with most scans on it."""
    local, log = local_time(tree), tree["echem"].to_dataset()
    clocks = _known(tree)
    for clock in clocks:
        if zone_trap(clock):
            yield Html(f'<p class="look">{text(zone_trap(clock))}.</p>')
    found = _by_clock(tree)
    for name, (series, scans) in found.items():
        try:
            choices = clock_choices(scans, log, clocks)
        except OperandoError as error:
            yield Html(f"<p>{text(error)}</p>")
            continue
        if len(found) > 1:
            yield heading(name or "no clock of its own")
        yield Plot([_changes(choices, series, local)], _caption(series))
        yield Html(table(_HEAD, [_row(choices, at) for at in range(choices.sizes["choice"])]))


def _by_clock(tree: xr.DataTree) -> dict[str, tuple[Series, xr.Dataset]]:
    """Return, for every clock, the linked series with most scans on it and its scans; without a clock under no name."""
    found: dict[str, tuple[Series, xr.Dataset]] = {}
    for series in sorted(filter(_judged, all_series(tree)), key=lambda one: -one.count):
        scans = series.raw if series.raw is not None else series.processed
        if scans is not None and "scan" in scans.dims:
            clock = next(iter(json_list(f"[{scans.attrs[CLOCK]}]" if CLOCK in scans.attrs else None)), {})
            found.setdefault(str(clock.get("name", "")), (series, scans))
    return found


def _judged(series: Series) -> bool:
    return bool(np.isfinite(series.column("voltage")).sum() > 1)


def _known(tree: xr.DataTree) -> list[Clock]:
    """Return the clocks that the store keeps, as far as they are whole."""
    out = []
    for item in json_list(tree.attrs.get("clocks")):
        try:
            out.append(Clock.from_dict({key: item[key] for key in Clock.__dataclass_fields__ if key in item}))
        except (OperandoError, KeyError, TypeError, ValueError):
            continue
    return out


def _changes(choices: xr.Dataset, series: Series, local: LocalTime) -> Figure:
    fig = new_figure(f"time ({local.name})", "change of the potential (V)", height=280, dates=True)
    scan = thinned(series.count, _POINTS // choices.sizes["choice"])
    order = scan[np.argsort(choices["time"].values[scan], kind="stable")]
    when = local.milliseconds(choices["time"].values[order])
    marks = []
    for at, color in zip(range(choices.sizes["choice"]), _COLORS * 9, strict=False):
        name, values = str(choices["choice"].values[at]), choices["difference"].values[at][order]
        columns = {"x": when, "value": values, "name": [plain(name)] * order.size, "scan": order}
        source = models.ColumnDataSource(columns)
        fig.line("x", "value", source=source, color=color, line_width=1, legend_label=plain(name))
        marks.append(fig.scatter("x", "value", source=source, color=color, size=3))
    hover(fig, marks, [("", "@name"), ("scan", "@scan"), ("change (V)", "@value{0.0000}")])
    legend_below(fig)
    return fig


def _row(choices: xr.Dataset, at: int) -> tuple[str, ...]:
    one = choices.isel(choice=at)
    method = str(one["method"].item())
    known = at == 0 or method != "assumed"
    return (
        str(one["choice"].item()),
        f"{float(one['offset']):.2f}",
        f"{1e6 * float(one['drift']):.1f}",
        f"{float(one['sigma']):.2g}",
        METHODS.get(method, method) if known else "to see what it would do",
        f"{float(one['rms']):.4f}",
        f"{int(one['outside'])}",
    )


def _caption(series: Series) -> str:
    return (
        f"What the potentials of {text(series.name)} would change by if its clock were another one: not corrected, an "
        "hour off as by a mistaken time zone or daylight-saving time, or one of the other clocks. Click a name to hide "
        "its curve. Clocks are set by instruments alone, never by what the chemistry does."
    )
