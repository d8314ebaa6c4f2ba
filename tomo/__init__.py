"""Tomographic microscopy: cracks, voids and particles in volumes larger than memory; single ones and whole series."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .aperture_tables import aperture_table
    from .apertures import aperture
    from .crack_tables import crack_table
    from .direction_statistics import orientation_distribution
    from .distances import distance
    from .labels import label
    from .object_classes import classify_objects
    from .object_shapes import shapes
    from .orientations import orientation
    from .region_measures import regions
    from .thickness import local_thickness
    from .tracking import track

_LAZY = {
    "aperture": ".apertures",
    "aperture_table": ".aperture_tables",
    "classify_objects": ".object_classes",
    "crack_table": ".crack_tables",
    "distance": ".distances",
    "label": ".labels",
    "local_thickness": ".thickness",
    "orientation": ".orientations",
    "orientation_distribution": ".direction_statistics",
    "regions": ".region_measures",
    "shapes": ".object_shapes",
    "track": ".tracking",
}

__all__ = [
    "aperture",
    "aperture_table",
    "classify_objects",
    "crack_table",
    "distance",
    "label",
    "local_thickness",
    "orientation",
    "orientation_distribution",
    "regions",
    "shapes",
    "track",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_LAZY[name], __name__)
    found = module if _LAZY[name] == f".{name}" else getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*globals(), *_LAZY]
