"""The field of all nodes, from coarse to fine: fitted, repaired where nodes are lost, regularized if wanted."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .coarse_copies import coarse_copy
from .node_blocks import fit_all, windows
from .node_fits import TRANSLATION, Fits
from .node_grids import Field, NodeGrid, around_each, node_grid, standing_out

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Volumes = tuple[xr.DataArray, xr.DataArray, xr.DataArray | None]

_TO_SIGMA = 1.4826
_TRIES = 2
_HALF = 0.5
"""Share of a coarse voxel that is in the mask, from which on it is."""


@dataclass(frozen=True)
class Measured:
    """Displacement and gradient at nodes, voxels; nodes that were not found, and those that lie outside the mask."""

    grid: NodeGrid
    field: Field
    fits: Fits
    lost: Bools
    outside: Bools

    def scaled(self, shift: Floats, gradient: Floats) -> Measured:
        """Return it with standard uncertainties times factors, those of each axis."""
        weight = np.r_[shift, np.repeat(gradient, 3)]
        wide = self.field.covariance * weight * weight[:, np.newaxis]
        return replace(self, field=replace(self.field, covariance=wide))


@dataclass(frozen=True)
class Search:
    """How a field is found.

    ``spacing`` of nodes, ``half``: voxels of a window beyond the node's own, both at every level; ``free`` parameters
    at the finest level; ``levels``: how often voxels are doubled at first; ``coverage``: least share of a window;
    ``length`` of the regularization, spacings; ``smooth``: standard deviation of the smoothing, voxels; ``apart``: how
    far from what the mask leaves out voxels of the finest level have to lie.
    """

    spacing: int
    half: int
    free: int
    levels: int
    coverage: float
    length: float
    smooth: float
    apart: int

    @property
    def window(self) -> int:
        """Edge of a window, voxels."""
        return 2 * self.half + 1

    def at(self, level: int) -> Search:
        """Return how it is found at a level: at coarse ones shifts alone, regularized."""
        return self if level == 0 else replace(self, free=TRANSLATION, length=1.0, apart=0)


def measured(volumes: Volumes, motion: tuple[Floats, Floats], how: Search) -> Measured:
    """Return the field at the nodes of the finest voxels.

    ``motion``: matrix and shift of the affine map of the whole to start from, voxels about the first one.
    """
    matrix, shift = motion
    found: Measured | None = None
    for level in range(how.levels, -1, -1):
        grid = node_grid(tuple(size // 2**level for size in volumes[0].shape), how.spacing, how.half)
        place = (grid.voxels + 0.5) * 2**level - 0.5
        if found is None:
            start = np.column_stack([place @ (matrix - np.eye(3)).T + shift, np.tile(matrix.ravel(), (len(place), 1))])
        else:
            start = _carried(found, place, level + 1)
        start[:, :3] /= 2**level
        mask = None if volumes[2] is None else coarse_copy(volumes[2], level) >= _HALF
        copies = coarse_copy(volumes[0], level), coarse_copy(volumes[1], level), mask
        found = _at_level(copies, grid, start, how.at(level))
        if level == 0:
            found.field.shift[found.outside], found.field.gradient[found.outside] = np.nan, np.nan
    if found is None:
        raise ValueError(f"expected levels of 0 or more, got {how.levels}")
    return found


def _carried(coarse: Measured, place: Floats, level: int) -> Floats:
    """Return the maps at places (fine voxels) that the nearest coarse nodes give."""
    scale = 2**level
    there = (place + 0.5) / scale - 0.5
    node = coarse.grid.nearest(there)
    gradient = coarse.field.gradient[node]
    away = there - coarse.grid.voxels[node]
    shift = (coarse.field.shift[node] + np.einsum("nij,nj->ni", gradient, away)) * scale
    return np.column_stack([shift, (np.eye(3) + gradient).reshape(-1, 9)])


def _at_level(volumes: Volumes, grid: NodeGrid, start: Floats, how: Search) -> Measured:
    nodes = windows(grid.voxels, how.half)
    fit = partial(fit_all, volumes, free=how.free, least_share=how.coverage, smooth=how.smooth, apart=how.apart)
    fits = fit(nodes, start)
    outside = fits.wanted < how.coverage
    for _ in range(_TRIES):
        field = _field(fits, start)
        sound = fits.found & ~standing_out(grid, field.shift, fits.found)
        again = np.flatnonzero(~sound & ~outside)
        if not again.size or not sound.any():
            break
        around = _filled(grid, field, sound, start, how)
        begin = np.column_stack([around.shift, (np.eye(3) + around.gradient).reshape(-1, 9)])
        fits = _better(fits, again, fit(nodes.part(again), begin[again]))
    field = _field(fits, start)
    sound = fits.found & ~standing_out(grid, field.shift, fits.found)
    if how.length > 0 or how.free == TRANSLATION:
        length = max(how.length, 1.0) if how.free == TRANSLATION else how.length
        smooth = around_each(grid, field, sound, length, how.window, gradients=how.free > TRANSLATION)
        field = _blended(smooth, field, sound & np.asarray(np.isfinite(smooth.shift).all(axis=1)))
    if not sound.all():
        field = _blended(field, _filled(grid, field, sound, start, how), sound)
    field.covariance[~sound] = np.nan
    return Measured(grid, field, fits, ~sound & ~outside, outside)


def _field(fits: Fits, start: Floats) -> Field:
    usable = fits.found[:, np.newaxis]
    motion = np.where(usable, fits.motion, start)
    return Field(motion[:, :3], motion[:, 3:].reshape(-1, 3, 3) - np.eye(3), fits.covariance)


def _filled(grid: NodeGrid, field: Field, sound: Bools, start: Floats, how: Search) -> Field:
    """Return what the nodes around give; where there are none, the start."""
    around = around_each(grid, field, sound, 1.0, how.window, gradients=how.free > TRANSLATION)
    known = np.asarray(np.isfinite(around.shift).all(axis=1))
    begin = Field(start[:, :3], start[:, 3:].reshape(-1, 3, 3) - np.eye(3), around.covariance)
    return _blended(around, begin, known)


def _blended(one: Field, other: Field, where: Bools) -> Field:
    """Return one field where it is wanted, else the other."""
    return Field(
        np.where(where[:, np.newaxis], one.shift, other.shift),
        np.where(where[:, np.newaxis, np.newaxis], one.gradient, other.gradient),
        np.where(where[:, np.newaxis, np.newaxis], one.covariance, other.covariance),
    )


def _better(fits: Fits, again: NDArray[np.int64], tried: Fits) -> Fits:
    """Return the fits with those that were tried again where they ended, and correlate as well as before."""
    before = np.where(fits.found[again], fits.correlation[again], -1.0)
    taken = tried.found & (tried.correlation > before - 1e-3)
    merged = {}
    for field in fields(Fits):
        values = getattr(fits, field.name).copy()
        values[again[taken]] = getattr(tried, field.name)[taken]
        merged[field.name] = values
    return Fits(**merged)


def repeated(rest: Measured) -> tuple[Floats, Floats]:
    """Return by what the errors of a volume at rest exceed those that its noise gives, for each axis.

    Displacements are taken against the affine map of the whole, gradients against their median; robust spreads.
    """
    sound = ~rest.lost & ~rest.outside & np.isfinite(rest.field.covariance[:, 0, 0])
    place = np.column_stack([rest.grid.voxels, np.ones(len(rest.lost))])[sound].astype(np.float64)
    shift, gradient = rest.field.shift[sound], rest.field.gradient[sound]
    off = shift - place @ np.linalg.lstsq(place, shift, rcond=None)[0]
    slopes = gradient - np.median(gradient, axis=0)
    std = np.sqrt(np.diagonal(rest.field.covariance[sound], axis1=1, axis2=2))
    pulls, slope_pulls = off / std[:, :3], slopes / std[:, 3:].reshape(-1, 3, 3)
    return _TO_SIGMA * np.median(np.abs(pulls), axis=0), _TO_SIGMA * np.median(np.abs(slope_pulls), axis=(0, 2))
