"""Maps of every pixel of a stack and, beside them, the spectra of its regions; a slider goes through the stacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from operando.color_limits import color_limits
from operando.plot import axis_label
from operando.region_colors import region_colors
from operando.xas.xpeem.layout import EVERYWHERE

from .figures import Figure, Model, add_color_bar, choice, hover, layouts, models, new_figure
from .parts import Part, Plot, counted, text
from .pictures import MAP_PALETTE, empty_picture, place, reduced, scaled
from .series import LocalTime, Series, thinned
from .series_slider import head, scan_slider, titles

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

_EDGE = 128
_MAPS, _LINES = 48, 400
_SPECTRA = ("normalized", "mu")
_QUANTITIES = ("map_edge_energy", "map_fraction", "map_edge_step", "map_cluster", "map_component")
_KINDS = "cluster"
_EVERYWHERE = tuple(f"map_{name}" for name in EVERYWHERE)
_SHOW = """
const i = slider.value, q = buttons === null ? 0 : buttons.active
if (image !== null) {
  image.data = {image: [maps[q][i]]}
  mapper.low = ranges[q][0]; mapper.high = ranges[q][1]
  name.text = names[q]
}
if (lines !== null) { lines.data = {...lines.data, ys: spectra[i]} }
for (const title of headings) { title.text = titles[i] }
"""


def draw_maps(series: Series, ds: xr.Dataset, local: LocalTime) -> Iterator[Part]:
    """Yield maps and spectra of the stacks, as far as there are any."""
    quantities = list(_quantities(ds))
    spectra = next((name for name in _SPECTRA if name in ds and "region" in ds[name].dims), None)
    if not quantities and spectra is None:
        return
    most = min(_MAPS // max(1, len(quantities)), _LINES // max(1, ds.sizes.get("region", 1)))
    scan = thinned(series.count, max(2, most))
    figures, args = [], _nothing(titles(series, scan, local, "stack"))
    slider, buttons = scan_slider(series, scan), _buttons([name for name, _ in quantities])
    if quantities:
        figures.append(_map_figure(series, ds, quantities, scan, args))
    if spectra is not None:
        figures.append(_spectra_figure(ds[spectra], scan, args))
    code = models.CustomJS(args={**args, "slider": slider, "buttons": buttons}, code=_SHOW)
    for control, event in ((slider, "value"), (buttons, "active")):
        if control is not None:
            control.js_on_change(event, code)
    controls = [one for one in (buttons, slider if scan.size > 1 else None) if one is not None]
    first = layouts.column(*controls, figures[0], sizing_mode="stretch_width")
    yield Plot([first, *figures[1:]], _caption(series, ds, scan.size, spectra), beside=True)


def _quantities(ds: xr.Dataset) -> Iterator[tuple[str, xr.DataArray]]:
    """Yield the maps that there are and what they are called, those of shares one by one; regions alone are shown."""
    for name in _QUANTITIES:
        if name not in ds:
            continue
        shown = ds[name] if "region_label" not in ds or name in _EVERYWHERE else ds[name].where(ds["region_label"] > 0)
        if "reference" in shown.dims:
            for substance in shown["reference"].values:
                yield f"share of {substance}", shown.sel(reference=substance).assign_attrs(ds[name].attrs)
        elif "component" in shown.dims:
            for at in range(shown.sizes["component"]):
                yield f"component {at + 1}", shown.isel(component=at).assign_attrs(ds[name].attrs)
        else:
            yield name.removeprefix("map_").replace("_", " "), shown.assign_attrs(ds[name].attrs)


def _nothing(titles: list[str]) -> dict[str, Any]:
    """Return the arguments of the script that goes through the stacks, before figures have added theirs."""
    nothing: dict[str, Any] = dict.fromkeys(("image", "mapper", "name", "lines"))
    return nothing | {"maps": [], "ranges": [], "names": [], "spectra": [], "headings": [], "titles": titles}


def _buttons(names: list[str]) -> Model | None:
    return choice(names, wrapped=True) if len(names) > 1 else None


def _map_figure(
    series: Series,
    ds: xr.Dataset,
    quantities: list[tuple[str, xr.DataArray]],
    scan: NDArray[np.intp],
    args: dict[str, Any],
) -> Figure:
    size = series.column("pixel_size")[0]
    fig = empty_picture(float(size) if np.isfinite(size) else None)
    shape = (ds.sizes["y"], ds.sizes["x"])
    for name, values in quantities:
        images = [values.isel(scan=at).transpose("y", "x").values for at in scan]
        small = [reduced(image, _EDGE, kinds=name == _KINDS) for image in images]
        low, high = color_limits(np.concatenate([one.ravel() for one in small]))
        args["maps"].append([scaled(one, low, high) for one in small])
        args["ranges"].append([low, high])
        unit = str(values.attrs.get("units", "1"))
        args["names"].append(name if unit == "1" else f"{name} ({unit})")
    args["image"] = models.ColumnDataSource({"image": [args["maps"][0][0]]})
    colors = models.LinearColorMapper(palette=MAP_PALETTE, low=0, high=255)
    fig.image(
        "image", source=args["image"], color_mapper=colors, **place(shape, float(size) if np.isfinite(size) else None)
    )
    low, high = args["ranges"][0]
    args["mapper"] = models.LinearColorMapper(palette=MAP_PALETTE[1:], low=low, high=high)
    args["name"] = add_color_bar(fig, args["mapper"], args["names"][0])[1]
    args["headings"].append(head(fig, args["titles"][0]))
    return fig


def _spectra_figure(spectra: xr.DataArray, scan: NDArray[np.intp], args: dict[str, Any]) -> Figure:
    """Draw the spectra of all regions of one stack."""
    fig = new_figure(axis_label(spectra["energy"]), axis_label(spectra))
    rows = spectra.isel(scan=scan).transpose("scan", "region", "energy")
    values = rows.values.astype(np.float32)
    args["spectra"] = [[_gapless(line) for line in stack] for stack in values]
    energy = rows["energy"].values.astype(np.float32)
    data = {
        "xs": [energy] * values.shape[1],
        "ys": args["spectra"][0],
        "color": region_colors(values.shape[1]),
        "region": [int(number) for number in rows["region"].values],
    }
    args["lines"] = models.ColumnDataSource(data)
    lines = fig.multi_line("xs", "ys", source=args["lines"], line_color="color", line_width=1.2, line_alpha=0.8)
    hover(fig, [lines], [("region", "@region")])
    args["headings"].append(head(fig, args["titles"][0]))
    return fig


def _gapless(line: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a spectrum with its missing frames bridged, so that its line is one."""
    known = np.isfinite(line)
    if known.all() or not known.any():
        return line
    at = np.arange(line.size)
    bridged = np.interp(at, at[known], line[known]).astype(np.float32)
    bridged[(at < at[known][0]) | (at > at[known][-1])] = np.nan
    return bridged


def _caption(series: Series, ds: xr.Dataset, count: int, spectra: str | None) -> str:
    said = []
    if any(name in ds for name in _QUANTITIES):
        cut = "region_label" in ds and any(name in ds for name in _QUANTITIES if name not in _EVERYWHERE)
        outside = "; what lies outside the regions is left white" if cut else ""
        said.append(f"Every pixel of a stack of {text(series.name)}{outside}.")
    if spectra is not None:
        said.append("Mean spectra of the regions; frames that do not count are bridged.")
    if count > 1:
        said.append(f"The slider goes through {counted(count, 'stack')}.")
    if count < series.count:
        said.append(f"They are evenly chosen out of {series.count}.")
    return " ".join(said)
