"""Tomographic microscopy: cracks, voids and particles in volumes larger than memory; single ones and whole series."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cracks import segment_cracks
    from .detection_limits import detection_limit
    from .image_quality import estimate_blur, estimate_noise
    from .plates import plate_filter

_LAZY: dict[str, str] = {
    "detection_limit": ".detection_limits",
    "estimate_blur": ".image_quality",
    "estimate_noise": ".image_quality",
    "plate_filter": ".plates",
    "segment_cracks": ".cracks",
}

__all__ = [
    "detection_limit",
    "estimate_blur",
    "estimate_noise",
    "plate_filter",
    "segment_cracks",
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
