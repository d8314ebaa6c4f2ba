"""Classes and probabilities of the voxels of a window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .features import Features
from .forest import Forest
from .forest_kernel import probabilities


def shares(window: NDArray[np.float32], features: Features, forests: list[Forest]) -> NDArray[np.float32]:
    """Return the probabilities (class, z, y, x) that the first forest gives the voxels of a window."""
    stack = features.stack(window)
    return _shares(stack, forests[0])


def most_probable(
    window: NDArray[np.float32], features: Features, forests: list[Forest], values: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return the classes of a window, dims (z, y, x); of several forests, (forest, z, y, x)."""
    stack = features.stack(window)
    found = np.empty((len(forests), *stack.shape[1:]), np.uint8)
    for one, forest in zip(found, forests, strict=True):
        share = _shares(stack, forest)
        one[:] = np.where(np.isnan(share[0]), 0, values[share.argmax(axis=0)])
    return found if len(forests) > 1 else found[0]


def _shares(stack: NDArray[np.float32], forest: Forest) -> NDArray[np.float32]:
    found = np.empty((forest.share.shape[1], *stack.shape[1:]), np.float32)
    probabilities(stack.reshape(len(stack), -1), forest.arrays, found.reshape(len(found), -1))
    return found
