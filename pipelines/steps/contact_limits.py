"""How wide a gap must be for lost contact to be found: simulated particles with a gap, worked up as the volumes are."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

from .moved_thresholds import Phases

WIDTHS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0)
"""Of the simulated gaps, voxels."""
_ANGLE = np.deg2rad(60)
"""From the middle of a gap to its rim, seen from the middle of the particle: a quarter of the surface."""
_LOST = (1 - math.cos(_ANGLE)) / 2
_BEYOND = 7
_HALF = 0.5
_SEED = 1

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Gaps:
    """What is found of the contact that gaps of each width (voxels) take away, and the width at which half of it is.

    ``found`` and ``found_std`` are shares of the contact lost; the limit is NaN where half is never found.
    """

    found: Floats
    found_std: Floats
    limit: float
    limit_std: float


def simulated_gaps(
    phases: Phases,
    kinds: tuple[int, int, int],
    measure: Callable[[Phases], float],
    *,
    blur: float,
    noise: float,
    radius: float,
    repeats: int,
) -> Gaps:
    """Return what ``measure``, the share of a body's surface in contact, finds of the contact that gaps take away.

    Parameters
    ----------
    phases
        Of a volume, whose thresholds and grey levels the simulated ones have.
    kinds
        Labels of the body, of the phase that it touches, and of what fills the gaps.
    blur, radius
        Of edges (standard deviation) and of the particle, voxels.
    noise
        Standard deviation of a voxel, grey levels.

    Notes
    -----
    Gaps of one width cover a quarter of the particle's surface; places, directions and noise differ. What is found of
    no gap is taken off. Where real gaps thin out toward their rims, less is found.
    """
    rng = np.random.default_rng(_SEED)
    shares = np.array(
        [
            [measure(_phases(phases, _grey(phases, kinds, width, blur, noise, radius, rng))) for _ in range(repeats)]
            for width in (0.0, *WIDTHS)
        ]
    )
    whole, seen = shares[0].mean(), shares[1:]
    found = (whole - seen.mean(axis=1)) / _LOST
    std = np.hypot(seen.std(axis=1, ddof=1), shares[0].std(ddof=1)) / (_LOST * math.sqrt(repeats))
    return Gaps(found, std, *_crossing(np.concatenate([[0.0], found]), np.concatenate([[0.0], std])))


def _crossing(found: Floats, std: Floats) -> tuple[float, float]:
    """Return the width at which half is found, and its standard error."""
    width = np.array([0.0, *WIDTHS])
    above = np.flatnonzero(found >= _HALF)
    if not above.size:
        return math.nan, math.nan
    at = above[0]
    slope = (found[at] - found[at - 1]) / (width[at] - width[at - 1])
    return float(width[at - 1] + (_HALF - found[at - 1]) / slope), float(max(std[at - 1], std[at]) / slope)


def _grey(  # noqa: PLR0917
    phases: Phases,
    kinds: tuple[int, int, int],
    width: float,
    blur: float,
    noise: float,
    radius: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return grey levels of a particle with a gap; voxels hold the shares that their middles' distances tell."""
    body, around, gap = (float(phases.levels[kind - 1]) for kind in kinds)
    edge = 2 * math.ceil(radius + _BEYOND)
    away = np.indices((edge,) * 3) - (edge - 1) / 2 - rng.uniform(-0.5, 0.5, (3, 1, 1, 1))
    distance = np.linalg.norm(away, axis=0)
    toward = rng.normal(size=3)
    along = np.tensordot(toward / np.linalg.norm(toward), away, 1)
    inner = _ANGLE - np.arccos(np.clip(along / np.maximum(distance, 1e-9), -1, 1))
    empty = _share(radius + width - distance) - _share(radius - distance)
    empty *= _share(inner * distance)
    grey = around + (body - around) * _share(radius - distance) + (gap - around) * empty
    found: NDArray[np.float32] = ndimage.gaussian_filter(grey, blur) + rng.normal(0, noise, grey.shape)
    return found.astype(np.float32)


def _share(depth: Floats) -> Floats:
    """Return how much of a voxel lies within a surface that is so far outside of its middle."""
    found: Floats = np.clip(depth + 0.5, 0, 1)
    return found


def _phases(phases: Phases, grey: NDArray[np.float32]) -> Phases:
    from operando import tomo

    volume = xr.DataArray(grey, dims=("z", "y", "x")).assign_coords(voxel_size=float(phases.grey["voxel_size"]))
    labels = tomo.segment(volume, phases.limits.tolist(), list(phases.names))
    return Phases(labels, volume, phases.limits, phases.levels, phases.names)
