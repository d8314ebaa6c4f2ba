"""Tortuosity factor of 300^3 in slabs, on two workers and in files, and from blocks, against the whole in memory.

``bench_tortuosity_slabs.py [edge]`` takes another size.
"""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from peak import Peak, one_thread, resident, write_row

one_thread()

import dask.array as da
import numpy as np
import xarray as xr
from distributed import Client, LocalCluster
from scipy import ndimage

from operando import tomo

EDGE, WORKERS, RUNS, CHUNK = 300, 2, 3, 100
FILLED, WIDTH = 0.4, 3.0
VERSIONS = ("numpy", "numba", "dask", "distributed", "zarr", "xarray")
Work = Callable[[xr.DataArray], xr.Dataset]


def stored(edge: int, folder: str) -> str:
    """Write a mask of connected blobs and return where."""
    field = ndimage.gaussian_filter(np.random.default_rng(1).standard_normal((edge,) * 3).astype(np.float32), WIDTH)
    da.from_array(field < np.quantile(field, FILLED), chunks=CHUNK).to_zarr(f"{folder}/mask.zarr")
    return f"{folder}/mask.zarr"


def opened(path: str) -> xr.DataArray:
    return xr.DataArray(da.from_zarr(path), dims=("z", "y", "x"))


def whole(mask: xr.DataArray) -> xr.Dataset:
    return tomo.tortuosity(mask, workers=WORKERS)


def on_workers(mask: xr.DataArray) -> xr.Dataset:
    return tomo.tortuosity_in_slabs(mask, workers=WORKERS)


def in_files(mask: xr.DataArray) -> xr.Dataset:
    with tempfile.TemporaryDirectory() as folder:
        return tomo.tortuosity_in_slabs(mask, slabs=mask.sizes["z"] // 5, store=folder, workers=WORKERS)


def coarsened(mask: xr.DataArray) -> xr.Dataset:
    return tomo.tortuosity_coarsened(mask, workers=WORKERS)


ALONE = {"whole": whole, "in_files": in_files, "coarsened": coarsened}


def seconds(work: Work, mask: xr.DataArray) -> tuple[xr.Dataset, float]:
    start = time.perf_counter()
    found = work(mask)
    return found, time.perf_counter() - start


def held(name: str, path: str) -> float:
    """Return the peak bytes a voxel of a piece of work in a process of its own: freed memory is taken again unseen."""
    done = subprocess.run([sys.executable, __file__, name, path], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def one(name: str, path: str) -> None:
    mask = opened(path)
    ALONE[name](mask[:40, :40, :40])
    with Peak() as peak:
        ALONE[name](mask)
    print(peak.extra / mask.size)


def most_held() -> int:
    """Return the most bytes that this process has held so far (Linux); what its parent held does not count."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


def compare(name: str, work: Work, path: str, memory: str, agree: Callable[[xr.Dataset, xr.Dataset], str]) -> None:
    mask = opened(path)
    rows = [(seconds(work, mask), seconds(whole, mask)) for _ in range(RUNS)]
    (mine, _), (answer, _) = rows[0]
    ours, peers = (statistics.median(row[who][1] for row in rows) for who in (0, 1))
    edge = mask.sizes["z"]
    write_row(
        f"tortuosity factor of blobs in {edge}^3, {name}",
        f"the whole in memory, {WORKERS} threads",
        f"{peers / ours:.2f}x",
        f"{ours:.2f} s",
        f"{peers:.2f} s",
        f"{agree(mine, answer)}; load {os.getloadavg()[0]:.1f}",
        memory,
        packages=VERSIONS,
    )


def same(mine: xr.Dataset, answer: xr.Dataset) -> str:
    """Return what is the same; end if anything differs."""
    xr.testing.assert_identical(mine.drop_attrs(), answer.drop_attrs())
    return f"{mine['tortuosity_factor'].item():.4f}, to the last digit; {mine['iterations'].item()} iterations"


def near(mine: xr.Dataset, answer: xr.Dataset) -> str:
    """Return how far an approximation is off; end if that is beyond three standard deviations."""
    found, std, expected = (
        one.item() for one in (mine["tortuosity_factor"], mine["tortuosity_factor_std"], answer["tortuosity_factor"])
    )
    if not abs(found - expected) < 3 * std:
        raise SystemExit(f"approximation {found} +- {std}, the whole {expected}")
    return f"{found:.4f} +- {std:.4f}, the whole {expected:.4f}"


def main() -> None:
    if len(sys.argv) > 2:
        one(sys.argv[1], sys.argv[2])
        return
    edge = int(sys.argv[1]) if len(sys.argv) > 1 else EDGE
    with tempfile.TemporaryDirectory() as folder:
        path = stored(edge, folder)
        small = opened(path)[:40, :40, :40]
        for work in ALONE.values():
            work(small)
        bytes_whole = held("whole", path)
        for name, work, agree in (("in five slabs in files", in_files, same), ("from blocks", coarsened, near)):
            amounts = f"{held(work.__name__, path):.1f} bytes a voxel, the whole {bytes_whole:.1f}"
            compare(name, work, path, amounts, agree)
        with (
            LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=":0") as cluster,
            Client(cluster) as client,
        ):
            on_workers(small)
            before = client.run(resident)
            on_workers(opened(path))
            share = max(most - before[name] for name, most in client.run(most_held).items()) / (edge**3 / WORKERS)
            amounts = f"{share:.1f} bytes for a voxel of a worker's slab, the whole {bytes_whole:.1f}"
            compare(f"in slabs on {WORKERS} workers of one thread", on_workers, path, amounts, same)


if __name__ == "__main__":
    main()
