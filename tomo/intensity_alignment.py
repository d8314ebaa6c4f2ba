"""The map under which one volume shows what another shows, by least squares on grey values from coarse to fine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .rigid_motion import KINDS, covariance_after, generators, small_motion

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]

_SMOOTH = 1.0
"""Standard deviation, voxels, of the smoothing before grey values are compared: noise must not prefer whole voxels."""
_MARGIN = 3
"""Voxels at the faces that are not compared."""
_POINTS = 400_000
"""Places at which volumes are compared, at most."""
_COARSEST = 24
"""Voxels along the shortest edge of the coarsest copy."""
_STEPS = 40
_STILL = 2e-4
"""Largest movement, voxels, of a step that ends the search."""
_PARTS = 4
"""Subvolumes along each edge whose disagreement gives the uncertainty."""
_LEAST_OVERLAP = 0.1


@dataclass(frozen=True)
class Found:
    """A map (4, 4) about the middle of the fixed volume; covariance of its parameters; how well volumes agree."""

    motion: Floats
    covariance: Floats
    quality: float
    overlap: float
    converged: bool


@dataclass(frozen=True)
class _Level:
    """Both volumes in voxels of ``edges`` (um), smoothed; ``spline`` holds coefficients of the moving one."""

    fixed: Floats
    spline: Floats
    edges: Floats


def aligned(fixed: Singles, moving: Singles, edges: Floats, kind: str) -> Found:
    """Return the map from places in the fixed to places in the moving volume, both about their middles, um.

    At each size of the voxels the squares of a + b fixed(x) - moving(T x) are made least by Gauss-Newton steps with the
    gradients of the fixed volume alone (inverse composition: S. Baker, I. Matthews, Int. J. Comput. Vis. 56, 221
    (2004), doi:10.1023/B:VISI.0000011205.11775.fd), whose noise is independent of that of the moving one; a and b are
    free. It starts at the highest peak of the phase correlation.
    """
    levels = _pyramid(fixed, moving, edges)
    motion = np.eye(4)
    motion[:3, 3] = _first_guess(levels[0])
    for kind_now in KINDS[: KINDS.index(kind) + 1]:
        found = _refined(levels[0], motion, kind_now)
        motion = found.motion
    for level in levels[1:]:
        found = _refined(level, motion, kind)
        motion = found.motion
    return found


def _pyramid(fixed: Singles, moving: Singles, edges: Floats) -> list[_Level]:
    """Return the volumes from the coarsest to the finest."""
    from scipy import ndimage

    levels: list[_Level] = []
    while True:
        smooth = [ndimage.gaussian_filter(one.astype(np.float64), _SMOOTH, mode="nearest") for one in (fixed, moving)]
        levels.append(_Level(smooth[0], ndimage.spline_filter(smooth[1], order=3), edges))
        if min(*fixed.shape, *moving.shape) < 2 * _COARSEST:
            return levels[::-1]
        fixed, moving, edges = halved(fixed), halved(moving), 2 * edges


def halved(values: Singles) -> Singles:
    """Return the means of 2 x 2 x 2 voxels; a last odd one along an edge is left out."""
    z, y, x = (size // 2 for size in values.shape)
    means: Singles = values[: 2 * z, : 2 * y, : 2 * x].reshape(z, 2, y, 2, x, 2).mean(axis=(1, 3, 5), dtype=np.float32)
    return means


def _first_guess(level: _Level) -> Floats:
    """Return the shift, um, at the peak of the phase correlation, or none if the volumes agree better so."""
    from scipy import fft

    shape = tuple(np.minimum(level.fixed.shape, level.spline.shape))
    part = tuple(slice(size) for size in shape)
    values = _sampled(level.spline, np.eye(3), np.zeros(3), level.spline.shape)
    cut = [np.nan_to_num(one[part] - np.nanmean(one[part])) for one in (level.fixed, values)]
    window = np.ones(shape)
    for axis, size in enumerate(shape):
        window = window * np.moveaxis(np.hanning(size + 2)[1:-1, np.newaxis, np.newaxis], 0, axis)
    waves = [fft.rfftn(one * window) for one in cut]
    cross = np.conj(waves[0]) * waves[1]
    size = np.abs(cross)
    peak = fft.irfftn(cross / (size + 1e-3 * size.max() + np.finfo(float).tiny), shape)
    at = np.array(np.unravel_index(int(np.argmax(peak)), shape))
    shift = np.where(at > np.array(shape) // 2, at - np.array(shape), at).astype(np.float64)
    rolled = np.roll(cut[1], tuple(int(-s) for s in shift), axis=(0, 1, 2))
    better = float((cut[0] * rolled).sum()) > float((cut[0] * cut[1]).sum())
    found: Floats = shift * level.edges if better else np.zeros(3)
    return found


def _sampled(spline: Floats, matrix: Floats, offset: Floats, shape: tuple[int, ...]) -> Floats:
    """Return values at matrix i + offset of the voxels i of ``shape``; NaN outside."""
    from scipy import ndimage

    found: Floats = ndimage.affine_transform(
        spline, matrix, offset, output_shape=shape, order=3, mode="constant", cval=np.nan, prefilter=False
    )
    return found


class _Problem:
    """Places compared, the columns of the least squares there, and the moving volume."""

    def __init__(self, level: _Level, kind: str) -> None:
        from scipy import ndimage

        self.level = level
        shape = np.array(level.fixed.shape)
        margin = np.minimum(_MARGIN, (shape - 1) // 2)
        inner = np.prod(shape - 2 * margin)
        self.stride = max(1, int(np.ceil((inner / _POINTS) ** (1 / 3))))
        self.first = margin
        self.count = -(-(shape - 2 * margin) // self.stride)
        part = tuple(
            slice(low, size - low, self.stride) for low, size in zip(margin.tolist(), shape.tolist(), strict=True)
        )
        self.fixed = level.fixed[part].ravel()
        slopes = [ndimage.correlate1d(level.fixed, [-0.5, 0, 0.5], axis=axis)[part].ravel() for axis in range(3)]
        gradient = np.array(slopes) / level.edges[:, np.newaxis]
        index = np.indices(self.count).reshape(3, -1)
        self.place = ((index * self.stride + margin[:, np.newaxis]) - (shape[:, np.newaxis] - 1) / 2) * level.edges[
            :, np.newaxis
        ]
        whole = np.concatenate([self.place, np.ones((1, self.place.shape[1]))])
        moved = np.einsum("pij,jn->pin", generators(kind)[:, :3], whole)
        level_columns = [self.fixed - self.fixed.mean(), np.ones_like(self.fixed)]
        self.columns = np.concatenate([np.einsum("in,pin->pn", gradient, moved), level_columns])
        self.part = np.ravel_multi_index(
            tuple(np.minimum(index * _PARTS // self.count[:, np.newaxis], _PARTS - 1)), (_PARTS,) * 3
        )

    def moving(self, motion: Floats) -> Floats:
        """Return the moving volume at the places, after a map."""
        edges = self.level.edges
        middle = (np.array(self.level.spline.shape) - 1) / 2
        fixed_middle = (np.array(self.level.fixed.shape) - 1) / 2
        matrix = motion[:3, :3] * edges / edges[:, np.newaxis]
        offset = middle + motion[:3, 3] / edges + matrix @ (self.first - fixed_middle)
        return _sampled(self.level.spline, matrix * self.stride, offset, tuple(self.count)).ravel()


def _refined(level: _Level, motion: Floats, kind: str) -> Found:
    problem = _Problem(level, kind)
    corners = np.abs(problem.place).max(axis=1, keepdims=True) * np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1)
    known = len(generators(kind))
    converged = False
    for _ in range(_STEPS):
        seen = problem.moving(motion)
        inside = np.isfinite(seen)
        if inside.mean() < _LEAST_OVERLAP:
            break
        columns = problem.columns[:, inside]
        difference = seen[inside] - problem.fixed[inside]
        normal = columns @ columns.T
        found = np.linalg.lstsq(normal, columns @ difference, rcond=None)[0]
        step = small_motion(found[:known] / (1 + found[known]) if found[known] > -0.9 else found[:known], kind)
        motion = motion @ np.linalg.inv(step)
        moved = np.abs((step[:3, :3] - np.eye(3)) @ corners + step[:3, 3:]) / level.edges[:, np.newaxis]
        if moved.max() < _STILL:
            converged = True
            break
    return _judged(problem, motion, kind, converged)


def _judged(problem: _Problem, motion: Floats, kind: str, converged: bool) -> Found:
    """Return the map with the uncertainty that the subvolumes' disagreement gives."""
    known = len(generators(kind))
    seen = problem.moving(motion)
    inside = np.isfinite(seen)
    overlap = float(inside.mean())
    if overlap < _LEAST_OVERLAP:
        return Found(motion, np.full((known, known), np.nan), np.nan, overlap, False)
    columns = problem.columns[:, inside]
    difference = seen[inside] - problem.fixed[inside]
    normal = columns @ columns.T
    found = np.linalg.lstsq(normal, columns @ difference, rcond=None)[0]
    spread = _disagreement(problem, columns, difference - found @ columns, inside) / (1 + found[known]) ** 2
    quality = float(np.corrcoef(seen[inside], problem.fixed[inside])[0, 1])
    return Found(motion, covariance_after(spread[:known, :known], motion, kind), quality, overlap, converged)


def _disagreement(problem: _Problem, columns: Floats, residual: Floats, inside: NDArray[np.bool_]) -> Floats:
    """Return the covariance of the solution from what leaving out each subvolume changes (jackknife).

    Smoothed noise is shared by neighboring subvolumes: their sums vary less by a share of 1.13 smoothing lengths for
    each edge, the mean distance of what is correlated.
    """
    part = problem.part[inside]
    order = np.argsort(part, kind="stable")
    ends = np.flatnonzero(np.diff(part[order])) + 1
    pieces = np.split(order, ends)
    normal = columns @ columns.T
    score = columns @ residual
    changes = []
    for piece in pieces:
        own = columns[:, piece]
        rest = normal - own @ own.T
        changes.append(np.linalg.lstsq(rest, score - own @ residual[piece], rcond=None)[0])
    spread = np.array(changes) - np.mean(changes, axis=0)
    length = problem.count * problem.stride / _PARTS
    shared = np.prod(1 - np.minimum(2 / np.sqrt(np.pi) * _SMOOTH / length, 0.5))
    found: Floats = (len(pieces) - 1) / len(pieces) * spread.T @ spread / shared
    return found
