"""Surface and sphericity of labeled objects, and what they border on."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .crofton import areas_per_crossing, crossings
from .layout import PLACES
from .voxels import as_volume, voxel

_STEP = "tomo.shapes"
_ROUND, _FLAT = 0.02, 0.016
"""Standard errors of the surface: of a sphere times its radius in voxels, of a plane in any direction; relative."""
Floats = NDArray[np.float64]


def shapes(table: xr.Dataset, labels: xr.DataArray, phases: xr.DataArray | None = None) -> xr.Dataset:
    """Return a table of objects with their surface, sphericity, and what lies beyond the surface.

    Parameters
    ----------
    table
        As :func:`~operando.tomo.labels.label` and ``regions`` return it: dim object, with ``number``, ``volume`` and
        ``flatness``; for a series, a coordinate such as ``scan`` says which volume an object is in.
    labels
        Numbers of the objects, 0 outside, dims (..., z, y, x), lazy or in memory.
    phases
        Phase of each voxel, whole numbers from 0 to 255, of the same dims.

    Returns
    -------
    xarray.Dataset
        ``table`` with ``surface_area`` (um^2), ``sphericity`` = pi^(1/3) (6 V)^(2/3) / A (1 of a ball, less of all
        else) and their ``_std``; with ``phases``, ``surface_share`` (object, phase): the share of the surface beyond
        which each phase lies. Where an object reaches the faces of the volume, its surface ends there; NaN where it
        has none.

    Raises
    ------
    OperandoError
        If variables are missing, objects of the table are not in the labels, or phases are no such numbers.

    Notes
    -----
    Crofton's formula in 13 directions, see :func:`~operando.tomo.crofton.areas_per_crossing`. Its relative standard
    error was 0.02 / R for balls of R voxels at random places, and is 0.016 for planes in random directions (but -0.073
    along the faces of voxels, the worst); what lies between is weighted by flatness. H. Wadell, J. Geol. 40, 443
    (1932), doi:10.1086/623964.

    Examples
    --------
    >>> import numpy as np
    >>> from operando import tomo
    >>> z, y, x = np.ogrid[:32, :32, :32]
    >>> ball = (z - 15.5) ** 2 + (y - 15.5) ** 2 + (x - 15.5) ** 2 < 10**2
    >>> labels, table = tomo.label(ball)
    >>> found = tomo.shapes(table, labels)
    >>> print(round(float(found["sphericity"][0]), 1))
    1.0
    """
    volume = as_volume(labels, _STEP)
    lacking = [name for name in ("number", "volume", "flatness") if name not in table]
    if lacking:
        raise OperandoError(f"{_STEP}: expected a table with number, volume and flatness, got none of {lacking}")
    edges = voxel(volume, _STEP)
    crossed = _crossed(table, volume, None if phases is None else as_volume(phases, _STEP)) @ areas_per_crossing(
        edges.edges
    )
    area = crossed.sum(axis=1)
    area[area == 0] = np.nan
    size = table["volume"].to_numpy()
    sphericity = np.pi ** (1 / 3) * (6 * size) ** (2 / 3) / area
    radius = (3 * size / (4 * np.pi * edges.volume)) ** (1 / 3)
    error = np.hypot(_ROUND / radius, _FLAT * table["flatness"].to_numpy())
    square = f"{edges.units}^2"
    columns: dict[str, tuple[Any, Floats, str, str]] = {
        "surface_area": ("object", area, square, "surface of the object"),
        "surface_area_std": ("object", area * error, square, "standard uncertainty of the surface"),
        "sphericity": ("object", sphericity, "1", "surface of a ball of equal volume over that of the object"),
        "sphericity_std": ("object", sphericity * error, "1", "standard uncertainty of the sphericity"),
    }
    if phases is not None:
        text = "share of the surface beyond which the phase lies"
        columns["surface_share"] = (("object", "phase"), crossed / area[:, np.newaxis], "1", text)
    found = table.assign(
        {
            name: (dims, values, {"units": unit, "long_name": text})
            for name, (dims, values, unit, text) in columns.items()
        }
    )
    if phases is not None:
        number = {"units": "1", "long_name": "number of the phase"}
        found = found.assign_coords(phase=("phase", np.arange(crossed.shape[1]), number))
    return recorded(found, _STEP, {"phases": phases is not None})


def _crossed(table: xr.Dataset, labels: xr.DataArray, phases: xr.DataArray | None) -> NDArray[np.int64]:
    """Return crossings (object, phase beyond, direction) in the order of the table."""
    rows = table["number"].to_numpy()
    found = np.zeros((rows.size, 1, 13), np.int64)
    leading = labels.dims[: -len(PLACES)]
    for place in np.ndindex(labels.shape[: -len(PLACES)]):
        at: dict[Hashable, int] = dict(zip(leading, place, strict=True))
        mine = np.all([np.ones(rows.size, bool), *(table[name].to_numpy() == one for name, one in at.items())], axis=0)
        numbers, counts = crossings(labels.isel(at), None if phases is None else phases.isel(at))
        order = np.searchsorted(numbers, rows[mine])
        if (order >= numbers.size).any() or (numbers[order] != rows[mine]).any():
            raise OperandoError(f"{_STEP}: expected the labels that the table was made of, got others")
        wider = max(found.shape[1], counts.shape[1])
        found = np.pad(found, ((0, 0), (0, wider - found.shape[1]), (0, 0)))
        found[mine, : counts.shape[1]] = counts[order]
    return found
