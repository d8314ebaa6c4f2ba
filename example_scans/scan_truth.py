"""What is true of every scan of any instrument: when it was, and the cell's mean state over it."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.flags import Flag

from .cell import Run
from .parameters import Parameters
from .truth import utc

Column = tuple[np.ndarray, str, str]
"""Values per scan, their unit and their meaning."""

STATE = {
    "potential": "V", "voltage": "V", "current": "A", "charge": "C", "soc": "1", "z": "1", "d_ox": "nm", "d_red": "nm",
}  # fmt: skip
"""Quantities of the cell and their units."""


def state(parameters: Parameters, run: Run, plans: list[tuple[float, float]], sources: list[str]) -> xr.Dataset:
    """Return times, names of the files and the cell's state, dim scan.

    Parameters
    ----------
    plans
        Start and end of each scan, s of the cycler's clock.
    sources
        The files.
    """
    begin, end = np.array(plans).T
    middle = (begin + end) / 2
    columns: dict[str, Column] = {
        name: (np.array([run.mean(name, *plan) for plan in plans]), unit, f"{name}, mean over the scan")
        for name, unit in STATE.items()
    }
    columns["half_cycle"] = (run.held("half_cycle", middle), "1", "half-cycle in the middle of the scan")
    turned = run.held("half_cycle", end) - run.held("half_cycle", begin)
    columns["reversals"] = (turned, "1", "changes of the current within the scan")
    times = {"time": middle, "time_start": begin, "time_end": end}
    start = parameters.experiment.start_utc
    coords = {name: xr.Variable("scan", utc(start, values)) for name, values in times.items()}
    coords["source"] = xr.Variable("scan", np.array(sources, dtype=object))
    return labelled(columns).assign_coords(coords)


def labelled(columns: dict[str, Column], *dims: str) -> xr.Dataset:
    """Return columns with their units and meanings; dims are ``scan`` and then those given."""
    return xr.Dataset(
        {
            name: (("scan", *dims), values, {"units": unit, "long_name": meaning})
            for name, (values, unit, meaning) in columns.items()
        }
    )


def faults(found: list[list[str]], deserved: np.ndarray, tolerated: np.ndarray) -> xr.Dataset:
    """Return the faults of each scan by name and the flags that it deserves and tolerates."""
    flags = labelled(
        {
            "flag": (deserved.astype(np.int32), "1", "flags that the scan deserves"),
            "flag_tolerated": (tolerated.astype(np.int32), "1", "flags that are no mistake either"),
        }
    )
    names = np.array([" ".join(names) for names in found], dtype=object)
    return flags.assign(fault=("scan", names, {"long_name": "faults"}))


def gap_flags(parameters: Parameters, plans: list[tuple[float, float]]) -> np.ndarray:
    """Return ``ec_gap`` for the scans that touch the gap between the cycler's files, else 0."""
    cycler = parameters.cycler
    begin, end = np.array(plans).T
    in_gap = (begin < cycler.split_time + cycler.gap) & (end > cycler.split_time) & parameters.faults.cycler_split
    return np.asarray(in_gap * int(Flag.ec_gap), dtype=np.int32)
