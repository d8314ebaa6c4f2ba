"""Slices of a volume, small enough for the report, which then needs the volume itself no more."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.history import HISTORY, recorded

from .step import with_result
from .volumes import grey_of

PREVIEW, PREVIEW_KIND, PREVIEW_LABEL = "preview", "preview_kind", "preview_label"
AXES = ("preview_z", "preview_y", "preview_x")
_DIMS = ("scan", *AXES)
THIN = ("void", "contact_loss", "crack")
"""What a pixel shows if any of its voxels does, the last one first: means would lose what is thin."""


def preview(raw: xr.Dataset, processed: xr.Dataset, *, slices: int = 9, edge: int = 400) -> xr.Dataset:
    """Keep some slices of every volume, small enough for the report, with what was found in them."""
    grey = grey_of("preview", raw, processed)
    return with_result(processed, previews(grey, kinds(processed), processed.get("label"), slices=slices, edge=edge))


def previews(
    grey: xr.DataArray,
    filled: xr.DataArray | None = None,
    label: xr.DataArray | None = None,
    *,
    slices: int = 9,
    edge: int = 400,
) -> xr.Dataset:
    """Return evenly spaced slices across z, the middle one among them if their number is odd.

    Parameters
    ----------
    grey
        Grey values, dims (scan, z, y, x), z, y, x in um; lazy or in memory. Only the slices shown are read.
    filled
        What fills each voxel, whole numbers from 0 (unknown) to 255 of the same dims, named in the attributes
        ``flag_values`` and ``flag_meanings``.
    label
        Numbers of objects, 0 outside, of the same dims.
    slices
        Number of slices at most.
    edge
        Pixels a side at most.

    Returns
    -------
    xarray.Dataset
        Dims (scan, preview_z, preview_y, preview_x), places in um: ``preview`` (float32), means of the grey values over
        the voxels of a pixel; ``preview_kind`` (uint8), what fills it: a void, lost contact or a crack if any of its
        voxels is one, else what fills most of it; ``preview_label``, the largest number of an object in it.
    """
    count = min(slices, grey.sizes["z"])
    at = ((np.arange(count) + 0.5) * grey.sizes["z"] / count).astype(np.intp)
    step = max(1, -(-max(grey.sizes["y"], grey.sizes["x"]) // edge))
    chosen = _slices(grey, at)
    attrs = {"units": str(grey.attrs.get("units", "1")), "long_name": "grey value, mean over the voxels of a pixel"}
    found: dict[str, Any] = {PREVIEW: (_DIMS, _each(chosen, step, _means), attrs)}
    if filled is not None:
        named = {name: filled.attrs[name] for name in ("flag_values", "flag_meanings")}
        words = str(named["flag_meanings"]).split()
        thin = [int(np.ravel(named["flag_values"])[words.index(word)]) for word in THIN if word in words]
        pixels = _each(_slices(filled, at), step, _kinds, thin=thin)
        found[PREVIEW_KIND] = (_DIMS, pixels, {"units": "1", "long_name": "what fills the pixel", **named})
    if label is not None:
        about = {"units": "1", "long_name": "number of the object in the pixel, 0 outside"}
        found[PREVIEW_LABEL] = (_DIMS, _each(_slices(label, at), step, _largest), about)
    ds = xr.Dataset(found, {name: (name, *_middles(chosen, name[-1], step)) for name in AXES})
    return recorded(ds, "pipelines.steps.previews.previews", {"slices": slices, "edge": edge}, after=_origin(grey))


def kinds(processed: xr.Dataset) -> xr.DataArray | None:
    """Return what fills each voxel: its phase, over that voids, over that cracks; None where nothing was found.

    Where voids were looked for, what a threshold alone takes for void is unknown.
    """
    layers = [
        (name, processed[mask]) for name, mask in (("void", "void_mask"), ("crack", "crack_mask")) if mask in processed
    ]
    if not layers and "phase_label" not in processed:
        return None
    named: dict[str, int] = {}
    if "phase_label" in processed:
        label = processed["phase_label"].astype(np.uint8)
        values = np.ravel(processed["phase_label"].attrs["flag_values"])
        named = dict(zip(str(processed["phase_label"].attrs["flag_meanings"]).split(), map(int, values), strict=True))
    else:
        label = xr.zeros_like(layers[0][1], dtype=np.uint8)
    if layers and "void" in named:
        label = label.where(label != named["void"], np.uint8(0))
    for name, mask in layers:
        named.setdefault(name, max(named.values(), default=0) + 1)
        label = label.where(~mask.astype(bool), np.uint8(named[name]))
    return label.assign_attrs({"flag_values": list(named.values()), "flag_meanings": " ".join(named)})


def _origin(grey: xr.DataArray) -> xr.Dataset:
    return xr.Dataset(attrs={HISTORY: grey.attrs[HISTORY]} if HISTORY in grey.attrs else {})


def _slices(volume: xr.DataArray, at: NDArray[np.intp]) -> xr.DataArray:
    return volume.isel(z=at).transpose("scan", "z", "y", "x")


def _each(volume: xr.DataArray, step: int, reduce: Any, **settings: Any) -> NDArray[Any]:
    """Return the slices one by one reduced, so that only one of them is in memory at its full size."""
    scans, slices = volume.sizes["scan"], volume.sizes["z"]
    rows = [
        [reduce(_blocks(np.asarray(volume.data[scan, at]), step), **settings) for at in range(slices)]
        for scan in range(scans)
    ]
    return np.array(rows)


def _blocks(image: NDArray[Any], step: int) -> NDArray[Any]:
    """Return the pixels of each square, dims (row, column, pixel); squares at the far sides repeat the last pixels."""
    padded = np.pad(image, [(0, -size % step) for size in image.shape], mode="edge")
    rows, columns = (size // step for size in padded.shape)
    return padded.reshape(rows, step, columns, step).swapaxes(1, 2).reshape(rows, columns, step * step)


def _means(blocks: NDArray[Any]) -> NDArray[np.float32]:
    known = np.isfinite(blocks)
    total, count = np.where(known, blocks, 0).sum(axis=-1, dtype=np.float64), known.sum(axis=-1)
    mean: NDArray[np.float64] = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
    return mean.astype(np.float32)


def _kinds(blocks: NDArray[Any], *, thin: list[int]) -> NDArray[np.uint8]:
    values = np.unique(blocks)
    most = values[np.argmax([(blocks == value).sum(axis=-1) for value in values], axis=0)]
    for value in thin:
        most = np.where((blocks == value).any(axis=-1), value, most)
    found: NDArray[np.uint8] = most.astype(np.uint8)
    return found


def _largest(blocks: NDArray[Any]) -> NDArray[np.integer]:
    found: NDArray[np.integer] = blocks.max(axis=-1)
    return found


def _middles(volume: xr.DataArray, axis: str, step: int) -> tuple[NDArray[np.float64], dict[str, str]]:
    """Return the middles of the pixels along an axis, um, or voxels where the volume has no places."""
    size = volume.sizes[axis]
    place: NDArray[np.float64] = np.arange(size, dtype=np.float64) + 0.5
    if axis in volume.coords:
        place = np.asarray(volume[axis].to_numpy(), np.float64)
    if axis != "z":
        edge = float(place[-1] - place[0]) / (size - 1) if size > 1 else 1.0
        place = float(place[0]) + edge * (step - 1) / 2 + edge * step * np.arange(-(-size // step), dtype=np.float64)
    unit = "um" if axis in volume.coords else "px"
    return place, {"units": unit, "long_name": f"{axis} of the middle of the {'slice' if axis == 'z' else 'pixel'}"}
