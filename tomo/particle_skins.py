"""How much void a voxel holds beside a particle, whose blur outshines it: by how far void is from the particle.

There the grey value is g = e + (p - e) P - (e - o) V: P and V are the blurred shares of particle and void, p, e and o
the grey values of particle, matrix and void. With b the share of void in what the particle leaves, V = b (1 - P), and
so V = b (p - g) / (p - e + (e - o) b), whatever the shape of the surface. Where a plane layer of matrix of thickness m
lies between particle and void, b = F(x - m) / F(x) at a distance x from the particle, in standard deviations of an
edge's blur, F the normal distribution. Farther out than 2 of these, V = (e - g + (p - e) F(-x)) / (e - o).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

from .void_kernels import STEP, Floats, Mask, Place, highest, moved, slope_at, value_at

FINE = 0.25
"""Steps along a line from a particle into void, voxels."""
CLEAR = 2.0
"""Beyond so far from a particle its share is small enough to be taken off, standard deviations of an edge's blur."""
DEEP = 2.5
"""How deep in a particle no void is felt, standard deviations of an edge's blur."""
SEEN, SURE = 0.05, 0.4
"""Depths of void, its share in the smoothed volume, between which ``b`` rises to what layers of a wide void tell."""
BETWEEN = 6**-0.5
"""Standard deviation, voxels, of what values between voxels, linear along each axis, are blurred by on average."""
LEAST_RISE = 0.1
"""Over how much of depth ``b`` rises at least, where noise alone seems as deep as that."""
RATIOS = np.exp(np.linspace(math.log(0.5), math.log(40.0), 12))
"""Contrasts of particles over those of void, to the matrix, of which layers are known."""
LAYERS = np.arange(0, 4.51, 0.25)
"""Thickness of layers, standard deviations of an edge's blur."""

Table = NDArray[np.float64]


@lru_cache(maxsize=8)
def void_begins(sigma: float, smoothing: float) -> Table:
    """Return how far from a particle void seems to begin that lies behind a layer, voxels, dims (ratio, layer).

    That is where the smoothed share of void, cut off at 0, is one half, on planes blurred by ``sigma``.
    """
    from scipy.ndimage import gaussian_filter1d
    from scipy.special import ndtr

    step = sigma / 32
    smoothing = math.hypot(smoothing, BETWEEN)
    x = np.arange(-10 * sigma, 16 * sigma, step)
    begins = np.empty((RATIOS.size, LAYERS.size))
    for row, ratio in enumerate(RATIOS):
        for column, layer in enumerate(LAYERS):
            share = ndtr(x / sigma - layer) - ratio * ndtr(-x / sigma)
            depth = gaussian_filter1d(np.maximum(share, 0), smoothing / step, mode="nearest")
            between = gaussian_filter1d(share, BETWEEN / step, mode="nearest")
            begins[row, column] = _reaches(depth, 0.5, x) - _reaches(between, -ratio / 2, x)
    return np.maximum.accumulate(begins, axis=1)


def _reaches(values: Table, level: float, x: Table) -> float:
    """Return where values first reach a level."""
    after = int(np.argmax(values >= level))
    part = (level - values[after - 1]) / (values[after] - values[after - 1])
    return float(x[after - 1] + part * (x[after] - x[after - 1]))


@compiled
def normal_share(x: float) -> float:
    """Return the share of a standard normal distribution below a number."""
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


@compiled
def layer_of(begins: Table, ratios: Table, layers: Table, ratio: float, begin: float) -> float:
    """Return how thick the layer is behind which void seems to begin so far from a particle; linear in the table."""
    last = ratios.size - 1
    at = math.log(ratio / ratios[0]) / math.log(ratios[last] / ratios[0]) * last
    row = min(max(int(at), 0), last - 1)
    part = min(max(at - row, 0.0), 1.0)
    before = (1 - part) * begins[row, 0] + part * begins[row + 1, 0]
    if begin <= before:
        return 0.0
    for column in range(1, layers.size):
        here = (1 - part) * begins[row, column] + part * begins[row + 1, column]
        if begin <= here:
            found: float = layers[column - 1] + (layers[column] - layers[column - 1]) * (begin - before) / (
                here - before
            )
            return found
        before = here
    most: float = layers[layers.size - 1]
    return most


@compiled
def surface_at(grey: Floats, place: Place, way: Place, level: float, reaches: tuple[float, float]) -> float:
    """Return how far uphill grey values cross a level, voxels; below 0: downhill; not a number beyond ``reaches``."""
    up, down = reaches
    before, at = value_at(grey, place[0], place[1], place[2]), 0.0
    step, limit = (STEP, up) if before < level else (-STEP, down)
    while abs(at) < limit:
        at += step
        z, y, x = moved(place, way, at)
        here = value_at(grey, z, y, x)
        if (here < level) != (before < level):
            return at - step * (here - level) / (here - before)
        before = here
    return math.nan


@compiled
def void_beyond(dark: Floats, place: Place, way: Place, surface: float, far: float) -> tuple[float, float]:
    """Return how deep void beyond a surface is, and how far from it void is half as deep, voxels."""
    peak, at = 0.0, surface
    while at > surface - far:
        z, y, x = moved(place, way, at)
        peak = max(peak, value_at(dark, z, y, x))
        at -= STEP
    half, at = 0.5 * min(peak, 1.0), surface + STEP
    z, y, x = moved(place, way, at)
    before = value_at(dark, z, y, x)
    if before >= half:
        return peak, 0.0
    while at > surface - far:
        at -= FINE
        z, y, x = moved(place, way, at)
        here = value_at(dark, z, y, x)
        if here >= half:
            return peak, surface - at - FINE * (here - half) / (here - before)
        before = here
    return peak, far


@compiled
def correct_beside_particles(  # noqa: PLR0917
    grey: Floats,
    soft: Floats,
    dark: Floats,
    near: Mask,
    levels: tuple[float, float, float],
    blurs: tuple[float, float, float],
    tables: tuple[Table, Table, Table],
    share: Floats,
) -> None:
    """Correct the share of void where particles brighter than the matrix are near.

    Parameters
    ----------
    grey, soft
        Grey values, and smoothed ones, which tell the way to the particle and its level.
    dark
        Share of void, cut off at 0, of the smoothed volume.
    near
        Where to look.
    levels
        Grey values of matrix and void, and what only particles exceed.
    blurs
        Standard deviation of an edge's blur, how far that is felt, voxels, and how deep noise alone may seem.
    tables
        As :func:`void_begins` gives it, and its ratios and layers.
    """
    sigma, reach, noise = blurs
    depth, height, width = grey.shape
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                if near[z, y, x]:
                    place, way = (float(z), float(y), float(x)), slope_at(soft, z, y, x)
                    uphill = highest(soft, place, way, reach) > levels[2]
                    if not uphill:
                        if dark[z, y, x] <= noise:
                            continue
                        way = (-way[0], -way[1], -way[2])
                        if highest(soft, place, way, reach) <= levels[2]:
                            continue
                    raw = share[z, y, x]
                    top = highest(soft, place, way, reach + 2)
                    surface = surface_at(grey, place, way, (top + levels[0]) / 2, (reach + 2, DEEP * sigma + STEP))
                    share[z, y, x] = (
                        max(raw, 0.0)
                        if math.isnan(surface)
                        else void_at_surface(dark, place, way, (raw, top, surface), uphill, levels, blurs, tables)
                    )


@compiled
def void_at_surface(  # noqa: PLR0917
    dark: Floats,
    place: Place,
    way: Place,
    known: tuple[float, float, float],
    uphill: bool,
    levels: tuple[float, float, float],
    blurs: tuple[float, float, float],
    tables: tuple[Table, Table, Table],
) -> float:
    """Return the share of void of a voxel on a line through a particle's surface.

    ``known`` are its share if there were no particle, the particle's grey value, and how far uphill its surface is.
    The surface is where the grey value is halfway to the matrix, which void beside it moves inward.
    """
    (raw, top, surface), (matrix, void, _), (sigma, reach, noise) = known, levels, blurs
    ratio, away = (top - matrix) / (matrix - void), surface / sigma
    clear = raw + ratio * normal_share(-away)
    if away > CLEAR + 1:
        return clear
    if away < -DEEP:
        return 0.0
    if not uphill:
        return clear if away > 1 else max(raw, 0.0)
    # No farther from the voxel than blocks have margins for.
    peak, begin = void_beyond(dark, place, way, surface, reach + 2 + min(surface, 0.0))
    trust = min(max((peak - noise) / max(SURE - noise, LEAST_RISE), 0.0), 1.0)
    layer = layer_of(tables[0], tables[1], tables[2], ratio, begin)
    if trust > 0:
        away -= math.sqrt(2 * math.pi) * normal_share(-layer) / (ratio + math.exp(-layer * layer / 2))
    if away > CLEAR:
        return raw + ratio * normal_share(-away)
    if trust == 0 or away < -DEEP - 1:
        return 0.0
    part = trust * normal_share(away - layer) / normal_share(away)
    return part * (ratio + raw) / (ratio + part)
