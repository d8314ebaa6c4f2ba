"""Films of a phase that are not there: where two others touch, the blur passes through its grey levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage, special

from operando.tomo.blocks import over_blocks

from .moved_thresholds import Phases

_VOXEL_VARIANCE = 1 / 12
"""Of the average over a voxel, voxels squared."""
_NEXT = 1.0
"""Distance between the middles of voxels that touch."""
_ASIDE = 0.5
"""How far the middles of voxels may lie off the straight way across a film."""
_OUTER, _FILM, _INNER = 1, 2, 3


@dataclass(frozen=True)
class Film:
    """Labels of a body, of the phase whose film seems to cover it and of the one beyond, and the film's width, voxels.

    With a blur of s (standard deviation, that of a voxel with it), thresholds l and h on either side of the film's
    phase, and grey levels a and c of the two that touch, the edge between them, c + (a - c) Phi(x/s), is in between
    over a width of s (Phi^-1((h - c)/(a - c)) - Phi^-1((l - c)/(a - c))).
    """

    body: int
    phase: int
    beyond: int
    width: float


def film_between(phases: Phases, body: int, phase: int, blur: float) -> Film | None:
    """Return the film that a phase seems to form on a body; None without blur, or if no phase lies beyond it."""
    away = 1 if phase > body else -1
    beyond = phase + away
    if not blur or abs(phase - body) != 1 or not 1 <= beyond <= len(phases.names):
        return None
    first, last = phases.levels[body - 1], phases.levels[beyond - 1]
    between = sorted((body, phase, beyond))
    limits = phases.limits[between[0] - 1 : between[2] - 1]
    share = np.clip((limits - last) / (first - last), 1e-6, 1 - 1e-6)
    width = np.hypot(blur, np.sqrt(_VOXEL_VARIANCE)) * abs(float(np.diff(special.ndtri(share))[0]))
    return Film(body, phase, beyond, width)


def without_film(labels: xr.DataArray, film: Film, more: float, smallest: int) -> xr.DataArray:
    """Return labels whose apparent film belongs to the phase beyond, ``more`` voxels wider than it seems.

    A voxel is of the film if its distances from the body and from the phase beyond together are no more than the film
    is wide. Objects of the phase beyond of fewer than ``smallest`` voxels make no film, and belong to its phase.
    """
    kinds = np.select([labels.data == film.body, labels.data == film.phase], [_INNER, _FILM], 0).astype(np.uint8)
    kinds[_large(labels.data == film.beyond, smallest)] = _OUTER
    kinds[(labels.data == film.beyond) & (kinds == 0)] = _FILM
    width = film.width + more + _NEXT + _ASIDE
    told = over_blocks(
        _closed, labels.copy(deep=False, data=kinds), margin=int(np.ceil(width)), dtype=np.uint8, width=width
    ).data
    out = labels.data.copy()
    out[told == _FILM] = film.phase
    out[told == _OUTER] = film.beyond
    return labels.copy(deep=False, data=out)


def _large(mask: NDArray[np.bool_], smallest: int) -> NDArray[np.bool_]:
    if smallest <= 1:
        return mask
    bodies, count = ndimage.label(mask, np.ones((3, 3, 3)))
    large = np.bincount(bodies.ravel(), minlength=count + 1) >= smallest
    large[0] = False
    found: NDArray[np.bool_] = large[bodies]
    return found


def _closed(kinds: NDArray[np.uint8], width: float) -> NDArray[np.uint8]:
    """Return kinds in which what lies between body and phase beyond, near to both, belongs to the phase beyond."""
    from operando.tomo.distances import capped

    inner, outer = kinds == _INNER, kinds == _OUTER
    if not (inner.any() and outer.any()):
        return kinds
    away = capped(~inner, (1.0, 1.0, 1.0), 2 * width) + capped(~outer, (1.0, 1.0, 1.0), 2 * width)
    return np.where((kinds == _FILM) & (away <= width), np.uint8(_OUTER), kinds)
