"""NeXus files of reconstructed volumes: the application definition NXtomoproc, an entry a volume."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando import hdf5
from operando.clock import to_ns
from operando.entries import asked_for, named
from operando.errors import FileError, OperandoError
from operando.hdf5 import Node
from operando.header_times import moment, parsed_time
from operando.nexus_tree import TIMES, stated_flags
from operando.sniff import Format, Head
from operando.tomo.layout import PLACES
from operando.tomo.volume_series import stack_volumes
from operando.units import known_unit

from .hdf5_scan import Wanted, read_places
from .scan import Size

_DEFINITION = "NXtomoproc"
_LONGEST = 1e9


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    voxel_size: Size | None = None,
    entry: str | list[str] | None = None,
    log: str | Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return the volumes in an NXtomoproc file.

    Parameters
    ----------
    path
        The file.
    timezone
        Zone of times without one, such as ``"Europe/London"``.
    voxel_size
        Edge of a voxel, um; by default the distance of the places along z, y, x.
    entry
        The name of one entry, or a list of them; all by default.
    log
        As :func:`operando.tomo.formats.hdf5.read` takes it.

    Returns
    -------
    xarray.Dataset
        ``grey`` (z, y, x), lazy, whatever the volume's unit says it is; several entries along ``scan``. Times and
        flags of scans and slices as the file states them.

    Raises
    ------
    FileError
        If there is no such entry, it holds no volume, or the edge of a voxel is not known.
    OperandoError
        If a setting is wrong.

    Notes
    -----
    https://manual.nexusformat.org/classes/applications/NXtomoproc.html. The first dim is taken as z.
    """
    path = Path(path)
    with hdf5.opened(path) as root:
        names = _entries(root)
        if not names:
            raise FileError(path, f"an entry of {_DEFINITION}", f"a file with {hdf5.content(root)}")
        chosen = [names[k] for k in asked_for(path, entry, [[name] for name in names], "entry")]
        wanted = Wanted(timezone, voxel_size, None, None, None, None, log)
        volumes = [_volume(root, name, wanted) for name in chosen]
    return volumes[0] if len(volumes) == 1 else stack_volumes(volumes)


def recognizes(start: Head) -> bool:
    """Whether the file is HDF5 with an entry whose definition is NXtomoproc."""
    if not hdf5.is_hdf5(start):
        return False
    try:
        with hdf5.opened(start.path) as root:
            return bool(_entries(root))
    except OperandoError:
        return False


def _entries(root: Node) -> list[str]:
    """Return the names of the entries that hold a volume."""
    return [
        name
        for name, child in root.children()
        if child.is_group and (stated := child.get("definition")) is not None and stated.scalar() == _DEFINITION
    ]


def _volume(root: Node, entry: str, wanted: Wanted) -> xr.Dataset:
    places = {"data": f"/{entry}/data/data", "start": f"/{entry}/start_time", "end": f"/{entry}/end_time"}
    if wanted.voxel_size is None:
        wanted = Wanted(wanted.timezone, _edges(root, entry), log=wanted.log)
    ds = read_places(root, places, wanted, reader="nxtomoproc", about=f"/{entry}")
    ds = ds.assign_coords(_stated(root, f"/{entry}/data", ds, wanted.timezone))
    data = root.get(places["data"])
    stated = {name: data.attribute(name) if data is not None else None for name in ("units", "long_name")}
    said = {name: text.strip() for name, text in stated.items() if isinstance(text, str) and text.strip()}
    if "units" in said:
        said["units"], told = known_unit(said["units"], places["data"])
        if told:
            ds.attrs["remarks"] = json.dumps([*json.loads(ds.attrs.get("remarks", "[]")), *told], ensure_ascii=False)
    ds["grey"].attrs |= said
    return named(ds, root.file, entry)


def _edges(root: Node, entry: str) -> Size | None:
    """Return the edges of a voxel (um) from the places along z, y, x."""
    edges = []
    for axis in PLACES:
        node = root.get(f"/{entry}/data/{axis}")
        values = node.numbers() if node is not None and not node.is_group else np.empty(0)
        if node is None or values.size < 2 or node.attribute("units") not in ("um", "micrometer"):
            return None
        edges.append(float(f"{(values[-1] - values[0]) / (values.size - 1):.12g}"))
    return edges if min(edges) > 0 else None


def _stated(root: Node, group: str, ds: xr.Dataset, timezone: str | None) -> dict[str, Any]:
    """Return times and flags that the file states of the volume and of its slices."""
    known: dict[str, Any] = {}
    for name in TIMES:
        node = root.get(f"{group}/{name}")
        start = node.attribute("start") if node is not None else None
        if node is not None and isinstance(start, str) and parsed_time(start) is not None and node.shape == (1,):
            began = moment(root.file, start, timezone)
            seconds = np.where(np.abs(node.numbers()) < _LONGEST, node.numbers(), np.nan)
            known[name] = ds[name].copy(data=np.datetime64("NaT", "ns") if began is None else began + to_ns(seconds)[0])
    for name in ("flag", "frame_flag"):
        node = root.get(f"{group}/{name}")
        shape = ds[name].shape or (1,)
        if node is not None and not node.is_group and node.shape == shape:
            known[name] = ds[name].copy(data=stated_flags(node.numbers()).reshape(ds[name].shape))
    return known


NXTOMOPROC = Format(
    name="nxtomoproc",
    technique="xtm",
    about="NeXus NXtomoproc: reconstructed volumes",
    recognizes=recognizes,
    read=read,
    lazy=True,
)
