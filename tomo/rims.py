"""Labels that reach beyond their objects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def with_rim(labels: NDArray[np.integer], rim: float) -> NDArray[np.int32]:
    """Return labels (z, y, x) that reach further, each as far as it is nearest, up to so many voxels."""
    from scipy import ndimage

    distance, nearest = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    return np.where(distance <= rim, labels[tuple(nearest)], 0).astype(np.int32)
