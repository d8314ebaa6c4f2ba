"""Labels of one volume without what no scan shows: planes at the sides left out, lost slices like the nearest one."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.tomo.layout import PLACES


def filled(labels: xr.DataArray) -> tuple[xr.DataArray, int]:
    """Return labels without the planes at the sides most of which is unknown, lost slices like the nearest one.

    Also how many slices are lost in a row, at most.
    """
    known = labels.data != 0
    inside = {}
    for axis, name in enumerate(PLACES):
        seen = np.flatnonzero(known.mean(axis=tuple(other for other in range(3) if other != axis)) >= 0.5)
        inside[name] = slice(seen[0], seen[-1] + 1) if seen.size else slice(None)
    part = labels.isel(inside)
    sound = (part.data != 0).any(axis=(1, 2))
    if sound.all() or not sound.any():
        return part, 0 if sound.any() else int(sound.size)
    there = np.flatnonzero(sound)
    nearest = there[np.abs(np.arange(sound.size)[:, np.newaxis] - there).argmin(axis=1)]
    return part.copy(data=part.data[nearest]), int(np.diff(there).max()) - 1
