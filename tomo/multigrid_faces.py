"""Conductances of the faces between voxels of several phases, and what a straight fall of the potential leaves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

from .multigrid_cells import Faces, Sizes, Vector

_NONE = np.float32(0)


@compiled
def fill_faces(  # noqa: PLR0917
    codes: NDArray[np.uint8],
    pairs: Vector,
    weights: Vector,
    sizes: Sizes,
    axis: int,
    faces: Faces,
    diagonal: Vector,
    first: int,
    last: int,
) -> None:
    """Set the conductances of the faces of planes, and their sum for each voxel.

    ``codes`` number the phases, 0 conducts nothing; their border holds the other side where the volume repeats itself,
    else zeros. ``pairs`` of phases conduct so much across a face of a cube, ``weights`` are those of faces across z, y,
    x. At both ends of ``axis`` (3: nowhere) lie electrodes, half a voxel away.
    """
    for z in range(first, last):
        for y in range(1, sizes[1] + 1):
            for x in range(1, sizes[2] + 1):
                here, total = codes[z, y, x], _NONE
                place = (z, y, x)
                for along in range(3):
                    dz, dy, dx = np.int64(along == 0), np.int64(along == 1), np.int64(along == 2)
                    lower = pairs[here, codes[z - dz, y - dy, x - dx]]
                    upper = pairs[here, codes[z + dz, y + dy, x + dx]]
                    if along == axis and place[along] == 1:
                        lower = np.float32(2) * pairs[here, here]
                    if along == axis and place[along] == sizes[along]:
                        upper = np.float32(2) * pairs[here, here]
                    faces[along][z, y, x] = weights[along] * lower
                    if place[along] == sizes[along]:
                        faces[along][z + dz, y + dy, x + dx] = weights[along] * upper
                    total += weights[along] * (lower + upper)
                diagonal[z, y, x] = total


@compiled
def _half_each(one: np.float32, other: np.float32) -> np.float32:
    """Return what a face conducts between two conductivities: half a cell of each in a row."""
    return np.float32(2) * one / (one + other) * other if one > 0 and other > 0 else _NONE


@compiled
def fill_block_faces(  # noqa: PLR0917
    conductivity: Vector,
    weights: Vector,
    sizes: Sizes,
    axis: int,
    faces: Faces,
    diagonal: Vector,
    first: int,
    last: int,
) -> None:
    """Set the conductances as :func:`fill_faces` does, from the conductivity of each cell, 0 in the border."""
    for z in range(first, last):
        for y in range(1, sizes[1] + 1):
            for x in range(1, sizes[2] + 1):
                here, total = conductivity[z, y, x], _NONE
                place = (z, y, x)
                for along in range(3):
                    dz, dy, dx = np.int64(along == 0), np.int64(along == 1), np.int64(along == 2)
                    lower = _half_each(here, conductivity[z - dz, y - dy, x - dx])
                    upper = _half_each(here, conductivity[z + dz, y + dy, x + dx])
                    if along == axis and place[along] == 1:
                        lower = np.float32(2) * here
                    if along == axis and place[along] == sizes[along]:
                        upper = np.float32(2) * here
                    faces[along][z, y, x] = weights[along] * lower
                    if place[along] == sizes[along]:
                        faces[along][z + dz, y + dy, x + dx] = weights[along] * upper
                    total += weights[along] * (lower + upper)
                diagonal[z, y, x] = total


@compiled
def linear_source(  # noqa: PLR0917
    faces: Faces,
    sizes: Sizes,
    axis: int,
    repeats: bool,
    source: Vector,
    energy: NDArray[np.float64],
    first: int,
    last: int,
) -> None:
    """Set what the potential that falls by 1 a voxel along an axis leaves of the balance of each voxel.

    ``energy`` of each plane: what this potential dissipates.
    """
    face, length = faces[axis], sizes[axis]
    dz, dy, dx = np.int64(axis == 0), np.int64(axis == 1), np.int64(axis == 2)
    for z in range(first, last):
        total = 0.0
        for y in range(1, sizes[1] + 1):
            for x in range(1, sizes[2] + 1):
                place = z * dz + y * dy + x * dx
                fall = 0.5 if place == 1 and not repeats else 1.0
                after = 0.5 if place == length and not repeats else 1.0
                lower, upper = face[z, y, x], face[z + dz, y + dy, x + dx]
                source[z, y, x] = np.float32(fall * lower - after * upper)
                total += fall * fall * lower
                if place == length and not repeats:
                    total += after * after * upper
        energy[z] = total
