"""Open five volumes of 2 GB in napari, move through them, and look at spectra of images of 1024 x 1024.

The volumes are OME-Zarr stores of which only the slices around the middle are written; the rest reads as 0 at once.
Windows are drawn on a display of their own (Xvfb) by the processor; memory is that above an empty viewer.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from peak import Peak, median_time, write_row

SCANS, SIZE, EDGE = 5, 1024, 0.5
CHUNK = (64, 128, 128)
ENERGIES = 24
VERSIONS = ("napari", "dask", "zarr", "xarray")


def volume(path: Path, seed: int) -> None:
    """Write the slices around the middle of a volume, at three levels."""
    import zarr
    from zarr.codecs import BloscCodec

    rng = np.random.default_rng(seed)
    root = zarr.create_group(path, zarr_format=3)
    datasets = []
    for level in range(3):
        size, edge = SIZE >> level, EDGE * 2**level
        array = root.create_array(
            str(level), shape=(size,) * 3, dtype="uint16", chunks=CHUNK,
            compressors=BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"), dimension_names=("z", "y", "x"),
        )  # fmt: skip
        block = size // 2 // CHUNK[0] * CHUNK[0]
        array[block : block + CHUNK[0]] = rng.normal(9000, 300, (CHUNK[0], size, size)).astype(np.uint16)
        placed = [{"type": "scale", "scale": [edge] * 3}, {"type": "translation", "translation": [edge / 2] * 3}]
        datasets.append({"path": str(level), "coordinateTransformations": placed})
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
    image = {"name": path.name, "axes": axes, "datasets": datasets, "type": "mean"}
    root.update_attributes({"ome": {"version": "0.5", "multiscales": [image]}})


def store(folder: Path) -> Path:
    """Return a store that refers to the volumes, as a run leaves it."""
    from operando import tomo
    from operando.pipelines.writer import Writer

    for scan in range(SCANS):
        volume(folder / f"step_{scan}.ome.zarr", scan)
    raw = tomo.read_series(sorted(folder.glob("*.ome.zarr"))).drop_vars("grey")
    with Writer(folder / "cell.zarr", {"files_from": "."}) as writer:
        writer.replace({"xtm/pellet/raw": raw})
    return folder / "cell.zarr"


def opened_in_napari(path: str) -> None:
    """Open the store in a viewer, move its sliders, and print the numbers; in a process of its own."""
    import napari
    from npe2 import PluginManager, PluginManifest
    from qtpy.QtTest import QTest

    from operando.viewer import sliders

    manifest = PluginManifest.from_file(Path(__file__).parents[1] / "viewer" / "napari.yaml")
    if manifest.name not in PluginManager.instance():
        PluginManager.instance().register(manifest)
    viewer = napari.Viewer()
    QTest.qWait(500)
    before = time.process_time()
    with Peak() as opening:
        (layer,) = viewer.open(path, plugin="operando")
        QTest.qWait(1)
    busy = time.process_time() - before
    moves = []
    for scan in (0, 4, 1, 3):
        start = time.perf_counter()
        sliders.go(viewer, layer, "scan", scan)
        QTest.qWait(1)
        moves.append(time.perf_counter() - start)
    print(opening.seconds, opening.extra, float(np.median(moves)), busy)
    viewer.close()


def spectra_of_a_region() -> float:
    """Return the seconds for spectrum, normalization and fit of a region of 10,000 pixels of a stack in memory."""
    import xarray as xr

    from operando import xas
    from operando.viewer.image_spectra import Stack, spectra
    from operando.viewer.recipe_settings import Settings
    from operando.xas.xpeem.region_drawing import inside

    rng = np.random.default_rng(1)
    energy = np.r_[np.linspace(844, 850, 6), np.linspace(851, 858, 12), np.linspace(859, 865, 6)]
    edges = np.array([853.0, 854.5, 856.0])[:, None]
    shapes = 1 / (1 + np.exp(-(energy - edges))) + np.exp(-((energy - edges - 1) ** 2))
    known = {"energy": ("energy", energy, {"units": "eV"})}
    references = xr.Dataset({"normalized": (("reference", "energy"), shapes)}, {**known, "reference": ["a", "b", "c"]})
    images = rng.normal(1, 0.05, (energy.size, SIZE, SIZE)) * shapes.mean(axis=0)[:, None, None]
    intensity = xr.DataArray(images.astype(np.float32), known, ("energy", "y", "x"), attrs={"units": "1"})
    ranges = {"e0": 854.0, "pre1": -10.0, "pre2": -4.0, "norm1": 5.0, "norm2": 11.0, "nnorm": 0}
    settings = Settings((("normalize", ranges), ("lcf", {"scale": True})))
    stack = Stack("xpeem/Ni_L3", 0, xr.Dataset({"intensity": intensity}), references, settings)
    mask = inside((SIZE, SIZE), "polygon", np.array([[400, 400], [400, 500], [500, 500], [500, 400]], float))
    found = spectra(stack, {"region": mask}, ranges)
    expected = xas.normalize(xas.xpeem.spectra(stack.images, {"region": mask})["mu"], **ranges)
    assert np.array_equal(found["normalized"], expected["normalized"])
    return median_time(lambda: spectra(stack, {"region": mask}, ranges), 5)


def main() -> None:
    shown = ["xvfb-run", "-a", "-s", "-screen 0 1600x1200x24"] if not os.environ.get("DISPLAY") else []
    with tempfile.TemporaryDirectory() as folder:
        path = store(Path(folder))
        environment = {**os.environ, "NAPARI_CONFIG": str(Path(folder) / "settings.yaml")}
        runs = []
        for _ in range(3):
            command = [*shown, sys.executable, __file__, str(path)]
            told = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
            runs.append([float(one) for one in told.splitlines()[-1].split()])
    seconds, extra, move, busy = np.median(runs, axis=0)
    agreement = (
        f"{busy:.1f} s of processors; another scan in {move:.2f} s; drawn by the processor; written in the middle only"
    )
    what = f"{SCANS} OME-Zarr volumes of 2 GB in napari, from a store to the picture"
    write_row(what, "-", "-", f"{seconds:.2f} s", "-", agreement, f"{extra / 2**20:.0f} MiB", packages=VERSIONS)
    took = spectra_of_a_region()
    what = f"spectrum of 10,000 of {SIZE}^2 pixels x {ENERGIES}, normalized and fitted by 3 references"
    write_row(
        what, "-", "-", f"{took * 1e3:.0f} ms", "-", "normalized as by xas.normalize, exactly", "-", packages=VERSIONS
    )


if __name__ == "__main__":
    opened_in_napari(sys.argv[1]) if len(sys.argv) > 1 else main()
