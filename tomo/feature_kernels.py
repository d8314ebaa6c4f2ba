"""What the features of a voxel are computed by: Gaussians, derivatives and eigenvalues of tensors in float32."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

from .eigenvalues import eigenvalues

TRUNCATED = 3.0
"""Where Gaussians end, in their standard deviations."""

_STRIP = 2048

Floats = NDArray[np.float32]


def reach(scale: float) -> int:
    """Return how many voxels a Gaussian looks away from its own."""
    return math.ceil(TRUNCATED * scale)


def gaussian(block: Floats, scale: float) -> Floats:
    """Return a block smoothed by a Gaussian, smaller by its reach at every face."""
    side = np.arange(reach(scale) + 1)
    weights = np.exp(-0.5 * (side / scale) ** 2)
    weights = (weights / (2 * weights.sum() - 1)).astype(np.float32)
    for axis in range(block.ndim):
        shape = list(block.shape)
        shape[axis] -= 2 * reach(scale)
        step = math.prod(shape[axis + 1 :])
        target = np.empty((math.prod(shape[:axis]), shape[axis] * step), np.float32)
        _weighted(block.reshape(len(target), -1), weights, step, target)
        block = target.reshape(shape)
    return block


@compiled
def _weighted(source: Floats, weights: Floats, step: int, target: Floats) -> None:
    """Sum what lies ``step`` apart along each row by symmetric weights, middle first, strip by strip in the cache."""
    middle = (len(weights) - 1) * step
    for row in range(len(target)):
        for start in range(0, target.shape[1], _STRIP):
            sums = target[row, start : start + _STRIP]
            around = source[row, start : start + len(sums) + 2 * middle]
            for at in range(len(sums)):
                sums[at] = weights[0] * around[middle + at]
            for side in range(1, len(weights)):
                before, after = around[middle - side * step :], around[middle + side * step :]
                for at in range(len(sums)):
                    sums[at] += weights[side] * (before[at] + after[at])


@compiled
def derivatives(smooth: Floats, scale: float, target: Floats) -> None:
    """Fill ``target`` with what the first and second differences of a smoothed block tell.

    ``smooth`` is larger by one voxel at every face; dim 0 of ``target`` is gradient, Laplacian and the three
    eigenvalues of the Hessian, times ``scale`` to the power of the derivative.
    """
    _, depth, height, width = target.shape
    hessian, found = np.empty((6, width), np.float32), np.empty((3, width))
    for z in range(depth):
        for y in range(height):
            _differences(smooth[z : z + 3, y : y + 3], scale, hessian, target[0, z, y])
            eigenvalues(hessian, scale * scale, found)
            for x in range(width):
                target[1, z, y, x] = scale * scale * (hessian[0, x] + hessian[3, x] + hessian[5, x])
                target[2, z, y, x] = found[0, x]
                target[3, z, y, x] = found[1, x]
                target[4, z, y, x] = found[2, x]


@compiled
def _differences(rows: Floats, scale: float, hessian: Floats, gradient: Floats) -> None:
    """Write second differences (zz, zy, zx, yy, yx, xx) and gradient of the middle of nine rows (z, y, x)."""
    here, above, below = rows[1, 1], rows[0, 1], rows[2, 1]
    before, after = rows[1, 0], rows[1, 2]
    quarter, half = np.float32(0.25), np.float32(0.5 * scale)
    for x in range(gradient.size):
        left, twice, right = here[x], here[x + 1] + here[x + 1], here[x + 2]
        dz, dy, dx = below[x + 1] - above[x + 1], after[x + 1] - before[x + 1], right - left
        gradient[x] = half * math.sqrt(dz * dz + dy * dy + dx * dx)
        hessian[0, x] = below[x + 1] + above[x + 1] - twice
        hessian[3, x] = after[x + 1] + before[x + 1] - twice
        hessian[5, x] = right + left - twice
        hessian[1, x] = quarter * (rows[2, 2, x + 1] - rows[2, 0, x + 1] - rows[0, 2, x + 1] + rows[0, 0, x + 1])
        hessian[2, x] = quarter * (below[x + 2] - below[x] - above[x + 2] + above[x])
        hessian[4, x] = quarter * (after[x + 2] - after[x] - before[x + 2] + before[x])


def structure(smooth: Floats, scale: float, target: Floats) -> None:
    """Fill ``target`` with the eigenvalues of the structure tensor, dim 0, the largest first.

    ``smooth`` is larger by one voxel and the reach of ``scale`` at every face; the products of its first differences
    are averaged by a Gaussian of ``scale``.
    """
    slopes = np.empty((3, *(edge - 2 for edge in smooth.shape)), np.float32)
    middle = slice(1, -1)
    for axis in range(3):
        ahead, behind = [middle] * 3, [middle] * 3
        ahead[axis], behind[axis] = slice(2, None), slice(None, -2)
        np.subtract(smooth[tuple(ahead)], smooth[tuple(behind)], out=slopes[axis])
    slopes *= np.float32(0.5 * scale)
    tensor = [gaussian(slopes[a] * slopes[b], scale) for a, b in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))]
    for z, planes in enumerate(zip(*tensor, strict=True)):
        found = np.empty((3, planes[0].size))
        eigenvalues(np.stack(planes).reshape(6, -1), 1.0, found)
        target[:, z] = found.reshape(3, *planes[0].shape)
