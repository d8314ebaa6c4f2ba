"""Nodes of a volume correlation: where they lie, which of them stand out, and the affine map of those around each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

_STANDS_OUT = 3.0
_ALWAYS = 0.1
"""Voxels that displacements may differ by from those around without standing out."""
_REACH = 2.5
"""Standard deviations of the weights up to which nodes count."""


@dataclass(frozen=True)
class NodeGrid:
    """Nodes in the middles of voxels: the first one, voxels from node to node, and how many, along z, y, x."""

    first: Integers
    spacing: Integers
    counts: tuple[int, int, int]

    @property
    def voxels(self) -> Integers:
        """Voxel of each node, dims (node, 3), in C order."""
        index = np.indices(self.counts).reshape(3, -1).T
        found: Integers = self.first + index * self.spacing
        return found

    def nearest(self, place: Floats) -> Integers:
        """Return the number of the node nearest to each place (place, 3), voxels."""
        index = np.rint((place - self.first) / self.spacing).astype(np.int64)
        index = np.clip(index, 0, np.array(self.counts) - 1)
        found: Integers = np.ravel_multi_index(tuple(index.T), self.counts).astype(np.int64)
        return found


def node_grid(shape: tuple[int, ...], spacing: int, half: int) -> NodeGrid:
    """Return the nodes of a volume whose windows lie within it, as far from one face as from the other."""
    room = np.array(shape) - 2 * half
    counts = np.maximum(1, 1 + (room - 1) // spacing)
    first = half + (room - 1 - (counts - 1) * spacing) // 2
    return NodeGrid(
        first.astype(np.int64), np.full(3, spacing, np.int64), (int(counts[0]), int(counts[1]), int(counts[2]))
    )


def standing_out(grid: NodeGrid, shift: Floats, sound: Bools) -> Bools:
    """Return which sound nodes' displacements (node, 3), voxels, differ from those around.

    By more than 3 times the median of the others' differences from their median, and 0.1 voxel (J. Westerweel,
    F. Scarano, Exp. Fluids 39, 1096 (2005), doi:10.1007/s00348-005-0016-6), after the affine map of all is taken off.
    """
    if sound.sum() < 8:
        return np.zeros(sound.shape, bool)
    place = np.column_stack([grid.voxels - grid.voxels.mean(axis=0), np.ones(len(shift))])
    overall = np.linalg.lstsq(place[sound], shift[sound], rcond=None)[0]
    rest = np.where(sound[:, np.newaxis], shift - place @ overall, np.nan).reshape(*grid.counts, 3)
    around = np.pad(rest, [(1, 1)] * 3 + [(0, 0)], constant_values=np.nan)
    size = grid.counts
    others = np.array(
        [
            around[a : a + size[0], b : b + size[1], c : c + size[2]]
            for a, b, c in product(range(3), repeat=3)
            if (a, b, c) != (1, 1, 1)
        ]
    )
    median = _median(others)
    spread = _median(np.abs(others - median))
    apart = np.abs(rest - median) > _STANDS_OUT * (spread + _ALWAYS)
    found: Bools = apart.any(axis=-1).ravel() & sound
    return found


def _median(values: Floats) -> Floats:
    """Return the median along the first axis of what is not NaN; NaN if nothing is."""
    ordered = np.sort(values, axis=0)
    count = np.isfinite(values).sum(axis=0)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    both = [np.take_along_axis(ordered, at[np.newaxis], axis=0)[0] for at in (low, np.minimum(high, len(values) - 1))]
    found: Floats = (both[0] + both[1]) / 2
    return found


@dataclass(frozen=True)
class Field:
    """Displacement (node, 3), voxels, gradient (node, 3, 3), and the covariance of both (node, 12, 12)."""

    shift: Floats
    gradient: Floats
    covariance: Floats


def around_each(grid: NodeGrid, field: Field, sound: Bools, length: float, window: int, *, gradients: bool) -> Field:
    """Return the affine map that fits the nodes around each one best, with its covariance.

    Least squares for each component: displacements, and their gradients if told, weighted with the inverse of their
    variances times exp(-d^2/(2 length^2)), d and length in spacings. Windows of ``window`` voxels that overlap share
    their noise.
    """
    values, precision = _weighed(field, sound)
    if not gradients:
        precision[:, 3:] = 0
    counts = grid.counts
    reach = int(np.ceil(_REACH * length))
    left = np.zeros((*counts, 3, 4, 4))
    noise = np.zeros((*counts, 3, 4, 4))
    right = np.zeros((*counts, 3, 4))
    values, precision = values.reshape(*counts, 12), precision.reshape(*counts, 12)
    for offset in product(range(-reach, reach + 1), repeat=3):
        squared = float(np.dot(offset, offset))
        if squared > reach**2:
            continue
        here, there = _shifted(counts, offset)
        weight = np.exp(-squared / (2 * length**2))
        line = np.r_[1.0, np.array(offset) * grid.spacing]
        own = precision[there][..., :3]
        slopes = precision[there][..., 3:].reshape(*own.shape, 3)
        product_of = own[..., np.newaxis, np.newaxis] * np.outer(line, line)
        for k in range(3):
            product_of[..., k + 1, k + 1] += slopes[..., k]
        left[here] += weight * product_of
        noise[here] += weight**2 * product_of
        right[here] += weight * (own * values[there][..., :3])[..., np.newaxis] * line
        right[here][..., 1:] += weight * slopes * values[there][..., 3:].reshape(slopes.shape)
    inverse = _pseudo_inverse(left)
    found = np.einsum("...ij,...j->...i", inverse, right).reshape(-1, 3, 4)
    spread = (inverse @ noise @ inverse).reshape(-1, 3, 4, 4) * _shared(grid, length, window)
    covariance = np.zeros((len(found), 12, 12))
    for c in range(3):
        at = np.r_[c, 3 + 3 * c : 6 + 3 * c]
        covariance[:, at[:, np.newaxis], at] = spread[:, c]
    nothing = (np.einsum("...ii->...", left) == 0).reshape(-1, 3).any(axis=1)
    found[nothing] = np.nan
    return Field(found[:, :, 0], found[:, :, 1:], covariance)


def _weighed(field: Field, sound: Bools) -> tuple[Floats, Floats]:
    """Return values and inverse variances (node, 12) of displacement and gradient, 0 where they are not sound."""
    values = np.concatenate([field.shift, field.gradient.reshape(-1, 9)], axis=1)
    variance = np.diagonal(field.covariance, axis1=1, axis2=2)
    usable = sound[:, np.newaxis] & np.isfinite(values) & (variance > 0)
    # Perfect agreement has no variance; then all nodes count alike.
    exact = sound[:, np.newaxis] & np.isfinite(values) & (variance == 0) & (np.arange(12) < 3)
    precision = np.where(usable, 1 / np.where(usable, variance, 1.0), np.where(exact, 1e6, 0.0))
    return np.where(precision > 0, values, 0.0), precision


def _shifted(counts: tuple[int, int, int], offset: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the nodes that have one at an offset, and those."""
    here = tuple(slice(max(0, -by), max(0, size - max(0, by))) for size, by in zip(counts, offset, strict=True))
    there = tuple(slice(max(0, by), max(0, size + min(0, by))) for size, by in zip(counts, offset, strict=True))
    return here, there


def _pseudo_inverse(matrices: Floats) -> Floats:
    """Return the inverses of matrices whose columns differ in size, as far as there are any."""
    scale = np.sqrt(np.maximum(np.einsum("...ii->...i", matrices), 0))
    scale = np.where(scale > 0, scale, 1.0)
    scale = scale[..., :, np.newaxis] * scale[..., np.newaxis, :]
    found: Floats = np.linalg.pinv(matrices / scale, rcond=1e-10, hermitian=True) / scale
    return found


def _shared(grid: NodeGrid, length: float, window: int) -> float:
    """Return by how much the noise that overlapping windows share adds to the variance of weighted means."""
    factor = 1.0
    for spacing in grid.spacing:
        lag = np.arange(-(window // spacing) - 1, window // spacing + 2)
        overlap = np.maximum(0.0, 1 - np.abs(lag) * spacing / window)
        factor *= float((overlap * np.exp(-(lag**2) / (4 * length**2))).sum())
    return factor
