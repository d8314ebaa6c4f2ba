"""Measure the regions of a label image of 300^3 voxels against scikit-image."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import time
from collections.abc import Callable

from peak import Peak, one_thread, write_row

one_thread()

import numpy as np
from scipy import ndimage
from skimage.measure import regionprops_table

from operando import tomo

SIZE = 300
RUNS = 5
SHARES = (0.4, 0.15)
PROPERTIES = ("label", "area", "bbox", "centroid", "inertia_tensor")
VERSIONS = ("numpy", "numba", "xarray", "scikit-image")


def label_image(share: float) -> np.ndarray:
    noise = np.random.default_rng(1).standard_normal((SIZE,) * 3, dtype=np.float32)
    smooth = ndimage.gaussian_filter(noise, 2)
    return tomo.label(smooth > np.quantile(smooth[::2, ::2, ::2], 1 - share))[0].to_numpy()


def processor_time(work: Callable[[], object]) -> float:
    """Return the seconds of the processor that work takes: others may use the machine."""
    start = time.process_time()
    work()
    return time.process_time() - start


def largest_difference(labels: np.ndarray) -> float:
    """Return the largest difference of centers (voxels), and stop where whole numbers differ."""
    table, theirs = tomo.regions(labels), regionprops_table(labels, properties=PROPERTIES)
    boxes = np.stack([theirs[f"bbox-{side}"] for side in range(6)], axis=-1)
    mine = np.concatenate([table["box_min"], table["box_max"] + 1], axis=1)
    if not (np.array_equal(table["voxels"], theirs["area"]) and np.array_equal(mine, boxes)):
        raise SystemExit("sizes or boxes differ")
    points = table["covariance"].to_numpy() - np.eye(3) / 12
    inertia = np.trace(points, axis1=1, axis2=2)[:, None, None] * np.eye(3) - points
    tensor = np.stack([theirs[f"inertia_tensor-{one}-{other}"] for one in range(3) for other in range(3)], axis=-1)
    if not np.allclose(inertia.reshape(-1, 9), tensor, rtol=1e-7, atol=1e-7):
        raise SystemExit("moments differ")
    centers = np.stack([theirs[f"centroid-{axis}"] for axis in range(3)], axis=-1)
    return float(np.abs(table["centroid"].to_numpy() - centers).max())


def against_skimage(share: float) -> None:
    labels = label_image(share)
    tomo.regions(labels[:40])
    apart = largest_difference(labels)
    fast = float(np.median([processor_time(lambda: tomo.regions(labels, workers=1)) for _ in range(RUNS)]))
    slow = float(
        np.median([processor_time(lambda: regionprops_table(labels, properties=PROPERTIES)) for _ in range(3)])
    )
    with Peak() as peak:
        tomo.regions(labels, workers=1)
    with Peak() as their_peak:
        regionprops_table(labels, properties=PROPERTIES)
    write_row(
        f"regions of {SIZE}^3, {share:.0%} full, all measures",
        "skimage regionprops_table of area, bbox, centroid, inertia tensor",
        f"{slow / fast:.0f}x",
        f"{fast:.2f} s of the processor",
        f"{slow:.1f} s of the processor",
        f"{int(labels.max())} regions; sizes, boxes equal; centers within {apart:.0e} voxels",
        f"{peak.extra / 2**20:.0f} MiB, skimage {their_peak.extra / 2**20:.0f} MiB",
        packages=VERSIONS,
    )


if __name__ == "__main__":
    for full in SHARES:
        against_skimage(full)
