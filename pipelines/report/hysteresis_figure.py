"""Panel: how the edge differs between charge and discharge at equal state of charge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from operando.errors import OperandoError
from operando.hysteresis_loops import hysteresis
from operando.plot import INK, HalfCycle, axis_label, unit_label

from .figures import MARKERS, UNLINKED, Figure, hover, legend, legend_below, models, new_figure
from .parts import Html, Part, Plot, heading, plain, table, text
from .quantity_pieces import Piece, pieces
from .series import known_half_cycles, thinned

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

_AGAINST = ("soc", "potential")
_POINTS = 1000
"""Points a half-cycle."""
_DASHES = ("solid", "dashed", "dotted", "dotdash", "dashdot")


def wants(tree: xr.DataTree) -> bool:
    """Return whether an edge was followed through a charge and the discharge after it."""
    return any(_loops(piece) is not None for piece in pieces(tree))


def draw(tree: xr.DataTree) -> Iterator[Part]:
    """Yield, for every series, the edge against the state by half-cycle and the difference of the branches."""
    found = [(piece, one) for piece in pieces(tree) if (one := _loops(piece)) is not None]
    for piece, (against, loops) in found:
        if len(found) > 1:
            yield heading(piece.name)
        known = known_half_cycles(tree, piece.series)
        figures = [_branches(piece, against, known), _differences(loops, against)]
        groups = [known[number] for number in sorted(known) if number > 0]
        yield Plot(figures, _caption(piece, loops, against), legend(groups), beside=True)
        yield Html(_table(loops, against))


def _loops(piece: Piece) -> tuple[str, xr.Dataset] | None:
    """Return the loops over the state of charge, else over the potential; None where there are none."""
    for against in _AGAINST:
        if against in piece.quantity.coords and np.isfinite(piece.quantity[against].values).any():
            try:
                return against, hysteresis(piece.quantity, against)  # type: ignore[arg-type]
            except OperandoError:
                continue
    return None


def _branches(piece: Piece, against: str, known: dict[int, HalfCycle]) -> Figure:
    one = piece.quantity
    label = axis_label(one["value"])
    fig = new_figure(axis_label(one[against]), label)
    fig.yaxis.formatter.use_scientific = False
    half, value, error = one["half_cycle"].values, one["value"].values, np.nan_to_num(one["value_std"].values)
    marks = []
    for number in np.unique(half[np.isfinite(half) & (half > 0)]):
        group = known.get(int(number), UNLINKED)
        own = np.flatnonzero(half == number)
        own = own[thinned(own.size, _POINTS)]
        columns: dict[str, Any] = {
            "x": one[against].values[own],
            "value": value[own],
            "error": error[own],
            "low": (value - error)[own],
            "high": (value + error)[own],
            "group": [plain(group.name)] * own.size,
            "clock": [str(time)[:19].replace("T", " ") for time in one["time"].values[own]],
        }
        source = models.ColumnDataSource(columns)
        for part in np.split(np.arange(own.size), np.flatnonzero(np.diff(one["segment"].values[own])) + 1):
            x, y = columns["x"][part], columns["value"][part]
            fig.line(x, y, color=group.color, line_width=1, line_alpha=0.5)
        fig.segment("x", "low", "x", "high", source=source, color=group.color, line_alpha=0.5)
        style = {"line_color": group.color, "fill_color": group.color, "fill_alpha": 0.75, "size": 5}
        marks.append(fig.scatter("x", "value", source=source, marker=MARKERS[group.marker], **style))
    hover(fig, marks, [("", "@group"), ("time, UTC", "@clock"), (plain(label), "@value{0.000} ± @error{0.000}")])
    return fig


def _differences(loops: xr.Dataset, against: str) -> Figure:
    fig = new_figure(axis_label(loops[against]), axis_label(loops["difference"]))
    x = loops[against].values
    for at, dash in zip(range(loops.sizes["loop"]), _DASHES * 20, strict=False):
        one = loops.isel(loop=at)
        value, error = one["difference"].values, one["difference_std"].values
        source = models.ColumnDataSource({"x": x, "value": value})
        for part in _runs(np.isfinite(value)):
            band = {"y1": (value - error)[part], "y2": (value + error)[part]}
            fig.varea(x[part], **band, fill_color=INK, fill_alpha=0.12)
        name = f"half-cycles {int(one['charge_half_cycle'])}, {int(one['discharge_half_cycle'])}"
        fig.line("x", "value", source=source, color=INK, line_dash=dash, line_width=1.5, legend_label=name)
    fig.add_layout(models.Span(location=0, dimension="width", line_color="#999999", line_width=1))
    legend_below(fig)
    return fig


def _caption(piece: Piece, loops: xr.Dataset, against: str) -> str:
    state = "state of charge" if against == "soc" else "potential"
    said = (
        f"The {text(piece.noun)} of {text(piece.name)} against the {state}, and charge minus discharge at equal "
        f"{state}. Straight lines join the scans of a half-cycle, none across a pause; bands and error bars are one "
        "standard uncertainty, of which the scatter of neighbors is part. "
    )
    mean, std = float(loops["mean_difference"][0]), float(loops["mean_difference_std"][0])
    unit = unit_label(str(loops["mean_difference"].attrs["units"]))
    side = "above" if mean >= 0 else "below"
    return said + f"In the first loop the charge lies {abs(mean):.3f} ± {std:.3f} {text(unit)} {side} the discharge."


def _table(loops: xr.Dataset, against: str) -> str:
    unit, area_unit = (unit_label(str(loops[name].attrs["units"])) for name in ("mean_difference", "area"))
    rows = [
        (
            f"{int(one['charge_half_cycle'])}, {int(one['discharge_half_cycle'])}",
            f"{int(one['n'])}",
            f"{float(one['mean_difference']):+.4f} ± {float(one['mean_difference_std']):.4f}",
            f"{float(one['area']):+.4f} ± {float(one['area_std']):.4f}",
        )
        for one in (loops.isel(loop=at) for at in range(loops.sizes["loop"]))
    ]
    over = "state of charge" if against == "soc" else "potential"
    return table(("half-cycles", "scans", f"mean difference ({unit})", f"area over {over} ({area_unit or '1'})"), rows)


def _runs(known: NDArray[np.bool_]) -> list[slice]:
    """Return the stretches of places that are known."""
    edges = np.flatnonzero(np.diff(np.r_[False, known, False]))
    return [slice(int(low), int(high)) for low, high in edges.reshape(-1, 2)]
