"""Histogram and multi-Otsu thresholds of volumes in chunks, against scikit-image in memory."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import tempfile
from pathlib import Path

from peak import Peak, median_time, one_thread, write_row

one_thread()

import dask
import dask.array as da
import numpy as np
import xarray as xr
from skimage.filters import threshold_multiotsu as skimage_multiotsu

from operando.tomo import histogram, threshold_multiotsu

SIZE, CHUNK = 400, 100
RUNS = 5
PHASES = ((0.05, 9_000), (0.6, 13_300), (0.35, 44_700))
NOISE = 1_500
VERSIONS = ("numpy", "numba", "xarray", "dask", "scikit-image")


def volume(dtype: type[np.integer]) -> np.ndarray:
    """Return grey levels of three phases with noise, dims (z, y, x), in the range of the type."""
    noise = np.random.default_rng(1)
    grey = np.empty((SIZE,) * 3, dtype)
    scale = np.iinfo(dtype).max / np.iinfo(np.uint16).max
    shares, levels = zip(*PHASES, strict=True)
    for z in range(SIZE):
        grey[z] = np.rint(scale * (noise.choice(levels, (SIZE, SIZE), p=shares) + noise.normal(0, NOISE, (SIZE, SIZE))))
    return grey


def alternating(ours, theirs) -> tuple[float, float]:
    """Return the median seconds of both, which take turns: others may use the machine."""
    times = [[median_time(work, 1) for work in (ours, theirs)] for _ in range(RUNS)]
    fast, slow = np.median(times, axis=0)
    return float(fast), float(slow)


def spread_left(counted: xr.Dataset, limits: np.ndarray) -> float:
    """Return the variance within the classes that limits make."""
    counts, level = counted["counts"].to_numpy().astype(float), counted["level"].to_numpy()
    group = np.searchsorted(limits + 1e-6 * counted["level"].bin_width, level)
    size, first, second = (np.bincount(group, counts * level**power) for power in range(3))
    return float((second - first**2 / size).sum() / size.sum())


def against_skimage(dtype: type[np.integer], classes: int, bins: int | None) -> None:
    """Compare thresholds of a volume in memory; skimage gets no more bins than it can work with."""
    grey = volume(dtype)

    def ours() -> np.ndarray:
        return threshold_multiotsu(histogram(grey, bins), classes)["threshold"].to_numpy()

    def theirs() -> np.ndarray:
        if bins is None:
            return skimage_multiotsu(grey, classes=classes)
        counts, edges = np.histogram(grey, bins)
        return skimage_multiotsu(hist=(counts, (edges[:-1] + edges[1:]) / 2), classes=classes)

    ours()
    with dask.config.set(scheduler="threads", num_workers=1):
        with Peak() as peak:
            found = ours()
        with Peak() as their_peak:
            expected = theirs()
        best, theirs_left = (spread_left(histogram(grey, bins), limits) for limits in (found, expected))
        if not best <= theirs_left:
            raise SystemExit(f"the thresholds {found} leave more spread than those of skimage, {expected}")
        fast, slow = alternating(ours, theirs)
    write_row(
        f"histogram and {classes}-class Otsu thresholds of {SIZE}^3 {np.dtype(dtype)}, {bins or 'native'} bins",
        "skimage threshold_multiotsu" + ("" if bins is None else " on numpy's histogram"),
        f"{slow / fast:.1f}x",
        f"{fast:.3f} s",
        f"{slow:.3f} s",
        f"spread within classes of skimage's thresholds is larger by {theirs_left / best - 1:.0e}",
        f"{peak.extra / 2**20:.0f} MiB, skimage {their_peak.extra / 2**20:.0f} MiB, of {grey.nbytes / 2**20:.0f} MiB",
        packages=VERSIONS,
    )


def five_classes() -> None:
    """Compare thresholds of one histogram, where the tables of skimage grow with the power of the classes."""
    counts = np.bincount(volume(np.uint8)[:50].ravel(), minlength=256)
    level = ("level", np.arange(256.0), {"units": "1", "bin_width": 1.0})
    counted = xr.Dataset({"counts": ("level", counts)}, coords={"level": level})

    def ours() -> np.ndarray:
        return threshold_multiotsu(counted, 5)["threshold"].to_numpy()

    def theirs() -> np.ndarray:
        return skimage_multiotsu(hist=(counts, np.arange(256.0)), classes=5)

    best, theirs_left = (spread_left(counted, work()) for work in (ours, theirs))
    if not best <= theirs_left:
        raise SystemExit("the thresholds leave more spread than those of skimage")
    fast, slow = alternating(ours, theirs)
    write_row(
        "5-class Otsu thresholds of a histogram of 256 bins",
        "skimage threshold_multiotsu",
        f"{slow / fast:.0f}x",
        f"{fast * 1e3:.1f} ms",
        f"{slow:.2f} s",
        f"spread within classes of skimage's thresholds is larger by {theirs_left / best - 1:.0e}",
        "-",
        packages=VERSIONS,
    )


def out_of_core(folder: Path) -> None:
    """Take the native histogram of a volume in a store, two threads."""
    whole = volume(np.uint16)
    da.from_array(whole, chunks=CHUNK).to_zarr(folder / "volume.zarr")
    expected = np.bincount(whole.ravel(), minlength=1 << 16)
    size = whole.nbytes
    del whole
    lazy = xr.DataArray(da.from_zarr(folder / "volume.zarr"), dims=("z", "y", "x"))
    histogram(lazy[:10, :10, :10])
    with dask.config.set(scheduler="threads", num_workers=2), Peak() as peak:
        found = histogram(lazy)
    if not np.array_equal(found["counts"], expected[found["level"].to_numpy().astype(int)]):
        raise SystemExit("the histogram is wrong")
    write_row(
        f"histogram of {SIZE}^3 uint16 from zarr, native bins, 2 threads",
        "-",
        "-",
        f"{peak.seconds:.2f} s",
        "-",
        "all counts equal",
        f"{peak.extra / 2**20:.0f} MiB of {size / 2**20:.0f} MiB",
        packages=(*VERSIONS, "zarr"),
    )


if __name__ == "__main__":
    against_skimage(np.uint8, 3, None)
    against_skimage(np.uint8, 4, None)
    against_skimage(np.uint16, 3, 1024)
    five_classes()
    with tempfile.TemporaryDirectory() as scratch:
        out_of_core(Path(scratch))
