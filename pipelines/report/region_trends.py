"""A number of every region against potential and time, with error bars: edge energy, or shares of references."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from operando.plot import axis_label
from operando.region_colors import region_colors

from .figures import SCAN_TIPS, Figure, Model, hover, layouts, models, new_figure, scan_columns, scan_source, switch
from .parts import Part, Plot, counted, plain, text
from .series import LocalTime, Series, axis_of, thinned

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

_POINTS = 8000
_SHARED = "a part of them, from the noise of I0, is the same for all regions of a scan"


def draw_trends(series: Series, ds: xr.Dataset, local: LocalTime) -> Iterator[Part]:
    """Yield the numbers of the regions of a series against the potential, if it is known, and against time."""
    quantities = list(_quantities(ds))
    if not quantities or series.count < 2:
        return
    regions = ds.sizes["region"]
    scan = thinned(series.count, max(2, _POINTS // (regions * len(quantities))))
    linked = bool(np.isfinite(series.column("potential")[scan]).any())
    figures = [_figure(series, place, local) for place in (("potential", "time") if linked else ("time",))]
    drawn = [[_draw(fig, series, scan, one, local) for one in quantities] for fig in figures]
    for fig in figures:
        fig.yaxis.axis_label = plain(quantities[0][0])
    first: Model = figures[0]
    if len(quantities) > 1:
        first = layouts.column(_buttons(figures, quantities, drawn), figures[0], sizing_mode="stretch_width")
    yield Plot([first, *figures[1:]], _caption(series, regions, scan.size), beside=True)


def _quantities(ds: xr.Dataset) -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.float64]]]:
    """Yield the label of each number of the regions, its values and its uncertainties, dims (scan, region)."""
    for name in ("edge_energy", "fraction"):
        if name not in ds or "region" not in ds[name].dims:
            continue
        value = ds[name]
        std = ds[f"{name}_std"] if f"{name}_std" in ds else value * np.nan
        for substance in value["reference"].values if "reference" in value.dims else (None,):
            one, error = (array if substance is None else array.sel(reference=substance) for array in (value, std))
            label = axis_label(value) if substance is None else f"share of {substance}"
            numbers = [np.asarray(array.transpose("scan", "region").values, float) for array in (one, error)]
            yield label, numbers[0], numbers[1]


def _figure(series: Series, place: str, local: LocalTime) -> Figure:
    axis, visible = axis_of(series, place, local), models.DataRange1d(only_visible=True)
    fig = new_figure(axis.label, "", dates=axis.dated, potential=place == "potential", y_range=visible)
    fig.name = place
    fig.yaxis.formatter.use_scientific = False
    return fig


def _draw(
    fig: Figure,
    series: Series,
    scan: NDArray[np.intp],
    quantity: tuple[str, NDArray[np.float64], NDArray[np.float64]],
    local: LocalTime,
) -> list[Any]:
    """Draw a line with points and error bars for every region; return what is drawn."""
    label, value, std = quantity[0], quantity[1][scan], np.nan_to_num(quantity[2][scan])
    regions, about = value.shape[1], scan_columns(series, scan, local)
    x = axis_of(series, fig.name, local).values[scan]
    colors = region_colors(regions)
    lines = models.ColumnDataSource({"xs": [x] * regions, "ys": list(value.T.astype(np.float32)), "color": colors})
    repeated = {
        name: np.repeat(column, regions) if isinstance(column, np.ndarray) else [one for one in column for _ in colors]
        for name, column in about.items()
    }
    points = scan_source(
        series,
        {
            **repeated,
            "x": np.repeat(x, regions),
            "value": value.ravel(),
            "error": std.ravel().astype(np.float32),
            "low": (value - std).ravel(),
            "high": (value + std).ravel(),
            "color": colors * scan.size,
            "region": np.tile(np.arange(1, regions + 1, dtype=np.int32), scan.size),
            "fill": np.repeat(np.where(series.flags()[scan] != 0, 0.0, 0.75).astype(np.float32), regions),
        },
    )
    line = fig.multi_line("xs", "ys", source=lines, line_color="color", line_width=1, line_alpha=0.5)
    bar = fig.segment("x", "low", "x", "high", source=points, color="color", line_alpha=0.5)
    style = {"line_color": "color", "fill_color": "color", "fill_alpha": "fill", "size": 5}
    mark = fig.scatter("x", "value", source=points, **style)
    hover(fig, [mark], [("region", "@region"), *SCAN_TIPS, (plain(label), "@value{0.000} ± @error{0.000}")])
    return [line, bar, mark]


def _buttons(figures: list[Figure], quantities: list[Any], drawn: list[list[list[Any]]]) -> Model:
    """Return buttons that show one quantity in all figures and name their axes after it."""
    labels = [plain(name) for name, *_ in quantities]
    shown = [[model for of_figure in drawn for model in of_figure[at]] for at in range(len(labels))]
    for hidden in shown[1:]:
        for model in hidden:
            model.visible = False
    buttons = switch([label.split(" (")[0] for label in labels], shown, wrapped=True)
    axes = [axis for fig in figures for axis in fig.yaxis]
    code = "for (const axis of axes) { axis.axis_label = labels[this.active] }"
    buttons.js_on_change("active", models.CustomJS(args={"axes": axes, "labels": labels}, code=code))
    return buttons


def _caption(series: Series, regions: int, drawn: int) -> str:
    said = [f"{counted(regions, 'region')} of {text(series.name)}, a color each as in the spectra."]
    shared = series.processed is not None and "mu_common_std" in series.processed
    said.append("Error bars are one standard uncertainty" + (f"; {_SHARED}." if shared else "."))
    if series.flags().any():
        said.append("Flagged scans are hollow.")
    if drawn < series.count:
        said.append(f"{counted(drawn, 'scan')} of {counted(series.count, 'scan')} are drawn, evenly chosen.")
    return " ".join(said)
