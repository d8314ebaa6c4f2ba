"""Any HDF5 file with an array of slices, or of projections, at a place that the recipe names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import xarray as xr
from numpy.typing import ArrayLike

from operando import hdf5
from operando.errors import FileError, OperandoError
from operando.hdf5 import Node
from operando.sniff import Format, Head

from .hdf5_scan import Wanted, read_places
from .scan import Size

_MOST_LOOKED_AT, _DEEPEST = 10_000, 8
_SMALLEST_EDGE = 8


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    voxel_size: Size | None = None,
    slices: int | None = None,
    datasets: Mapping[str, str] | None = None,
    angles: ArrayLike | None = None,
    full_scale: float | None = None,
    log: str | Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return the volume, or the projections, in an HDF5 file.

    Parameters
    ----------
    path
        The file.
    timezone
        Zone of times without one, such as ``"Europe/Zurich"``.
    voxel_size
        Edge of a voxel (a pixel in the sample), um, one number or three (z, y, x); by default what the file states:
        ``element_size_um`` of the array, or ``datasets = {voxel_size = ...}`` with its ``units``.
    slices
        How many there should be.
    datasets
        ``{name: path in the file}`` with the names ``data`` (z, y, x, or angle, y, x), ``flat``, ``dark``, ``angle``,
        ``image_key`` (0 projection, 1 flat, 2 dark), ``voxel_size``, ``start``, ``end``; ``/entry@start_time`` is an
        attribute. Without ``data`` the one array of three dims is taken.
    angles
        Angles of the projections, deg, if the file has none.
    full_scale
        Value at which a frame is saturated if all of it is there, by default the largest number of its type.
    log
        A text beside the file that says when it was measured, as :func:`operando.tomo.formats.tiff.read` takes it.

    Returns
    -------
    xarray.Dataset
        ``grey`` (z, y, x), or ``projections`` (angle, y, x) with ``flat`` and ``dark``, lazy.

    Raises
    ------
    FileError
        If there is no such array, its companions do not fit it, a link leads out of the file's folder, or the edge of
        a voxel is not known.
    OperandoError
        If a setting is wrong.
    """
    wanted = Wanted(timezone, voxel_size, slices, datasets, angles, full_scale, log)
    with hdf5.opened(path) as root:
        places = wanted.places(root.file, {})
        data = places.get("data") or _only_array(root)
        return read_places(root, {**places, "data": data}, wanted, reader="hdf5")


def recognizes(start: Head) -> bool:
    """Whether the file is HDF5 with one array of three dims."""
    if not hdf5.is_hdf5(start):
        return False
    try:
        with hdf5.opened(start.path) as root:
            return len(arrays(root)) == 1
    except OperandoError:
        return False


def suggest(start: Head) -> dict[str, Any]:
    """Return where the file has its one array."""
    try:
        with hdf5.opened(start.path) as root:
            return {"datasets": {"data": _only_array(root)}}
    except OperandoError:
        return {}


def arrays(root: Node) -> list[str]:
    """Return where a file has arrays of three dims that can be frames; broken links are passed over."""
    return [place for place, node in _datasets(root) if _is_stack(node)]


def _only_array(root: Node) -> str:
    found = arrays(root)
    if len(found) != 1:
        got = ", ".join(found[:6]) or f"none; it holds {hdf5.content(root)}"
        remedy = f"name it: datasets = {{ data = '{found[0] if found else '/path/in/the/file'}' }}"
        raise FileError(root.file, "one array of frames", got, remedy=remedy)
    return found[0]


def _datasets(root: Node) -> Iterator[tuple[str, Node]]:
    waiting, looked_at = [(root, "", 0)], 0
    while waiting:
        group, above, depth = waiting.pop(0)
        for name in group.names():
            looked_at += 1
            if looked_at > _MOST_LOOKED_AT:
                return
            with suppress(FileError):
                child = group.get(name)
                if child is not None and child.is_group and depth < _DEEPEST:
                    waiting.append((child, f"{above}/{name}", depth + 1))
                elif child is not None and not child.is_group and child.shape is not None:
                    yield f"{above}/{name}", child


def _is_stack(node: Node) -> bool:
    shape = node.shape or ()
    return len(shape) == 3 and node.item.dtype.kind in "iufb" and min(shape) >= _SMALLEST_EDGE


HDF5 = Format(
    name="hdf5",
    technique="xtm",
    about="HDF5 with an array of slices or projections",
    recognizes=recognizes,
    read=read,
    suggest=suggest,
    specific=False,
    lazy=True,
)
