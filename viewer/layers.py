"""Arrays as layers of napari: places, units, names and colors. Knows no window and opens no file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from operando.plot import unit_label

from .colors import colors_of, direct_colormap, flag_names
from .levels import in_pieces, strided

AXES = ("scan", "energy", "z", "y", "x")
"""What the dims of the viewer can be, in their order; layers that lack one that others have are shown all along it."""
ABOUT = "operando"
"""The key of a layer's ``metadata`` under which it is written where the layer is from."""
_NUMBERS = ("label", "region_label", "particle_label", "objects")
_SHARES = ("fraction", "share")
_PIXEL = "pixel"
_SAMPLED = 200_000

LayerData = tuple[Any, dict[str, Any], str]


@dataclass(frozen=True)
class View:
    """What is to be shown as a layer.

    Parameters
    ----------
    array
        Dims among :data:`AXES`, y and x among them; may be lazy.
    title
        The layer's name.
    levels
        Coarser levels as they lie in the files; by default every so many voxels.
    visible
        Whether it is shown at first.
    about
        Where it is from: ``source`` (path), ``is_store``, ``node``, ``variable``.
    limits
        Values that are black and white; by default from a part of the middle slice.
    """

    array: xr.DataArray
    title: str
    levels: Sequence[Any] | None = None
    visible: bool = True
    about: dict[str, Any] = field(default_factory=dict)
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class _Place:
    """Where the voxels lie along an axis: the middle of the first, the distance to the next."""

    first: float
    step: float
    units: str
    size: int

    @property
    def ends(self) -> tuple[float, float]:
        return self.first - self.step / 2, self.first + (self.size - 0.5) * self.step


def layers_of(views: Iterable[View]) -> list[LayerData]:
    """Return layers that share their axes: scan, energy, z, y, x as far as any of them has them."""
    listed = list(views)
    axes = tuple(axis for axis in AXES if any(axis in view.array.dims for view in listed))
    world = {axis: _longest([_place(view.array, axis) for view in listed if axis in view.array.dims]) for axis in axes}
    return [_layer(view, axes, world) for view in listed]


def about(layer: Any) -> dict[str, Any]:
    """Return where a layer is from; empty if operando has not opened it.

    ``array`` is the labelled array as it was opened, ``axes`` are the names of the layer's axes, ``untouched`` is what
    dask calls its data as long as nothing was painted into it.
    """
    found = layer.metadata.get(ABOUT) if hasattr(layer, "metadata") else None
    return found if isinstance(found, dict) else {}


def array_of(layer: Any) -> xr.DataArray:
    """Return what a layer holds as a labelled array in its own dims, with places (um) and the scans' coordinates.

    What was painted into a layer of labels is in it.
    """
    known = about(layer)
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    if not known:
        names = AXES[-data.ndim :] if data.ndim <= len(AXES) else [f"axis_{at}" for at in range(data.ndim)]
        return xr.DataArray(data, dims=names, name=layer.name)
    array: xr.DataArray = known["array"]
    if known["untouched"] is not None and getattr(data, "name", None) == known["untouched"]:
        return array
    shown = xr.DataArray(data, dims=known["axes"])
    own = shown.isel({axis: 0 for axis in known["axes"] if axis not in array.dims}).transpose(*array.dims)
    return array.copy(data=own.data)


def _layer(view: View, axes: Sequence[str], world: dict[str, _Place]) -> LayerData:
    array = view.array.transpose(*(axis for axis in axes if axis in view.array.dims))
    places = [_place(array, axis) if axis in array.dims else _covering(world[axis]) for axis in axes]
    kind, style = _style(array, view.limits)
    pieces = array.copy(data=in_pieces(array.data))
    coarser = strided(pieces) if view.levels is None else view.levels
    levels = [_expanded(level, array.dims, axes, kind) for level in (pieces.data, *coarser)]
    known = {**view.about, "array": array, "axes": tuple(axes), "untouched": getattr(levels[0], "name", None)}
    options: dict[str, Any] = {
        "name": view.title,
        "scale": [place.step for place in places],
        "translate": [place.first for place in places],
        "units": [place.units for place in places],
        "axis_labels": list(axes),
        "visible": view.visible,
        "metadata": {ABOUT: known},
        "multiscale": len(levels) > 1,
        **style,
    }
    return (levels if len(levels) > 1 else levels[0]), options, kind


def _style(array: xr.DataArray, limits: tuple[float, float] | None) -> tuple[str, dict[str, Any]]:
    colors = colors_of(array)
    if colors:
        return "labels", {"colormap": direct_colormap(colors), "opacity": 0.6, "features": _features(array)}
    if array.dtype.kind in "iub" and str(array.name) in _NUMBERS:
        return "labels", {"opacity": 0.8}
    if limits is None:
        limits = (0.0, 1.0) if str(array.name).endswith(_SHARES) else _limits(array)
    low, high = limits
    colormap = "gray" if str(array.name) in ("grey", "counts", "image", "aligned", "preview") else "viridis"
    return "image", {"colormap": colormap, "contrast_limits": (low, high), "blending": "translucent_no_depth"}


def _features(array: xr.DataArray) -> Any:
    """Return a table from which napari says under the cursor what a number stands for."""
    import pandas as pd

    names = flag_names(array) or {1: str(array.name).removesuffix("_mask")}
    return pd.DataFrame({"index": [0, *names], "phase": ["", *names.values()]})


def _limits(array: xr.DataArray) -> tuple[float, float]:
    """Return what holds all but the outermost values of a part of the middle slice, which will be shown first."""
    middle = array.isel({axis: array.sizes[axis] // 2 for axis in array.dims if axis not in ("y", "x")})
    by = max(1, int(np.sqrt(middle.size / _SAMPLED)))
    values = np.asarray(middle[::by, ::by].values, dtype=float)
    values = values[np.isfinite(values)]
    cut = 0.1 if array.dtype.kind in "iu" else 2.0
    low, high = np.percentile(values, [cut, 100 - cut]) if values.size else (0.0, 1.0)
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)


def _expanded(data: Any, dims: Sequence[Any], axes: Sequence[str], kind: str) -> Any:
    """Return data with an axis of one for each that it lacks; labels of yes and no are numbers."""
    out = data[tuple(slice(None) if axis in dims else None for axis in axes)]
    return out.astype(np.uint8) if kind == "labels" and out.dtype.kind == "b" else out


def _place(array: xr.DataArray, axis: str) -> _Place:
    size = array.sizes[axis]
    if axis in ("z", "y", "x") and axis in array.coords and str(array[axis].attrs.get("units", "")) == "um":
        values = np.asarray(array[axis].values, float)
        step = float(values[1] - values[0]) if size > 1 else 2 * float(values[0]) or 1.0
        return _Place(float(values[0]), step, "um", size)
    if axis in ("y", "x") and "pixel_size" in array.coords:
        step = float(np.ravel(array["pixel_size"].values)[0])
        if np.isfinite(step) and step > 0:
            return _Place(step / 2, step, "um", size)
    return _Place(0.0, 1.0, _PIXEL, size)


def _longest(places: Sequence[_Place]) -> _Place:
    return max(places, key=lambda place: place.ends[1] - place.ends[0])


def _covering(place: _Place) -> _Place:
    """Return the place of one voxel that lies all along an axis."""
    low, high = place.ends
    return _Place((low + high) / 2, high - low, place.units, 1)


def title(node: str, array: xr.DataArray, choice: str = "") -> str:
    """Return the name of a layer: of its series, its variable and, of several, the choice."""
    unit = unit_label(str(array.attrs.get("units", "")))
    words = str(array.name).replace("_", " ") + (f" ({unit})" if unit else "")
    return " · ".join(part for part in (node.rpartition("/")[2] or node, words, choice) if part)
