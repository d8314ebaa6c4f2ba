"""S 2p spectra of a sulfide electrolyte that is being reduced, with the truth; formulas of their own."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.special import erf

SPLITTING, RATIO = 1.18, 0.511
LINES = ("PS4", "Li2S", "bridge")
MIXING, HEIGHT, CONSTANT = 0.25, 0.03, 400.0
ENERGY = np.linspace(157.5, 170.0, 251)
FALL = np.sqrt(2 * np.log(2))


def line(x: np.ndarray, position: float, fwhm: float, mixing: float) -> np.ndarray:
    half, z = fwhm / 2, x - position
    sigma = half / FALL
    gauss = np.exp(-((z / sigma) ** 2) / 2) / (sigma * np.sqrt(2 * np.pi))
    return (1 - mixing) * gauss + mixing * half / np.pi / (z**2 + half**2)


def cumulative(x: np.ndarray, position: float, fwhm: float, mixing: float) -> np.ndarray:
    half, z = fwhm / 2, x - position
    gauss = 0.5 * (1 + erf(z / (half / FALL * np.sqrt(2))))
    return (1 - mixing) * gauss + mixing * (0.5 + np.arctan(z / half) / np.pi)


def curve(x, areas, positions, widths, *, mixing=MIXING, height=HEIGHT, constant=CONSTANT, cumulated=cumulative):
    total = np.full_like(x, constant)
    for area, position, fwhm in zip(areas, positions, widths, strict=True):
        for share, move in ((1 / (1 + RATIO), 0.0), (RATIO / (1 + RATIO), SPLITTING)):
            total += area * share * line(x, position + move, fwhm, mixing)
            total += height * area * share * cumulated(x, position + move, fwhm, mixing)
    return total


def truth(count: int) -> xr.Dataset:
    t = np.linspace(0, 1, count)
    shift = 0.35 * np.sin(2 * np.pi * t)
    areas = np.stack([9000 - 3800 * t, 450 + 3300 * t, 600 + 1800 * t**2], 1)
    positions = np.stack([161.6 + shift, 160.1 + 0 * t, 163.2 + shift], 1)
    widths = np.tile([1.1, 1.1, 1.3], (count, 1))
    dims = ("scan", "peak")
    return xr.Dataset(
        {"area": (dims, areas), "position": (dims, positions), "fwhm": (dims, widths)}, {"peak": list(LINES)}
    )


def spectra(count: int, seed: int | None = None, scale: float = 1.0, constant: float = CONSTANT) -> xr.DataArray:
    """Return counts with a flag; without a seed they are free of noise."""
    known = truth(count)
    rows = [
        curve(
            ENERGY,
            scale * one["area"].to_numpy(),
            one["position"].to_numpy(),
            one["fwhm"].to_numpy(),
            constant=constant,
        )
        for one in (known.isel(scan=k) for k in range(count))
    ]
    values = np.array(rows) if seed is None else np.random.default_rng(seed).poisson(rows).astype(float)
    coords = {
        "binding_energy": ("binding_energy", ENERGY, {"units": "eV"}),
        "flag": ("scan", np.zeros(count, np.int32)),
        "time": ("scan", np.datetime64("2026-01-01", "ns") + np.arange(count) * np.timedelta64(60, "s")),
    }
    return xr.DataArray(values, dims=("scan", "binding_energy"), coords=coords, attrs={"units": "count"})
