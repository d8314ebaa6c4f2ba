"""Eigenvalues of symmetric 3 x 3 tensors, such as Hessians, in closed form."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

TINY = 1e-200
"""Keeps the ratio of two zeros defined."""


@compiled
def eigenvalues(tensor: NDArray[np.float32], factor: float, found: NDArray[np.float64]) -> None:
    """Write the eigenvalues of symmetric tensors times ``factor``, falling, within 1e-7 of the largest.

    Rows of ``tensor`` are zz, zy, zx, yy, yx, xx, those of ``found`` e1, e2, e3. The arc cosine is the polynomial
    4.4.46 of Abramowitz and Stegun, sine and cosine of a third of it, which is below pi/3, are Taylor's: plain
    arithmetic in one loop, which compilers turn into vector instructions, alike wherever a voxel lies in it.
    """
    row_zz, row_zy, row_zx, row_yy, row_yx, row_xx = tensor[0], tensor[1], tensor[2], tensor[3], tensor[4], tensor[5]
    first, second, third = found[0], found[1], found[2]
    for x in range(row_zz.size):
        zz, zy, zx = factor * row_zz[x], factor * row_zy[x], factor * row_zx[x]
        yy, yx, xx = factor * row_yy[x], factor * row_yx[x], factor * row_xx[x]
        mean = (zz + yy + xx) / 3
        a, b, c = zz - mean, yy - mean, xx - mean
        square = (a * a + b * b + c * c + 2 * (zy * zy + zx * zx + yx * yx)) / 6 + TINY
        size = math.sqrt(square)
        determinant = a * (b * c - yx * yx) - zy * (zy * c - yx * zx) + zx * (zy * yx - b * zx)
        ratio = determinant / (2 * square * size)
        r = min(abs(ratio), 1.0)
        high = 0.0308918810 + r * (-0.0170881256 + r * (0.0066700901 - r * 0.0012624911))
        low = 1.5707963050 + r * (-0.2145988016 + r * (0.0889789874 + r * (-0.0501743046 + r * high)))
        arc = math.sqrt(1 - r) * low
        angle = (arc if ratio >= 0 else math.pi - arc) / 3
        t = angle * angle
        cosine = 1 - t / 2 * (1 - t / 12 * (1 - t / 30 * (1 - t / 56 * (1 - t / 90 * (1 - t / 132)))))
        sine = angle * (1 - t / 6 * (1 - t / 20 * (1 - t / 42 * (1 - t / 72 * (1 - t / 110 * (1 - t / 156))))))
        across = 1.7320508075688772 * sine
        first[x] = mean + 2 * size * cosine
        second[x] = mean - size * (cosine - across)
        third[x] = mean - size * (cosine + across)
