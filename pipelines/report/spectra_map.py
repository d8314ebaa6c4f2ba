"""The map of a series: photon or binding energy against time, above the potential on the same time axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.palettes import RdBu11, Viridis256, interp_palette

from operando.plot import axis_label

from .figures import add_color_bar, draw_voltage, layouts, models, new_figure, stack, switch, voltage_label
from .parts import Plot, counted, text
from .series import ScanAxis, axis_of

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from .series import LocalTime, Series
    from .spectra_shown import Shown

_COLUMNS, _ROWS = 320, 220
_BAR_PLACE = 84


def draw_map(tree: xr.DataTree, series: Series, spectra: Shown, local: LocalTime) -> Plot:
    """Return the spectra as an image over time, or what stands for it, and their difference from the first."""
    axis, place = _places(series, spectra, local)
    dated = axis.dated
    grid = np.linspace(*_extent(place), min(_COLUMNS, max(60, 2 * spectra.scan.size)) + 1)
    energies = np.linspace(*spectra.near, _ROWS)
    usable = np.isfinite(spectra.values.values).all(axis=1)
    if not usable.any():
        return Plot((), f"No map: every spectrum of {text(series.name)} has values that are not finite.")
    image = _resampled(spectra, energies)
    first = _first(series, spectra, usable)
    column = nearest(place, grid)
    span = {"x": grid[0], "dw": grid[-1] - grid[0], "y": energies[0], "dh": energies[-1] - energies[0]}
    fig = new_figure("" if dated else axis.label, axis_label(spectra.energy), height=330, dates=dated)
    fig.x_range, fig.y_range = models.Range1d(grid[0], grid[-1]), models.Range1d(energies[0], energies[-1])
    fig.tags = [*fig.tags, {"series": series.path}] if dated else []
    layers = [
        _layer(fig, _image(image, column), span, axis_label(spectra.values), symmetric=False),
        _layer(
            fig,
            _image(image - image[first], column),
            span,
            f"difference from scan {spectra.scan[first]}",
            symmetric=True,
        ),
    ]
    for model in layers[1]:
        model.visible = False
    buttons = switch(["spectra", f"difference from scan {spectra.scan[first]}"], layers)
    below = _potential(tree, fig, local) if dated else []
    if dated:
        stack([fig, *below], f"time ({local.name})", right=_BAR_PLACE)
    return Plot(
        [layouts.column(buttons, fig, *below, sizing_mode="stretch_width")], _caption(series, spectra, place, axis)
    )


def _places(series: Series, spectra: Shown, local: LocalTime) -> tuple[ScanAxis, NDArray[np.float64]]:
    """Return what the spectra are drawn against, and where each stands on it (NaN if nowhere)."""
    axis = axis_of(series, "time", local)
    place = axis.values[spectra.scan]
    if np.isfinite(place).sum() > 1 and np.nanmax(place) > np.nanmin(place):
        return axis, place
    return ScanAxis("scan number", "scan number", place), spectra.scan.astype(float)


def _extent(place: NDArray[np.float64]) -> tuple[float, float]:
    margin = _reach(place) / 3
    return float(np.nanmin(place) - margin), float(np.nanmax(place) + margin)


def _reach(place: NDArray[np.float64]) -> float:
    """Return how far a spectrum's color extends at most: across distances up to three times the usual one."""
    steps = np.diff(np.sort(place[np.isfinite(place)]))
    return 1.5 * float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.5


def nearest(place: NDArray[np.float64], grid: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the spectrum that stands at each column of the image, -1 where none is near."""
    order = np.argsort(place)[: np.isfinite(place).sum()]
    center = (grid[:-1] + grid[1:]) / 2
    after = np.clip(np.searchsorted(place[order], center), 1, max(order.size - 1, 1))
    pair = np.stack([order[after - 1], order[np.minimum(after, order.size - 1)]])
    distance = np.abs(place[pair] - center)
    chosen = np.take_along_axis(pair, distance.argmin(axis=0)[None], axis=0)[0]
    return np.where(distance.min(axis=0) <= max(_reach(place), (grid[1] - grid[0]) / 2), chosen, -1)


def _resampled(spectra: Shown, energies: NDArray[np.float64]) -> NDArray[np.float64]:
    own = spectra.energy.values
    return np.stack([np.interp(energies, own, row) for row in spectra.values.values])


def _first(series: Series, spectra: Shown, usable: NDArray[np.bool_]) -> int:
    """Return the row of the first spectrum that is whole and not flagged."""
    good = usable & (series.flags()[spectra.scan] == 0)
    return int(np.argmax(good if good.any() else usable))


def _image(rows: NDArray[np.float64], column: NDArray[np.intp]) -> NDArray[np.float32]:
    image = np.where(column[:, None] >= 0, rows[column], np.nan)
    return np.ascontiguousarray(image.T, dtype=np.float32)


def _layer(fig: Any, image: NDArray[np.float32], span: dict[str, Any], label: str, *, symmetric: bool) -> list[Any]:
    known = image[np.isfinite(image)]
    low, high = (float(value) for value in np.percentile(known, [0.5, 99.5])) if known.size else (0.0, 1.0)
    if symmetric:
        high = max(abs(low), abs(high))
        low = -high
    palette = interp_palette(RdBu11, 256) if symmetric else Viridis256
    mapper = models.LinearColorMapper(
        palette=palette, low=low, high=high if high > low else low + 1, nan_color="#ffffff00"
    )
    return [fig.image([image], color_mapper=mapper, **span), *add_color_bar(fig, mapper, label)]


def _potential(tree: xr.DataTree, fig: Any, local: LocalTime) -> list[Any]:
    """Return V(t) on the map's time axis, its plot as wide as the map's."""
    if "echem" not in tree.children:
        return []
    echem = tree["echem"].to_dataset()
    below = new_figure("", voltage_label(echem), height=230, dates=True, x_range=fig.x_range)
    draw_voltage(below, echem, local)
    below.toolbar_location = None
    return [below]


def _caption(series: Series, spectra: Shown, place: NDArray[np.float64], axis: ScanAxis) -> str:
    energy = spectra.energy.attrs.get("long_name", "energy")
    said = [f"Map of {text(series.name)}: {energy} against {axis.name},"]
    said.append("interpolated onto even energies; each scan reaches halfway to the next, white where none is near.")
    said.append("Colors leave out the extreme 0.5 %.")
    if spectra.scan.size < series.count:
        said.append(
            f"{counted(spectra.scan.size, 'scan')} of {counted(series.count, 'scan')} are drawn, evenly chosen."
        )
    lost = int(np.isnan(place).sum())
    if lost:
        said.append(f"{counted(lost, 'scan')} without a time cannot be shown.")
    return " ".join(said)
