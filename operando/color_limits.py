"""Between which values the colors of a picture change."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def color_limits(values: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Return the range that holds all but the outermost hundredth of the known values at either end."""
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = (float(one) for one in np.percentile(known, [1, 99]))
    return (low, high) if high > low else (low - 0.5, low + 0.5)
