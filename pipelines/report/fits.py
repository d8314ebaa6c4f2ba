"""Panel: the fit of every scan, its lines and what it leaves of the data, and what the lines tell against potential."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from operando.kind_colors import SUBSTANCES
from operando.plot import INK, axis_label, unit_label

from .figures import Model, layouts, models, new_figure
from .mixtures import plots
from .parts import Html, Part, Plot, counted, heading, table, text
from .series import LocalTime, Series, local_time, over_all, spectra_series, thinned
from .series_slider import head, scan_slider
from .spectra_shown import windows
from .trends import Trend, Trends

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

SHIFT = Trend("shift", "shift of a phase", nodes=True)
REFERENCE = Trends(
    (
        Trend("charge_shift", "shift taken off by the reference line"),
        Trend("referred_position", "binding energy on the scale of the reference"),
    )
)
_SHARES = "shares of the lines in the area that the fit gives to all of them"
_CURVE_NAMES = {"fitted", "background", "residual", "line"}
_MEASURED = ("counts", "rate", "intensity")
_CURVES = 1_500_000
"""Numbers that the fits of one page may hold."""
_MOST, _POINTS = 120, 600
_GRAY = "#777777"
_PICK = """
const i = this.value
sources.forEach((source, k) => {
    const n = source.data.x.length
    const data = {...source.data}
    for (const name of names[k]) data[name] = all[k].data[name].slice(i * n, (i + 1) * n)
    source.data = data
})
title.text = titles[i]
"""


@dataclass(frozen=True)
class _Fits:
    """The fits of one region that the page holds: rows are scans, columns energies; ``labels`` are the axes'."""

    energy: NDArray[np.float32]
    labels: tuple[str, str, str]
    curves: dict[str, NDArray[np.float32]]
    lines: list[str]
    scan: NDArray[np.intp]


def wants(tree: xr.DataTree) -> bool:
    """Return whether any series was fitted with lines."""
    return bool(_fitted(tree))


def draw(tree: xr.DataTree) -> Iterator[Part]:
    """Yield, for every series, each scan's fit and residual by region, then the shares of its lines and its shifts.

    Fits of all scans at once follow those of the single scans, with what they share.
    """
    local, found = local_time(tree), _fitted(tree)
    pieces = [
        (series, name, ds, raw, region, window)
        for series, name, ds, raw in found
        for region, window in windows(series, ds["fitted"])
    ]
    told: set[tuple[str, str]] = set()
    for series, name, ds, raw, region, window in pieces:
        if len(pieces) > 1:
            parts = [series.name, name, region if region != series.name else ""]
            yield heading(", ".join(part for part in parts if part))
        if "shared" in ds.attrs and (series.path, name) not in told:
            yield _shared(series, ds)
        told.add((series.path, name))
        fits = _chosen(series, ds, raw, window, _CURVES // len(pieces))
        yield _draw_fits(series, ds, fits, local)
        shares = _lines_of(ds, region)
        if shares.sizes["peak"] > 1:
            yield from plots(series, shares, f"{_SHARES}{_limits_of(shares)}", local)
    yield from SHIFT.draw(tree, named=True)
    yield from REFERENCE.draw(tree)


def _fitted(tree: xr.DataTree) -> list[tuple[Series, str, xr.Dataset, xr.DataArray]]:
    """Return each series that was fitted, the node of a fit over all scans, what it found and what was measured."""
    found = []
    for series in spectra_series(tree):
        raw = series.raw
        measured = None if raw is None else next((raw[name] for name in _MEASURED if name in raw), None)
        if series.processed is None or measured is None:
            continue
        nodes = [("", series.processed), *over_all(tree, series)]
        found += [(series, name, ds, measured) for name, ds in nodes if set(ds.variables) >= _CURVE_NAMES]
    return found


def _limits_of(ds: xr.Dataset) -> str:
    return "; wide bars are limits of 68.3 % by spectra drawn anew" if "fraction_lower" in ds else ""


def _shared(series: Series, ds: xr.Dataset) -> Html:
    """Return what a fit of all scans holds in common, as a table."""
    good = np.flatnonzero(np.isfinite(ds["value"].isel(parameter=0).values))
    one = ds[["value", "value_std", "parameter_unit"]].isel(scan=int(good[0]) if good.size else 0).load()
    rows = []
    for name in map(str, ds.attrs["shared"]):
        value, std, unit = (one[key].sel(parameter=name).item() for key in ("value", "value_std", "parameter_unit"))
        said = f"{std:.2g}" if np.isfinite(std) else "on a bound, or not determined"
        rows.append((name, f"{value:.5g}", said, unit_label(str(unit))))
    total = f"{float(ds['reduced_chi_square_total']):.3f}"
    head = ("one number for all scans", "value", "standard uncertainty", "unit")
    said = f"All {counted(series.count, 'scan')} of {text(series.name)} were fitted at once; chi-square per degree of"
    return Html(f"<p>{said} freedom: {total}.</p>{table(head, rows)}")


def _lines_of(ds: xr.Dataset, region: str) -> xr.Dataset:
    """Return the lines of a region; those of the only one have no coordinate that says so."""
    if "peak_region" not in ds.coords:
        return ds
    return ds.isel(peak=np.flatnonzero(ds["peak_region"].values == region))


def _chosen(series: Series, ds: xr.Dataset, raw: xr.DataArray, window: xr.DataArray, most: int) -> _Fits:
    """Return the fits of evenly chosen scans, all of them if the page has room."""
    axis = series.axis
    energy = window[axis].values
    points = np.flatnonzero(np.isin(ds[axis].values, energy))
    points = points[thinned(points.size, _POINTS)]
    region = str(window["region"].values[0]) if "region" in window.coords and window["region"].ndim else ""
    lines = _lines_of(ds, region)
    rows = max(10, min(_MOST, most // (points.size * (lines.sizes["peak"] + 4))))
    scan = thinned(series.count, rows)
    place = {"scan": scan, axis: points}
    curves = {name: _rows(ds[name].isel(place), axis) for name in ("fitted", "background", "residual")}
    counted_one_by_one = raw.attrs.get("units") == "count"
    if counted_one_by_one:
        curves["residual"] /= np.sqrt(np.maximum(curves["fitted"], np.float32(1)))
    curves["measured"] = _rows(raw.isel({"scan": scan}).sel({axis: ds[axis].values[points]}), axis)
    names = [str(name) for name in lines["peak"].values]
    for at in range(len(names)):
        curves[f"line{at}"] = _rows(lines["line"].isel({**place, "peak": at}), axis) + curves["background"]
    left = "residual (sigma)" if counted_one_by_one else "residual"
    labels = (axis_label(window[axis]), axis_label(raw), left)
    return _Fits(ds[axis].values[points].astype(np.float32), labels, curves, names, scan)


def _rows(values: xr.DataArray, axis: str) -> NDArray[np.float32]:
    return np.ascontiguousarray(values.transpose("scan", axis).values, dtype=np.float32)


def _draw_fits(series: Series, ds: xr.Dataset, fits: _Fits, local: LocalTime) -> Plot:
    """Return a figure of one scan at a time with a slider over the scans, above the residual in deviations."""
    energy, measured, left = fits.labels
    above, below = new_figure("", measured, height=380), new_figure(energy, left, height=180)
    first, last = float(fits.energy[0]), float(fits.energy[-1])
    above.x_range = below.x_range = models.Range1d(last, first)
    above.xaxis.visible, below.toolbar_location = False, None
    for fig in (above, below):
        fig.min_border_left = 80
    now = models.ColumnDataSource({"x": fits.energy, **{name: rows[0] for name, rows in fits.curves.items()}})
    every = models.ColumnDataSource({name: rows.ravel() for name, rows in fits.curves.items()})
    for at, name in enumerate(fits.lines):
        color = SUBSTANCES[at % len(SUBSTANCES)]
        above.varea("x", "background", f"line{at}", source=now, fill_color=color, fill_alpha=0.35)
        above.line("x", f"line{at}", source=now, color=color, line_width=1.4, name=name)
    above.line("x", "background", source=now, color=_GRAY, line_dash="dashed", line_width=1.2)
    above.scatter("x", "measured", source=now, size=4, line_color=INK, fill_color=None)
    above.line("x", "fitted", source=now, color="#000000", line_width=1.6)
    below.line("x", "residual", source=now, color=INK)
    below.add_layout(models.Span(location=0, dimension="width", line_color=_GRAY, line_width=1))
    titles = _titles(series, ds, fits.scan, local)
    slider = _slider(series, fits, (now, every), head(above, titles[0]), titles)
    shown = layouts.column(above, below, *slider, sizing_mode="stretch_width")
    return Plot([shown], _caption(series, fits), _legend(fits.lines))


def _slider(series: Series, fits: _Fits, sources: tuple[Model, Model], title: Model, titles: list[str]) -> list[Model]:
    if len(titles) < 2:
        return []
    slider, names = scan_slider(series, fits.scan), list(fits.curves)
    args: dict[str, Any] = {
        "sources": [sources[0]],
        "all": [sources[1]],
        "names": [names],
        "titles": titles,
        "title": title,
    }
    slider.js_on_change("value", models.CustomJS(args=args, code=_PICK))
    return [slider]


def _titles(series: Series, ds: xr.Dataset, scan: NDArray[np.intp], local: LocalTime) -> list[str]:
    potential, time = series.column("potential"), series.times()
    chi_square = np.asarray(ds["reduced_chi_square"].values, float) if "reduced_chi_square" in ds else None
    titles = []
    for at in scan:
        said = [f"scan {at}"]
        if np.isfinite(potential[at]):
            said.append(f"{potential[at]:.3f} V")
        elif not np.isnat(time[at]):
            said.append(local.text(time[at]))
        said += [f"\u03c7\u00b2 {chi_square[at]:.2f}"] if chi_square is not None else []
        said += ["flagged"] if series.flags()[at] else []
        titles.append(", ".join(said))
    return titles


def _caption(series: Series, fits: _Fits) -> str:
    said = [f"Fits of {text(series.name)}: measured points, the fit in black, its lines on the dashed background;"]
    said.append("below, what it leaves" + (", in standard deviations of counts." if "sigma" in fits.labels[2] else "."))
    said.append("Above, the scan's potential (or time) and its chi-square per degree of freedom.")
    if fits.scan.size < series.count:
        said.append(f"The slider goes through {counted(fits.scan.size, 'scan')} of {series.count}, evenly chosen.")
    elif series.count > 1:
        said.append(f"The slider goes through all {counted(series.count, 'scan')}.")
    return " ".join(said)


def _legend(names: list[str]) -> str:
    keys = zip(names, SUBSTANCES * len(names), strict=False)
    return " ".join(
        f'<span class="key"><span style="color:{color}">■</span> {text(name)}</span>' for name, color in keys
    )
