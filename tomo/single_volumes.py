"""Single volumes of a series: which of their phases and voxels are known, and the coordinates of tables of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from operando.errors import OperandoError

from .counted_voxels import kept_slices
from .layout import PLACES
from .phases import named_phases, phase_names
from .voxels import voxel

LONGEST = 4.0
"""Edge of a voxel over another, at most: normals are those within the same length along each."""

At = dict[Hashable, int]
Coords = dict[Hashable, Any]


def single_volumes(volume: xr.DataArray) -> Iterator[tuple[At, xr.DataArray]]:
    """Yield every volume of a series, and its place along the leading dims."""
    leading = volume.dims[: -len(PLACES)]
    for place in np.ndindex(volume.shape[: -len(PLACES)]):
        at: At = dict(zip(leading, place, strict=True))
        yield at, volume.isel(at)


def phase_values(
    labels: xr.DataArray, names: Sequence[str] | Mapping[int, str] | None, step: str
) -> dict[int, str] | None:
    """Return ``{label: name}`` of the phases as stated, else by the attributes; None where labels have no names.

    Raises
    ------
    OperandoError
        If names are not as many as labels, or repeated.
    """
    if isinstance(names, Mapping):
        return dict(zip(map(int, names), phase_names(len(names), list(names.values()), step), strict=True))
    known = named_phases(labels)
    if names is None:
        return known
    if known is None:
        raise OperandoError(
            f"{step}: expected names = {{label: name}} of labels without flag_values, got {list(names)}"
        )
    return dict(zip(known, phase_names(len(known), names, step), strict=True))


def known_voxels(
    volume: xr.DataArray, mask: xr.DataArray | None, at: At, called: Mapping[int, str] | None
) -> xr.DataArray | None:
    """Return the voxels of one volume that count, None where all do.

    They lie in the mask and in slices without a flag, and have a phase with a name, or a grey level at all.
    """
    found: xr.DataArray | None = None
    if called is not None:
        found = volume.isin(list(called))
    if volume.dtype.kind == "f":
        found = volume.notnull()
    if mask is not None:
        own = mask.isel({name: place for name, place in at.items() if name in mask.dims})
        found = own if found is None else found & own.data
    slices = kept_slices(volume).to_numpy()
    if not slices.all():
        column = xr.DataArray(slices, dims="z")
        whole = xr.ones_like(volume, bool) if found is None else found
        found = whole.reset_coords(drop=True).drop_vars(list(whole.indexes)) & column
    return None if found is None else found.transpose(*PLACES)


def phase_number(labels: xr.DataArray, phase: int | str, called: Mapping[int, str] | None, step: str) -> int:
    """Return the label of a phase, by its name or number.

    Raises
    ------
    OperandoError
        If there is no such name, or no such number among those with names.
    """
    if labels.dtype.kind not in "iub":
        raise OperandoError(f"{step}: expected labels of phases, got {labels.dtype}; see tomo.segment")
    numbers = {name: number for number, name in (called or {}).items()}
    if isinstance(phase, str) and phase in numbers:
        return numbers[phase]
    if isinstance(phase, str) or (called is not None and int(phase) not in called):
        raise OperandoError(f"{step}: expected a phase among {called or 'numbers'}, got {phase!r}")
    return int(phase)


def check_extent(volume: xr.DataArray, step: str) -> None:
    """Refuse a volume that is a single voxel thick.

    Raises
    ------
    OperandoError
        If it is.
    """
    if min(volume.sizes[name] for name in PLACES) <= 1:
        raise OperandoError(f"{step}: expected a volume of two voxels or more along z, y, x, got {dict(volume.sizes)}")


def even_edges(volume: xr.DataArray, step: str) -> tuple[float, float, float]:
    """Return the edges of a volume's voxels, none of them above ``LONGEST`` times another.

    Raises
    ------
    OperandoError
        If one is.
    """
    size = voxel(volume, step)
    if max(size.edges) > LONGEST * min(size.edges):
        came = " x ".join(f"{edge:g}" for edge in size.edges)
        raise OperandoError(
            f"{step}: expected voxels at most {LONGEST:g} times as long as wide, got {came} {size.units}; resample the "
            "volume first"
        )
    return size.edges


def series_coords(volume: xr.DataArray) -> Coords:
    """Return the coordinates of a series that do not run through its volumes."""
    leading = set(volume.dims[: -len(PLACES)])
    return {name: one for name, one in volume.coords.items() if set(one.dims) <= leading}


def object_coords(volume: xr.DataArray, counts: Sequence[int]) -> Coords:
    """Return, for a table of all objects of a series, the place in it of the volume that each lies in.

    ``counts`` are the objects of each volume.
    """
    leading = volume.dims[: -len(PLACES)]
    places = np.array(list(np.ndindex(volume.shape[: -len(PLACES)]))).reshape(len(counts), -1)
    rows = np.repeat(places, counts, axis=0)
    return {
        name: ("object", rows[:, column], {"units": "1", "long_name": f"index along {name}"})
        for column, name in enumerate(leading)
    }
