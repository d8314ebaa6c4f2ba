"""Panel: by how much time the edge trails charge and potential."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from operando.errors import OperandoError
from operando.lags import lag
from operando.plot import INK
from operando.quantities import quantity

from .figures import legend_below, models, new_figure
from .parts import Html, Part, Plot, heading, table, text, unbroken
from .quantity_pieces import Piece, pieces

if TYPE_CHECKING:
    import xarray as xr

_LEADING = {"charge": "#D55E00", "potential": "#0072B2", "voltage": "#0072B2"}
_DRAWS = 300
_HEAD = (
    "behind",
    "lag (min)",
    "95 % (min)",
    "from scatter, errors, sampling, clock (min)",
    "r",
    "r without lag",
    "n (independent)",
)


def wants(tree: xr.DataTree) -> bool:
    """Return whether there is a log and an edge that was followed."""
    return "echem" in tree.children and next(pieces(tree), None) is not None


def draw(tree: xr.DataTree) -> Iterator[Part]:
    """Yield, for every series, the correlation against the lag and what follows from it."""
    log, found = tree["echem"].to_dataset(), list(pieces(tree))
    for piece in found:
        if len(found) > 1:
            yield heading(piece.name)
        lags, failed = _lags(piece, log)
        if lags:
            yield Plot([_curves(lags)], _caption(piece, lags))
            yield Html(table(_HEAD, [_row(name, one) for name, one in lags.items()]))
        for reason in failed:
            yield Html(f"<p>{text(reason)}</p>")


def _lags(piece: Piece, log: xr.Dataset) -> tuple[dict[str, xr.Dataset], list[str]]:
    """Return the lags behind charge and potential, and why some are not known."""
    names = ["charge", "potential" if "potential" in log else "voltage"]
    out: dict[str, xr.Dataset] = {}
    failed = []
    for name in names:
        try:
            out[name] = lag(piece.quantity, quantity(log, name), draws=_DRAWS)
        except OperandoError as error:
            failed.append(f"The {piece.noun} of {piece.name} behind the {name}: {error}")
    return out, failed


def _curves(lags: dict[str, xr.Dataset]) -> object:
    fig = new_figure("lag (min)", "correlation", height=280)
    for name, one in lags.items():
        color = _LEADING[name]
        fig.line(
            one["lag_tried"].values, one["curve"].values, color=color, line_width=1.5, legend_label=f"behind {name}"
        )
        low, best, high = (float(one[key]) for key in ("lag_lower", "lag", "lag_upper"))
        fig.add_layout(models.BoxAnnotation(left=low, right=high, fill_color=color, fill_alpha=0.1))
        fig.add_layout(models.Span(location=best, dimension="height", line_color=color, line_dash="dashed"))
    fig.add_layout(models.Span(location=0, dimension="height", line_color=INK, line_alpha=0.4))
    legend_below(fig)
    return fig


def _row(name: str, one: xr.Dataset) -> tuple[str | Html, ...]:
    parts = ", ".join(f"{float(one[f'lag_std_{key}']):.2g}" for key in ("scatter", "fit", "sampling", "clock"))
    zero = float(one["correlation_at_zero"])
    return (
        name,
        unbroken(f"{float(one['lag']):.1f} ± {float(one['lag_std']):.1f}"),
        unbroken(f"{float(one['lag_lower']):.0f} to {float(one['lag_upper']):.0f}"),
        parts,
        f"{float(one['correlation']):.3f}",
        f"{zero:.3f}" if np.isfinite(zero) else "–",
        f"{int(one['n'])} ({float(one['n_effective']):.0f})",
    )


def _caption(piece: Piece, lags: dict[str, xr.Dataset]) -> str:
    said = (
        f"Correlation of the {text(piece.noun)} of {text(piece.name)} with what was passed or measured a time before, "
        "as mean over an interval as long as the scan; gaps are not bridged. Dashed: the lag; bands: 95 %, by blocks "
        "of scans drawn again. A lag is a result: no clock is set by it."
    )
    for name, one in lags.items():
        best, std = float(one["lag"]), float(one["lag_std"])
        word = "trails" if best >= 0 else "leads"
        sure = "" if abs(best) > 2 * std else ", which is no sure lag"
        said += f" It {word} the {name} by {abs(best):.0f} ± {std:.0f} min{sure}."
    return said
