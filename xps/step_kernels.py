"""Steps within bounds that lower a quadratic, and what successive gradients show of it. They know numbers only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

from .model_kernels import Floats

Bools = NDArray[np.bool_]

_SINGULAR = 1e-11


@compiled
def factored(matrix: Floats, out: Bools, lower: Floats) -> None:
    """Write the Cholesky factor; what is not determined beside those before it joins ``out``.

    The diagonal of ``matrix`` is one, or zero where nothing is known; rows and columns ``out`` are passed over.
    """
    for a in range(out.size):
        if out[a]:
            continue
        for b in range(a + 1):
            if out[b]:
                continue
            total = matrix[a, b]
            for c in range(b):
                if not out[c]:
                    total -= lower[a, c] * lower[b, c]
            if b < a:
                lower[a, b] = total / lower[b, b]
            elif total > _SINGULAR:
                lower[a, a] = np.sqrt(total)
            else:
                out[a] = True


@compiled
def solved(lower: Floats, out: Bools, values: Floats) -> None:
    """Solve in place with a Cholesky factor; zero where ``out``."""
    for a in range(out.size):
        if out[a]:
            values[a] = 0.0
            continue
        for c in range(a):
            if not out[c]:
                values[a] -= lower[a, c] * values[c]
        values[a] /= lower[a, a]
    for a in range(out.size - 1, -1, -1):
        if out[a]:
            continue
        for c in range(a + 1, out.size):
            if not out[c]:
                values[a] -= lower[c, a] * values[c]
        values[a] /= lower[a, a]


@compiled
def scaled_matrix(matrix: Floats, damping: float, scale: Floats, scaled: Floats) -> None:
    """Write the matrix with its diagonal scaled to one, damping added, and the scale of each parameter."""
    for a in range(scale.size):
        scale[a] = 1.0 / np.sqrt(matrix[a, a]) if matrix[a, a] > 0.0 else 1.0
    for a in range(scale.size):
        for b in range(scale.size):
            scaled[a, b] = matrix[a, b] * scale[a] * scale[b]
        scaled[a, a] += damping


@compiled
def held_back(free: Floats, bounds: tuple[Floats, Floats], step: Floats, out: Bools) -> bool:
    """Cut the step of those that would leave the bounds and let them join ``out``; return whether there were any."""
    low, high = bounds
    beyond = False
    for a in range(free.size):
        if not out[a] and not low[a] <= free[a] + step[a] <= high[a]:
            step[a] = (low[a] if step[a] < 0.0 else high[a]) - free[a]
            out[a] = beyond = True
    return beyond


@compiled
def bounded_step(
    quadratic: tuple[Floats, Floats], free: Floats, bounds: tuple[Floats, Floats], damping: float, step: Floats
) -> float:
    """Write the step within the bounds that lowers the damped quadratic; return by how much it lowers the true one.

    ``quadratic`` is (matrix, gradient). Parameters at a bound that pull outward stay; those that the step would take
    beyond go to their bound, and the others are solved for again.
    """
    size = free.size
    matrix, gradient = quadratic
    low, high = bounds
    out, scale, values = np.zeros(size, np.bool_), np.empty(size), np.empty(size)
    scaled, lower = np.empty((size, size)), np.zeros((size, size))
    scaled_matrix(matrix, damping, scale, scaled)
    for a in range(size):
        step[a] = 0.0
        outward = (free[a] <= low[a] and gradient[a] <= 0.0) or (free[a] >= high[a] and gradient[a] >= 0.0)
        out[a] = outward or not matrix[a, a] > 0.0
    for _ in range(size):
        held = out.copy()
        factored(scaled, held, lower)
        for a in range(size):
            values[a] = gradient[a] * scale[a]
            for b in range(size):
                values[a] -= scaled[a, b] * step[b] / scale[b] if out[b] else 0.0
        solved(lower, held, values)
        for a in range(size):
            step[a] = step[a] if out[a] else values[a] * scale[a]
        if not held_back(free, bounds, step, out):
            break
    return lowered(matrix, gradient, step)


@compiled
def lowered(matrix: Floats, gradient: Floats, step: Floats) -> float:
    """Return by how much a step lowers what is made least, to second order."""
    total = 0.0
    for a in range(step.size):
        inner = 2.0 * gradient[a]
        for b in range(step.size):
            inner -= matrix[a, b] * step[b]
        total += step[a] * inner
    return total


@compiled
def distance(matrix: Floats, one: Floats, other: Floats) -> float:
    """Return the squared distance of two sets of free parameters in standard deviations."""
    total = 0.0
    for a in range(one.size):
        inner = 0.0
        for b in range(one.size):
            inner += matrix[a, b] * (one[b] - other[b])
        total += (one[a] - other[a]) * inner
    return total


@compiled
def learned(known: tuple[Floats, Floats], step: Floats, before: Floats, after: Floats) -> None:
    """Correct ``bend``, the part of the second derivatives that ``matrix`` lacks, by what a step showed.

    ``known`` is (bend, matrix), ``before`` and ``after`` the gradients at both ends of the step (symmetric rank one).
    """
    bend, matrix = known
    size = step.size
    miss = np.empty(size)
    along, length = 0.0, 0.0
    for a in range(size):
        miss[a] = before[a] - after[a]
        for b in range(size):
            miss[a] -= (matrix[a, b] + bend[a, b]) * step[b]
        along += miss[a] * step[a]
        for b in range(size):
            length += step[a] * matrix[a, b] * step[b]
    if abs(along) > 1e-8 * length:
        for a in range(size):
            for b in range(size):
                bend[a, b] += miss[a] * miss[b] / along


@compiled
def next_step(
    known: tuple[Floats, Floats, Floats],
    free: Floats,
    bounds: tuple[Floats, Floats],
    damping: float,
    out: tuple[Floats, Floats],
) -> float:
    """Write the step; return by how much it lowers what is made least. ``known`` is (matrix, bend, gradient)."""
    matrix, bend, gradient = known
    step, whole = out
    if damping == 0.0:
        for a in range(free.size):
            for b in range(free.size):
                whole[a, b] = matrix[a, b] + bend[a, b]
        gain = bounded_step((whole, gradient), free, bounds, 0.0, step)
        if gain > 0.0:
            return gain
        bend[:] = 0.0
    return bounded_step((matrix, gradient), free, bounds, damping, step)
