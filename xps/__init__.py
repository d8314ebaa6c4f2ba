"""X-ray photoelectron spectroscopy: from counts to products, shifts and layers; single spectra and whole series."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import formats
    from .formats.casaxps import casaxps_components
    from .reading import read, read_series

_LAZY = {
    "casaxps_components": ".formats.casaxps",
    "formats": ".formats",
    "read": ".reading",
    "read_series": ".reading",
}

_MODULES = ("formats",)

__all__ = [
    "casaxps_components",
    "formats",
    "read",
    "read_series",
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
