"""Tomographic microscopy: cracks, voids and particles in volumes larger than memory; single ones and whole series."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .denoising import denoise
    from .grey_matching import match_grey
    from .phase_retrieval import Paganin
    from .reconstruction import reconstruct
    from .registration import register
    from .resampling import align
    from .rings import remove_rings

_LAZY: dict[str, str] = {
    "Paganin": ".phase_retrieval",
    "align": ".resampling",
    "denoise": ".denoising",
    "match_grey": ".grey_matching",
    "reconstruct": ".reconstruction",
    "register": ".registration",
    "remove_rings": ".rings",
}

__all__ = [
    "Paganin",
    "align",
    "denoise",
    "match_grey",
    "reconstruct",
    "register",
    "remove_rings",
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
