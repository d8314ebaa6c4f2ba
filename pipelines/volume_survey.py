"""Volumes among what a folder holds: folders of slices are scans, a log beside them tells their times."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from operando.errors import FileError, OperandoError

if TYPE_CHECKING:
    import xarray as xr

    from operando.sniff import Format

    from .survey import Group

FOLDERS = "/"
"""What ends the names of folders, as the ending of a file ends its name."""

OPEN = ""
"""A setting that only the user knows."""

MOST_LABELS = 8
"""Different values up to which a volume is taken for labels."""

GREY = "grey"
_NO_VOXEL = "the edge of a voxel"
_LOG, _SLICES = "step_log", "tiff"
_MARKS = ("zarr.json", ".zgroup", ".zarray")


def is_store(folder: Path) -> bool:
    """Whether a folder is a Zarr store, of whatever kind."""
    return any((folder / mark).is_file() for mark in _MARKS)


def is_volume(folder: Path) -> bool:
    """Whether a Zarr store holds a volume that a reader knows; what operando wrote, of whatever kind, does not count.

    That is an experiment, or a volume that a run has reconstructed; one that was exported is a volume like others.
    """
    from operando import sniff, tomo
    from operando.store import read_root

    from .derived_volumes import origin_of

    if origin_of(folder) is not None:
        return False
    try:
        read_root(folder)
    except OperandoError:
        start = sniff.head(folder, folders=True)
        return any(fmt.folders and fmt.name != _SLICES and fmt.recognizes(start) for fmt in tomo.formats.FORMATS)
    return False


def looked_into(path: Path, named: Format, settings: dict[str, Any]) -> tuple[xr.Dataset, dict[str, Any]]:
    """Return what a reader finds, and the settings for it; a size of voxels that the file does not state stays open.

    Raises
    ------
    OperandoError
        If it cannot be read, whatever the size of its voxels.
    """
    known = {key: value for key, value in settings.items() if value != OPEN}
    try:
        return named.read(path, timezone="UTC", **known), settings
    except FileError as error:
        if error.expected != _NO_VOXEL:
            raise
    return named.read(path, timezone="UTC", **known, voxel_size=1.0), {**settings, "voxel_size": OPEN}


def by_folder(groups: Iterable[Group], taken: set[Path]) -> list[Group]:
    """Return the groups with folders of slices as scans, read with the log that tells their times.

    ``taken`` are the files that others stand for; those that folders stand for, and the logs, are added. Projections
    are noted as such.
    """
    listed = list(groups)
    logs = [group for group in listed if group.reader == _LOG]
    found: list[Group] = []
    for group in (one for one in listed if one.reader != _LOG):
        stands_for = group.technique == "xtm" and group.reader == _SLICES
        folders = [path.parent for path in group.paths] if stands_for and _all_slices(group, taken) else []
        if folders:
            taken |= set(group.paths)
            found.append(_of_folders(group, folders, logs, taken))
        else:
            found.append(group)
        if group.example is not None and "projections" in group.example:
            group.notes["projections"] = len(group.paths)
    return found + [group for group in logs if not set(group.paths) <= taken]


def _all_slices(group: Group, taken: set[Path]) -> bool:
    beside = {image.parent for image in taken}
    return all(path.parent in beside for path in group.paths)


def _of_folders(group: Group, folders: list[Path], logs: list[Group], taken: set[Path]) -> Group:
    """Return the group of folders: with the log that names all of them, if there is one, else without."""
    from operando.tomo.formats.tiff import TIFF

    named = [log for one in logs for log in one.paths if log.parent == folders[0].parent]
    for start in [*({"log": log.name} for log in named), {}]:
        try:
            looked = [looked_into(folder, TIFF, start) for folder in folders]
        except OperandoError:
            continue
        settings = looked[0][1]
        made = type(group)(folders[0].parent, FOLDERS, group.technique, group.reader, settings, group.label)
        for folder, (data, _) in zip(folders, looked, strict=True):
            made.include(folder, data)
        taken |= {log for log in named if log.name == settings.get("log")}
        return made
    return group


def few_values(scan: xr.Dataset | None) -> list[int]:
    """Return the values of a volume of labels: whole numbers, 2 to 8 of them in a few of its slices; else none.

    Grey values of a camera or a reconstruction are many more in any slice.
    """
    if scan is None or GREY not in scan or scan[GREY].dtype.kind not in "iu" or not scan[GREY].size:
        return []
    count = scan.sizes["z"]
    found = np.unique(scan[GREY].isel(z=np.unique([count // 4, count // 2, 3 * count // 4])).to_numpy())
    return [int(value) for value in found] if 1 < found.size <= MOST_LABELS else []
