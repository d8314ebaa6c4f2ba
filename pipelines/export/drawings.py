"""What the figures for print show: each function draws one figure of a node, or says that there is nothing to draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando.plot import experiment_zone, series_nodes, timeline, unit_label
from operando.tomo.plot import crack_evolution, crack_volumes, tortuosity
from operando.xas.plot import edge_energy, shares, spectra
from operando.xps.plot import areas, fit

from .print_figures import drawn, empty_figure, evenly, knows, scan_title
from .stack_drawings import draw_stacks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CURVES = {"fitted", "background", "residual"}


def draw(tree: xr.DataTree, nodes: Sequence[str]) -> Iterator[tuple[str, Figure]]:
    """Yield name and figure of all that can be drawn of some nodes, no name twice."""
    seen: Counter[str] = Counter()
    for name, figure in _drawings(tree, nodes):
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}_{seen[name]}", figure


def _drawings(tree: xr.DataTree, nodes: Sequence[str]) -> Iterator[tuple[str, Figure]]:
    if _wants_timeline(tree, nodes):
        figure = empty_figure("page", 70.0)
        timeline(tree, figure.subplots())
        yield "timeline", figure
    zone = experiment_zone(tree).key
    for path in nodes:
        technique, _, name = path.partition("/")
        name, _, stage = name.partition("/")
        ds = tree[path].to_dataset()
        if stage in ("processed", "cracks") and "scan" in ds.dims:
            stem = f"{technique}_{name}"
            yield from ((f"{stem}_{own}", figure) for own, figure in _DRAWN.get(technique, _nothing)(ds, stage, zone))


def _nothing(_ds: xr.Dataset, _stage: str, _zone: str) -> Iterator[tuple[str, Figure]]:
    yield from ()


def _wants_timeline(tree: xr.DataTree, nodes: Sequence[str]) -> bool:
    timed = any("time" in ds.variables and bool(ds.time.notnull().any()) for _, ds in series_nodes(tree))
    return "echem" in nodes and ("echem" in tree.children or timed)


def _absorption(ds: xr.Dataset, _stage: str, zone: str) -> Iterator[tuple[str, Figure]]:
    """Yield spectra, edge energies and shares of each signal."""
    signals = [str(one) for one in ds["signal"].to_numpy()] if "signal" in ds.dims else [""]
    for own in signals:
        one = ds.sel(signal=own, drop=True) if own else ds
        end = f"_{own}" if own else ""
        if "normalized" in one and set(one["normalized"].dims) == {"scan", "energy"}:
            yield f"spectra{end}", drawn(spectra, one)
        if "edge_energy" in one and one["edge_energy"].dims == ("scan",) and knows(one, "edge_energy"):
            against = "potential" if knows(one, "potential") else "time"
            yield f"edge_energy{end}", drawn(edge_energy, one, height=62.0, against=against, zone=zone)
        if "fraction" in one and "reference" in one["fraction"].dims:
            yield f"shares{end}", drawn(shares, one, zone=zone)


def _photoemission(ds: xr.Dataset, _stage: str, zone: str) -> Iterator[tuple[str, Figure]]:
    """Yield fits with residuals of the first, the middle and the last scan, and areas, of each region."""
    regions = list(dict.fromkeys(map(str, ds["peak_region"].to_numpy()))) if "peak_region" in ds.coords else [""]
    for region in regions:
        end = f"_{region.replace(' ', '_').replace('/', '_')}" if region else ""
        if set(ds.variables) >= _CURVES and bool(_in_region(ds, region).notnull().any()):
            yield f"fits{end}", _fits(ds, region)
        if "area" in ds and "peak" in ds.dims:
            yield f"areas{end}", drawn(areas, ds, region=region or None, zone=zone)


def _fits(ds: xr.Dataset, region: str) -> Figure:
    known = np.flatnonzero(_in_region(ds, region).notnull().any("binding_energy").to_numpy())
    chosen = evenly(known)
    figure = empty_figure("column" if len(chosen) == 1 else "page", 78.0)
    rows = figure.subplots(2, len(chosen), sharex="col", sharey="row", height_ratios=[3, 1], squeeze=False)
    for column, scan in enumerate(chosen):
        above, below = rows[0, column], rows[1, column]
        fit(ds.isel(scan=scan).load(), (above, below), region=region or None)
        above.set_title(scan_title(ds, scan), fontsize=8)
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


def _tomography(ds: xr.Dataset, stage: str, zone: str) -> Iterator[tuple[str, Figure]]:
    """Yield shares of voids and cracks with what is not seen of them, single cracks, and tortuosity factors."""
    if stage == "cracks":
        if "volume" in ds and ds.sizes["scan"] > 1 and ds.sizes["crack"]:
            yield "crack_volumes", drawn(crack_volumes, ds, height=62.0, zone=zone)
        return
    if any(name in ds and ds[name].dims == ("scan",) for name in ("void_fraction", "crack_fraction")):
        yield "cracks", drawn(crack_evolution, ds, height=62.0, zone=zone)
    if "tortuosity_factor" in ds and "axis" in ds.dims and bool(np.isfinite(ds["tortuosity_factor"]).any()):
        yield "tortuosity", drawn(tortuosity, ds, zone=zone)


_DRAWN = {"xas": _absorption, "xpeem": draw_stacks, "xps": _photoemission, "xtm": _tomography}
