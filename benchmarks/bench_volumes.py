"""Open a volume of 28 GB, read slices against tifffile, write OME-Zarr out of core."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import tempfile
from pathlib import Path

from peak import Peak, median_time, one_thread, write_row

one_thread()

import numpy as np
import tifffile

from operando import tomo
from operando.pipelines.export import write_ome_zarr

SLICES, SIZE, READ = 2160, 2560, 32
RUNS = 5
RESOLUTION = {"resolution": (1e4 / 0.65, 1e4 / 0.65), "resolutionunit": "CENTIMETER", "metadata": None}
VERSIONS = ("numpy", "xarray", "dask", "tifffile", "zarr")


def empty_slices(folder: Path) -> None:
    """Write slices that take no room on the disk: headers, and pixels that are a hole in the file."""
    one = folder / "one.tif"
    tifffile.imwrite(one, shape=(SIZE, SIZE), dtype=np.uint16, **RESOLUTION)
    with one.open("rb") as stream:
        head = stream.read(4096)
    length = one.stat().st_size
    one.unlink()
    for number in range(SLICES):
        with (folder / f"slice_{number:04d}.tif").open("wb") as stream:
            stream.write(head)
            stream.truncate(length)


def headers(folder: Path) -> tuple[int, ...]:
    """Look into every slice as a script would."""
    shape: tuple[int, ...] = ()
    for path in sorted(folder.glob("*.tif")):
        with tifffile.TiffFile(path) as file:
            shape = file.pages[0].shape
    return shape


def opening(folder: Path) -> None:
    empty_slices(folder)
    assert headers(folder) == tomo.read(folder)["grey"].shape[1:]
    times = [[median_time(lambda work=work: work(folder), 1) for work in (tomo.read, headers)] for _ in range(RUNS)]
    ours, theirs = np.median(times, axis=0)
    with Peak() as peak:
        ds = tomo.read(folder)
    amount = f"{ds['grey'].nbytes / 1e9:.0f} GB, {ds['grey'].data.npartitions} chunks"
    work = f"open {SLICES} slices of {SIZE} x {SIZE} uint16 ({amount})"
    cells = (f"{theirs / ours:.1f}x", f"{ours:.2f} s", f"{theirs:.2f} s", "same shape", f"{peak.extra >> 20} MiB")
    write_row(work, "tifffile loop over headers, nothing looked for", *cells, packages=VERSIONS)


def reading(folder: Path) -> None:
    noise = np.random.default_rng(1)
    values = noise.integers(0, 4000, (READ, SIZE, SIZE)).astype(np.uint16)
    for name, more in (("plain", {}), ("deflate", {"compression": "zlib"})):
        path = folder / f"{name}.tif"
        tifffile.imwrite(path, values, photometric="minisblack", **RESOLUTION, **more)
        ds = tomo.read(path)
        works = (lambda ds=ds: ds["grey"].values, lambda path=path: tifffile.imread(path))
        assert np.array_equal(works[0](), values)
        ours, theirs = np.median([[median_time(work, 1) for work in works] for _ in range(RUNS)], axis=0)
        cells = (f"{theirs / ours:.2f}x", f"{ours:.2f} s", f"{theirs:.2f} s", "equal", "-")
        write_row(f"read {READ} slices of {SIZE} x {SIZE}, {name}", "tifffile.imread", *cells, packages=VERSIONS)


def writing(folder: Path) -> None:
    path = folder / "plain.tif"
    ds = tomo.read(path)
    with Peak() as peak:
        store = write_ome_zarr(folder / "v.ome.zarr", ds["grey"])
    assert np.array_equal(tomo.read(store)["grey"].values, tifffile.imread(path))
    work = f"write OME-Zarr of {ds['grey'].nbytes / 1e6:.0f} MB with its pyramid, a slab of 64 slices at most in memory"
    cells = ("-", f"{peak.seconds:.1f} s", "-", "read back equal", f"{peak.extra >> 20} MiB")
    write_row(work, "-", *cells, packages=VERSIONS)


if __name__ == "__main__":
    for measure in ((opening,), (reading, writing)):
        with tempfile.TemporaryDirectory() as folder:
            for one in measure:
                one(Path(folder))
