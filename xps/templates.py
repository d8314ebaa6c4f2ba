"""Asymmetric lines before they are broadened, in units of their own half width, with their tail to the right."""

from __future__ import annotations

from math import atan, cos, exp, lgamma, log, pi, sin, sqrt

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

from .quadrature import NODES, WEIGHTS

Floats = NDArray[np.float64]

DONIACH_SUNJIC, LA, LF = range(3)
PARAMETERS = 3
"""Most parameters that a template has."""
LONGEST = 0.8
"""Longest panel at the kink, in half widths: eight nodes then leave 1e-12 of a Lorentzian."""


@compiled
def template(kind: int, v: float, shape: Floats, derivatives: Floats) -> float:
    """Return a template's value and write its derivatives by its parameters."""
    derivatives[:] = 0.0
    steep = log(1 + v * v)
    if kind == DONIACH_SUNJIC:
        alpha, angle = shape[0], atan(v)
        phase = pi / 2 * alpha - (1 - alpha) * angle
        fall = exp(-0.5 * (1 - alpha) * steep)
        derivatives[0] = fall * (0.5 * steep * cos(phase) - (pi / 2 + angle) * sin(phase))
        return fall * cos(phase)
    if v < 0:
        value = exp(-shape[1] * steep)
        derivatives[1] = -value * steep
        return value
    if kind == LA:
        value = exp(-shape[0] * steep)
        derivatives[0] = -value * steep
        return value
    gap, far = shape[1] - shape[0], v * v / (4 * shape[2] ** 2)
    sign = 1.0 if gap >= 0 else -1.0
    value = exp(-(shape[0] + sign * gap * far) * steep)
    derivatives[0] = -value * steep * (1 - sign * far)
    derivatives[1] = -value * steep * sign * far
    derivatives[2] = 2 * value * steep * sign * gap * far / shape[2]
    return value


@compiled
def scales(kind: int, shape: Floats, side: int) -> tuple[float, float]:
    """Return the longest panel at the kink that resolves a template left (0) or right (1) of it, and where it ends.

    A power p falls like a Gaussian of variance 1 / (2 p), and is 1e-16 where p ln(1 + v^2) = 37.
    """
    if kind == DONIACH_SUNJIC:
        return LONGEST, np.inf
    power = shape[1 - side]
    end = sqrt(exp(min(37 / power, 700.0)) - 1)
    if kind == LF and side == 1:
        power += 2 * abs(shape[1] - shape[0]) / shape[2] ** 2
    return min(LONGEST, 1.1 / sqrt(power)), end


@compiled
def digamma(x: float) -> float:
    """Return the logarithmic derivative of the gamma function for x > 0, to 1e-12."""
    total = 0.0
    while x < 8:
        total -= 1 / x
        x += 1
    y = 1 / (x * x)
    tail = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (1 / 132 - y * 691 / 32760)))))
    return total + log(x) - 0.5 / x - tail


@compiled
def power_area(exponent: float) -> tuple[float, float]:
    """Return the integral of (1 + v^2)^-exponent over v > 0 for an exponent above 1/2, and its derivative."""
    area = 0.5 * sqrt(pi) * exp(lgamma(exponent - 0.5) - lgamma(exponent))
    return area, area * (digamma(exponent - 0.5) - digamma(exponent))


@compiled
def template_areas(kind: int, shape: Floats) -> tuple[Floats, Floats]:
    """Return the areas of LA or LF left and right of the kink, each followed by its derivatives by the parameters."""
    left, right = np.zeros(1 + PARAMETERS), np.zeros(1 + PARAMETERS)
    left[0], left[2] = power_area(shape[1])
    if kind == LA:
        right[0], right[1] = power_area(shape[0])
        return left, right
    derivatives = np.empty(PARAMETERS)
    longest, _end = scales(kind, shape, 1)
    start, more = 0.0, 1.0
    while more > 1e-14 * right[0]:
        end = start + longest * max(1.0, 0.5 * start)
        half, more = (end - start) / 2, 0.0
        for j in range(NODES.size):
            weight = WEIGHTS[j] * half
            value = template(kind, start + half * (1 + NODES[j]), shape, derivatives) * weight
            more += value
            for p in range(PARAMETERS):
                right[1 + p] += derivatives[p] * weight
        right[0] += more
        start = end
    return left, right
