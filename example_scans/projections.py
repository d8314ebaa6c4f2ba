"""Parallel-beam projections of a volume as a tomograph records them, in a DXchange HDF5 file."""

from __future__ import annotations

import numpy as np
from scipy import ndimage, sparse

from . import image_files
from .cell import Floats
from .noise import stream
from .parameters import Parameters

BEAM_WAVES = 3
BEAM_RIPPLE = 0.05
FIXED_PATTERN = 0.02


def width(voxels: int) -> int:
    """Return the pixels across that see the whole volume at every angle, with some air on both sides."""
    return int(np.ceil(np.sqrt(2) * voxels)) + 8


def angles(count: int) -> Floats:
    """Return the angles of the projections, deg, from 0 to below 180."""
    found: Floats = 180.0 * np.arange(count) / count
    return found


def axis(voxels: int, offset: float) -> float:
    """Return the pixel, counted from 0, onto which the axis of rotation falls."""
    return (width(voxels) - 1) / 2 + offset


def integrals(attenuation: np.ndarray, theta: Floats, offset: float) -> np.ndarray:
    """Return the attenuation integrated along parallel rays, dims (angle, z, pixel), in voxels.

    The axis of rotation runs along z through the middle of the volume; a ray adds up values between the
    voxels (bilinear) one voxel apart. At angle 0 a ray runs along y and ``pixel`` along x; a positive angle turns
    the volume from x to y.

    Parameters
    ----------
    attenuation
        Dims (z, y, x), per voxel.
    theta
        Angles, deg.
    offset
        From the middle of the detector to the axis of rotation, px.
    """
    layers, voxels = attenuation.shape[0], attenuation.shape[2]
    flat = attenuation.reshape(layers, -1).T.astype(float)
    return np.array([(_rays(voxels, np.deg2rad(angle), offset) @ flat).T for angle in theta])


def dxchange(parameters: Parameters, attenuation: np.ndarray, start: str, seed: int) -> bytes:
    """Return the HDF5 file: ``/exchange/data``, ``data_white``, ``data_dark`` and ``theta``.

    Parameters
    ----------
    attenuation
        The rows to project, dims (z, y, x), 1/um.
    start
        Local time on the beamline's clock.
    """
    law = parameters.tomography
    theta = angles(law.projections)
    lines = integrals(attenuation * law.voxel_size, theta, law.axis_offset)
    seen = np.exp(-ndimage.gaussian_filter(lines, (0, law.blur, law.blur)))
    noise = stream(seed, "xtm", "projections")
    open_beam = law.beam_counts * _beam(seen.shape[1:], noise)
    counts = {
        "data": noise.poisson(seen * open_beam + law.dark_counts),
        "data_white": noise.poisson(open_beam + law.dark_counts, (law.flat_frames, *open_beam.shape)),
        "data_dark": noise.poisson(law.dark_counts, (law.flat_frames, *open_beam.shape)),
    }
    images = {
        f"exchange/{name}": (np.minimum(values, 65535).astype(np.uint16), {"units": "counts", "axes": axes})
        for (name, values), axes in zip(counts.items(), ("theta:y:x", "frame:y:x", "frame:y:x"), strict=True)
    }
    pixel = {"units": "um"}
    detector = "measurement/instrument/detector"
    datasets = {
        **images,
        "exchange/theta": (theta, {"units": "deg"}),
        f"{detector}/pixel_size_x": (law.voxel_size, pixel),
        f"{detector}/pixel_size_y": (law.voxel_size, pixel),
        "measurement/instrument/monochromator/energy": (law.energy, {"units": "keV"}),
        "measurement/sample/name": ("NCM811 with Li3PS4, operando", {}),
        "process/acquisition/start_date": (start, {}),
        "implements": ("exchange:measurement:process", {}),
    }
    return image_files.hdf5(datasets, {"title": "simulated data"})


def _rays(voxels: int, angle: float, offset: float) -> sparse.csr_array:
    """Return the matrix that takes a slice, row by row, to the pixels of the detector."""
    pixels = width(voxels)
    across = np.arange(pixels) - axis(voxels, offset)
    along = np.arange(pixels) - (pixels - 1) / 2
    middle = (voxels - 1) / 2
    x = middle + across[:, np.newaxis] * np.cos(angle) - along * np.sin(angle)
    y = middle + across[:, np.newaxis] * np.sin(angle) + along * np.cos(angle)
    pixel = np.broadcast_to(np.arange(pixels)[:, np.newaxis], x.shape)
    rows, columns, values = [], [], []
    for step_y in (0, 1):
        for step_x in (0, 1):
            at_y, at_x = np.floor(y).astype(int) + step_y, np.floor(x).astype(int) + step_x
            inside = (at_y >= 0) & (at_y < voxels) & (at_x >= 0) & (at_x < voxels)
            weight = (1 - np.abs(y - at_y)) * (1 - np.abs(x - at_x))
            rows.append(pixel[inside])
            columns.append((at_y * voxels + at_x)[inside])
            values.append(weight[inside])
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.csr_array(entries, shape=(pixels, voxels * voxels))


def _beam(shape: tuple[int, ...], noise: np.random.RandomState) -> np.ndarray:
    """Return the open beam on every pixel, 1 on average: horizontal stripes of a multilayer and a fixed pattern."""
    rows = np.linspace(0, 1, shape[0])[:, np.newaxis]
    phases = noise.uniform(0, 2 * np.pi, BEAM_WAVES)
    stripes = sum(np.cos(2 * np.pi * (index + 1) * rows + phase) for index, phase in enumerate(phases))
    beam: np.ndarray = (1 + BEAM_RIPPLE * stripes) * (1 + FIXED_PATTERN * noise.standard_normal(shape))
    return beam
