"""What the figures of image stacks for print show: regions and their spectra, maps, and how the regions change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando.color_limits import color_limits
from operando.xas.xpeem.plot import is_cut, map_label, pixel_map, region_spectra, region_trends

from .print_figures import drawn, empty_figure, evenly, knows, scan_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MAPS = ("map_edge_energy", "map_fraction", "map_cluster", "map_component")
_TRENDS = ("edge_energy", "fraction")
_MEMBERS = ("reference", "component")
_WIDE, _LEAST, _MOST = 52.0, 38.0, 120.0
"""Width of a map, least and greatest height of a figure, mm."""


def draw_stacks(ds: xr.Dataset, _stage: str, zone: str) -> Iterator[tuple[str, Figure]]:
    """Yield the regions with their spectra, maps of the first, middle and last stack, numbers of regions by scan."""
    if "image" in ds and knows(ds, "image"):
        yield "regions", _regions(ds)
    for name in _MAPS:
        for member, one in _one_by_one(ds, name):
            yield f"{name}{member}", _maps(one, name)
    for name in _TRENDS:
        if name not in ds or "region" not in ds[name].dims:
            continue
        for member, one in _one_by_one(ds, name):
            yield f"{name}{member}", drawn(partial(_trends, name, zone), one)


def _trends(name: str, zone: str, ds: xr.Dataset, ax: Axes) -> Axes:
    return region_trends(ds, name, ax, zone=zone)


def _one_by_one(ds: xr.Dataset, name: str) -> Iterator[tuple[str, xr.Dataset]]:
    """Yield the end of a figure's name, and a series with the map or number of one reference or component."""
    if name not in ds:
        return
    dim = next((dim for dim in _MEMBERS if dim in ds[name].dims), None)
    for at in range(1 if dim is None else ds.sizes[dim]):
        one = ds if dim is None else ds.isel({dim: at})
        if knows(one, name):
            said = "" if dim is None else str(one[dim].item()) if dim in one.coords else str(at + 1)
            yield re.sub("[ /]", "_", f"_{said}" if said else ""), one


def _regions(ds: xr.Dataset) -> Figure:
    """Draw the mean image of the first stack that is known and, beside it, the spectra of its regions."""
    scan = int(np.flatnonzero(ds["image"].notnull().any(["y", "x"]).to_numpy())[0])
    spectra = next((name for name in ("normalized", "mu") if name in ds and "region" in ds[name].dims), None)
    one = ds[[name for name in ("image", "region_label", spectra) if name in ds]].isel(scan=scan).load()
    figure = empty_figure("column" if spectra is None else "page", _height(ds, 70.0))
    axes = figure.subplots(1, 1 if spectra is None else 2, squeeze=False)[0]
    pixel_map(one, "image", axes[0])
    axes[0].set_title(scan_title(ds, scan), fontsize=8)
    if spectra is not None:
        region_spectra(one, axes[1], variable=spectra)
    return figure


def _maps(ds: xr.Dataset, name: str) -> Figure:
    """Draw a map of the first, the middle and the last stack, in the colors of one scale."""
    chosen = evenly(np.flatnonzero(ds[name].notnull().any(["y", "x"]).to_numpy()))
    shown = ds[[one for one in (name, "region_label") if one in ds]].isel(scan=chosen).load()
    values = shown[name].where(shown["region_label"] > 0) if is_cut(shown, name) else shown[name]
    limits = color_limits(values.to_numpy())
    figure = empty_figure("column" if len(chosen) == 1 else "page", _height(ds, _WIDE))
    axes = figure.subplots(1, len(chosen), squeeze=False)[0]
    for at, (ax, scan) in enumerate(zip(axes, chosen, strict=True)):
        pixel_map(shown.isel(scan=at), name, ax, limits=limits, color_bar=False)
        ax.set_title(scan_title(ds, scan), fontsize=8)
    if axes[0].get_legend() is None:
        figure.colorbar(axes[0].images[0], ax=axes, label=map_label(ds, name))
    return figure


def _height(ds: xr.Dataset, width: float) -> float:
    """Return the height (mm) of a figure whose maps are so wide: that of the maps, and of what stands above."""
    return float(np.clip(width * ds.sizes["y"] / ds.sizes["x"] + 8.0, _LEAST, _MOST))
