"""The frame of a stored series: the axis and the quantities that scans which come later must fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.flags import Flag
from operando.series import names_along, same_axis

from .encoding import IMAGE_DIMS

_ROUNDING = 1e-4
"""Relative difference of places of voxels that is but rounding: numbers in files have few digits."""


def frame_of(series: xr.Dataset) -> xr.Dataset:
    """Return a series' axis, with the names of its parts, and its quantities without its scans."""
    kept = _names_along(series)
    return series.isel(scan=slice(0, 0)).drop_vars([name for name in _apart(series) if name not in kept]).load()


def _apart(series: xr.Dataset) -> list[str]:
    """Return the coordinates that are no dims."""
    return [str(name) for name in series.coords if name not in series.dims]


def _names_along(series: xr.Dataset) -> list[str]:
    """Return the coordinates that name what lies along a dim other than that of the scans."""
    one_dim = [name for name in _apart(series) if len(series[name].dims) == 1 and "scan" not in series[name].dims]
    return [name for name in one_dim if series[name].dtype.kind in "OUT"]


def misfit(
    scan: xr.Dataset,
    sizes: Mapping[str, int],
    names: Mapping[str, tuple[str, ...]],
    axis: str,
    exact: Mapping[str, NDArray[np.float64]] | None = None,
) -> str:
    """Return why a scan can be of no series with these sizes and names, such as other detectors; empty if it can.

    With ``exact``, the values of the series' axis and the places of its voxels, a scan must be measured at these as far
    as both go: images are not interpolated.
    """
    for dim, size in scan.sizes.items():
        if dim != axis and sizes.get(str(dim), size) != size:
            return f"expected {sizes[str(dim)]} along {dim!r} as in the scans before, got {size}"
    for along, own in names_along(scan).items():
        if names.get(along, own) != own:
            return f"expected the {along} {', '.join(names[along])} as in the scans before, got {', '.join(own)}"
    for name, places in (exact or {}).items():
        values = scan[name].to_numpy() if name in scan.coords else places
        both = min(values.size, places.size)
        if not same_axis(values[:both], places[:both]):
            got = f"{values[0]:g} to {values[-1]:g} in other steps"
            return f"expected the {name} values of the scans before, got {got}"
    return ""


def on_places(scan: xr.Dataset, frame: xr.Dataset) -> xr.Dataset:
    """Return a scan at just the places of the voxels of a series, where its own are these but for rounding."""
    moved = {}
    for dim in IMAGE_DIMS:
        if dim in scan.coords and dim in frame.coords and scan[dim].size and frame[dim].size:
            own, known = scan[dim].to_numpy(), frame[dim].to_numpy()
            both = min(own.size, known.size)
            if np.allclose(own[:both], known[:both], rtol=_ROUNDING, atol=0):
                moved[dim] = scan[dim].copy(data=np.concatenate([known[:both], own[both:]]))
    return scan.assign_coords(moved)


def completed(series: xr.Dataset, frame: xr.Dataset) -> xr.Dataset:
    """Return ``series`` with NaN for the quantities that its scans lack."""
    out = series.copy()
    for name, array in frame.data_vars.items():
        if name not in out:
            shape = (series.sizes["scan"], *(array.sizes[dim] for dim in array.dims if dim != "scan"))
            dims = ("scan", *(dim for dim in array.dims if dim != "scan"))
            out[name] = (dims, np.full(shape, np.nan), array.attrs)
    return out


def widened(frame: xr.Dataset, flags: NDArray[np.int64], scans: Sequence[xr.Dataset], axis: str) -> xr.Dataset | None:
    """Return the frame that holds what ``scans`` bring beyond ``frame``; None if they bring nothing.

    A quantity that the series lacks widens it. A longer axis that begins like the frame's does so if the scans that
    lie beside the frame are no fewer than those on it (``flags`` are those of the stored ones): the series began with
    scans that were broken off.
    """
    own = frame[axis].to_numpy()
    longer = [values for scan in scans if (values := scan[axis].to_numpy()).size > own.size]
    longer = [values for values in longer if same_axis(own, values[: own.size])]
    wide = frame
    if longer and len(longer) >= np.sum(np.where(flags & int(Flag.regridded), -1, 1)):
        values = max(longer, key=len)
        wide = frame.assign_coords({axis: values[: own.size]}).reindex({axis: values})
        longest = next(scan for scan in scans if scan.sizes[axis] == values.size)
        wide = wide.assign_coords({name: longest[name] for name in _names_along(frame) if name in longest.coords})
    for scan in scans:
        for name, array in scan.data_vars.items():
            if name not in wide:
                sizes = [wide.sizes[axis] if dim == axis else array.sizes[dim] for dim in array.dims]
                wide = wide.assign({name: (("scan", *array.dims), np.empty((0, *sizes)), array.attrs)})
    return None if wide is frame else wide
