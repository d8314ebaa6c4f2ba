"""Stacks of images whose every number is known: plain patterns, and those of the simulated cell."""

from __future__ import annotations

from io import BytesIO

import h5py
import numpy as np
import xarray as xr

from operando import flags
from operando.example_scans import cell, parameters
from operando.example_scans import xpeem as simulated_stacks

CLEAN = {"xpeem_missing_frame": [], "xpeem_surplus_frame": [], "xpeem_saturated_frame": []}


def pattern(shape: tuple[int, int], shortest: float, noise: np.random.Generator) -> np.ndarray:
    """Return the waves (rfft2) of a random pattern with a standard deviation of 1."""
    waves = np.fft.rfft2(noise.standard_normal(shape))
    length = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1]))
    waves = waves * np.exp(-0.5 * (length * shortest) ** 2)
    waves[0, 0] = 0
    return waves / np.fft.irfft2(waves, shape).std()


def displaced(waves: np.ndarray, drift: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the pattern displaced by ``drift`` (y, x), which it repeats itself outside."""
    y, x = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])
    return np.fft.irfft2(waves * np.exp(-2j * np.pi * (y * drift[0] + x * drift[1])), shape)


def walk(frames: int, step: float, noise: np.random.Generator) -> np.ndarray:
    """Return a drift (frame, y x) that starts at zero."""
    steps = np.cumsum(noise.normal(0, step, (frames, 2)), axis=0)
    return steps - steps[0]


def as_images(values: np.ndarray, energy: np.ndarray | None = None) -> xr.DataArray:
    """Return frames as a stack."""
    energy = 850.0 + np.arange(len(values)) if energy is None else energy
    coords = {
        "energy": ("energy", energy, {"units": "eV", "long_name": "photon energy"}),
        "frame_flag": ("energy", np.zeros(len(values), np.int32), flags.attrs()),
    }
    return xr.DataArray(values.astype(np.float32), dims=("energy", "y", "x"), coords=coords, attrs={"units": "1"})


def stacks(seed: int, *, happened=None, faults: dict | None = None, **changes) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the stacks of a simulated beamtime as they would be read (scan energy y x), and the truth."""
    declared = parameters.load("small", overrides={"faults": CLEAN if faults is None else faults, "xpeem": changes})
    part = simulated_stacks.simulate(declared, happened or cell.run(declared), seed)
    known = part.truth[f"xpeem/{declared.xpeem.node}"]
    files = [BytesIO(part.files[f"xpeem/{name}.h5"]) for name in known["source"].values]
    return opened(files, known), known


def opened(files, known: xr.Dataset) -> xr.Dataset:
    """Return stacks from their HDF5 files with the flags they deserve."""
    count = known.sizes["frame"]
    counts, i0 = [], []
    for path in files:
        with h5py.File(path) as file:
            counts.append(file["frames"][:count])
            i0.append(file["i0"][()])
            flat, dark, energy = (file[name][()] for name in ("flat", "dark", "energy"))
    return xr.Dataset(
        {
            "counts": (("scan", "energy", "y", "x"), np.array(counts), {"units": "counts"}),
            "i0": (("scan", "energy"), np.array(i0), {"units": "nA"}),
            "flat": (("y", "x"), flat),
            "dark": (("y", "x"), dark),
        },
        {
            "energy": ("energy", energy, {"units": "eV", "long_name": "photon energy"}),
            "frame_flag": (("scan", "energy"), known["frame_flag"].values.astype(np.int32), flags.attrs()),
        },
    )
