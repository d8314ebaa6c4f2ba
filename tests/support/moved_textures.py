"""A texture without a grid, so that a deformed volume of it is exact, and volumes of it."""

from __future__ import annotations

import numpy as np
import xarray as xr

WAVES = 120
NOISE = 0.15
REST = xr.Dataset(
    {
        "matrix": (("axis", "column"), np.eye(3)),
        "translation": ("axis", np.zeros(3)),
        "center": ("axis", np.full(3, 12.0)),
    }
)
"""Where a search may begin, so that the whole need not be aligned first."""


def texture(place: np.ndarray, seed: int = 1) -> np.ndarray:
    """Return values, of spread 1, at places (..., 3) in voxels: waves in all directions, 5 to 16 voxels long."""
    noise = np.random.default_rng(seed)
    direction = noise.normal(size=(WAVES, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    wave = direction * (2 * np.pi / noise.uniform(5, 16, (WAVES, 1)))
    phase = noise.uniform(0, 2 * np.pi, WAVES)
    found = np.zeros(place.shape[:-1])
    for one, begin in zip(wave, phase, strict=True):
        found += np.cos(place @ one + begin)
    return found * np.sqrt(2 / WAVES)


def places(size: int) -> np.ndarray:
    """Return the middles of voxels about the middle of the volume, dims (z, y, x, 3)."""
    return np.moveaxis(np.indices((size,) * 3), 0, -1) - (size - 1) / 2


def volume(values: np.ndarray, edge: float = 0.5) -> xr.DataArray:
    coords = {name: (np.arange(n) + 0.5) * edge for name, n in zip("zyx", values.shape[-3:], strict=True)}
    dims = ("scan", "z", "y", "x")[-values.ndim :]
    return xr.DataArray(values.astype(np.float32), coords, dims).assign_coords(voxel_size=edge)


def deformed(size: int, gradient=None, shift=(0.0, 0.0, 0.0), noise=0.0, seed=0) -> np.ndarray:
    """Return what was at x at F x + shift, x about the middle; with noise of its own."""
    gradient = np.eye(3) if gradient is None else np.asarray(gradient)
    back = (places(size) - np.asarray(shift)) @ np.linalg.inv(gradient).T
    return texture(back) + noise * np.random.default_rng(seed).standard_normal((size,) * 3)


def true_shift(found: xr.Dataset, gradient, shift, size: int, edge: float = 0.5) -> np.ndarray:
    """Return the displacement (um) at the nodes of a volume of that size."""
    node = np.stack(np.meshgrid(*(found[name] for name in "zyx"), indexing="ij"), axis=-1) - size * edge / 2
    return node @ (np.asarray(gradient) - np.eye(3)).T + np.asarray(shift) * edge
