"""The edge of a voxel as TIFF files state it: resolution tags, and what ImageJ and OME write into the description."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from operando.errors import OperandoError
from operando.units import factor

from .tiff_pages import told

_UNITS = {
    "micron": "um",
    "microns": "um",
    "µm": "um",
    "μm": "um",
    "\\u00b5m": "um",
    "inch": "inch",
    "reference frame": "",
}
_TAGGED = {2: "inch", 3: "cm"}
_COARSEST = 200.0
"""Edges above this (um) are the resolution of a screen or a printer (72 per inch), which many programs write."""
_PRINTED = 1200

Edges = tuple[float, float, float]


def voxel(path: Path, file: Any) -> tuple[Edges | None, list[str]]:
    """Return the edges along z, y, x in um that a file states, None if it does not, and what was assumed."""
    with told(path):
        stated = _of_ome(file) if file.is_ome else _of_tags(file)
    if stated is None:
        return None, []
    z, y, x = stated
    if z is None:
        return (y, y, x), ["the file states no distance between the slices; it is taken to be the edge of a pixel"]
    return (z, y, x), []


def _of_tags(file: Any) -> tuple[float | None, float, float] | None:
    tags, described = file.pages[0].tags, file.imagej_metadata or {}
    across = [_per_unit(tags, name) for name in ("YResolution", "XResolution")]
    if None in across:
        return None
    said = str(described.get("unit", "")).strip().lower()
    unit = _UNITS.get(said, said) or _TAGGED.get(int(tags.valueof("ResolutionUnit", 2)), "")
    length = in_um(unit)
    if length is None or (not said and unit == "inch" and all(_printed(value) for value in across)):
        return None
    y, x = (length / value for value in across if value)
    if max(y, x) > _COARSEST:
        return None
    spacing = described.get("spacing")
    known = isinstance(spacing, int | float) and 0 < spacing < math.inf
    return (float(spacing) * length if known and spacing is not None else None), y, x


def _per_unit(tags: Any, name: str) -> float | None:
    """Return pixels per unit."""
    value = tags.valueof(name)
    if not isinstance(value, tuple) or len(value) != 2 or not (value[0] and value[1]):
        return None
    return float(value[0] / value[1])


def _printed(value: float | None) -> bool:
    return value is not None and value <= _PRINTED and abs(value - round(value)) < 1e-6


def in_um(unit: str) -> float | None:
    """Return a unit of length in um; None if it is no length."""
    try:
        return factor(unit, "um") if unit else None
    except OperandoError:
        return None


def _of_ome(file: Any) -> tuple[float | None, float, float] | None:
    import tifffile

    described = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
    pixels = (described[0] if isinstance(described, list) else described)["Pixels"]
    edges = [_physical(pixels, axis) for axis in "ZYX"]
    if edges[1] is None or edges[2] is None:
        return None
    return edges[0], edges[1], edges[2]


def _physical(pixels: dict[str, Any], axis: str) -> float | None:
    value = pixels.get(f"PhysicalSize{axis}")
    said = str(pixels.get(f"PhysicalSize{axis}Unit", "um")).lower()
    length = in_um(_UNITS.get(said, said))
    usable = isinstance(value, int | float) and 0 < value < math.inf
    return float(value) * length if usable and length is not None and value is not None else None
