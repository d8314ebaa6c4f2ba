"""X-ray absorption: reading, normalization and edge energies of spectra and of whole series."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import formats
    from .edge import edge_energy, find_e0
    from .normalization import normalize
    from .reading import read, read_series
    from .signals import signal

_LAZY = {
    "edge_energy": ".edge",
    "find_e0": ".edge",
    "formats": ".formats",
    "normalize": ".normalization",
    "read": ".reading",
    "read_series": ".reading",
    "signal": ".signals",
}

__all__ = ["edge_energy", "find_e0", "formats", "normalize", "read", "read_series", "signal"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_LAZY[name], __name__)
    found = module if name == "formats" else getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*globals(), *_LAZY]
