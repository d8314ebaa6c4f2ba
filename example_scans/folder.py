"""Write a whole simulated beamtime: the instruments' files, the recipe that reads them, and the truth."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from operando.errors import FileError

from . import clocks, cycler, nickel, nickel_nexus, nickel_references, tomography, truth, xpeem, xps
from .cell import Run, run
from .parameters import Parameters, load
from .part import Part

SEED = 20260518
RECIPE_NAME = "beamtime.toml"

INSTRUMENTS: tuple[Callable[[Parameters, Run, int], Part], ...] = (
    cycler.simulate,
    clocks.simulate,
    nickel.simulate,
    nickel_references.simulate,
    nickel_nexus.simulate,
    xps.simulate,
    xpeem.simulate,
    tomography.simulate,
)
"""Every instrument at the beamtime, in the order of the recipe."""

PREFACE = """\
# A simulated beamtime, every number of which is known. Simulated data: nothing here was measured.
# Run it with 'operando run', then compare with truth.zarr, which no estimator reads.
# The reader "nexus" takes some of the scans once more from xas_nexus/.

[experiment]
name = "{name}"
timezone = "{timezone}"         # zone of all local times in this folder
store = "cell7.zarr"                # beside this recipe

"""


def simulate(
    folder: str | Path, size: str = "small", *, seed: int = SEED, overrides: Mapping[str, Any] | None = None
) -> Path:
    """Write a simulated beamtime and return its folder.

    Parameters
    ----------
    folder
        Made if it does not exist. An earlier simulation in it is replaced, whatever else it holds then stays.
    size
        ``"small"`` (about 8 MB) or ``"full"`` (about 0.3 GB).
    seed
        Decides all noise. The same seed, size and overrides give the same bytes everywhere.
    overrides
        Changes to ``cell.toml``, as tables: ``{"nickel": {"scans": 10}, "faults": {"zero_tail": []}}``.

    Raises
    ------
    FileError
        If the folder is a file, or holds something and no earlier simulation.
    RecipeError
        For a size or an override that ``cell.toml`` does not know.

    Notes
    -----
    The folder holds ``beamtime.toml`` (the recipe), ``echem/*.mpt`` (cycler), ``beamline_voltage.csv`` (the
    voltage on the beamline's clock), ``xas/*.txt`` (Ni L2,3 TEY and TFY), ``xas_references/*.txt`` (the pure
    substances), ``xas_nexus/*.h5`` (some of the scans as NXxas), ``xps/*.vms`` (C 1s, S 2p and P 2p), ``xpeem``
    (Ni L3 stacks: TIFF frames with a log, and HDF5), ``xtm`` (tomographic volumes: TIFF slices, and the projections
    of one) and ``truth.zarr``.
    """
    folder = Path(folder)
    parameters = load(size, overrides)
    _clear(folder)
    happened = run(parameters)
    parts = [instrument(parameters, happened, seed) for instrument in INSTRUMENTS]
    files = {path: content for part in parts for path, content in part.files.items()}
    files[RECIPE_NAME] = recipe(parameters, parts).encode("utf-8")
    nodes = {node: known for part in parts for node, known in part.truth.items()}
    origin = {"size": size, "seed": seed, "files": json.dumps(sorted(files))}
    folder.mkdir(parents=True, exist_ok=True)
    truth.write(truth.tree(parameters, happened, nodes, **origin), folder)
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def recipe(parameters: Parameters, parts: list[Part]) -> str:
    """Return ``beamtime.toml``: the preface and every instrument's section."""
    experiment = parameters.experiment
    preface = PREFACE.format(name=experiment.name, timezone=experiment.timezone)
    return preface + "\n".join(part.recipe for part in parts if part.recipe)


def _clear(folder: Path) -> None:
    """Remove an earlier simulation, and nothing else.

    Raises
    ------
    FileError
        If the folder is a file, or holds something and no earlier simulation.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FileError(folder, "a folder to write into", "a file", remedy="choose another name")
    if not any(folder.iterdir()):
        return
    written = truth.written_files(folder)
    if written is None:
        raise FileError(folder, "an empty or a simulated folder", "other files in it", remedy="choose another folder")
    for name in written:
        path = folder / name
        if path.resolve().is_relative_to(folder.resolve()):
            path.unlink(missing_ok=True)
    shutil.rmtree(folder / truth.STORE)
