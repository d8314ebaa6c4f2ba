"""Slices of volumes: grey values and, beside them, what was found.

A slider goes through the scans, or through the slices of a single one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from operando.kind_colors import kind_colors, kind_of
from operando.pipelines.steps.previews import AXES, PREVIEW, PREVIEW_KIND, PREVIEW_LABEL, THIN

from .figures import WRAPPED, Figure, Model, layouts, models
from .parts import Html, Part, Plot, counted, plain, text
from .pictures import empty_picture, reduced
from .series import LocalTime, Series, thinned
from .series_slider import head, number_slider, scan_slider, titles

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

_EDGE, _SMALLEST = 400, 200
_BYTES = 2_000_000
_LEVELS, _KINDS = 32, 8
"""A pixel is one byte: what fills it and, of 32, its grey level."""
_OPACITY = {"void": 0.75, "crack": 0.85, "contact loss": 0.85}
_OTHERS = 0.35
_NOTHING = "#ffffff00"
_SHOW = """
const i = slider.value
image.data = {image: [images[i]]}
for (const title of headings) { title.text = titles[i] }
"""
_OVERLAY = """
mapper.palette = grey.map((color, i) => this.active.includes((i >> 5) - 1) ? overlay[i] : color)
"""


@dataclass(frozen=True)
class Slices:
    """One slice of evenly chosen scans, or several of a single one: pixels as bytes, what they show, where they lie.

    ``first`` is the picture to begin with.
    """

    scan: NDArray[np.intp]
    images: list[NDArray[np.uint8]]
    names: list[str]
    place: dict[str, float]
    unit: str
    z: list[float]
    first: int
    cracked: bool

    @property
    def across(self) -> bool:
        """Whether the pictures are slices of one scan."""
        return len(self.z) > 1


def draw_slices(series: Series, ds: xr.Dataset, objects: xr.Dataset | None, local: LocalTime) -> Iterator[Part]:
    """Yield the slice that shows most of the cracks, of every scan for which the page has room; of one, all slices."""
    if PREVIEW not in ds:
        yield Html(
            f"<p>No slices of {text(series.name)} were kept: the step <code>preview</code> of a recipe does.</p>"
        )
        return
    shown = _slices(ds, objects)
    said = [plain(title) for title in titles(series, shown.scan, local, "scan")]
    said = [f"{said[0]}, z = {_length(z, shown)}" for z in shown.z] if shown.across else said
    slider = number_slider(len(said), shown.first) if shown.across else scan_slider(series, shown.scan)
    args: dict[str, Any] = {"images": shown.images, "titles": said, "slider": slider}
    args["image"] = models.ColumnDataSource({"image": [shown.images[shown.first]]})
    grey, overlay = _palettes(shown.names)
    active = [at for at, name in enumerate(shown.names) if kind_of(name) != "electrolyte"]
    mixed = [overlay[byte] if byte // _LEVELS - 1 in active else grey[byte] for byte in range(len(grey))]
    figures = [_picture(shown, args["image"], palette) for palette in ((grey, mixed) if shown.names else (grey,))]
    args["headings"] = [head(fig, said[shown.first]) for fig in figures]
    for fig in figures[1:]:
        fig.x_range, fig.y_range = figures[0].x_range, figures[0].y_range
    args["slider"].js_on_change("value", models.CustomJS(args=args, code=_SHOW))
    first = [args["slider"]] if len(said) > 1 else []
    columns = [layouts.column(*first, figures[0], sizing_mode="stretch_width")]
    columns += [
        layouts.column(_toggles(shown.names, active, fig, (grey, overlay)), fig, sizing_mode="stretch_width")
        for fig in figures[1:]
    ]
    yield Plot(columns, _caption(series, shown), legend(shown.names) if shown.names else "", beside=True)


def legend(names: list[str]) -> str:
    """Return the legend as HTML: a patch of each color and what it stands for."""
    pairs = zip(kind_colors(names), names, strict=True)
    return " ".join(
        f'<span class="key"><span style="color:{color}">■</span> {text(_words(name))}</span>' for color, name in pairs
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _slices(ds: xr.Dataset, objects: xr.Dataset | None) -> Slices:
    """Return the slice with most pixels of cracks in all scans, else the middle one."""
    named = _named(ds, objects)
    at, cracked = _most_cracked(ds, named)
    count = ds.sizes["scan"]
    edge = int(np.clip(np.sqrt(_BYTES / count), _SMALLEST, _EDGE))
    scan = thinned(count, max(2, _BYTES // edge**2))
    z = ds[AXES[0]]
    shown = [(int(one), at) for one in scan] if count > 1 else [(0, slice_) for slice_ in range(z.size)]
    small = [reduced(_pixels(ds, PREVIEW, *one), edge) for one in shown]
    low, high = _range(np.concatenate([image.ravel() for image in small]))
    images = [
        _bytes(image, _at_the_size_of(image, _filled(ds, objects, named, *one)), low, high)
        for image, one in zip(small, shown, strict=True)
    ]
    unit, places = str(z.attrs.get("units", "px")), [float(z.values[at])] if count > 1 else z.values.tolist()
    return Slices(scan, images, list(named), _place(ds), unit, places, 0 if count > 1 else at, cracked)


def _pixels(ds: xr.Dataset, name: str, scan: int, at: int) -> NDArray[Any]:
    pixels: NDArray[Any] = ds[name].isel(scan=scan, preview_z=at).transpose(*AXES[1:]).values
    return pixels


def _named(ds: xr.Dataset, objects: xr.Dataset | None) -> dict[str, int]:
    """Return a number from 1 on for the name of each kind, at most as many as a byte can tell apart."""
    names = [name for name, value in _flags(ds, PREVIEW_KIND).items() if value > 0]
    if objects is not None and PREVIEW_LABEL in ds:
        present = set(np.unique(objects["kind"].values).tolist()) if "kind" in objects else set()
        names += [name for name, value in _flags(objects, "kind").items() if value in present and name in THIN]
    return {name: number for number, name in enumerate(list(dict.fromkeys(names))[: _KINDS - 1], 1)}


def _flags(ds: xr.Dataset, name: str) -> dict[str, int]:
    """Return ``{name: value}`` of a variable's flags; empty if there are none."""
    if name not in ds or not {"flag_values", "flag_meanings"} <= set(ds[name].attrs):
        return {}
    values = np.ravel(ds[name].attrs["flag_values"])
    return {word: int(value) for word, value in zip(str(ds[name].attrs["flag_meanings"]).split(), values, strict=False)}


def _most_cracked(ds: xr.Dataset, named: dict[str, int]) -> tuple[int, bool]:
    """Return the slice that shows most of the cracks, and whether there are any; else the middle one."""
    flags, middle = _flags(ds, PREVIEW_KIND), ds.sizes[AXES[0]] // 2
    cracks = [flags[name] for name in named if kind_of(name) == "crack" and name in flags]
    if not cracks:
        return middle, False
    kinds = ds[PREVIEW_KIND].transpose("scan", *AXES)
    total = np.zeros(ds.sizes[AXES[0]], np.int64)
    for scan in range(ds.sizes["scan"]):
        total += np.isin(kinds.isel(scan=scan).values, cracks).sum(axis=(1, 2))
    return (int(total.argmax()), True) if total.any() else (middle, False)


def _filled(
    ds: xr.Dataset, objects: xr.Dataset | None, named: dict[str, int], scan: int, at: int
) -> NDArray[np.uint8] | None:
    """Return the number of what fills each pixel; objects that were told apart have their own kind."""
    if not named:
        return None
    order = np.zeros(256, np.uint8)
    for name, value in _flags(ds, PREVIEW_KIND).items():
        order[value] = named.get(name, 0)
    pixels = order[_pixels(ds, PREVIEW_KIND, scan, at)] if PREVIEW_KIND in ds else None
    if objects is None or PREVIEW_LABEL not in ds or not {"kind", "scan", "number"} <= set(objects.variables):
        return pixels
    label = _pixels(ds, PREVIEW_LABEL, scan, at).astype(np.int64)
    own = objects["scan"].values == scan
    of_object = np.zeros(max(int(label.max()), int(objects["number"].values[own].max(initial=0))) + 1, np.uint8)
    for name, value in _flags(objects, "kind").items():
        of_object[objects["number"].values[own & (objects["kind"].values == value)]] = named.get(name, 0)
    told = of_object[label]
    return told if pixels is None else np.where(told > 0, told, pixels)


def _at_the_size_of(image: NDArray[np.float64], filled: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
    """Return every so many pixels one, so that there are as many as in a reduced image."""
    if filled is None or filled.shape == image.shape:
        return filled
    step = -(-max(filled.shape) // max(image.shape))
    rows, columns = (
        np.minimum(np.arange(n) * step + step // 2, m - 1) for n, m in zip(image.shape, filled.shape, strict=True)
    )
    return filled[np.ix_(rows, columns)]


def _bytes(image: NDArray[np.float64], kind: NDArray[np.uint8] | None, low: float, high: float) -> NDArray[np.uint8]:
    """Return kind and grey level of each pixel as one byte; 0 where the grey value is not known.

    Levels rise with the square root of the grey value: void and matrix differ little beside bright particles.
    """
    part = np.clip((np.nan_to_num(image, nan=low) - low) / (high - low), 0, 1)
    packed = 1 + np.rint(np.sqrt(part) * (_LEVELS - 2)) + (0 if kind is None else kind * float(_LEVELS))
    return np.where(np.isfinite(image), packed, 0).astype(np.uint8)


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the range that holds all but the outermost thousandth of the values at either end."""
    known = values[np.isfinite(values)]
    low, high = (float(one) for one in np.percentile(known, [0.1, 99.9])) if known.size else (0.0, 1.0)
    return (low, high) if high > low else (low, low + 1.0)


def _palettes(names: list[str]) -> tuple[list[str], list[str]]:
    """Return the colors of all bytes: in grey, and with what fills the pixels."""
    level = np.clip(np.arange(_LEVELS) - 1, 0, None) / (_LEVELS - 2) * 255
    grey = [f"#{round(one):02x}{round(one):02x}{round(one):02x}" for one in level]
    colored = [*grey]
    for name, color in zip(names, kind_colors(names), strict=True):
        opacity = _OPACITY.get(kind_of(name), _OTHERS)
        rgb = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)])
        mixed = np.rint(opacity * rgb + (1 - opacity) * level[:, None]).astype(int)
        colored += [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in mixed]
    colored += grey * (_KINDS - 1 - len(names))
    return [_NOTHING, *(grey * _KINDS)[1:]], [_NOTHING, *colored[1:]]


def _place(ds: xr.Dataset) -> dict[str, float]:
    y, x = (np.asarray(ds[name].values, float) for name in AXES[1:])
    edges = [float(place[1] - place[0]) if place.size > 1 else 1.0 for place in (y, x)]
    corner = {"y": float(y[0]) - edges[0] / 2, "x": float(x[0]) - edges[1] / 2}
    return {**corner, "dh": edges[0] * y.size, "dw": edges[1] * x.size}


def _picture(shown: Slices, source: Model, palette: list[str]) -> Figure:
    fig = empty_picture(None if shown.unit == "px" else 1.0)
    fig.height = 420
    mapper = models.LinearColorMapper(palette=palette, low=0, high=255)
    fig.image("image", source=source, color_mapper=mapper, **shown.place)
    return fig


def _toggles(names: list[str], active: list[int], fig: Figure, palettes: tuple[list[str], list[str]]) -> Model:
    """Return buttons that show and hide what was found, one by one."""
    style = [models.InlineStyleSheet(css=WRAPPED)]
    labels = [plain(_words(name)) for name in names]
    buttons = models.CheckboxButtonGroup(labels=labels, active=active, stylesheets=style)
    args = {"mapper": fig.renderers[0].glyph.color_mapper, "grey": palettes[0], "overlay": palettes[1]}
    buttons.js_on_change("active", models.CustomJS(args=args, code=_OVERLAY))
    return buttons


def _caption(series: Series, shown: Slices) -> str:
    at = shown.z[shown.first] if shown.across else shown.z[0]
    said = [
        f"Slice of {text(series.name)} at z = {_length(at, shown)}"
        + (", which shows most of the cracks" * shown.cracked)
        + "."
    ]
    if shown.names:
        said[0] = said[0][:-1] + ": grey values and, beside them, what was found."
        said.append("A pixel shows a void or a crack if any of its voxels is one; the buttons hide and show each kind.")
    said.append("Brightness is the square root of the grey value above the lowest.")
    if shown.across:
        said.append(f"The slider goes through {counted(len(shown.z), 'slice')}, evenly spaced.")
    if len(shown.scan) > 1:
        said.append(f"The slider goes through {counted(len(shown.scan), 'scan')}.")
    if len(shown.scan) < series.count:
        said.append(f"They are evenly chosen out of {series.count}.")
    return " ".join(said)


def _length(z: float, shown: Slices) -> str:
    return f"{z:.1f} {'µm' if shown.unit == 'um' else shown.unit}"
