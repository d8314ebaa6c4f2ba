"""Evaluate a forest of decision trees for many voxels at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

ForestArrays = tuple[
    NDArray[np.uint32],
    NDArray[np.int32],
    NDArray[np.uint16],
    NDArray[np.float32],
    NDArray[np.uint32],
    NDArray[np.float32],
]

_GROUP = 128
"""Voxels that go through a tree together, while it lies in the processor's cache; a multiple of 8."""


@compiled
def probabilities(
    stack: NDArray[np.float32],
    forest: ForestArrays,
    found: NDArray[np.float32],
) -> None:
    """Fill ``found`` (class, voxel) with the mean of the trees' shares; NaN where a feature is not finite.

    ``stack`` is (feature, voxel); ``forest`` is ``Forest.arrays``. A leaf is its
    own child, so that the eight voxels which descend side by side need no branch: the waits of one are filled by the
    others.
    """
    start, depth, feature, threshold, child, share = forest
    features, voxels = stack.shape
    trees, classes = len(depth), share.shape[1]
    group = np.zeros((_GROUP, features), np.float32)
    sums = np.empty((_GROUP, classes))
    whole = np.empty(_GROUP, np.bool_)
    for first in range(0, voxels, _GROUP):
        count = min(_GROUP, voxels - first)
        whole[:] = True
        for at in range(features):
            for voxel in range(count):
                group[voxel, at] = stack[at, first + voxel]
                whole[voxel] &= np.isfinite(stack[at, first + voxel])
        sums[:] = 0.0
        for tree in range(trees):
            root = np.uint64(start[tree])
            for voxel in range(0, count, 8):
                a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = root
                x0, x1, x2, x3 = group[voxel], group[voxel + 1], group[voxel + 2], group[voxel + 3]
                x4, x5, x6, x7 = group[voxel + 4], group[voxel + 5], group[voxel + 6], group[voxel + 7]
                for _ in range(depth[tree]):
                    a0 = np.uint64(child[a0]) + np.uint64(x0[feature[a0]] > threshold[a0])
                    a1 = np.uint64(child[a1]) + np.uint64(x1[feature[a1]] > threshold[a1])
                    a2 = np.uint64(child[a2]) + np.uint64(x2[feature[a2]] > threshold[a2])
                    a3 = np.uint64(child[a3]) + np.uint64(x3[feature[a3]] > threshold[a3])
                    a4 = np.uint64(child[a4]) + np.uint64(x4[feature[a4]] > threshold[a4])
                    a5 = np.uint64(child[a5]) + np.uint64(x5[feature[a5]] > threshold[a5])
                    a6 = np.uint64(child[a6]) + np.uint64(x6[feature[a6]] > threshold[a6])
                    a7 = np.uint64(child[a7]) + np.uint64(x7[feature[a7]] > threshold[a7])
                for one in range(classes):
                    sums[voxel, one] += share[a0, one]
                    sums[voxel + 1, one] += share[a1, one]
                    sums[voxel + 2, one] += share[a2, one]
                    sums[voxel + 3, one] += share[a3, one]
                    sums[voxel + 4, one] += share[a4, one]
                    sums[voxel + 5, one] += share[a5, one]
                    sums[voxel + 6, one] += share[a6, one]
                    sums[voxel + 7, one] += share[a7, one]
        for one in range(classes):
            for voxel in range(count):
                found[one, first + voxel] = sums[voxel, one] / trees if whole[voxel] else np.nan
