"""Area over which two phases touch, in all and particle by particle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .interfaces import interfaces, share_error, standard_error
from .layout import PLACES
from .single_volumes import (
    At,
    check_extent,
    even_edges,
    known_voxels,
    object_coords,
    phase_number,
    phase_values,
    series_coords,
    single_volumes,
)
from .voxels import as_volume, voxel

STEP = "tomo.contact_area"
_OTHER, _SAME, _WANTED = 0, 1, 2
Floats = NDArray[np.float64]
Phase = int | str


@dataclass(frozen=True)
class Touching:
    """Bodies of one volume: their numbers, what touches the phase wanted, the free surface, what touches their like.

    ``area`` and ``error`` have the dims (contact, surface, between particles; body), ``share_error`` is that of
    contact over surface.
    """

    numbers: NDArray[np.int64]
    area: Floats
    error: Floats
    share_error: Floats


def contact_area(
    phases: xr.DataArray | NDArray[np.generic],
    a: Phase,
    b: Phase,
    particles: xr.DataArray | NDArray[np.generic] | None = None,
) -> xr.Dataset:
    """Return the area over which two phases touch, and which share of the surface of the first it is.

    Parameters
    ----------
    phases
        Labels, dims (..., z, y, x), in memory or lazy; with the attributes ``flag_values`` and ``flag_meanings`` phases
        go by name as well, and labels without a name are unknown. Voxels may be longer along one dim.
    a, b
        The phases, by label or name.
    particles
        Numbers of the particles that the phase ``a`` consists of, 0 outside, of the same dims or z, y, x: the table
        has a row a particle then.

    Returns
    -------
    xarray.Dataset
        Of each volume of a series, or one row an ``object`` by ``number`` (in a series with a coordinate such as
        ``scan``): ``contact_area`` (um^2); ``surface_area`` of ``a`` toward all other phases; ``contact_share``, the
        one over the other, NaN without a surface; of particles also ``particle_contact_area``, over which they touch
        others. All with ``_std``, which holds for the labels: what they owe to noise and threshold is not in it.

        Farther out than the middles of the outermost voxels nothing is seen.

    Raises
    ------
    OperandoError
        If labels are no whole numbers, phases are unknown or the same, or particles have other dims.

    Notes
    -----
    As :func:`~operando.tomo.surface_area`; where three phases meet, the normal is that of the smoother body.

    Examples
    --------
    Two halves touch in a plane, 15 x 15 voxels between the middles of the outermost:

    >>> import numpy as np
    >>> from operando import tomo
    >>> phases = np.ones((16, 16, 16), int)
    >>> phases[8:] = 2
    >>> print(round(float(tomo.contact_area(phases, 1, 2)["contact_area"])))
    225
    """
    labels = as_volume(phases, STEP)
    called, first, second = pair(labels, a, b, STEP)
    grains = None if particles is None else beside(particles, labels, STEP)
    rows = []
    for at, one in single_volumes(labels):
        rows.append(touching(one, None if grains is None else grains_at(grains, at), (first, second), called))
    found = _totals(labels, rows) if grains is None else _particles(labels, rows)
    settings = {"a": a, "b": b, "particles": particles is not None}
    return recorded(found, STEP, settings, after=xr.Dataset(attrs=labels.attrs))


def pair(labels: xr.DataArray, a: Phase, b: Phase, step: str) -> tuple[dict[int, str] | None, int, int]:
    """Return the names of the phases and the labels of two of them."""
    called = phase_values(labels, None, step)
    first, second = (phase_number(labels, one, called, step) for one in (a, b))
    if first == second:
        raise OperandoError(f"{step}: expected two phases, got {a!r} twice")
    check_extent(labels, step)
    return called, first, second


def beside(particles: xr.DataArray | NDArray[np.generic], labels: xr.DataArray, step: str) -> xr.DataArray:
    """Return numbers of particles that lie on the voxels of the labels.

    Raises
    ------
    OperandoError
        If they are no whole numbers, or have other dims or places.
    """
    grains = as_volume(particles, step)
    same = all(labels.sizes.get(name) == size for name, size in grains.sizes.items())
    shared = [name for name in grains.dims if name in grains.coords and name in labels.coords]
    if not same or grains.dtype.kind not in "iub" or not all(grains[one].equals(labels[one]) for one in shared):
        raise OperandoError(
            f"{step}: expected numbers of particles on the voxels of the phases {dict(labels.sizes)}, got "
            f"{grains.dtype} on {dict(grains.sizes)}"
        )
    return grains


def grains_at(grains: xr.DataArray, at: At) -> xr.DataArray:
    """Return the particles of one volume of a series."""
    return grains.isel({name: place for name, place in at.items() if name in grains.dims})


def touching(
    labels: xr.DataArray, grains: xr.DataArray | None, phases: tuple[int, int], called: dict[int, str] | None
) -> Touching:
    """Return over which areas the particles of one volume, or the whole phase, touch another phase."""
    own, wanted = (labels.data == one for one in phases)
    kinds = labels.copy(data=own.astype(np.uint8) * _SAME + wanted.astype(np.uint8) * _WANTED)
    bodies = labels.copy(data=own if grains is None else np.multiply(own, grains.data))
    edges = even_edges(labels, STEP)
    found = interfaces(bodies, kinds, edges=edges, known=known_voxels(labels, None, {}, called))
    wide = max(0, _WANTED + 1 - found.faces.shape[1])
    along, faces, bent = (
        np.pad(one, ((0, 0), (0, wide), (0, 0))[: one.ndim]) for one in (found.along, found.faces, found.bent)
    )
    columns = [[_WANTED], [_OTHER, _WANTED], [_SAME]]
    every, counts, put_back = (
        np.array([one[:, column].sum(axis=1) for column in columns]) for one in (along, faces, bent)
    )
    areas: Floats = every.sum(axis=-1)
    errors = standard_error(every, counts, edges, counts[1:].sum(axis=0), put_back)
    parts = faces[:, [_OTHER, _WANTED]]
    of_share = share_error(areas[0], areas[1], parts, edges, counts[1])
    return Touching(found.numbers, areas, errors, of_share)


def _totals(labels: xr.DataArray, rows: list[Touching]) -> xr.Dataset:
    leading = labels.dims[: -len(PLACES)]
    shape = tuple(labels.sizes[name] for name in leading)
    units = voxel(labels, STEP).units
    values = {}
    for name, made in _columns(rows).items():
        whole = np.array([one[0] if one.size else (np.nan if "share" in name else 0.0) for one in made])
        if not name.startswith("particle"):
            values[name] = (leading, whole.reshape(shape), attrs(name, units))
    return xr.Dataset(values, coords=series_coords(labels))


def _particles(labels: xr.DataArray, rows: list[Touching]) -> xr.Dataset:
    units = voxel(labels, STEP).units
    number = {"units": "1", "long_name": "number of the particle"}
    found = xr.Dataset({"number": ("object", np.concatenate([row.numbers for row in rows]), number)})
    for name, made in _columns(rows).items():
        found[name] = ("object", np.concatenate(made), attrs(name, units))
    return found.assign_coords(object_coords(labels, [row.numbers.size for row in rows]))


def _columns(rows: list[Touching]) -> dict[str, list[Floats]]:
    found: dict[str, list[Floats]] = {}
    for place, name in enumerate(("contact_area", "surface_area", "particle_contact_area")):
        found |= {name: [row.area[place] for row in rows], f"{name}_std": [row.error[place] for row in rows]}
    found["contact_share"] = [share(row) for row in rows]
    found["contact_share_std"] = [row.share_error for row in rows]
    return found


def share(row: Touching) -> Floats:
    """Return the share of each body's surface that is in contact; NaN without a surface."""
    found: Floats = row.area[0] / np.where(row.area[1] > 0, row.area[1], np.nan)
    return found


_TEXTS = {
    "contact_area": "area of contact",
    "surface_area": "surface toward other phases",
    "particle_contact_area": "area of contact between particles",
    "contact_share": "share of the surface that is in contact",
    "contact_loss": "share of the surface that is no longer in contact",
}


def attrs(name: str, units: str) -> dict[str, Any]:
    """Return unit and meaning of a column."""
    own = name.removesuffix("_std").removeprefix("total_")
    text = _TEXTS[own] + (", all particles" if name.startswith("total_") else "")
    unit = f"{units}^2" if own.endswith("area") else "1"
    return {"units": unit, "long_name": text if not name.endswith("_std") else f"standard uncertainty of the {text}"}
