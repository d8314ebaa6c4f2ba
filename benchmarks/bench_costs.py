"""Compare what ``tomo.cost`` says of memory with the peak of each operation on a stored volume, a process each."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peak import Peak, one_thread, write_row

one_thread()

import dask
import dask.array as da
import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from operando import tomo

EDGE, CHUNKS, WORKERS, LEVEL = 256, (64, 128), (1, 2), 24000
WITHIN = 1.5
LEVELS = {"matrix": 20000.0, "void": 14000.0, "noise": 2000.0, "blur": 0.7}
"""Half of the volume then is particles, beside which the share of void takes most work."""
READ = {
    "contact_area": np.uint8,
    "label": bool,
    "local_thickness": bool,
    "regions": np.int32,
    "surface_area": bool,
}
"""Types of what is read, where it is not uint16."""


def stored(folder: Path, chunk: int) -> xr.DataArray:
    """Return grey levels of two phases (uint16), lazily from a store."""
    path = folder / f"grey_{chunk}.zarr"
    if not path.exists():
        noise = np.random.default_rng(0)
        field = gaussian_filter(noise.normal(size=(EDGE,) * 3).astype(np.float32), 3)
        grey = (20000 + 8000 * (field > 0) + noise.normal(0, 2000, field.shape)).astype(np.uint16)
        da.to_zarr(da.from_array(grey, chunks=chunk), path)
    places = {axis: (np.arange(EDGE) + 0.5) * 1.0 for axis in "zyx"}
    return xr.DataArray(da.from_zarr(path), dims=("z", "y", "x"), coords=places)


def classifier(small: xr.DataArray) -> tomo.PixelClassifier:
    places = np.random.default_rng(1).integers(2, 62, size=(600, 3))
    bright = gaussian_filter(small.to_numpy().astype(float), 1)[tuple(places.T)] > LEVEL
    table = np.unique(np.column_stack([places, 1 + bright]), axis=0)
    return tomo.PixelClassifier().fit(small, table)


def work(name: str, small: xr.DataArray, workers: int) -> Callable[[xr.DataArray, Path], object]:
    """Return an operation that writes what is as large as the volume."""
    fitted = classifier(small) if name == "classify" else None

    def written(grey: xr.DataArray, to: Path) -> Any:
        small_results = {
            "histogram": lambda: tomo.histogram(grey),
            "label": lambda: tomo.label(grey > LEVEL, store=to, workers=workers)[1],
            "surface_area": lambda: tomo.surface_area(grey > LEVEL),
            "contact_area": lambda: tomo.contact_area((grey > LEVEL).astype(np.uint8), 0, 1),
            "regions": lambda: tomo.regions((grey > LEVEL).astype(np.int32)),
        }
        if name in small_results:
            return small_results[name]().load()
        if name == "segment_cracks":
            return tomo.segment_cracks(grey, **LEVELS).drop_attrs().to_zarr(to, consolidated=False)
        found = {
            "classify": lambda: fitted.predict(grey),
            "denoise": lambda: tomo.denoise(grey),
            "local_thickness": lambda: tomo.local_thickness(grey > LEVEL, max_radius=12.0),
            "plate_filter": lambda: tomo.plate_filter(grey),
        }[name]()
        return da.to_zarr(found.data, to)

    return written


def measured(name: str, folder: Path, chunk: int, workers: int) -> tuple[float, float]:
    """Return the largest memory, and Mvoxel/s of a core."""
    grey = stored(folder, chunk)
    small = grey[:64, :64, :64].compute()
    run = work(name, small, workers)
    with dask.config.set(scheduler="threads", num_workers=workers):
        run(small.chunk(z=64), folder / f"{name}_{chunk}_{workers}_first.zarr")
        with Peak() as peak:
            start = time.process_time()
            run(grey, folder / f"{name}_{chunk}_{workers}.zarr")
            spent = time.process_time() - start
    return float(peak.extra), EDGE**3 / spent / 1e6


def compare(name: str, folder: Path) -> None:
    ratios, said_all, speeds = [], [], []
    for chunk in CHUNKS:
        stored(folder, chunk)
        for workers in WORKERS:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                found, speed = pool.apply(measured, (name, folder, chunk, workers))
            said = tomo.cost(name, (EDGE,) * 3, dtype=READ.get(name, np.uint16), chunks=chunk, workers=workers)
            ratios.append(said.peak_memory / found)
            said_all.append(f"{found / 1e6:.0f} (said {said.peak_memory / 1e6:.0f})")
            speeds.append(speed)
    if not 1 / WITHIN < min(ratios) <= max(ratios) < WITHIN:
        print(f"{name}: the memory said is {min(ratios):.2f} to {max(ratios):.2f} of that measured", file=sys.stderr)
        raise SystemExit(1)
    write_row(
        f"memory of {name}, {EDGE}^3 uint16 from zarr, chunks 64^3 and 128^3, 1 and 2 workers",
        "tomo.cost",
        "-",
        f"{min(speeds):.1f}-{max(speeds):.1f} Mvoxel/s a core",
        "-",
        f"said is {min(ratios):.2f}-{max(ratios):.2f} of measured",
        f"{', '.join(said_all)} MB",
        packages=("numpy", "numba", "xarray", "dask", "zarr"),
    )


if __name__ == "__main__":
    names = tuple(sys.argv[1:]) or (
        "classify",
        "denoise",
        "histogram",
        "label",
        "local_thickness",
        "plate_filter",
        "regions",
        "segment_cracks",
        "contact_area",
        "surface_area",
    )
    for operation in names:
        if operation == "classify" or operation in tomo.__all__:
            with tempfile.TemporaryDirectory() as scratch:
                compare(operation, Path(scratch))
