"""Local thickness against painting every sphere, compiled; equal answers."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import time

from peak import Peak, one_thread, write_row

one_thread()

import numpy as np
from numba import njit
from scipy import ndimage

from operando import tomo

CASES = ((100, 3.0), (200, 4.0), (200, 10.0))
VERSIONS = ("numpy", "numba", "scipy", "xarray")


@njit
def every_sphere(away: np.ndarray) -> np.ndarray:
    """Return the largest d(c) over all c nearer to each voxel than d(c), sphere after sphere."""
    nz, ny, nx = away.shape
    largest = np.zeros(away.shape, np.float32)
    for i in range(nz):
        for j in range(ny):
            for k in range(nx):
                radius = away[i, j, k]
                square, reach = np.rint(np.float64(radius) ** 2), int(np.ceil(radius))
                for p in range(max(i - reach, 0), min(i + reach + 1, nz)):
                    for q in range(max(j - reach, 0), min(j + reach + 1, ny)):
                        for r in range(max(k - reach, 0), min(k + reach + 1, nx)):
                            if (p - i) ** 2 + (q - j) ** 2 + (r - k) ** 2 < square and largest[p, q, r] < radius:
                                largest[p, q, r] = radius
    return largest


def blobs(size: int, width: float) -> np.ndarray:
    field = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((size,) * 3).astype(np.float32), width)
    return field > 0


def timed(work: object, mask: np.ndarray) -> tuple[np.ndarray, float]:
    start = time.process_time()
    found = work(mask)
    return found, time.process_time() - start


def ours(mask: np.ndarray) -> np.ndarray:
    return tomo.local_thickness(mask).values


def theirs(mask: np.ndarray) -> np.ndarray:
    return 2 * every_sphere(ndimage.distance_transform_edt(mask).astype(np.float32))


def main() -> None:
    ours(blobs(20, 2.0)), theirs(blobs(20, 2.0))
    for size, width in CASES:
        mask = blobs(size, width)
        with Peak() as peak:
            found, mine = timed(ours, mask)
        exact, slow = timed(theirs, mask)
        worst = float(np.abs(found - exact).max())
        if not worst < 1e-4:
            raise SystemExit(f"thicknesses differ by {worst:.1e} voxel")
        write_row(
            f"local thickness in {size}^3, half filled, widest {found.max():.0f} voxels",
            "every sphere painted, compiled",
            f"{slow / mine:.0f}x",
            f"{mine:.2f} s",
            f"{slow:.1f} s",
            f"within {worst:.0e} voxel; processor time",
            f"{peak.extra / 2**20:.0f} MiB",
            packages=VERSIONS,
        )


if __name__ == "__main__":
    main()
