"""Panel: how many shapes the spectra of a series have, which pure spectra they are made of, and in what shares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from operando import history
from operando.kind_colors import SUBSTANCES
from operando.plot import INK, axis_label

from .figures import Figure, hover, models, new_figure
from .mixtures import legend_of, plots
from .parts import Html, Part, Plot, counted, heading, text
from .series import Series, all_series, local_time, over_all

if TYPE_CHECKING:
    import xarray as xr

_COMPONENT, _MOST = "component", 6
_NODES = ({"singular_value", "components"}, {"fraction", "spectrum"})
_RULES = {
    "f_test": "by the F test at 5 %",
    "ind": "by the minimum of the indicator",
    "noise": "above what the stated noise gives",
    "larch": "by the minimum of larch's indicator",
}


def wants(tree: xr.DataTree) -> bool:
    """Return whether any series was taken apart into components."""
    return bool(_found(tree))


def draw(tree: xr.DataTree) -> Iterator[Part]:
    """Yield, for every node of components, how many there are, their spectra, and their shares."""
    local = local_time(tree)
    for series, name, ds in _found(tree):
        yield heading(f"{series.name}, {name}")
        if "singular_value" in ds:
            yield _scree(series, ds.load())
            if int(ds["significant"]):
                yield _shapes(series, ds)
            continue
        yield _spectra(series, ds.load())
        if set(ds["fraction"].dims) <= {"scan", "signal", _COMPONENT}:
            yield from plots(series, ds.rename({_COMPONENT: "reference"}), _meaning(ds), local)
        yield Html(f"<p>{_fit(ds)}</p>")


def _found(tree: xr.DataTree) -> list[tuple[Series, str, xr.Dataset]]:
    """Return the nodes of components, how many there are before which spectra."""
    nodes = [(series, name, ds) for series in all_series(tree) for name, ds in over_all(tree, series)]
    return [(series, name, ds) for needed in _NODES for series, name, ds in nodes if needed <= set(ds)]


def _scree(series: Series, ds: xr.Dataset) -> Plot:
    """Draw singular values and indicator of each number of components; those that stand out of the noise are filled."""
    number, significant = ds[_COMPONENT].values, int(ds["significant"])
    columns = {"number": number, "fill": np.where(number <= significant, 0.75, 0.0)}
    columns |= {name: _positive(ds[name].values) for name in ("singular_value", "indicator")}
    columns["share"] = ds["explained_variance"].values * 100
    source, figures = models.ColumnDataSource(columns), []
    for name in ("singular_value", "indicator"):
        fig = new_figure("number of components", axis_label(ds[name]), y_axis_type="log")
        fig.xaxis.ticker = models.SingleIntervalTicker(interval=max(1, number.size // 5))
        style = {"size": 7, "line_color": INK, "fill_color": INK, "fill_alpha": "fill"}
        marks = fig.scatter("number", name, source=source, **style)
        hover(fig, [marks], [("number", "@number"), (name.replace("_", " "), f"@{name}"), ("explained (%)", "@share")])
        figures.append(fig)
    figures[1].yaxis.formatter = models.BasicTickFormatter(precision=1)
    noise = float(ds["noise_singular_value"])
    if noise > 0:
        figures[0].add_layout(models.Span(location=noise, dimension="width", line_dash="dashed", line_color="#999999"))
    return Plot(figures, _counted(series, ds, significant), beside=True)


def _positive(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, np.nan)


def _counted(series: Series, ds: xr.Dataset, significant: int) -> str:
    asked = _parameters(ds, "xas.pca")
    centered = asked.get("centered", True)
    stand = "stands" if significant == 1 else "stand"
    rule = _RULES.get(str(asked.get("rule")), "")
    said = [
        f"{counted(significant, 'component')} of {text(series.name)} {stand} out of the noise {rule} (filled).",
        "The dashed line is the largest singular value that noise gives if it is the same everywhere.",
        "The mean was subtracted: substances whose shares add up to one show as one component less."
        if centered
        else "The mean was not subtracted: each substance shows as one component.",
        "Shifts in energy and changes of the background show as components too.",
    ]
    return " ".join(said)


def _shapes(series: Series, ds: xr.Dataset) -> Plot:
    shown = min(int(ds["significant"]), ds.sizes[_COMPONENT], _MOST)
    fig = new_figure(axis_label(ds["energy"]), axis_label(ds["components"]))
    for at in range(shown):
        fig.line(ds["energy"].values, ds["components"].values[at], color=_color(at), line_width=1.6)
    said = f"Principal components of {text(series.name)}: orthogonal shapes, not spectra of substances."
    return Plot([fig], said, legend_of([f"component {at + 1}" for at in range(shown)]))


def _spectra(series: Series, ds: xr.Dataset) -> Plot:
    """Draw the spectra found, and as pale areas how far they could be others."""
    names = [str(name) for name in ds[_COMPONENT].values]
    signals = [str(name) for name in ds["signal"].values] if "signal" in ds["spectrum"].dims else [""]
    figures = [_signal_spectra(ds.sel(signal=name) if name else ds, name) for name in signals]
    said = f"Spectra found in {text(series.name)} alone, by curve resolution."
    if "spectrum_lower" in ds:
        said += " Pale areas between dotted lines hold the spectra of equally good solutions."
    return Plot(figures, said, legend_of(names), beside=len(figures) > 1)


def _signal_spectra(ds: xr.Dataset, name: str) -> Figure:
    label = axis_label(ds["spectrum"])
    fig = new_figure(axis_label(ds["energy"]), f"{label}, {name}" if name else label)
    energy = ds["energy"].values
    for at in range(ds.sizes[_COMPONENT]):
        own = ds.isel({_COMPONENT: at})
        if "spectrum_lower" in ds:
            low, high = own["spectrum_lower"].values, own["spectrum_upper"].values
            fig.varea(x=energy, y1=low, y2=high, fill_color=_color(at), fill_alpha=0.08)
            for end in (low, high):
                fig.line(energy, end, color=_color(at), line_width=0.8, line_dash="dotted")
        fig.line(energy, own["spectrum"].values, color=_color(at), line_width=1.8)
    return fig


def _color(at: int) -> str:
    return SUBSTANCES[at % len(SUBSTANCES)]


def _meaning(ds: xr.Dataset) -> str:
    said = "shares of the spectra found"
    return f"{said}, as pale bars those of equally good solutions" if "fraction_lower" in ds else said


def _fit(ds: xr.Dataset) -> str:
    """Say how well the components fit, what they rest on, and what was left out."""
    lack, steps = 100 * float(ds["lack_of_fit"]), int(ds["iterations"])
    ended = "ended" if int(ds["converged"]) else "did not end"
    missing = ds["fraction"].isnull().any([dim for dim in ds["fraction"].dims if dim != "scan"])
    said = [f"Lack of fit {lack:.2g} %; the iteration {ended} after {steps} steps."]
    said.append("Error bars hold if the spectra are right; the pale ranges say how far these could be others.")
    if "scan" in missing.dims and bool(missing.any()):
        said.append(f"{counted(int(missing.sum()), 'scan')} left out.")
    return " ".join(said)


def _parameters(ds: xr.Dataset, step: str) -> dict[str, object]:
    steps = [one for one in history.entries(ds) if one.get("step") == step]
    return dict(steps[-1].get("parameters") or {}) if steps else {}
