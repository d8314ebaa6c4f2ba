"""Classify the voxels of a volume against scikit-image's features with scikit-learn's forest, on the same scribbles."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import time
from collections.abc import Callable

from peak import Peak, one_thread, write_row

one_thread()

import dask
import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from operando.tomo import PixelClassifier

EDGE, LARGE, STROKES, LENGTH = 128, 200, 20, 11
TREES, LEAF = 100, 5
RUNS = 3
VERSIONS = ("numpy", "numba", "scikit-learn", "scikit-image")


def phantom(edge: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return three phases (1 to 3), their grey levels with noise of half the contrast, and strokes of every phase."""
    draw = np.random.default_rng(1)
    field = gaussian_filter(draw.normal(size=(edge,) * 3), 6)
    truth = (1 + np.digitize(field, np.quantile(field, [0.35, 0.7]))).astype(np.uint8)
    grey = gaussian_filter(np.array([0.0, 10000, 14000, 18000])[truth], 1) + draw.normal(0, 2000, truth.shape)
    marks = np.zeros_like(truth)
    for phase in (1, 2, 3):
        places = np.argwhere(truth == phase)
        for z, y, x in places[draw.integers(len(places), size=STROKES)]:
            line = (z, y, slice(max(0, x - LENGTH // 2), x + LENGTH // 2 + 1))
            marks[line] = np.where(truth[line] == phase, phase, marks[line])
    return truth, np.rint(grey).astype(np.uint16), marks


def theirs(grey: np.ndarray, marks: np.ndarray) -> Callable[[], np.ndarray]:
    """Return their work: features at 1, 2 and 4 voxels of the whole volume, and a forest of the same settings."""
    from skimage.feature import multiscale_basic_features
    from sklearn.ensemble import RandomForestClassifier

    scales = {"sigma_min": 1, "sigma_max": 4, "num_sigma": 3, "workers": 1}
    learned = multiscale_basic_features(grey, **scales)[marks > 0]
    forest = RandomForestClassifier(TREES, min_samples_leaf=LEAF, class_weight="balanced", random_state=0)
    forest.fit(learned, marks[marks > 0])

    def work() -> np.ndarray:
        features = multiscale_basic_features(grey, **scales)
        return forest.predict(features.reshape(-1, features.shape[-1])).reshape(grey.shape)

    return work


def largest_difference(classifier: PixelClassifier, grey: np.ndarray) -> float:
    """Return by how much our probabilities differ from scikit-learn's, of the same forest on the same features."""
    from sklearn.ensemble import RandomForestClassifier

    given = classifier.trained.sample
    forest = RandomForestClassifier(TREES, min_samples_leaf=LEAF, class_weight="balanced", random_state=0)
    forest.fit(given.values, given.kind)
    margin = classifier.features.margin
    middle = slice(margin, grey.shape[0] - margin)
    stack = classifier.features.stack(grey.astype(np.float32)).reshape(len(classifier.features.names), -1).T
    ours = classifier.predict_proba(grey).values[:, middle, middle, middle].reshape(3, -1).T
    return float(np.abs(forest.predict_proba(stack) - ours).max())


def seconds(work: Callable[[], object]) -> float:
    """Return the seconds of the processor that ``work`` takes: others may use the machine."""
    start = time.process_time()
    work()
    return time.process_time() - start


def against_peers() -> None:
    truth, grey, marks = phantom(EDGE)
    classifier = PixelClassifier(trees=TREES, leaf=LEAF).fit(grey, marks)
    peer = theirs(grey, marks)
    classifier.predict(grey[:70, :70, :70])
    with Peak() as our_peak:
        found = classifier.predict(grey)
    with Peak() as their_peak:
        other = peer()
    apart = largest_difference(classifier, grey[:80, :80, :80])
    if not apart < 1e-6:
        raise SystemExit(f"the probabilities differ by {apart:.1e}")
    times = np.array([[seconds(lambda: classifier.predict(grey)), seconds(peer)] for _ in range(RUNS)])
    ours, slow = np.median(times, axis=0)
    voxels = grey.size
    write_row(
        f"classes of {EDGE}^3 voxels, 3 scales, {TREES} trees",
        "skimage multiscale_basic_features (16 features), scikit-learn forest",
        f"{slow / ours:.1f}x",
        f"{ours:.2f} s of a core, {len(classifier.features.names)} features",
        f"{slow:.2f} s of a core",
        f"same forest on same features within {apart:.0e}; right {np.mean(found == truth):.3f}, they "
        f"{np.mean(other == truth):.3f}",
        f"{our_peak.extra / voxels:.0f} B a voxel, they {their_peak.extra / voxels:.0f}",
        packages=VERSIONS,
    )


def out_of_core() -> None:
    truth, grey, marks = phantom(LARGE)
    classifier = PixelClassifier(trees=TREES, leaf=LEAF).fit(grey, marks)
    lazy = xr.DataArray(grey, dims=("z", "y", "x")).chunk(z=100, y=100, x=100)
    with dask.config.set(scheduler="threads", num_workers=2), Peak() as peak:
        spent = time.process_time()
        found = classifier.predict(lazy).to_numpy()
        spent = time.process_time() - spent
    write_row(
        f"classes of {LARGE}^3 voxels in blocks of 100^3, 2 threads",
        "-",
        "-",
        f"{grey.size / spent / 1e6:.2f} Mvoxel/s a core",
        "-",
        f"right {np.mean(found == truth):.3f}",
        f"{peak.extra / grey.size:.0f} B a voxel",
        packages=VERSIONS,
    )


if __name__ == "__main__":
    against_peers()
    out_of_core()
