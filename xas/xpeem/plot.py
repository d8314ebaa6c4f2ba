"""Figures of photoemission electron microscopy for print, by matplotlib: maps, regions and their spectra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from operando.color_limits import color_limits
from operando.errors import OperandoError
from operando.kind_colors import SUBSTANCES
from operando.plot import REST, axis_label, trends, unit_label
from operando.region_colors import colors_of_regions, numbers_of_regions, region_colors, region_name
from operando.scale_bar import draw_edge, draw_scale_bar
from operando.scan_points import new_axes

from .frames import ALONG, PLANE
from .layout import EVERYWHERE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_SIZE = (4.6, 3.6)
_NAMED = 8
"""Regions that are named in a legend; more of them have a color bar."""
_KINDS = ("cluster", "label")


def pixel_map(
    ds: xr.Dataset,
    name: str = "image",
    ax: Axes | None = None,
    *,
    outside: bool | None = None,
    limits: tuple[float, float] | None = None,
    color_bar: bool = True,
) -> Axes:
    """Draw a map of a stack with the outlines and numbers of its regions and a scale bar.

    Parameters
    ----------
    ds
        One stack, such as ``series.isel(scan=0)``: ``name`` over ``y`` and ``x``, as :func:`~operando.xas.xpeem.maps`
        and :func:`~operando.xas.xpeem.clusters` return it or as a recipe stores it (``map_edge_energy``); of shares
        one, by ``sel(reference=...)``. Regions among ``region`` are outlined in ``region_label`` (y x) if there are
        any; the bar is in um if ``pixel_size`` (um) is known.
    name
        What to draw: images in grey, kinds of pixels in a color each, other numbers in the colors of a scale.
    ax
        Axes to draw on; new ones by default. A color bar is added beside them.
    outside
        Whether pixels outside of the regions are shown; by default those of the image, the edge step, of kinds and of
        components are, other maps are noise there.
    limits
        Values at the ends of the scale; by default all but a hundredth of the pixels lie between them at either end.
    color_bar
        Whether there is one; not needed where maps beside each other share their limits.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    OperandoError
        If there is no such map, or it has other dims.
    """
    label, cut = _region_label(ds), is_cut(ds, name, outside=outside)
    values = _picture(ds, name)
    if label is not None and cut:
        values = values.where(label > 0)
    plain = name.removeprefix("map_")
    ax = new_axes(ax, _SIZE)
    size = _pixel_size(ds)
    place = _place(values.shape, size or 1.0)
    if plain in _KINDS:
        _draw_kinds(ax, values, place)
    else:
        low, high = limits or color_limits(values.to_numpy())
        scale = "gray" if plain == "image" else "viridis"
        drawn = ax.imshow(values.to_numpy(), cmap=scale, vmin=low, vmax=high, **place)
        if color_bar and plain != "image":
            ax.figure.colorbar(drawn, ax=ax, label=map_label(ds, name))
    ax.autoscale(False)
    if label is not None:
        _outline(ax, ds, label, size or 1.0, in_colors=plain == "image")
    ink = {"color": "black", "edge": "white"} if cut else {}
    draw_scale_bar(ax, "px" if size is None else unit_label("um"), **ink)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set(visible=cut, linewidth=0.5)
    return ax


def region_spectra(ds: xr.Dataset, ax: Axes | None = None, *, variable: str = "normalized") -> Axes:
    """Draw the spectra of the regions of a stack against the photon energy (eV), in the colors of their outlines.

    Parameters
    ----------
    ds
        One stack: ``variable`` over ``region`` and ``energy``. Frames without a value are bridged.
    ax
        Axes to draw on; new ones by default. More than eight regions have a color bar in place of a legend.
    variable
        The variable to draw, such as ``"mu"``.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    OperandoError
        If ``variable`` is missing or has other dims.
    """
    lines = _checked(ds, variable, ("region", ALONG), "spectra of one stack")
    ax = new_axes(ax, _SIZE)
    energy, regions = lines[ALONG].to_numpy(), _regions(lines)
    for values, region, color in zip(lines.to_numpy(), regions, colors_of_regions(regions), strict=True):
        known = np.isfinite(values)
        ax.plot(energy[known], values[known], color=color, lw=0.8, label=region_name(region))
    _name_regions(ax, regions)
    ax.set_xlabel(axis_label(lines[ALONG]))
    ax.set_ylabel(axis_label(lines))
    return ax


def region_trends(
    ds: xr.Dataset, name: str, ax: Axes | None = None, *, against: str = "potential", zone: str = "UTC"
) -> Axes:
    """Draw a number of every region of every scan, with error bars of one standard uncertainty.

    What all regions of a scan share (``mu_common_std``) is in the bars: within a scan they differ by less.

    Parameters
    ----------
    ds
        A series with ``name`` over ``scan`` and ``region``, such as ``edge_energy``; of shares one, by
        ``sel(reference=...)``.
    name
        The number to draw; its ``long_name`` and ``units`` label the axis.
    ax, against, zone
        As for :func:`operando.plot.trends`. More than eight regions have a color bar in place of a legend.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    OperandoError
        If there is no such number, or it has other dims.
    """
    regions = _regions(_checked(ds, name, ("scan", "region"), "a number of every scan and region"))
    ax = trends(ds, name, ax, against=against, zone=zone)
    legend = ax.get_legend()
    if regions.size > _NAMED:
        if legend is not None:
            said = legend.get_title().get_text()
            legend.remove()
            ax.set_title(said.replace("\n", "; "), fontsize="small", color=REST, loc="right")
        _name_regions(ax, regions)
    alone = ax.get_ylabel().rpartition(", ")[2]
    ax.set_ylabel(map_label(ds, name) + (f", {alone}" if alone in map(region_name, regions) else ""))
    return ax


def is_cut(ds: xr.Dataset, name: str, *, outside: bool | None = None) -> bool:
    """Return whether a map is shown within the regions alone: where there are any and it is noise elsewhere."""
    everywhere = name.removeprefix("map_").removesuffix("_std") in (*EVERYWHERE, *_KINDS)
    return "region_label" in ds and not (everywhere if outside is None else outside)


def map_label(ds: xr.Dataset, name: str) -> str:
    """Return what a map or a number is and its unit; of a share what it is of."""
    member = [ds[name][dim] for dim in ("reference", "component") if dim in ds[name].coords and not ds[name][dim].dims]
    text = axis_label(ds[name])
    return f"{text.replace('a reference', '').rstrip()} {member[0].item()}" if member else text


def _checked(ds: xr.Dataset, name: str, dims: tuple[str, str], what: str) -> xr.DataArray:
    """Return what is to be drawn, its dims in order."""
    if name not in ds.variables or set(ds[name].dims) != set(dims):
        others = ", ".join(map(str, ds.data_vars))
        there = f"dims {ds[name].dims}; select the others" if name in ds.variables else others
        raise OperandoError(f"plot: expected {name!r}, {what}, over {dims[0]!r} and {dims[1]!r}, got {there}")
    return ds[name].transpose(*dims).load()


def _picture(ds: xr.Dataset, name: str) -> xr.DataArray:
    found = _checked(ds, name, PLANE, "a map of one stack")
    return found.astype(np.float64).where(np.isfinite(found))


def _region_label(ds: xr.Dataset) -> xr.DataArray | None:
    return ds["region_label"].transpose(*PLANE).load() if "region_label" in ds else None


def _pixel_size(ds: xr.Dataset) -> float | None:
    """Return the edge of a pixel, um; None where it is not known."""
    size = float(ds["pixel_size"].max()) if "pixel_size" in ds.variables else np.nan
    return size if np.isfinite(size) else None


def _place(shape: tuple[int, ...], size: float) -> dict[str, Any]:
    """Return where a map lies: the centers of its pixels are whole numbers, times the size of one."""
    rows, columns = shape
    extent = tuple(size * at for at in (-0.5, columns - 0.5, rows - 0.5, -0.5))
    return {"extent": extent, "interpolation": "nearest"}


def _draw_kinds(ax: Axes, values: xr.DataArray, place: dict[str, Any]) -> None:
    """Draw numbered kinds in a color each, and name them above."""
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Patch

    kinds = [int(one) for one in np.unique(values.to_numpy()[np.isfinite(values.to_numpy())]) if one > 0]
    colors = {kind: SUBSTANCES[(kind - 1) % len(SUBSTANCES)] for kind in kinds}
    picture = np.zeros((*values.shape, 4))
    for kind, color in colors.items():
        picture[values.to_numpy() == kind] = to_rgba(color)
    ax.imshow(picture, **place)
    patches = [Patch(color=color, label=f"kind {kind}") for kind, color in colors.items()]
    ax.legend(
        handles=patches, frameon=False, fontsize="small", ncols=min(len(patches), 4), loc="lower center",
        bbox_to_anchor=(0.5, 1), borderaxespad=0.2, handlelength=1.2, columnspacing=1.2,
    )  # fmt: skip


def _outline(ax: Axes, ds: xr.Dataset, label: xr.DataArray, size: float, *, in_colors: bool) -> None:
    """Draw the edge of each region and its number, within the part of the map where it lies."""
    from scipy.ndimage import find_objects

    wide = np.pad(np.nan_to_num(label.to_numpy()).astype(np.int64), 1)
    boxes = dict(enumerate(find_objects(wide), start=1))
    there = np.array([number for number, box in boxes.items() if box is not None], np.int64)
    numbers = numbers_of_regions(np.ravel(ds["region"].to_numpy())) if "region" in ds.coords else there
    for number, color in zip(numbers, colors_of_regions(numbers), strict=True):
        if (box := boxes.get(int(number))) is None:
            continue
        rows, columns = box
        part = slice(rows.start - 1, rows.stop + 1), slice(columns.start - 1, columns.stop + 1)
        y, x = (size * (np.arange(one.start, one.stop) - 1) for one in part)
        inside = wide[part] == number
        ax.contour(x, y, inside, levels=[0.5], colors=[color if in_colors else "black"], linewidths=0.8)
        if in_colors:
            middle = (size * float(np.mean(at)) for at in np.nonzero(inside))
            row, column = (float(start[0]) + at for start, at in zip((y, x), middle, strict=True))
            style: dict[str, Any] = {"color": "white", "ha": "center", "va": "center", "fontsize": "x-small"}
            draw_edge(ax.text(column, row, str(number), **style), 1.0)


def _regions(array: xr.DataArray) -> NDArray[Any]:
    """Return the numbers or names of the regions of a variable."""
    return array["region"].to_numpy() if "region" in array.coords else np.arange(1, array.sizes["region"] + 1)


def _name_regions(ax: Axes, regions: NDArray[Any]) -> None:
    """Name the regions that are drawn: a few in a legend, many by a color bar of their numbers."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    if regions.size <= _NAMED:
        if regions.size:
            ax.legend(frameon=False, fontsize="small")
        return
    last = int(numbers_of_regions(regions).max())
    scale = ScalarMappable(Normalize(0.5, last + 0.5), ListedColormap(region_colors(last)))
    ax.figure.colorbar(scale, ax=ax, label="region")
