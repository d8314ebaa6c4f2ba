"""operando: operando X-ray experiments on batteries as one linked, labelled dataset.

Techniques are modules (``from operando import xas``); what links them is here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import OperandoError, OperandoWarning

if TYPE_CHECKING:
    from .joining import join
    from .linking import link
    from .onset_times import onsets
    from .query import timeline
    from .state_values import at
    from .store import open
    from .windows import window

_LAZY = {
    "at": ".state_values",
    "open": ".store",
    "join": ".joining",
    "link": ".linking",
    "onsets": ".onset_times",
    "timeline": ".query",
    "window": ".windows",
}

__all__ = ["OperandoError", "OperandoWarning", "at", "join", "link", "onsets", "open", "timeline", "window"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_LAZY]
