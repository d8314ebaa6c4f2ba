"""Measure surfaces of 200^3 voxels against the triangles of scikit-image, on what is known and on random media."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import time
from collections.abc import Callable

from peak import Peak, one_thread, write_row

one_thread()

import dask
import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.measure import marching_cubes, mesh_surface_area

from operando import tomo

SIZE, RUNS = 200, 5
VERSIONS = ("numpy", "numba", "xarray", "dask", "scikit-image")


def triangles(mask: np.ndarray) -> float:
    vertices, faces, *_ = marching_cubes(mask.astype(np.float32), 0.5)
    return float(mesh_surface_area(vertices, faces))


def ours(mask: np.ndarray) -> float:
    with dask.config.set(num_workers=1):
        return float(tomo.surface_area(mask)["surface_area"])


def processor_time(work: Callable[[], object]) -> float:
    """Return the seconds of the processor that work takes: others may use the machine."""
    start = time.process_time()
    work()
    return time.process_time() - start


def ball(radius: float) -> np.ndarray:
    z, y, x = (np.arange(SIZE) - SIZE / 2 - 0.3,) * 3
    return (z[:, None, None] ** 2 + y[:, None] ** 2 + x**2) < radius**2


def plane() -> np.ndarray:
    z, y, _ = np.ogrid[:SIZE, :SIZE, :SIZE]
    return np.broadcast_to((z - SIZE / 2) * np.cos(np.pi / 6) + (y - SIZE / 2) * 0.5 > 0.2, (SIZE,) * 3).copy()


def blobs(sigma: float) -> np.ndarray:
    noise = np.random.default_rng(1).standard_normal((SIZE,) * 3, dtype=np.float32)
    return gaussian_filter(noise, sigma) > 0


def known() -> list[tuple[str, np.ndarray, float | None]]:
    """Return volumes whose surface is known, where it is: a plane crosses the box through the outermost middles."""
    across = (SIZE - 1) ** 2 / np.cos(np.pi / 6)
    return [
        ("blobs of 4 voxels", blobs(4.0), None),
        ("a ball of 80 voxels", ball(80.0), 4 * np.pi * 80.0**2),
        ("a plane at 30 degrees", plane(), across),
    ]


def off(found: float, true: float | None) -> str:
    return "" if true is None else f" ({found / true - 1:+.2%})"


if __name__ == "__main__":
    ours(ball(20.0)[80:120, 80:120, 80:120])
    for name, mask, true in known():
        with Peak() as peak:
            mine = ours(mask)
        with Peak() as their_peak:
            theirs = triangles(mask)
        turns = [
            (processor_time(lambda m=mask: ours(m)), processor_time(lambda m=mask: triangles(m))) for _ in range(RUNS)
        ]
        fast, slow = np.median(turns, axis=0)
        write_row(
            f"surface of {name} in {SIZE}^3, with errors",
            "skimage marching_cubes + mesh_surface_area",
            f"{slow / fast:.2g}x",
            f"{fast:.2f} s of the processor",
            f"{slow:.2f} s of the processor",
            f"{mine:.0f}{off(mine, true)} and {theirs:.0f}{off(theirs, true)} voxels^2",
            "" if true is not None else f"{peak.extra / 2**20:.0f} MiB, skimage {their_peak.extra / 2**20:.0f} MiB",
            packages=VERSIONS,
        )
