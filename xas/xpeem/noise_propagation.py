"""Noise of single points, carried through the normalization; on plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.xas.normalization import normalize

Floats = NDArray[np.float64]


def fit_weights(energy: Floats, e0: float, options: Mapping[str, Any]) -> tuple[Floats, Floats]:
    """Return the weights of a spectrum's points in its pre-edge at each energy (point, energy), and in its edge step.

    Both are linear in the points while e0 is given: spectra that are 1 at one point and 0 elsewhere show them. The
    edge step is taken as positive.
    """
    axis = xr.DataArray(energy, dims="energy", attrs={"units": "eV"})
    points = xr.DataArray(np.eye(energy.size), dims=("point", "energy"), coords={"energy": axis})
    order = np.argsort(energy, kind="stable")
    center = order[np.abs(energy[order] - e0).argmin()]
    one = normalize(points, e0, **options)
    # A point outside both fits leaves no edge step, hence no fits: its weights are 0.
    pre, post = (one[name].fillna(0.0).to_numpy() for name in ("pre_edge", "post_edge"))
    known = options.get("step") is not None
    return pre, np.zeros(energy.size) if known else (post - pre)[:, center]


def edge_variance(
    spectra: tuple[Floats, Floats],
    variance: Floats,
    found: tuple[Floats, Floats],
    weights: tuple[Floats, Floats],
    level: float,
) -> Floats:
    """Return the variance of the energies at which normalized spectra cross a level.

    With the crossing at the part t of the way from point j to j + 1, the height there moves by
    sum_k [(1 - t) a_jk + t a_j+1,k - level s_k] dmu_k/step, a_jk = 1(j = k) - pre-edge weight, s_k edge-step weight;
    and the energy by that over the slope.

    Parameters
    ----------
    spectra
        Energies and normalized spectra (..., energy).
    variance
        That of each point before the normalization (..., energy).
    found
        Edge step and edge energy of each spectrum.
    weights
        What :func:`fit_weights` returns.
    """
    energy, normalized = spectra
    order = np.argsort(energy, kind="stable")
    grid, (step, edge), (pre, rise) = energy[order], found, weights
    out = np.full(edge.shape, np.nan)
    part = np.eye(energy.size) - pre
    place = np.searchsorted(grid, edge, side="left") - 1
    for j in np.unique(place[np.isfinite(edge)]):
        first, second = order[j], order[j + 1]
        mine = (place == j) & np.isfinite(edge)
        t = ((edge[mine] - grid[j]) / (grid[j + 1] - grid[j]))[:, None]
        weight = (1 - t) * part[:, first] + t * part[:, second] - level * rise
        slope = (normalized[mine, second] - normalized[mine, first]) / (grid[j + 1] - grid[j])
        out[mine] = (variance[mine] * weight**2).sum(axis=1) / (step[mine] * slope) ** 2
    return out
