"""A run may be killed at any moment: readers see whole states, and the next run ends where one would have.

This file is also the program of the processes: ``moments`` and ``operations`` fork writers and kill them,
``poll`` reads the store with plain xarray where operando cannot be imported.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from forks import forked

RAW, PROCESSED = "xas/Ni_K/raw", "xas/Ni_K/processed"
SCANS, BATCH = 120, 8
EVERY = 3
KILLS, POINTS, SEED = 30, 12, 20260301
ENERGY = np.linspace(8333.0, 8360.0, 40)

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked writers")


def raw(index):
    time_ = ("scan", np.datetime64("2026-03-01", "ns") + index * np.timedelta64(90, "s"))
    return xr.Dataset(
        {"mu": (("scan", "energy"), index[:, None] + ENERGY / 1e4, {"units": "1"})},
        {
            "energy": ("energy", ENERGY, {"units": "eV"}),
            "time": time_,
            "source": ("scan", np.array([f"scan {i}" for i in index], dtype=object)),
            "flag": ("scan", (index % 7).astype("int32"), {"units": "1"}),
        },
    )


def processed(index, version=0):
    coords = {"time": raw(index).time, **linked(index, version).coords}
    return xr.Dataset({"e0": ("scan", 8340.0 + index, {"units": "eV"})}, coords, {"linked": version})


def linked(index, version):
    """Return what a log of some version puts on scans."""
    return xr.Dataset({}, {"potential": ("scan", index + 1e3 * version, {"units": "V"})}, {"linked": version})


def echem(version):
    index = np.arange(300 + 50 * (version % 7))
    return xr.Dataset(
        {"voltage": ("time", index + 1000.0 * version, {"units": "V"})},
        {"time": np.datetime64("2026-03-01", "ns") + (index + version) * np.timedelta64(1, "s")},
        {"version": version},
    )


def write(path, scans=SCANS, every=EVERY):
    """Bring the store to its end from wherever it is; each ``every`` batches the log has grown."""
    from operando.pipelines.writer import Writer

    with Writer(path, {"experiment": "cell"}) as store:
        first = -1
        while first < scans:
            first = store.committed().get(RAW, 0)
            version = first // BATCH // every
            if version and ("echem" not in store.committed() or store.dataset("echem").attrs["version"] != version):
                store.replace({"echem": echem(version), "cell": xr.Dataset({"soc0": version / 100})})
            if first and store.dataset(PROCESSED).attrs["linked"] != version:
                store.update({PROCESSED: linked(np.arange(first), version)})
            if first < scans:
                index = np.arange(first, first + BATCH)
                store.append({RAW: raw(index).chunk(scan=3), PROCESSED: processed(index, version)})


def fault(tree):
    """Return what is not whole about a state, or nothing."""
    if "xas" not in tree.children:
        return "a node came before the first scans" if tree.children else ""
    index = np.arange(tree[RAW].sizes["scan"])
    version = tree[PROCESSED].attrs["linked"]
    if not (same(tree[RAW], raw(index)) and same(tree[PROCESSED], processed(index, version))):
        return f"no prefix of {index.size} scans"
    if "echem" in tree.children:
        version = tree["echem"].attrs["version"]
        try:
            whole = same(tree["echem"], echem(version)) and tree["cell"].soc0 == version / 100
        except ValueError as error:
            return f"echem {version}: {error}"
        if not whole:
            return f"echem {version} and its cell are not whole"
    return ""


def same(node, truth):
    """Compare whatever the type of text."""
    ds = node.to_dataset().load()
    texts = {name: var.astype(object) for name, var in ds.variables.items() if var.dtype.kind in "TO"}
    return ds.assign_coords(texts).identical(truth)


def slowly(path):
    """Write with pauses between the files, so that kills and readers come in between."""
    import zarr.storage._local as local

    from operando.pipelines import row_chunks

    def slow(put):
        def slow_put(*args, **kwargs):
            time.sleep(0.002)
            return put(*args, **kwargs)

        return slow_put

    for place in (local, row_chunks):
        place._put = slow(place._put)
    write(path)


def kill_at_moments(folder):
    """Kill writers after random times; when one comes to its end, go on with a new store.

    The times are shares of what this machine takes to write a store.
    """
    for name in ("operando.pipelines.writer", "operando.units", "distributed", "pyarrow"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)  # once, not in every fork
    moments, stores, started = random.Random(SEED), 0, time.perf_counter()
    forked(lambda: slowly(folder / "whole.zarr"))
    longest = 0.4 * (time.perf_counter() - started)
    for run in range(KILLS + 1):
        path = folder / f"{stores}.zarr"
        (folder / "next").write_text(json.dumps([path.name, run]))
        (folder / "next").replace(folder / "now")
        stores += forked(lambda path=path: slowly(path), moments.uniform(0, longest) if run < KILLS else None)
    (folder / "done").touch()


def kill_at_operations(folder):
    """Kill writers right before one of their file operations, spread over all of them, and let another run finish."""
    forked(lambda: write_with_hook(folder / "count.zarr", lambda count: (folder / "count").write_text(str(count))))
    operations = int((folder / "count").read_text())
    for point in sorted(random.Random(SEED).sample(range(1, operations), POINTS)):
        path = folder / f"{point}.zarr"
        if forked(lambda path=path, point=point: write_with_hook(path, die_at(point))):
            raise SystemExit(f"operation {point} of {operations} was never reached")
        forked(lambda path=path: resume(path))


def die_at(point):
    return lambda count: os.kill(os.getpid(), signal.SIGKILL) if count == point else None


def write_with_hook(path, hook):
    """Write a few batches, with ``hook`` called before every operation that changes a file or folder."""
    counter = itertools.count(1)

    def audit(event, args):
        changes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link")
        writes = event == "open" and args[1] is not None and set(args[1]) & set("wxa+")
        if (changes or writes) and path.name in str(args[0]):
            hook(next(counter))

    sys.addaudithook(audit)
    write(path, scans=2 * BATCH, every=1)


def resume(path):
    """See that what a killed run has left is whole, and go on from there."""
    if path.exists():
        with xr.open_datatree(path, engine="zarr") as tree:
            assert not fault(tree), fault(tree)
    write(path, scans=2 * BATCH, every=1)


def poll(folder):
    """Open and read the store over and over; print how it was.

    A state whose echem was replaced twice, or whose scans were linked anew twice, or once before another writer came to
    clean up, between opening and reading it, is overtaken: the writer promises nothing about it.
    """
    seen = {"good": 0, "overtaken": 0, "bad": [], "scans": []}
    while not (folder / "done").exists():
        if not (folder / "now").exists():
            continue
        name, run = json.loads((folder / "now").read_text())
        path = folder / name
        if not path.exists():
            continue
        with xr.open_datatree(path, engine="zarr") as tree:
            problem = fault(tree)
            before = versions(tree)
            seen["scans"].append(tree[RAW].sizes["scan"] if "xas" in tree.children else 0)
        with xr.open_datatree(path, engine="zarr") as tree:
            of = "echem" if "echem" in problem else "linked"
            replaced = versions(tree)[of] - before[of] if before[of] is not None else 0
        restarted = json.loads((folder / "now").read_text()) != [name, run]
        if not problem:
            seen["good"] += 1
        elif replaced > 1 or (replaced and restarted):
            seen["overtaken"] += 1
        else:
            seen["bad"].append(problem)
    sys.stdout.write(json.dumps(seen))


def versions(tree):
    """Return which version of the log a state has, and which its scans are linked to; None where there is none."""
    return {
        "echem": tree["echem"].attrs["version"] if "echem" in tree.children else None,
        "linked": tree[PROCESSED].attrs["linked"] if "xas" in tree.children else None,
    }


def start(mode, folder, *, operando):
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), mode, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=env
        | {"PYTHONPATH": os.pathsep.join([str(root / "tests" / "support"), *([str(root)] if operando else [])])},
        cwd=folder,
    )


def finished(process, seconds):
    """Return what a process printed once it ended well."""
    said = process.communicate(timeout=seconds)[0]
    assert process.returncode == 0
    return said


def states(path):
    with xr.open_datatree(path, engine="zarr") as tree:
        return {node: tree[node].to_dataset().load() for node in (RAW, PROCESSED, "echem", "cell")}


@needs_fork
@pytest.mark.faults
def test_readers_see_whole_states_while_writers_are_killed(tmp_path):
    with start("poll", tmp_path, operando=False) as reader, start("moments", tmp_path, operando=True) as writer:
        finished(writer, 120)
        seen = json.loads(finished(reader, 60))
    assert seen["bad"] == []
    assert seen["good"] >= 10
    assert len(set(seen["scans"])) >= 5
    write(tmp_path / "uninterrupted.zarr")
    truth = states(tmp_path / "uninterrupted.zarr")
    for store in tmp_path.glob("[0-9]*.zarr"):
        assert all(ds.identical(truth[node]) for node, ds in states(store).items())


@needs_fork
def test_a_run_killed_before_any_file_operation_leaves_a_whole_state(tmp_path):
    with start("operations", tmp_path, operando=True) as writer:
        finished(writer, 120)
    write(tmp_path / "uninterrupted.zarr", scans=2 * BATCH, every=1)
    truth = states(tmp_path / "uninterrupted.zarr")
    stores = list(tmp_path.glob("[0-9]*.zarr"))
    assert len(stores) == POINTS
    for store in stores:
        assert all(ds.identical(truth[node]) for node, ds in states(store).items())


if __name__ == "__main__":
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", "Consolidated metadata is currently not part")
    if sys.argv[1] == "poll":
        sys.modules["operando"] = None  # type: ignore[assignment]
        poll(Path(sys.argv[2]))
    else:
        import operando.pipelines.writer  # noqa: F401

        {"moments": kill_at_moments, "operations": kill_at_operations}[sys.argv[1]](Path(sys.argv[2]))
