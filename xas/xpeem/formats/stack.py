"""One stack from the frames of a file: energies in eV, ascending; what is odd becomes a flag."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando import flags
from operando.errors import FileError
from operando.flags import Flag
from operando.header_times import Span
from operando.units import DIMENSIONLESS, known_unit
from operando.xas.xpeem.layout import RAW

from .frames import MOST_FRAMES, Frame, Image, lazily, look

Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]
FEWEST = 3
LOWEST, HIGHEST = 30.0, 300_000.0


@dataclass(frozen=True)
class Found:
    """What a reader found of a stack, frame by frame in the order measured; None or empty where the file is silent.

    ``surplus`` frames have no energy; ``images`` are the files of all frames as seen from the stack's own file.
    """

    path: Path
    frames: Sequence[Frame | None]
    energy: Floats
    i0: Floats | None = None
    frame_time: Times | None = None
    span: Span = field(default_factory=Span)
    flat: Image | None = None
    dark: Image | None = None
    pixel_size: float | None = None
    surplus: Sequence[str] = ()
    images: Sequence[str] = ()
    i0_units: str = DIMENSIONLESS
    remarks: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


def stack(found: Found, *, reader: str, settings: Mapping[str, Any], full_scale: float | None) -> xr.Dataset:
    """Return a stack as every reader gives it.

    Raises
    ------
    FileError
        If fewer than 3 frames have an energy, the energies cannot be photon energies in eV, no frame can be read, or
        flat and dark have another size.
    """
    path, usable = found.path, np.isfinite(found.energy)
    _require_energies(path, found.energy[usable], found.energy.size)
    order = np.flatnonzero(usable)[np.argsort(found.energy[usable], kind="stable")]
    seen = look(path, [found.frames[at] for at in order], full_scale)
    frame_flag, flag = seen.flags, _of_what_is_left_out(found, usable)
    energy = found.energy[order]
    flag |= Flag.unsorted_energy if (np.diff(order) < 0).any() else Flag(0)
    flag |= Flag.duplicate_energy if (np.diff(energy) == 0).any() else Flag(0)
    flag |= Flag.no_time if np.isnat(found.span.start) else Flag(0)
    if found.i0 is None:
        flag |= Flag.no_i0
    else:
        frame_flag = frame_flag | np.where(found.i0[order] > 0, 0, int(Flag.no_i0)).astype(np.int32)
    ds = xr.Dataset(
        {"counts": (("energy", "y", "x"), lazily(seen))},
        coords={
            "energy": ("energy", energy),
            "time_start": found.span.start,
            "time": found.span.middle,
            "time_end": found.span.end,
            "source": xr.Variable((), np.array(path.name, dtype=object)),
            "images": xr.Variable((), np.array("\n".join(found.images), dtype=object)),
            "flag": ((), np.int32(int(flag) | int(np.bitwise_or.reduce(frame_flag))), flags.attrs()),
            "frame_flag": ("energy", frame_flag.astype(np.int32), flags.attrs()),
        },
        attrs={
            "format": reader,
            "metadata": json.dumps(dict(found.metadata), ensure_ascii=False, default=str),
            "settings": json.dumps({"reader": reader, **settings}, ensure_ascii=False),
        },
    )
    ds = ds.assign(_optional(found, order, seen.shape))
    if found.frame_time is not None:
        ds = ds.assign_coords(frame_time=("energy", found.frame_time[order]))
    if found.pixel_size is not None:
        ds = ds.assign_coords(pixel_size=float(found.pixel_size))
    return _described(ds, found, [*found.remarks, *_surplus(found, usable), *seen.remarks])


def _optional(found: Found, order: NDArray[np.intp], shape: tuple[int, int]) -> dict[str, Any]:
    columns: dict[str, Any] = {} if found.i0 is None else {"i0": ("energy", found.i0[order])}
    for name, image in (("flat", found.flat), ("dark", found.dark)):
        if image is not None and image.shape != shape:
            raise FileError(found.path, f"a {name} of {shape} pixels as the frames", str(image.shape), place=name)
        if image is not None:
            columns[name] = (("y", "x"), image.astype(image.dtype.newbyteorder("="), copy=False))
    return columns


def _require_energies(path: Path, energy: Floats, rows: int) -> None:
    if energy.size < FEWEST:
        raise FileError(path, f"{FEWEST} frames or more with an energy", f"{energy.size} of {rows}")
    if rows > MOST_FRAMES:
        raise FileError(path, f"at most {MOST_FRAMES} frames", str(rows))
    if not LOWEST <= np.median(energy) <= HIGHEST or energy.min() <= 0:
        spread = f"{energy.min():g} to {energy.max():g}"
        remedy = "state the unit, such as units = {energy = 'keV'}, or name the right column"
        raise FileError(path, "photon energies in eV", spread, place="energy", remedy=remedy)


def _of_what_is_left_out(found: Found, usable: NDArray[np.bool_]) -> Flag:
    """Return the flags of frames without an energy: an image too many, or one that is not there and has no place."""
    lost = [frame is None for frame, kept in zip(found.frames, usable, strict=True) if not kept]
    flag = Flag.surplus_frame if found.surplus or not all(lost) else Flag(0)
    return flag | (Flag.missing_frame if any(lost) else Flag(0))


def _surplus(found: Found, usable: NDArray[np.bool_]) -> list[str]:
    said = [f"frame {number + 1} has no energy and is left out" for number in np.flatnonzero(~usable)[:10]]
    if found.surplus:
        more = " ..." if len(found.surplus) > 10 else ""
        said.append(f"images without an energy left out: {', '.join(found.surplus[:10])}{more}")
    return said


def _described(ds: xr.Dataset, found: Found, remarks: Sequence[str]) -> xr.Dataset:
    meanings, units = RAW.long_names(), RAW.units()
    for name in ds.variables:
        ds[name].attrs.setdefault("long_name", meanings.get(str(name), str(name)))
        if str(name) in units:
            ds[name].attrs["units"] = units[str(name)]
    if "i0" in ds:
        unit, told = known_unit(found.i0_units, "i0")
        ds["i0"].attrs["units"], remarks = unit, [*remarks, *told]
    ds.attrs |= found.span.attributes()
    if remarks:
        ds.attrs["remarks"] = json.dumps(list(remarks), ensure_ascii=False)
    return ds
