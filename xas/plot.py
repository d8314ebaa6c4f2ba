"""Figures of a series of X-ray absorption spectra for print, by matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from operando.errors import OperandoError
from operando.plot import (
    INK,
    HalfCycle,
    axis_label,
    date_axis,
    half_cycles,
    label_scans,
    legend_above,
    trends,
)
from operando.scan_points import draw_points, flagged, new_axes, uncertainty_of

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from numpy.typing import NDArray

_SIZE = (4.6, 3.4)
_STACK = 3.0
"""Heights of a spectrum by which the last of a waterfall is raised above the first."""


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

    lines, ax = _lines(ds, variable), new_axes(ax, _SIZE)
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


def waterfall(
    ds: xr.Dataset, ax: Axes | None = None, *, variable: str = "normalized", by: str = "time", rise: float | None = None
) -> Axes:
    """Draw the spectra of a series one above the other against the photon energy (eV), the first at the bottom.

    Parameters
    ----------
    ds
        A series: ``variable`` over ``scan`` and ``energy``.
    ax
        Axes to draw on; new ones by default. A color bar is added beside them.
    variable
        The variable to draw.
    by
        Coordinate along ``scan`` that colors the lines, as for :func:`spectra`.
    rise
        By how much each spectrum is raised above the one before, in the variable's unit. By default the last is raised
        by three heights of a spectrum, or each by one, whichever is less.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    OperandoError
        If ``variable`` is missing or has dims other than scan and energy.
    """
    lines = _lines(ds, variable)
    scans, values = lines.sizes["scan"], lines.to_numpy()
    height = float(np.nanmax(values) - np.nanmin(values)) if np.isfinite(values).any() else 1.0
    step = height * min(1.0, _STACK / max(scans - 1, 1)) if rise is None else rise
    raised = lines.copy(data=values + step * np.arange(scans)[:, np.newaxis])
    ax = spectra(ds.assign({variable: raised}), ax, variable=variable, by=by)
    if scans > 1:
        ax.set_ylabel(f"{axis_label(lines)} + {step:.2g} · scan")
    return ax


def spectra_map(
    ds: xr.Dataset,
    ax: Axes | None = None,
    *,
    variable: str = "normalized",
    against: str = "potential",
    since_first: bool = False,
    zone: str = "UTC",
) -> Axes:
    """Draw a series as a map: photon energy (eV) along x, potential, time or another coordinate along y.

    Parameters
    ----------
    ds
        A series: ``variable`` over ``scan`` and ``energy``. Against the potential it is one half-cycle, in which every
        potential is reached once.
    ax
        Axes to draw on; new ones by default. A color bar is added beside them.
    variable
        The variable to draw.
    against
        Coordinate along ``scan``. Scans in which it is not known are left out, the others sorted by it. A row reaches
        half way to its neighbors.
    since_first
        Draw the differences from the first scan, blue where it fell, red where it rose.
    zone
        The zone in which times are shown.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    OperandoError
        If ``variable`` or ``against`` is missing, fewer than two scans are known, or there are several half-cycles.
    """
    from matplotlib.colors import CenteredNorm

    lines = _lines(ds, variable)
    rows, order = _rows(ds, against)
    ax = new_axes(ax, _SIZE)
    shown = lines.to_numpy() - (lines.to_numpy()[0] if since_first else 0.0)
    style: dict[str, Any] = {"cmap": "RdBu_r", "norm": CenteredNorm()} if since_first else {"cmap": "viridis"}
    drawn = ax.pcolormesh(_edges(lines["energy"].to_numpy()), _edges(rows), shown[order], rasterized=True, **style)
    label = axis_label(lines)
    ax.figure.colorbar(drawn, ax=ax, label=f"change of {label}" if since_first else label)
    ax.set_xlabel(axis_label(lines["energy"]))
    if rows.dtype.kind == "M":
        date_axis(ax, ZoneInfo(zone), along="y")
    else:
        ax.set_ylabel(axis_label(ds[against]) if against in ds.variables else "scan")
    return ax


def shares(ds: xr.Dataset, ax: Axes | None = None, *, against: str = "potential", zone: str = "UTC") -> Axes:
    """Draw the share of every reference in every scan, with error bars of one standard uncertainty.

    Parameters
    ----------
    ds
        A series with ``fraction`` (1) and, if known, ``fraction_std``, over ``scan`` and ``reference``: one signal.
    ax, against, zone
        As for :func:`operando.plot.trends`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    OperandoError
        If there are no shares, or those of several signals.
    """
    return trends(ds, "fraction", ax, against=against, zone=zone)


def depth(
    ds: xr.Dataset,
    axes: tuple[Axes, Axes] | None = None,
    *,
    substance: str,
    against: str = "potential",
    zone: str = "UTC",
) -> tuple[Axes, Axes]:
    """Draw how much of a substance each signal sees, near the surface and deep, and the layer that this makes.

    Parameters
    ----------
    ds
        A series with ``fraction`` over ``scan``, ``signal`` (such as ``tey`` and ``tfy``) and ``reference``;
        ``probing_depth`` (nm), if known, names the depths; ``layer_thickness`` (nm) is drawn below.
    axes
        Axes for the shares and for the thickness; new ones, one above the other, by default.
    substance
        The reference whose share is drawn, such as ``"reduced Ni"``.
    against, zone
        As for :func:`operando.plot.trends`.

    Returns
    -------
    tuple of matplotlib.axes.Axes
        Both axes.

    Raises
    ------
    OperandoError
        If the shares, the thickness or the substance are not there.
    """
    one = _of_substance(ds, substance)
    above, below = _two_axes() if axes is None else axes
    signals = [f"{name}{_reach(one, name)}" for name in map(str, one["signal"].to_numpy())]
    trends(one.assign_coords(signal=signals), "fraction", above, against=against, zone=zone)
    above.set_ylabel(f"share of {substance}")
    trends(ds, "layer_thickness", below, against=against, zone=zone)
    above.set_xlabel("")
    below.set_title("")
    return above, below


def _of_substance(ds: xr.Dataset, substance: str) -> xr.Dataset:
    if "fraction" not in ds or not {"signal", "reference"} <= set(ds["fraction"].dims) or "layer_thickness" not in ds:
        raise OperandoError(
            "plot.depth: expected 'fraction' over signal and reference and 'layer_thickness', got "
            f"{', '.join(map(str, ds.data_vars)) or 'nothing'}; lcf and depth_profile give them"
        )
    names = [str(name) for name in ds["reference"].to_numpy()]
    if substance not in names:
        raise OperandoError(f"plot.depth: expected a substance among {', '.join(names)}, got {substance!r}")
    wanted = [name for name in ds.variables if "other_reference" not in ds[name].dims]
    return ds[wanted].sel(reference=substance)


def _reach(ds: xr.Dataset, signal: str) -> str:
    """Return in words how deep a signal sees: the median of what is known of its scans."""
    if "probing_depth" not in ds or "signal" not in ds["probing_depth"].dims:
        return ""
    known = ds["probing_depth"].sel(signal=signal).median(skipna=True).item()
    said = f"{known:.0f}" if known >= 10 else f"{known:.2g}"
    return f", 95 % from {said} {ds['probing_depth'].attrs.get('units', '')}" if np.isfinite(known) else ""


def _two_axes() -> tuple[Axes, Axes]:
    import matplotlib.pyplot as plt

    above, below = plt.subplots(2, 1, sharex=True, figsize=(4.6, 4.8), layout="constrained")[1]
    return above, below


def _rows(ds: xr.Dataset, against: str) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return where the rows of a map lie, ascending, and which scans they are."""
    if against != "scan" and (against not in ds.variables or ds[against].dims != ("scan",)):
        raise OperandoError(f"spectra_map: expected {against!r} along scan, got {', '.join(map(str, ds.coords))}")
    value = np.arange(ds.sizes["scan"]) if against == "scan" else ds[against].to_numpy()
    known = np.flatnonzero(~np.isnat(value) if value.dtype.kind == "M" else np.isfinite(value.astype(float)))
    if known.size < 2:
        raise OperandoError(f"spectra_map: expected two scans or more with {against!r}, got {known.size}")
    parts = np.unique(np.rint(ds["half_cycle"].to_numpy()[known])) if "half_cycle" in ds.variables else np.zeros(1)
    if against not in ("scan", "time") and np.isfinite(parts).sum() > 1:
        raise OperandoError(
            f"spectra_map: expected one half-cycle against {against!r}, got {parts.size}; choose one by "
            "operando.window(ds, half_cycle=1), or draw against 'time'"
        )
    order = known[np.argsort(value[known], kind="stable")]
    return value[order], order


def _edges(middle: NDArray[Any]) -> NDArray[Any]:
    """Return the edges of cells that reach half way to their neighbors."""
    half = np.diff(middle) / 2
    return np.concatenate([[middle[0] - half[0]], middle[:-1] + half, [middle[-1] + half[-1]]])


def edge_energy(ds: xr.Dataset, ax: Axes | None = None, *, against: str = "potential", zone: str = "UTC") -> Axes:
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
    zone
        The zone in which times are shown.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

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
    ax = new_axes(ax, _SIZE)
    for half_cycle, chosen in _groups(ds):
        _draw_points(ax, ds.isel(scan=chosen), against, half_cycle)
    label_scans(ax, ds, against, zone)
    ax.set_ylabel(axis_label(ds["edge_energy"]))
    ax.ticklabel_format(axis="y", useOffset=False)
    legend_above(ax, ["hollow: flagged"] if flagged(ds).any() else [])
    return ax


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
    draw_points(
        ax,
        ds[against].to_numpy(),
        ds["edge_energy"].to_numpy().astype(float),
        color=half_cycle.color,
        marker=half_cycle.marker,
        label=half_cycle.name,
        errors=(uncertainty_of(ds, against), uncertainty_of(ds, "edge_energy")),
        hollow=flagged(ds),
    )
