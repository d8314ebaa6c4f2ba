"""Which scans and energies of a series the page holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .series import Series, thinned

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

_BELOW, _ABOVE = 30.0, 100.0
_ENERGIES = 900


@dataclass(frozen=True)
class Shown:
    """The spectra that the page holds.

    ``values`` has dims scan and the series' axis; its row i is scan ``scan[i]`` of the series. ``near`` is the
    near-edge region (eV), or the whole scan where no edge is known.
    """

    scan: NDArray[np.intp]
    values: xr.DataArray
    near: tuple[float, float]

    @property
    def energy(self) -> xr.DataArray:
        """The photon or binding energy (eV)."""
        return self.values[self.values.dims[1]]

    @property
    def falling(self) -> bool:
        """Whether the axis is drawn from high to low, as is usual for binding energies."""
        return self.energy.name == "binding_energy"


def windows(series: Series, spectra: xr.DataArray) -> Iterator[tuple[str, xr.DataArray]]:
    """Yield the spectra region by region, with its name, where the axis joins several regions; else as they are."""
    if "region" not in spectra.coords or spectra["region"].dims != (series.axis,):
        yield "", spectra
        return
    region = spectra["region"].values
    for name in dict.fromkeys(region.tolist()):
        yield str(name), spectra.isel({series.axis: np.flatnonzero(region == name)})


def shown(series: Series, spectra: xr.DataArray, most: int) -> Shown:
    """Return at most ``most`` spectra, evenly chosen, with every energy near the edge and fewer elsewhere."""
    scan = thinned(series.count, most)
    energy = spectra[series.axis].values
    near = _near_edge(series, energy)
    chosen = spectra.isel({"scan": scan, series.axis: _energies(energy, near)})
    return Shown(scan, chosen.transpose("scan", series.axis).compute(), near)


def _near_edge(series: Series, energy: NDArray[np.float64]) -> tuple[float, float]:
    whole = (float(energy[0]), float(energy[-1]))
    for name in ("edge_energy", "e0"):
        if series.processed is not None and name in series.processed.variables:
            found = np.asarray(series.processed[name].values, dtype=float)
            inside = found[np.isfinite(found) & (found > whole[0]) & (found < whole[1])]
            if inside.size:
                edge = float(np.median(inside))
                return max(whole[0], edge - _BELOW), min(whole[1], edge + _ABOVE)
    return whole


def _energies(energy: NDArray[np.float64], near: tuple[float, float]) -> NDArray[np.intp]:
    """Return the indices of all energies near the edge (if they are not too many) and of some elsewhere."""
    inside = np.flatnonzero((energy >= near[0]) & (energy <= near[1]))
    inside = inside[thinned(inside.size, _ENERGIES * 2 // 3)]
    return np.union1d(inside, thinned(energy.size, max(_ENERGIES - inside.size, 2)))
