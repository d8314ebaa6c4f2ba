"""A forest of decision trees as flat arrays: applied without the package that trained it, checked before it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operando.errors import OperandoError

from .forest_kernel import ForestArrays

_SUM = 1e-4


@dataclass(frozen=True, eq=False)
class Forest:
    """Decision trees, one after the other, parents before children.

    Parameters
    ----------
    features
        How many features a voxel has.
    start
        Root of each tree, dims (tree).
    feature, threshold
        Which feature a node asks for, and the largest value that goes to its first child; infinite for a leaf.
    child
        First child of a node, the second lies behind it; a leaf is its own child.
    share
        What a leaf says: the probability of each class, dims (node, class).

    Raises
    ------
    OperandoError
        If the arrays are no forest: an index leads out of its tree or back, a threshold is NaN, shares do not sum to 1.
    """

    features: int
    start: NDArray[np.uint32]
    feature: NDArray[np.uint16]
    threshold: NDArray[np.float32]
    child: NDArray[np.uint32]
    share: NDArray[np.float32]
    depth: NDArray[np.int32] = field(init=False)

    def __post_init__(self) -> None:
        self._check_shapes()
        nodes = np.arange(len(self.child))
        tree = np.repeat(np.arange(len(self.start)), self._sizes())
        end = np.append(self.start[1:], len(nodes))[tree]
        child = self.child.astype(np.int64)
        leaf = child == nodes
        if not np.all(leaf | ((child > nodes) & (child + 1 < end))):
            raise _broken("children behind their parents within a tree")
        if not np.all(self.feature < self.features):
            raise _broken(f"features below {self.features}")
        if np.isnan(self.threshold).any() or not np.array_equal(leaf, np.isposinf(self.threshold)):
            raise _broken("a threshold at each node that is no leaf")
        shares = self.share[leaf]
        if not np.all(shares >= 0) or not np.all(np.abs(shares.sum(axis=1, dtype=float) - 1) < _SUM):
            raise _broken("probabilities of leaves that sum to 1")
        object.__setattr__(self, "depth", self._depths(tree, child, leaf))

    @property
    def arrays(self) -> ForestArrays:
        """What the kernel takes, in its order."""
        return self.start, self.depth, self.feature, self.threshold, self.child, self.share

    def _sizes(self) -> NDArray[np.int64]:
        return np.diff(np.append(self.start.astype(np.int64), len(self.child)))

    def _check_shapes(self) -> None:
        nodes = len(self.child)
        kinds = (("start", np.uint32), ("feature", np.uint16), ("threshold", np.float32), ("child", np.uint32))
        for name, kind in (*kinds, ("share", np.float32)):
            array = getattr(self, name)
            if array.dtype != kind or array.ndim != 1 + (name == "share"):
                raise _broken(f"{name} of {np.dtype(kind)}")
        if not nodes or any(len(array) != nodes for array in (self.feature, self.threshold, self.share)):
            raise _broken("arrays of one length")
        if not len(self.start) or self.start[0] != 0 or not np.all(self._sizes() > 0) or not self.share.shape[1]:
            raise _broken("ascending starts of trees from 0, and classes")

    def _depths(self, tree: NDArray[np.int64], child: NDArray[np.int64], leaf: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Return the steps from each root to its deepest leaf; every node must be reached."""
        level = np.full(len(child), -1)
        at, depth = self.start.astype(np.int64), 0
        while len(at):
            level[at] = depth
            inner = at[~leaf[at]]
            at, depth = np.unique([child[inner], child[inner] + 1]), depth + 1
        if (level < 0).any() or np.count_nonzero(~leaf) * 2 + len(self.start) != len(child):
            raise _broken("each node the child of one other")
        depths = np.zeros(len(self.start), np.int32)
        np.maximum.at(depths, tree, level.astype(np.int32))
        return depths


def from_trees(trees: list[Any], features: int) -> Forest:
    """Return the forest of scikit-learn's ``tree_`` objects; it decides as they do, to the last bit.

    They compare float32 features with thresholds in float64: the next float32 below decides alike.
    """
    parts: list[list[NDArray[Any]]] = [[], [], [], []]
    start = 0
    starts = []
    for tree in trees:
        starts.append(start)
        order, child = _by_level(tree.children_left, tree.children_right)
        leaf = tree.children_left[order] < 0
        exact = tree.threshold[order]
        threshold = exact.astype(np.float32)
        threshold = np.where(threshold > exact, np.nextafter(threshold, np.float32(-np.inf)), threshold)
        share = tree.value[order, 0]
        parts[0].append(np.where(leaf, 0, tree.feature[order]))
        parts[1].append(np.where(leaf, np.float32(np.inf), threshold))
        parts[2].append(child + start)
        parts[3].append(share / share.sum(axis=1, keepdims=True))
        start += len(order)
    feature, threshold, child, share = map(np.concatenate, parts)
    return Forest(
        features,
        np.array(starts, np.uint32),
        feature.astype(np.uint16),
        threshold.astype(np.float32),
        child.astype(np.uint32),
        share.astype(np.float32),
    )


def _by_level(left: NDArray[np.int64], right: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the nodes level by level, so that siblings are neighbors, and the place of each one's first child."""
    order, child = [0], []
    for at in range(len(left)):
        node = order[at]
        child.append(at if left[node] < 0 else len(order))
        if left[node] >= 0:
            order += [left[node], right[node]]
    return np.array(order), np.array(child)


def _broken(expected: str) -> OperandoError:
    return OperandoError(f"Forest: expected {expected}, got none; the classifier is damaged, train it anew")
