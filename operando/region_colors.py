"""One color for each region of images, the same in all figures of a series."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LIGHTEST = 230
"""Of the 256 colors of viridis: lines in lighter ones are lost on white."""


def region_colors(count: int) -> list[str]:
    """Return the colors of ``count`` regions, from dark to light with their numbers."""
    from bokeh.palettes import Viridis256

    return [Viridis256[at] for at in np.linspace(0, _LIGHTEST - 1, max(count, 1)).astype(int)[:count]]


def colors_of_regions(numbers: NDArray[np.integer]) -> list[str]:
    """Return the colors of the regions of these numbers, which count from 1; the highest is the last there is."""
    colors = region_colors(int(numbers.max(initial=0)))
    return [colors[number - 1] for number in numbers]
