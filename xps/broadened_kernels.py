"""Templates broadened by a Gaussian: sums over the nodes of a quadrature on both sides of the template's kink.

Everything is in units of the template's own half width. A template is known at nodes v by its weighted values; with
g the Gaussian and G its integral, the broadened line is sum w g(u - v) and its integral sum w G(u - v). A node is
summed over those points only that it reaches.
"""

from __future__ import annotations

from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

from .quadrature import NODES, WEIGHTS
from .smooth_kernels import erfc_scaled, exp_falling
from .templates import PARAMETERS, scales, template

Floats = NDArray[np.float64]
Nodes = tuple[Floats, Floats]
"""Positions (node), ascending, and weights (1 + parameter, node) of the template and its derivatives."""

REACH = 7.5
"""Standard deviations of the Gaussian beyond which it counts as nothing: exp(-28) = 6e-13."""
FULL_WIDTH = 2 * sqrt(2 * log(2.0))
GAUSS = 1 / sqrt(2 * np.pi)
VALUE, SLOPE, CURVE, TOTAL, BY = 0, 1, 2, 3, 4
"""Rows of a broadened line: value, first and second derivative, integral, then for each parameter of the template
the derivative of the value, and after them those of the integral."""
ROWS = BY + 2 * PARAMETERS


@compiled
def panel_end(start: float, sigma: float, longest: float) -> float:
    """Return how far from the kink the panel ends that starts at ``start``."""
    return start + min(2 * sigma, longest * max(1.0, start))


@compiled
def placed(kind: int, shape: Floats, sigma: float, ends: tuple[float, float]) -> Nodes:
    """Return the nodes of a template between two ends, on either side of its kink at 0."""
    counts = [0, 0]
    for side in range(2):
        longest, negligible = scales(kind, shape, side)
        at, far = 0.0, min(negligible, -ends[0] if side == 0 else ends[1])
        while at < far:
            at = panel_end(at, sigma, longest)
            counts[side] += NODES.size
    v = np.empty(counts[0] + counts[1])
    w = np.empty((1 + PARAMETERS, v.size))
    derivatives = np.empty(PARAMETERS)
    for side in range(2):
        sign = -1.0 if side == 0 else 1.0
        longest, negligible = scales(kind, shape, side)
        at, k = 0.0, (counts[0] - 1 if side == 0 else counts[0])
        for _ in range(counts[side] // NODES.size):
            end = panel_end(at, sigma, longest)
            half, middle = (end - at) / 2, (end + at) / 2
            for j in range(NODES.size):
                v[k] = sign * (middle + half * NODES[j])
                w[0, k] = template(kind, v[k], shape, derivatives) * WEIGHTS[j] * half
                for p in range(PARAMETERS):
                    w[1 + p, k] = derivatives[p] * WEIGHTS[j] * half
                k += 1 if side else -1
            at = end
    return v, w


@compiled
def spread(u: Floats, sigma: float, v: float, bell: Floats, below: Floats) -> None:
    """Write the Gaussian about ``v`` and its integral from the left; left of the kink minus that from the right."""
    scale, height = 1 / sigma, GAUSS / sigma
    for i in range(u.size):
        d = (u[i] - v) * scale
        bell[i] = exp_falling(-0.5 * d * d)
    for i in range(u.size):
        below[i] = 0.5 * bell[i] * erfc_scaled(abs(u[i] - v) * scale * sqrt(0.5))
    offset = 1.0 if v >= 0 else 0.0
    for i in range(u.size):
        below[i] = offset - below[i] if u[i] >= v else below[i] - 1 + offset
    for i in range(u.size):
        bell[i] *= height


@compiled
def add_node(u: Floats, sigma: float, node: tuple[float, Floats], bells: tuple[Floats, Floats], out: Floats) -> None:
    """Add a node to the rows of the points ``u`` that it reaches."""
    v, weights = node
    bell, below = bells[0][: u.size], bells[1][: u.size]
    spread(u, sigma, v, bell, below)
    for p in range(1 + PARAMETERS):
        weight = weights[p]
        if weight != 0.0:
            line, total = out[row(VALUE, p)], out[row(TOTAL, p)]
            for i in range(u.size):
                line[i] += weight * bell[i]
            for i in range(u.size):
                total[i] += weight * below[i]
    weight, scale = weights[0], 1 / (sigma * sigma)
    slope, curve = out[SLOPE], out[CURVE]
    for i in range(u.size):
        slope[i] += weight * bell[i] * (v - u[i]) * scale
    for i in range(u.size):
        curve[i] += weight * bell[i] * ((v - u[i]) ** 2 * scale - 1) * scale


@compiled
def heights(u: Floats, sigma: float, nodes: Nodes) -> Floats:
    """Return the broadened line alone at ascending ``u``."""
    v, w = nodes
    out = np.zeros(u.size)
    first, last = 0, 0
    for k in range(v.size):
        while first < u.size and u[first] < v[k] - REACH * sigma:
            first += 1
        last = max(last, first)
        while last < u.size and u[last] <= v[k] + REACH * sigma:
            last += 1
        for i in range(first, last):
            d = (u[i] - v[k]) / sigma
            out[i] += w[0, k] * GAUSS / sigma * exp_falling(-0.5 * d * d)
    return out


@compiled
def row(first: int, p: int) -> int:
    """Return the row of value or integral (p = 0), or of its derivative by parameter p - 1."""
    return first if p == 0 else BY + p - 1 + (PARAMETERS if first == TOTAL else 0)


@compiled
def broadened(u: Floats, sigma: float, nodes: Nodes) -> Floats:
    """Return the rows of the broadened line at ascending ``u``; its integral is counted from the kink.

    Left of the kink the integral is minus what lies between, so that no tail needs to be summed: the integral from
    minus infinity is this plus that of the template left of its kink.
    """
    v, w = nodes
    n = u.size
    out = np.zeros((ROWS, n))
    jump = np.zeros((1 + PARAMETERS, n + 1))
    bells = np.empty(n), np.empty(n)
    first, last = 0, 0
    for k in range(v.size):
        while first < n and u[first] < v[k] - REACH * sigma:
            first += 1
        last = max(last, first)
        while last < n and u[last] <= v[k] + REACH * sigma:
            last += 1
        add_node(u[first:last], sigma, (v[k], w[:, k]), bells, out[:, first:last])
        for p in range(1 + PARAMETERS):
            if v[k] < 0:
                jump[p, 0] -= w[p, k]
            jump[p, last if v[k] >= 0 else first] += w[p, k]
    for p in range(1 + PARAMETERS):
        run = 0.0
        for i in range(n):
            run += jump[p, i]
            out[row(TOTAL, p), i] += run
    return out
