"""Colors of layers: a phase or a void has the color that it has in the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.kind_colors import COLORS, kind_colors

UNKNOWN = "#7F7F7F"
_DARKEST = 0.25
_CLEAR = (0.0, 0.0, 0.0, 0.0)
_MASKS = {"crack_mask": "crack", "void_mask": "void"}


def flag_names(array: xr.DataArray) -> dict[int, str]:
    """Return what the numbers of an array stand for, by its flags; empty if it has none."""
    if not {"flag_values", "flag_meanings"} <= set(array.attrs):
        return {}
    values = [int(value) for value in np.ravel(array.attrs["flag_values"])]
    return dict(zip(values, str(array.attrs["flag_meanings"]).split(), strict=False))


def colors_of(array: xr.DataArray) -> dict[int, str]:
    """Return the color of each number of an array of phases, or of a mask; empty if its numbers count objects.

    Parameters
    ----------
    array
        Numbers with ``flag_values`` and ``flag_meanings``, or a mask.
    """
    names = flag_names(array)
    if names:
        return dict(zip(names, kind_colors(list(names.values())), strict=True))
    if array.dtype.kind == "b":
        return {1: COLORS.get(_MASKS.get(str(array.name), ""), UNKNOWN)}
    return {}


def direct_colormap(colors: Mapping[int, Any]) -> Any:
    """Return a colormap of napari's that gives each number its color; others and 0 are clear."""
    from napari.utils.colormaps import DirectLabelColormap

    table: dict[Any, Any] = {None: _CLEAR, 0: _CLEAR}
    return DirectLabelColormap(color_dict={**table, **colors})


def shades(values: NDArray[np.floating[Any]], name: str = "plasma") -> NDArray[np.float64]:
    """Return colors (value, RGBA) of numbers on a scale from the least to the most of them; grey where not known.

    The darkest part of the scale is left out: it would be lost on a dark image.
    """
    from matplotlib import colormaps

    known = np.isfinite(values)
    low, high = (float(values[known].min()), float(values[known].max())) if known.any() else (0.0, 1.0)
    part = (np.where(known, values, low) - low) / ((high - low) or 1.0)
    colors = np.asarray(colormaps[name](_DARKEST + (1 - _DARKEST) * part), np.float64)
    colors[~known] = (0.5, 0.5, 0.5, 1.0)
    return colors
