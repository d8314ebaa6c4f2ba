"""Volumes among what a folder holds: folders of slices are scans, a log beside them tells their times."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from operando.errors import OperandoError

if TYPE_CHECKING:
    from .survey import Group

FOLDERS = "/"
"""What ends the names of folders, as the ending of a file ends its name."""

_LOG, _SLICES = "step_log", "tiff"
_MARKS = ("zarr.json", ".zgroup", ".zarray")


def is_store(folder: Path) -> bool:
    """Whether a folder is a Zarr store, of whatever kind."""
    return any((folder / mark).is_file() for mark in _MARKS)


def is_volume(folder: Path) -> bool:
    """Whether a Zarr store holds a volume that a reader knows; a store that operando wrote does not count."""
    from operando import sniff, tomo
    from operando.store import read_root

    try:
        read_root(folder)
    except OperandoError:
        start = sniff.head(folder, folders=True)
        return any(fmt.folders and fmt.name != _SLICES and fmt.recognizes(start) for fmt in tomo.formats.FORMATS)
    return False


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
    named = [log for group in logs for log in group.paths if log.parent == group.folder]
    for settings in [*({"log": log.name} for log in named if log.parent == folders[0].parent), {}]:
        made = type(group)(folders[0].parent, FOLDERS, group.technique, group.reader, settings, group.label)
        try:
            for folder in folders:
                made.include(folder, _read(folder, settings))
        except OperandoError:
            continue
        taken |= {log for log in named if log.name == settings.get("log")}
        return made
    return group


def _read(folder: Path, settings: dict[str, Any]) -> Any:
    from operando import tomo

    return tomo.read(folder, reader=_SLICES, timezone="UTC", **settings)
