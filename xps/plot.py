"""Figures of fitted photoemission spectra for print, by matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from operando.errors import OperandoError
from operando.plot import INK, REST, axis_label, trends
from operando.species_colors import species_colors

from .layout import ALONG

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_CURVES = ("fitted", "background", "residual")
_RESIDUAL = "residual"


def fit(ds: xr.Dataset, axes: tuple[Axes, Axes] | None = None, *, region: str | None = None) -> tuple[Axes, Axes]:
    """Draw the fit of one spectrum: points, lines on the background, and below what the fit leaves.

    Parameters
    ----------
    ds
        One spectrum of :func:`~operando.xps.fit` with its ``curves`` over ``binding_energy`` (eV); its ``lines`` are
        drawn if they are there.
    axes
        Axes for the fit and for the residual; new ones, one above the other, by default.
    region
        Which of several regions that were fitted together.

    Returns
    -------
    tuple of matplotlib.axes.Axes
        Both axes. The residual is in standard deviations where electrons were counted.

    Raises
    ------
    OperandoError
        If there is more than one spectrum, no curve, or no such region.
    """
    one = _of_region(_checked(ds), region)
    above, below = _axes() if axes is None else axes
    energy, fitted, background = (one[name].to_numpy() for name in (ALONG, "fitted", "background"))
    left = one[_RESIDUAL].to_numpy()
    above.plot(energy, fitted + left, "o", ms=2.5, mfc="none", mec=INK, mew=0.6, label="measured")
    names = [str(name) for name in one["peak"].values] if "line" in one else []
    for at, (name, color) in enumerate(zip(names, species_colors(names), strict=True)):
        line = background + one["line"].isel(peak=at).to_numpy()
        above.plot(energy, line, lw=0.9, label=name, color=color)
        above.fill_between(energy, background, line, color=color, alpha=0.25, lw=0)
    above.plot(energy, background, "--", color=REST, lw=0.8, label="background")
    above.plot(energy, fitted, color="black", lw=1.0, label="fit")
    counted = one["fitted"].attrs.get("units") == "count"
    below.plot(energy, left / np.sqrt(np.maximum(fitted, 1.0)) if counted else left, color=INK, lw=0.8)
    below.axhline(0.0, color=REST, lw=0.6)
    above.set_ylabel(axis_label(one["fitted"].assign_attrs(long_name="intensity")))
    below.set_ylabel("residual (sigma)" if counted else axis_label(one[_RESIDUAL]))
    below.set_xlabel(axis_label(one[ALONG]))
    above.set_xlim(energy[-1], energy[0])
    above.legend(frameon=False, fontsize="small")
    return above, below


def areas(
    ds: xr.Dataset,
    ax: Axes | None = None,
    *,
    region: str | None = None,
    share: bool = False,
    against: str = "potential",
    zone: str = "UTC",
) -> Axes:
    """Draw the area of every line in every scan, with error bars of one standard uncertainty.

    Parameters
    ----------
    ds
        What :func:`~operando.xps.fit` found in a series: ``area`` (the intensity's unit times eV) or ``fraction`` (1)
        over ``scan`` and ``peak``.
    ax
        Axes to draw on; new ones by default.
    region
        Which of several regions that were fitted together; by default all lines are drawn.
    share
        Draw each line's share of the area of all lines of its region instead.
    against, zone
        As for :func:`operando.plot.trends`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    OperandoError
        If there are no areas, or no such region.
    """
    name = "fraction" if share else "area"
    if name not in ds or "peak" not in ds[name].dims:
        raise OperandoError(
            f"plot.areas: expected {name!r} over scan and peak, got {', '.join(map(str, ds.data_vars))}"
        )
    if region is not None:
        ds = ds.isel(peak=_lines_of(ds, region))
    return trends(ds, name, ax, against=against, zone=zone)


def _checked(ds: xr.Dataset) -> xr.Dataset:
    lacking = [name for name in _CURVES if name not in ds]
    if lacking:
        raise OperandoError(f"plot.fit: expected {', '.join(lacking)} of a fit, got none; fit with curves=True")
    if ds["fitted"].dims != (ALONG,):
        raise OperandoError(
            f"plot.fit: expected one spectrum, got dims {ds['fitted'].dims}; choose one by isel(scan=...)"
        )
    return ds


def _of_region(ds: xr.Dataset, region: str | None) -> xr.Dataset:
    """Return what was fitted in one region."""
    if "peak_region" not in ds.coords:
        return ds
    lines = _lines_of(ds, region)
    inside = {ALONG: np.flatnonzero(ds["region"].values == region)}
    return ds.isel(inside | {"peak": lines})


def _lines_of(ds: xr.Dataset, region: str | None) -> NDArray[np.intp]:
    """Return the places of the lines of one region."""
    of_lines = [str(name) for name in ds["peak_region"].values] if "peak_region" in ds.coords else []
    names = list(dict.fromkeys(of_lines))
    if region not in names:
        raise OperandoError(f"plot: expected a region among {', '.join(names) or 'none'}, got {region!r}")
    return np.flatnonzero(np.array(of_lines) == region)


def _axes() -> tuple[Axes, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 4.8), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    return above, below
