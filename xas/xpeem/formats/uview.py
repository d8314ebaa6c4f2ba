"""Elmitec UView ``.dat`` files: a stack in one file, or in many of one image each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import xarray as xr

from operando.errors import FileError, OperandoError
from operando.history import recorded
from operando.sniff import Format, Head
from operando.units import DIMENSIONLESS, convert, parse, registry

from .frames import Frame, Image, beside, relative_name, require_positive
from .log_times import spanned
from .stack import Floats, Found, stack
from .tiff import SUFFIXES, TiffFrame
from .uview_header import MAGIC, ImageHeader, read_headers

ENERGY_TAGS = ("photon energy", "hv", "mono energy", "mono", "energy")
I0_TAGS = ("i0", "mirror current", "mesh current")


@dataclass(frozen=True)
class UViewFrame:
    """One image of a UView file."""

    path: Path
    offset: int
    height: int
    width: int

    def read(self) -> Image:
        """Return the image, dims (y, x), the upper row first.

        Raises
        ------
        FileError
            If the file ends before it.
        """
        count = self.height * self.width
        try:
            pixels = np.fromfile(self.path, "<u2", count, offset=self.offset)
        except OSError as error:
            raise FileError(self.path, "an image", error.strerror or str(error)) from None
        if pixels.size < count:
            raise FileError(self.path, f"{count} pixels", str(pixels.size), place=f"byte {self.offset}")
        image: Image = pixels.reshape(self.height, self.width)[::-1]
        return image


def read(
    path: str | Path,
    *,
    timezone: str | None = None,  # noqa: ARG001
    frames: str | None = None,
    energy: str | None = None,
    i0: str | None = None,
    marks: str = "start",
    flat: str | None = None,
    dark: str | None = None,
    pixel_size: float | None = None,
    full_scale: float | None = None,
) -> xr.Dataset:
    """Return the stack in a UView file, or in all the files that a pattern finds beside it.

    Parameters
    ----------
    path
        The file, or one of the files, which stands for all of them.
    timezone
        Not needed: the times in these files are UTC.
    frames
        Pattern of the files' names beside ``path``, such as ``"stack7_*.dat"``; by default the file alone.
    energy, i0
        Names of the tags with the photon energy (eV where the tag has no unit of energy) and the incoming intensity;
        by default those that usually hold them.
    marks
        Whether the time of an image is its ``"start"``, ``"middle"`` or ``"end"``.
    flat, dark
        Images beside the file (UView or TIFF).
    pixel_size
        Edge of a pixel on the sample, um.
    full_scale
        Counts at which the camera is full, by default 65535.

    Returns
    -------
    xarray.Dataset
        ``counts`` (energy, y, x), lazy. The tags of the first image are in ``metadata``.

    Raises
    ------
    FileError
        If a file is not UView, or the images say no photon energy; then name the tag, or a log with the energies.
    OperandoError
        If a setting is wrong.
    """
    path = Path(path)
    given: dict[str, Any] = {"frames": frames, "energy": energy, "i0": i0, "flat": flat, "dark": dark}
    given |= {"pixel_size": pixel_size, "full_scale": full_scale, "marks": None if marks == "start" else marks}
    settings = {name: value for name, value in given.items() if value is not None}
    require_positive(path, "pixel_size", pixel_size)
    require_positive(path, "full_scale", full_scale)
    files = _files(path, frames)
    headers, images, remarks = _headers(files)
    first = next((header for header in headers if header is not None), None)
    if first is None:
        raise FileError(path, "an image", "none that is whole", remedy="copy it again")
    tag = _tag(path, first, energy, ENERGY_TAGS, "energy")
    if tag is None:
        known = ", ".join(map(repr, first.tags)) or "none"
        remedy = f"name it by 'energy' among {known}, or read a log of energies and files instead"
        raise FileError(path, "a tag with the photon energy", "none", place="image 1", remedy=remedy)
    stated = np.array([np.datetime64("NaT", "ns") if header is None else header.time for header in headers])
    frame_time, span = spanned(path, stated, {"marks": marks})
    i0_tag = _tag(path, first, i0, I0_TAGS, "i0")
    others = {name: beside(path, name_of, given=True) for name, name_of in (("flat", flat), ("dark", dark)) if name_of}
    found = Found(
        path,
        images,
        _in_electronvolts(headers, tag),
        i0=None if i0_tag is None else _column(headers, i0_tag),
        frame_time=frame_time if not np.isnat(frame_time).all() else None,
        span=span,
        flat=_other(others.get("flat")),
        dark=_other(others.get("dark")),
        pixel_size=pixel_size,
        images=[relative_name(path, file) for file in [*(file for file in files if file != path), *others.values()]],
        i0_units=DIMENSIONLESS if i0_tag is None else first.tags[i0_tag][1] or DIMENSIONLESS,
        remarks=remarks,
        metadata=_metadata(first),
    )
    ds = stack(found, reader="uview", settings=settings, full_scale=full_scale)
    return recorded(ds, "xas.xpeem.read", {"reader": "uview", **settings, "energy": tag})


def first_frame(path: Path) -> Frame | None:
    """Return the first image of a UView file; None if there is no whole one."""
    try:
        headers, _ = read_headers(path)
    except FileError:
        return None
    return _frame(path, headers[0]) if headers else None


def recognizes(start: Head) -> bool:
    """Whether the file begins as UView's do."""
    return start.data.startswith(MAGIC)


def suggest(start: Head) -> dict[str, Any]:
    """Return the pattern of all files of a stack if this one holds a single image of it."""
    try:
        headers, count = read_headers(start.path)
    except FileError:
        return {}
    known = {name.lower() for name in headers[0].tags} if headers else set()
    return {"frames": f"*{start.path.suffix}"} if count == 1 and known & set(ENERGY_TAGS) else {}


def _files(path: Path, frames: str | None) -> list[Path]:
    if frames is None:
        return [path]
    if not isinstance(frames, str) or PurePath(frames).is_absolute() or len(PurePath(frames).parts) != 1:
        raise OperandoError(f"{path}: frames: expected a pattern of names such as '*.dat', got {frames!r}")
    files = sorted(file for file in path.parent.glob(frames) if file.is_file())
    if path not in files:
        raise OperandoError(f"{path}: frames: expected a pattern that {path.name} fits, got {frames!r}")
    return files


def _headers(files: Sequence[Path]) -> tuple[list[ImageHeader | None], list[Frame | None], list[str]]:
    """Return the headers and frames of all images; None where the file that should hold one is damaged."""
    headers: list[ImageHeader | None] = []
    images: list[Frame | None] = []
    remarks = []
    for file in files:
        try:
            whole, count = read_headers(file)
        except FileError as error:
            if len(files) == 1:
                raise
            whole, count = [], 1
            remarks.append(str(error))
        headers += [*whole, *[None] * (count - len(whole))]
        images += [*(_frame(file, header) for header in whole), *[None] * (count - len(whole))]
        if len(whole) < count:
            remarks.append(f"{file.name} ends before image {len(whole) + 1} of {count}")
    return headers, images, remarks


def _frame(file: Path, header: ImageHeader) -> UViewFrame:
    return UViewFrame(file, header.offset, header.height, header.width)


def _tag(path: Path, first: ImageHeader, given: str | None, usual: Sequence[str], what: str) -> str | None:
    """Return the name of the tag as the file has it: the one given, else the first of the usual ones."""
    names = {name.lower(): name for name in first.tags}
    if given is None:
        return next((names[name] for name in usual if name in names), None)
    if given.lower() not in names:
        known = ", ".join(map(repr, first.tags)) or "none"
        raise FileError(path, f"a tag {given!r}", known, place=what)
    return names[given.lower()]


def _column(headers: Sequence[ImageHeader | None], tag: str) -> Floats:
    values = [None if header is None else header.tags.get(tag, (None, ""))[0] for header in headers]
    return np.array([np.nan if not isinstance(value, int | float) else value for value in values], float)


def _in_electronvolts(headers: Sequence[ImageHeader | None], tag: str) -> Floats:
    """Return the photon energies; a tag that is no energy by its unit (V is what modules know) counts in eV."""
    unit = next((header.tags[tag][1] for header in headers if header is not None and tag in header.tags), "")
    try:
        known = bool(unit) and parse(unit).is_compatible_with(registry().eV)
    except OperandoError:
        known = False
    return convert(_column(headers, tag), unit, "eV") if known else _column(headers, tag)


def _other(file: Path | None) -> Image | None:
    if file is None:
        return None
    frame = TiffFrame(file) if file.suffix.lower() in SUFFIXES else first_frame(file)
    if frame is None:
        raise FileError(file, "an image", "none that is whole")
    return frame.read()


def _metadata(first: ImageHeader) -> Mapping[str, Any]:
    return {name: f"{value} {unit}".strip() for name, (value, unit) in first.tags.items() if value is not None}


UVIEW = Format(
    name="uview",
    technique="xpeem",
    about="Elmitec UView .dat, one image or many a file",
    recognizes=recognizes,
    read=read,
    suggest=suggest,
    lazy=True,
)
