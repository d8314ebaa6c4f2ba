"""Figures of a series of X-ray absorption spectra for print, by matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from operando.errors import OperandoError
from operando.plot import INK, HalfCycle, axis_label, date_axis, half_cycles

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from numpy.typing import NDArray


def spectra(ds: xr.Dataset, ax: Axes | None = None, *, variable: str = "normalized", by: str = "time") -> Axes:
    """Draw every spectrum of a series against the photon energy (eV), colored by time or potential.

    Parameters
    ----------
    ds
        A series: ``variable`` over ``scan`` and ``energy`` (a single spectrum may lack ``scan``).
    ax
        Axes to draw on; new ones by default. A color bar is added beside them.
    variable
        The variable to draw.
    by
        Coordinate along ``scan`` that colors the lines. Time is drawn in hours since the first scan;
        where it is not known at all, the scan number is used. Spectra without a value are grey.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    OperandoError
        If ``variable`` is missing or has dims other than scan and energy.
    """
    from matplotlib.collections import LineCollection

    lines, ax = _lines(ds, variable), _axes(ax)
    values, label = _color_values(ds, by, lines.sizes["scan"])
    points = np.stack(np.broadcast_arrays(lines["energy"].values, lines.values), axis=-1)
    drawn = LineCollection(
        list(points), array=np.ma.masked_invalid(values), cmap=_color_map(), norm=_norm(values), lw=0.8
    )
    ax.add_collection(drawn)
    ax.autoscale_view()
    if len(points) > 1 and np.isfinite(values).any():
        ax.figure.colorbar(drawn, ax=ax, label=label)
    ax.set_xlabel(axis_label(lines["energy"]))
    ax.set_ylabel(axis_label(lines))
    return ax


def edge_energy(ds: xr.Dataset, ax: Axes | None = None, *, against: str = "potential") -> Axes:
    """Draw the edge energy (eV) of every scan, with error bars of one standard uncertainty.

    Scans are colored by half-cycle: charge and discharge also differ in their marker. Flagged scans
    are hollow.

    Parameters
    ----------
    ds
        A series with ``edge_energy`` and, if known, ``edge_energy_std``, along ``scan``.
    ax
        Axes to draw on; new ones by default.
    against
        Coordinate along ``scan``, such as ``potential``, ``soc`` or ``time``.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    OperandoError
        If ``edge_energy`` or ``against`` is missing.
    """
    for name in ("edge_energy", against):
        if name not in ds.variables:
            raise OperandoError(
                f"edge_energy: expected {name!r} in the series, got {', '.join(map(str, ds.variables))}"
            )
    if ds["edge_energy"].dims != ("scan",):
        raise OperandoError(f"edge_energy: expected dim 'scan' alone, got {ds['edge_energy'].dims}; select one signal")
    ax = _axes(ax)
    for half_cycle, chosen in _groups(ds):
        _draw_points(ax, ds.isel(scan=chosen), against, half_cycle)
    if ds[against].dtype.kind == "M":
        date_axis(ax, ZoneInfo("UTC"))
    else:
        ax.set_xlabel(axis_label(ds[against]))
    ax.set_ylabel(axis_label(ds["edge_energy"]))
    ax.ticklabel_format(axis="y", useOffset=False)
    if len(ax.get_legend_handles_labels()[1]) > 1:
        ax.legend(frameon=False, fontsize="small")
    return ax


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(4.6, 3.4), layout="constrained")[1]


def _lines(ds: xr.Dataset, variable: str) -> xr.DataArray:
    if variable not in ds.variables:
        raise OperandoError(f"spectra: expected variable {variable!r}, got {', '.join(map(str, ds.data_vars))}")
    array = ds[variable] if "scan" in ds[variable].dims else ds[variable].expand_dims("scan")
    if set(array.dims) != {"scan", "energy"}:
        raise OperandoError(f"spectra: expected dims 'scan' and 'energy' alone, got {array.dims}; select the others")
    return array.transpose("scan", "energy")


def _color_values(ds: xr.Dataset, by: str, scans: int) -> tuple[NDArray[np.float64], str]:
    """Return a number per scan and the color bar's label."""
    number = np.arange(scans, dtype=float)
    if by not in ds.variables or bool(ds[by].isnull().all()):
        return number, "scan number"
    if ds[by].dtype.kind != "M":
        return np.atleast_1d(np.asarray(ds[by].values, dtype=float)), axis_label(ds[by])
    time = np.atleast_1d(ds[by].values)
    hours = (time - time[~np.isnat(time)].min()) / np.timedelta64(1, "h")
    return np.where(np.isnat(time), np.nan, hours), "time since the first scan (h)"


def _color_map() -> Any:
    """Return viridis without its lightest part, which is too pale for lines; grey where unknown."""
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap

    shades = colormaps["viridis"](np.linspace(0.0, 0.9, 256))
    return LinearSegmentedColormap.from_list("viridis_dark", shades).with_extremes(bad="0.7")


def _norm(values: NDArray[np.float64]) -> Normalize | None:
    from matplotlib.colors import Normalize

    known = values[np.isfinite(values)]
    return Normalize(known.min(), known.max()) if known.size else None


def _groups(ds: xr.Dataset) -> list[tuple[HalfCycle, NDArray[np.bool_]]]:
    """Return each half-cycle with the scans in it; scans in none come last."""
    known = half_cycles(ds)
    number = np.asarray(ds["half_cycle"].values, float) if known else np.full(ds.sizes["scan"], np.nan)
    groups = [(half_cycle, np.rint(number) == half_cycle.number) for half_cycle in known.values()]
    rest = ~np.isfinite(number)
    if rest.any():
        groups.append((HalfCycle(-1, "unknown", "not linked" if known else "", INK), rest))
    return groups


def _draw_points(ax: Axes, ds: xr.Dataset, against: str, half_cycle: HalfCycle) -> None:
    x, y = ds[against].values, ds["edge_energy"].values
    error = ds["edge_energy_std"].values if "edge_energy_std" in ds.variables else None
    spread = ds[f"{against}_std"].values if f"{against}_std" in ds.variables else None
    style: dict[str, Any] = {
        "color": half_cycle.color,
        "ls": "none",
        "elinewidth": 0.7,
        "ms": 4.0,
        "marker": half_cycle.marker,
    }
    named = ax.get_legend_handles_labels()[1]
    label = half_cycle.name if half_cycle.name and half_cycle.name not in named else None
    bad = ds["flag"].values != 0 if "flag" in ds.variables else np.zeros(y.shape, dtype=bool)
    looks: tuple[dict[str, Any], ...] = ({"label": label}, {"mfc": "none"})
    for chosen, extra in zip((~bad, bad), looks, strict=True):
        if chosen.any():
            ax.errorbar(
                x[chosen],
                y[chosen],
                yerr=None if error is None else error[chosen],
                xerr=None if spread is None else spread[chosen],
                **style,
                **extra,
            )
