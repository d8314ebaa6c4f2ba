"""What is true of every scan, whatever the instrument: when it was and in which state the cell was."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from operando.flags import Flag

from .cell import Floats, Run
from .parameters import Parameters
from .truth import utc

MEANS = {
    "potential": "V",
    "voltage": "V",
    "current": "A",
    "charge": "C",
    "soc": "1",
    "z": "1",
    "d_ox": "nm",
    "d_red": "nm",
}


def states(parameters: Parameters, run: Run, plans: Sequence[tuple[float, float]]) -> xr.Dataset:
    """Return times and the cell's mean state over each scan, dim scan.

    Parameters
    ----------
    plans
        Start and end of each scan, s of the cycler's clock.
    """
    begin, end = np.array(plans, dtype=float).reshape(-1, 2).T
    middle = (begin + end) / 2
    ds = xr.Dataset(
        {
            name: (
                "scan",
                np.array([run.mean(name, *plan) for plan in plans]),
                {"units": unit, "long_name": f"{name}, mean over the scan"},
            )
            for name, unit in MEANS.items()
        }
    )
    attrs = {"units": "1", "long_name": "half-cycle in the middle of the scan"}
    ds["half_cycle"] = ("scan", run.held("half_cycle", middle), attrs)
    attrs = {"units": "1", "long_name": "changes of the current within the scan"}
    ds["reversals"] = ("scan", run.held("half_cycle", end) - run.held("half_cycle", begin), attrs)
    start = parameters.experiment.start_utc
    times = {"time": middle, "time_start": begin, "time_end": end}
    return ds.assign_coords({name: ("scan", utc(start, values)) for name, values in times.items()})


def passed(run: Run, seconds: Floats) -> Floats:
    """Return the share of all charge, in either direction, that has passed by given times."""
    amounts = np.cumsum(np.abs(np.diff(run.charge, prepend=run.charge[0])))
    share: Floats = np.interp(seconds, run.seconds, amounts / amounts[-1])
    return share


def in_gap(parameters: Parameters, plans: Sequence[tuple[float, float]]) -> np.ndarray:
    """Return the flag of the scans that lie, in part, in the gap between the cycler's files; else 0."""
    cycler = parameters.cycler
    begin, end = np.array(plans, dtype=float).reshape(-1, 2).T
    touched = (begin < cycler.split_time + cycler.gap) & (end > cycler.split_time)
    return np.asarray(touched * parameters.faults.cycler_split * int(Flag.ec_gap), dtype=np.int32)
