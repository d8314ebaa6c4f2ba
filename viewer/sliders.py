"""The sliders of the viewer by name: which scan, which slice is shown, and going to others."""

from __future__ import annotations

from typing import Any

import numpy as np

from .layers import about


def has(layer: Any, name: str) -> bool:
    """Whether a layer that operando opened has several places along an axis, such as ``scan``."""
    return name in about(layer).get("axes", ()) and name in about(layer)["array"].dims


def axis(viewer: Any, layer: Any, name: str) -> int:
    """Return the number of the viewer's slider for an axis of a layer."""
    return int(viewer.dims.ndim - layer.ndim + list(about(layer)["axes"]).index(name))


def place(viewer: Any, layer: Any, name: str) -> int:
    """Return which place along an axis of a layer is shown, from 0; the nearest one that the layer has."""
    at = axis(viewer, layer, name)
    own = at - (viewer.dims.ndim - layer.ndim)
    number = (viewer.dims.point[at] - layer.translate[own]) / layer.scale[own]
    return int(np.clip(np.rint(number), 0, about(layer)["array"].sizes[name] - 1))


def go(viewer: Any, layer: Any, name: str, number: int) -> None:
    """Move the slider of an axis to a place of a layer, from 0."""
    at = axis(viewer, layer, name)
    own = at - (viewer.dims.ndim - layer.ndim)
    viewer.dims.set_point(at, float(layer.translate[own] + number * layer.scale[own]))


def series_of(layer: Any) -> str:
    """Return the series that a layer of a store belongs to, such as ``xtm/composite``; empty for others."""
    return str(about(layer).get("node", "")).rpartition("/")[0]
