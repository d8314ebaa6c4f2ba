"""Figures of fitted photoemission spectra for print, by matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from operando.errors import OperandoError
from operando.plot import INK, REST, axis_label

from .layout import ALONG

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

_CURVES = ("fitted", "background", "residual")
_RESIDUAL = "residual"


def fit(ds: xr.Dataset, axes: tuple[Axes, Axes] | None = None, *, region: str | None = None) -> tuple[Axes, Axes]:
    """Draw the fit of one spectrum: points, lines on the background, and below what the fit leaves.

    Parameters
    ----------
    ds
        One spectrum (dim ``binding_energy``, eV) of :func:`~operando.xps.fit` with its ``curves``; its ``lines`` are
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
    for name in one["peak"].values if "line" in one else ():
        line = background + one["line"].sel(peak=name).to_numpy()
        (drawn,) = above.plot(energy, line, lw=0.9, label=str(name))
        above.fill_between(energy, background, line, color=drawn.get_color(), alpha=0.25, lw=0)
    above.plot(energy, background, "--", color=REST, lw=0.8, label="background")
    above.plot(energy, fitted, color="black", lw=1.0, label="fit")
    counted = one["fitted"].attrs.get("units") == "count"
    below.plot(energy, left / np.sqrt(np.maximum(fitted, 1.0)) if counted else left, color=INK, lw=0.8)
    below.axhline(0.0, color=REST, lw=0.6)
    above.set_ylabel(axis_label(one["fitted"]))
    below.set_ylabel("residual (sigma)" if counted else axis_label(one[_RESIDUAL]))
    below.set_xlabel(axis_label(one[ALONG]))
    above.set_xlim(energy[-1], energy[0])
    above.legend(frameon=False, fontsize="small")
    return above, below


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
    names = list(dict.fromkeys(map(str, ds["peak_region"].values)))
    if region not in names:
        raise OperandoError(f"plot.fit: expected a region among {', '.join(names)}, got {region!r}")
    inside = {ALONG: np.flatnonzero(ds["region"].values == region)}
    return ds.isel(inside | {"peak": np.flatnonzero(ds["peak_region"].values == region)})


def _axes() -> tuple[Axes, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 4.8), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    return above, below
