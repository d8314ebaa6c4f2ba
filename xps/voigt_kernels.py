"""The Voigt profile and its cumulative by the Faddeeva function w(z), to 1e-12 of the peak.

Near the origin w is the rational series of J. A. C. Weideman, SIAM J. Numer. Anal. 31, 1497 (1994),
doi:10.1137/0731077, which can be integrated term by term; far from it the asymptotic series. The derivatives follow
from w' = -2 z w + 2i / sqrt(pi).
"""

from __future__ import annotations

from math import log, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

from .smooth_kernels import arctan_ratio

Floats = NDArray[np.float64]

TERMS = 32
SCALE = sqrt(TERMS / sqrt(2.0))
FAR = 400.0
"""|z|^2 from which the asymptotic series is used: its terms then leave 1e-15."""
FAR_TERMS = 7
NARROWEST = 1e-12
"""Least variance of the Gaussian part, in units of the squared full width."""
ROOT_PI = sqrt(pi)


def _coefficients() -> Floats:
    """Return the Fourier coefficients of (L^2 + t^2) exp(-t^2) over t = L tan(angle / 2), highest power first."""
    angle = np.arange(-16 * TERMS + 1, 16 * TERMS) * pi / (16 * TERMS)
    t = SCALE * np.tan(angle / 2)
    values = np.exp(-(t**2)) * (SCALE**2 + t**2)
    powers = np.arange(TERMS, 0, -1)
    return np.asarray((np.cos(powers[:, None] * angle) * values).sum(axis=1) / (32 * TERMS))


SERIES = _coefficients()
INTEGRATED = SERIES / np.arange(TERMS, 0, -1)


@compiled
def far_faddeeva(x: float, y: float) -> tuple[complex, complex, complex, float]:
    """Return w, w', w'' and the integral of Re w over x from -inf, over sqrt(pi), far from the origin."""
    z = complex(x, y)
    inverse = 1 / z
    square = inverse * inverse
    term = complex(1.0, 0.0)
    w, first, second, area = term, -term, 2 * term, complex(0.0, 0.0)
    for k in range(1, FAR_TERMS):
        term *= square * (k - 0.5)
        w += term
        first -= (2 * k + 1) * term
        second += (2 * k + 1) * (2 * k + 2) * term
        area += term / (2 * k)
    front = complex(0.0, 1 / ROOT_PI) * inverse
    below = 0.5 + arctan_ratio(x, y) / pi if y > 0 else (1.0 if x > 0 else 0.0)
    return front * w, front * inverse * first, front * square * second, below + area.imag / pi


@compiled
def near_faddeeva(x: float, y: float) -> tuple[complex, complex, complex]:
    """Return w, w' and w'' near the origin."""
    z = complex(x, y)
    bottom = 1 / complex(SCALE + y, -x)
    ratio = complex(SCALE - y, x) * bottom
    p = complex(0.0, 0.0)
    for k in range(TERMS):
        p = p * ratio + SERIES[k]
    w = 2 * p * bottom * bottom + bottom / ROOT_PI
    first = -2 * z * w + complex(0.0, 2 / ROOT_PI)
    return w, first, -2 * (w + z * first)


@compiled
def profile(offset: float, half: float, variance: float) -> tuple[float, float, float]:
    """Return a Voigt profile of unit area, its derivative by the Lorentzian's half width and by the variance."""
    scale = 1 / sqrt(2 * variance)
    x, y = offset * scale, half * scale
    if x * x + y * y > FAR:
        w, first, second, _ = far_faddeeva(x, y)
    else:
        w, first, second = near_faddeeva(x, y)
    height = scale / ROOT_PI
    return height * w.real, -height * scale * first.imag, 0.5 * height * scale**2 * second.real


@compiled
def gauss_variance(lorentz: float) -> tuple[float, float]:
    """Return the variance that completes a Lorentzian share of the width to a full width of 1, and its slope.

    Newton's method on profile(1/2) = profile(0) / 2, from the approximation of J. J. Olivero and R. L. Longbothum,
    J. Quant. Spectrosc. Radiat. Transfer 17, 233 (1977), doi:10.1016/0022-4073(77)90161-3.
    """
    half = lorentz / 2
    variance = max(((1 - 0.5346 * lorentz) ** 2 - 0.2166 * lorentz**2) / (8 * log(2.0)), NARROWEST)
    slope = 0.0
    for _ in range(6):
        edge, edge_half, edge_variance = profile(0.5, half, variance)
        top, top_half, top_variance = profile(0.0, half, variance)
        by_variance = edge_variance - top_variance / 2
        step = (edge - top / 2) / by_variance
        slope = -0.5 * (edge_half - top_half / 2) / by_variance
        if variance - step < NARROWEST:
            return NARROWEST, slope
        variance -= step
        if abs(step) < 1e-14:
            break
    return variance, slope


@compiled
def fill_near(x: Floats, y: float, out: Floats) -> None:
    """Fill rows 0 to 3 with Re w, Im w, Im p and Im P, p Weideman's sum and P its integral; rows 4, 5 are scratch."""
    n = x.size
    re, im, total_re, total_im, ratio_re, ratio_im = out[0], out[1], out[2], out[3], out[4], out[5]
    for i in range(n):
        size = 1 / ((SCALE + y) ** 2 + x[i] ** 2)
        ratio_re[i] = ((SCALE - y) * (SCALE + y) - x[i] ** 2) * size
        ratio_im[i] = 2 * SCALE * x[i] * size
    re[:], im[:], total_re[:], total_im[:] = 0.0, 0.0, 0.0, 0.0
    for k in range(TERMS):
        a, b = SERIES[k], INTEGRATED[k]
        for i in range(n):
            u, v = ratio_re[i], ratio_im[i]
            re[i], im[i] = re[i] * u - im[i] * v + a, re[i] * v + im[i] * u
            total_re[i], total_im[i] = total_re[i] * u - total_im[i] * v + b, total_re[i] * v + total_im[i] * u
    for i in range(n):
        total_im[i] = total_re[i] * ratio_im[i] + total_im[i] * ratio_re[i]
    for i in range(n):
        size = 1 / ((SCALE + y) ** 2 + x[i] ** 2)
        u, v = (SCALE + y) * size, x[i] * size
        p, q = 2 * re[i], 2 * im[i]
        square_re, square_im = u * u - v * v, 2 * u * v
        re[i] = p * square_re - q * square_im + u / ROOT_PI
        im[i] = p * square_im + q * square_re + v / ROOT_PI


@compiled
def fill_voigt(x: Floats, position: float, fwhm: float, lorentz: float, out: Floats) -> None:
    """Fill rows 0 to 3 and 7 to 10 of ``out`` for the Lorentzian's share of the full width, 0 to 1."""
    n = x.size
    variance, slope = gauss_variance(lorentz)
    scale = 1 / sqrt(2 * variance)
    y, height = lorentz / 2 * scale, scale / ROOT_PI
    reduced, rows = out[13], out[:6]
    for i in range(n):
        reduced[i] = (x[i] - position) / fwhm * scale
    fill_near(reduced, y, rows)
    for i in range(n):
        u = reduced[i]
        if u * u + y * y > FAR:
            w, first, second, total = far_faddeeva(u, y)
            w_re, w_im, first_re, first_im, second_re = w.real, w.imag, first.real, first.imag, second.real
        else:
            w_re, w_im = rows[0, i], rows[1, i]
            first_re, first_im = -2 * (u * w_re - y * w_im), -2 * (u * w_im + y * w_re) + 2 / ROOT_PI
            second_re = -2 * (w_re + u * first_re - y * first_im)
            total = 0.5 + rows[3, i] / (SCALE * ROOT_PI) + arctan_ratio(u, SCALE + y) / pi
        value, along = height * w_re, height * scale * first_re
        u /= scale
        out[0, i] = value / fwhm
        out[1, i] = -along / fwhm**2
        out[2, i] = -(value + u * along) / fwhm**2
        out[3, i] = height * scale * 0.5 * (-first_im + scale * second_re * slope) / fwhm
        out[7, i] = total
        out[8, i] = -value / fwhm
        out[9, i] = -value * u / fwhm
        out[10, i] = -0.5 * height * w_im + 0.5 * along * slope
