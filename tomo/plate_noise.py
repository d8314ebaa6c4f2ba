"""What the plate filter gives in noise alone, and the thresholds that follow from it."""

from __future__ import annotations

import math

import numpy as np

from operando.errors import OperandoError

from .plates import half_gauss

_AT_ZERO, _SLOPE = -0.636, 0.2847
"""log10 of how often e1 - max(|e2|, |e3|) exceeds t, for t > 2: _AT_ZERO - _SLOPE t^2, within 0.03.

Fitted to 1.2e8 Hessians of an isotropic Gaussian field, whose elements have the variances 1 (zz) and 1/3 (zy) and the
covariance 1/3 of zz and yy; t is in units of the standard deviation of zz.
"""
HIGHEST, LOWEST = 1e-2, 1e-15


def spread(scale: float, noise: float, noise_blur: float = 0.0) -> float:
    """Return the standard deviation of s^2 d^2/dz^2 of noise smoothed to a scale s.

    Its square is A^2 s^4 3 / (32 pi^(3/2) S^7), S^2 = s^2 + ``noise_blur``^2. ``noise`` is the standard deviation of a
    voxel, A that of the white noise which, blurred by ``noise_blur``, leaves it; lengths are in voxels.
    """
    total = math.hypot(scale, noise_blur)
    return white(noise, noise_blur) * scale**2 * math.sqrt(3 / (32 * math.pi**1.5 * total**7))


def smoothed(scale: float, noise: float, noise_blur: float = 0.0) -> float:
    """Return the standard deviation of noise smoothed to a scale; its square is A^2 / (8 pi^(3/2) S^3)."""
    return white(noise, noise_blur) / math.sqrt(8 * math.pi**1.5 * math.hypot(scale, noise_blur) ** 3)


def white(noise: float, noise_blur: float) -> float:
    """Return the standard deviation of the white noise that leaves ``noise`` when it is blurred."""
    if noise_blur == 0:
        return noise
    half = half_gauss(noise_blur).astype(np.float64)
    return float(noise / (half[0] ** 2 + 2 * (half[1:] ** 2).sum()) ** 1.5)


def threshold(false_alarm: float, step: str) -> float:
    """Return what the filter exceeds in a share of the voxels of noise, in units of :func:`spread`.

    The share is larger within reach of the outer faces, where the volume is mirrored.

    Raises
    ------
    OperandoError
        If the share is not between 1e-15 and 0.01.
    """
    if not LOWEST <= false_alarm <= HIGHEST:
        wanted = f"a share of false alarms from {LOWEST:g} to {HIGHEST:g} of the voxels"
        raise OperandoError(f"{step}: expected {wanted}, got {false_alarm:g}")
    return math.sqrt((_AT_ZERO - math.log10(false_alarm)) / _SLOPE)
