"""Data Exchange (DXchange) HDF5 files: projections with flats, darks and angles below ``/exchange``, or a volume."""

from __future__ import annotations

from collections.abc import Mapping
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

_DATA = "/exchange/data"
_COMPANIONS = {"flat": ("/exchange/data_white",), "dark": ("/exchange/data_dark",), "angle": ("/exchange/theta",)}
_DETECTOR = "/measurement/instrument/detector"
_RESOLUTIONS = (
    "/measurement/instrument/detection_system/objective/resolution",
    "/measurement/instrument/objective/resolution",
)
_MAGNIFICATIONS = (
    "/measurement/instrument/detection_system/objective/magnification",
    "/measurement/instrument/objective/magnification",
)
_TIMES = {
    "start": ("/process/acquisition/start_date", "/measurement/sample/start_time"),
    "end": ("/process/acquisition/end_date",),
}


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
    """Return the projections in a DXchange file; the volume, if it has neither angles nor flats.

    Parameters
    ----------
    path
        The file.
    timezone
        Zone of times without one, such as ``"Europe/Zurich"``.
    voxel_size
        Edge of a pixel in the sample (of a voxel), um. By default the resolution of the objective, else the pixel of
        the detector over the objective's magnification where the file states both, else the pixel it states.
    slices, datasets, angles, full_scale, log
        As :func:`operando.tomo.formats.hdf5.read` takes them; ``datasets`` go before the usual places.

    Returns
    -------
    xarray.Dataset
        ``projections`` (angle, y, x), ``flat``, ``dark``, or ``grey`` (z, y, x), lazy.

    Raises
    ------
    FileError
        If there is no ``/exchange/data``, its companions do not fit it, flats have no angles beside them, or the edge
        of a pixel is not known.
    OperandoError
        If a setting is wrong.

    Notes
    -----
    F. De Carlo et al., J. Synchrotron Rad. 21, 1224 (2014), https://doi.org/10.1107/S160057751401604X.
    """
    wanted = Wanted(timezone, voxel_size, slices, datasets, angles, full_scale, log)
    with hdf5.opened(path) as root:
        places = wanted.places(root.file, _places(root))
        if "flat" in places and "angle" not in places and angles is None:
            remedy = "state angles = [...] (deg), or where they are: datasets = { angle = '/path' }"
            raise FileError(path, "/exchange/theta beside flats", "none", remedy=remedy)
        by = _magnification(root) if places.get("voxel_size", "").startswith(_DETECTOR) else 1.0
        return read_places(root, places, wanted, reader="dxchange", about="/measurement", divide_by=by)


def recognizes(start: Head) -> bool:
    """Whether the file is HDF5 with ``/exchange/data``."""
    if not hdf5.is_hdf5(start):
        return False
    try:
        with hdf5.opened(start.path) as root:
            return first_there(root, (_DATA,)) is not None
    except OperandoError:
        return False


def _places(root: Node) -> dict[str, str]:
    sizes = (*_RESOLUTIONS, f"{_DETECTOR}/pixel_size_x", f"{_DETECTOR}/pixel_size")
    listed = {"data": (_DATA,), **_COMPANIONS, "voxel_size": sizes, **_TIMES}
    found = {name: first_there(root, places) for name, places in listed.items()}
    return {name: place for name, place in found.items() if place is not None}


def _magnification(root: Node) -> float:
    place = first_there(root, _MAGNIFICATIONS)
    node = root.get(place) if place is not None else None
    value = node.scalar() if node is not None else None
    return value if isinstance(value, float) and 0 < value < float("inf") else 1.0


DXCHANGE = Format(
    name="dxchange",
    technique="xtm",
    about="DXchange HDF5: /exchange/data, data_white, data_dark, theta",
    recognizes=recognizes,
    read=read,
    lazy=True,
)
