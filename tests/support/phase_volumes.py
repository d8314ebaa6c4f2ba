"""Volumes of known phases as scans and what a recipe's steps have made of them so far."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy import ndimage

from operando.flags import Flag
from operando.pipelines.steps import volumes

BLUR = 0.8
LEVELS = [100.0, 200.0, 900.0]
NAMES = ["void", "electrolyte", "particle"]


def phases(*greys, levels=LEVELS, names=NAMES, lost=()):
    """Return scans of these grey levels, and what was made of them: phases by thresholds halfway."""
    grey = np.stack([np.asarray(one, np.float32) for one in greys])
    flags = np.zeros(grey.shape[:2], np.int32)
    flags[:, list(lost)] = int(Flag.missing_frame)
    raw = xr.Dataset(
        {"grey": (("scan", "z", "y", "x"), grey, {"units": "1"})},
        {dim: (np.arange(size) + 0.5) * 0.5 for dim, size in zip("zyx", grey.shape[1:], strict=True)},
        {"history": "[]"},
    ).assign_coords(frame_flag=(("scan", "z"), flags), voxel_size=("scan", np.full(len(grey), 0.5)))
    raw = raw.assign_coords(flag=("scan", np.zeros(len(grey), np.int32)))
    nothing = raw.drop_vars(list(raw.variables)).drop_attrs()
    return raw, volumes.segment(raw, raw.drop_vars("grey"), nothing, levels=levels, names=names)


def channels(size=24):
    """Return electrolyte in straight channels along z, thicker in one half than in the other."""
    grey = np.full((size,) * 3, 900.0)
    grey[:, 2:6, :], grey[:, 14:22, :8] = 200.0, 200.0
    return grey


def noise(seed, size=24):
    """Return a smooth random medium with levels around those of two phases."""
    medium = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((size,) * 3), 1.5, mode="wrap")
    return 150 + 60 * np.tanh(medium / medium.std())


def half_touching(seed=3, size=40):
    """Return a block that touches electrolyte with one half of its face, and void with the other, blurred, noisy."""
    grey = np.full((size,) * 3, 200.0)
    grey[: size // 2] = 900.0
    grey[size // 2 :, :, size // 2 :] = 100.0
    grey = ndimage.gaussian_filter(grey, BLUR, mode="nearest")
    return grey + np.random.default_rng(seed).normal(0, 20, grey.shape)
