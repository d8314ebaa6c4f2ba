"""Volumes, or projections, of several scans as one series."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.series import stack

from .layout import PLACES

_SAME = 1e-4
"""Edges of a voxel that agree to this are one: rational numbers in TIFF tags have few digits."""


def along(scan: xr.Dataset) -> str:
    """Return the dim that the frames of a scan lie along: z of a volume, angle of projections."""
    return "angle" if "angle" in scan.dims else "z"


def stack_volumes(scans: Iterable[xr.Dataset], places: NDArray[np.float64] | None = None) -> xr.Dataset:
    """Return scans as one series with the dim ``scan`` first; what is lazy stays lazy.

    A scan with fewer slices than most is 0 (NaN) where it ends and flagged as truncated; slices beyond those that most
    scans have are left out and flagged as too many.

    Parameters
    ----------
    scans
        Volumes (z, y, x) or projections (angle, y, x), or series of them.
    places
        Places along z (um), or angles (deg), of the series; by default those that most scans have.

    Raises
    ------
    OperandoError
        If there is none, some are volumes and some projections, or they differ in the size of their voxels or slices.
    """
    listed = [one for scan in scans for one in _each(scan)]
    if not listed:
        raise OperandoError("read_series: expected at least one volume, got none")
    dim = along(listed[0])
    other = next((one for one in listed if along(one) != dim), None)
    if other is not None:
        raise OperandoError(f"read_series: expected only volumes or only projections, got both ({_name(other)})")
    longest = max(listed, key=lambda one: one.sizes[dim])
    alike = [_alike(one, listed[0], longest, dim) for one in listed]
    return stack(alike, dim, places, interpolate=False)


def _each(scan: xr.Dataset) -> Sequence[xr.Dataset]:
    return [scan.isel(scan=k) for k in range(scan.sizes["scan"])] if "scan" in scan.dims else [scan]


def _alike(one: xr.Dataset, first: xr.Dataset, longest: xr.Dataset, dim: str) -> xr.Dataset:
    """Return a scan at just the places of the others, of which it may have fewer or more."""
    for axis in ("y", "x"):
        if one.sizes[axis] != first.sizes[axis]:
            said = f"expected {first.sizes[axis]} voxels along {axis} as in {_name(first)}, got {one.sizes[axis]}"
            raise OperandoError(f"read_series: {said} in {_name(one)}; give it a series of its own")
    size = "voxel_size" if dim == "z" else "pixel_size"
    edges, known = _edges(one, size), _edges(first, size)
    if not np.allclose(edges, known, rtol=_SAME, atol=0):
        came = " x ".join(f"{edge:g}" for edge in edges)
        said = f"expected a {size} of {' x '.join(f'{edge:g}' for edge in known)} um as in {_name(first)}"
        raise OperandoError(f"read_series: {said}, got {came} in {_name(one)}; give it a series of its own")
    coords: dict[str, Any] = {size: first[size].variable}
    if dim == "z":
        coords |= {"z": longest["z"][: one.sizes["z"]].variable, "y": first["y"].variable, "x": first["x"].variable}
    return one.assign_coords(coords)


def _edges(scan: xr.Dataset, size: str) -> list[float]:
    """Return the size of a voxel, and its edges where coordinates show them."""
    placed = [name for name in PLACES if name in scan.coords]
    # The first voxel's middle lies half an edge from the volume's corner.
    return [float(scan[size]), *(2 * float(scan[name][0]) for name in placed)]


def _name(scan: xr.Dataset) -> str:
    return str(scan["source"].item()) if "source" in scan.coords else "a scan"
