"""The truth of a simulated beamtime, written beside its files and shown to no estimator."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando.errors import FileError

from . import clocks
from .cell import Floats, Run
from .parameters import Parameters

STORE = "truth.zarr"

QUANTITIES = {
    "potential": ("V", "potential vs Li+/Li"),
    "voltage": ("V", "voltage as the cycler would measure it without noise"),
    "current": ("A", "current, charge positive"),
    "charge": ("C", "charge passed since the start of the log"),
    "soc": ("1", "state of charge by charge passed"),
    "z": ("1", "delithiated fraction of the cathode: 1 minus its lithium content"),
    "d_ox": ("nm", "thickness of the oxidized interphase"),
    "d_red": ("nm", "thickness of the reduced interphase"),
    "resistance": ("ohm", "resistance of the cell"),
    "half_cycle": ("1", "half-cycle: 0 rest before the first current, then +1 a reversal"),
}

NOT_YET: tuple[tuple[str, str], ...] = ()
"""Quantities of the simulated cell that are not scored yet, with their units."""


def utc(start: datetime, seconds: Floats) -> np.ndarray:
    """Return datetime64[ns], UTC, for seconds since ``start``."""
    origin = np.datetime64(start.replace(tzinfo=None), "ns")
    return origin + np.rint(np.asarray(seconds) * 1e9).astype("timedelta64[ns]")


def electrochemistry(parameters: Parameters, run: Run) -> xr.Dataset:
    """Return the cell's state over time, thinned to ``truth_interval`` and complete where the current changes."""
    every = parameters.experiment.truth_interval
    kept = np.diff(np.floor(run.seconds / every), prepend=-1) > 0
    turns = np.flatnonzero(np.diff(run.half_cycle) > 0)
    kept[[*turns, *(turns + 1), -1]] = True
    ds = xr.Dataset(
        {
            name: ("time", getattr(run, name)[kept], {"units": unit, "long_name": meaning})
            for name, (unit, meaning) in QUANTITIES.items()
        }
    )
    return ds.assign_coords(time=utc(parameters.experiment.start_utc, run.seconds[kept]))


def tree(parameters: Parameters, run: Run, nodes: Mapping[str, xr.Dataset], **origin: Any) -> xr.DataTree:
    """Return the whole truth: electrochemistry, the instruments' nodes, and in the attributes what holds for all."""
    start = parameters.experiment.start_utc
    onsets = [
        {
            "reaction": onset.reaction,
            "half_cycle": onset.half_cycle,
            "seconds": onset.seconds,
            "level": onset.level,
            "crossing": round(onset.crossing, 6),
            "time": str(utc(start, np.array(onset.seconds))),
        }
        for onset in run.onsets
    ]
    ends = utc(start, run.seconds[[0, -1]])
    attrs = {
        "experiment": parameters.experiment.name,
        "start": str(ends[0]),
        "end": str(ends[1]),
        "clocks": clocks.truth(parameters),
        "half_cycles": int(run.half_cycle.max()),
        "onsets": json.dumps(onsets),
        "active_mass": parameters.cell.active_mass,
        "faults": json.dumps(parameters.faults.model_dump()),
        "not_yet": json.dumps([{"quantity": quantity, "unit": unit} for quantity, unit in NOT_YET]),
        **origin,
    }
    root = xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), "/echem": electrochemistry(parameters, run)})
    for node, ds in nodes.items():
        root[node] = xr.DataTree(ds)
    return root


def write(root: xr.DataTree, folder: Path) -> None:
    """Write the truth into a beamtime folder."""
    encoding = {
        node.path: {name: {"units": "nanoseconds since 1970-01-01", "dtype": "int64"} for name in _times(node)}
        for node in root.leaves
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata is currently not part", UserWarning)
        root.to_zarr(folder / STORE, mode="w", encoding=encoding)


def read(folder: str | Path) -> xr.DataTree:
    """Return the truth of a simulated beamtime folder, in memory.

    Raises
    ------
    FileError
        If the folder holds no truth.
    """
    path = Path(folder) / STORE
    if not path.is_dir():
        raise FileError(
            path, "the truth of a simulated beamtime", "no such folder", remedy="make one with 'operando simulate'"
        )
    with xr.open_datatree(path, engine="zarr") as opened:
        return opened.load()


def written_files(folder: Path) -> list[str] | None:
    """Return the files that an earlier simulation wrote into ``folder``; None if there was none."""
    try:
        attributes = json.loads((folder / STORE / "zarr.json").read_text(encoding="utf-8"))["attributes"]
        return [str(name) for name in json.loads(attributes["files"])]
    except (OSError, ValueError, KeyError):
        return None


def _times(node: xr.DataTree) -> Iterable[str]:
    return [str(name) for name, values in node.variables.items() if values.dtype.kind == "M"]
