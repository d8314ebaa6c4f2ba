"""A text log of a series of volumes: a line a volume, with its folder or file and the time."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from operando import flags
from operando.errors import FileError, OperandoError
from operando.flags import Flag
from operando.header_times import Span
from operando.history import recorded
from operando.reading import read_as
from operando.sniff import Format, Head
from operando.tomo.volume_series import stack_volumes

from .tiff import pages_of
from .tiff_pages import SUFFIXES
from .volume_log import COLUMNS, FILE, KEYS, Entry, VolumeLog, beside, guess, named_beside, read_log

if TYPE_CHECKING:
    from collections.abc import Sequence

_OFTEN = 4
"""How many lines may name a volume, on average."""
_ENTRY = "::"


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    columns: Mapping[str, Any] | None = None,
    volumes: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return the series of volumes that a log describes.

    Parameters
    ----------
    path
        The log: a header of any kind, then one line a volume.
    timezone
        Zone of the times in the log, such as ``"Europe/Zurich"``, where they have none.
    columns
        ``folder``, ``start``, ``end``: labels, or numbers from 0; ``duration`` (s) where there is no end; ``format`` of
        the times as strptime takes it; ``delimiter``. By default the column that names what lies beside the log, and
        those whose labels say start and end.
    volumes
        Settings of the volumes' reader, such as ``{voxel_size = 0.65}``, and its name as ``reader``; what they do not
        say, the log's header may (``Voxel size (um)=0.65``, ``Slices per step=64``).

    Returns
    -------
    xarray.Dataset
        ``grey`` (scan, z, y, x), lazy; ``source`` names the log and the volume in it. A volume that is not there or
        cannot be read keeps its place in the series: it is 0 (NaN), and all of its slices are flagged as missing.

    Raises
    ------
    FileError
        If the file holds no such table, or none of the volumes can be read.
    OperandoError
        If a setting is wrong, or the volumes differ in size.
    """
    path = Path(path)
    for name, value in (("columns", columns), ("volumes", volumes)):
        if not isinstance(value, Mapping | None):
            raise OperandoError(f"{path}: {name}: expected a table {{ ... }}, got {value!r}")
    log = read_log(path, columns or {}, timezone)
    single, remarks = _single(path, log, timezone, columns or {}, volumes or {})
    series = stack_volumes(single)
    given = {"timezone": timezone, "columns": columns, "volumes": volumes}
    settings = {name: value for name, value in given.items() if value is not None}
    if log.lost:
        remarks.append(f"lines with a wrong number of columns left out: {log.lost[:10]}")
    return _described(series, path, log, settings, remarks)


def recognizes(start: Head) -> bool:
    """Whether the file is text in whose lines a column names volumes beside it; single images are none."""
    volumes = named_beside(start) if start.is_text and not start.is_folder else []
    return bool(volumes) and _is_volume(volumes[0])


def _is_volume(path: Path) -> bool:
    try:
        return path.is_dir() or path.suffix.lower() not in SUFFIXES or pages_of(path) > 1
    except FileError:
        return False


def suggest(start: Head) -> dict[str, Any]:
    """Return the columns that such a log probably has."""
    from operando.log_table import parse

    try:
        table = parse(start.path, start.text)
    except FileError:
        return {}
    found = {name: table.labels[at] if table.labels else at for name, at in guess(table, start.path.parent).items()}
    return {"columns": found} if set(found) == set(COLUMNS) else {}


def _single(
    path: Path, log: VolumeLog, timezone: str | None, columns: Mapping[str, Any], volumes: Mapping[str, Any]
) -> tuple[list[xr.Dataset], list[str]]:
    """Return the volumes of a log, and why some cannot be read."""
    names = {entry.name for entry in log.entries}
    if len(log.entries) > _OFTEN * (len(names) + 1):
        got = f"{len(log.entries)} lines for {len(names)} volumes"
        raise FileError(path, "lines that each name a volume of their own", got)
    spans = [entry.span for entry in log.entries]
    found: list[xr.Dataset | None] = []
    remarks: list[str] = []
    for entry in log.entries:
        try:
            one = _read(path, entry, timezone, columns, volumes)
            found.append(one)
            remarks += [f"{entry.name}: {text}" for text in json.loads(one.attrs.get("remarks", "[]"))]
        except FileError as error:
            found.append(None)
            remarks.append(str(error))
    sound = [one for one in found if one is not None]
    if not sound:
        raise FileError(path, "a volume that can be read", remarks[0] if remarks else "none")
    whole = max(sound, key=lambda one: one.sizes["z"])
    named = zip(found, log.entries, spans, strict=True)
    return [
        (one if one is not None else _lost(whole, entry.name, taken)).assign_coords(
            source=xr.Variable((), np.array(f"{path.name}{_ENTRY}{entry.name}", dtype=object))
        )
        for one, entry, taken in named
    ], remarks


def _read(
    path: Path,
    entry: Entry,
    timezone: str | None,
    columns: Mapping[str, Any],
    volumes: Mapping[str, Any],
) -> xr.Dataset:
    from . import VOLUMES

    place = beside(path.parent, entry.name)
    if place is None:
        raise FileError(path, f"a folder or a file {entry.name!r} beside the log", "none", remedy="copy it here")
    log = {FILE: Path(os.path.relpath(path, place.parent)).as_posix()}
    log |= {key: columns[key] for key in KEYS if key in columns}
    settings = {key: value for key, value in volumes.items() if key != "reader"}
    one = read_as(VOLUMES, place, volumes.get("reader"), timezone, {**settings, "log": log})
    if "grey" not in one:
        raise FileError(place, "a volume", "projections")
    # The images of a series are seen from its log.
    images = [Path(os.path.relpath(place.parent / name, path.parent)).as_posix() for name in _images(one, place)]
    return one.assign_coords(images=xr.Variable((), np.array("\n".join(images), dtype=object)))


def _images(one: xr.Dataset, place: Path) -> Sequence[str]:
    listed = str(one["images"].values).splitlines()
    return listed if place.is_dir() and listed else [place.name, *listed]


def _lost(like: xr.Dataset, name: str, taken: Span) -> xr.Dataset:
    """Return a volume that is not there, in the place of ``like``."""
    import dask.array as da

    grey = like["grey"]
    fill = np.nan if grey.dtype.kind == "f" else 0
    missing = np.full(grey.sizes["z"], int(Flag.missing_frame), np.int32)
    flag = int(Flag.missing_frame) | (int(Flag.no_time) if np.isnat(taken.middle) else 0)
    return like.assign(
        grey=(grey.dims, da.full(grey.shape, fill, dtype=grey.dtype, chunks=grey.chunks), grey.attrs)  # type: ignore[no-untyped-call]
    ).assign_coords(
        frame_flag=("z", missing, flags.attrs()),
        flag=((), np.int32(flag), flags.attrs()),
        time_start=((), taken.start, like["time_start"].attrs),
        time=((), taken.middle, like["time"].attrs),
        time_end=((), taken.end, like["time_end"].attrs),
        # That it arrived later is seen by its name.
        images=((), np.array(name, dtype=object), like["images"].attrs),
    )


def _described(
    series: xr.Dataset, path: Path, log: VolumeLog, settings: Mapping[str, Any], remarks: Sequence[str]
) -> xr.Dataset:
    attrs = {
        "format": "step_log",
        "metadata": json.dumps({"header": log.header}, ensure_ascii=False),
        "settings": json.dumps({"reader": "step_log", **settings}, ensure_ascii=False),
    }
    if remarks:
        attrs["remarks"] = json.dumps(list(remarks), ensure_ascii=False)
    local = next((entry.span.local for entry in log.entries if entry.span.local), "")
    if local:
        attrs["local_time_start"] = local
    return recorded(series.assign_attrs(attrs), "tomo.read", {"reader": "step_log", **settings, "file": path.name})


STEP_LOG = Format(
    name="step_log",
    technique="xtm",
    about="a text log of volumes with their times",
    recognizes=recognizes,
    read=read,
    suggest=suggest,
    lazy=True,
)
