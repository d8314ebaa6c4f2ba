"""A run killed at any moment goes on where it stopped and ends where an undisturbed one would have.

This file is also the program of the processes: ``kill`` forks runs and kills them, ``poll`` opens the store with
plain xarray where operando cannot be imported.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import xarray as xr
from forks import forked
from small_beamtime import spectra_only

ROOT = Path(__file__).parents[2]
PATHS = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
STORE = "cell7.zarr"
KILLS, SEED = int(os.environ.get("OPERANDO_KILLS", "30")), 20260302
SCANS, BATCH = 12, 2
REPORTED = 6
"""One run in so many goes on to its report, and is killed about then."""


def run_once(folder, reported=False):
    """Bring the store up to date; the report, half of the time of so small a run, is mostly left out."""
    from operando.pipelines import recipe, run, series_growth

    series_growth.BATCH = BATCH
    if not reported:
        run.report.write_store = lambda *_: None
    run.run(recipe.load(folder))


def kill(folder):
    """Kill runs at random moments of the time a whole one takes; after one that ended, begin a new store."""
    import operando.pipelines.run  # noqa: F401

    started = time.perf_counter()
    forked(lambda: run_once(beamtime(folder, "whole")))
    seconds, moments, number = time.perf_counter() - started, random.Random(SEED), 0
    current = beamtime(folder, "killed0")
    (folder / "began").touch()
    for number_of_run in range(KILLS):
        reported = number_of_run % REPORTED == 0
        moment = moments.uniform(seconds, 2 * seconds) if reported else moments.uniform(0, seconds)
        if forked(lambda folder=current, reported=reported: run_once(folder, reported), moment):
            number += 1
            current = beamtime(folder, f"killed{number}")
    forked(lambda: run_once(current))
    (folder / "done").touch()


def beamtime(folder, name):
    made = spectra_only(folder / name)
    for path in sorted((made / "xas").glob("Ni_L3_*.txt"))[SCANS:]:
        path.unlink()
    return made


def poll(folder):
    """Open the newest store until all is done; print what was not a prefix of the undisturbed one."""
    sys.modules["operando"] = None
    warnings.filterwarnings("ignore", "Consolidated metadata")
    whole, seen, wrong = {node: loaded(folder / "whole" / STORE, node) for node in NODES}, 0, []
    while not (folder / "done").exists() and not wrong:
        path = max(folder.glob("killed*"), key=lambda path: int(path.name[6:])) / STORE
        if path.exists():
            try:
                with xr.open_datatree(path, engine="zarr") as tree:
                    wrong = [text for node in NODES if node in tree.groups for text in faults(tree[node], whole[node])]
            except Exception as error:
                wrong = [repr(error)]
            seen += 1
        time.sleep(0.5)
    print(json.dumps({"seen": seen, "wrong": wrong}))


NODES = ("/echem", "/cell", "/xas/Ni_L3/raw", "/xas/Ni_L3/processed")


def loaded(path, node):
    with xr.open_datatree(path, engine="zarr") as tree:
        return plain(tree[node])


def plain(node):
    """Return a node's data in memory, text as objects, without what tells one run from another."""
    ds = node.to_dataset().load()
    texts = {name: var.astype(object) for name, var in ds.variables.items() if var.dtype.kind in "TO"}
    return ds.assign_coords(texts)


def faults(node, whole):
    ds = plain(node)
    if "scan" in ds.dims:
        whole = whole.isel(scan=slice(ds.sizes["scan"]))
    return [] if ds.equals(whole) else [f"{node.path}: not the first {dict(ds.sizes)} of an undisturbed run"]


@pytest.mark.faults
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked runs")
def test_kills_leave_the_store_of_an_undisturbed_run(tmp_path):
    command, environment = [sys.executable, __file__], {**os.environ, "PYTHONPATH": PATHS}
    killer = subprocess.Popen([*command, "kill", str(tmp_path)], stderr=subprocess.PIPE, text=True, env=environment)
    while not (tmp_path / "began").exists():
        assert killer.poll() is None, killer.stderr.read()
        time.sleep(0.05)
    poller = subprocess.Popen([*command, "poll", str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment)
    errors = killer.communicate()[1]
    (tmp_path / "done").touch()
    report = json.loads(poller.communicate()[0])
    assert killer.returncode == 0, errors
    assert report["wrong"] == []
    assert report["seen"] > KILLS
    for page in tmp_path.glob("killed*/report.html"):
        assert page.read_text(encoding="utf-8").rstrip().endswith("</html>"), page
    for path in tmp_path.glob("killed*"):
        for node in NODES:
            assert loaded(path / STORE, node).identical(loaded(tmp_path / "whole" / STORE, node)), f"{path.name}{node}"


if __name__ == "__main__":
    {"kill": kill, "poll": poll}[sys.argv[1]](Path(sys.argv[2]))
