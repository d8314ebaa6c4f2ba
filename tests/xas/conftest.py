"""Spectra whose every number is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from operando import xas

E0 = 8333.0


def grid(points: int = 500, first: float = -150.0, last: float = 750.0) -> np.ndarray:
    """Return the energies of a usual scan: coarse before the edge, fine at it, even in k behind it."""
    pre, near = np.arange(first, -20.0, 5.0), np.arange(-20.0, 45.0, 0.35)
    k = np.linspace(np.sqrt(45 / 3.81), np.sqrt(last / 3.81), points - pre.size - near.size)
    return np.concatenate([pre, near, 3.81 * k**2]) + E0


def absorption(energy: np.ndarray, shift: float | np.ndarray = 0.0, white_line: float = 0.5) -> np.ndarray:
    """Return an edge with a white line and oscillations on a curved background, one row a shift."""
    e = energy - (E0 + np.asarray(shift)[..., None])
    k = np.sqrt(np.clip(e, 0, None) / 3.81)
    mu = 0.5 + np.arctan(e / 1.2) / np.pi + white_line * np.exp(-0.5 * ((e - 5) / 2.5) ** 2)
    mu += np.where(e > 15, 0.6 * np.exp(-0.012 * k**2) * np.sin(3.9 * k + 0.5) / np.clip(k, 1, None) ** 1.5, 0)
    return 0.9 * mu + 0.4 - 1.5e-4 * (energy - E0) + 2e-8 * (energy - E0) ** 2


@pytest.fixture
def spectra() -> Callable[..., xr.DataArray]:
    """Return a maker of series of edges that shift by up to 1.8 eV, with noise."""

    def make(scans: int = 6, noise: float = 5e-4, points: int = 500, seed: int = 7) -> xr.DataArray:
        energy = grid(points)
        mu = absorption(energy, np.linspace(0, 1.8, scans))
        mu = mu + np.random.default_rng(seed).normal(0, noise, mu.shape)
        coords = {"energy": ("energy", energy, {"units": "eV", "long_name": "photon energy"})}
        return xr.DataArray(mu, dims=("scan", "energy"), coords=coords, attrs={"units": "1"}, name="mu")

    return make


@pytest.fixture(scope="session")
def nickel_series(realdata: Path) -> xr.Dataset:
    """Return the 229 scans that were measured at the Ni K edge of a cell; nobody may change them."""
    columns = {"energy": "shifted energy", "mu": "normalized", "i0": "I0", "reference": "reference"}
    paths = sorted((realdata / "xas/perex/xas").glob("*.txt"))
    return xas.read_series(paths, timezone="Europe/Paris", columns=columns)
