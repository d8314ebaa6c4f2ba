"""Plan 50 time steps of 14 gigavoxels for two workers of 2 GB: tasks of the graphs themselves, memory and core hours.

``bench_plan.py [z y x]`` takes another size.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import dask
import dask.array as da
import numpy as np
import xarray as xr
import zarr
from numpy.typing import DTypeLike

from operando import tomo
from operando.tomo import crack_passes

STEPS, SIZE = 50, (2160, 2560, 2560)
BLOCK, STORED = 256, (64, 128, 128)
WORKERS, LIMIT = 2, 2_000_000_000
DIMS = ("z", "y", "x")
LEVELS = {"matrix": 30_000.0, "void": 6_000.0, "noise": 2_500.0, "blur": 0.7}
RADIUS = 12.0
"""Largest radius that local thickness looks for, voxels."""

Step = tuple[DTypeLike, Callable[[xr.DataArray, Path], object]]


class _CountedError(Exception):
    """Ends a computation before it starts."""


def written(volume: xr.DataArray, to: Path) -> None:
    volume.drop_attrs().to_dataset(name="volume").to_zarr(to, consolidated=False)


def found_cracks(grey: xr.DataArray, to: Path) -> None:
    """Segment cracks with the first of the two passes skipped: the second has the larger graph."""
    with mock.patch.multiple(crack_passes, each_block=mock.DEFAULT, join_sure=mock.DEFAULT):
        found = tomo.segment_cracks(grey, **LEVELS)
    found.drop_attrs().to_zarr(to, consolidated=False)


STEPS_OF_WORK: dict[str, Step] = {
    "histogram": (np.uint16, lambda grey, _: tomo.histogram(grey)),
    "denoise": (np.uint16, lambda grey, to: written(tomo.denoise(grey), to)),
    "plate_filter": (np.uint16, lambda grey, to: written(tomo.plate_filter(grey) > 1, to)),
    "label": (bool, lambda mask, to: tomo.label(mask, store=to / "pieces")),
    "regions": (np.int32, lambda labels, _: tomo.regions(labels)),
    "segment_cracks": (np.uint16, found_cracks),
    "local_thickness": (bool, lambda mask, to: written(tomo.local_thickness(mask, RADIUS), to)),
}


def volume(folder: Path, dtype: DTypeLike, size: Sequence[int]) -> xr.DataArray:
    """Return a volume from a store, in which nothing is written yet."""
    path = folder / f"{np.dtype(dtype)}.zarr"
    if not path.exists():
        zarr.create_array(path, shape=size, chunks=tuple(map(min, STORED, size)), dtype=dtype)
    places = {axis: np.arange(length) + 0.5 for axis, length in zip(DIMS, size, strict=True)}
    return xr.DataArray(da.from_zarr(path, chunks=BLOCK), dims=DIMS, coords=places)


def tasks_of(work: Callable[[], object]) -> int:
    """Return how many tasks the graph has that a piece of work hands to the scheduler first."""

    def count(graph: Any, _: Any, **__: Any) -> None:
        raise _CountedError(len(dict(graph.__dask_graph__())))

    with dask.config.set(scheduler=count):
        try:
            work()
        except _CountedError as counted:
            return int(counted.args[0])
    raise SystemExit("nothing was computed")


def plan(size: Sequence[int], folder: Path) -> None:
    hours = 0.0
    voxels = float(np.prod(size))
    print(f"{voxels / 1e9:.1f} gigavoxels a step, blocks of {BLOCK}^3 from chunks of {STORED}, one step a job")
    for name, (dtype, work) in STEPS_OF_WORK.items():
        stored = volume(folder, dtype, size)
        tasks = tasks_of(lambda work=work, stored=stored, name=name: work(stored, folder / name))
        said = tomo.cost(name, size, dtype=dtype, chunks=BLOCK, workers=WORKERS)
        tomo.check_cost(said, WORKERS * LIMIT)
        if tasks > tomo.costs.MOST_TASKS:
            raise SystemExit(f"{name}: {tasks} tasks")
        spent = said.seconds * WORKERS / 3600
        hours += spent
        print(
            f"{name:16} {tasks} tasks (said {said.tasks}); {WORKERS} workers hold {said.peak_memory / 1e9:.2f} GB; "
            f"{spent:.2f} core hours"
        )
    print(f"feasible: {hours:.1f} core hours a step, {STEPS * hours:.0f} for {STEPS} steps")


if __name__ == "__main__":
    asked = tuple(int(length) for length in sys.argv[1:4])
    with tempfile.TemporaryDirectory() as scratch:
        plan(asked if len(asked) == 3 else SIZE, Path(scratch))
