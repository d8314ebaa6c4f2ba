"""The map of every node from a reference to a moved volume, by Gauss-Newton steps that all nodes take together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .correlation_kernels import (
    AT,
    CORRELATION,
    CROSSED,
    HIGH,
    JUDGED,
    LOW,
    SEEN,
    SHARED,
    SIZE,
    SUMS,
    VARIANCE,
    WANTED,
    compare_nodes,
)
from .grids import three

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Singles = NDArray[np.float32]

SLACK = 4.0
"""Voxels that a node may end away from where it began."""
_NEAR = 0.05
"""Largest movement, voxels, of a step from which on the slopes of both volumes are used."""
_STILL = 1e-4
"""Largest movement, voxels, of a step that ends the search."""
_STEPS = 50
TRANSLATION, ISOTROPIC, STRETCH, AFFINE = 3, 4, 9, 12
"""Free parameters: a shift; shift and growth; shift and stretch; shift, stretch and turn."""
_LEAST_SEEN = 0.5
_MOST_CONDITION = 1e6
"""Condition (by Frobenius norms) of scaled normal equations that single precision still tells from a singular one."""
_SLOPE = np.r_[0:3, np.repeat(np.arange(3), 3)]
"""Slope that each parameter's column holds."""


@dataclass(frozen=True)
class Pieces:
    """Parts of the volumes: the reference, its slopes and labels; spline coefficients, and where they are known.

    ``coefficients`` are flat, with as many more at the end as kernels read at a time; ``shape`` is theirs. They are
    known all over if ``known`` is empty.
    """

    reference: Singles
    slopes: Singles
    labels: NDArray[np.int32]
    coefficients: Singles
    shape: tuple[int, int, int]
    known: NDArray[np.uint8]


@dataclass(frozen=True)
class Fits:
    """Maps of nodes (node, 12): u, then A row by row, voxels; what is at d from the node is at A d + u from it.

    ``covariance`` (node, 12, 12) of u and A; ``correlation`` of the grey values, ``residual`` their standard deviation
    from each other, ``share`` of the box that was compared; ``steps``; ``found``, whether they ended. ``growth``
    (node, 2): change of volume of what grows alike in all directions, with its uncertainty; NaN where none was asked.
    """

    motion: Floats
    covariance: Floats
    correlation: Floats
    residual: Floats
    share: Floats
    wanted: Floats
    steps: NDArray[np.int64]
    found: Bools
    growth: Floats

    def scaled(self, shift: Floats, gradient: float) -> Fits:
        """Return them with standard uncertainties times factors: of u along each axis, and of A."""
        weight = np.r_[shift, np.full(9, gradient)]
        covariance = self.covariance * weight * weight[:, np.newaxis]
        return replace(self, covariance=covariance, growth=self.growth * [1.0, gradient])


def fitted(pieces: Pieces, nodes: NDArray[np.int64], start: Floats, free: int, least_share: float = 0.0) -> Fits:
    """Return the maps that make the squares of a + b reference - moved least in the box of each node.

    The steps follow from the slopes of the reference (inverse composition: S. Baker, I. Matthews, Int. J. Comput. Vis.
    56, 221 (2004), doi:10.1023/B:VISI.0000011205.11775.fd); at the end from products of the slopes of both volumes,
    whose noise is not the same: neither they nor the place where they vanish are biased by it. a and b are free.

    Parameters
    ----------
    nodes
        As in ``correlation_kernels``, dims (node, column).
    start
        Maps to start from, dims (node, 12).
    free
        3: u is found, A stays as it is; 4: A grows alike in all directions; 9: A without turning further; 12: both are.
    least_share
        Share of a box below which nothing is found.
    """
    basis = column_basis(free)
    count, width = len(nodes), len(basis)
    linear = width - 2
    motion, gate, near, going = start.copy(), start.copy(), np.zeros(count, bool), np.ones(count, bool)
    square, cross, inverse = (np.zeros((count, width, width)) for _ in range(3))
    sides, sums = np.zeros((count, width)), np.zeros((count, SUMS))
    sums[:, SEEN] = -1
    found, steps = np.zeros(count, bool), np.zeros(count, np.int64)
    half = np.maximum(
        nodes[:, AT : AT + 3] - nodes[:, LOW : LOW + 3], nodes[:, HIGH : HIGH + 3] - 1 - nodes[:, AT : AT + 3]
    )
    for _ in range(_STEPS):
        at = np.flatnonzero(going)
        if not at.size:
            break
        before = sums[at, SEEN], sums[at, CROSSED]
        results = [square[at], cross[at], sides[at], sums[at]]
        compare_nodes(
            pieces.reference.ravel(),
            pieces.slopes.ravel(),
            pieces.labels.ravel(),
            three(pieces.reference.shape),
            pieces.coefficients,
            pieces.known.ravel(),
            pieces.shape,
            nodes[at],
            motion[at],
            gate[at],
            near[at],
            *results,
        )
        square[at], cross[at], sides[at], sums[at] = results
        steps[at] += 1
        seen = sums[at, SEEN]
        usable = (seen >= least_share * sums[at, SIZE]) & (seen >= _LEAST_SEEN * sums[at, WANTED]) & (seen > 4 * width)
        anew = at[((seen != before[0]) | (sums[at, CROSSED] != before[1])) & usable]
        inverse[anew] = _inverses(np.where(near[anew, np.newaxis, np.newaxis], cross[anew], square[anew]), basis)
        step = np.einsum("nij,nj->ni", inverse[at], sides[at])
        contrast = np.where(near[at], 1.0, np.maximum(1 + step[:, linear], 0.2))
        small = _identity(at.size)
        small[:, :linear] += step[:, :linear] / contrast[:, np.newaxis]
        moved = _farthest(small - _identity(at.size), half[at])
        motion[at] = _after_undoing(motion[at], small)
        usable &= (_farthest(motion[at] - start[at], half[at]) < SLACK) & np.isfinite(moved)
        done = usable & (sums[at, JUDGED] > 0) & (moved < _STILL)
        found[at[done]] = True
        going[at] = usable & ~done
        gate[at[~near[at]]] = motion[at[~near[at]]]
        near[at] |= moved < _NEAR
    # Noise that neighbors share weighs on each column as on the slopes in it.
    shared = np.ones((count, width))
    shared[:, :linear] = np.sqrt(sums[:, SHARED : SHARED + 3])[:, _SLOPE[:linear]]
    noise = square * shared[:, :, np.newaxis] * shared[:, np.newaxis, :]
    noise *= np.maximum(sums[:, VARIANCE], 0)[:, np.newaxis, np.newaxis]
    local = (inverse @ noise @ np.swapaxes(inverse, 1, 2))[:, :linear, :linear]
    return Fits(
        motion,
        _turned(local, motion),
        sums[:, CORRELATION],
        np.sqrt(np.maximum(sums[:, VARIANCE], 0)),
        np.maximum(sums[:, SEEN], 0) / sums[:, SIZE],
        sums[:, WANTED] / sums[:, SIZE],
        steps,
        found,
        np.full((count, 2), np.nan),
    )


def _identity(count: int) -> Floats:
    return np.tile(np.r_[0.0, 0.0, 0.0, np.eye(3).ravel()], (count, 1))


def column_basis(free: int) -> Floats:
    """Return the columns of the least squares that move together, dims (column, parameter)."""
    if free in (TRANSLATION, AFFINE):
        return np.eye(free + 2)
    pairs = [np.eye(3)[[i, j]] for i in range(3) for j in range(i + 1)]
    ways = np.array(
        [np.outer(one, other) + (np.outer(other, one) if (one != other).any() else 0) for one, other in pairs]
    )
    if free == ISOTROPIC:
        ways = np.eye(3)[np.newaxis]
    found = np.zeros((14, len(ways) + 5))
    found[:3, :3], found[3:12, 3:-2], found[12:, -2:] = np.eye(3), ways.reshape(len(ways), 9).T, np.eye(2)
    return found


def _inverses(matrices: Floats, basis: Floats) -> Floats:
    """Return the inverses of matrices within a basis, whose columns differ in size; NaN where there is none."""
    matrices = basis.T @ matrices @ basis
    diagonal = np.sqrt(np.abs(np.diagonal(matrices, axis1=1, axis2=2)))
    lost = ~np.asarray(np.isfinite(matrices).all(axis=(1, 2)) & (diagonal > 0).all(axis=1))
    scale = np.where(lost[:, np.newaxis], 1.0, diagonal)
    scale = scale[:, :, np.newaxis] * scale[:, np.newaxis, :]
    scaled = np.where(lost[:, np.newaxis, np.newaxis], np.eye(matrices.shape[1]), matrices / scale)
    lost |= np.linalg.det(scaled) == 0
    inverse = np.linalg.inv(np.where(lost[:, np.newaxis, np.newaxis], np.eye(matrices.shape[1]), scaled))
    lost |= ~(np.linalg.norm(scaled, axis=(1, 2)) * np.linalg.norm(inverse, axis=(1, 2)) < _MOST_CONDITION)
    found: Floats = inverse / scale
    found[lost] = np.nan
    whole: Floats = basis @ found @ basis.T
    return whole


def _farthest(difference: Floats, half: NDArray[np.int64]) -> Floats:
    """Return how far two maps take a corner of a box from each other at most, voxels."""
    by_matrix = np.einsum("nij,nj->ni", np.abs(difference[:, 3:].reshape(-1, 3, 3)), half)
    farthest: Floats = (np.abs(difference[:, :3]) + by_matrix).max(axis=1)
    return farthest


def _after_undoing(motion: Floats, small: Floats) -> Floats:
    """Return maps before which small ones are undone."""
    usable = np.isfinite(small).all(axis=1) & (
        np.abs(np.linalg.det(np.where(np.isfinite(small), small, 0)[:, 3:].reshape(-1, 3, 3))) > 0.1
    )
    small = np.where(usable[:, np.newaxis], small, _identity(len(small)))
    matrix = np.einsum("nij,njk->nik", motion[:, 3:].reshape(-1, 3, 3), np.linalg.inv(small[:, 3:].reshape(-1, 3, 3)))
    shift = motion[:, :3] - np.einsum("nij,nj->ni", matrix, small[:, :3])
    found = np.concatenate([shift, matrix.reshape(-1, 9)], axis=1)
    return np.where(usable[:, np.newaxis], found, np.nan)


def _turned(local: Floats, motion: Floats) -> Floats:
    """Return the covariance of u and A from that of the small map that is undone before them."""
    matrix = motion[:, 3:].reshape(-1, 3, 3)
    free = local.shape[1]
    turn = np.zeros((len(local), free, free))
    turn[:, :3, :3] = matrix
    if free > 3:
        for column in range(3):
            part = slice(3 + column, None, 3)
            turn[:, part, part] = matrix
    found = np.zeros((len(local), 12, 12))
    found[:, :free, :free] = turn @ local @ np.swapaxes(turn, 1, 2)
    return found
