"""OME-Zarr images, versions 0.4 and 0.5: one level of resolution of a volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import xarray as xr

from operando.errors import FileError, OperandoError
from operando.sniff import Format, Head

from .ome_metadata import Multiscale, image, multiscales
from .scan import Size, volume
from .volume_log import expected, log_of, logged
from .zarr_frames import DOCUMENTS, is_store, opened
from .zarr_store import folder_of, found_in


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    voxel_size: Size | None = None,
    slices: int | None = None,
    level: int = 0,
    channel: int | None = None,
    time_point: int | None = None,
    full_scale: float | None = None,
    log: str | Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return the volume in an OME-Zarr store.

    Parameters
    ----------
    path
        The folder of the store, or its ``zarr.json`` (``.zgroup``, ``.zattrs``).
    timezone
        Zone of the times in the log, such as ``"Europe/Zurich"``.
    voxel_size
        Edge of a voxel of the level, um, one number or three (z, y, x); by default what the store states.
    slices
        How many there should be.
    level
        The level of resolution, 0 the finest.
    channel, time_point
        Which one of several, counted from 0.
    full_scale
        Value at which a slice is saturated if all of it is there, by default the largest number of its type.
    log
        A text beside the store that says when it was measured, as :func:`operando.tomo.formats.tiff.read` takes it.

    Returns
    -------
    xarray.Dataset
        ``grey`` (z, y, x), lazy.

    Raises
    ------
    FileError
        If it is no such store or a damaged one, holds several volumes of which none is named, or neither it nor the
        settings tell the edge of a voxel.
    OperandoError
        If a setting is wrong.

    Notes
    -----
    https://ngff.openmicroscopy.org/0.5/. Of several multiscale images the first is read.
    """
    path = Path(path)
    given: dict[str, Any] = {"timezone": timezone, "voxel_size": voxel_size, "slices": slices, "channel": channel}
    given |= {"time_point": time_point, "full_scale": full_scale, "log": log, "level": level or None}
    settings = {name: value for name, value in given.items() if value is not None}
    folder = folder_of(path)
    described = multiscales(folder, opened(folder))
    if described is None:
        remedy = "read it with reader = 'zarr'"
        raise FileError(folder, "OME-Zarr metadata (multiscales)", "none", remedy=remedy)
    known = image(folder, described[0])
    if isinstance(level, bool) or not isinstance(level, int) or not 0 <= level < len(known.levels):
        raise OperandoError(f"{path}: level: expected a number from 0 to {len(known.levels) - 1}, got {level!r}")
    name = known.levels[level][0]
    fixed = _fixed(folder, known, opened(folder, name), {"t": time_point, "c": channel})
    said = log_of(folder, log, timezone)
    found = found_in(path, name, fixed, slices=expected(slices, said), full_scale=full_scale)
    about = {"version": known.version, "name": known.name, "levels": len(known.levels)}
    found = logged(replace(found, voxel=known.voxel(level), metadata=about), said, folder)
    return volume(found, reader="ome_zarr", settings=settings, voxel_size=voxel_size)


def recognizes(start: Head) -> bool:
    """Whether it is a Zarr store, or the document of one, with OME's multiscales."""
    if not (start.is_folder or start.path.name in DOCUMENTS) or not is_store(folder_of(start.path)):
        return False
    try:
        return multiscales(folder_of(start.path), opened(folder_of(start.path))) is not None
    except OperandoError:
        return False


def _fixed(path: Path, known: Multiscale, array: Any, chosen: Mapping[str, int | None]) -> tuple[int | None, ...]:
    """Return the place along each axis beside z, y, x."""
    shape = tuple(getattr(array, "shape", ()))
    if len(shape) != len(known.axes):
        raise FileError(path, f"an array with the axes {', '.join(known.axes)}", f"shape {shape}", place="multiscales")
    fixed: list[int | None] = []
    for axis, size in zip(known.axes, shape, strict=True):
        if axis not in chosen:
            fixed.append(None)
            continue
        key, at = ("time_point" if axis == "t" else "channel"), chosen[axis]
        if at is None and size != 1:
            raise FileError(path, "one volume", f"{size} along {axis}", remedy=f"state {key} = 0, or another one")
        if at is not None and (isinstance(at, bool) or not isinstance(at, int) or not 0 <= at < size):
            raise OperandoError(f"{path}: {key}: expected a number from 0 to {size - 1}, got {at!r}")
        fixed.append(at or 0)
    return tuple(fixed)


OME_ZARR = Format(
    name="ome_zarr",
    technique="xtm",
    about="OME-Zarr images (0.4 and 0.5)",
    recognizes=recognizes,
    read=read,
    lazy=True,
    folders=True,
)
