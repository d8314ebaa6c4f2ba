"""The structure tensor of grey levels: which way they change, averaged over a neighborhood; kernels on arrays."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

Floats = NDArray[np.float32]
Edges = tuple[float, float, float]
Tensor = tuple[Floats, Floats, Floats, Floats, Floats, Floats]

_TRUNCATE = 4.0
_THIRD = 2.0 * math.pi / 3.0


def margin(sigma: float, rho: float, edges: Edges) -> tuple[int, int, int]:
    """Return how many voxels along z, y, x the tensor looks away from its own."""
    z, y, x = (sum(int(_TRUNCATE * width / edge + 0.5) for width in (sigma, rho)) for edge in edges)
    return z, y, x


def tensor(grey: NDArray[np.generic], edges: Edges, sigma: float, rho: float) -> Tensor:
    """Return the elements zz, yy, xx, zy, zx, yx of the Gaussian mean (rho) of g g^T.

    g is the gradient of the grey levels smoothed by a Gaussian (sigma). Lengths are in the unit of ``edges``.
    """
    from scipy.ndimage import gaussian_filter

    level = grey.astype(np.float32)
    narrow, wide = ([width / edge for edge in edges] for width in (sigma, rho))
    slope = []
    for axis, edge in enumerate(edges):
        order = [int(axis == one) for one in range(3)]
        slope.append(gaussian_filter(level, narrow, order=order, mode="nearest", truncate=_TRUNCATE) / np.float32(edge))
    pairs = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
    zz, yy, xx, zy, zx, yx = (
        gaussian_filter(slope[one] * slope[other], wide, mode="nearest", truncate=_TRUNCATE) for one, other in pairs
    )
    return zz, yy, xx, zy, zx, yx


@compiled
def directions(  # noqa: PLR0917
    zz: Floats, yy: Floats, xx: Floats, zy: Floats, zx: Floats, yx: Floats, *, across: bool
) -> tuple[Floats, Floats]:
    """Return unit vectors (voxel, z y x) and eigenvalues (voxel, largest first) of tensors, dims voxel.

    The vector is that of the largest eigenvalue (``across`` what is flat) or the smallest (along what is long), with
    its first component that is not 0 positive; 0 where tensors say nothing.
    """
    number = zz.size
    vector, value = np.zeros((number, 3), np.float32), np.empty((number, 3), np.float32)
    for n in range(number):
        a, b, c = np.float64(zz[n]), np.float64(yy[n]), np.float64(xx[n])
        d, e, f = np.float64(zy[n]), np.float64(zx[n]), np.float64(yx[n])
        largest, middle, smallest = _eigenvalues(a, b, c, d, e, f)
        value[n] = largest, middle, smallest
        chosen, other = (largest, middle) if across else (smallest, middle)
        if largest > 0.0 and abs(chosen - other) > 1e-6 * largest:
            vector[n] = _eigenvector(a - chosen, b - chosen, c - chosen, (d, e, f))
    return vector, value


@compiled
def _eigenvalues(  # noqa: PLR0917
    a: float, b: float, c: float, d: float, e: float, f: float
) -> tuple[float, float, float]:
    """Return the roots of the characteristic cubic, the largest first, by the trigonometric formula.

    In double precision, to tell whether two of them are equal; ``eigenvalues.eigenvalues`` is quicker, right within
    1e-7. O. K. Smith, Commun. ACM 4, 168 (1961), doi:10.1145/355578.366316.
    """
    mean = (a + b + c) / 3.0
    a, b, c = a - mean, b - mean, c - mean
    spread = math.sqrt((a * a + b * b + c * c + 2.0 * (d * d + e * e + f * f)) / 6.0)
    if spread == 0.0:
        return mean, mean, mean
    determinant = a * (b * c - f * f) - d * (d * c - e * f) + e * (d * f - e * b)
    angle = math.acos(min(1.0, max(-1.0, determinant / (2.0 * spread**3)))) / 3.0
    largest = mean + 2.0 * spread * math.cos(angle)
    smallest = mean + 2.0 * spread * math.cos(angle + _THIRD)
    return largest, 3.0 * mean - largest - smallest, smallest


@compiled
def _eigenvector(a: float, b: float, c: float, off: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return what is perpendicular to the rows of A - lambda: the longest of their three cross products."""
    d, e, f = off
    best, z, y, x = 0.0, 0.0, 0.0, 0.0
    for p, q, r in (
        (d * f - e * b, e * d - a * f, a * b - d * d),
        (d * c - e * f, e * e - a * c, a * f - d * e),
        (b * c - f * f, f * e - d * c, d * f - b * e),
    ):
        square = p * p + q * q + r * r
        if square > best:
            best, z, y, x = square, p, q, r
    if best == 0.0:
        return 0.0, 0.0, 0.0
    length = math.sqrt(best)
    first = z if z != 0.0 else (y if y != 0.0 else x)
    sign = -1.0 if first < 0.0 else 1.0
    return sign * z / length, sign * y / length, sign * x / length
