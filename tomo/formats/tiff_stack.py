"""The pages of one TIFF file as a volume: which page is which slice, which are missing or of another kind."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError, OperandoError
from operando.flags import Flag

from .frames import MISSING, MOST_FRAMES, few_values, frame, judged, require_size
from .scan import Found, placed
from .tiff_pages import Facts, InOnePiece, Pages, Slices, breaks_off, facts, opened, tags_lost, told
from .tiff_sizes import voxel

Axes = list[tuple[str, int]]
_BYTES = (8, 16, 32, 64)
_MOST_EMPTY = 1000


def of_file(
    path: Path, *, channel: int | None, time_point: int | None, slices: int | None, full_scale: float | None
) -> Found:
    """Return what a TIFF file of many pages holds.

    Raises
    ------
    FileError
        If it holds no volume, several of them and none is named, or nothing of it can be read.
    """
    with opened(path) as file:
        axes, pages = _axes(path, file)
        wanted = _chosen(path, axes, channel, time_point)
        edges, of_size = voxel(path, file)
        remarks: list[str] = []
        described = {"description": str(file.pages[0].description)[:2000]}
        if len(file.pages) == 1 and wanted.size > 1:
            found = _in_one_piece(path, file, wanted, slices, full_scale)
        else:
            known = _facts(path, file, [pages[at] if at < len(pages) else MISSING for at in wanted], remarks)
            found = sorted_out(path, Pages, range(wanted.size), known, remarks, slices=slices, full_scale=full_scale)
            lost = int((wanted >= len(pages)).sum())
            if lost:
                remarks.append(f"{lost} slices of {wanted.size} are not in the file")
                found = replace(found, flag=found.flag | Flag.truncated)
        if tags_lost(file, file.pages[0]):
            remarks.append("a part of what the file says of itself is lost: is the edge of a voxel right?")
            found = replace(found, flag=found.flag | Flag.truncated)
        if breaks_off(file):
            remarks.append(f"the file breaks off behind page {len(file.pages)}")
            found = replace(found, flag=found.flag | Flag.truncated)
    return replace(found, voxel=edges, remarks=[*of_size, *remarks, *found.remarks], metadata=described)


def sorted_out(
    path: Path,
    source: type[Pages | Slices],
    at: Sequence[int],
    known: Sequence[tuple[Any, Facts | None]],
    remarks: list[str],
    *,
    slices: int | None,
    full_scale: float | None,
) -> Found:
    """Return a volume of single images, of which each is known by its number or name and what it is.

    Those of another size or type than most, or that cannot be read, keep their place and are missing.

    Raises
    ------
    FileError
        If no image can be read, or less than half of them are of one kind.
    """
    kinds = Counter((one.size, one.dtype) for _, one in known if one is not None)
    if not kinds:
        got = remarks[0] if remarks else "none"
        raise FileError(path, "a slice that can be read", got, remedy="copy it again")
    (size, dtype), often = kinds.most_common(1)[0]
    if 2 * often < sum(kinds.values()):
        got = " and ".join(f"{height} x {width} ({kind})" for (height, width), kind in list(kinds)[:3])
        raise FileError(path, "slices of one size and type", got, remedy="take the others out, or state 'pattern'")
    sound = [
        (where, key, one)
        for where, (key, one) in zip(at, known, strict=True)
        if one is not None and (one.size, one.dtype) == (size, dtype)
    ]
    for key, one in known:
        if one is not None and (one.size, one.dtype) != (size, dtype):
            remarks.append(f"{key}: {one.size} pixels ({one.dtype}), not {size} ({dtype}) as the others")
    frames = source(path, tuple(key for _, key, _ in sound), size, dtype)
    flags = np.full(max(at) + 1, int(Flag.missing_frame), np.int32)
    samples = [one.sample for _, _, one in sound]
    flags[[where for where, _, _ in sound]] = judged(samples, lambda number: frame(frames, number), full_scale)
    order, frame_flag, why, said = placed(path, flags, slices)
    index = np.full(max(flags.size, len(order)), MISSING)
    index[[where for where, _, _ in sound]] = np.arange(len(sound))
    return Found(
        path,
        frames,
        tuple(index[: len(order)].tolist()),
        frame_flag,
        (1, *size),
        flag=why,
        remarks=said,
    )


def _axes(path: Path, file: Any) -> tuple[Axes, list[int]]:
    """Return the axes that pages run along, the slowest first, and the pages in that order (``MISSING`` if lost)."""
    there, empty = [], 0
    # By their number: only who asks for that is told by tifffile of pages that lead back to one another.
    for number in range(len(file.pages)):
        page = file.pages[number]
        empty += not page.imagewidth
        if empty > _MOST_EMPTY:
            raise FileError(path, "images in the pages", f"{empty} pages without a width", remedy="copy it again")
        if not page.is_reduced:
            there.append(number)
    if file.is_imagej:
        stated = file.imagej_metadata or {}
        axes = [
            (name, _count(stated.get(key, 1)))
            for name, key in zip("tzc", ("frames", "slices", "channels"), strict=True)
        ]
        if math.prod(size for _, size in axes) != _count(stated.get("images", 1)):
            axes = [("z", _count(stated.get("images", len(there))))]
        return axes, there
    if file.is_ome:
        # Once its series are asked for, a file forgets what its pages are: another one is asked.
        with opened(path) as other:
            series = other.series[0]
            named = zip(series.axes, series.shape, strict=True)
            axes = [(name.lower(), size) for name, size in named if name not in "YX"]
            own = [page is not None and page.parent is other for page in series.pages]
            return axes, [page.index if here else MISSING for page, here in zip(series.pages, own, strict=True)]
    shape = (file.shaped_metadata or [{}])[0].get("shape", ())
    fits = 3 <= len(shape) <= 5 and tuple(shape[-2:]) == file.pages[0].shape
    leading = [_count(size) for size in shape[:-2]] if fits else [1]
    if math.prod(leading) < len(there):
        return [("z", len(there))], there
    return [*zip("tcz"[-len(leading) :], leading, strict=True)], there


def _count(value: Any) -> int:
    if isinstance(value, int) and value > MOST_FRAMES:
        raise ValueError(f"{value} images declared")
    return value if isinstance(value, int) and value > 0 else 1


def _chosen(path: Path, axes: Axes, channel: int | None, time_point: int | None) -> NDArray[np.int64]:
    """Return the numbers of the pages of the slices of one volume."""
    sizes = dict(axes)
    if sizes.get("z", 1) == 1 and sizes.get("c", 1) == 1 and sizes.get("t", 1) > 1 and time_point is None:
        axes = [("z", size) if name == "t" else ("one", size) for name, size in axes]
        sizes = dict(axes)
    for key, name, given in (("channel", "c", channel), ("time_point", "t", time_point)):
        if given and name not in sizes:
            raise OperandoError(f"{path}: {key}: expected 0, since there is only one, got {given!r}")
    if math.prod(size for _, size in axes) > MOST_FRAMES:
        raise FileError(path, f"at most {MOST_FRAMES} slices", " x ".join(str(size) for _, size in axes))
    numbers = np.arange(math.prod(size for _, size in axes)).reshape([size for _, size in axes])
    wanted: list[int | slice] = []
    for name, size in axes:
        key, given = {"c": ("channel", channel), "t": ("time_point", time_point)}.get(name, ("", None))
        if given is None and name not in ("z", "one") and size > 1:
            raise FileError(
                path, "one volume", f"{size} along {name}", remedy=f"state {key or name} = 0, or another one"
            )
        if given is not None and not (isinstance(given, int) and 0 <= given < size):
            raise OperandoError(f"{path}: {key}: expected a number from 0 to {size - 1}, got {given!r}")
        wanted.append(slice(None) if name == "z" else given or 0)
    return np.atleast_1d(numbers[tuple(wanted)])


def _facts(path: Path, file: Any, numbers: Sequence[int], remarks: list[str]) -> list[tuple[int, Facts | None]]:
    size, known = file.filehandle.size, []
    for number in numbers:
        one = None
        if number != MISSING:
            try:
                with told(path, f"page {number + 1}"):
                    one = facts(path, file.pages[number], size, f"page {number + 1}")
            except FileError as error:
                remarks.append(f"page {number + 1}: expected {error.expected}, got {error.got}")
        known.append((number, one))
    return known


def _in_one_piece(
    path: Path, file: Any, wanted: NDArray[np.int64], slices: int | None, full_scale: float | None
) -> Found:
    """Return a volume of which only the first page is described, the others follow it."""
    page = file.pages[0]
    if len(page.shape) != 2 or page.compression != 1 or page.bitspersample not in _BYTES or page.dtype is None:
        raise FileError(path, "grey images, not packed", f"shape {page.shape} of {page.bitspersample} bits")
    require_size(path, (wanted.size, *page.shape))
    dtype = page.dtype.newbyteorder(file.byteorder)
    there = (file.filehandle.size - page.dataoffsets[0]) // (dtype.itemsize * math.prod(page.shape))
    if there < 1:
        raise FileError(path, "a whole image", "one that breaks off", remedy="copy it again")
    source = InOnePiece(path, page.dataoffsets[0], (there, *page.shape), dtype)
    own = wanted[wanted < there]
    few = [few_values(source, slice(at, at + 1)) for at in own]
    flags = np.full(wanted.size, int(Flag.missing_frame), np.int32)
    flags[: own.size] = judged(few, lambda number: frame(source, int(own[number])), full_scale)
    order, frame_flag, why, said = placed(path, flags, slices)
    index = np.full(max(wanted.size, len(order)), MISSING)
    index[: own.size] = own
    lost = Flag.truncated if own.size < min(wanted.size, len(order)) else Flag(0)
    said += [f"{own.size} slices of {wanted.size} are in the file"] if lost else []
    return Found(
        path, source, tuple(index[: len(order)].tolist()), frame_flag, (1, *page.shape), flag=why | lost, remarks=said
    )
