"""Panels: a number of every scan against time and against potential, with error bars, by half-cycle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from operando import history
from operando.plot import HalfCycle, axis_label, unit_label

from .figures import (
    MARKERS,
    SCAN_TIPS,
    UNLINKED,
    Figure,
    Model,
    hover,
    legend,
    models,
    new_figure,
    scan_columns,
    scan_source,
)
from .parts import Part, Plot, counted, heading, text
from .series import (
    LocalTime,
    Series,
    axis_of,
    half_cycle_of,
    known_half_cycles,
    local_time,
    over_all,
    slices,
    spectra_series,
    thinned,
)

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

_POINTS = 20_000


@dataclass(frozen=True)
class Points:
    """The numbers of one series and signal, one entry per scan shown."""

    scan: NDArray[np.intp]
    value: NDArray[np.float64]
    error: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    group: list[HalfCycle]
    columns: dict[str, Any]


@dataclass(frozen=True)
class Trend:
    """A variable of the processed series, one number a scan, and what it is called.

    ``nodes`` says that steps over all scans may give it as well.
    """

    variable: str
    noun: str
    nodes: bool = False

    def wants(self, tree: xr.DataTree) -> bool:
        """Return whether any series has the variable."""
        return any(True for _ in self._pieces(tree))

    def draw(self, tree: xr.DataTree, *, named: bool = False) -> Iterator[Part]:
        """Yield, for every series and signal, the numbers against time and against potential.

        Under headings where there are several, or where the number is to be ``named``.
        """
        local, pieces = local_time(tree), list(self._pieces(tree))
        for series, name, ds in pieces:
            if len(pieces) > 1 or named:
                said = f"{series.name}, {name}" if name else series.name
                yield heading(f"{_capital(self.noun)}: {said}" if named else said)
            known = known_half_cycles(tree, series)
            yield _plot(self, series, ds, _points(self, series, ds, known, local, most=_POINTS // len(pieces)), local)

    def _pieces(self, tree: xr.DataTree) -> Iterator[tuple[Series, str, xr.Dataset]]:
        for series in spectra_series(tree):
            found = [("", series.processed)] if series.processed is not None else []
            found += over_all(tree, series) if self.nodes else []
            for node, whole in found:
                if self.variable in whole.variables and whole.sizes.get("scan") == series.count:
                    for name, ds in slices(whole, self.variable):
                        yield series, ", ".join(part for part in (node, name) if part), ds


@dataclass(frozen=True)
class Trends:
    """Several numbers of one thing, under one title."""

    trends: tuple[Trend, ...]

    def wants(self, tree: xr.DataTree) -> bool:
        """Return whether any series has one of the numbers."""
        return any(trend.wants(tree) for trend in self.trends)

    def draw(self, tree: xr.DataTree) -> Iterator[Part]:
        """Yield all of them, one after the other."""
        for trend in self.trends:
            yield from trend.draw(tree, named=True)


def _points(
    trend: Trend, series: Series, ds: xr.Dataset, known: dict[int, HalfCycle], local: LocalTime, *, most: int
) -> Points:
    value = np.asarray(ds[trend.variable].values, dtype=float)
    std = f"{trend.variable}_std"
    error = np.asarray(ds[std].values, float) if std in ds.variables else value * np.nan
    finite = np.flatnonzero(np.isfinite(value))
    scan = finite[thinned(finite.size, most)]
    groups, flagged = half_cycle_of(series, known, UNLINKED), series.flags()[scan] != 0
    value, error = value[scan], error[scan]
    potential, spread = series.column("potential")[scan], series.column("potential_std")[scan]
    columns = {
        **scan_columns(series, scan, local),
        "place": axis_of(series, "time", local).values[scan],
        "value": value,
        "error": error.astype(np.float32),
        "low": value - error,
        "high": value + error,
        "left": (potential - spread).astype(np.float32),
        "right": (potential + spread).astype(np.float32),
        "fill": np.where(flagged, 0.0, 0.75).astype(np.float32),
    }
    return Points(scan, value, error, flagged, [groups[at] for at in scan], columns)


def _plot(trend: Trend, series: Series, ds: xr.Dataset, points: Points, local: LocalTime) -> Plot:
    if not points.scan.size:
        scans = counted(series.count, "scan")
        return Plot((), f"No {trend.noun} was found in any of {scans} of {text(series.name)}.")
    if points.scan.size == 1:
        said = f"{_capital(trend.noun)} of {text(series.name)}{_method(trend, ds)}: {_one(points, ds[trend.variable])}."
        return Plot((), said)
    label, (low, high) = axis_label(ds[trend.variable]), _range(points)
    sources, axis = _sources(series, points), axis_of(series, "time", local)
    y_range = models.Range1d(low, high)
    first = new_figure(axis.label, label, dates=axis.dated, y_range=y_range)
    _draw(first, sources, "place", label, spread=False)
    figures = [first]
    if np.isfinite(points.columns["potential"]).any():
        figures.append(new_figure(axis_label(series.scans["potential"]), label, potential=True, y_range=y_range))
        _draw(figures[1], sources, "potential", label, spread=True)
    outside = int(((points.value < low) | (points.value > high)).sum())
    caption = _caption(trend, series, ds, points, outside=outside, has_potential=len(figures) > 1)
    return Plot(figures, caption, legend(points.group, flagged=bool(points.flagged.any())), beside=True)


def _capital(noun: str) -> str:
    return f"{noun[:1].upper()}{noun[1:]}"


def _one(points: Points, array: xr.DataArray) -> str:
    unit = f" {unit_label(str(array.attrs.get('units', '')))}".rstrip()
    error = f"{points.error[0]:.3f}{unit}" if np.isfinite(points.error[0]) else "an unknown uncertainty"
    return f"{points.value[0]:.3f}{unit} ± {error} in scan {points.scan[0]}"


def _range(points: Points) -> tuple[float, float]:
    """Return the range to show: that of the unflagged scans, so that no bad scan flattens the others."""
    shown = ~points.flagged if (~points.flagged).any() else np.ones_like(points.flagged)
    error = np.nan_to_num(points.error[shown])
    low, high = float((points.value[shown] - error).min()), float((points.value[shown] + error).max())
    margin = 0.06 * (high - low) or 0.5
    return low - margin, high + margin


def _sources(series: Series, points: Points) -> dict[HalfCycle, Model]:
    """Return the points of each half-cycle; flagged scans are hollow."""
    found = {}
    for group in dict.fromkeys(points.group):
        own = [at for at, other in enumerate(points.group) if other == group]
        found[group] = scan_source(series, {name: _taken(values, own) for name, values in points.columns.items()})
    return found


def _taken(values: Any, own: list[int]) -> Any:
    return values[own] if isinstance(values, np.ndarray) else [values[at] for at in own]


def _draw(fig: Figure, sources: dict[HalfCycle, Model], x: str, label: str, *, spread: bool) -> None:
    """Draw the points of every half-cycle against the column ``x``, with their error bars."""
    fig.yaxis.formatter.use_scientific = False
    marks = []
    for group, source in sources.items():
        bars = {"source": source, "color": group.color, "line_width": 1, "line_alpha": 0.5}
        fig.segment(x, "low", x, "high", **bars)
        if spread:
            fig.segment("left", "value", "right", "value", **bars)
        style = {"line_color": group.color, "fill_color": group.color, "fill_alpha": "fill", "size": 6}
        marks.append(fig.scatter(x, "value", source=source, marker=MARKERS[group.marker], **style))
    hover(fig, marks, [*SCAN_TIPS, (label, "@value{0.000} ± @error{0.000}")])


def _caption(trend: Trend, series: Series, ds: xr.Dataset, points: Points, *, outside: int, has_potential: bool) -> str:
    total = int(np.isfinite(ds[trend.variable].values).sum())
    said = [f"{_capital(trend.noun)} of {counted(total, 'scan')} of {text(series.name)}{_method(trend, ds)}."]
    if np.isfinite(points.error).any():
        bars = "Error bars are one standard uncertainty"
        said.append(
            bars + ("; horizontal bars are the spread of the potential within the scan." if has_potential else ".")
        )
    else:
        said.append("Its uncertainty is not known.")
    if total < series.count:
        said.append(f"No {trend.noun} was found in {counted(series.count - total, 'scan')}.")
    if outside:
        said.append(f"{counted(outside, 'flagged scan')} outside the range of the others: zoom out to see.")
    missing = int(np.isnan(series.column("potential")[points.scan]).sum())
    if not has_potential:
        said.append("No potential is known for these scans.")
    elif missing:
        said.append(f"{counted(missing, 'scan')} without a potential cannot be shown against it.")
    if points.scan.size < total:
        said.append(f"{counted(points.scan.size, 'scan')} are drawn, evenly chosen.")
    return " ".join(said)


def _method(trend: Trend, ds: xr.Dataset) -> str:
    for step in reversed(history.entries(ds)):
        method = step.get("parameters", {}).get("method")
        if str(step.get("step", "")).endswith(trend.variable) and method:
            return f" (method: {text(method).replace('_', ' ')})"
    return ""
