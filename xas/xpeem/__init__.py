"""Photoemission electron microscopy: from stacks of images to drift, spectra of regions and maps of every pixel."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import formats, plot
    from .alignment import align
    from .clustering import clusters
    from .correction import correct
    from .dispersion import correct_dispersion
    from .image_drift import drift
    from .pixel_maps import maps
    from .reading import read, read_series, reopen
    from .region_drawing import drawn_regions
    from .region_finding import labelled, regions
    from .region_spectra import counting_noise, spectra

_LAZY = {
    "align": ".alignment",
    "clusters": ".clustering",
    "correct": ".correction",
    "correct_dispersion": ".dispersion",
    "counting_noise": ".region_spectra",
    "drawn_regions": ".region_drawing",
    "drift": ".image_drift",
    "formats": ".formats",
    "labelled": ".region_finding",
    "maps": ".pixel_maps",
    "plot": ".plot",
    "read": ".reading",
    "read_series": ".reading",
    "regions": ".region_finding",
    "reopen": ".reading",
    "spectra": ".region_spectra",
}

_MODULES = ("formats", "plot")

__all__ = [
    "align",
    "clusters",
    "correct",
    "correct_dispersion",
    "counting_noise",
    "drawn_regions",
    "drift",
    "formats",
    "labelled",
    "maps",
    "plot",
    "read",
    "read_series",
    "regions",
    "reopen",
    "spectra",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_LAZY[name], __name__)
    found = module if name in _MODULES else getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*globals(), *_LAZY]
