"""What each phase of one volume is like: surface, chords, ways, bottlenecks, correlation, how much stands for all.

Each function returns numbers of the phases wanted along the last dim, those of directions along the one before it; what
ends in ``_std`` is by how far they may lie from those of the material, in ``_voxels`` what the voxels are off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.history import HISTORY
from operando.tomo.layout import PLACES

Floats = NDArray[np.float64]
Found = dict[str, Floats]


@dataclass(frozen=True)
class Asked:
    """Labels of the phases by name, the directions, and the settings of single quantities."""

    phases: Mapping[str, int]
    axes: tuple[str, ...]
    blur: float
    smallest: int
    lags: Floats
    relative_error: float


@dataclass(frozen=True)
class Volume:
    """Labels of one volume as they are, and with lost slices filled."""

    labels: xr.DataArray
    filled: xr.DataArray

    def mask(self, number: int) -> xr.DataArray:
        """Return where a phase is."""
        return self.filled.copy(deep=False, data=self.filled.data == number)


def surface(volume: Volume, asked: Asked) -> tuple[Found, str]:
    """Return the surface of each phase per volume, and the history."""
    from operando import tomo

    found = tomo.surface_area(volume.labels, blur=asked.blur).sel(phase=list(asked.phases))
    share = (found["surface_area_std"] / found["surface_area"]).fillna(0).to_numpy()
    name = "specific_surface_area"
    columns = {one: found[one].to_numpy() for one in (name, f"{name}_std")}
    return columns | {f"{name}_voxels": share * columns[name]}, str(found.attrs[HISTORY])


def chords(volume: Volume, asked: Asked) -> tuple[Found, str]:
    """Return the mean chord of each phase along each axis, and the history."""
    from operando import tomo

    names = {"chord_length_mean": "chord_length_mean", "chord_length_mean_std": "chord_length_mean_std"}
    return _each(volume, asked, lambda mask: tomo.chord_lengths(mask, asked.axes), names)


def geodesic(volume: Volume, asked: Asked) -> tuple[Found, str]:
    """Return how much longer ways through each phase are than straight ones along each axis, and the history."""
    from operando import tomo

    names = {"tau_geodesic": "tau_geodesic", "tau_geodesic_std": "tau_geodesic_std"}
    return _each(volume, asked, lambda mask: tomo.geodesic_tortuosity(mask, asked.axes), names)


def bottlenecks(volume: Volume, asked: Asked) -> tuple[Found, str]:
    """Return constrictivity and radii of bottlenecks of each phase along each axis and of openings, and the history."""
    from operando import tomo

    names = {"constrictivity": "constrictivity", "bottleneck_radius": "r_min", "opening_radius": "r_max"}
    names |= {f"{name}_std": f"{own}_std" for name, own in names.items()}
    return _each(volume, asked, lambda mask: tomo.constrictivity(mask, asked.axes), names)


def correlation(volume: Volume, asked: Asked) -> tuple[Found, str]:
    """Return how likely two points along each axis both lie in each phase, dims (axis, lag, phase), and the history."""
    from operando import tomo

    axes = [PLACES.index(name) for name in asked.axes]

    def along(mask: xr.DataArray) -> xr.Dataset:
        found = tomo.two_point_correlation(mask, float(asked.lags[-1]))
        return found.isel(axis=axes)

    return _each(volume, asked, along, {"two_point": "two_point", "two_point_std": "two_point_std"})


def representative(volume: Volume, asked: Asked) -> tuple[Found, str]:
    """Return the edge of a cube that stands for each phase, its integral range, and the history."""
    from operando import tomo

    names = {name: name for name in ("representative_size", "integral_range")}
    names |= {f"{name}_std": f"{name}_std" for name in names}
    return _each(volume, asked, lambda mask: tomo.rev(mask, relative_error=asked.relative_error), names)


MEASURES: dict[str, Callable[[Volume, Asked], tuple[Found, str]]] = {
    "surface": surface,
    "chords": chords,
    "geodesic": geodesic,
    "constrictivity": bottlenecks,
    "correlation": correlation,
    "representative": representative,
}


def _each(
    volume: Volume, asked: Asked, measure: Callable[[xr.DataArray], xr.Dataset], names: Mapping[str, str]
) -> tuple[Found, str]:
    """Return numbers of every phase; NaN of one that fills nothing or all."""
    columns: dict[str, list[Floats | None]] = {name: [] for name in names}
    history = str(volume.filled.attrs[HISTORY])
    for number in asked.phases.values():
        mask = volume.mask(number)
        share = float(mask.mean())
        found = measure(mask) if 0 < share < 1 else None
        for name, own in names.items():
            columns[name].append(None if found is None else found[own].to_numpy())
        history = history if found is None else str(found.attrs[HISTORY])
    return {name: _stacked(values) for name, values in columns.items()}, history


def _stacked(values: list[Floats | None]) -> Floats:
    known = next((one for one in values if one is not None), np.zeros(()))
    return np.stack([np.full(known.shape, np.nan) if one is None else one for one in values], axis=-1)
