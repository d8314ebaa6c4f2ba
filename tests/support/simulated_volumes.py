"""Simulated volumes of the composite without a beamtime around them, and phantoms whose projections are exact."""

from __future__ import annotations

from functools import cache
from io import BytesIO

import h5py
import numpy as np
import xarray as xr

from operando.example_scans import microstructure, parameters, projections, tomography

SEED = 20260101
LAW = parameters.load("small").tomography
Z, PASSED = (0.0, 0.4, 0.8, 0.5, 0.1), (0.0, 0.25, 0.5, 0.75, 1.0)


@cache
def composite(step: int = 1) -> microstructure.Volume:
    """Return the phases of a step, from 1 to 5."""
    fixed = microstructure.structure(LAW, SEED)
    return microstructure.volume(LAW, fixed, microstructure.state(LAW, fixed, Z[step - 1], PASSED[step - 1]))


@cache
def grey_values(step: int = 1, seed: int = SEED, ring: bool = False) -> np.ndarray:
    """Return the grey levels (z, y, x) of a step; of one with the ring artifact if asked for."""
    law = parameters.load("small", {"faults": {"xtm_ring": [step] if ring else []}})
    return tomography.reconstructed(law, step, composite(step), seed)


def as_volume(values: np.ndarray, edge: float = LAW.voxel_size) -> xr.DataArray:
    """Return values (..., z, y, x) as a volume with the middles of its voxels, um; a fourth dim is ``scan``."""
    dims = ("scan", "z", "y", "x")[-values.ndim :]
    places = {name: (np.arange(values.shape[dims.index(name)]) + 0.5) * edge for name in "zyx"}
    return xr.DataArray(values, places, dims, "grey").assign_coords(voxel_size=edge)


def discs_projected(discs: list[tuple[float, float, float, float]], theta: np.ndarray, pixels: int, center: float):
    """Return the exact line integrals (angle, pixel) of discs (y, x, radius, attenuation) about the axis."""
    place = np.arange(pixels) - center
    found = np.zeros((theta.size, pixels))
    for y, x, radius, attenuation in discs:
        offset = place - (x * np.cos(theta) + y * np.sin(theta))[:, np.newaxis]
        found += 2 * attenuation * np.sqrt(np.maximum(radius**2 - offset**2, 0))
    return found


def as_projections(lines: np.ndarray, angle: np.ndarray, counts: float, noise: np.random.Generator) -> xr.Dataset:
    """Return line integrals (angle, y, x) as a camera counts them, with flats and darks; angles in deg."""
    beam = counts * (1 + 0.05 * noise.standard_normal(lines.shape[1:]))
    frames = (8, *beam.shape)
    seen = {
        "projections": (("angle", "y", "x"), noise.poisson(np.exp(-lines) * beam + 100)),
        "flat": (("flat_frame", "y", "x"), noise.poisson(beam + 100, frames)),
        "dark": (("dark_frame", "y", "x"), noise.poisson(100, frames)),
    }
    ds = xr.Dataset(seen, {"angle": ("angle", angle, {"units": "deg"}), "pixel_size": 0.65})
    return ds.astype(np.uint16)


def simulated_projections(rows: int = 8, **changes: int) -> tuple[xr.Dataset, np.ndarray]:
    """Return a step's projections from its DXchange file, and the attenuation (z, y, x) of the rows, 1/um.

    ``changes`` are those of the tomograph's parameters, such as ``flat_frames``.
    """
    law = parameters.load("small", {"tomography": changes})
    first = (LAW.voxels - rows) // 2
    true = tomography.attenuation(law, composite())[first : first + rows]
    names = {
        "data": ("projections", "angle"),
        "data_white": ("flat", "flat_frame"),
        "data_dark": ("dark", "dark_frame"),
    }
    with h5py.File(BytesIO(projections.dxchange(law, true, "2026-01-01T00:00:00", SEED))) as file:
        ds = xr.Dataset({name: ((dim, "y", "x"), file[f"exchange/{key}"][()]) for key, (name, dim) in names.items()})
        ds = ds.assign_coords(angle=file["exchange/theta"][()])
        return ds.assign_coords(pixel_size=file["measurement/instrument/detector/pixel_size_x"][()]), true
