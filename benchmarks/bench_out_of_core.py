"""From 1024 x 1024 x 512 grey levels on disk to a table of cracks, with two workers of 2 GB each.

``bench_out_of_core.py [z y x]`` takes another size.
"""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from peak import one_thread, write_row

one_thread()

import dask
import dask.array as da
import numpy as np
import xarray as xr
from distributed import Client, LocalCluster

from operando import tomo

SIZE = (512, 1024, 1024)
CHUNK = 256
"""Edge of the blocks that are worked on."""

STORED = (64, 128, 128)
"""Chunks of the files, as ``write_ome_zarr`` makes them: margins of blocks are read from a few of them."""

WORKERS, LIMIT = 2, 2_000_000_000
MATRIX, VOID, NOISE = 30_000.0, 6_000.0, 2_500.0
LEVELS = {"matrix": MATRIX, "void": VOID, "noise": NOISE, "blur": 0.5}
OTHER = (128, 384, 256)
"""Blocks in which cracks are segmented once more: the whole would not fit into the memory of this machine."""
SCALES = (1.0, 2.0)
CONTRAST = 0.25
"""Answer of the plate filter, in contrasts between matrix and void, above which a voxel counts as crack."""

SERIES = (50, (2160, 2560, 2560))
VERSIONS = ("numpy", "numba", "dask", "distributed", "zarr", "xarray")
DIMS = ("z", "y", "x")


def discs(size: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray, float, float]]:
    """Return center, normal, radius and half opening (voxels) of penny cracks, about one for every 128^3 voxels."""
    noise = np.random.default_rng(1)
    found = []
    for _ in range(int(np.prod(size) / 128**3)):
        normal = noise.normal(size=3)
        center = noise.uniform(0, size)
        found.append((center, normal / np.linalg.norm(normal), noise.uniform(15, 120), noise.uniform(0.8, 2.0)))
    return found


def grey_block(block_id: tuple[int, ...], size: tuple[int, ...]) -> np.ndarray:
    """Return noisy grey levels of one block of a cracked solid."""
    start = np.array(block_id) * CHUNK
    stop = np.minimum(start + CHUNK, size)
    grey = np.random.default_rng(block_id).normal(MATRIX, NOISE, stop - start).astype(np.float32)
    for center, normal, radius, half in discs(size):
        low = np.clip(np.floor(center - radius - 3).astype(int) - start, 0, stop - start)
        high = np.clip(np.ceil(center + radius + 3).astype(int) - start, 0, stop - start)
        if (high > low).all():
            box = tuple(slice(first, last) for first, last in zip(low, high, strict=True))
            grey[box] -= crack(np.ogrid[box], center - start, normal, radius, half) * np.float32(MATRIX - VOID)
    return np.clip(grey, 0, 65535).astype(np.uint16)


def crack(
    place: tuple[np.ndarray, ...], center: np.ndarray, normal: np.ndarray, radius: float, half: float
) -> np.ndarray:
    """Return the share of each voxel that a penny crack fills."""
    offset = [(axis - at).astype(np.float32) for axis, at in zip(place, center, strict=True)]
    away = sum(part * np.float32(toward) for part, toward in zip(offset, normal, strict=True))
    inside = sum(part**2 for part in offset) - away**2 < radius**2
    return np.where(inside, np.clip(half + 0.5 - np.abs(away), 0, 1), 0).astype(np.float32)


def write_volume(folder: Path, size: tuple[int, ...]) -> None:
    chunks = tuple(tuple(min(CHUNK, length - at) for at in range(0, length, CHUNK)) for length in size)
    grey = da.map_blocks(grey_block, chunks=chunks, dtype=np.uint16, meta=np.empty((0,) * 3, np.uint16), size=size)
    store(xr.DataArray(grey, dims=DIMS), folder / "grey.zarr")


def store(volume: xr.DataArray | xr.Dataset, path: Path) -> int:
    """Write a lazy volume, or several of the same blocks, and return how many tasks that takes."""
    ds = volume.to_dataset(name="volume") if isinstance(volume, xr.DataArray) else volume
    chunks = {name: {"chunks": tuple(map(min, STORED, one.shape))} for name, one in ds.items() if one.ndim}
    lazy = ds.drop_attrs().to_zarr(path, compute=False, consolidated=False, encoding=chunks)
    tasks = len(dict(dask.optimize(lazy)[0].__dask_graph__()))
    dask.compute(lazy)
    return tasks


def opened(path: Path, chunks: tuple[int, ...] = (CHUNK,) * 3) -> xr.DataArray:
    return xr.open_zarr(path, consolidated=False, chunks=dict(zip(DIMS, chunks, strict=True)))["volume"]


def limit_of(grey: xr.DataArray) -> float:
    """Return the least answer of the plate filter that counts, from the histogram of the grey levels."""
    means = tomo.threshold_multiotsu(tomo.histogram(grey), classes=2)["grey_level"].to_numpy()
    return CONTRAST * float(means[1] - means[0])


def stages(folder: Path) -> tuple[dict[str, float], dict[str, int], xr.Dataset]:
    """Go from grey levels to labels, every stage on disk; return seconds and tasks of each, and the table."""
    seconds, tasks = {}, {}
    start = time.perf_counter()
    grey = opened(folder / "grey.zarr")
    limit = limit_of(grey)
    seconds["histogram"], tasks["histogram"] = time.perf_counter() - start, grey.data.npartitions
    start = time.perf_counter()
    tasks["plate filter"] = store(tomo.plate_filter(grey, SCALES) > limit, folder / "mask.zarr")
    seconds["plate filter"] = time.perf_counter() - start
    start = time.perf_counter()
    mask = opened(folder / "mask.zarr")
    labels, table = tomo.label(mask, store=folder / "pieces")
    seconds["label, table"], tasks["label, table"] = time.perf_counter() - start, mask.data.npartitions
    start = time.perf_counter()
    tasks["write labels"] = store(labels, folder / "labels.zarr")
    seconds["write labels"] = time.perf_counter() - start
    start = time.perf_counter()
    tasks["segment cracks"] = store(tomo.segment_cracks(grey, **LEVELS), folder / "cracks.zarr")
    seconds["segment cracks"] = time.perf_counter() - start
    return seconds, tasks, table


def same_in_other_blocks(folder: Path) -> int:
    """Stop unless cracks come out the same in other blocks; return how many voxels are cracks."""
    grey = opened(folder / "grey.zarr", OTHER)
    store(tomo.segment_cracks(grey, **LEVELS), folder / "others.zarr")
    one, other = (xr.open_zarr(folder / name, consolidated=False) for name in ("cracks.zarr", "others.zarr"))
    for start in range(0, grey.sizes["z"], 32):
        part = {"z": slice(start, start + 32)}
        xr.testing.assert_equal(one.isel(part).compute(), other.isel(part).compute())
    return int(one["crack"].sum())


def worker_use(dask_worker: Any) -> tuple[int, float, float]:
    """Return process, largest memory and bytes spilled to disk of a worker so far."""
    import os

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    spilled = dask_worker.data.cumulative_metrics.get(("disk-write", "bytes"), 0)
    return os.getpid(), float(peak), float(spilled)


def same_in_memory(folder: Path, table: xr.Dataset) -> None:
    """Stop unless the whole in memory gives the same mask, labels and table."""
    grey = opened(folder / "grey.zarr").compute()
    limit = limit_of(grey)
    mask = tomo.plate_filter(grey, SCALES) > limit
    del grey
    labels, whole = tomo.label(mask)
    part: dict[str, slice]
    for start in range(0, labels.sizes["z"], 32):
        part = {"z": slice(start, start + 32)}
        if not np.array_equal(labels.isel(part), opened(folder / "labels.zarr").isel(part)):
            raise SystemExit("labels differ from those of the whole in memory")
    xr.testing.assert_identical(table.drop_attrs(), whole.drop_attrs())


def plan(per_core: dict[str, float]) -> str:
    """Return what a series of many large volumes would take."""
    steps, size = SERIES
    voxels = float(np.prod(size))
    chunks = int(np.prod([-(-length // CHUNK) for length in size]))
    hours = sum(voxels / rate for rate in per_core.values()) / 3600
    return (
        f"plan: {steps} steps of {voxels / 1e9:.1f} gigavoxels = {chunks} blocks of {CHUNK}^3 a step, one step a job, "
        f"each stage to disk: {hours:.1f} core hours a step, {steps * hours:.0f} for all; on 64 cores "
        f"{steps * hours / 64:.1f} h; largest arrays of a step {2 * voxels / 1e9:.0f} GB grey levels read, "
        f"{voxels / 1e9:.0f} GB mask and {4 * voxels / 1e9:.0f} GB labels written (before compression)"
    )


def run(size: tuple[int, ...], folder: Path) -> None:
    with (
        LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=1,
            memory_limit=LIMIT,
            dashboard_address=":0",
            local_directory=str(folder / "spill"),
        ) as cluster,
        Client(cluster) as client,
    ):
        before = {pid for pid, _, _ in client.run(worker_use).values()}
        write_volume(folder, size)
        seconds, tasks, table = stages(folder)
        use = list(client.run(worker_use).values())
        cracked = same_in_other_blocks(folder)
    peak, spilled = max(used for _, used, _ in use), sum(spilled for _, _, spilled in use)
    if {pid for pid, _, _ in use} != before or peak > LIMIT:
        raise SystemExit(f"a worker went beyond its {LIMIT / 1e9:g} GB: {peak / 1e9:.2f} GB")
    same_in_memory(folder, table)
    voxels = float(np.prod(size))
    per_core = {name: voxels / taken / WORKERS for name, taken in seconds.items()}
    write_row(
        f"{' x '.join(map(str, size))} grey levels from disk to a table of cracks: "
        f"{', '.join(seconds)}; {WORKERS} workers of {LIMIT / 1e9:g} GB",
        "-",
        "-",
        f"{sum(seconds.values()):.0f} s; Mvoxel/s a core: "
        + ", ".join(f"{name} {rate / 1e6:.1f}" for name, rate in per_core.items()),
        "-",
        f"{table.sizes['object']} objects, labels and table the same as of the whole in memory; "
        f"{cracked} voxels of cracks, the same in blocks of {' x '.join(map(str, OTHER))}; "
        f"tasks: {', '.join(f'{name} {count}' for name, count in tasks.items())}",
        f"{peak / 1e9:.2f} GB in a worker, {spilled / 1e9:.2f} GB spilled",
        packages=VERSIONS,
    )
    print(plan(per_core))


if __name__ == "__main__":
    asked = tuple(int(length) for length in sys.argv[1:4])
    with tempfile.TemporaryDirectory() as scratch:
        run(asked if len(asked) == 3 else SIZE, Path(scratch))
