"""One color for each region of images, the same in all figures of a series."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LIGHTEST = 230
"""Of the 256 colors of viridis: lines in lighter ones are lost on white."""


def region_colors(count: int) -> list[str]:
    """Return the colors of ``count`` regions, from dark to light with their numbers."""
    from bokeh.palettes import Viridis256

    return [Viridis256[at] for at in np.linspace(0, _LIGHTEST - 1, max(count, 1)).astype(int)[:count]]


def numbers_of_regions(regions: NDArray[Any]) -> NDArray[np.int64]:
    """Return the numbers of regions, which count from 1; those that have names count in their order."""
    numbered = regions.dtype.kind in "iu" and bool((regions >= 1).all())
    return regions.astype(np.int64) if numbered else np.arange(1, regions.size + 1)


def region_name(region: Any) -> str:
    """Return what a region is called in a legend: its name, or ``region 3``."""
    return region if isinstance(region, str) else f"region {region}"


def colors_of_regions(regions: NDArray[Any]) -> list[str]:
    """Return the colors of some regions, by number or name; the highest number is taken for the last there is."""
    numbers = numbers_of_regions(regions)
    colors = region_colors(int(numbers.max(initial=0)))
    return [colors[number - 1] for number in numbers]
