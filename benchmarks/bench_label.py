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
RUNS = 7
SHARES = (0.4, 0.15)
FEW = 10
Answer = TypeVar("Answer")
VERSIONS = ("numpy", "numba", "dask", "xarray", "dask-image")


def blobs(size: int, share: float) -> np.ndarray:
    """Return a mask of blobs about 8 voxels wide that fill a share of the volume."""
    noise = np.random.default_rng(1).standard_normal((size,) * 3, dtype=np.float32)
    smooth = ndimage.gaussian_filter(noise, 3)
    return smooth > np.quantile(smooth[::2, ::2, ::2], 1 - share)


def ours(mask: da.Array, connectivity: int) -> tuple[np.ndarray, np.ndarray]:
    labels, table = tomo.label(xr.DataArray(mask, dims=("z", "y", "x")), connectivity)
    return labels.to_numpy(), table["voxels"].to_numpy()


def dask_image(mask: da.Array, connectivity: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, and the areas of the first few objects: it looks through the volume for each of them."""
    structure = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
    labels, _ = dask.compute(*ndmeasure.label(mask, structure))
    return labels, ndmeasure.area(mask, da.from_array(labels, chunks=CHUNK), np.arange(1, FEW + 1)).compute()


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
    mask = da.from_array(blobs(SIZE, share), chunks=CHUNK)
    ours(mask[:40, :40, :40].rechunk(20), connectivity)
    with dask.config.set(scheduler="threads", num_workers=1):
        slow, (theirs, area) = processor_time(lambda: dask_image(mask, connectivity))
        times, answers = zip(*(processor_time(lambda: ours(mask, connectivity)) for _ in range(RUNS)), strict=True)
        fast, (labels, voxels) = float(np.median(times)), answers[-1]
        few = [labels[theirs == number][0] - 1 for number in range(1, FEW + 1)]
        if not same_partition(labels, theirs) or not np.array_equal(voxels[few], area):
            raise SystemExit("the objects differ")
        with Peak() as peak:
            ours(mask, connectivity)
    write_row(
        f"label {SIZE}^3 in chunks of {CHUNK}, {share:.0%} full, connectivity {connectivity}, with table",
        f"dask-image label, and area of {FEW} objects only",
        f"{slow / fast:.0f}x",
        f"{fast:.2f} s of the processor",
        f"{slow:.1f} s of the processor",
        f"the same {len(voxels)} objects, sizes equal",
        f"{peak.extra / 2**20:.0f} MiB, the labels' {labels.nbytes / 2**20:.0f} among them",
        packages=VERSIONS,
    )


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
