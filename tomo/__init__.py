"""Tomographic microscopy: cracks, voids and particles in volumes larger than memory; single ones and whole series."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .classifier import PixelClassifier
    from .costs import check_cost, cost
    from .features import Features, feature_stack

_LAZY: dict[str, str] = {
    "Features": ".features",
    "PixelClassifier": ".classifier",
    "check_cost": ".costs",
    "cost": ".costs",
    "feature_stack": ".features",
}

__all__: list[str] = [
    "Features",
    "PixelClassifier",
    "check_cost",
    "cost",
    "feature_stack",
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
