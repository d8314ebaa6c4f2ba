"""Points of scans in a figure: error bars, hollow where flagged, joined within half-cycles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from .plot import HalfCycle

MARKERS = "os^Dv<>"


def new_axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Return the axes that are given, else new ones in a figure of this size (inches)."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]


def uncertainty_of(ds: xr.Dataset, name: str) -> NDArray[np.float64] | None:
    """Return the uncertainty of a number that holds most, ``<name>_uncertainty`` before ``<name>_std``.

    ``scan`` is its first dim; it is 0 where it is not known. None if there is none.
    """
    error = next((one for one in (f"{name}_uncertainty", f"{name}_std") if one in ds.variables), None)
    if error is None:
        return None
    values = ds[error].transpose("scan", ...).to_numpy().astype(float)
    return np.where(np.isfinite(values), values, 0.0)


def flagged(ds: xr.Dataset) -> NDArray[np.bool_]:
    """Return which scans have a flag."""
    known = "flag" in ds.variables and ds["flag"].dims == ("scan",)
    return ds["flag"].to_numpy() != 0 if known else np.zeros(ds.sizes["scan"], bool)


def draw_points(
    ax: Axes,
    x: NDArray[Any],
    y: NDArray[np.float64],
    *,
    color: str,
    marker: str,
    label: str = "",
    errors: tuple[NDArray[np.float64] | None, NDArray[np.float64] | None] = (None, None),
    hollow: NDArray[np.bool_] | None = None,
) -> None:
    """Draw points with error bars along x and y; those of ``hollow`` are not filled.

    A label that the axes have already is not given again.
    """
    style: dict[str, Any] = {"color": color, "marker": marker, "ms": 3.2, "elinewidth": 0.6, "capsize": 0}
    empty = np.zeros(y.shape, bool) if hollow is None else hollow
    known = np.isfinite(y)
    looks: tuple[dict[str, Any], ...] = ({}, {"mfc": "none", "mew": 0.7})
    for chosen, extra in zip((known & ~empty, known & empty), looks, strict=True):
        if chosen.any():
            along_x, along_y = (None if bars is None else bars[chosen] for bars in errors)
            named = not label or label in ax.get_legend_handles_labels()[1]
            ax.errorbar(
                x[chosen],
                y[chosen],
                along_y,
                along_x,
                ls="none",
                label=None if named else label,
                **style,
                **extra,
            )


def join_points(
    ax: Axes,
    x: NDArray[Any],
    y: NDArray[np.float64],
    *,
    color: str,
    half_cycle: NDArray[np.float64] | None = None,
    known: dict[int, HalfCycle] | None = None,
) -> None:
    """Join neighboring scans by thin lines, half-cycles apart: those of a discharge are dashed."""
    there = np.isfinite(y)
    if half_cycle is None or not known:
        ax.plot(x[there], y[there], "-", color=color, lw=0.6, alpha=0.6)
        return
    for one in known.values():
        inside = there & (half_cycle == one.number)
        ax.plot(x[inside], y[inside], "--" if one.kind == "discharge" else "-", color=color, lw=0.6, alpha=0.6)
