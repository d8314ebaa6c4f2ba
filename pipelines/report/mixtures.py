"""Panel: what the scans consist of, against potential or time; the signals of a series side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from operando.kind_colors import SUBSTANCES

from .figures import SCAN_TIPS, Figure, Model, hover, models, new_figure, scan_columns, scan_source
from .parts import Part, Plot, counted, heading, text
from .series import LocalTime, Series, axis_of, local_time, spectra_series, thinned

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

_SIGNS = (("circle", "●"), ("square", "■"), ("triangle", "▲"), ("diamond", "◆"))
_FRACTION = "fraction"
_PARTS = ("reference", "peak")
"""The dims along which the parts of a mixture lie: substances, or the lines of a fit."""
_ENDS = ("_lower", "_upper")
_POINTS = 6000


def wants(tree: xr.DataTree) -> bool:
    """Return whether any series was taken apart into references."""
    return bool(_taken_apart(tree))


def draw(tree: xr.DataTree) -> Iterator[Part]:
    """Yield, for every series, the fractions of all signals against the potential and against time."""
    local, found = local_time(tree), _taken_apart(tree)
    for series, ds in found:
        if len(found) > 1:
            yield heading(series.name)
        yield from plots(series, ds, "shares of the references that fit each scan best", local)


def plots(series: Series, ds: xr.Dataset, meaning: str, local: LocalTime) -> Iterator[Plot]:
    """Yield the fractions of all signals against the potential and against time; the caption says their meaning."""
    linked = bool(np.isfinite(series.column("potential")).any())
    for place in ("potential", "time") if linked else ("time",):
        yield _plot(series, ds, place, meaning, local)


def _taken_apart(tree: xr.DataTree) -> list[tuple[Series, xr.Dataset]]:
    nodes = [(series, series.processed) for series in spectra_series(tree)]
    return [
        (series, ds) for series, ds in nodes if ds is not None and _FRACTION in ds and "reference" in ds[_FRACTION].dims
    ]


def _along(ds: xr.Dataset) -> str:
    """Return the dim of the parts."""
    return next(dim for dim in _PARTS if dim in ds[_FRACTION].dims)


def _plot(series: Series, ds: xr.Dataset, place: str, meaning: str, local: LocalTime) -> Plot:
    names = [str(name) for name in ds[_along(ds)].values]
    fractions = ds[[f"{_FRACTION}{end}" for end in ("", "_std", *_ENDS) if f"{_FRACTION}{end}" in ds]]
    signals = [str(name) for name in ds["signal"].values] if "signal" in ds[_FRACTION].dims else [""]
    scan = thinned(series.count, max(20, _POINTS // (len(signals) * len(names))))
    y_range = models.Range1d(*_limits(ds[_FRACTION].values))
    figures = []
    for name in signals:
        own = fractions.sel(signal=name) if name else fractions
        figures.append(_figure(series, own, scan, place, local, title=name, y_range=y_range))
    return Plot(
        figures,
        _caption(series, ds, axis_of(series, place, local).name, meaning, scan.size),
        legend_of(names),
        beside=len(figures) > 1,
    )


def _limits(fraction: NDArray[np.float64]) -> tuple[float, float]:
    """Return the range to draw: 0 to 1, or as far as the fractions go."""
    known = fraction[np.isfinite(fraction)]
    low, high = (min(0.0, float(known.min())), max(1.0, float(known.max()))) if known.size else (0.0, 1.0)
    return low - 0.05, high + 0.05


def _figure(
    series: Series,
    own: xr.Dataset,
    scan: NDArray[np.intp],
    place: str,
    local: LocalTime,
    *,
    title: str,
    y_range: Model,
) -> Figure:
    """Draw the fractions of one signal, a color and a sign for each substance."""
    axis, said = axis_of(series, place, local), f"fraction, {title}" if title else "fraction"
    x, linked = axis.values[scan], place == "potential"
    fig = new_figure(axis.label, said, dates=axis.dated, potential=linked, y_range=y_range)
    marks, fill = [], np.where(series.flags()[scan] != 0, 0.0, 0.75)
    along = _along(own)
    for at in range(own.sizes[along]):
        one = own.isel({along: at}).transpose("scan", ...)
        source = scan_source(series, {**scan_columns(series, scan, local), **_columns(one, x, scan), "fill": fill})
        color, (marker, _) = SUBSTANCES[at % len(SUBSTANCES)], _SIGNS[at % len(_SIGNS)]
        if f"{_FRACTION}_lower" in own:
            fig.segment("x", "lower", "x", "upper", source=source, color=color, line_width=2, line_alpha=0.18)
        fig.segment("x", "low", "x", "high", source=source, color=color, line_alpha=0.5)
        style = {"line_color": color, "fill_color": color, "fill_alpha": "fill", "size": 6}
        marks.append(fig.scatter("x", "value", source=source, marker=marker, **style))
    hover(fig, marks, [*SCAN_TIPS, ("fraction", "@value{0.000} ± @error{0.000}")])
    return fig


def _columns(one: xr.Dataset, x: NDArray[np.float64], scan: NDArray[np.intp]) -> dict[str, Any]:
    value = np.asarray(one[_FRACTION].values, float)[scan]
    known = f"{_FRACTION}_std" in one
    error = np.asarray(one[f"{_FRACTION}_std"].values, float)[scan] if known else value * np.nan
    reach = np.nan_to_num(error)
    ends = {
        end[1:]: np.asarray(one[f"{_FRACTION}{end}"].values, float)[scan] for end in _ENDS if f"{_FRACTION}{end}" in one
    }
    return {"x": x, "value": value, "error": error, "low": value - reach, "high": value + reach, **ends}


def _caption(series: Series, ds: xr.Dataset, place: str, meaning: str, drawn: int) -> str:
    said = [f"What {text(series.name)} consists of, against {place}: {meaning}."]
    if f"{_FRACTION}_std" in ds:
        said.append("Error bars are one standard uncertainty.")
    if series.flags().any():
        said.append("Flagged scans are hollow.")
    if drawn < series.count:
        said.append(f"{counted(drawn, 'scan')} of {counted(series.count, 'scan')} are drawn, evenly chosen.")
    return " ".join(said)


def legend_of(names: list[str]) -> str:
    """Return the legend of substances as HTML: color, sign and name."""
    keys = zip(names, SUBSTANCES * len(names), _SIGNS * len(names), strict=False)
    return " ".join(
        f'<span class="key"><span style="color:{color}">{sign}</span> {text(name)}</span>'
        for name, color, (_, sign) in keys
    )
