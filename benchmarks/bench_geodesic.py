"""Shortest ways through a phase against scikit-image's minimum cost paths and, where installed, scikit-fmm.

What is exact is known beyond a hole of one voxel in a wall: there the errors of all are compared. In blobs the mean
tortuosity of each is stated; ways on 26 neighbors alone come out too long.
"""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import importlib.util
import time

from peak import Peak, one_thread, write_row

one_thread()

import numpy as np
from scipy import ndimage
from skimage.graph import MCP_Geometric

from operando import tomo

EDGE = 200
RADIUS = 40
WORST = 0.7
"""Voxels by which ways beyond a hole come out too long at most, 40 voxels behind it."""
VERSIONS = ("numpy", "numba", "scikit-image", "scipy", "xarray")


def blobs(size: int, width: float) -> np.ndarray:
    field = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((size,) * 3).astype(np.float32), width)
    return field > 0


def wall_with_hole() -> tuple[np.ndarray, np.ndarray]:
    """Return a mask and the exact distances beyond the wall."""
    mask = np.ones((RADIUS + 4, 2 * RADIUS + 5, 2 * RADIUS + 5), bool)
    mask[1] = False
    mask[1, RADIUS + 2, RADIUS + 2] = True
    z, y, x = np.indices(mask.shape)
    return mask, 1 + np.sqrt((z - 1) ** 2 + (y - RADIUS - 2) ** 2 + (x - RADIUS - 2) ** 2)


def ours(mask: np.ndarray) -> np.ndarray:
    return tomo.geodesic_distance(mask).values


def paths(mask: np.ndarray) -> np.ndarray:
    seeds = [(0, *place) for place in np.argwhere(mask[0])]
    return MCP_Geometric(np.where(mask, 1.0, np.inf)).find_costs(seeds)[0]


def marching(mask: np.ndarray) -> np.ndarray:
    """Second order; the front starts half a voxel behind the middles of the first layer."""
    import skfmm

    level = np.full(mask.shape, 0.5)
    level[0] = -0.5
    return skfmm.distance(np.ma.MaskedArray(level, ~mask), order=2).filled(np.inf) - 0.5


def timed(work: object, mask: np.ndarray) -> tuple[np.ndarray, float]:
    start = time.process_time()
    found = work(mask)
    return found, time.process_time() - start


def too_long(work: object) -> tuple[float, float]:
    """Return by how many voxels ways are too long at most and on average, 40 voxels beyond a hole."""
    mask, exact = wall_with_hole()
    shell = (np.abs(exact - 1 - RADIUS) < 0.5) & mask
    shell[0] = False
    off = (work(mask) - exact)[shell]
    return float(np.abs(off).max()), float(off.mean())


def tortuosity(away: np.ndarray, mask: np.ndarray) -> float:
    last = away[-1][mask[-1]]
    return float(last[np.isfinite(last)].mean() / (len(mask) - 1))


def main() -> None:
    ours(blobs(20, 2.0))
    mask = blobs(EDGE, 4.0)
    with Peak() as peak:
        found, mine = timed(ours, mask)
    most, mean = too_long(ours)
    if not most < WORST:
        raise SystemExit(f"ways beyond a hole are too long by {most:.2f} voxel")
    peers = {"skimage MCP_Geometric": paths}
    if importlib.util.find_spec("skfmm"):
        peers["scikit-fmm, second order"] = marching
    for name, work in peers.items():
        theirs, slow = timed(work, mask)
        most_theirs, mean_theirs = too_long(work)
        write_row(
            f"geodesic distance in {EDGE}^3, half filled",
            name,
            f"{slow / mine:.2f}x",
            f"{mine:.2f} s",
            f"{slow:.2f} s",
            f"tau {tortuosity(found, mask):.4f} and {tortuosity(theirs, mask):.4f}; beyond a hole off by {most:.2f} "
            f"voxel at most, {mean:.2f} on average, and {most_theirs:.2f}, {mean_theirs:.2f}; processor time",
            f"{peak.extra / 2**20:.0f} MiB",
            packages=VERSIONS,
        )


if __name__ == "__main__":
    main()
