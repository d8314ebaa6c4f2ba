"""Sums of a Gaussian and a Lorentzian of one width: value, cumulative and their derivatives in closed form."""

from __future__ import annotations

from math import log, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled_sums

from .smooth_kernels import arctan_ratio, erfc_scaled, exp_falling

Floats = NDArray[np.float64]

FOUR_LN_2 = 4 * log(2.0)
GAUSS_HEIGHT = sqrt(FOUR_LN_2 / pi)
"""Height of a Gaussian of unit area and unit full width at half maximum."""


@compiled_sums
def fill_gl_sum(x: Floats, position: float, fwhm: float, mixing: float, out: Floats) -> None:
    """Fill rows 0 to 3 and 7 to 10 of ``out``; rows serve as scratch, and loops are short so that they vectorize."""
    n = x.size
    falling, height, half = FOUR_LN_2 / fwhm**2, GAUSS_HEIGHT / fwhm, fwhm / 2
    root, gauss = sqrt(falling), 1 - mixing
    value, by_position, by_fwhm, by_mixing = out[0], out[1], out[2], out[3]
    total, total_by_position, total_by_fwhm, total_by_mixing = out[7], out[8], out[9], out[10]
    bell, pole, below, arc = by_position, by_fwhm, total_by_position, total_by_fwhm
    for i in range(n):
        z = x[i] - position
        bell[i] = exp_falling(-falling * z * z)
    for i in range(n):
        z = x[i] - position
        pole[i] = 1 / (z * z + half * half)
    for i in range(n):
        below[i] = 0.5 * erfc_scaled(abs(x[i] - position) * root) * bell[i]
    for i in range(n):
        below[i] = 1 - below[i] if x[i] >= position else below[i]
    for i in range(n):
        arc[i] = 0.5 + arctan_ratio(x[i] - position, half) / pi
    for i in range(n):
        total_by_mixing[i] = arc[i] - below[i]
        total[i] = below[i] + mixing * total_by_mixing[i]
    for i in range(n):
        by_mixing[i] = half / pi * pole[i] - height * bell[i]
        value[i] = height * bell[i] + mixing * by_mixing[i]
    for i in range(n):
        z = x[i] - position
        g, p = gauss * height * bell[i], pole[i]
        lorentz = mixing * half / pi * p
        by_position[i] = 2 * z * (g * falling + lorentz * p)
        by_fwhm[i] = (g * (2 * falling * z * z - 1) + lorentz * (z * z - half * half) * p) / fwhm
    for i in range(n):
        total_by_position[i] = -value[i]
        total_by_fwhm[i] = -value[i] * (x[i] - position) / fwhm
