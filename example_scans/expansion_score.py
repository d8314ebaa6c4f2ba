"""Compare the change of volume of particles, as an evaluation found it in the simulated volumes, with the truth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .score_rows import Row, rms

_NEAR = 0.5
"""Radii of the true particle within which the center of the found one lies."""
_WIDE = 4.0
"""Voxels of radius from which on particles are judged: smaller ones are all edge."""


def expansion_rows(known: xr.Dataset, found: xr.Dataset) -> Iterator[Row]:
    """Yield the comparison of each particle's change of volume since the first scan, and how many of them were found.

    Notes
    -----
    Particles that lie whole within the volume, with radii of 4 voxels and more, are judged in scans from the second on.
    The first scan is that of the evaluation, whose particles may not be at z = 0.
    """
    if "particle_expansion" not in found or "particle_expansion" not in known or found.sizes["scan"] < 2:
        return
    radius = known["particle_radius"].to_numpy()
    judged = (known["particle_whole"].to_numpy() != 0) & (radius[0] >= _WIDE * known.attrs["voxel_size"])
    pairs = matching(known["particle_center"].to_numpy(), radius[0], found["particle_center"].to_numpy())
    truly = np.flatnonzero(judged & (pairs >= 0))
    yield Row("XTM particles found, of n", "1", float(truly.size), truth=float(judged.sum()))
    value, sigma = (
        found[f"particle_expansion{ending}"].transpose("scan", "particle").to_numpy()[1:, pairs[truly]]
        for ending in ("", "_std")
    )
    true = known["particle_expansion"].to_numpy()[:, truly]
    error = value - ((1 + true[1:]) / (1 + true[:1]) - 1)
    told = np.isfinite(error) & (sigma > 0)
    if told.any():
        pull = rms(error[told] / sigma[told])
        yield Row("particle expansion", "1", rms(error[told]), rms(sigma[told]), 0.0, pull)
        mean = float(np.mean(error[told] / sigma[told]))
        yield Row("particle expansion, mean pull", "1", mean, float(1 / np.sqrt(told.sum())), 0.0)


def matching(center: NDArray[np.float64], radius: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return for each true particle the found one whose center (particle, axis) is nearest; -1 if none is near."""
    if not len(found):
        return np.full(len(center), -1)
    apart = np.linalg.norm(center[:, np.newaxis] - found, axis=2)
    nearest = apart.argmin(axis=1)
    near = apart[np.arange(len(center)), nearest] < _NEAR * radius
    return np.where(near, nearest, -1).astype(np.int64)
