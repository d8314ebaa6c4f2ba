"""The demo: the example scans through the whole pipeline, and its numbers beside the truth."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr
from rich.table import Table

import operando
from operando import example_scans
from operando.errors import FileError

from . import recipe
from .run import run

if TYPE_CHECKING:
    from .progress import Terminal
    from .run import Summary

TRUTH = "truth.zarr"


def run_demo(folder: Path, terminal: Terminal) -> Summary:
    """Copy the example scans into ``folder``, run their recipe, and print estimate, truth and pull.

    The example scans come with the source tree; an installed package simulates the same ones.
    """
    beamtime = beamtime_in(folder)
    summary = run(recipe.load(beamtime), terminal)
    with operando.open(summary.store) as tree, xr.open_datatree(beamtime / TRUTH, engine="zarr") as truth:
        rows = [*example_scans.score(tree, truth), *example_scans.not_yet(truth)]
    terminal.console.print(score_table(rows))
    return summary


def beamtime_in(folder: Path) -> Path:
    """Return the beamtime folder of the example scans in ``folder``, which is made unless it is there.

    Raises
    ------
    FileError
        If a file has its place.
    """
    beamtime = folder / "beamtime"
    if folder.exists() and not folder.is_dir():
        raise FileError(folder, "a folder for the results", "a file", remedy="choose another name")
    if not (beamtime / recipe.RECIPE_NAME).exists():
        shipped = Path(example_scans.__file__).parent / "small"
        if shipped.is_dir():
            shutil.copytree(shipped, beamtime, dirs_exist_ok=True)
        else:
            example_scans.simulate(beamtime, size="small")
    return beamtime


def score_table(rows: list[example_scans.Row]) -> Table:
    """Return the table of estimates beside their truths."""
    table = Table(
        "quantity",
        "unit",
        "estimate",
        "sigma",
        "truth",
        "pull",
        title="The simulated cell: what came out, what is true",
    )
    for row in rows:
        table.add_row(
            row.quantity, row.unit, *(_number(value) for value in (row.estimate, row.sigma, row.truth, row.pull))
        )
    return table


def _number(value: float | str | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.4g}"
