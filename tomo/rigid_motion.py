"""Maps x -> A (x - center) + center + t between volumes, as 4 x 4 matrices about the center; lengths um."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

KINDS = ("translation", "rigid", "affine")


def generators(kind: str) -> Floats:
    """Return what moves along each parameter, dims (parameter, 4, 4): shifts along z, y, x, then turns or the matrix.

    Turns are right-handed in the order z, y, x: one about z moves y toward x.
    """
    shifts = np.zeros((3, 4, 4))
    shifts[[0, 1, 2], [0, 1, 2], 3] = 1
    if kind == "translation":
        return shifts
    if kind == "rigid":
        turns = np.zeros((3, 4, 4))
        for axis in range(3):
            one, other = (axis + 1) % 3, (axis + 2) % 3
            turns[axis, other, one], turns[axis, one, other] = 1, -1
        return np.concatenate([shifts, turns])
    linear = np.zeros((9, 4, 4))
    linear[np.arange(9), np.arange(9) // 3, np.arange(9) % 3] = 1
    return np.concatenate([shifts, linear])


def small_motion(parameters: Floats, kind: str) -> Floats:
    """Return the map of small parameters; a rigid one stays rigid."""
    from scipy.spatial.transform import Rotation

    motion: Floats = np.eye(4) + np.tensordot(parameters, generators(kind), 1)
    if kind == "rigid":
        motion[:3, :3] = Rotation.from_rotvec(parameters[3:]).as_matrix()
    return motion


def rotation_of(matrix: Floats) -> Floats:
    """Return the rotation vector (z, y, x), deg, of the rotation nearest to a matrix (3, 3)."""
    from scipy.linalg import polar
    from scipy.spatial.transform import Rotation

    vector: Floats = Rotation.from_matrix(polar(matrix)[0]).as_rotvec(degrees=True)
    return vector


def covariance_after(local: Floats, motion: Floats, kind: str) -> Floats:
    """Return the covariance of shift and turn, or matrix, of a map T from that of the last small map D, T = T0 D^-1."""
    turned = np.zeros_like(local)
    turned[:3, :3] = motion[:3, :3]
    if kind == "affine":
        turned[3:, 3:] = np.kron(motion[:3, :3], np.eye(3))
    elif kind == "rigid":
        turned[3:, 3:] = motion[:3, :3]
    found: Floats = turned @ local @ turned.T
    return found
