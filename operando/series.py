"""Put single scans on one axis: a series."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from .errors import OperandoError
from .flags import Flag, raised
from .history import HISTORY, recorded
from .stacked_rows import stacked_rows

_SAME = 1e-6
_NOT_KEPT = (HISTORY, "metadata")
Floats = NDArray[np.float64]


def stack(
    scans: Iterable[xr.Dataset],
    axis: str = "energy",
    values: ArrayLike | None = None,
    *,
    interpolate: bool = True,
) -> xr.Dataset:
    """Return scans as one series with the dim ``scan`` first.

    A scan on the series' axis, to 1e-6 of its step, is taken as it is. One that lacks points at an end, wherever it
    was measured from, is filled with NaN and flagged as truncated. Any other is interpolated linearly, NaN outside,
    and flagged as regridded. Where names along the axis (``region``) divide it, each part is placed by itself.

    Parameters
    ----------
    scans
        Datasets with the dim ``axis`` (ascending coordinate), each with scalar coordinates such as ``time`` and
        ``source``, or each a series of its own. Variables that a scan lacks are NaN there.
    axis
        The dim that becomes common.
    values
        The axis of the series, in the unit the scans have; by default the one most scans have (of equally frequent
        ones the longest, then the first). A DataArray may bring the names of its parts.
    interpolate
        Whether scans on another axis are interpolated; images are not, since the sample may move between them. Those
        beyond the end of the axis are left out, and flagged as too many.

    Returns
    -------
    xarray.Dataset
        The scans along ``scan``, in the order given. Attributes, and entries of ``metadata``, that all scans share
        are kept; the history is that of the first scan.

    Raises
    ------
    OperandoError
        If there is no scan, a scan lacks the axis, other dims (``detector``) differ in size or names, or a scan would
        have to be interpolated and may not.

    Notes
    -----
    What is lazy in the scans (stacks of images) stays lazy in the series.
    """
    singles = [single for scan in scans for single in _singles(scan)]
    if not singles:
        raise OperandoError("stack: expected at least one scan, got none")
    for scan in singles:
        if axis not in scan.coords or scan[axis].dims != (axis,):
            raise OperandoError(
                f"stack: expected a dim {axis!r} with coordinate in {_name(scan)}, got {dict(scan.sizes)}"
            )
    common = _most_frequent([_values(scan, axis) for scan in singles]) if values is None else np.asarray(values, float)
    divided = _divided(singles, axis, common, values)
    if divided is None:
        placed = [_placed(scan, axis, common, interpolate=interpolate) for scan in singles]
    else:
        placed = [_placed_by_parts(scan, axis, common, *divided, interpolate=interpolate) for scan in singles]
    series = _joined(placed)
    series[axis].attrs = dict(singles[0][axis].attrs)
    series.attrs = _shared_attributes(singles)
    return recorded(series, "series.stack", {"axis": axis, "points": common.size})


def _singles(scan: xr.Dataset) -> list[xr.Dataset]:
    """Return the scans of a series, or the scan itself."""
    return [scan.isel(scan=i) for i in range(scan.sizes["scan"])] if "scan" in scan.dims else [scan]


def _values(scan: xr.Dataset, axis: str) -> Floats:
    return np.asarray(scan[axis].to_numpy(), dtype=np.float64)


def _name(scan: xr.Dataset) -> str:
    return str(scan["source"].item()) if "source" in scan.coords else "a scan"


def same_axis(one: Floats, other: Floats) -> bool:
    """Whether two axes agree to a small part of their step."""
    if one.size != other.size:
        return False
    step = float(np.median(np.diff(one))) if one.size > 1 else 1.0
    return bool(np.all(np.abs(one - other) <= _SAME * step))


def _most_frequent(axes: Sequence[Floats]) -> Floats:
    kinds: list[tuple[Floats, int]] = []
    for values in axes:
        at = next((k for k, (kind, _) in enumerate(kinds) if same_axis(kind, values)), None)
        if at is None:
            kinds.append((values, 1))
        else:
            kinds[at] = (kinds[at][0], kinds[at][1] + 1)
    return max(kinds, key=lambda kind: (kind[1], kind[0].size))[0]


def _divided(
    scans: Sequence[xr.Dataset], axis: str, common: Floats, values: ArrayLike | None
) -> tuple[str, NDArray[np.object_]] | None:
    """Return the coordinate that names the parts of the axis, and their names along the common one; None if none does.

    They are those that come with the axis, else of a scan that has it, else those of the nearest point of any scan.
    """
    named = [(scan, name) for scan in scans for name in _texts_along(scan, axis)]
    if not named:
        return None
    name = named[0][1]
    if isinstance(values, xr.DataArray) and name in values.coords:
        return name, values[name].to_numpy().astype(object)
    known = [(_values(scan, axis), scan[name].to_numpy().astype(object)) for scan, own in named if own == name]
    for own_axis, parts in known:
        if same_axis(common, own_axis):
            return name, parts
    points, parts = (np.concatenate(arrays) for arrays in zip(*known, strict=True))
    return name, parts[np.abs(common[:, None] - points[None, :]).argmin(axis=1)]


def _texts_along(scan: xr.Dataset, axis: str) -> list[str]:
    names = (str(name) for name in scan.coords if name != axis)
    return [name for name in names if scan[name].dims == (axis,) and scan[name].dtype.kind in "OUT"]


def _placed_by_parts(
    scan: xr.Dataset, axis: str, common: Floats, name: str, parts: NDArray[np.object_], *, interpolate: bool
) -> xr.Dataset:
    """Return ``scan`` on the common axis, every part by itself: nothing is interpolated from one into the next."""
    own = scan[name].to_numpy() if name in scan.coords else np.full(scan.sizes[axis], "", dtype=object)
    bare = scan.drop_vars(name, errors="ignore")
    if same_axis(common, _values(scan, axis)) and np.array_equal(own, parts):
        return bare.assign_coords({axis: common, name: (axis, parts)})
    pieces = []
    for label in dict.fromkeys(parts.tolist()):
        target, there = common[parts == label], np.flatnonzero(own == label)
        part = bare.isel({axis: there})
        if there.size:
            pieces.append(_placed(part, axis, target, interpolate=interpolate))
        else:
            pieces.append(_flagged(_extended(part, axis, target), Flag.truncated))
    placed = xr.concat(pieces, axis, data_vars="minimal", coords="minimal", compat="override", combine_attrs="override")
    reasons = [piece["flag"] for piece in pieces if "flag" in piece.coords]
    flag = {"flag": raised(reduce(or_, reasons), Flag(0))} if reasons else {}
    return placed.assign_coords({name: (axis, parts), **flag})


def _placed(scan: xr.Dataset, axis: str, common: Floats, *, interpolate: bool) -> xr.Dataset:
    """Return ``scan`` on the common axis, flagged if that changed it."""
    own = _values(scan, axis)
    if same_axis(common, own):
        return scan.assign_coords({axis: common})
    ends = (slice(0, own.size), slice(common.size - own.size, None) if interpolate else slice(0, own.size))
    part = next((common[end] for end in ends if own.size < common.size and same_axis(common[end], own)), None)
    if part is not None:
        return _flagged(_extended(scan.assign_coords({axis: part}), axis, common), Flag.truncated)
    if not interpolate and own.size > common.size and same_axis(own[: common.size], common):
        return _flagged(scan.isel({axis: slice(0, common.size)}).assign_coords({axis: common}), Flag.surplus_frame)
    if not interpolate:
        raise OperandoError(f"stack: expected the {axis} values of the series in {_name(scan)}, got others")
    return _flagged(_interpolated(scan, axis, own, common), Flag.regridded)


def _extended(scan: xr.Dataset, axis: str, common: Floats) -> xr.Dataset:
    """Return a scan that lacks points at an end on the whole axis: NaN there.

    Where flags along the axis say that what follows is missing, integers (counts of images) stay integers and are 0.
    """
    along = {name: array for name, array in scan.variables.items() if axis in array.dims}
    flags = {name: int(Flag.missing_frame) for name, array in along.items() if "flag_masks" in array.attrs}
    zeros = {name: 0 for name, array in along.items() if flags and array.dtype.kind in "iu"}
    return scan.reindex({axis: common}, fill_value={**zeros, **flags})


def _interpolated(scan: xr.Dataset, axis: str, own: Floats, common: Floats) -> xr.Dataset:
    along = [name for name, array in scan.data_vars.items() if axis in array.dims]
    moved = scan.drop_vars([axis, *along]).assign_coords({axis: common})
    for name in along:
        array = scan[name].transpose(..., axis)
        if array.chunks:
            lazy = array.chunk({axis: -1}).data
            chunks = (*lazy.chunks[:-1], (common.size,))
            values = lazy.map_blocks(_moved_rows, own, common, dtype=np.float64, chunks=chunks)
        else:
            values = _moved_rows(array.to_numpy(), own, common)
        moved[name] = (array.dims, values, array.attrs)
    return moved


def _moved_rows(values: NDArray[Any], own: Floats, common: Floats) -> Floats:
    """Return values whose last axis is moved from its own energies to the common ones, NaN outside."""
    rows = values.reshape(-1, values.shape[-1])
    moved = [np.interp(common, own, row, left=np.nan, right=np.nan) for row in rows]
    return np.asarray(moved).reshape(*values.shape[:-1], common.size)


def _flagged(scan: xr.Dataset, reason: Flag) -> xr.Dataset:
    flag = scan["flag"] if "flag" in scan.coords else xr.DataArray(np.int32(0))
    return scan.assign_coords(flag=raised(flag, reason))


def _joined(scans: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return the scans, all on one axis, along the new dim ``scan``."""
    sizes = _common_sizes(scans)
    scalars = _names(scan.coords[name] for scan in scans for name in scan.coords if not scan[name].dims)
    series = xr.Dataset(coords={dim: scans[0].coords[dim].variable for dim in sizes if dim in scans[0].coords})
    for name in _names(scan.coords[name] for scan in scans for name in scan.coords if scan[name].dims):
        if name not in sizes:
            alike = _same_texts(scans, name)
            series = series.assign_coords({name: scans[0][name].variable if alike else _rows(scans, name, sizes)})
    for name in scalars:
        series = series.assign_coords({name: ("scan", *_column(scans, name))})
    for name in _names(scan[name] for scan in scans for name in scan.data_vars):
        series[name] = _rows(scans, name, sizes)
    return series


def _same_texts(scans: Sequence[xr.Dataset], name: str) -> bool:
    """Whether all scans have the same names along a dim, which are those of the series then."""
    if any(name not in scan.coords or scan[name].dtype.kind not in "OUT" for scan in scans):
        return False
    first = scans[0][name]
    return all(
        scan[name].dims == first.dims and np.array_equal(scan[name].to_numpy(), first.to_numpy()) for scan in scans
    )


def _rows(scans: Sequence[xr.Dataset], name: str, sizes: Mapping[Any, int]) -> tuple[Any, Any, dict[str, Any]]:
    """Return dims, values and attributes of one array of all scans; NaN (NaT, 0 in flags) where a scan lacks it."""
    first = next(scan[name] for scan in scans if name in scan.variables)
    missing: Any = np.nan
    if first.dtype.kind == "M":
        missing = np.datetime64("NaT", "ns")
    elif "flag_masks" in first.attrs:
        missing = np.int32(0)
    filler = np.broadcast_to(missing, [sizes[dim] for dim in first.dims])
    rows = [scan[name].transpose(*first.dims).data if name in scan.variables else filler for scan in scans]
    return ("scan", *first.dims), _stacked(rows), dict(first.attrs)


def _stacked(rows: Sequence[Any]) -> Any:
    """Return arrays along a new first axis, lazily if one of them is lazy."""
    if all(isinstance(row, np.ndarray) for row in rows):
        return np.stack(rows)
    return stacked_rows(rows)


def _common_sizes(scans: Sequence[xr.Dataset]) -> dict[Any, int]:
    sizes: dict[Any, int] = {}
    names: dict[str, tuple[str, ...]] = {}
    for scan in scans:
        for dim, size in scan.sizes.items():
            if sizes.setdefault(dim, size) != size:
                raise OperandoError(
                    f"stack: expected {sizes[dim]} along {dim!r} as before, got {size} in {_name(scan)}"
                )
        for dim, own in names_along(scan).items():
            if names.setdefault(dim, own) != own:
                before, now = (", ".join(listed) for listed in (names[dim], own))
                raise OperandoError(f"stack: expected the {dim} {before} as before, got {now} in {_name(scan)}")
    return sizes


def names_along(scan: xr.Dataset) -> dict[str, tuple[str, ...]]:
    """Return the names that a scan gives to what lies along its dims, such as its detectors."""
    named = {str(dim): scan[dim] for dim in scan.dims if dim in scan.coords and scan[dim].dtype.kind in "OUT"}
    return {dim: tuple(map(str, labels.to_numpy())) for dim, labels in named.items()}


def _names(arrays: Iterable[xr.DataArray]) -> list[str]:
    return list(dict.fromkeys(str(array.name) for array in arrays))


def _column(scans: Sequence[xr.Dataset], name: str) -> tuple[NDArray[Any], dict[str, Any]]:
    """Return one scalar coordinate of all scans with its attributes; empty where a scan lacks it."""
    first = next(scan[name] for scan in scans if name in scan.coords)
    kind = first.dtype.kind
    empty: Any = np.datetime64("NaT", "ns") if kind == "M" else 0 if name == "flag" else "" if kind in "OUT" else np.nan
    values = [scan[name].to_numpy()[()] if name in scan.coords else empty for scan in scans]
    dtype = object if kind in "OUT" else first.dtype if all(name in scan.coords for scan in scans) else None
    return np.array(values, dtype=dtype), dict(first.attrs)


def _shared_attributes(scans: Sequence[xr.Dataset]) -> dict[str, Any]:
    """Return the attributes that all scans share, the common part of ``metadata``, and the first history."""
    first = scans[0].attrs
    shared = {
        key: value
        for key, value in first.items()
        if key not in _NOT_KEPT and all(scan.attrs.get(key) == value for scan in scans)
    }
    if all("metadata" in scan.attrs for scan in scans):
        headers = [json.loads(scan.attrs["metadata"]) for scan in scans]
        common = {key: text for key, text in headers[0].items() if all(header.get(key) == text for header in headers)}
        shared["metadata"] = json.dumps(common, ensure_ascii=False)
    return {**shared, HISTORY: first[HISTORY]} if HISTORY in first else shared
