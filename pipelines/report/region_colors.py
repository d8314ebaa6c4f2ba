"""One color for each region, the same in all figures of a series."""

from __future__ import annotations

import numpy as np
from bokeh.palettes import Viridis256

_DARK_ENOUGH = Viridis256[:230]


def region_colors(count: int) -> list[str]:
    """Return the colors of ``count`` regions, from dark to light with their numbers."""
    return [_DARK_ENOUGH[at] for at in np.linspace(0, len(_DARK_ENOUGH) - 1, max(count, 1)).astype(int)[:count]]
