"""Kernels of filters that smooth noise and leave edges: bilateral and non-local means, dims (z, y, x).

Every voxel is summed up in the same order wherever its block begins, so that results do not depend on chunks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

Singles = NDArray[np.float32]

_FARTHEST = 12.0
"""Exponent from which a weight counts as nothing: exp(-12) = 6e-6."""


def bilateral(block: NDArray[np.generic], *, radius: int, sigma_place: float, sigma_grey: float) -> Singles:
    """Return means over a ball of ``radius`` voxels, weights exp(-d^2/2 sigma_place^2 - (g - g')^2/2 sigma_grey^2)."""
    offsets = _ball(radius)
    closeness = (np.square(offsets).sum(axis=1) / (2 * sigma_place**2)).astype(np.float32)
    values = np.pad(block.astype(np.float32), radius, mode="symmetric")
    return _bilateral(values, offsets + radius, closeness, np.float32(1 / (2 * sigma_grey**2)), radius)


def non_local_means(block: NDArray[np.generic], *, patch: int, search: int, noise: float, strength: float) -> Singles:
    """Return means weighted by likeness of the surroundings, exp(-max(D - 2 noise^2, 0)/(strength noise)^2).

    D is the mean square difference of two cubes of 2 ``patch`` + 1 voxels, their centers at most ``search`` voxels
    apart along each axis; the voxel itself has the weight of its most like neighbor.
    """
    reach = patch + search
    values = np.pad(block.astype(np.float32), reach, mode="symmetric")
    span = np.arange(-search, search + 1)
    offsets = np.array(np.meshgrid(span, span, span, indexing="ij")).reshape(3, -1).T
    offsets = offsets[(offsets != 0).any(axis=1)]
    count = (2 * patch + 1) ** 3
    falloff = np.float32(1 / (count * (strength * noise) ** 2))
    return _non_local(values, offsets, patch, np.float32(2 * count * noise**2), falloff)


def _ball(radius: int) -> NDArray[np.int64]:
    span = np.arange(-radius, radius + 1)
    offsets = np.array(np.meshgrid(span, span, span, indexing="ij")).reshape(3, -1).T
    found: NDArray[np.int64] = offsets[np.square(offsets).sum(axis=1) <= radius**2]
    return found


@compiled
def _bilateral(
    values: Singles, corners: NDArray[np.int64], closeness: Singles, likeness: np.float32, radius: int
) -> Singles:
    depth, height, width = (
        values.shape[0] - 2 * radius,
        values.shape[1] - 2 * radius,
        values.shape[2] - 2 * radius,
    )
    out = np.empty((depth, height, width), dtype=np.float32)
    total = np.empty(width, dtype=np.float32)
    weight = np.empty(width, dtype=np.float32)
    for z in range(depth):
        for y in range(height):
            total[:] = 0
            weight[:] = 0
            for number in range(corners.shape[0]):
                row = values[z + corners[number, 0], y + corners[number, 1]]
                own = values[z + radius, y + radius]
                shift = corners[number, 2]
                for x in range(width):
                    apart = row[x + shift] - own[x + radius]
                    exponent = closeness[number] + likeness * apart * apart
                    if exponent < np.float32(_FARTHEST):
                        share = np.exp(-exponent)
                        total[x] += share * row[x + shift]
                        weight[x] += share
            for x in range(width):
                out[z, y, x] = total[x] / weight[x] if weight[x] > 0 else np.float32(np.nan)
    return out


@compiled
def _non_local(
    values: Singles, offsets: NDArray[np.int64], patch: int, expected: np.float32, fall: np.float32
) -> Singles:
    """Sum up shifted copies of a block that reaches ``offsets`` and ``patch`` beyond what is returned."""
    reach = patch + offsets.max()
    side = 2 * patch + 1
    shape = (values.shape[0] - 2 * reach, values.shape[1] - 2 * reach, values.shape[2] - 2 * reach)
    total, weight, most = (np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.float32))
    planes = np.empty((side, shape[1], shape[2]), dtype=np.float32)
    along = np.empty((shape[1] + 2 * patch, shape[2]), dtype=np.float32)
    for number in range(offsets.shape[0]):
        offset = offsets[number]
        for layer in range(shape[0] + 2 * patch):
            at = reach - patch + layer
            _square_sums(values[at], values[at + offset[0]], offset, along, planes[layer % side])
            z = layer - 2 * patch
            if z >= 0:
                shifted = values[reach + z + offset[0], reach + offset[1] :, reach + offset[2] :]
                _add_likely(planes, z % side, shifted, (expected, fall), (total[z], weight[z], most[z]))
    for z in range(shape[0]):
        for y in range(shape[1]):
            for x in range(shape[2]):
                own = most[z, y, x] if most[z, y, x] > 0 else np.float32(1)
                value = values[reach + z, reach + y, reach + x]
                total[z, y, x] = (total[z, y, x] + own * value) / (weight[z, y, x] + own)
    return total


@compiled
def _square_sums(one: Singles, other: Singles, offset: NDArray[np.int64], along: Singles, plane: Singles) -> None:
    """Write the sums over the patches of the squared differences of two slices, one shifted."""
    patch = (along.shape[0] - plane.shape[0]) // 2
    side = 2 * patch + 1
    first = (one.shape[0] - along.shape[0]) // 2
    for y in range(along.shape[0]):
        row, shifted = one[first + y], other[first + y + offset[1]]
        for x in range(along.shape[1]):
            added = np.float32(0)
            for step in range(side):
                apart = row[first + x + step] - shifted[first + x + step + offset[2]]
                added += apart * apart
            along[y, x] = added
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            added = np.float32(0)
            for step in range(side):
                added += along[y + step, x]
            plane[y, x] = added


@compiled
def _add_likely(
    planes: Singles,
    oldest: int,
    shifted: Singles,
    law: tuple[np.float32, np.float32],
    sums: tuple[Singles, Singles, Singles],
) -> None:
    """Add a shifted slice to the sums, weighted by how like the surroundings are.

    ``planes``, from the ``oldest`` on, add up to the distances: always in the order of z.
    """
    expected, fall = law
    total, weight, most = sums
    for y in range(total.shape[0]):
        for x in range(total.shape[1]):
            apart = np.float32(0)
            for step in range(planes.shape[0]):
                apart += planes[(oldest + step) % planes.shape[0], y, x]
            exponent = max(apart - expected, np.float32(0)) * fall
            if exponent < np.float32(_FARTHEST):
                share = np.exp(-exponent)
                total[y, x] += share * shifted[y, x]
                weight[y, x] += share
                most[y, x] = max(most[y, x], share)
