"""Volumes of phases in blocks of 2 x 2 x 2 voxels, of the mean conductivity of each, read slab by slab."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .conduction import Codes, Material
from .conduction_in_slabs import through_slabs
from .intensity_alignment import Singles, halved
from .mask_slabs import SlabParts, slab_parts
from .multigrid import coarser
from .multigrid_cells import Sizes
from .percolation import Parts

Read = Callable[[tuple[slice, ...]], Codes]

_VOXELS = 1 << 22
"""Voxels of a slab that is read at once, about."""


@dataclass(frozen=True)
class Coarse:
    """Conductivities of blocks; means of the voxels, the share that conducts, and along which axes a path leads."""

    blocks: Singles
    mean: float
    filled: float
    percolates: list[bool]


def coarse_conductivities(read: Read, whole: Sizes, material: Material, axes: list[int]) -> Coarse:
    """Return what blocks conduct, and what is known of the voxels themselves, in one pass over the volume."""
    blocks = np.empty(coarser(whole), np.float32)
    planes = max(2, _VOXELS // (whole[1] * whole[2]) // 2 * 2)
    numbers = np.zeros(material.conductivities.size)
    parts: dict[int, list[SlabParts]] = {axis: [] for axis in axes}
    for offset in range(0, whole[0], planes):
        codes = read((slice(offset, offset + planes), slice(None), slice(None)))
        numbers += np.bincount(codes.ravel(), minlength=numbers.size)
        blocks[offset // 2 : (offset + planes) // 2] = in_blocks(codes, material)
        conducting = (codes > 0).view(np.uint8)
        within = Parts(conducting)
        for axis in axes:
            parts[axis].append(slab_parts(within, whole, offset, axis, 0))
    voxels = float(numbers.sum())
    leads = [any(kept.any() for kept in through_slabs(parts[axis])) for axis in axes]
    mean = float(numbers @ material.conductivities) / voxels
    return Coarse(blocks, mean, float(numbers[1:].sum()) / voxels, leads)


def in_blocks(codes: Codes, material: Material) -> Singles:
    """Return the mean conductivity of blocks of voxels."""
    return mean_blocks(material.conductivities.astype(np.float32)[codes])


def mean_blocks(values: NDArray[np.float32]) -> Singles:
    """Return means of 2 x 2 x 2; a last odd one along an edge stands for two."""
    odd = [(0, size % 2) for size in values.shape]
    return halved(np.pad(values, odd, mode="edge") if any(behind for _, behind in odd) else values)
