"""HDF5 files of BEC, the beamline control of the SLS: a group a device, frames of a camera among them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import xarray as xr
from numpy.typing import ArrayLike

from operando import hdf5
from operando.errors import FileError, OperandoError
from operando.hdf5 import Node
from operando.sniff import Format, Head

from .hdf5_scan import Wanted, read_places, require_datasets
from .scan import Size

_ENTRY = "/entry"
_DEVICES = "/entry/collection/devices"
_METADATA = "/entry/collection/metadata"
_SHOWN = 12


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    voxel_size: Size | None = None,
    datasets: Mapping[str, str] | None = None,
    angles: ArrayLike | None = None,
    full_scale: float | None = None,
) -> xr.Dataset:
    """Return the projections, or the volume, in a BEC file.

    Parameters
    ----------
    path
        The file, ``..._master.h5``; what it links to is read from its own folder and the folders below.
    timezone
        Zone of the start and end that the file states, where they have none.
    voxel_size
        Edge of a pixel in the sample, um.
    datasets
        As :func:`operando.tomo.formats.hdf5.read` takes them. A place is ``"device/signal"``, or the device alone where
        the signal is called like it; a path from the root begins with ``/``. ``data`` is needed.
    angles, full_scale
        As :func:`operando.tomo.formats.hdf5.read` takes them.

    Returns
    -------
    xarray.Dataset
        ``projections`` (angle, y, x) if angles are given, else ``grey`` (z, y, x), lazy.

    Raises
    ------
    FileError
        If there is no such device or signal (those with frames are listed), its companions do not fit it, a link leads
        out of the folder or to nothing, or the edge of a pixel is not known.
    OperandoError
        If a setting is wrong.

    Notes
    -----
    https://bec.readthedocs.io; written by its file writer as ``/entry/collection/devices/<device>/<signal>/value``.
    """
    path = Path(path)
    require_datasets(path, datasets)
    with hdf5.opened(path) as root:
        devices = root.get(_DEVICES)
        if devices is None or not devices.is_group:
            raise FileError(path, f"a group {_DEVICES}", f"a file with {hdf5.content(root)}")
        if datasets is None or "data" not in datasets:
            remedy = f"the signals with frames are {_listed(devices)}"
            raise FileError(path, "settings 'datasets' with 'data'", ", ".join(datasets or {}) or "none", remedy=remedy)
        places = {name: _place(root, devices, name, place) for name, place in datasets.items()}
        times = {name: f"{_ENTRY}@{name}_time" for name in ("start", "end")}
        wanted = Wanted(timezone, voxel_size, None, datasets, angles, full_scale)
        return read_places(root, {**times, **places}, wanted, reader="bec", about=_METADATA)


def recognizes(start: Head) -> bool:
    """Whether the file is HDF5 with a group of devices where BEC has it, one of them with frames."""
    if not hdf5.is_hdf5(start):
        return False
    try:
        with hdf5.opened(start.path) as root:
            devices = root.get(_DEVICES)
            return devices is not None and devices.is_group and bool(_frames(devices))
    except OperandoError:
        return False


def _place(root: Node, devices: Node, name: str, place: str) -> str:
    """Return the path of a signal."""
    if place.startswith("/"):
        return place
    for way in (f"{place}/value", f"{place}/{place.rsplit('/', 1)[-1]}/value"):
        node = devices.get(way)
        if node is not None and not node.is_group:
            return f"{_DEVICES}/{way}"
    raise FileError(root.file, f"a signal {place!r}", f"frames in {_listed(devices)}", place=f"datasets.{name}")


def _listed(devices: Node) -> str:
    found = _frames(devices)
    return ", ".join(found[:_SHOWN]) or "none"


def _frames(devices: Node) -> list[str]:
    """Return the signals that are arrays of frames."""
    found = []
    for device, group in devices.children():
        for signal, below in group.children() if group.is_group else []:
            value = _value(below)
            if value is not None and len(value.shape or ()) == 3:
                found.append(f"{device}/{signal}")
    return found


def _value(signal: Node) -> Node | None:
    try:
        return signal.get("value") if signal.is_group else None
    except FileError:
        return None


BEC = Format(
    name="bec",
    technique="xtm",
    about="HDF5 of BEC (SLS) with the frames of a camera",
    recognizes=recognizes,
    read=read,
    lazy=True,
)
