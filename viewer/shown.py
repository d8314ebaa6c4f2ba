"""What of a layer is shown: its volume at the place of the sliders, and where results of it go."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.tomo.layout import PLACES

from .layers import ABOUT, about, array_of

CHUNK = 128
"""Edge of the blocks that a volume in memory is worked on in, so that the work can be canceled between them."""
_MICRO = ("um", "µm", "micrometer", "micron")


def volumes_of(layer: Any) -> xr.DataArray:
    """Return the volumes of a layer, dims (..., z, y, x) with places in um where they are known, else in voxels.

    Raises
    ------
    OperandoError
        If there is no layer, or it has no volume.
    """
    if layer is None:
        raise OperandoError("viewer: expected a layer with a volume, got none; open a store or a volume first")
    array = array_of(layer)
    if not set(PLACES) <= set(map(str, array.dims)):
        dims = ", ".join(map(str, array.dims))
        raise OperandoError(
            f"{layer.name}: expected a volume along z, y and x, got the dims {dims}; choose another layer"
        )
    return array if about(layer) else _placed(array, layer)


def _placed(array: xr.DataArray, layer: Any) -> xr.DataArray:
    """Return an array with the places that a layer of somebody else's states in micrometers."""
    scale = np.asarray(layer.scale, float)[-len(PLACES) :]
    units = [str(unit) for unit in tuple(getattr(layer, "units", ()))[-len(PLACES) :]]
    if not units or not set(units) <= set(_MICRO):
        return array
    text = {"units": "um"}
    return array.assign_coords(
        {
            name: (name, (np.arange(array.sizes[name]) + 0.5) * step, {**text, "long_name": f"{name} of the voxel"})
            for name, step in zip(PLACES, scale, strict=True)
        }
    )


def axes_of(layer: Any) -> tuple[str, ...]:
    """Return the names of a layer's axes."""
    return tuple(about(layer).get("axes", tuple(map(str, array_of(layer).dims))))


def here(viewer: Any, layer: Any) -> dict[str, int]:
    """Return the place that the viewer shows, by the dims of what a layer holds: whole numbers within it."""
    array = array_of(layer)
    names = axes_of(layer)
    point = np.asarray(viewer.dims.point, float)[-layer.ndim :]
    places = np.rint(np.asarray(layer.world_to_data(point), float)).astype(int)
    return {
        name: int(np.clip(place, 0, array.sizes[name] - 1))
        for name, place in zip(names, places, strict=True)
        if name in array.dims
    }


def volume_here(viewer: Any, layer: Any) -> xr.DataArray:
    """Return the one volume (z, y, x) of a layer that the viewer shows; coordinates of its scan are kept."""
    volumes_of(layer)
    return volume_at(layer, here(viewer, layer))


def volume_at(layer: Any, at: dict[str, int]) -> xr.DataArray:
    """Return one volume (z, y, x) of a layer, such as that of a scan."""
    volumes = volumes_of(layer)
    chosen = {name: place for name, place in at.items() if name in volumes.dims and name not in PLACES}
    return volumes.isel(chosen).transpose(*PLACES)


def across(viewer: Any, layer: Any) -> str:
    """Return the dim of a volume, ``z``, ``y`` or ``x``, that the slice which is shown lies across."""
    names = axes_of(layer)
    hidden = [axis - (viewer.dims.ndim - layer.ndim) for axis in viewer.dims.not_displayed]
    return next((names[axis] for axis in hidden if axis >= 0 and names[axis] in PLACES), "z")


def middle_of_view(viewer: Any, layer: Any) -> dict[str, float]:
    """Return where in a layer the middle of the view lies, voxels, along the dims that are shown."""
    names, skipped = axes_of(layer), viewer.dims.ndim - layer.ndim
    shown = [axis - skipped for axis in viewer.dims.displayed]
    places = np.asarray(viewer.scene.camera.center, float)[-len(shown) :]
    return {
        names[axis]: float((place - layer.translate[axis]) / layer.scale[axis])
        for axis, place in zip(shown, places, strict=True)
    }


def lazily(volume: xr.DataArray) -> xr.DataArray:
    """Return a volume in blocks, so that what is made of it shows progress and can be canceled between them."""
    return volume if volume.chunks is not None else volume.chunk(dict.fromkeys(PLACES, CHUNK))


def add_beside(
    viewer: Any, layer: Any, array: xr.DataArray, name: str, at: dict[str, int] | None = None, **style: Any
) -> Any:
    """Show an image or labels of one volume of a layer in its place; one of the same name is replaced.

    Parameters
    ----------
    array
        Dims (z, y, x), or some of them where it is a slice of the one that is shown; whole numbers and truth values
        become labels.
    at
        The place (:func:`here`) that the volume, or the slice, was taken from; by default the one that is shown now.
    style
        Of the layer, such as ``colormap``.
    """
    axes = axes_of(layer)
    at = here(viewer, layer) if at is None else at
    data = array.transpose(*(axis for axis in axes if axis in array.dims)).data
    data = data[tuple(slice(None) if axis in array.dims else None for axis in axes)]
    translate = np.array(layer.translate, float)
    for number, axis in enumerate(axes):
        if axis in at and axis not in array.dims:
            translate[number] += at[axis] * layer.scale[number]
    known = {key: value for key, value in about(layer).items() if key in ("source", "is_store", "node")}
    known |= {"variable": str(array.name or name), "array": array, "axes": tuple(axes), "untouched": None}
    options: dict[str, Any] = {
        "name": name,
        "scale": layer.scale,
        "translate": translate,
        "units": layer.units,
        "axis_labels": layer.axis_labels,
        "metadata": {ABOUT: known},
        **style,
    }
    data = data.astype(np.uint8) if data.dtype.kind == "b" else data
    before = next((one for one in viewer.layers if one.name == name), None)
    alike = before is not None and (type(before).__name__ == "Labels") == (data.dtype.kind in "iu")
    if before is not None and alike and before.data.shape == data.shape and before.data.dtype == data.dtype:
        return _renewed(before, data, options)
    remove(viewer, name)
    active = viewer.layers.selection.active
    made = viewer.add_labels(data, **options) if data.dtype.kind in "iu" else viewer.add_image(data, **options)
    # What the user works on, such as a layer that is being painted, stays the one that is worked on.
    viewer.layers.selection.active = active if active in viewer.layers else made
    return made


def _renewed(layer: Any, data: Any, options: dict[str, Any]) -> Any:
    """Give a layer other data and another place: it stays where it is in the list, and as visible as it is."""
    layer.data = data
    for name, value in options.items():
        if name not in ("name", "axis_labels", "units", "scale"):
            setattr(layer, name, value)
    return layer


def remove(viewer: Any, name: str) -> None:
    """Take a layer away if there is one of that name."""
    if name in viewer.layers:
        viewer.layers.remove(name)
