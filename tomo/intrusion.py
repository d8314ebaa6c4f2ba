"""Simulated mercury intrusion: what spheres fill of a phase that come in from a face of the volume."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .distances import distance
from .grids import Block, each_block, grid_of
from .labels import label

_SHARE = 0.5
_ROUNDING = 1e-3
"""Voxels by which distances of one square root differ."""


Face = tuple[str, int]
"""Dim, and the first (0) or last (-1) layer along it."""


class Intrusion:
    """A phase (z, y, x) that is intruded from its faces by spheres of radii up to ``largest``."""

    def __init__(self, mask: xr.DataArray, edge: float, largest: float) -> None:
        self.mask, self.edge = mask, edge
        self.most = max(1, round((largest / edge) ** 2))
        self.away = distance(mask, largest + edge)
        self.voxels = _number(mask)

    def half_filled(self, faces: Sequence[Face]) -> list[float]:
        """Return the largest radius at which spheres from each face fill half of the phase or more; 0 if none does.

        All faces are halved together, so that where the spheres fit is labeled once for each radius.
        """
        low, high = dict.fromkeys(faces, 0), dict.fromkeys(faces, self.most + 1)
        while any(high[face] - low[face] > 1 for face in faces):
            middle = {face: (low[face] + high[face]) // 2 for face in faces if high[face] - low[face] > 1}
            for square in sorted(set(middle.values())):
                labels = self._middles(square)
                for face in (one for one, wanted in middle.items() if wanted == square):
                    enough = self._filled(labels, square, face) >= _SHARE * self.voxels
                    (low if enough else high)[face] = square
        return [self.edge * math.sqrt(low[face]) for face in faces]

    def _middles(self, square: int) -> xr.DataArray:
        """Return where spheres fit whose radius is the root of a number of voxels: 0, or the number of the piece."""
        fits = self.away >= self.edge * (math.sqrt(square) - _ROUNDING)
        return label(fits & self.mask, connectivity=6)[0]

    def _filled(self, labels: xr.DataArray, square: int, face: Face) -> int:
        """Return how many voxels spheres fill whose middles can be moved to a face."""
        dim, layer = face
        entered = np.unique(labels.isel({dim: layer}).to_numpy())
        entered = entered[entered > 0]
        if not entered.size:
            return 0
        free = labels.copy(data=_isin(labels.data, entered))
        radius = math.sqrt(square)
        reached = distance(~free, self.edge * (radius + 1)) < self.edge * (radius - _ROUNDING)
        return _number(reached & self.mask)


def _isin(labels: Any, entered: NDArray[np.integer]) -> Any:
    chosen = partial(np.isin, test_elements=entered)
    return labels.map_blocks(chosen, dtype=bool) if hasattr(labels, "map_blocks") else chosen(labels)


def _number(mask: xr.DataArray) -> int:
    return int(sum(each_block(_count, [mask.data], grid_of(mask.data), {}, None).values()))


def _count(mask: NDArray[np.bool_], _: Block) -> int:
    return int(np.count_nonzero(mask))
