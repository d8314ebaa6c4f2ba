"""NeXus files of a tomography scan: one array of projections, flats and darks, told apart by ``image_key``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import xarray as xr
from numpy.typing import ArrayLike

from operando import hdf5
from operando.errors import FileError, OperandoError
from operando.hdf5 import Node
from operando.sniff import Format, Head

from .hdf5_scan import Wanted, first_there, read_places
from .scan import Size

_KEY = "image_key"
_DEEPEST, _MOST_LOOKED_AT = 5, 5000


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    voxel_size: Size | None = None,
    datasets: Mapping[str, str] | None = None,
    angles: ArrayLike | None = None,
    full_scale: float | None = None,
    log: str | Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return the projections in an NXtomo file.

    Parameters
    ----------
    path
        The file; arrays that it links to lie in its folder or below.
    timezone
        Zone of times without one, such as ``"Europe/London"``.
    voxel_size
        Edge of a pixel in the sample, um; by default the detector's ``x_pixel_size``.
    datasets, angles, full_scale, log
        As :func:`operando.tomo.formats.hdf5.read` takes them; ``datasets`` go before the usual places: ``image_key``,
        ``data`` in the same group, ``rotation_angle`` of the sample or the data.

    Returns
    -------
    xarray.Dataset
        ``projections`` (angle, y, x), ``flat`` and ``dark`` (flat_frame, y, x), lazy; ``flat_after``, how many
        projections had been taken before each flat, between which the beam is interpolated. Frames that the key or the
        angles know and the file does not hold are 0 (NaN) and flagged.

    Raises
    ------
    FileError
        If there are no keys, frames or angles, they do not fit each other, a link leads out of the folder or to
        nothing, or the edge of a pixel is not known.
    OperandoError
        If a setting is wrong.

    Notes
    -----
    https://manual.nexusformat.org/classes/applications/NXtomo.html.
    """
    wanted = Wanted(timezone, voxel_size, None, datasets, angles, full_scale, log)
    with hdf5.opened(path) as root:
        places = wanted.places(root.file, _places(root))
        if _KEY not in places:
            raise FileError(path, "a dataset image_key", f"a file with {hdf5.content(root)}")
        return read_places(root, places, wanted, reader="nxtomo", about=_entry(places))


def recognizes(start: Head) -> bool:
    """Whether the file is HDF5 with an ``image_key``."""
    if not hdf5.is_hdf5(start):
        return False
    try:
        with hdf5.opened(start.path) as root:
            return _KEY in _places(root)
    except OperandoError:
        return False


def _entry(places: Mapping[str, str]) -> str:
    return "/" + places.get(_KEY, "/").strip("/").split("/")[0]


def _places(root: Node) -> dict[str, str]:
    """Return where the first entry with an ``image_key`` keeps its parts."""
    keys = _find_keys(root)
    if not keys:
        return {}
    # A scan of several detectors has a key for each; the first whose frames are there is the camera.
    key = next((one for one in keys if _has_frames(root, one)), keys[0])
    group, entry = key.rsplit("/", 1)[0], "/" + key.strip("/").split("/")[0]
    inner = [f"{entry}/{name}" for name in ("sample", "data", "tomo_entry/sample", "tomo_entry/data")]
    listed = {
        "angle": [f"{above}/rotation_angle" for above in (*inner, group)],
        "voxel_size": [f"{above}/x_pixel_size" for above in (group, f"{entry}/sample")],
        "start": [f"{above}/start_time" for above in (entry, f"{entry}/tomo_entry")],
        "end": [f"{above}/end_time" for above in (entry, f"{entry}/tomo_entry")],
    }
    found = {name: first_there(root, places) for name, places in listed.items()}
    there = {name: place for name, place in found.items() if place is not None}
    # Whether the frames can be reached is told when they are read.
    return {_KEY: key, "data": f"{group}/data", **there}


def _has_frames(root: Node, key: str) -> bool:
    try:
        node = root.get(f"{key.rsplit('/', 1)[0]}/data")
    except FileError:
        return False
    return node is not None and len(node.shape or ()) == 3


def _find_keys(root: Node) -> list[str]:
    found: list[str] = []
    waiting, looked_at = [(root, "", 0)], 0
    while waiting:
        group, above, depth = waiting.pop(0)
        for name in group.names():
            looked_at += 1
            if looked_at > _MOST_LOOKED_AT:
                return found
            with suppress(FileError):
                child = group.get(name)
                if child is not None and name == _KEY and len(child.shape or ()) == 1:
                    found.append(f"{above}/{name}")
                elif child is not None and child.is_group and depth < _DEEPEST:
                    waiting.append((child, f"{above}/{name}", depth + 1))
    return found


NXTOMO = Format(
    name="nxtomo",
    technique="xtm",
    about="NeXus NXtomo: projections, flats and darks with an image_key",
    recognizes=recognizes,
    read=read,
    lazy=True,
)
