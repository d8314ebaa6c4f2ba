"""operando: operando X-ray experiments on batteries as one linked, labelled dataset.

Techniques are modules (``from operando import xas``); what links them is here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import OperandoError, OperandoWarning

if TYPE_CHECKING:
    from .change_points import change_point
    from .clock_choices import clock_choices
    from .clock_events import clock_from_events
    from .correlations import correlate
    from .depth_profiles import depth_profile
    from .hysteresis_loops import hysteresis
    from .lags import lag
    from .linking import link
    from .quantities import quantity
    from .query import timeline
    from .store import open

_LAZY = {
    "change_point": ".change_points",
    "clock_choices": ".clock_choices",
    "clock_from_events": ".clock_events",
    "correlate": ".correlations",
    "depth_profile": ".depth_profiles",
    "hysteresis": ".hysteresis_loops",
    "lag": ".lags",
    "link": ".linking",
    "open": ".store",
    "quantity": ".quantities",
    "timeline": ".query",
}

__all__ = [
    "OperandoError",
    "OperandoWarning",
    "change_point",
    "clock_choices",
    "clock_from_events",
    "correlate",
    "depth_profile",
    "hysteresis",
    "lag",
    "link",
    "open",
    "quantity",
    "timeline",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_LAZY]
