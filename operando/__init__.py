"""operando: operando X-ray experiments on batteries as one linked, labelled dataset.

Techniques are modules (``from operando import xas``); what links them is here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import OperandoError, OperandoWarning

if TYPE_CHECKING:
    from . import plot
    from .change_points import change_point
    from .clock_events import clock_from_events
    from .clock_trials import clock_choices
    from .correlations import correlate
    from .depth_profiles import depth_profile
    from .hysteresis_loops import hysteresis
    from .joining import join
    from .lags import lag
    from .linking import link
    from .onset_times import onsets
    from .paper import paper_size, paper_style
    from .quantities import quantity
    from .query import timeline
    from .state_values import at
    from .store import open
    from .windows import window

_LAZY = {
    "at": ".state_values",
    "change_point": ".change_points",
    "clock_choices": ".clock_trials",
    "clock_from_events": ".clock_events",
    "correlate": ".correlations",
    "depth_profile": ".depth_profiles",
    "hysteresis": ".hysteresis_loops",
    "join": ".joining",
    "lag": ".lags",
    "link": ".linking",
    "onsets": ".onset_times",
    "open": ".store",
    "paper_size": ".paper",
    "paper_style": ".paper",
    "plot": ".plot",
    "quantity": ".quantities",
    "timeline": ".query",
    "window": ".windows",
}

__all__ = [
    "OperandoError",
    "OperandoWarning",
    "at",
    "change_point",
    "clock_choices",
    "clock_from_events",
    "correlate",
    "depth_profile",
    "hysteresis",
    "join",
    "lag",
    "link",
    "onsets",
    "open",
    "paper_size",
    "paper_style",
    "plot",
    "quantity",
    "timeline",
    "window",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        module = import_module(_LAZY[name], __name__)
        return module if _LAZY[name] == f".{name}" else getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_LAZY]
