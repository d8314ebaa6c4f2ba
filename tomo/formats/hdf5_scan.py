"""A volume or projections in an HDF5 file, once it is known where the file keeps what."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from operando import hdf5
from operando.errors import FileError, OperandoError
from operando.flags import Flag
from operando.hdf5 import Node
from operando.header_times import Span, parsed_time, span
from operando.units import convert

from .frames import MISSING, MOST_FRAMES, Picked, lazily, native
from .hdf5_frames import Looked, array, look
from .scan import Beam, Found, Size, placed, projections, volume
from .tiff_sizes import in_um
from .volume_log import expected, log_of, logged

ROLES = ("data", "flat", "dark", "angle", "image_key", "voxel_size", "start", "end")
PROJECTION, FLAT, DARK = 0, 1, 2
"""Values of NXtomo's ``image_key``."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Wanted:
    """The settings that all readers of HDF5 files share."""

    timezone: str | None = None
    voxel_size: Size | None = None
    slices: int | None = None
    datasets: Mapping[str, str] | None = None
    angles: ArrayLike | None = None
    full_scale: float | None = None
    log: str | Mapping[str, Any] | None = None

    def given(self) -> dict[str, Any]:
        """Return the settings that are not left at their defaults, as JSON takes them."""
        angles = None if self.angles is None else np.asarray(self.angles).tolist()
        return {name: value for name, value in {**vars(self), "angles": angles}.items() if value is not None}

    def places(self, path: Path, guessed: Mapping[str, str]) -> dict[str, str]:
        """Return the places of a scan's parts: those in the settings, else the guessed ones.

        Raises
        ------
        OperandoError
            If the setting is no table, or names what no scan has.
        """
        require_datasets(path, self.datasets)
        return {**guessed, **(self.datasets or {})}


def require_datasets(path: Path, datasets: Mapping[str, str] | None) -> None:
    """Refuse places of what no scan has.

    Raises
    ------
    OperandoError
        With the keys there are.
    """
    if not isinstance(datasets, Mapping | None) or not all(isinstance(one, str) for one in (datasets or {}).values()):
        raise OperandoError(f"{path}: datasets: expected a table of paths in the file, got {datasets!r}")
    unknown = [key for key in datasets or {} if key not in ROLES]
    if unknown:
        raise OperandoError(f"{path}: datasets: expected keys among {', '.join(ROLES)}, got {unknown[0]!r}")


def read_places(
    root: Node, places: Mapping[str, str], wanted: Wanted, *, reader: str, about: str = "", divide_by: float = 1.0
) -> xr.Dataset:
    """Return the scan whose parts lie at ``places``; projections if it has angles.

    Parameters
    ----------
    root
        The open file.
    places
        ``{name: path in the file}`` with names of :data:`ROLES`; an attribute is ``/group@name``.
    about
        The group whose texts and numbers are the scan's metadata.
    divide_by
        What the pixels of the detector are larger by than in the sample.

    Raises
    ------
    FileError
        If there is no array of frames, its companions do not fit it, or something of it cannot be read.
    OperandoError
        If a setting is wrong.
    """
    path = root.file
    if "data" not in places:
        remedy = "name it: datasets = { data = '/path/in/the/file' }"
        raise FileError(path, "an array of frames", f"a file with {hdf5.content(root)}", remedy=remedy)
    said = log_of(path, wanted.log, wanted.timezone)
    looked = look(root, places["data"], wanted.full_scale)
    edges, remarks = _voxel(root, places, looked.source.dataset, divide_by)
    group = root.get(about) if about else None
    found = Found(
        path,
        looked.source,
        (),
        looked.flags,
        looked.grain,
        voxel=edges,
        span=_span(root, places, wanted) if said is None else Span(),
        images=_linked(root, places["data"]),
        remarks=[*looked.remarks, *remarks],
        metadata=hdf5.scalars(group) if group is not None and group.is_group else {},
    )
    found, settings = logged(found, said, path), wanted.given()
    if {"angle", "image_key"} & places.keys() or wanted.angles is not None:
        found, beam = _projections(root, places, found, looked, wanted)
        return projections(found, beam, reader=reader, settings=settings, voxel_size=wanted.voxel_size)
    order, flags, why, counted = placed(path, looked.flags, expected(wanted.slices, said))
    order = tuple(MISSING if flag & Flag.missing_frame else at for at, flag in zip(order, flags, strict=True))
    found = replace(found, order=order, frame_flag=flags, flag=why, remarks=[*found.remarks, *counted])
    return volume(found, reader=reader, settings=settings, voxel_size=wanted.voxel_size)


def _projections(
    root: Node, places: Mapping[str, str], found: Found, looked: Looked, wanted: Wanted
) -> tuple[Found, Beam]:
    """Return the projections among the frames with their angles, and the images of the beam."""
    there = looked.source.shape[0]
    keys = _keys(root, places, there)
    angle = _angles(root, places, wanted)
    shown = np.flatnonzero(keys == PROJECTION)
    if not shown.size:
        raise FileError(root.file, "projections", "none among the frames", place=places["image_key"])
    angle = angle[shown] if angle.size == keys.size else angle
    flag, remarks = Flag.truncated if keys.size > there else Flag(0), [*found.remarks]
    unknown = int(np.sum(~np.isin(keys, (PROJECTION, FLAT, DARK))))
    if unknown:
        flag |= Flag.surplus_frame
        remarks.append(f"{unknown} frames that are neither projections nor flats nor darks are left out")
    if angle.size != shown.size:
        flag |= Flag.surplus_frame if angle.size < shown.size else Flag.truncated
        odd = "projections without an angle are left out" if angle.size < shown.size else "those at the end are missing"
        remarks.append(f"{shown.size} projections and {angle.size} angles: {odd}")
    # What the keys or the angles know and the file does not was never written.
    shown = np.append(shown, np.full(max(angle.size - shown.size, 0), there))[: angle.size]
    flags = np.append(looked.flags, np.int32(Flag.missing_frame))
    frame_flag = flags[np.minimum(shown, there)]
    order = np.where(frame_flag & Flag.missing_frame, MISSING, shown)
    flat, dark = (
        _beam(root, places, name, np.flatnonzero(keys[:there] == key), looked)
        for name, key in (("flat", FLAT), ("dark", DARK))
    )
    found = replace(found, order=tuple(order.tolist()), frame_flag=frame_flag, flag=flag, remarks=remarks)
    return found, Beam(angle, flat, dark, None if flat is None or "flat" in places else _flat_after(keys, looked))


def _flat_after(keys: NDArray[np.int64], looked: Looked) -> NDArray[np.int64]:
    """Return how many projections come before each flat that is there."""
    flats = np.flatnonzero(keys[: looked.source.shape[0]] == FLAT)
    kept = flats[(looked.flags[flats] & Flag.missing_frame) == 0]
    before: NDArray[np.int64] = np.cumsum(keys == PROJECTION)[kept]
    return before


def _keys(root: Node, places: Mapping[str, str], there: int) -> NDArray[np.int64]:
    if "image_key" not in places:
        return np.zeros(there, np.int64)
    values = _numbers(root, places["image_key"])[0]
    if values.size < there or not np.isfinite(values).all():
        wanted = f"a key for each of {there} frames"
        raise FileError(root.file, wanted, f"{values.size} keys", place=places["image_key"])
    return values.astype(np.int64)


def _angles(root: Node, places: Mapping[str, str], wanted: Wanted) -> Floats:
    if wanted.angles is not None:
        try:
            angle, unit = np.asarray(wanted.angles, dtype=np.float64), "deg"
        except (TypeError, ValueError):
            angle, unit = np.array([np.nan]), "deg"
        if angle.ndim != 1 or not angle.size or not np.isfinite(angle).all():
            raise OperandoError(f"{root.file}: angles: expected a list of deg, one a projection, got {wanted.angles!r}")
        return angle
    if "angle" not in places:
        remedy = "name it: datasets = { angle = '/path' }, or state angles = [...] (deg)"
        raise FileError(root.file, "the angles of the projections", "none", remedy=remedy)
    angle, unit = _numbers(root, places["angle"])
    if not np.isfinite(angle).all():
        raise FileError(root.file, "angles that are numbers", "some that are not finite", place=places["angle"])
    return convert(angle, unit or "deg", "deg")


def _beam(root: Node, places: Mapping[str, str], name: str, own: NDArray[np.int64], looked: Looked) -> Any:
    """Return the flats or darks: those of a dataset of their own, else those among the frames."""
    if name in places:
        node = array(root, places[name])
        if node.shape is not None and len(node.shape) == 2:
            image = node.numbers().astype(native(node.item.dtype))
            return xr.Variable((f"{name}_frame", "y", "x"), image[np.newaxis], {"units": "counts"})
        looked = look(root, places[name], None)
        own = np.arange(looked.source.shape[0])
    order = tuple(int(at) for at in own if not looked.flags[at] & Flag.missing_frame)
    if not order:
        return None
    images = lazily(Picked(looked.source, order, native(looked.source.dtype)), looked.grain)
    return xr.Variable((f"{name}_frame", "y", "x"), images, {"units": "counts"})


def _linked(root: Node, place: str) -> list[str]:
    """Return the file that holds the frames, as seen from the scan's own, if it is another one."""
    file = array(root, place).file
    return [] if file == root.file else [Path(os.path.relpath(file, root.file.resolve().parent)).as_posix()]


def _numbers(root: Node, place: str) -> tuple[Floats, str]:
    """Return a list of numbers, and its unit as the file states it ("" if not)."""
    node = array(root, place)
    if len(node.shape or ()) != 1 or not 0 < (node.shape or (0,))[0] <= MOST_FRAMES:
        raise node.error(f"a list of up to {MOST_FRAMES} numbers", f"shape {node.shape}")
    return node.numbers(), _unit(node)


def _unit(node: Node) -> str:
    said = node.attribute("units")
    return said.strip() if isinstance(said, str) else ""


def _voxel(
    root: Node, places: Mapping[str, str], dataset: str, divide_by: float
) -> tuple[tuple[float, float, float] | None, list[str]]:
    """Return the edges that a dataset or an attribute states: one number with a unit, or three (z, y, x)."""
    values, unit = None, ""
    if "voxel_size" in places and "@" not in places["voxel_size"]:
        node = array(root, places["voxel_size"])
        values, unit = (node.numbers() if np.prod(node.shape or (1,)) in (1, 3) else None), _unit(node)
    else:
        where, _, name = places.get("voxel_size", f"{dataset}@element_size_um").partition("@")
        holder = root.get(where)
        values = holder.attribute_numbers(name) if holder is not None else None
        unit = "um" if name.endswith("_um") else (_unit(holder) if holder is not None else "")
    if values is None:
        return None, []
    length = in_um(unit)
    if length is None:
        return None, [f"the edge of a voxel in the file has no unit of length: {np.ravel(values).tolist()} {unit!r}"]
    edges = np.broadcast_to(np.ravel(values) * length / divide_by, (3,))
    if not ((edges > 0) & np.isfinite(edges)).all():
        return None, [f"the edge of a voxel in the file cannot be: {edges.tolist()} um"]
    return (float(edges[0]), float(edges[1]), float(edges[2])), []


def _span(root: Node, places: Mapping[str, str], wanted: Wanted) -> Span:
    """Return when the scan was measured; a text that is no time counts only if the settings name it."""
    start, end = (_text(root, places.get(name)) for name in ("start", "end"))
    strict = "start" in (wanted.datasets or {})
    if not start or (parsed_time(start) is None and not strict):
        return Span()
    ended = end if end and parsed_time(end) is not None else None
    return span(root.file, start, timezone=wanted.timezone, end=ended)


def _text(root: Node, place: str | None) -> str:
    if place is None:
        return ""
    where, at, name = place.partition("@")
    node = root.get(where)
    found: Any = None if node is None else node.attribute(name) if at else node.scalar()
    return found.strip() if isinstance(found, str) else ""


def first_there(root: Node, places: Sequence[str]) -> str | None:
    """Return the first of the places at which a file has a dataset."""
    for place in places:
        try:
            node = root.get(place)
        except FileError:
            continue
        if node is not None and not node.is_group and node.shape is not None:
            return place
    return None
