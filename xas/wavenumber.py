"""The photoelectron's wave number: its axis, its unit, and the grid of the Fourier transforms."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import constants

from operando.errors import OperandoError

Floats = NDArray[np.float64]

K = "k"
K_UNITS = "1/angstrom"
K_STEP = 0.05
FFT_POINTS = 2048
EV_PER_K2 = 1e20 * constants.hbar**2 / (2 * constants.m_e * constants.e)
"""hbar^2/(2 m) in eV angstrom^2."""


def wave_number(energy: Floats, e0: float) -> Floats:
    """Return k (1/angstrom) of energies (eV); negative below e0."""
    above = energy - e0
    k: Floats = np.sign(above) * np.sqrt(np.abs(above) / EV_PER_K2)
    return k


def k_grid(kmax: float, step: float = K_STEP) -> Floats:
    """Return the uniform grid from 0 that holds ``kmax`` if it is a multiple of ``step``."""
    return step * np.arange(int(1.01 + max(kmax, 0.0) / step), dtype=np.float64)


def along_k(chi: xr.DataArray, step: str) -> tuple[xr.DataArray, float]:
    """Return chi, in one chunk along k if lazy, and the step of its wave numbers (1/angstrom).

    Raises
    ------
    OperandoError
        If the axis or its coordinate is missing, in another unit, or not evenly spaced from 0 on.
    """
    if K not in chi.dims or K not in chi.coords:
        raise OperandoError(f"{step}: expected a dim 'k' with its wave numbers, got dims {tuple(chi.dims)}")
    units = chi[K].attrs.get("units", K_UNITS)
    if units != K_UNITS:
        raise OperandoError(f"{step}: expected k in {K_UNITS}, got {units!r}; convert it first")
    k = chi[K].to_numpy()
    spacing = float(k[-1] / (k.size - 1)) if k.size > 1 else 0.0
    if not 2 <= k.size <= FFT_POINTS // 2 or not np.allclose(k, spacing * np.arange(k.size), rtol=0, atol=1e-6):
        raise OperandoError(
            f"{step}: expected up to {FFT_POINTS // 2} evenly spaced k from 0 on, got {k.size} points that are not; "
            f"interpolate first, such as chi.interp(k=np.arange(0, 14, {K_STEP}))"
        )
    return chi.chunk({K: -1}) if chi.chunks else chi, spacing


def continued(rows: Floats) -> Floats:
    """Return rows with 0 where they have ended in NaN; rows that are NaN elsewhere are NaN throughout."""
    finite = np.isfinite(rows)
    started = np.where(finite.any(axis=-1), rows.shape[-1] - np.argmax(finite[..., ::-1], axis=-1), 0)
    whole = (finite.sum(axis=-1) == started) & (started > 0)
    out = np.where(finite, rows, 0.0)
    out[~whole] = np.nan
    return out
