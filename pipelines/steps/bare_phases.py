"""Phases of one volume without specks of noise, and without films that the blur makes of a phase."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy import ndimage

from .apparent_films import film_between, without_film
from .moved_thresholds import Phases


def bare(phases: Phases, blur: float, smallest: int, more: float = 0.0) -> xr.DataArray:
    """Return labels in which objects of fewer than ``smallest`` voxels, and films ``more`` voxels wide, are gone.

    Small objects (26 neighbors) become what is nearest to them. A film of a phase lies between the next brighter and
    the next darker one, see :class:`~operando.pipelines.steps.apparent_films.Film`; it belongs to the darker one.
    """
    labels = _without_specks(phases.labels, smallest)
    for body in range(len(phases.names), 2, -1):
        film = film_between(phases, body, body - 1, blur)
        if film is not None:
            labels = without_film(labels, film, more, 1)
    return labels


def _without_specks(labels: xr.DataArray, smallest: int) -> xr.DataArray:
    if smallest <= 1:
        return labels
    values = labels.data
    specks = np.zeros(values.shape, bool)
    for phase in np.unique(values[values > 0]):
        bodies, _ = ndimage.label(values == phase, np.ones((3, 3, 3)))
        small = np.bincount(bodies.ravel()) < smallest
        small[0] = False
        specks |= small[bodies]
    if not specks.any() or specks.all():
        return labels
    nearest = ndimage.distance_transform_edt(specks, return_distances=False, return_indices=True)
    return labels.copy(deep=False, data=values[tuple(nearest)])
