"""Figures for print: their width, the legend above them, and what a scan is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from operando.paper import paper_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_SHOWN = 3


def drawn(function: Callable[..., Axes], ds: xr.Dataset, *, height: float = 66.0, **choices: Any) -> Figure:
    """Return a figure of a column's width, the legend of more than one curve above it."""
    figure = empty_figure("column", height)
    ax = function(ds, figure.subplots(), **choices)
    handles, labels = ax.get_legend_handles_labels()
    if legend := ax.get_legend():
        legend.remove()
        note = legend.get_title()
        outside = figure.legend(
            handles, labels, title=note.get_text() or None, title_fontsize="small",
            loc="outside upper center", ncols=min(len(labels), 3), frameon=False,
        )  # fmt: skip
        outside.get_title().set_color(note.get_color())
    return figure


def empty_figure(width: Any, height: float) -> Figure:
    """Return an empty figure of a column's or a page's width, the height in mm."""
    from matplotlib.figure import Figure

    return Figure(figsize=paper_size(width, height), layout="constrained")


def scan_title(ds: xr.Dataset, scan: int) -> str:
    """Return the number of a scan, from 0, and its potential."""
    value = float(ds["potential"][scan]) if "potential" in ds.coords else np.nan
    return f"scan {scan}" + (f", {value:.2f} V" if np.isfinite(value) else "")


def evenly(scans: NDArray[np.intp]) -> list[int]:
    """Return the first, the middle and the last of some scans, as far as they differ."""
    return list(dict.fromkeys(scans[np.linspace(0, scans.size - 1, _SHOWN).round().astype(int)].tolist()))


def knows(ds: xr.Dataset, name: str) -> bool:
    """Return whether a series knows a number of any of its scans."""
    return name in ds.variables and bool(ds[name].notnull().any())
