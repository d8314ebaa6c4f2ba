"""Some scans of the Ni L2,3 series once more, as the beamline's NeXus files: application definition NXxas.

https://manual.nexusformat.org/classes/applications/NXxas.html
"""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import h5py
import numpy as np
import xarray as xr

from . import faults, nickel
from .cell import Run
from .clocks import beamline_local_time
from .parameters import Parameters
from .part import Part

ENTRIES = {"tey": (1, "Total Electron Yield"), "tfy": (3, "Fluorescence Yield")}
"""Entry -> column of the scan and detection mode as NXxas spells it."""

KNOWN = ("potential", "soc", "half_cycle", "gain", "flag", "flag_tolerated", "fault")
"""What the truth of these files repeats of the series'; the rest is found there by ``text_source``."""


def simulate(parameters: Parameters, run: Run, seed: int) -> Part:
    """Return one HDF5 file a scan, an entry a detection mode, with the numbers of the text files.

    The truth is that of these scans in the series. The bytes depend on the version of HDF5, the content does not.
    """
    law, chosen = parameters.nickel, [number for number in parameters.nexus.scans if number <= parameters.nickel.scans]
    if not chosen:
        return Part({}, "")
    known = nickel.truth(parameters, run)
    names = [f"{law.node}_{number:04d}.h5" for number in chosen]
    files = {
        f"{parameters.nexus.folder}/{name}": _file(parameters, number, known, seed)
        for name, number in zip(names, chosen, strict=True)
    }
    own = known[list(KNOWN)].isel(scan=[number - 1 for number in chosen])
    own = own.assign_coords(source=("scan", np.array(names, dtype=object)), text_source=own["source"])
    return Part(files, "", {f"nexus/{law.node}": own})


def _file(parameters: Parameters, number: int, known: xr.Dataset, seed: int) -> bytes:
    found = faults.of_scan(number, parameters.nickel.scans, parameters.faults)
    rows = faults.stopped(nickel.table(parameters, number, known, seed), found)
    content = BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs["NX_class"] = "NXroot"
        file.attrs["default"] = next(iter(ENTRIES))
        for name, (column, mode) in ENTRIES.items():
            _entry(file, name, rows[:, [0, column, 2]], mode=mode, parameters=parameters, number=number)
    return content.getvalue()


def _entry(file: h5py.File, name: str, rows: np.ndarray, *, mode: str, parameters: Parameters, number: int) -> None:
    """Write one NXentry; ``rows`` are energy, signal and I0."""
    law = parameters.nickel
    start, end = (_time(seconds, parameters) for seconds in nickel.plan(parameters, number))
    entry = _group(file, name, "NXentry", default="data")
    texts = {"definition": "NXxas", "title": f"Ni L2,3 scan {number}", "start_time": start, "end_time": end}
    for key, text in texts.items():
        _field(entry, key, text)
    instrument = _group(entry, "instrument", "NXinstrument")
    source = _group(instrument, "source", "NXsource")
    for key, text in {"type": "Synchrotron X-ray Source", "name": "simulated", "probe": "x-ray"}.items():
        _field(source, key, text)
    energy = _field(_group(instrument, "monochromator", "NXmonochromator"), "energy", rows[:, 0], units="eV")
    absorbed = _field(_group(instrument, "absorbed_beam", "NXdetector"), "data", rows[:, 1], units="nA")
    incoming = _field(_group(instrument, "incoming_beam", "NXdetector"), "data", rows[:, 2], units="nA")
    _field(_group(entry, "sample", "NXsample"), "name", "NCM811 with Li3PS4, operando")
    monitor = _group(entry, "monitor", "NXmonitor")
    _field(monitor, "mode", "timer")
    _field(monitor, "preset", law.dwell, units="s")
    _link(monitor, "data", incoming)
    data = _group(entry, "data", "NXdata", signal="absorbed_beam", axes="energy")
    _link(data, "energy", energy)
    _link(data, "absorbed_beam", absorbed)
    _field(data, "mode", mode)


def _group(parent: h5py.Group, name: str, nexus_class: str, **attributes: str) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs.update(NX_class=nexus_class, **attributes)
    return group


def _field(group: h5py.Group, name: str, value: Any, **attributes: str) -> h5py.Dataset:
    """Write one field, without the date on which it was written."""
    dataset = group.create_dataset(name, data=value, track_times=False)
    dataset.attrs.update(attributes)
    return dataset


def _link(group: h5py.Group, name: str, target: h5py.Dataset) -> None:
    """Add a NeXus link: a second name of a field that states its first."""
    target.attrs["target"] = target.name
    group[name] = target


def _time(seconds: float, parameters: Parameters) -> str:
    """Return the beamline's time with the offset of its zone, ISO 8601."""
    local = datetime.fromisoformat(beamline_local_time(seconds, parameters))
    return local.replace(tzinfo=ZoneInfo(parameters.experiment.timezone)).isoformat(timespec="milliseconds")
