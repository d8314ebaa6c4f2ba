"""Doniach-Sunjic, LA and LF lines: broadened templates, moved to their maximum and stretched to their full width.

u = m + W (x - position) / fwhm takes an energy to the template's units, m its maximum and W its full width there.
Both follow the shape parameters, and so do all derivatives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

from .broadened_kernels import (
    BY,
    CURVE,
    FULL_WIDTH,
    GAUSS,
    REACH,
    SLOPE,
    TOTAL,
    VALUE,
    Nodes,
    broadened,
    heights,
    placed,
)
from .smooth_kernels import exp_falling
from .templates import DONIACH_SUNJIC, PARAMETERS, scales, template_areas

Floats = NDArray[np.float64]

LEAST = 0.01
"""Least share of Gaussian and Lorentzian: without a Gaussian no panel would be short enough."""
GRID = 48
ROUNDS = 12
ENOUGH = 1e-7
"""A step of Newton's method so small that the next one would be nothing."""


@compiled
def landmarks(sigma: float, finest: float, nodes: Nodes) -> Floats:
    """Return where the broadened line is half its maximum, where it is greatest, and where it is half again.

    ``finest`` is the finest scale of the template; the first search grows coarser away from its kink.
    """
    scale = (finest + sigma) / 2
    grid = scale * np.sinh(
        np.linspace(-np.arcsinh((2 + 2 * sigma) / scale), np.arcsinh((12 + 3 * sigma) / scale), GRID)
    )
    height = heights(grid, sigma, nodes)
    peak = np.argmax(height)
    low, high = peak, peak
    while low > 0 and height[low] > height[peak] / 2:
        low -= 1
    while high < GRID - 1 and height[high] > height[peak] / 2:
        high += 1
    part = (height[peak] / 2 - height[low]) / (height[low + 1] - height[low])
    rest = (height[peak] / 2 - height[high]) / (height[high - 1] - height[high])
    first = grid[low] + part * (grid[low + 1] - grid[low])
    last = grid[high] - rest * (grid[high] - grid[high - 1])
    at = np.array([first, grid[peak], last])
    for _ in range(ROUNDS):
        rows = broadened(at, sigma, nodes)
        half = rows[VALUE, 1] / 2
        before = at.copy()
        at[0] -= (rows[VALUE, 0] - half) / rows[SLOPE, 0]
        at[1] -= rows[SLOPE, 1] / rows[CURVE, 1]
        at[2] -= (rows[VALUE, 2] - half) / rows[SLOPE, 2]
        if np.abs(at - before).max() < ENOUGH:
            break
    return at


@compiled
def slope_changes(u: float, sigma: float, nodes: Nodes) -> tuple[Floats, float]:
    """Return the derivatives of the slope by the template's parameters, and the third derivative, at ``u``."""
    v, w = nodes
    changes, third = np.zeros(PARAMETERS), 0.0
    for k in range(v.size):
        d = (v[k] - u) / sigma
        if abs(d) < REACH:
            bell = GAUSS / sigma * exp_falling(-0.5 * d * d)
            third += w[0, k] * bell * d * (d * d - 3) / sigma**3
            for p in range(PARAMETERS):
                changes[p] += w[1 + p, k] * bell * d / sigma
    return changes, third


@compiled
def moves(at: Floats, sigma: float, nodes: Nodes, used: int) -> tuple[Floats, Floats]:
    """Return how the maximum and the logarithm of the full width change.

    By position and width, which leave them alone, by the template's parameters, and by sigma.
    """
    rows = broadened(at, sigma, nodes)
    slopes, third = slope_changes(at[1], sigma, nodes)
    center, logarithm = np.zeros(3 + used), np.zeros(3 + used)
    for p in range(used + 1):
        by = rows[BY + p] if p < used else sigma * rows[CURVE]
        slope = slopes[p] if p < used else sigma * third
        center[2 + p] = -slope / rows[CURVE, 1]
        width = (by[0] - by[1] / 2) / rows[SLOPE, 0] - (by[2] - by[1] / 2) / rows[SLOPE, 2]
        logarithm[2 + p] = width / (at[2] - at[0])
    return center, logarithm


@compiled
def changes(rows: Floats, sigma: float, used: int) -> tuple[Floats, Floats]:
    """Return how line and integral change at fixed ``u``: by position, width, the template's parameters and sigma."""
    line, total = np.zeros((3 + used, rows.shape[1])), np.zeros((3 + used, rows.shape[1]))
    for p in range(used):
        line[2 + p], total[2 + p] = rows[BY + p], rows[BY + PARAMETERS + p]
    for i in range(rows.shape[1]):
        line[2 + used, i], total[2 + used, i] = sigma * rows[CURVE, i], sigma * rows[SLOPE, i]
    return line, total


@compiled
def carried(
    rows: Floats, distance: Floats, stretch: float, by: tuple[Floats, Floats], out: tuple[Floats, Floats]
) -> None:
    """Add to ``out`` what the change of ``u`` and of the stretch does: ``by`` are those of maximum and log stretch."""
    center, logarithm = by
    line, total = out
    for q in range(center.size):
        for i in range(distance.size):
            move = center[q] + distance[i] * logarithm[q] - (stretch if q == 0 else 0.0)
            line[q, i] += rows[SLOPE, i] * move + rows[VALUE, i] * logarithm[q]
            total[q, i] += rows[VALUE, i] * move


@compiled
def limits(kind: int, shape: Floats, rows: Floats, total: Floats) -> tuple[Floats, Floats]:
    """Return the integral where the cumulative is 0 and the area, each followed by its derivatives."""
    start, area = np.zeros(1 + total.shape[0]), np.zeros(1 + total.shape[0])
    if kind == DONIACH_SUNJIC:
        start[0], area[0] = rows[TOTAL, 0], rows[TOTAL, -1] - rows[TOTAL, 0]
        for p in range(total.shape[0]):
            start[1 + p], area[1 + p] = total[p, 0], total[p, -1] - total[p, 0]
        return start, area
    left, right = template_areas(kind, shape)
    start[0], area[0] = -left[0], left[0] + right[0]
    for p in range(total.shape[0] - 3):
        start[3 + p], area[3 + p] = -left[1 + p], left[1 + p] + right[1 + p]
    return start, area


@compiled
def fill_asymmetric(  # noqa: PLR0917
    kind: int, x: Floats, position: float, fwhm: float, shape: Floats, out: Floats
) -> None:
    """Fill the rows of ``out`` for ``kind``; the last shape parameter is G / (G + L), the Gaussian's share.

    The area of a Doniach-Sunjic line has no limit: it is 1, and its cumulative runs from 0 to 1, over ``x``.
    """
    used = kind + 1
    share = min(max(shape[used], LEAST), 1 - LEAST)
    sigma = 2 * share / (1 - share) / FULL_WIDTH
    core = placed(kind, shape, sigma, (-2 - 12 * sigma, 12 + 12 * sigma))
    finest = min(scales(kind, shape, 0)[0], scales(kind, shape, 1)[0])
    at = landmarks(sigma, finest, core)
    stretch = (at[2] - at[0]) / fwhm
    distance = (x - position) * stretch
    u = at[1] + distance
    rows = broadened(u, sigma, placed(kind, shape, sigma, (u[0] - REACH * sigma, u[-1] + REACH * sigma)))
    line, total = changes(rows, sigma, used)
    center, logarithm = moves(at, sigma, core, used)
    logarithm[1] = -1 / fwhm
    carried(rows, distance, stretch, (center, logarithm), (line, total))
    start, area = limits(kind, shape, rows, total)
    for i in range(x.size):
        out[0, i] = rows[VALUE, i] / area[0] * stretch
        out[7, i] = (rows[TOTAL, i] - start[0]) / area[0]
    for q in range(3 + used):
        loss = area[1 + q] / area[0]
        factor = 2 / ((1 - share) ** 2 * FULL_WIDTH) if q == 2 + used else 1.0
        for i in range(x.size):
            out[1 + q, i] = factor * (line[q, i] / area[0] * stretch - out[0, i] * loss)
            out[8 + q, i] = factor * ((total[q, i] - start[1 + q]) / area[0] - out[7, i] * loss)
