"""Tomographic microscopy: cracks, voids and particles in volumes larger than memory; single ones and whole series."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import formats
    from .cracks import segment_cracks
    from .detection_limits import detection_limit
    from .grey_mixtures import threshold_mixture
    from .histograms import histogram
    from .hysteresis_masks import hysteresis
    from .image_quality import estimate_blur, estimate_noise
    from .labels import label
    from .local_thresholds import threshold_local
    from .multi_otsu import threshold_multiotsu
    from .phase_fractions import fractions
    from .phases import segment
    from .plates import plate_filter
    from .reading import read, read_series, reopen
    from .region_measures import regions

_LAZY = {
    "detection_limit": ".detection_limits",
    "estimate_blur": ".image_quality",
    "estimate_noise": ".image_quality",
    "formats": ".formats",
    "fractions": ".phase_fractions",
    "histogram": ".histograms",
    "hysteresis": ".hysteresis_masks",
    "label": ".labels",
    "plate_filter": ".plates",
    "read": ".reading",
    "read_series": ".reading",
    "regions": ".region_measures",
    "reopen": ".reading",
    "segment": ".phases",
    "segment_cracks": ".cracks",
    "threshold_local": ".local_thresholds",
    "threshold_mixture": ".grey_mixtures",
    "threshold_multiotsu": ".multi_otsu",
}

__all__ = [
    "detection_limit",
    "estimate_blur",
    "estimate_noise",
    "formats",
    "fractions",
    "histogram",
    "hysteresis",
    "label",
    "plate_filter",
    "read",
    "read_series",
    "regions",
    "reopen",
    "segment",
    "segment_cracks",
    "threshold_local",
    "threshold_mixture",
    "threshold_multiotsu",
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
