"""Label 300^3 voxels in chunks, with the table of objects, against dask-image; memory per voxel of a chunk."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from peak import Peak, one_thread, write_row

one_thread()

import dask
import dask.array as da
import numpy as np
import xarray as xr
from dask_image import ndmeasure
from scipy import ndimage

from operando import tomo

SIZE, CHUNK = 300, 100
LARGE = 384
RUNS = 15
SHARES = (0.4, 0.15)
FEW, MANY, CLOSE = 10, 300, 1e-9
"""Objects that the peer's table is compared for; up to how many it is timed for; how near centers are, voxels."""

Answer = TypeVar("Answer")
VERSIONS = ("numpy", "numba", "dask", "xarray", "dask-image")


def blobs(size: int, share: float) -> np.ndarray:
    """Return a mask of blobs about 8 voxels wide that fill a share of the volume."""
    noise = np.random.default_rng(1).standard_normal((size,) * 3, dtype=np.float32)
    smooth = ndimage.gaussian_filter(noise, 3)
    return smooth > np.quantile(smooth[::2, ::2, ::2], 1 - share)


def ours(mask: da.Array, connectivity: int) -> tuple[np.ndarray, xr.Dataset]:
    labels, table = tomo.label(xr.DataArray(mask, dims=("z", "y", "x")), connectivity)
    return labels.to_numpy(), table


def dask_image(mask: da.Array, connectivity: int) -> np.ndarray:
    structure = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
    labels, _ = dask.compute(*ndmeasure.label(mask, structure))
    return labels


def dask_image_table(mask: da.Array, labels: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return size and center of objects: dask-image looks through the volume for each, so that many take minutes."""
    lazy = da.from_array(labels, chunks=CHUNK)
    return dask.compute(ndmeasure.area(mask, lazy, numbers), ndmeasure.center_of_mass(mask, lazy, numbers))


def processor_time(work: Callable[[], Answer]) -> tuple[float, Answer]:
    """Return the seconds of the processor that work takes, and its result: others may use the machine."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def same_partition(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two label images tell the same objects, whatever their numbers."""
    pairs = np.unique(one.astype(np.int64) << 32 | other)
    return pairs.size == one.max() + 1 == other.max() + 1


def against_dask_image(share: float, connectivity: int) -> None:
    """Compare labels with the whole table to labels alone, and, of few objects, to labels with sizes and centers."""
    mask = da.from_array(blobs(SIZE, share), chunks=CHUNK)
    ours(mask[:40, :40, :40].rechunk(20), connectivity)
    with dask.config.set(scheduler="threads", num_workers=1):
        slow, theirs = processor_time(lambda: dask_image(mask, connectivity))
        times, answers = zip(*(processor_time(lambda: ours(mask, connectivity)) for _ in range(RUNS)), strict=True)
        fast, (labels, table) = float(np.median(times)), answers[-1]
        if not same_partition(labels, theirs):
            raise SystemExit("the objects differ")
        objects = table.sizes["object"]
        compared = np.arange(1, (objects if objects <= MANY else FEW) + 1)
        more, (area, center) = processor_time(lambda: dask_image_table(mask, theirs, compared))
        rows = table.isel(object=labels[tuple(first_places(theirs)[compared].T)] - 1)
        if not np.array_equal(rows["voxels"], area) or np.abs(rows["centroid"] - center).max() > CLOSE:
            raise SystemExit("sizes or centers differ")
        with Peak() as peak:
            ours(mask, connectivity)
    peers = {"dask-image label alone, no table": slow}
    if compared.size == objects:
        peers[f"dask-image label, area and center_of_mass of all {objects} objects, nothing else of the table"] = (
            slow + more
        )
    for peer, taken in peers.items():
        write_row(
            f"label {SIZE}^3 in chunks of {CHUNK}, {share:.0%} full, connectivity {connectivity}, with the whole table",
            peer,
            f"{taken / fast:.0f}x",
            f"{fast:.2f} s of the processor",
            f"{taken:.1f} s of the processor",
            f"the same {objects} objects; sizes and centers of {compared.size} equal",
            f"{peak.extra / 2**20:.0f} MiB, the labels' {labels.nbytes / 2**20:.0f} among them",
            packages=VERSIONS,
        )


def first_places(labels: np.ndarray) -> np.ndarray:
    """Return where each number first occurs."""
    _, first = np.unique(labels, return_index=True)
    return np.stack(np.unravel_index(first, labels.shape), axis=-1)


def memory(share: float) -> None:
    """Label one chunk after the other, and read the labels so: what is held beyond the mask's own chunk."""
    solid = blobs(LARGE, share)
    tomo.label(xr.DataArray(da.from_array(solid[:40], chunks=20), dims=("z", "y", "x")))[0].compute()
    for chunk in (LARGE // 2, LARGE):
        mask = xr.DataArray(da.from_array(solid, chunks=chunk, name=False), dims=("z", "y", "x"))
        with dask.config.set(scheduler="threads", num_workers=1):
            with Peak() as first:
                labels, table = tomo.label(mask)
            with Peak() as second:
                highest = int(labels.max().compute())
        if highest != table.sizes["object"]:
            raise SystemExit("numbers are missing")
        write_row(
            f"label {LARGE}^3 in chunks of {chunk}, {share:.0%} full, one after the other",
            "-",
            "-",
            f"{first.seconds:.2f} s, labels read in {second.seconds:.2f} s",
            "-",
            f"{highest} objects",
            f"{first.extra / chunk**3:.1f} bytes a voxel of a chunk; labels read {second.extra / chunk**3:.1f}",
            packages=VERSIONS[:-1],
        )


if __name__ == "__main__":
    memory(SHARES[0])
    for full in SHARES:
        for neighbours in (6, 26):
            against_dask_image(full, neighbours)
