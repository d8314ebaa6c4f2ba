"""What a classifier makes of the slice that is shown, tile by tile from the middle of the view on."""

from __future__ import annotations

from itertools import product

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.tomo import PixelClassifier

EDGE = 96
"""Edge of a tile, voxels: one is answered within the time in which nobody waits."""

Tile = dict[str, slice]


def tiles_of(volume: xr.DataArray, dim: str, at: int, middle: dict[str, float]) -> list[Tile]:
    """Return the tiles of a slice across ``dim``, those nearest to ``middle`` (voxels) first."""
    sides = [name for name in map(str, volume.dims) if name != dim]
    starts = product(*(range(0, volume.sizes[name], EDGE) for name in sides))
    tiles = [{name: slice(start, min(start + EDGE, volume.sizes[name])) for name, start in zip(sides, one, strict=True)}
             for one in starts]  # fmt: skip

    def distance(tile: Tile) -> float:
        return float(sum(((one.start + one.stop) / 2 - middle.get(name, 0.0)) ** 2 for name, one in tile.items()))

    return [{dim: slice(at, at + 1), **tile} for tile in sorted(tiles, key=distance)]


def classified_tile(classifier: PixelClassifier, volume: xr.DataArray, tile: Tile) -> NDArray[np.uint8]:
    """Return the classes of a tile, dims (z, y, x), as ``classifier.predict`` has them in the whole volume.

    Only the tile and what lies within the reach of the features is read.
    """
    reach = classifier.features.margin
    window, chunks, place = {}, {}, {}
    for name, side in tile.items():
        low, high = max(0, side.start - reach), min(volume.sizes[name], side.stop + reach)
        window[name] = slice(low, high)
        chunks[name] = tuple(size for size in (side.start - low, side.stop - side.start, high - side.stop) if size)
        place[name] = slice(side.start - low, side.stop - low)
    part = volume.isel(window).compute().chunk(chunks)
    found: NDArray[np.uint8] = classifier.predict(part).isel(place).to_numpy()
    return found
