"""A folder of a few scans, and a watch of it in a thread of its own."""

from __future__ import annotations

import json
import shutil
import threading
import time
from contextlib import nullcontext
from io import StringIO
from pathlib import Path

import pytest
import xarray as xr
from fed_folder import RECIPE, SERIES
from rich.console import Console
from without_report import without_report

import operando
from operando.pipelines.recipe import load
from operando.pipelines.run import run
from operando.pipelines.watch import Pace, Stop, watch
from operando.pipelines.watch_view import WatchView

SMALL = Path(__file__).resolve().parents[2] / "example_scans" / "small"
PACE = Pace(settle=0.1, patience=0.6, report_every=1e6, renew=0.3)
RAW = "xas/Ni_L3/raw"


def few_scans(folder: Path) -> Path:
    """Copy eight of the example scans' spectra and the log to a folder, with a short recipe."""
    for part, names in (("xas", "Ni_L3_000?.txt"), ("echem", "*.mpt")):
        (folder / part).mkdir(parents=True)
        for path in SMALL.glob(f"{part}/{names}"):
            shutil.copy(path, folder / part)
    (folder / "xas" / "Ni_L3_0009.txt").unlink()
    (folder / "beamtime.toml").write_text(RECIPE + SERIES["xas"], encoding="utf-8")
    return folder


class Watched:
    """A watch in a thread of its own, and what it said; ``within`` is entered by the thread."""

    def __init__(self, folder, within=nullcontext):
        self.folder, self.stop, self.said, self.error = folder, Stop(), StringIO(), None
        self.stop.at_once, self._within = True, within
        self.thread = threading.Thread(target=self._watch)

    def _watch(self):
        try:
            with self._within():
                view = WatchView(Console(file=self.said, width=300))
                self.summary = watch(load(self.folder), view, PACE, self.stop)
        except BaseException as error:
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def until_said(self, text):
        """Wait until it has told something."""
        end = time.monotonic() + 60
        while text not in self.said.getvalue():
            assert self.thread.is_alive(), self.error
            assert time.monotonic() < end, self.said.getvalue()
            time.sleep(0.05)

    def until(self, true, seconds=60):
        """Wait until something is true of the store's measured scans and its list of failures."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.thread.is_alive():
            try:
                with operando.open(self.folder / "fed.zarr") as tree:
                    if true(tree[RAW].to_dataset().load(), json.loads(tree.attrs.get("failed", "[]"))):
                        return
            except (operando.OperandoError, KeyError):
                pass
            time.sleep(0.05)
        pytest.fail(f"it did not come so far; {self.error}; {self.said.getvalue()}")


def leaves(path: Path) -> dict[str, xr.Dataset]:
    """Return all nodes of a store in memory, scans in the order of their source."""
    with operando.open(path) as tree:
        found = {node.path: node.to_dataset().load() for node in tree.leaves}
    return {path: ds.sortby("source") if "scan" in ds.dims else ds for path, ds in found.items()}


def run_without_report(folder: Path):
    """Run the recipe of a folder; the report would take longest."""
    with without_report():
        return run(load(folder))


def same_as_one_run(folder: Path) -> None:
    """Compare the store of a folder with that of one run over all its files."""
    found = leaves(folder / "fed.zarr")
    shutil.rmtree(folder / "fed.zarr")
    expected = leaves(run_without_report(folder).store)
    assert found.keys() == expected.keys()
    for path, ds in found.items():
        assert ds.equals(expected[path]), path
