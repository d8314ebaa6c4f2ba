"""One scan from what a reader found: labels, lengths in um, flags, times."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando import flags
from operando.errors import FileError, OperandoError, OperandoWarning
from operando.flags import Flag
from operando.header_times import Span
from operando.history import recorded
from operando.schema import Layout
from operando.tomo.layout import PLACES, PROJECTIONS, RAW

from .frames import MISSING, MOST_FRAMES, Picked, Shape, Source, lazily, native

Size = float | Sequence[float]
_SAME = 1e-3
_MOST_REMARKS = 50
_REMEDY = "state it, in um, as voxel_size = 0.65 (or [z, y, x])"


@dataclass(frozen=True)
class Found:
    """What a reader found of a scan; None or empty where the file is silent.

    ``order`` says which frame of ``source`` lies at which place, ``frame_flag`` why to doubt it; ``grain`` is the
    piece that the file delivers at once; ``voxel`` are edges along z, y, x in um; ``images`` are the files of the
    frames as seen from the scan's own file.
    """

    path: Path
    source: Source
    order: tuple[int, ...]
    frame_flag: NDArray[np.int32]
    grain: Shape
    voxel: tuple[float, float, float] | None = None
    flag: Flag = field(default=Flag(0))
    span: Span = field(default_factory=Span)
    images: Sequence[str] = ()
    remarks: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Beam:
    """What comes with projections: their angles (deg), and images of the beam alone and without light.

    ``flat_after`` says how many projections had been taken before each image of the beam alone, if that is known.
    """

    angle: NDArray[np.float64]
    flat: xr.Variable | None = None
    dark: xr.Variable | None = None
    flat_after: NDArray[np.int64] | None = None


def placed(
    path: Path, frames: NDArray[np.int32], expected: int | None
) -> tuple[tuple[int, ...], NDArray[np.int32], Flag, list[str]]:
    """Return the order and the flags of frames that are all there in their order, if so many are expected.

    Those that lack at the end keep their places, those beyond it are left out; both are flagged.
    """
    require_count(path, expected)
    there = frames.size
    count = there if expected is None else expected
    order = np.where(np.arange(count) < there, np.arange(count), MISSING)
    flag = np.zeros(count, np.int32)
    flag[: min(count, there)] = frames[:count]
    flag[there:] |= int(Flag.missing_frame)
    why = (Flag.surplus_frame if there > count else Flag(0)) | (Flag.truncated if there < count else Flag(0))
    said = [f"{there} frames, {count} expected"] if why else []
    return tuple(order.tolist()), flag, why, said


def require_count(path: Path, expected: int | None) -> None:
    """Refuse a number of frames that is none.

    Raises
    ------
    OperandoError
        With the number.
    """
    whole = isinstance(expected, int) and not isinstance(expected, bool)
    if expected is not None and not (whole and 0 < expected <= MOST_FRAMES):
        raise OperandoError(f"{path}: slices: expected a number from 1 to {MOST_FRAMES}, got {expected!r}")


def volume(found: Found, *, reader: str, settings: Mapping[str, Any], voxel_size: Size | None) -> xr.Dataset:
    """Return a volume as every reader gives it.

    Raises
    ------
    FileError
        If no slice is there, or neither the file nor the settings tell the edge of a voxel.
    OperandoError
        If a setting is wrong.
    """
    edges, remarks = _edges(found, voxel_size)
    grey = _lazy(found)
    coords = {
        name: (name, (np.arange(size) + 0.5) * edge) for name, size, edge in zip(PLACES, grey.shape, edges, strict=True)
    }
    if max(edges) - min(edges) > _SAME * max(edges):
        remarks.append("the edges of a voxel differ: voxel_size is that of a cube of its volume")
        edge = float(np.cbrt(np.prod(edges)))
    else:
        edge = float(edges[0])
    ds = xr.Dataset({"grey": (PLACES, grey)}, {**coords, "voxel_size": edge, **_common(found, "z")})
    ds["grey"].attrs["units"] = "1"
    return _described(ds, found, remarks, layout=RAW, reader=reader, settings=settings)


def projections(
    found: Found, beam: Beam, *, reader: str, settings: Mapping[str, Any], voxel_size: Size | None
) -> xr.Dataset:
    """Return projections as every reader gives them.

    Raises
    ------
    FileError
        If no frame is there, or neither the file nor the settings tell the edge of a pixel.
    OperandoError
        If a setting is wrong.
    """
    edges, remarks = _edges(found, voxel_size)
    ds = xr.Dataset(
        {"projections": (("angle", "y", "x"), _lazy(found))},
        {"angle": ("angle", beam.angle), "pixel_size": float(edges[-1]), **_common(found, "angle")},
    )
    for name, images in (("flat", beam.flat), ("dark", beam.dark)):
        if images is not None and images.shape[1:] != found.source.shape[1:]:
            wanted = f"a {name} of {found.source.shape[1:]} pixels as the projections"
            raise FileError(found.path, wanted, str(images.shape[1:]), place=name)
        if images is not None:
            ds[name] = images
    if beam.flat_after is not None:
        about = {"units": "1", "long_name": "projections taken before each image of the beam alone"}
        ds = ds.assign_coords(flat_after=("flat_frame", beam.flat_after, about))
    return _described(ds, found, remarks, layout=PROJECTIONS, reader=reader, settings=settings)


def _lazy(found: Found) -> Any:
    if all(number == MISSING for number in found.order):
        why = found.remarks[0] if found.remarks else "none"
        raise FileError(found.path, "a slice that can be read", why, remedy="copy the files again")
    return lazily(Picked(found.source, found.order, native(found.source.dtype)), found.grain)


def _common(found: Found, along: str) -> dict[str, Any]:
    reasons = int(found.flag) | int(np.bitwise_or.reduce(found.frame_flag, initial=0))
    reasons |= int(Flag.no_time) if np.isnat(found.span.middle) else 0
    return {
        "time_start": found.span.start,
        "time": found.span.middle,
        "time_end": found.span.end,
        "source": xr.Variable((), np.array(found.path.name, dtype=object)),
        "images": xr.Variable((), np.array("\n".join(found.images), dtype=object)),
        "flag": ((), np.int32(reasons), flags.attrs()),
        "frame_flag": (along, found.frame_flag.astype(np.int32), flags.attrs()),
    }


def _edges(found: Found, given: Size | None) -> tuple[tuple[float, ...], list[str]]:
    """Return the edges of a voxel along z, y, x: as given, else as the file states them."""
    stated = found.voxel
    if given is None:
        if stated is None:
            raise FileError(found.path, "the edge of a voxel", "none in the file", remedy=_REMEDY)
        return stated, []
    edges = _three(found.path, given)
    if stated is not None and not np.allclose(edges, stated, rtol=_SAME, atol=0):
        said = f"the file states a voxel of {_said(stated)} um, the settings {_said(edges)} um, which is taken"
        warnings.warn(OperandoWarning(f"{found.path}: {said}"), stacklevel=2)
        return edges, [said]
    return edges, []


def _three(path: Path, given: Size) -> tuple[float, ...]:
    listed: list[Any] = list(given) if isinstance(given, list | tuple) else [given] * 3
    numbers = [isinstance(edge, int | float) and not isinstance(edge, bool) and 0 < edge < np.inf for edge in listed]
    if len(listed) != 3 or not all(numbers):
        raise OperandoError(f"{path}: voxel_size: expected um, one number or three (z, y, x), got {given!r}")
    return tuple(float(edge) for edge in listed)


def _said(edges: Sequence[float]) -> str:
    return f"{edges[0]:g}" if max(edges) == min(edges) else " x ".join(f"{edge:g}" for edge in edges)


def _described(
    ds: xr.Dataset, found: Found, remarks: Sequence[str], *, layout: Layout, reader: str, settings: Mapping[str, Any]
) -> xr.Dataset:
    meanings, units = layout.long_names(), layout.units()
    for name in ds.variables:
        ds[name].attrs.setdefault("long_name", meanings.get(str(name), str(name)))
        if str(name) in units:
            ds[name].attrs["units"] = units[str(name)]
    ds.attrs |= {
        "format": reader,
        "metadata": json.dumps(dict(found.metadata), ensure_ascii=False, default=str),
        "settings": json.dumps({"reader": reader, **settings}, ensure_ascii=False),
        **found.span.attributes(),
    }
    said = [*found.remarks, *remarks]
    if said:
        more = [f"and {len(said) - _MOST_REMARKS} more"] if len(said) > _MOST_REMARKS else []
        ds.attrs["remarks"] = json.dumps([*said[:_MOST_REMARKS], *more], ensure_ascii=False)
    size = "voxel_size" if "voxel_size" in ds.coords else "pixel_size"
    return recorded(ds, "tomo.read", {"reader": reader, **settings, f"{size}_taken": float(ds[size])})
