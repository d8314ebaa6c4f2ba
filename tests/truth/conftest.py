"""Simulated beamtimes of independent seeds, taken through the whole pipeline."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import xarray as xr

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


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory) -> Callable[..., Result]:
    """Return a function that simulates a beamtime, hides its truth, runs its recipe and returns both."""

    def evaluate(seed: int, overrides: dict | None = None) -> Result:
        folder = tmp_path_factory.mktemp(f"seed{seed}")
        example_scans.simulate(folder / "beamtime", seed=seed, overrides=NO_IMAGES | (overrides or {}))
        shutil.move(folder / "beamtime" / "truth.zarr", folder / "truth.zarr")
        store = run(recipe.load(folder / "beamtime")).store
        return Result(operando.open(store).load(), xr.open_datatree(folder / "truth.zarr", engine="zarr").load())

    return evaluate


@pytest.fixture(scope="session")
def results(evaluated) -> list[Result]:
    """Return the results of all seeds."""
    return [evaluated(seed) for seed in SEEDS]


@pytest.fixture(scope="session")
def imaged(evaluated) -> list[Result]:
    """Return the results of seeds with stacks of images, the first one with volumes, which take longer."""
    volumes = ({"tortuosity": False}, {"steps": 0})
    return [
        evaluated(seed, {"xpeem": {}, "tomography": tomography})
        for seed, tomography in zip(IMAGE_SEEDS, volumes, strict=True)
    ]


@pytest.fixture(scope="session")
def shipped(tmp_path_factory) -> Result:
    """Return the result of the example scans as shipped."""
    folder = tmp_path_factory.mktemp("shipped") / "beamtime"
    small = Path(example_scans.__file__).parent / "small"
    shutil.copytree(small, folder, ignore=shutil.ignore_patterns("truth.zarr"))
    store = run(recipe.load(folder)).store
    return Result(operando.open(store).load(), xr.open_datatree(small / "truth.zarr", engine="zarr").load())
