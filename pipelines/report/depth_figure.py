"""Panel: what every technique sees against the depth it sees to, in one figure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from operando.depth_profiles import PROBING_DEPTH, SPOILED, TOLERANCE, State, depth_profile
from operando.plot import INK, unit_label
from operando.species_colors import species_colors

from .figures import layouts, models, new_figure, switch
from .parts import Html, Part, Plot, plain, table, text
from .series import LocalTime, all_series, local_time

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

_MARKERS = {"xas": ("circle", "●"), "xpeem": ("triangle", "▲"), "xps": ("square", "■"), "xtm": ("diamond", "◆")}
_OTHER = ("hex", "⬢")
_SURFACE = 0.3
"""Depth (nm) at which bars that begin at the surface begin on a logarithmic axis."""


def wants(tree: xr.DataTree) -> bool:
    """Return whether any node says how deep it sees."""
    return any(PROBING_DEPTH in node.dataset.data_vars for node in tree.leaves)


def draw(tree: xr.DataTree) -> Iterator[Part]:
    """Yield numbers against depth at up to three times, and a table of the last."""
    found = {name: depth_profile(tree, state) for name, state in _states(tree, local_time(tree)).items()}
    last = next(reversed(found.values()))
    techniques = dict.fromkeys(str(path).split("/")[0] for path in last["node"].values)
    whats = list(dict.fromkeys(map(_what, last["label"].values)))
    colors = dict(zip(whats, species_colors(whats), strict=True))
    fig = new_figure("depth below the surface (nm)", "value", height=420, log=True)
    fig.yaxis.axis_label = _value_label(last)
    marks = [_marks(fig, one, colors, shown=one is last) for one in found.values()]
    tips = [("", "@name"), ("value", "@value{0.000} ± @error{0.000}"), ("mean depth (nm)", "@mean{0.0}")]
    tips += [("95 % from above (nm)", "@deep{0.0} ± @deep_error{0.0}"), ("scan", "@scan"), ("time, UTC", "@clock")]
    points = [mark for group in marks for mark in group if hasattr(mark.glyph, "marker")]
    fig.add_tools(models.HoverTool(renderers=points, tooltips=tips, point_policy="snap_to_data", limit=3))
    drawn = fig
    if len(found) > 1:
        buttons = switch(list(found), marks, wrapped=True)
        buttons.active = len(found) - 1
        drawn = layouts.column(buttons, fig, sizing_mode="stretch_width")
    yield Plot([drawn], _caption(), _legend(techniques, colors))
    yield Html(_table(last))


def _states(tree: xr.DataTree, local: LocalTime) -> dict[str, State | None]:
    """Return times at which most series that say how deep they see have a scan: first, highest potential, last."""
    paths = {node.path.rsplit("/", 1)[0] for node in tree.leaves if PROBING_DEPTH in node.dataset.data_vars}
    nat = np.datetime64("NaT", "ns")
    times = [(one, np.where(one.flags() & SPOILED, nat, one.times())) for one in all_series(tree) if one.path in paths]
    known = [(one, own[~np.isnat(own)], one.column("potential")[~np.isnat(own)]) for one, own in times]
    known = sorted((item for item in known if item[1].size), key=lambda item: item[1].size)
    if not known:
        return {"last scans": None}
    near = np.timedelta64(round(TOLERANCE["time"]), "m")
    when = np.concatenate([own for _, own, _ in known])
    potential = np.concatenate([values for _, _, values in known])
    seen = np.sum([_distance(when, own) <= near for _, own, _ in known], axis=0)
    best = np.flatnonzero(seen == seen.max())
    chosen = [best[when[best].argmin()], best[when[best].argmax()]]
    if np.isfinite(potential[best]).any():
        chosen.insert(1, best[int(np.nanargmax(potential[best]))])
    states: dict[str, State | None] = {}
    for at in chosen:
        volts = f", {potential[at]:.2f} V" if np.isfinite(potential[at]) else ""
        states[f"{local.text(when[at])[:16]}{volts}"] = {"time": when[at]}
    return states


def _distance(when: NDArray[np.datetime64], times: NDArray[np.datetime64]) -> NDArray[np.timedelta64]:
    """Return how far each instant is from the nearest of some times."""
    ordered = np.sort(times)
    after = np.clip(np.searchsorted(ordered, when), 0, ordered.size - 1)
    before = np.maximum(after - 1, 0)
    return np.minimum(abs(ordered[after] - when), abs(when - ordered[before]))


def _what(label: str) -> str:
    """Return what a row is about, without the signal that shows it."""
    return str(label).rsplit(", ", 1)[-1] or "all"


def _value_label(ds: xr.Dataset) -> str:
    quantities = ", ".join(dict.fromkeys(str(name).replace("_", " ") for name in ds["quantity"].values))
    units = {unit_label(str(unit)) for unit in ds["unit"].values} - {"", "1"}
    return quantities + (f" ({', '.join(sorted(units))})" if units else "")


def _marks(fig: Any, ds: xr.Dataset, colors: dict[str, str], *, shown: bool) -> list[Any]:
    """Draw points with bars from where to where they see, those of one substance joined; return all marks."""
    drawn = []
    for what, color in colors.items():
        own = np.flatnonzero([_what(label) == what for label in ds["label"].values])
        own = own[np.isfinite(ds["value"].values[own])]
        own = own[np.argsort(ds["mean_depth"].values[own])]
        columns = _columns(ds.isel(row=own))
        source = models.ColumnDataSource(columns)
        drawn.append(fig.line("mean", "value", source=source, color=color, line_dash="dotted", line_width=1))
        drawn.append(
            fig.segment("top", "value", "deep", "value", source=source, color=color, line_width=3, line_alpha=0.35)
        )
        drawn.append(fig.segment("mean", "low", "mean", "high", source=source, color=color))
        for technique in dict.fromkeys(columns["technique"]):
            view = models.CDSView(filter=models.GroupFilter(column_name="technique", group=technique))
            marker = _MARKERS.get(technique, _OTHER)[0]
            drawn.append(
                fig.scatter(
                    "mean", "value", source=source, view=view, marker=marker, size=9, color=color, fill_alpha=0.75
                )
            )
    for mark in drawn:
        mark.visible = shown
    return drawn


def _columns(ds: xr.Dataset) -> dict[str, Any]:
    numbers = {name: ds[name].values.astype(float) for name in ("value", "value_std", "mean_depth", "probing_depth")}
    error = np.nan_to_num(numbers["value_std"])
    return {
        "name": [f"{node.removesuffix('/processed')}: {label or what}" for node, label, what in _names(ds)],
        "technique": [node.split("/")[0] for node, _, _ in _names(ds)],
        "value": numbers["value"],
        "error": error,
        "low": numbers["value"] - error,
        "high": numbers["value"] + error,
        "mean": numbers["mean_depth"],
        "top": np.maximum(ds["depth_from"].values, _SURFACE),
        "deep": numbers["probing_depth"],
        "deep_error": ds["probing_depth_std"].values,
        "scan": ds["scan"].values,
        "clock": [str(time)[:19].replace("T", " ") for time in ds["time"].values],
    }


def _names(ds: xr.Dataset) -> list[tuple[str, str, str]]:
    names = zip(ds["node"].values, ds["label"].values, ds["quantity"].values, strict=True)
    return [(plain(node), plain(label), plain(quantity)) for node, label, quantity in names]


def _legend(techniques: dict[str, None], colors: dict[str, str]) -> str:
    signs = [(INK, _MARKERS.get(name, _OTHER)[1], name.upper()) for name in techniques]
    signs += [(color, "━", what) for what, color in colors.items()]
    return " ".join(
        f'<span class="key"><span style="color:{text(color)}">{sign}</span> {text(name)}</span>'
        for color, sign, name in signs
    )


def _caption() -> str:
    return (
        "Numbers of all techniques against the depth they come from, below the surface that faces the probe, along its "
        "normal. Marks stand at the mean depth of the signal; broad bars reach from where it begins to where 95 % of "
        "it comes from above, one definition for all; upright bars are one standard uncertainty. Dotted lines join "
        "what is seen of one substance at different depths: they are no profile in between. Each series shows its "
        "scan nearest in time, none if it has none within an hour."
    )


def _table(ds: xr.Dataset) -> str:
    rows = []
    for at, (node, label, quantity) in enumerate(_names(ds)):
        one = ds.isel(row=at)
        unit = unit_label(str(one["unit"].item()))
        rows.append(
            (
                node.removesuffix("/processed"),
                f"{quantity.replace('_', ' ')}, {label}" if label else quantity.replace("_", " "),
                _value(one, unit),
                _with_error(one, "mean_depth"),
                f"{_length(float(one['depth_from']))} to {_with_error(one, 'probing_depth')}",
            )
        )
    return table(
        ("series", "number at the last of these times", "value", "mean depth", "from, to (95 % from above)"), rows
    )


def _value(one: xr.Dataset, unit: str) -> str:
    value, std = float(one["value"]), float(one["value_std"])
    if not np.isfinite(value):
        return "no scan near"
    said = f"{round(value, 3) + 0.0:.3f}"
    return f"{said} ± {std:.3f} {unit}".strip() if np.isfinite(std) else f"{said} {unit}".strip()


def _with_error(one: xr.Dataset, name: str) -> str:
    value, std = float(one[name]), float(one[f"{name}_std"])
    return f"{_length(value)} ± {_length(std)}" if std > 0 else _length(value)


def _length(nanometers: float) -> str:
    return f"{nanometers / 1e3:.3g} µm" if nanometers >= 1e3 else f"{nanometers:.3g} nm"
