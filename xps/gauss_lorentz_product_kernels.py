"""Products of a Gaussian and a Lorentzian: value, cumulative and their derivatives.

In CasaXPS's units the product is exp(-a t^2) / (1 + b t^2), a = 4 ln 2 (1 - m), b = 4 m. It is a little too narrow at
half maximum between the limits, so it is stretched to its width here; its area is pi / sqrt(b) erfcx(sqrt(a / b)).
"""

from __future__ import annotations

from math import exp, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

from .gauss_lorentz_kernels import FOUR_LN_2
from .quadrature import NODES, WEIGHTS
from .smooth_kernels import erfc_scaled

Floats = NDArray[np.float64]

WIDEST_MIXING = 1 - 1e-9
"""The area's slope has no limit where the Lorentzian has no Gaussian to end it."""
PANEL = 0.35
"""Longest panel of the quadrature near the maximum, in proportion farther out; it leaves 1e-12."""


@compiled
def product(t: float, a: float, b: float) -> tuple[float, float, float]:
    """Return the product, its slope along t and its derivative by the mixing."""
    square = t * t
    under = 1 / (1 + b * square)
    value = exp(-a * square) * under
    return value, -2 * t * value * (a + b * under), value * square * (FOUR_LN_2 - 4 * under)


@compiled
def product_half_width(a: float, b: float) -> tuple[float, float]:
    """Return where the product is half its maximum, and the derivative of that by the mixing."""
    t = 0.5
    for _ in range(8):
        value, slope, _by = product(t, a, b)
        t -= (value - 0.5) / slope
    _value, slope, by_mixing = product(t, a, b)
    return t, -by_mixing / slope


@compiled
def product_area(a: float, b: float) -> tuple[float, float]:
    """Return the product's area and its derivative by the mixing."""
    ratio = b / a
    by_mixing = (4 + FOUR_LN_2 * ratio) / a
    front = sqrt(pi / a)
    if ratio * 36 < 1:
        total, slope, term = 1.0, 0.0, 1.0
        for k in range(1, 26):
            slope += term * -(k - 0.5) * k
            term *= -(k - 0.5) * ratio
            total += term
        return front * total, front * (total * FOUR_LN_2 / (2 * a) + slope * by_mixing)
    root = sqrt(1 / ratio)
    scaled = erfc_scaled(root)
    fall = 2 * root * scaled - 2 / sqrt(pi)
    area = pi / sqrt(b)
    return area * scaled, area * (-2 * scaled / b - 0.5 * fall * root / ratio * by_mixing)


@compiled
def integrated(low: float, high: float, a: float, b: float) -> tuple[float, float]:
    """Return the integrals, outwards from ``low`` to ``high``, of the product and of its derivative by the mixing."""
    total, by_mixing = 0.0, 0.0
    while low != high:
        length = PANEL * max(1.0, abs(low))
        end = high if abs(high - low) <= length else low + (length if high > low else -length)
        half, middle = (end - low) / 2, (end + low) / 2
        for j in range(NODES.size):
            value, _slope, by = product(middle + half * NODES[j], a, b)
            total += WEIGHTS[j] * half * value
            by_mixing += WEIGHTS[j] * half * by
        low = end
    return total, by_mixing


@compiled
def fill_integrals(t: Floats, a: float, b: float, out: Floats) -> None:
    """Fill rows 7 and 10 with the integrals from the maximum to each of the ascending ``t``."""
    first = np.searchsorted(t, 0.0)
    total, by_mixing, start = 0.0, 0.0, 0.0
    for i in range(first, t.size):
        more, by = integrated(start, t[i], a, b)
        total, by_mixing, start = total + more, by_mixing + by, t[i]
        out[7, i], out[10, i] = total, by_mixing
    total, by_mixing, start = 0.0, 0.0, 0.0
    for i in range(first - 1, -1, -1):
        more, by = integrated(start, t[i], a, b)
        total, by_mixing, start = total + more, by_mixing + by, t[i]
        out[7, i], out[10, i] = total, by_mixing


@compiled
def fill_gl_product(x: Floats, position: float, fwhm: float, mixing: float, out: Floats) -> None:
    """Fill rows 0 to 3 and 7 to 10 of ``out``."""
    mixing = min(mixing, WIDEST_MIXING)
    a, b = FOUR_LN_2 * (1 - mixing), 4 * mixing
    half, half_by = product_half_width(a, b)
    area, area_by = product_area(a, b)
    stretch, logarithmic = 2 * half / fwhm, half_by / half
    t = out[13]
    for i in range(x.size):
        t[i] = (x[i] - position) * stretch
    fill_integrals(t, a, b, out)
    for i in range(x.size):
        value, slope, by = product(t[i], a, b)
        value, slope, by, shift = value / area, slope / area, by / area, t[i] * logarithmic
        out[0, i] = value * stretch
        out[1, i] = -slope * stretch**2
        out[2, i] = -(value + t[i] * slope) * stretch / fwhm
        out[3, i] = (value * (logarithmic - area_by / area) + by + slope * shift) * stretch
        integral = out[7, i] / area
        out[7, i] = 0.5 + integral
        out[8, i] = -out[0, i]
        out[9, i] = -value * t[i] / fwhm
        out[10, i] = out[10, i] / area + value * shift - integral * area_by / area
