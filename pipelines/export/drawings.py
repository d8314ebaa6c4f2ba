"""What the figures for print show: each function draws one figure of a node, or says that there is nothing to draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import xarray as xr

from operando.plot import REST, axis_label, date_axis, experiment_zone, half_cycles, series_nodes, timeline, unit_label
from operando.xas.plot import edge_energy, spectra
from operando.xps.plot import fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, PAGE = 88.0, 180.0
"""Widths of one column and of a page, mm."""
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito: told apart by the color-blind too."""
_MARKERS = "os^Dv<>"
_CURVES = {"fitted", "background", "residual"}
_MOST_CRACKS = 6
_SHOWN_FITS = 3


def draw(tree: xr.DataTree, nodes: Sequence[str]) -> Iterator[tuple[str, Figure]]:
    """Yield name and figure of all that can be drawn of some nodes."""
    if _wants_timeline(tree, nodes):
        yield "timeline", _timeline(tree)
    zone = experiment_zone(tree)
    for path in nodes:
        technique, _, name = path.partition("/")
        name, _, stage = name.partition("/")
        ds = tree[path].to_dataset()
        if stage in ("processed", "cracks") and "scan" in ds.dims:
            stem = f"{technique}_{name}"
            yield from ((f"{stem}_{own}", figure) for own, figure in _DRAWN.get(technique, _nothing)(ds, stage, zone))


def _nothing(_ds: xr.Dataset, _stage: str, _zone: ZoneInfo) -> Iterator[tuple[str, Figure]]:
    yield from ()


def _wants_timeline(tree: xr.DataTree, nodes: Sequence[str]) -> bool:
    timed = any("time" in ds.variables and bool(ds.time.notnull().any()) for _, ds in series_nodes(tree))
    return "echem" in nodes and ("echem" in tree.children or timed)


def _timeline(tree: xr.DataTree) -> Figure:
    figure = _figure(PAGE, 70.0)
    timeline(tree, figure.subplots())
    return figure


def _absorption(ds: xr.Dataset, _stage: str, zone: ZoneInfo) -> Iterator[tuple[str, Figure]]:
    """Yield spectra, edge energies and shares of each signal."""
    signals = [str(one) for one in ds["signal"].to_numpy()] if "signal" in ds.dims else [""]
    for own in signals:
        one = ds.sel(signal=own, drop=True) if own else ds
        end = f"_{own}" if own else ""
        if "normalized" in one and set(one["normalized"].dims) == {"scan", "energy"}:
            figure = _figure(COLUMN, 66.0)
            spectra(one, figure.subplots())
            yield f"spectra{end}", figure
        if "edge_energy" in one and one["edge_energy"].dims == ("scan",) and _knows(one, "edge_energy"):
            figure = _figure(COLUMN, 62.0)
            ax = figure.subplots()
            edge_energy(one, ax, against="potential" if _knows(one, "potential") else "time")
            yield f"edge_energy{end}", figure
        if "fraction" in one and "reference" in one["fraction"].dims:
            yield f"shares{end}", _against(one, "fraction", "reference", zone)


def _photoemission(ds: xr.Dataset, _stage: str, zone: ZoneInfo) -> Iterator[tuple[str, Figure]]:
    """Yield fits with residuals of the first, the middle and the last scan, and areas, of each region."""
    regions = list(dict.fromkeys(map(str, ds["peak_region"].to_numpy()))) if "peak_region" in ds.coords else [""]
    for region in regions:
        end = f"_{region.replace(' ', '_').replace('/', '_')}" if region else ""
        if set(ds.variables) >= _CURVES and bool(_in_region(ds, region).notnull().any()):
            yield f"fits{end}", _fits(ds, region)
        if "area" in ds and "peak" in ds.dims:
            inside = np.flatnonzero(ds["peak_region"].to_numpy() == region) if region else slice(None)
            yield f"areas{end}", _against(ds.isel(peak=inside), "area", "peak", zone, color=1)


def _fits(ds: xr.Dataset, region: str) -> Figure:
    known = np.flatnonzero(_in_region(ds, region).notnull().any("binding_energy").to_numpy())
    chosen = list(dict.fromkeys(known[np.linspace(0, known.size - 1, _SHOWN_FITS).round().astype(int)].tolist()))
    figure = _figure(COLUMN if len(chosen) == 1 else PAGE, 78.0)
    rows = figure.subplots(2, len(chosen), sharex="col", sharey="row", height_ratios=[3, 1], squeeze=False)
    for column, scan in enumerate(chosen):
        above, below = rows[0, column], rows[1, column]
        fit(ds.isel(scan=scan).load(), (above, below), region=region or None)
        above.set_title(_scan_title(ds, scan), fontsize=8)
        unit = unit_label(str(ds["fitted"].attrs.get("units", "")))
        above.set_ylabel("" if column else f"intensity ({unit})")
        below.set_ylabel("" if column else below.get_ylabel().replace("residual (sigma)", "res. (σ)"))
        if legend := above.get_legend():
            legend.remove()
    handles, labels = rows[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5), frameon=False)
    return figure


def _in_region(ds: xr.Dataset, region: str) -> xr.DataArray:
    if not region or "region" not in ds.coords:
        return ds["fitted"]
    return ds["fitted"].isel(binding_energy=np.flatnonzero(ds["region"].to_numpy() == region))


def _scan_title(ds: xr.Dataset, scan: int) -> str:
    """Return the number of a scan, from 0, and its potential."""
    value = float(ds["potential"][scan]) if "potential" in ds.coords else np.nan
    return f"scan {scan}" + (f", {value:.2f} V" if np.isfinite(value) else "")


def _tomography(ds: xr.Dataset, stage: str, zone: ZoneInfo) -> Iterator[tuple[str, Figure]]:
    """Yield shares of voids and cracks with what is not seen of them, single cracks, and tortuosity factors."""
    if stage == "cracks":
        if "volume" in ds and ds.sizes["scan"] > 1 and ds.sizes["crack"]:
            yield "crack_volumes", _crack_volumes(ds, zone)
        return
    fractions = [name for name in ("void_fraction", "crack_fraction") if name in ds and ds[name].dims == ("scan",)]
    if fractions:
        yield "cracks", _crack_fractions(ds, fractions, zone)
    if "tortuosity_factor" in ds and "axis" in ds.dims and bool(np.isfinite(ds["tortuosity_factor"]).any()):
        yield "tortuosity", _against(ds, "tortuosity_factor", "axis", zone, against="time")


def _crack_fractions(ds: xr.Dataset, names: Sequence[str], zone: ZoneInfo) -> Figure:
    figure = _figure(COLUMN, 62.0)
    ax = figure.subplots()
    x, label = _abscissa(ds, "time")
    flagged = ds["flag"].to_numpy() != 0 if "flag" in ds.coords else np.zeros(ds.sizes["scan"], bool)
    for k, name in enumerate(names):
        y, error = 100 * ds[name].to_numpy(), 100 * _uncertainty(ds, name)
        _curve(ax, x, y, error, number=k, label=name.removesuffix("_fraction"), hollow=flagged)
        _join(ax, ds, x, y, k, apart=False)
    unseen = ds["detection_limit"].to_numpy() if "detection_limit" in ds else np.array([np.nan])
    if np.isfinite(unseen).any():
        said = f"cracks below {np.nanmax(unseen):.2g} µm are missed"
        ax.annotate(said, (0.98, 0.02), xycoords="axes fraction", ha="right", va="bottom", fontsize=7, color=REST)
    if flagged.any():
        ax.set_title("hollow: flagged", fontsize=7, color=REST, loc="right")
    ax.set_ylabel("volume fraction (%)")
    ax.set_ylim(0)
    _finish(ax, ds, label, zone)
    return figure


def _crack_volumes(ds: xr.Dataset, zone: ZoneInfo) -> Figure:
    figure = _figure(COLUMN, 62.0)
    ax = figure.subplots()
    x, label = _abscissa(ds, "time")
    volume = ds["volume"].transpose("scan", "crack").to_numpy().astype(float)
    for k, at in enumerate(np.argsort(-np.nan_to_num(volume).max(axis=0), kind="stable")[:_MOST_CRACKS]):
        there = np.where(volume[:, at] > 0, volume[:, at], np.nan)
        called = f"crack {ds['crack'].to_numpy()[at]}"
        _curve(ax, x, there, None, number=k, label=called, hollow=np.zeros(x.size, bool))
        _join(ax, ds, x, there, k, apart=False)
    ax.set_ylabel(f"crack volume ({unit_label(str(ds['volume'].attrs.get('units', '')))})")
    ax.set_ylim(0)
    _finish(ax, ds, label, zone)
    return figure


def _against(
    ds: xr.Dataset, name: str, along: str, zone: ZoneInfo, *, against: str = "potential", color: int = 0
) -> Figure:
    """Return a figure of numbers (scan, along) with error bars, joined within half-cycles."""
    figure = _figure(COLUMN, 66.0)
    ax = figure.subplots()
    x, label = _abscissa(ds, against)
    flagged = ds["flag"].to_numpy() != 0 if "flag" in ds.coords else np.zeros(ds.sizes["scan"], bool)
    for k, which in enumerate(ds[along].to_numpy()):
        one = ds.isel({along: k})
        y, error = one[name].transpose("scan").to_numpy().astype(float), _uncertainty(one, name)
        if np.isfinite(y).any():
            _curve(
                ax, x, np.where(np.isfinite(y), y, np.nan), error, number=k + color, label=str(which), hollow=flagged
            )
            _join(ax, ds, x, y, k + color, apart=label != "time")
    drawn = ax.get_legend_handles_labels()[1]
    ax.set_ylabel(axis_label(ds[name]).replace("*", "·") + (f", {drawn[0]}" if len(drawn) == 1 else ""))
    _finish(ax, ds, label, zone)
    said = ["solid: charge, dashed: discharge"] if label != "time" and len(half_cycles(ds)) > 1 else []
    ax.set_title(
        "; ".join([*said, *(["hollow: flagged"] if flagged.any() else [])]), fontsize=7, color=REST, loc="right"
    )
    return figure


def _join(ax: Axes, ds: xr.Dataset, x: np.ndarray, y: np.ndarray, number: int, *, apart: bool) -> None:
    """Join neighboring scans by thin lines, half-cycles apart."""
    number_of = ds["half_cycle"].to_numpy() if "half_cycle" in ds.coords else np.zeros(y.size)
    known = half_cycles(ds) if apart else {}
    color = COLORS[number % len(COLORS)]
    for half_cycle in known.values():
        inside = number_of == half_cycle.number
        ax.plot(x[inside], y[inside], "--" if half_cycle.kind == "discharge" else "-", color=color, lw=0.6, alpha=0.6)
    if not known:
        ax.plot(x, y, "-", color=color, lw=0.6, alpha=0.6)


def _abscissa(ds: xr.Dataset, against: str) -> tuple[np.ndarray, str]:
    """Return what is drawn along x and its name: what is asked for, else time, else the scans' numbers."""
    for name in (against, "time"):
        if name in ds.coords and bool(ds[name].notnull().any()):
            return ds[name].to_numpy(), name
    return np.arange(ds.sizes["scan"]), "scan"


def _uncertainty(ds: xr.Dataset, name: str) -> np.ndarray:
    """Return the uncertainty that holds most; 0 where none is known."""
    std = next((one for one in (f"{name}_uncertainty", f"{name}_std") if one in ds), None)
    values = np.zeros(ds.sizes["scan"]) if std is None else ds[std].to_numpy().astype(float)
    return np.where(np.isfinite(values), values, 0.0)


def _curve(
    ax: Axes,
    x: np.ndarray,
    y: np.ndarray,
    error: np.ndarray | None,
    *,
    number: int,
    label: str,
    hollow: np.ndarray,
) -> None:
    style: dict[str, Any] = {
        "color": COLORS[number % len(COLORS)],
        "marker": _MARKERS[number % len(_MARKERS)],
        "ms": 3.2,
        "elinewidth": 0.6,
        "capsize": 0,
    }
    looks: tuple[dict[str, Any], ...] = ({}, {"mfc": "none", "mew": 0.7})
    for chosen, extra in zip((~hollow, hollow), looks, strict=True):
        if chosen.any():
            bars = None if error is None else error[chosen]
            named = label in ax.get_legend_handles_labels()[1]
            ax.errorbar(x[chosen], y[chosen], bars, ls="none", label=None if named else label, **style, **extra)


def _finish(ax: Axes, ds: xr.Dataset, abscissa: str, zone: ZoneInfo) -> None:
    if abscissa == "time":
        date_axis(ax, zone)
    else:
        ax.set_xlabel(axis_label(ds[abscissa]) if abscissa in ds.coords else "scan")
    if len(labels := ax.get_legend_handles_labels()[1]) > 1:
        ax.figure.legend(loc="outside upper center", ncols=min(len(labels), 3), frameon=False)


def _knows(ds: xr.Dataset, name: str) -> bool:
    return name in ds.variables and bool(ds[name].notnull().any())


def _figure(width: float, height: float) -> Figure:
    """Return an empty figure, sizes in mm."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / 25.4, height / 25.4), layout="constrained")


_DRAWN = {"xas": _absorption, "xps": _photoemission, "xtm": _tomography}
