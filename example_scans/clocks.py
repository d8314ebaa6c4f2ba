"""The beamline's clock, which runs beside the cycler's, and the cell's voltage on the beamline's recorder."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import numpy as np

from .cell import Floats, Run
from .noise import stream
from .parameters import Beamline, Parameters
from .part import Part

CLOCK = "beamline"
REFERENCE = "cycler"

RECIPE = """\
[clocks.{clock}]                   # runs beside the cycler's clock; found from a copy of the cell's voltage
reference = "{reference}"

[clocks.{clock}.shared_channel]
files = ["{file}"]
read = {{ columns = {{ time = "local time", voltage = "cell voltage" }}, units = {{ voltage = "V" }} }}
"""


def simulate(parameters: Parameters, run: Run, seed: int) -> Part:
    """Return the beamline's copy of the voltage, its section of the recipe and the truth on the clock."""
    copy = parameters.voltage_copy
    shown = np.array(_sampling(parameters, run))
    noise = copy.noise * stream(seed, "voltage copy").standard_normal(shown.size)
    voltage = run.at("voltage", cell_seconds(shown, parameters.beamline)) + noise
    start = parameters.experiment.start
    lines = [f"{_local(start, second)},{value:.4f}" for second, value in zip(shown, voltage, strict=True)]
    csv = "\n".join(["local time,cell voltage", *lines, ""])
    return Part({copy.file: csv.encode("ascii")}, RECIPE.format(clock=CLOCK, reference=REFERENCE, file=copy.file))


def truth(parameters: Parameters) -> str:
    """Return the true clocks as JSON, in the words of a store's ``clocks``.

    ``t_shown = t + offset + drift t``, with t in s of the reference clock since ``t_ref``.
    """
    beamline, start = parameters.beamline, parameters.experiment.start_utc
    clock = {
        "name": CLOCK,
        "reference": REFERENCE,
        "offset": beamline.clock_offset,
        "drift": beamline.clock_drift,
        "t_ref": start.replace(tzinfo=None).isoformat(timespec="milliseconds"),
    }
    return json.dumps([clock])


def beamline_seconds(seconds: Floats | float, clock: Beamline) -> Floats:
    """Return what the beamline's clock shows, in s since the start that the cycler's clock shows."""
    shown: Floats = np.asarray(seconds) * (1 + clock.clock_drift) + clock.clock_offset
    return shown


def cell_seconds(shown: Floats, clock: Beamline) -> Floats:
    """Return the cycler's seconds at which the beamline's clock shows ``shown``."""
    seconds: Floats = (shown - clock.clock_offset) / (1 + clock.clock_drift)
    return seconds


def beamline_local_time(seconds: float, parameters: Parameters) -> str:
    """Return the local time that the beamline's clock shows at ``seconds`` of the cycler's."""
    return _local(parameters.experiment.start, float(beamline_seconds(seconds, parameters.beamline)))


def _local(start: datetime, seconds: float) -> str:
    shown = start + timedelta(milliseconds=round(seconds * 1e3))
    return shown.isoformat(sep=" ", timespec="milliseconds")


def _sampling(parameters: Parameters, run: Run) -> list[float]:
    """Return the recorder's times: coarse everywhere, dense where the current changes and the voltage moves."""
    copy, clock = parameters.voltage_copy, parameters.beamline
    first, last = beamline_seconds(run.seconds[[0, -1]], clock)
    times = set(np.arange(np.ceil(first), last, copy.interval))
    for change in beamline_seconds(np.append(run.reversals, run.seconds[-1]), clock):
        begin, end = np.ceil(max(first, change - copy.dense_before)), min(last, change + copy.dense_after)
        times |= set(np.arange(begin, end, copy.dense_interval))
    return sorted(times)
