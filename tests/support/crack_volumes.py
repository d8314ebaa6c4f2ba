"""Volumes with a crack of known shape, made by brute force: voxels are averaged over their parts, then blurred."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from operando.example_scans import microstructure, tomography
from operando.example_scans.parameters import load

PARTS = 4
MATRIX, VOID, NOISE, BLUR = 100.0, 60.0, 10.0, 0.7


def direction(degrees, turned=0.3):
    """Return a unit vector inclined against z, off the planes of the voxels."""
    angle = np.deg2rad(degrees)
    vector = np.array([np.cos(angle), turned * np.sin(angle), np.sin(angle)])
    return vector / np.linalg.norm(vector)


def crack_share(normal, aperture, *, edge=48, offset=0.0, radius=None):
    """Return the share of void of every voxel of a cube with a plate, or a disc, around its middle."""
    place = (np.arange(edge * PARTS) - (edge * PARTS - 1) / 2) / PARTS
    part = np.empty((edge,) * 3)
    y, x = place[:, None], place[None, :]
    for layer in range(edge):
        z = place[layer * PARTS : (layer + 1) * PARTS, None, None]
        along = z * normal[0] + y * normal[1] + x * normal[2] - offset
        within = np.clip((aperture / 2 - np.abs(along)) * PARTS + 0.5, 0, 1)
        if radius is not None:
            within = within * (z**2 + y**2 + x**2 - along**2 < radius**2)
        part[layer] = within.reshape(PARTS, edge, PARTS, edge, PARTS).mean(axis=(0, 2, 4))
    return part


def scanned(share, rng, *, matrix=MATRIX, void=VOID, noise=NOISE, blur=BLUR):
    """Return the grey values that a scan gives of shares of void."""
    grey = matrix + (void - matrix) * gaussian_filter(share, blur) + noise * rng.standard_normal(share.shape)
    return xr.DataArray(grey.astype(np.float32), dims=("z", "y", "x"))


def composite(voxels, seed, *, delithiated, passed):
    """Return parameters, grey values and what fills the voxels of a simulated composite."""
    parameters = load("full", {"tomography": {"voxels": voxels}})
    law = parameters.tomography
    fixed = microstructure.structure(law, seed)
    filled = microstructure.volume(law, fixed, microstructure.state(law, fixed, delithiated, passed))
    grey = tomography.reconstructed(parameters, 1, filled, seed)
    place = (np.arange(voxels) + 0.5) * law.voxel_size
    volume = xr.DataArray(grey, dims=("z", "y", "x"), coords=dict.fromkeys("zyx", place))
    return parameters, volume, filled
