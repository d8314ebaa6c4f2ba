"""Random media whose volume fraction is known."""

from __future__ import annotations

import numpy as np


def overlapping_spheres(edge: int, radius: float, coverage: float, noise: np.random.Generator) -> np.ndarray:
    """Return a Boolean model of spheres, dims (z, y, x): a share of 1 - exp(-coverage) of it is true, on average."""
    filled = np.zeros((edge,) * 3, dtype=bool)
    for center in sphere_centers(edge, radius, coverage, noise):
        first = np.clip(np.ceil(center - radius - 0.5), 0, edge).astype(int)
        last = np.clip(np.floor(center + radius - 0.5) + 1, 0, edge).astype(int)
        if (first < last).all():
            axes = [np.arange(a, b) + 0.5 - c for a, b, c in zip(first, last, center, strict=True)]
            z, y, x = np.ix_(*axes)
            filled[tuple(map(slice, first, last))] |= z**2 + y**2 + x**2 < radius**2
    return filled


def sphere_centers(edge: int, radius: float, coverage: float, noise: np.random.Generator) -> np.ndarray:
    """Return the middles of the spheres of a Boolean model that reach into a cube from 0 to ``edge``."""
    reach = edge + 2 * radius
    number = noise.poisson(coverage * reach**3 / (4 / 3 * np.pi * radius**3))
    return noise.uniform(-radius, edge + radius, (number, 3))


def lattice_balls(edge: int, radius: int, share: float, noise: np.random.Generator) -> np.ndarray:
    """Return what balls cover around voxels drawn with a probability ``share``: its covariance is known exactly.

    A voxel is left out with probability (1 - share)^n, n voxels of a ball, and two voxels with (1 - share)^m, m voxels
    of the two balls around them. Balls go on at the opposite face.
    """
    middles = noise.random((edge,) * 3) < share
    covered = np.zeros_like(middles)
    for step in np.argwhere(ball(radius)) - radius:
        covered |= np.roll(middles, step, (0, 1, 2))
    return covered


def ball(radius: int) -> np.ndarray:
    """Return which voxels lie within a radius of the middle one."""
    z, y, x = np.indices((2 * radius + 1,) * 3) - radius
    return z**2 + y**2 + x**2 <= radius**2
