"""Distances in masks of 300^3 against edt, cubic and long voxels, whole and in chunks with a margin."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import time
from collections.abc import Callable

from peak import Peak, one_thread, write_row

one_thread()

import dask
import edt
import numpy as np
import xarray as xr
from scipy import ndimage

from operando import tomo

SIZE, RUNS, CAP, CHUNK = 300, 7, 12.0, 150
VERSIONS = ("numpy", "numba", "xarray", "edt")


def blobs(filled: float, width: float) -> np.ndarray:
    """Return a mask of connected blobs of which a share is true."""
    field = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((SIZE,) * 3).astype(np.float32), width)
    return field < np.quantile(field, filled)


def alternating(*works: Callable[[], object]) -> np.ndarray:
    """Return the median processor seconds of works that take turns: others may use the machine."""
    times = np.empty((RUNS, len(works)))
    for run in range(RUNS):
        for number, work in enumerate(works):
            start = time.process_time()
            work()
            times[run, number] = time.process_time() - start
    return np.median(times, axis=0)


def compare(name: str, mask: np.ndarray, edges: tuple[float, float, float], cap: float | None = None) -> None:
    places = {axis: (np.arange(SIZE) + 0.5) * edge for axis, edge in zip("zyx", edges, strict=True)}
    volume = xr.DataArray(mask, dims=("z", "y", "x"), coords=places)
    if cap is not None:
        volume = volume.chunk(CHUNK)

    def ours() -> np.ndarray:
        with dask.config.set(scheduler="synchronous"):
            return tomo.distance(volume, cap).values

    def theirs() -> np.ndarray:
        return edt.edt(mask, anisotropy=edges, black_border=False, parallel=1)

    ours()
    with Peak() as peak:
        found = ours()
    with Peak() as their_peak:
        exact = theirs()
    if cap is not None:
        exact = np.minimum(exact, np.float32(cap))
    worst = float(np.abs(found / np.where(exact > 0, exact, 1) - (exact > 0)).max())
    if not worst < 1e-6:
        raise SystemExit(f"distances differ by {worst:.1e}")
    mine, peer = alternating(ours, theirs)
    write_row(
        f"distance in {SIZE}^3, {name}",
        "edt, one thread",
        f"{peer / mine:.2f}x",
        f"{mine:.2f} s",
        f"{peer:.2f} s",
        f"within {worst:.0e} relative; processor time",
        f"{peak.extra / 2**20:.0f} MiB, edt {their_peak.extra / 2**20:.0f} MiB",
        packages=VERSIONS,
    )


def main() -> None:
    half, sparse = blobs(0.5, 4.0), blobs(0.15, 4.0)
    compare("half filled, cubic voxels", half, (0.65, 0.65, 0.65))
    compare("0.15 filled, cubic voxels", sparse, (0.65, 0.65, 0.65))
    compare("half filled, voxels twice as long along z", half, (1.3, 0.65, 0.65))
    compare(f"half filled, up to {CAP:g} um, chunks of {CHUNK}^3", half, (0.65, 0.65, 0.65), CAP)


if __name__ == "__main__":
    main()
