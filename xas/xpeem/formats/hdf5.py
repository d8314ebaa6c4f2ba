"""HDF5 files with one stack: an array of frames, the energies, and what else is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando import hdf5
from operando.errors import FileError, OperandoError
from operando.hdf5 import Node
from operando.header_times import Span, moment
from operando.history import recorded
from operando.sniff import Format, Head
from operando.units import DIMENSIONLESS, convert

from .frames import Frame, Image, require_positive, require_size
from .hdf5_tree import QUANTITIES, dataset, guess, numbers, text
from .log_times import TIME_KEYS, after, spanned
from .stack import Found, Times, stack


@dataclass(frozen=True)
class Hdf5Frame:
    """One image of an array in an HDF5 file."""

    path: Path
    dataset: str
    index: int

    def read(self) -> Image:
        """Return the image, dims (y, x).

        Raises
        ------
        FileError
            If the array is not there any more or is damaged.
        """
        with hdf5.opened(self.path, again=True) as root:
            return dataset(root, self.dataset).part(self.index)


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    datasets: Mapping[str, str] | None = None,
    time: Mapping[str, Any] | None = None,
    pixel_size: float | None = None,
    full_scale: float | None = None,
) -> xr.Dataset:
    """Return the stack in an HDF5 file.

    Parameters
    ----------
    path
        The file.
    timezone
        Zone of the start in the file, such as ``"Europe/Paris"``, where it has none.
    datasets
        ``{name: path in the file}`` with the names ``frames`` (frame, y, x), ``energy``, ``i0``, ``time`` (s after the
        start), ``flat``, ``dark``, ``pixel_size`` and ``start``; ``/entry@start_time`` is an attribute. What is not
        given is looked for: the one array of images, and datasets with the usual names and of fitting length.
    time
        ``marks``: whether a frame's time is its ``"middle"`` (the default), ``"start"`` or ``"end"``; ``duration``: s
        per frame, by default the median step; ``format`` of the start as strptime takes it.
    pixel_size
        Edge of a pixel on the sample, um, if the file does not say it.
    full_scale
        Counts at which the camera is full, by default the largest number of the array's type.

    Returns
    -------
    xarray.Dataset
        ``counts`` (energy, y, x), lazy, and what else is known. A frame that was never written is flagged and 0;
        frames beyond the energies are left out and flagged.

    Raises
    ------
    FileError
        If there are no frames or energies, one of them has another size, a link leads out of the file's folder, or
        the file declares far more images than it can hold.
    OperandoError
        If a setting is unknown.
    """
    path = Path(path)
    _require_keys(path, "datasets", datasets, QUANTITIES)
    _require_keys(path, "time", time, TIME_KEYS)
    require_positive(path, "pixel_size", pixel_size)
    require_positive(path, "full_scale", full_scale)
    given = {"timezone": timezone, "datasets": datasets, "time": time, "pixel_size": pixel_size}
    settings = {name: value for name, value in {**given, "full_scale": full_scale}.items() if value is not None}
    with hdf5.opened(path) as root:
        places = {**guess(root), **(datasets or {})}
        frame_time, span = _times(root, places, timezone, time or {})
        found = replace(_found(root, places), frame_time=frame_time, span=span)
        found = found if pixel_size is None else replace(found, pixel_size=pixel_size)
        _require_one_a_frame(found, places)
    ds = stack(found, reader="hdf5", settings=settings, full_scale=full_scale)
    return recorded(ds, "xas.xpeem.read", {"reader": "hdf5", **settings, "places": places})


def recognizes(start: Head) -> bool:
    """Whether the file is HDF5 and holds images and energies of one stack."""
    if not hdf5.is_hdf5(start):
        return False
    try:
        with hdf5.opened(start.path) as root:
            return {"frames", "energy"} <= guess(root).keys()
    except OperandoError:
        return False


def _require_keys(path: Path, name: str, value: Mapping[str, Any] | None, known: tuple[str, ...]) -> None:
    if not isinstance(value, Mapping | None):
        raise OperandoError(f"{path}: {name}: expected a table {{ ... }}, got {value!r}")
    unknown = [key for key in value or {} if key not in known]
    if unknown:
        raise OperandoError(f"{path}: {name}: expected keys among {', '.join(known)}, got {unknown[0]!r}")


def _found(root: Node, places: Mapping[str, str]) -> Found:
    """Return what a file holds, its times apart."""
    path = root.file
    for name in ("frames", "energy"):
        if name not in places:
            remedy = f"name it in the recipe: read = {{ datasets = {{ {name} = '/path/in/the/file' }} }}"
            raise FileError(path, f"a dataset with the {name}", "none that can be told", remedy=remedy)
    images = dataset(root, places["frames"])
    shape = images.shape or ()
    if len(shape) != 3 or images.item.dtype.kind not in "uif":
        raise FileError(path, "an array of images", f"shape {shape}", place=places["frames"])
    require_size(path, *shape[1:], place=places["frames"])
    energy, unit = numbers(root, places["energy"], 1)
    count = energy.size
    frames: list[Frame | None] = [Hdf5Frame(path, places["frames"], at) for at in range(min(count, shape[0]))]
    i0, i0_unit = numbers(root, places["i0"], 1) if "i0" in places else (None, "")
    size, size_unit = numbers(root, places["pixel_size"], 0) if "pixel_size" in places else (None, "")
    return Found(
        path,
        [*frames, *[None] * (count - len(frames))],
        convert(energy, unit or "eV", "eV"),
        i0=i0,
        flat=_image(root, places.get("flat")),
        dark=_image(root, places.get("dark")),
        pixel_size=None
        if size is None or not (size > 0).all()
        else float(convert(size, size_unit or "um", "um").item()),
        surplus=[f"{places['frames']}[{at}]" for at in range(count, shape[0])],
        i0_units=i0_unit or DIMENSIONLESS,
        metadata={str(name): str(root.attribute(name)) for name in root.item.attrs},
    )


def _require_one_a_frame(found: Found, places: Mapping[str, str]) -> None:
    for name, values in (("i0", found.i0), ("time", found.frame_time)):
        if values is not None and values.size != found.energy.size:
            expected = f"{found.energy.size} values as there are energies"
            raise FileError(found.path, expected, str(values.size), place=places[name])


def _times(
    root: Node, places: Mapping[str, str], timezone: str | None, time: Mapping[str, Any]
) -> tuple[Times | None, Span]:
    """Return the middle of every frame and the span of the stack, from its start and what passed since."""
    said, path = text(root, places["start"]) if "start" in places else "", root.file
    start = moment(path, said, timezone, time.get("format")) if said else None
    if said and start is None:
        return None, Span(local=said, note="local time without a zone: not used")
    if start is None or "time" not in places:
        return None, Span() if start is None else Span(start, start, note="start only: the time is that of the start")
    elapsed, unit = numbers(root, places["time"], 1)
    return spanned(path, after(start, convert(elapsed, unit or "s", "s")), {"marks": "middle", **time})


def _image(root: Node, place: str | None) -> Image | None:
    """Return an image, or the mean of several."""
    if place is None:
        return None
    array = dataset(root, place)
    shape = array.shape or ()
    if len(shape) not in (2, 3) or array.item.dtype.kind not in "uif" or 0 in shape:
        raise FileError(root.file, "an image, or several to be averaged", f"shape {shape}", place=place)
    require_size(root.file, *shape[-2:], place=place)
    if len(shape) == 2:
        return array.numbers()
    total = np.zeros(shape[1:])
    for at in range(shape[0]):
        total += array.part(at)
    return total / shape[0]


HDF5 = Format(
    name="hdf5",
    technique="xpeem",
    about="HDF5 with the frames of a stack and their energies",
    recognizes=recognizes,
    read=read,
    lazy=True,
)
