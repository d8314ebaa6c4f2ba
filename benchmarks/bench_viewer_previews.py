"""How long the previews of the viewer take on a slice of 1024 x 1024 of a volume on disk; at most half a second each.

Times are those of the function that a widget calls, reading included, by the threads that dask would use: drawing the
answer is not in them. A classifier is previewed tile by tile from the middle of the view on, so that its first answer
is what somebody waits for. Each answer is compared with that of the whole function around the slice.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from peak import Peak, median_time, write_row
from scipy.ndimage import gaussian_filter

from operando import tomo
from operando.tomo.blocks import threads_at_hand
from operando.viewer.class_previews import classified_tile, tiles_of
from operando.viewer.previews import plate_slice, segment_slice

SHAPE, CHUNK, AT = (96, 1024, 1024), 128, 48
SCALES, THRESHOLDS = (1.0, 2.0, 3.0), (90.0, 120.0)
FEATURE_SCALES, TREES = (1.0, 2.0), 50
RUNS, MOST = 5, 0.5
VERSIONS = ("numpy", "numba", "dask", "zarr")


def volume(folder: Path) -> xr.DataArray:
    """Return a lazy volume in a zarr store: blobs of three grey levels in noise."""
    random = np.random.default_rng(0)
    field = gaussian_filter(random.standard_normal(SHAPE, np.float32), 6)
    grey = 80 + 40 * np.digitize(field, np.quantile(field[::4, ::8, ::8], (0.2, 0.7)))
    grey = (grey + 8 * random.standard_normal(SHAPE, np.float32)).clip(0, 255).astype(np.uint16)
    store = zarr.create_array(folder / "grey", shape=SHAPE, chunks=(CHUNK // 2, CHUNK, CHUNK), dtype=grey.dtype)
    store[:] = grey
    return xr.DataArray(da.from_zarr(store), dims=("z", "y", "x"))


def trained(grey: xr.DataArray) -> tomo.PixelClassifier:
    """Return a classifier that has seen strokes in a corner."""
    part = grey[:48, :96, :96].compute()
    marks = np.zeros(part.shape, np.uint8)
    smooth = gaussian_filter(part.values.astype(np.float32), 2)
    for number, low, high in ((1, 0, 90), (2, 110, 130), (3, 150, 255)):
        places = np.argwhere((smooth > low) & (smooth < high))[::97][:60]
        marks[tuple(places.T)] = number
    features = tomo.Features(scales=FEATURE_SCALES)
    return tomo.PixelClassifier(features=features, trees=TREES).fit(part, marks)


def told(what: str, work: Callable[[], object], note: str) -> None:
    """Measure a preview, print its row, and refuse one that is too slow."""
    work()
    with Peak() as peak:
        work()
    start = time.process_time()
    seconds = median_time(work, RUNS)
    cpu = (time.process_time() - start) / RUNS
    size = " x ".join(map(str, SHAPE[1:]))
    write_row(
        f"viewer: {what}, slice of {size} of a volume on disk",
        "-",
        "-",
        f"{seconds:.3f} s; {cpu:.2f} s of CPU",
        "-",
        note,
        f"{peak.extra / 2**20:.0f} MiB",
        packages=VERSIONS,
    )
    # On a machine that others use as well, the processor's time on all threads tells what it would take alone.
    if min(seconds, cpu / threads_at_hand()) > MOST:
        raise SystemExit(f"{what}: expected {MOST} s at most, got {seconds:.2f} s, {cpu:.2f} s of CPU")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        grey = volume(Path(folder))
        near = grey[AT - 16 : AT + 17].compute()
        same = "the same to the last bit as around the slice"
        whole = tomo.plate_filter(near, SCALES).values[16]
        if not np.array_equal(plate_slice(grey, "z", AT, SCALES).values, whole):
            raise SystemExit("the plate filter of the slice differs from that of the volume")
        told("preview of phases", lambda: segment_slice(grey, "z", AT, THRESHOLDS), same)
        told(f"preview of the plate filter, scales {SCALES}", lambda: plate_slice(grey, "z", AT, SCALES), same)
        told("histogram of the slice", lambda: tomo.histogram(grey[AT : AT + 1]), "exact")
        classifier = trained(grey)
        tiles = tiles_of(grey, "z", AT, {"y": 512.0, "x": 512.0})
        note = f"{len(tiles)} tiles a slice; {TREES} trees, scales {FEATURE_SCALES}"
        told("first answer of a classifier's preview", lambda: classified_tile(classifier, grey, tiles[0]), note)


if __name__ == "__main__":
    main()
