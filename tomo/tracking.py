"""Objects through a series of label images: identity, size and what happens to them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .identities import Event, Kind, Tracks, tracked
from .label_overlaps import Objects, Overlaps, objects, overlaps
from .layout import PLACES
from .voxels import Voxel, as_volume, voxel

_STEP = "tomo.track"
_VECTOR = "axis"


def track(
    labels: xr.DataArray,
    displacement: xr.DataArray | None = None,
    *,
    smallest_share: float = 0.1,
    gap: int = 0,
    smallest_change: float = 0.1,
) -> xr.Dataset:
    """Follow the objects of a series: which is which from scan to scan, and what happens to them.

    Parameters
    ----------
    labels
        Numbers of objects, 0 outside, dims (scan, z, y, x), lazy or in memory. Numbers of different scans need have
        nothing to do with each other.
    displacement
        How far what lies at a voxel has moved since the scan before, in the unit of the voxels: dims scan and axis
        (z, y, x), or scan, axis, z, y, x. What it says of the first scan does not count. None by default.
    smallest_share
        Two objects of consecutive scans belong together if they share at least this part of the smaller one.
    gap
        Scans for which an object may be lost and still be recognized where it reappears.
    smallest_change
        Relative change of volume that counts as growth or shrinkage. What merges or splits is taken together.

    Returns
    -------
    xarray.Dataset
        For each ``scan`` and ``track``: ``object`` (its number, 0 where there is none), ``volume`` (0 there) and
        ``event``, a bitmask. For each ``track``, numbered from 1 in the order of first scan and first voxel:
        ``first_scan`` and ``last_scan`` (from 0), ``parent`` (the track that it split from, 0: none), ``merged_into``
        (0: none). For each ``link`` of two overlapping objects: their scans, objects and tracks, ``link_volume`` (what
        they share), ``link_share`` (of the smaller one) and ``link_kind``.

    Raises
    ------
    OperandoError
        If dims are missing, labels are no integers, or a setting lies outside its range.

    Notes
    -----
    Overlaps are taken from the largest down; of equal ones the older track's first. Each gives the object the track of
    the one before, unless either has been given away, or another object after it holds twice as much of the one before:
    a crumb beside what two cracks have merged into is neither of them. An object that is left without, but overlaps one
    before, has split off that which it overlaps most; one before that is left without an heir, but overlaps one after,
    has merged into that; one without any overlap after it has healed, or fell below what can be seen. Tracks that are
    there in the first scan have no birth. Labels are moved to whole voxels.

    Examples
    --------
    An object that grows:

    >>> import numpy as np, xarray as xr
    >>> from operando import tomo
    >>> labels = xr.DataArray(np.zeros((2, 8, 8, 8), int), dims=("scan", "z", "y", "x"))
    >>> labels[0, 2:4, 2:4, 2:4] = labels[1, 2:4, 2:4, 2:6] = 1
    >>> print(tomo.track(labels)["volume"].values.ravel().tolist())
    [8.0, 16.0]
    """
    series, size = _series(labels), voxel(labels, _STEP)
    moved = _displacement(displacement, series)
    _check(smallest_share, gap, smallest_change)
    scans = [objects(series.isel(scan=number)) for number in range(series.sizes["scan"])]
    overlapping = partial(_overlapping, series, moved, scans)
    known = tracked(scans, overlapping, share=smallest_share, gap=gap, change=smallest_change)
    found = xr.Dataset({**_by_scan(known, scans, size), **_by_track(known), **_by_link(known, scans, size)})
    along = {name: one.variable for name, one in series.coords.items() if one.dims == ("scan",)}
    found = found.assign_coords(along).assign_coords(
        track=("track", np.arange(1, len(known.objects) + 1), {"units": "1", "long_name": "number of the track"})
    )
    settings = {
        "displacement": displacement is not None,
        "smallest_share": smallest_share,
        "gap": gap,
        "smallest_change": smallest_change,
    }
    return recorded(found, _STEP, settings, after=labels.to_dataset(name="labels").assign_attrs(labels.attrs))


def _series(labels: xr.DataArray) -> xr.DataArray:
    series = as_volume(labels, _STEP)
    if series.dims[:-3] != ("scan",):
        raise OperandoError(f"{_STEP}: expected labels with the dims scan, z, y and x, got {tuple(labels.dims)}")
    if series.dtype.kind not in "iu":
        raise OperandoError(f"{_STEP}: expected labels that are integers, got values of type {series.dtype}")
    return series


def _check(share: float, gap: int, change: float) -> None:
    if not 0 < share <= 1:
        raise OperandoError(f"{_STEP}: expected a smallest_share above 0 and at most 1, got {share:g}")
    if gap < 0:
        raise OperandoError(f"{_STEP}: expected a gap of 0 scans or more, got {gap}")
    if not change >= 0:
        raise OperandoError(f"{_STEP}: expected a smallest_change of 0 or more, got {change:g}")


def _displacement(displacement: xr.DataArray | None, series: xr.DataArray) -> xr.DataArray | None:
    if displacement is None:
        return None
    field = [name for name in PLACES if name in displacement.dims]
    wanted = {"scan": series.sizes["scan"], _VECTOR: len(PLACES), **{name: series.sizes[name] for name in field}}
    if dict(displacement.sizes) != wanted or len(field) not in (0, len(PLACES)):
        raise OperandoError(
            f"{_STEP}: expected a displacement with the dims scan, axis (and z, y, x) of sizes as the labels have, "
            f"got {dict(displacement.sizes)}"
        )
    return displacement.transpose("scan", _VECTOR, *field)


def _overlapping(
    series: xr.DataArray,
    displacement: xr.DataArray | None,
    scans: list[Objects],
    one: int,
    other: int,
) -> Overlaps:
    """Return the overlaps of two scans; over a gap, displacements are added up."""
    moved: xr.DataArray | NDArray[np.float64] = np.zeros(len(PLACES))
    if displacement is not None:
        total = displacement.isel(scan=slice(one + 1, other + 1)).sum("scan")
        moved = total if total.ndim > 1 else total.to_numpy().astype(np.float64)
    return overlaps(
        series.isel(scan=one), series.isel(scan=other), (scans[one], scans[other]), moved, voxel(series, _STEP).edges
    )


def _by_scan(known: Tracks, scans: list[Objects], size: Voxel) -> dict[str, Any]:
    shape = len(scans), len(known.objects)
    number, volume, event = np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape, np.int32)
    for row, (one, tracks) in enumerate(zip(scans, known.of_objects, strict=True)):
        number[row, tracks - 1] = one.number
        volume[row, tracks - 1] = one.voxels * size.volume
    for (row, track_number), what in known.events.items():
        event[row, track_number - 1] = int(what)
    both = ("scan", "track")
    meanings = {"flag_masks": [int(one) for one in Event], "flag_meanings": " ".join(str(one.name) for one in Event)}
    return {
        "object": (both, number, {"units": "1", "long_name": "number of the object, 0: not there"}),
        "volume": (both, volume, {"units": f"{size.units}^3", "long_name": "volume of the object"}),
        "event": (both, event, {"units": "1", "long_name": "what happened since the scan before", **meanings}),
    }


def _by_track(known: Tracks) -> dict[str, Any]:
    columns = {
        "first_scan": ([min(one) for one in known.objects], "first scan with the object, from 0"),
        "last_scan": ([max(one) for one in known.objects], "last scan with the object, from 0"),
        "parent": ([known.parent[one + 1] for one in range(len(known.objects))], "track it split from, 0: none"),
        "merged_into": (
            [known.merged_into.get(one + 1, 0) for one in range(len(known.objects))],
            "track it merged into, 0: none",
        ),
    }
    return {
        name: ("track", np.array(values, np.int64), {"units": "1", "long_name": meaning})
        for name, (values, meaning) in columns.items()
    }


def _by_link(known: Tracks, scans: list[Objects], size: Voxel) -> dict[str, Any]:
    columns: dict[str, tuple[list[Any], str]] = {}
    for side, name in enumerate(("from", "to")):
        places = [(link.scans[side], link.objects[side]) for link in known.links]
        columns[f"{name}_scan"] = ([scan for scan, _ in places], f"scan {name} which the link leads")
        columns[f"{name}_object"] = ([int(scans[scan].number[place]) for scan, place in places], "object there")
        columns[f"{name}_track"] = ([link.tracks[side] for link in known.links], "track there")
    kinds = {"flag_values": [int(one) for one in Kind], "flag_meanings": " ".join(str(one.name) for one in Kind)}
    whole = {
        name: ("link", np.array(values, np.int64), {"units": "1", "long_name": meaning})
        for name, (values, meaning) in columns.items()
    }
    volume = np.array([link.voxels for link in known.links], np.float64) * size.volume
    return {
        **whole,
        "link_volume": ("link", volume, {"units": f"{size.units}^3", "long_name": "volume that both objects fill"}),
        "link_share": (
            "link",
            np.array([link.share for link in known.links], np.float64),
            {"units": "1", "long_name": "share of the smaller object"},
        ),
        "link_kind": (
            "link",
            np.array([int(link.kind) for link in known.links], np.int32),
            {"units": "1", "long_name": "what the overlap means", **kinds},
        ),
    }
