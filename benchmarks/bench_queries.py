"""Timeline, window, onsets and join on a store of 10 000 scans: how long they take, and what they read of it."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from peak import Peak, one_thread, write_row

one_thread()

import numpy as np
import xarray as xr

import operando
from operando.clock import to_ns
from operando.pipelines.writer import Writer

SERIES, SCANS, POINTS, SAMPLES = 4, 2500, 500, 100_000
START = np.datetime64("2024-03-01T08:00:00", "ns")
ALL = f"{SERIES * SCANS:,}"
WITHIN = 1.0
CHUNKS = {"spectra": 0, "other": 0}


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    """Count the chunks of the store that are opened."""
    if event == "open" and "/c/" in str(arguments[0]):
        CHUNKS["spectra" if "/mu/" in str(arguments[0]) or "/normalized/" in str(arguments[0]) else "other"] += 1


def log() -> xr.Dataset:
    """Return a log of ten charges and discharges."""
    t = np.linspace(0, 3e6, SAMPLES)
    phase = t / 3e5
    half = np.floor(phase).astype(int) + 1
    up = np.where(half % 2 == 1, phase % 1, 1 - phase % 1)
    zeros = np.zeros(SAMPLES, int)
    columns = {
        "voltage": 2.0 + 2.2 * up, "potential": 2.0 + 2.2 * up, "soc": up, "half_cycle": half, "cycle": (half + 1) // 2,
        "current": np.where(half % 2 == 1, 1e-3, -1e-3), "charge": 300 * up, "segment": zeros, "flag": zeros,
    }  # fmt: skip
    data = {name: ("time", values, {"units": "1"}) for name, values in columns.items()}
    return xr.Dataset(data, coords={"time": START + to_ns(t)}, attrs={"voltage_error": 1e-3})


def scans(number: int, echem: xr.Dataset) -> xr.Dataset:
    """Return one series, linked: a spectrum a scan and a number that has come of it."""
    start = START + to_ns(50 + 300.0 * number + 1190.0 * np.arange(SCANS))
    spectra = np.random.default_rng(number).random((SCANS, POINTS), dtype="f4")
    series = xr.Dataset(
        {"mu": (("scan", "energy"), spectra, {"units": "1"}), "edge_energy": ("scan", spectra[:, 0], {"units": "eV"})},
        coords={
            "energy": ("energy", np.linspace(8300, 8400, POINTS), {"units": "eV"}),
            "time_start": ("scan", start),
            "time": ("scan", start + np.timedelta64(120, "s")),
            "time_end": ("scan", start + np.timedelta64(240, "s")),
            "source": ("scan", np.array([f"scan_{k:05d}.dat" for k in range(SCANS)], dtype=object)),
            "flag": ("scan", np.zeros(SCANS, "i4"), {"units": "1"}),
        },
    )
    return operando.link(series, echem)


def store(folder: str) -> Path:
    """Write the store as a run does: scans in batches of 64."""
    path, echem = Path(folder) / "queries.zarr", log()
    with Writer(path, {"experiment": "queries"}) as writer:
        writer.replace({"echem": echem})
        for number in range(SERIES):
            raw = scans(number, echem)
            for first in range(0, SCANS, 64):
                part = raw.isel(scan=slice(first, first + 64))
                made = part.rename(mu="normalized")
                writer.append({f"xas/edge_{number}/raw": part, f"xas/edge_{number}/processed": made})
    return path


def queries(tree: xr.DataTree) -> dict[str, Callable[[], object]]:
    """Return what is asked, each as a function of nothing."""
    one, other = (tree[f"xas/edge_{number}/processed"].to_dataset() for number in (0, 1))
    wide = {"potential": (3.0, 4.0), "half_cycle": [1, 2, 3, 4]}
    return {
        f"timeline of {ALL} scans": lambda: operando.timeline(tree),
        f"window of {ALL} scans": lambda: operando.window(tree, **wide),
        f"timeline of a window of {ALL} scans": lambda: operando.timeline(operando.window(tree, **wide)),
        f"onsets in {SAMPLES:,} samples": lambda: operando.onsets(tree, above=3.0),
        f"edge energy at a potential in {SCANS} scans": lambda: float(
            operando.at(one, potential=3.5, half_cycle=1)["edge_energy"]
        ),
        f"join of {SCANS} scans by time to {SCANS}": lambda: operando.join(one, other, "edge_energy"),
    }


def processor_time(work: Callable[[], object], runs: int = 5) -> float:
    """Return the median seconds of processor time, which others on the machine do not lengthen."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return sorted(times)[runs // 2]


def main() -> None:
    sys.addaudithook(_watch)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata is currently not part", UserWarning)
        path = store(folder)
        for name in queries(operando.open(path)):
            CHUNKS.update(spectra=0, other=0)

            def asked(name: str = name) -> object:
                return queries(operando.open(path))[name]()

            with Peak() as peak:
                asked()
            spectra, other = CHUNKS["spectra"], CHUNKS["other"]
            seconds = processor_time(asked)
            if spectra or seconds > WITHIN:
                raise SystemExit(f"{name}: {seconds:.2f} s, {spectra} chunks of spectra read")
            work = f"{name}, from opening a store of {ALL} scans of {POINTS} points"
            read = f"0 chunks of spectra and {other} of other numbers read; processor time"
            write_row(work, "-", "-", f"{seconds:.2f} s", "-", read, f"{peak.extra / 2**20:.0f} MiB",
                      packages=("numpy", "xarray", "zarr", "dask"))  # fmt: skip
        CHUNKS.update(spectra=0)
        tree = operando.open(path)
        tree["xas/edge_0/raw"]["mu"].isel(scan=0).compute()
        if not CHUNKS["spectra"]:
            raise SystemExit("the count of chunks does not see a spectrum that is read")


if __name__ == "__main__":
    main()
