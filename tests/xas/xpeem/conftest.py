"""Stacks of images for the tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from image_stacks import as_images, displaced, pattern, stacks, walk

from operando.example_scans import cell, parameters


@pytest.fixture
def patterned() -> Callable[..., tuple[xr.DataArray, np.ndarray]]:
    """Return a maker of stacks of one pattern with a contrast of its own in every frame, and their drift."""

    def make(contrast, size: int = 256, counts: float = 200.0, seed: int = 3, step: float = 0.8):
        noise = np.random.default_rng(seed)
        wide = (size + 64, size + 64)
        waves, drift = pattern(wide, 8.0, noise), walk(len(contrast), step, noise)
        frames = [
            noise.poisson(counts * np.clip(1 + share * displaced(waves, where, wide)[32:-32, 32:-32], 0.01, None))
            for share, where in zip(contrast, drift, strict=True)
        ]
        return as_images(np.array(frames)), drift

    return make


@pytest.fixture(scope="session")
def happened():
    """Return the run of the cell, which is the same for all seeds."""
    return cell.run(parameters.load("small"))


@pytest.fixture(scope="session")
def beamtime(happened):
    """Return two stacks with their faults, and the truth."""
    faults = {"xpeem_missing_frame": [[2, 9]], "xpeem_surplus_frame": [], "xpeem_saturated_frame": [[1, 17]]}
    return stacks(5, happened=happened, faults=faults)
