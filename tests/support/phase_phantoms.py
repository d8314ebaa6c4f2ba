"""Volumes of known phases: blobs told apart by grey level, or by texture alone; and strokes of somebody labelling."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter


def blobs(edge: int, seed: int, shares: tuple[float, ...], size: float = 4.0) -> np.ndarray:
    """Return phases 1, 2 ... of the shares asked for."""
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(edge,) * 3), size)
    return (1 + np.digitize(field, np.quantile(field, np.cumsum(shares)[:-1]))).astype(np.uint8)


def by_grey(phases: np.ndarray, seed: int, levels: tuple[float, ...], blur: float, noise: float) -> np.ndarray:
    """Return grey levels (uint16) of phases, blurred, with white noise."""
    grey = gaussian_filter(np.array([0.0, *levels])[phases], blur)
    grey += np.random.default_rng(seed).normal(0, noise, phases.shape)
    return np.rint(grey).clip(0, 65535).astype(np.uint16)


def by_texture(phases: np.ndarray, seed: int) -> np.ndarray:
    """Return two phases of one mean and one variance: white noise in 1, noise of a grain of 1.5 voxels in 2."""
    noise = np.random.default_rng(seed).normal(size=(2, *phases.shape))
    grain = gaussian_filter(noise[1], 1.5)
    return (1000 + 100 * np.where(phases == 1, noise[0], grain / grain.std())).astype(np.float32)


def strokes(phases: np.ndarray, seed: int, count: int, length: int = 9) -> np.ndarray:
    """Return ``count`` strokes a phase, along x through places drawn from it; 0 elsewhere and in phase 0."""
    draw = np.random.default_rng(seed)
    marks = np.zeros_like(phases)
    for phase in np.unique(phases[phases > 0]):
        places = np.argwhere(phases == phase)
        for z, y, x in places[draw.integers(len(places), size=count)]:
            line = slice(max(0, x - length // 2), x + length // 2 + 1)
            marks[z, y, line] = np.where(phases[z, y, line] == phase, phase, marks[z, y, line])
    return marks
