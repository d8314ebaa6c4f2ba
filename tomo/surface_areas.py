"""Surface of phases, masks, objects, or where a grey level passes a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .counted_voxels import as_mask
from .interfaces import interfaces, standard_error
from .layout import PLACES
from .phase_counts import MOVED
from .phases import Thresholds, as_thresholds
from .single_volumes import (
    check_extent,
    even_edges,
    known_voxels,
    object_coords,
    phase_values,
    series_coords,
    single_volumes,
)
from .subvolumes import HALVES, SUBVOLUMES, parts_of, spread_of_mean
from .voxels import as_volume, voxel

STEP = "tomo.surface_area"
MOST = 16
"""Subvolumes along each dim."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Surface:
    """Numbers of bodies; area, its standard error, area per volume, and how far that is from the material's."""

    numbers: NDArray[np.int64]
    area: Floats
    error: Floats
    specific: Floats
    spread: Floats


def surface_area(
    volume: xr.DataArray | NDArray[np.generic],
    threshold: Thresholds | float | None = None,
    names: Sequence[str] | Mapping[int, str] | None = None,
    *,
    mask: xr.DataArray | NDArray[np.generic] | None = None,
    subvolumes: int = SUBVOLUMES,
    blur: float = 0.0,
) -> xr.Dataset:
    """Return the surface of what a volume shows, flat or curved, block by block.

    Parameters
    ----------
    volume
        Dims (..., z, y, x), in memory or lazy; voxels may be longer along one dim. A mask; labels of phases, with
        names; labels of objects, 0 outside; or grey levels, with ``threshold``.
    threshold
        Grey level of the surface, or a Dataset with one, such as ``threshold_multiotsu`` gives. Its ``grey_level``
        (phase) are the levels on both sides, else they are the means there.
    names
        ``{label: name}`` of phases, or names in the order of the attribute ``flag_values``; by default those in
        ``flag_meanings``. Labels without a name are unknown: what faces them is no surface.
    mask
        Voxels that count, truth values, dims (z, y, x) or those of the volume.
    subvolumes
        Along each dim, from whose differences the spread of the material comes.
    blur
        Of the grey levels that surfaces were cut from: standard deviation in voxels, 1 at most. What it fills of
        grooves and takes off edges is put back; 0 leaves it out.

    Returns
    -------
    xarray.Dataset
        Of each volume of a series, and by ``phase`` where phases have names, or one row an ``object``, with ``number``:
        ``surface_area`` (um^2) and ``surface_area_std``, of the surface that is there; ``specific_surface_area``
        (1/um), per volume that counts, and its ``_std``, by how far it may lie from that of the material that the
        volume was cut from. Of grey levels also ``_systematic``, half of what they change when the threshold moves from
        10 % of the distance between the levels below to 10 % above, and ``_uncertainty``, both in quadrature.

        What lies farther out than the middles of the outermost voxels is not seen: neither its area nor its volume
        counts.

    Raises
    ------
    OperandoError
        If the volume is none of these, is a single voxel thick, or threshold, names or mask do not fit.

    Notes
    -----
    Faces between voxels, each by the share of the surface's normal along it (:func:`~operando.tomo.interfaces`). Balls
    of 10 to 40 voxels come out within 0.1 % on average, single planes within 0.5 % (standard deviation over their
    directions; 1.8 % at most, 10 degrees from the faces of voxels), plates of two voxels within 4.5 %; Crofton's
    formula, which ``shapes`` takes, finds 0.93 to 1.02 of a plane.

    Along grooves and edges labels lose area: what is narrower than a voxel is not there. It is put back from how the
    normals turn beside them, to 20 %, which ``_std`` holds: spheres of 10 voxels that overlap at random lose 0.7 %
    where eta = 0.5 and 1.2 % where eta = 1 in place of 3 and 6 %. Curved surfaces with radii below three voxels come
    out up to 4 % too large. A blur of 0.7 voxels takes 6 and 11 % of the same spheres, 3 and 4 % with ``blur`` stated;
    1 % of it because it moves a surface of radius R inward by blur^2/R, which is not put back. Noise that makes bumps
    makes surface.

    The method is operando's own: decision 13 of the documentation.

    Examples
    --------
    A ball of 10 voxels has 4 pi 100 = 1257:

    >>> import numpy as np
    >>> from operando import tomo
    >>> z, y, x = np.ogrid[:32, :32, :32]
    >>> ball = (z - 15.5) ** 2 + (y - 15.5) ** 2 + (x - 15.5) ** 2 < 10**2
    >>> print(round(float(tomo.surface_area(ball.astype("u1"))["surface_area"][-1]), -1))
    1260.0
    """
    whole = as_volume(volume, STEP)
    _check(whole, threshold, subvolumes, blur)
    cover = as_mask(mask, whole, STEP)
    settings: dict[str, Any] = {"mask": mask is not None, "subvolumes": subvolumes, "blur": blur}
    if threshold is not None:
        found, limits = _of_grey(whole, threshold, cover, subvolumes, blur)
        settings |= {"threshold": limits, "moved": MOVED}
        return recorded(found, STEP, settings, after=xr.Dataset(attrs=whole.attrs))
    called = phase_values(whole, names, STEP) if whole.dtype != bool else None
    objects = called is None and whole.dtype != bool
    settings |= {"names": None if called is None else list(called.values())}
    rows = []
    for at, one in single_volumes(whole):
        known = known_voxels(one, cover, at, called)
        bodies = one if called is None else one.astype(np.int32) + 1
        rows.append(_surface(bodies, known, 0 if objects else subvolumes, blur))
    found = _table(whole, rows) if objects else _phases(whole, rows, called)
    return recorded(found, STEP, settings, after=xr.Dataset(attrs=whole.attrs))


def _check(volume: xr.DataArray, threshold: Any, subvolumes: int, blur: float) -> None:
    if not 0 <= blur <= 1:
        raise OperandoError(
            f"{STEP}: expected a blur from 0 to 1 voxel, got {blur:g}; what more fills cannot be put back"
        )
    if not HALVES <= subvolumes <= MOST:
        raise OperandoError(f"{STEP}: expected 2 to {MOST} subvolumes along each dim, got {subvolumes}")
    check_extent(volume, STEP)
    if threshold is None and volume.dtype.kind not in "iub":
        raise OperandoError(f"{STEP}: expected a mask or labels, got {volume.dtype}; state a threshold of grey levels")
    if threshold is not None and volume.dtype == bool:
        raise OperandoError(f"{STEP}: expected grey levels with a threshold, got a mask")


def _surface(  # noqa: PLR0917
    bodies: xr.DataArray,
    known: xr.DataArray | None,
    subvolumes: int,
    blur: float,
    grey: xr.DataArray | None = None,
    threshold: float = 0.0,
) -> _Surface:
    size = voxel(bodies, STEP)
    edges = even_edges(bodies, STEP)
    cuts = [parts_of(bodies.sizes[name], HALVES * subvolumes) for name in PLACES] if subvolumes else None
    found = interfaces(bodies, edges=edges, known=known, grey=grey, threshold=threshold, cuts=cuts, blur=blur)
    along, faces, bent = (one.sum(axis=1) for one in (found.along, found.faces, found.bent))
    area, error = along.sum(axis=-1), standard_error(along, faces, edges, faces, bent)
    if cuts is None:
        nothing = np.full(area.shape, np.nan)
        return _Surface(found.numbers, area, error, nothing, nothing)
    counted = found.known.sum() * _inner_share(bodies) * size.volume
    if not counted:
        raise OperandoError(f"{STEP}: expected voxels that count, got none; look at mask, names and flags")
    spread = spread_of_mean(found.parts.sum(axis=-1), found.known) * found.known.sum() / counted
    return _Surface(found.numbers, area, error, area / counted, np.hypot(spread, error / counted))


def _inner_share(volume: xr.DataArray) -> float:
    """Return the share of a volume that lies within the middles of its outermost voxels."""
    return float(np.prod([1 - 1 / volume.sizes[name] for name in PLACES]))


def _of_grey(
    grey: xr.DataArray, threshold: Any, cover: xr.DataArray | None, subvolumes: int, blur: float
) -> tuple[xr.Dataset, list[float]]:
    limits = as_thresholds(threshold, STEP)
    if limits.sizes["boundary"] != 1:
        raise OperandoError(f"{STEP}: expected one threshold, got {limits.sizes['boundary']}; segment the volume first")
    rows, moved, used = [], [], []
    for at, one in single_volumes(grey):
        level = limits.isel({name: place for name, place in at.items() if name in limits.dims}).item()
        known = known_voxels(one, cover, at, None)
        step = MOVED * _contrast(one, level, known, threshold, at)
        rows.append(_surface(one > level, known, subvolumes, blur, one, level))
        low, high = (
            _surface(one > there, known, subvolumes, blur, one, there) for there in (level - step, level + step)
        )
        moved.append([abs(_only(high.area) - _only(low.area)) / 2, abs(_only(high.specific) - _only(low.specific)) / 2])
        used.append(level)
    return _phases(grey, rows, None, np.array(moved)), used


def _contrast(
    grey: xr.DataArray, level: float, known: xr.DataArray | None, threshold: Any, at: Mapping[Any, int]
) -> float:
    """Return the distance between the grey levels on both sides of a threshold."""
    if isinstance(threshold, xr.Dataset) and "grey_level" in threshold:
        levels = threshold["grey_level"]
        levels = levels.isel({name: place for name, place in at.items() if name in levels.dims})
        return float(levels.isel(phase=1)) - float(levels.isel(phase=0))
    counted = grey.notnull() if known is None else known & grey.notnull()
    means = [grey.where(counted & side).mean(PLACES, dtype=np.float64) for side in (grey > level, grey <= level)]
    return float(means[0]) - float(means[1]) if np.isfinite([float(one) for one in means]).all() else 0.0


def _only(values: Floats) -> float:
    return float(values.sum())


def _phases(
    volume: xr.DataArray, rows: list[_Surface], called: dict[int, str] | None, moved: Floats | None = None
) -> xr.Dataset:
    """Return tables over the dims of a series and, where there are several, phases; what has no surface has 0."""
    wanted = np.array([1] if called is None else [label + 1 for label in called])
    table = np.zeros((4, len(rows), wanted.size))
    for number, row in enumerate(rows):
        for column, one in enumerate(wanted):
            at = np.flatnonzero(row.numbers == one)
            if at.size:
                table[:, number, column] = [values[at[0]] for values in (row.area, row.error, row.specific, row.spread)]
    leading = volume.dims[: -len(PLACES)]
    dims = leading if called is None else (*leading, "phase")
    shape = tuple(volume.sizes[name] for name in leading) + (() if called is None else (wanted.size,))
    columns = dict(zip(_NAMES, table, strict=True))
    for name, values in zip(("surface_area", "specific_surface_area"), () if moved is None else moved.T, strict=False):
        columns[f"{name}_systematic"] = values
        columns[f"{name}_uncertainty"] = np.hypot(columns[f"{name}_std"][:, 0], values)
    units = voxel(volume, STEP).units
    found = xr.Dataset({name: (dims, values.reshape(shape), _attrs(name, units)) for name, values in columns.items()})
    found = found.assign_coords(series_coords(volume))
    if called is None:
        return found
    return found.assign_coords(phase=("phase", np.array(list(called.values()), dtype=object), {"long_name": "phase"}))


def _table(volume: xr.DataArray, rows: list[_Surface]) -> xr.Dataset:
    """Return one row an object, with the place of its volume in the series."""
    units = voxel(volume, STEP).units
    number = {"units": "1", "long_name": "number in the label image"}
    found = xr.Dataset({"number": ("object", np.concatenate([row.numbers for row in rows]), number)})
    for name, part in zip(_NAMES[:2], ("area", "error"), strict=True):
        values = np.concatenate([getattr(row, part) for row in rows])
        found[name] = ("object", values, _attrs(name, units))
    return found.assign_coords(object_coords(volume, [row.numbers.size for row in rows]))


_NAMES = ("surface_area", "surface_area_std", "specific_surface_area", "specific_surface_area_std")
_ENDINGS = {
    "std": "standard uncertainty of the {}",
    "systematic": "change of the {} with the threshold",
    "uncertainty": "both uncertainties of the {} in quadrature",
}


def _attrs(name: str, units: str) -> dict[str, str]:
    quantity, _, ending = name.partition("area")
    text = "surface per volume" if quantity.startswith("specific") else "surface"
    unit = f"1/{units}" if quantity.startswith("specific") else f"{units}^2"
    return {"units": unit, "long_name": _ENDINGS[ending[1:]].format(text) if ending else text}
