"""Look for a plate 3 voxels wide in 200 x 200 x 200 voxels at 3 scales against scikit-image's frangi."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import time
from collections.abc import Callable

from peak import Peak, median_time, one_thread, write_row

one_thread()

import dask
import numpy as np
from scipy import ndimage

from operando import tomo
from operando.tomo import plate_kernels

SIZE, MIDDLE, FACES = 200, 96, 20
SCALES = (1, 2, 3)
RUNS = 5
VERSIONS = ("numpy", "numba", "dask", "scikit-image")

Images = np.ndarray


def volume() -> Images:
    """Return a dark plate of 3 voxels in noise, at a contrast of 4 times the noise."""
    grey = np.random.default_rng(0).normal(100, 10, (SIZE,) * 3).astype(np.float32)
    grey[MIDDLE - 1 : MIDDLE + 2] -= 40
    return grey


def ours(grey: Images) -> Images:
    return tomo.plate_filter(grey, SCALES).values


def frangi(grey: Images) -> Images:
    from skimage.filters import frangi

    return frangi(grey, sigmas=SCALES, black_ridges=True)


def contrast(answer: Images) -> tuple[float, float]:
    """Return the mean answer on the plate and what 1 % of the voxels away from it exceed."""
    across = slice(FACES, -FACES)
    away = answer[FACES : MIDDLE - 2 * FACES, across, across]
    return float(answer[MIDDLE, across, across].mean()), float(np.percentile(away, 99))


def cpu_seconds(work: Callable[[Images], Images], grey: Images) -> float:
    start = time.process_time()
    work(grey)
    return time.process_time() - start


def eigenvalue_error(grey: Images) -> float:
    """Return by how much our eigenvalues differ from scikit-image's of the same Hessians, in the largest's unit."""
    from skimage.feature import hessian_matrix_eigvals

    smooth = ndimage.gaussian_filter(grey[80:120, :40, :40].astype(np.float64), 2)
    first = np.gradient(smooth)
    elements = [np.gradient(first[i], axis=j) for i in range(3) for j in range(i, 3)]
    rows = np.stack([element.ravel() for element in elements]).astype(np.float32)
    found = np.empty((3, rows.shape[1]))
    plate_kernels.eigenvalues(rows, 1.0, found)
    expected = hessian_matrix_eigvals([row.reshape(smooth.shape).astype(np.float64) for row in rows])
    return float(np.abs(found - expected.reshape(3, -1)).max() / np.abs(expected).max())


def derivative_error(grey: Images) -> float:
    """Return by how much our answer differs from that of Gaussian derivatives, of the largest, at a scale of 2."""
    part = ndimage.gaussian_filter(grey[70:130, :60, :60].astype(np.float64), 0.5)
    matrix = np.empty((*part.shape, 3, 3))
    for i in range(3):
        for j in range(3):
            matrix[..., i, j] = ndimage.gaussian_filter(part, 2, order=np.bincount([i, j], minlength=3), truncate=6)
    eigen = 4 * np.linalg.eigvalsh(matrix)
    expected = np.maximum(eigen[..., 2] - np.abs(eigen[..., :2]).max(axis=-1), 0)
    found = tomo.plate_filter(part.astype(np.float32), (2,)).values
    return float(np.abs(found - expected).max() / expected.max())


def main() -> None:
    grey = volume()
    ours(grey[:40, :40, :40])
    with Peak() as peak:
        answer = ours(grey)
    with Peak() as their_peak:
        theirs = frangi(grey)
    (on, off), (their_on, their_off) = contrast(answer), contrast(theirs)
    error, derivative = eigenvalue_error(grey), derivative_error(grey)
    if not (on > 5 * off and error < 1e-6 and derivative < 0.03):
        raise SystemExit(f"the plate answers {on:.3g} against {off:.3g}, eigenvalues differ by {error:.1e}")
    with dask.config.set(scheduler="synchronous"):
        fast = median_time(lambda: ours(grey), RUNS)
    cpu, their_cpu = cpu_seconds(ours, grey), cpu_seconds(frangi, grey)
    agreement = (
        f"on the plate {on:.3g}, 99 % off it below {off:.3g}; frangi {their_on:.2g} and {their_off:.2g}; eigenvalues "
        f"within {error:.0e} of skimage's, answer within {derivative:.1%} of Gaussian derivatives"
    )
    write_row(
        f"plate filter, {SIZE}^3, scales {SCALES}",
        "skimage frangi",
        f"{their_cpu / cpu:.0f}x of CPU time",
        f"{cpu:.2f} s of CPU; {peak.seconds:.2f} s by default threads, {fast:.2f} s on one",
        f"{their_cpu:.1f} s of CPU; {their_peak.seconds:.1f} s",
        agreement,
        f"{peak.extra / SIZE**3:.1f} B a voxel, frangi {their_peak.extra / SIZE**3:.0f}; machine shared",
        packages=VERSIONS,
    )


if __name__ == "__main__":
    main()
