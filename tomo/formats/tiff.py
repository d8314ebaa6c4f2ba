"""Volumes in TIFF files: one of many pages, or a folder of slices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import xarray as xr

from operando.errors import FileError, OperandoError
from operando.sniff import Format, Head

from .scan import Found, Size, volume
from .slice_names import Family, family, places
from .tiff_pages import MAGIC, Facts, Slices, breaks_off, facts, opened
from .tiff_sizes import Edges, voxel
from .tiff_stack import of_file, sorted_out
from .volume_log import expected, log_of, logged

_SHOWN = 10


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    voxel_size: Size | None = None,
    slices: int | None = None,
    pattern: str | None = None,
    first: int | None = None,
    channel: int | None = None,
    time_point: int | None = None,
    full_scale: float | None = None,
    log: str | Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return the volume in a TIFF file or a folder of slices.

    Parameters
    ----------
    path
        A TIFF or BigTIFF file of many pages (or as ImageJ writes them); a folder of slices; or one of these slices,
        which stands for all that are named like it.
    timezone
        Zone of the times in the log, such as ``"Europe/Zurich"``.
    voxel_size
        Edge of a voxel, um, one number or three (z, y, x). By default what the file states (tags of the resolution,
        ImageJ's unit and spacing, OME's physical sizes), else the log.
    slices
        How many there should be; by default what the file or the log states, else all that are there.
    pattern
        The names of the slices in a folder, such as ``"slice_*.tif"``; by default the largest family of files whose
        names differ in one number.
    first
        The number of the first slice, by default the lowest. Gaps in the numbers are missing slices.
    channel, time_point
        Which one of a hyperstack, counted from 0.
    full_scale
        Grey value at which a slice is saturated if all of it is there, by default the largest number of its type.
    log
        A text beside the volume that says when it was measured: its name, or ``{file = "steps.txt", folder, start,
        end}`` with columns (labels or numbers from 0), ``duration`` (s), ``format`` as strptime takes it, and
        ``delimiter``. The name is seen from where the folder or the file of the volume lies.

    Returns
    -------
    xarray.Dataset
        ``grey`` (z, y, x), lazy. Slices that are missing, damaged or of another size or type keep their places, are 0
        (NaN) and flagged; those beyond ``slices`` are left out and flagged.

    Raises
    ------
    FileError
        If no slice can be read, the edge of a voxel is not known, or the log says nothing of the volume.
    OperandoError
        If a setting is wrong.

    Notes
    -----
    The headers of all slices are read, of their pixels 48 (all of those that are packed to less than 1/50 of their
    size): enough to tell a slice that is saturated throughout.
    """
    path = Path(path)
    given: dict[str, Any] = {"timezone": timezone, "voxel_size": voxel_size, "slices": slices, "pattern": pattern}
    given |= {"first": first, "channel": channel, "time_point": time_point, "full_scale": full_scale, "log": log}
    settings = {name: value for name, value in given.items() if value is not None}
    place = path if path.is_dir() or pages_of(path) > 1 else path.parent
    said = log_of(place, log, timezone)
    count = expected(slices, said)
    if place is path and not path.is_dir():
        found = of_file(path, channel=channel, time_point=time_point, slices=count, full_scale=full_scale)
    else:
        known = family(place, pattern, path.name if place is not path else None)
        at = places(place, known, first, count)
        found = _of_folder(path, known, at, slices=count, full_scale=full_scale)
    found = logged(found, said, place)
    return volume(found, reader="tiff", settings=settings, voxel_size=voxel_size)


def pages_of(path: Path) -> int:
    """Return how many images a file holds or states to hold; at least 2 if it breaks off before the next one.

    Raises
    ------
    FileError
        If it is no TIFF file or is damaged.
    """
    with opened(path) as file:
        stated = (file.imagej_metadata or {}).get("images", 1) if file.is_imagej else 1
        shaped = (file.shaped_metadata or [{}])[0].get("shape", ())
        deep = len(shaped) > 2 and shaped[0] > 1
        several = deep or breaks_off(file)
        return max(len(file.pages), stated if isinstance(stated, int) else 1, 2 if several else 1)


def recognizes(start: Head) -> bool:
    """Whether it is a TIFF file of several pages, one of several slices, or a folder of these."""
    try:
        if start.is_folder:
            return len(family(start.path).names) > 1
        if start.data[:4] not in MAGIC:
            return False
        return pages_of(start.path) > 1 or len(family(start.path.parent, like=start.path.name).names) > 1
    except OperandoError:
        return False


def _of_folder(path: Path, known: Family, at: Sequence[int], *, slices: int | None, full_scale: float | None) -> Found:
    """Return what the slices in a folder hold, of which ``path`` is one, or the folder itself."""
    folder = path if path.is_dir() else path.parent
    remarks: list[str] = []
    looked = [_look(folder / name, remarks) for name in known.names]
    names = [(name, one) for name, (one, _) in zip(known.names, looked, strict=True)]
    found = sorted_out(folder, Slices, at, names, remarks, slices=slices, full_scale=full_scale)
    edges, assumed = _most_frequent([size for _, size in looked if size is not None], remarks)
    if known.others:
        more = " ..." if len(known.others) > _SHOWN else ""
        remarks.append(f"files beside the slices left out: {', '.join(known.others[:_SHOWN])}{more}")
    # The names of missing slices too: that they arrived later is seen by their files.
    lost = [known.name(number) for number in known.between(at, len(found.order))]
    above = f"{folder.name}/" if path == folder else ""
    beside = [f"{above}{name}" for name in [*known.names, *lost] if folder / name != path]
    return replace(found, path=path, voxel=edges, images=beside, remarks=[*remarks, *found.remarks, *assumed])


def _look(path: Path, remarks: list[str]) -> tuple[Facts | None, tuple[Edges | None, list[str]] | None]:
    """Return what a slice is and the edges that it states; nothing, and remarked on, if it cannot be read."""
    try:
        with opened(path) as file:
            if len(file.pages) != 1:
                raise FileError(path, "a slice a file", f"{len(file.pages)} pages")
            return facts(path, file.pages[0], file.filehandle.size), voxel(path, file)
    except FileError as error:
        remarks.append(f"{path.name}: expected {error.expected}, got {error.got}")
        return None, None


def _most_frequent(stated: list[tuple[Edges | None, list[str]]], remarks: list[str]) -> tuple[Edges | None, list[str]]:
    """Return the edges that most slices state."""
    if not stated:
        return None, []
    counts = Counter(edges for edges, _ in stated)
    edges, often = counts.most_common(1)[0]
    if often < len(stated):
        remarks.append(f"{len(stated) - often} slices state another edge of a voxel than the others")
    return edges, next(assumed for one, assumed in stated if one == edges)


TIFF = Format(
    name="tiff",
    technique="xtm",
    about="TIFF files of a volume: one of many pages, or a folder of slices",
    recognizes=recognizes,
    read=read,
    lazy=True,
    folders=True,
)
