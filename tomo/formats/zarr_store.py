"""Volumes in Zarr arrays, version 2 or 3, without the metadata of a microscope."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from operando.errors import FileError, OperandoError
from operando.sniff import Format, Head

from .ome_metadata import multiscales
from .scan import Found, Size, placed, volume
from .volume_log import expected, log_of, logged
from .zarr_frames import DOCUMENTS, frames_of, is_store, look, opened, told


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    voxel_size: Size | None = None,
    slices: int | None = None,
    array: str | None = None,
    full_scale: float | None = None,
    log: str | Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return the volume in a Zarr array.

    Parameters
    ----------
    path
        The folder of the store, or its ``zarr.json`` (``.zgroup``, ``.zarray``).
    timezone
        Zone of the times in the log, such as ``"Europe/Zurich"``.
    voxel_size
        Edge of a voxel, um, one number or three (z, y, x); needed, for arrays do not state it.
    slices
        How many there should be.
    array
        The array in the store's group; by default the only one of three dims.
    full_scale
        Value at which a slice is saturated if all of it is there, by default the largest number of its type.
    log
        A text beside the store that says when it was measured, as :func:`operando.tomo.formats.tiff.read` takes it.

    Returns
    -------
    xarray.Dataset
        ``grey`` (z, y, x), lazy. A chunk that is not there is the array's fill value, as Zarr has it.

    Raises
    ------
    FileError
        If there is no such array, the store is damaged, or the edge of a voxel is not known.
    OperandoError
        If a setting is wrong.
    """
    path = Path(path)
    given: dict[str, Any] = {"timezone": timezone, "voxel_size": voxel_size, "slices": slices, "array": array}
    given |= {"full_scale": full_scale, "log": log}
    settings = {name: value for name, value in given.items() if value is not None}
    folder = folder_of(path)
    root = opened(folder)
    name = array if array is not None else _only_array(folder, root)
    said = log_of(folder, log, timezone)
    found = found_in(path, name, (None,) * 3, slices=expected(slices, said), full_scale=full_scale)
    found = logged(found, said, folder)
    return volume(found, reader="zarr", settings=settings, voxel_size=voxel_size)


def found_in(
    path: Path, name: str, fixed: tuple[int | None, ...], *, slices: int | None, full_scale: float | None
) -> Found:
    """Return what an array of a store holds, at the places along its axes beside z, y, x that are ``fixed``.

    Raises
    ------
    FileError
        If there is no such array, or it is no volume.
    """
    folder = folder_of(path)
    array = opened(folder, name)
    if not hasattr(array, "chunks"):
        raise FileError(folder, "an array", "a group", place=name, remedy="name the array in it")
    if len(array.shape) != len(fixed):
        raise FileError(folder, f"an array of {len(fixed)} dims", f"shape {tuple(array.shape)}", place=name)
    source, grain = frames_of(folder, name, array, fixed)
    seen, remarks = look(source, grain, full_scale)
    order, flags, why, counted = placed(folder, seen, slices)
    return Found(path, source, order, flags, grain, flag=why, remarks=[*remarks, *counted])


def folder_of(path: Path) -> Path:
    """Return the folder of a store that is named by itself or by the document in it."""
    return path if path.is_dir() else path.parent


def recognizes(start: Head) -> bool:
    """Whether it is a Zarr store, or the document of one, with one array of three dims."""
    if not (start.is_folder or start.path.name in DOCUMENTS) or not is_store(folder_of(start.path)):
        return False
    try:
        root = opened(folder_of(start.path))
        if multiscales(folder_of(start.path), root) is not None:
            return False
        return bool(_only_array(folder_of(start.path), root) is not None)
    except OperandoError:
        return False


def _only_array(folder: Path, root: Any) -> str:
    if hasattr(root, "chunks"):
        return ""
    with told(folder):
        found = sorted(name for name, one in root.arrays() if len(one.shape) == 3)
        others = sorted(str(name) for name, _ in root.members())
    if len(found) != 1:
        got = ", ".join(found) or f"none; it holds {', '.join(others[:6]) or 'nothing'}"
        raise FileError(folder, "one array of three dims", got, remedy="name it: array = '...'")
    return str(found[0])


ZARR = Format(
    name="zarr",
    technique="xtm",
    about="Zarr arrays of volumes, version 2 or 3",
    recognizes=recognizes,
    read=read,
    lazy=True,
    folders=True,
)
