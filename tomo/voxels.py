"""Volumes and the edges of their voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError

from .layout import PLACES

_EVEN = 1e-3


@dataclass(frozen=True)
class Voxel:
    """The edges of a voxel in ``units``: ``um``, or ``px`` where the volume has no coordinates."""

    z: float
    y: float
    x: float
    units: str

    @property
    def edges(self) -> tuple[float, float, float]:
        """Edges along z, y, x."""
        return self.z, self.y, self.x

    @property
    def volume(self) -> float:
        """Volume of a voxel."""
        return self.z * self.y * self.x

    def cube(self, step: str) -> float:
        """Return the edge of a voxel that is a cube.

        Raises
        ------
        OperandoError
            If the edges differ by more than a thousandth.
        """
        if max(self.edges) - min(self.edges) > _EVEN * max(self.edges):
            came = " x ".join(f"{edge:g}" for edge in self.edges)
            raise OperandoError(f"{step}: expected cubic voxels, got {came} {self.units}; resample the volume first")
        return self.z


def as_volume(volume: xr.DataArray | NDArray[np.generic], step: str) -> xr.DataArray:
    """Return a volume with named dims, z, y, x last; a plain array of three dims is one in voxels.

    Raises
    ------
    OperandoError
        If the dims z, y, x are not all there.
    """
    if not isinstance(volume, xr.DataArray):
        array = volume if hasattr(volume, "dask") else np.asarray(volume)
        if array.ndim != len(PLACES):
            raise OperandoError(f"{step}: expected a volume of three dims (z, y, x), got the shape {array.shape}")
        volume = xr.DataArray(array, dims=PLACES)
    lacking = [name for name in PLACES if name not in volume.dims]
    if lacking:
        raise OperandoError(f"{step}: expected a volume with the dims z, y and x, got {tuple(volume.dims)}")
    return volume.transpose(..., *PLACES)


def voxel(volume: xr.DataArray | xr.Dataset, step: str) -> Voxel:
    """Return the edges of a volume's voxels, from its coordinates, else from its ``voxel_size``.

    Raises
    ------
    OperandoError
        If coordinates are there but not evenly spaced, or along some dims only, or a dim of one voxel has no size.
    """
    placed = [name for name in PLACES if name in volume.coords]
    if not placed and "voxel_size" not in volume.coords:
        return Voxel(1.0, 1.0, 1.0, "px")
    z, y, x = (_edge(volume, name, step) for name in PLACES)
    return Voxel(z, y, x, "um")


def _edge(volume: xr.DataArray | xr.Dataset, name: str, step: str) -> float:
    if name in volume.coords and volume.sizes[name] > 1:
        place = volume[name].to_numpy().astype(np.float64)
        edges = np.diff(place)
        mean = float((place[-1] - place[0]) / (place.size - 1))
        if not mean > 0 or np.abs(edges - mean).max() > _EVEN * mean:
            raise OperandoError(
                f"{step}: expected ascending, evenly spaced places along {name} (um), got steps from "
                f"{edges.min():g} to {edges.max():g}"
            )
        return mean
    if "voxel_size" in volume.coords:
        return float(np.ravel(volume["voxel_size"].to_numpy())[0])
    raise OperandoError(
        f"{step}: expected places along {name} (um) or a coordinate voxel_size (um), got neither; "
        "assign it, such as volume.assign_coords(voxel_size=0.65)"
    )
