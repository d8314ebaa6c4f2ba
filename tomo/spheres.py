"""Paint a mask with the spheres that fit into it, the largest first; radii are squared, in whole voxels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

from .parabolas import squared_distances


def painted(mask: NDArray[np.bool_], most: float) -> NDArray[np.float32]:
    """Return the radius (voxels) of the largest sphere that covers each voxel; see ``thickness.local_thickness``.

    ``most`` bounds the radius. All spheres of that radius are painted at once, by the distance to their middles.
    """
    distances = squared_distances(np.ascontiguousarray(mask), 1.0, 1.0, 1.0)
    ceiling = math.ceil(most**2) if math.isfinite(most) else 0
    full = distances >= ceiling if ceiling else np.zeros(mask.shape, np.bool_)
    reached = squared_distances(~full, 1.0, 1.0, 1.0) < ceiling if full.any() else full
    distances[full] = 0
    squared = _whole_numbers(distances)
    del full, distances
    limit = int(squared.max(initial=0))
    cover = np.where(reached, np.int32(ceiling), np.int32(0))
    paint(cover, squared, middles(squared, inclusion(limit)), half_widths(limit))
    radius = np.sqrt(cover, dtype=np.float32)
    radius[reached] = most
    return radius


def _whole_numbers(values: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return values as whole numbers in the same memory, which is theirs from now on."""
    numbers = values.view(np.int32)
    for number, plane in zip(numbers, values, strict=True):
        number[...] = plane
    return numbers


@compiled
def inclusion(limit: int) -> NDArray[np.int64]:
    """Return how large a sphere must be to hold another whose middle is its neighbor.

    Row 0, 1, 2: the neighbor shares a face, an edge, a corner. Column R: the least S such that every voxel r of the
    other, r r < R, has (r + v) (r + v) < S, where v leads from one middle to the other. (E. Remy, E. Thiel, Image Vis.
    Comput. 23, 167 (2005), doi:10.1016/j.imavis.2004.06.007.)
    """
    least = np.zeros((3, limit + 1), np.int64)
    a = 0
    while a * a < limit:
        b = 0
        while b <= a and a * a + b * b < limit:
            c = 0
            while c <= b and a * a + b * b + c * c < limit:
                m = a * a + b * b + c * c
                least[0, m + 1] = max(least[0, m + 1], m + 2 * a + 2)
                least[1, m + 1] = max(least[1, m + 1], m + 2 * (a + b) + 3)
                least[2, m + 1] = max(least[2, m + 1], m + 2 * (a + b + c) + 4)
                c += 1
            b += 1
        a += 1
    for kind in range(3):
        for m in range(limit):
            least[kind, m + 1] = max(least[kind, m + 1], least[kind, m])
    return least


@compiled
def middles(squared: NDArray[np.int32], least: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places (flat) of spheres that no neighbor's sphere holds, the largest first."""
    nz, ny, nx = squared.shape
    number = np.zeros(least.shape[1] + 1, np.int64)
    kept = np.zeros(squared.shape, np.bool_)
    for i in range(nz):
        for j in range(ny):
            for k in range(nx):
                if squared[i, j, k] > 0 and not _held(squared, least, i, j, k):
                    kept[i, j, k] = True
                    number[squared[i, j, k]] += 1
    begin = np.zeros(number.size, np.int64)
    for size in range(number.size - 2, -1, -1):
        begin[size] = begin[size + 1] + number[size + 1]
    places = np.empty(begin[0] + number[0], np.int64)
    for i in range(nz):
        for j in range(ny):
            for k in range(nx):
                if kept[i, j, k]:
                    size = squared[i, j, k]
                    places[begin[size]] = (i * ny + j) * nx + k
                    begin[size] += 1
    return places


@compiled
def _held(squared: NDArray[np.int32], least: NDArray[np.int64], i: int, j: int, k: int) -> bool:
    nz, ny, nx = squared.shape
    size = squared[i, j, k]
    for p in range(max(i - 1, 0), min(i + 2, nz)):
        for q in range(max(j - 1, 0), min(j + 2, ny)):
            for r in range(max(k - 1, 0), min(k + 2, nx)):
                kind = abs(p - i) + abs(q - j) + abs(r - k) - 1
                if kind >= 0 and squared[p, q, r] >= least[kind, size]:
                    return True
    return False


@compiled
def half_widths(limit: int) -> NDArray[np.int32]:
    """Return the largest h with h^2 < m for every m up to ``limit``; -1 for 0."""
    half = np.empty(limit + 1, np.int32)
    h = -1
    for m in range(limit + 1):
        if (h + 1) * (h + 1) < m:
            h += 1
        half[m] = h
    return half


@compiled
def paint(
    cover: NDArray[np.int32], squared: NDArray[np.int32], places: NDArray[np.int64], half: NDArray[np.int32]
) -> None:
    """Write the squared radius of each sphere to the voxels in it that are still 0, in the order of ``places``.

    ``after`` leads along a row to the next voxel that is still 0, so that no voxel is visited over and over.
    """
    nz, ny, nx = cover.shape
    after = np.empty((nz, ny, nx + 1), np.int32)
    for i in range(nz):
        for j in range(ny):
            after[i, j, nx] = nx
            for k in range(nx):
                after[i, j, k] = k if cover[i, j, k] == 0 else k + 1
    for place in places:
        i, j, k = place // (ny * nx), place // nx % ny, place % nx
        size = squared[i, j, k]
        reach = half[size]
        for p in range(max(i - reach, 0), min(i + reach + 1, nz)):
            rest = size - (p - i) * (p - i)
            wide = half[rest]
            for q in range(max(j - wide, 0), min(j + wide + 1, ny)):
                long = half[rest - (q - j) * (q - j)]
                _paint_row(cover[p, q], after[p, q], size, max(k - long, 0), min(k + long, nx - 1))


@compiled
def _paint_row(row: NDArray[np.int32], after: NDArray[np.int32], size: int, first: int, last: int) -> None:
    at = _next(after, first)
    while at <= last:
        row[at] = size
        after[at] = at + 1
        at = _next(after, at + 1)


@compiled
def _next(after: NDArray[np.int32], at: int) -> int:
    while after[at] != at:
        after[at] = after[after[at]]
        at = after[at]
    return at
