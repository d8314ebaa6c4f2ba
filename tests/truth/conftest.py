"""Simulated beamtimes of independent seeds, taken through the whole pipeline."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
import xarray as xr
from demo_run import demo_run
from made_once import made_once
from without_report import without_report

import operando
from operando import example_scans
from operando.pipelines import recipe
from operando.pipelines.run import run

NO_IMAGES = {"xpeem": {"scans": 0}, "tomography": {"steps": 0}}
SEEDS = (101, 102, 103, 104)
IMAGE_SEEDS = (105, 106)


@dataclass(frozen=True)
class Result:
    """What a run found and what is true."""

    tree: xr.DataTree
    truth: xr.DataTree

    @cached_property
    def rows(self) -> dict[str, example_scans.Row]:
        """Return the score's rows by their quantity."""
        return {row.quantity: row for row in example_scans.score(self.tree, self.truth)}


def result(beamtime: Path, truth: Path) -> Result:
    """Return the store of a run and the truth, in memory."""
    store = recipe.load(beamtime).store
    return Result(operando.open(store).load(), xr.open_datatree(truth, engine="zarr").load())


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory) -> Callable[..., Result]:
    """Return a function that simulates a beamtime, hides its truth, runs its recipe and returns both."""

    def evaluate(seed: int, overrides: dict | None = None) -> Result:
        changes = NO_IMAGES | (overrides or {})

        def make(folder: Path) -> None:
            example_scans.simulate(folder / "beamtime", seed=seed, overrides=changes)
            shutil.move(folder / "beamtime" / "truth.zarr", folder / "truth.zarr")
            with without_report():
                run(recipe.load(folder / "beamtime"))

        name = f"seed{seed}-{zlib.crc32(json.dumps(changes, sort_keys=True).encode()):08x}"
        folder = made_once(tmp_path_factory, name, make)
        return result(folder / "beamtime", folder / "truth.zarr")

    return evaluate


@pytest.fixture(scope="session")
def results(evaluated) -> list[Result]:
    """Return the results of all seeds."""
    return [evaluated(seed) for seed in SEEDS]


@pytest.fixture(scope="session")
def imaged(evaluated) -> list[Result]:
    """Return the results of seeds with stacks of images, the first one with volumes, which take longer."""
    volumes = ({"steps": 3, "tortuosity": False}, {"steps": 0})
    return [
        evaluated(seed, {"xpeem": {}, "tomography": tomography})
        for seed, tomography in zip(IMAGE_SEEDS, volumes, strict=True)
    ]


@pytest.fixture(scope="session")
def shipped(tmp_path_factory) -> Result:
    """Return the result of the example scans as shipped: what the demo leaves."""
    beamtime = demo_run(tmp_path_factory) / "demo" / "beamtime"
    return result(beamtime, beamtime / "truth.zarr")
