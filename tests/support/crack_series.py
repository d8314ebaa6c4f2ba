"""Some of the simulated cell's volumes with a recipe that finds their cracks, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile

from operando import example_scans

SMALL = Path(example_scans.__file__).parent / "small"
NODE = "xtm/composite"
STEPS = (1, 3, 5)
KEPT = ("remove_rings", "cracks", "label", "objects", "track")


def folder_of(path: Path, steps: Sequence[int] = STEPS, kept: Sequence[str] = KEPT, repeats: int = 1) -> Path:
    """Copy the cell's log, some volumes and a recipe of some steps; each volume ``repeats`` times along every axis."""
    shutil.copytree(SMALL / "echem", path / "echem")
    for step in steps:
        name = Path("xtm") / f"step_{step:03d}"
        shutil.copytree(SMALL / name, path / name) if repeats == 1 else _repeat(SMALL / name, path / name, repeats)
    lines = (SMALL / "xtm" / "steps.txt").read_text("utf-8").splitlines()
    logged = [line for line in lines if line[0] == "#" or int(line.split()[0]) in steps]
    whole = "\n".join(logged).replace("per step=64", f"per step={64 * repeats}")
    (path / "xtm" / "steps.txt").write_text(whole + "\n", encoding="utf-8")
    shutil.copy(SMALL / "beamline_voltage.csv", path)
    text = (SMALL / "beamtime.toml").read_text("utf-8")
    series, *sections = text.rpartition("[[series]]")[2].split("[[series.steps]]")
    chosen = [section for section in sections if any(f'use = "{name}"' in section for name in kept)]
    whole = text.partition("[[series]]")[0] + "[[series]]" + "[[series.steps]]".join([series, *chosen])
    whole = whole.replace("repeats = 3", "repeats = 2").replace('active = "ncm"', "")
    (path / "beamtime.toml").write_text(whole, encoding="utf-8")
    return path


def _repeat(folder: Path, to: Path, repeats: int) -> None:
    to.mkdir(parents=True)
    slices = [tifffile.imread(path) for path in sorted(folder.glob("*.tif"))]
    for number, image in enumerate(slices * repeats, 1):
        tifffile.imwrite(to / f"slice_{number:04d}.tif", np.tile(image, (repeats, repeats)))
