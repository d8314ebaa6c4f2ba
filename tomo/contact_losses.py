"""How much of the surface of particles loses touch with another phase as time goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .contacts import Phase, Touching, attrs, beside, grains_at, pair, share, touching
from .layout import PLACES
from .single_volumes import series_coords, single_volumes
from .voxels import as_volume, voxel

STEP = "tomo.contact_loss"
Floats = NDArray[np.float64]


def contact_loss(
    phases: xr.DataArray,
    particles: xr.DataArray,
    active: Phase,
    electrolyte: Phase,
    *,
    numbers: xr.DataArray | None = None,
    reference: int | None = 0,
) -> xr.Dataset:
    """Return, scan by scan, which share of each particle's surface no longer touches the electrolyte.

    Parameters
    ----------
    phases
        Labels, dims (scan, z, y, x), in memory or lazy, as :func:`~operando.tomo.contact_area` takes them.
    particles
        Numbers of particles, 0 outside, of the same dims, or z, y, x: the same for all scans.
    active, electrolyte
        The phase of the particles and the one that they should touch, by label or name.
    numbers
        Dims (scan, particle): the number of each particle in the ``particles`` of each scan, 0 where it is not there;
        such as ``object`` of ``track``. By default a particle keeps its number.
    reference
        Scan, from 0, whose contact is what can be lost; None: contact all around.

    Returns
    -------
    xarray.Dataset
        Dims (scan, particle): ``contact_area``, ``surface_area`` toward other phases (um^2), ``contact_share`` and
        ``contact_loss`` = ``contact_share`` of the reference less that of the scan, NaN where a particle is not there;
        and of all particles of a scan together (scan): ``total_contact_area``, ``total_surface_area``,
        ``total_contact_share``, ``total_contact_loss``. All with ``_std``, which holds for the labels.

    Raises
    ------
    OperandoError
        If there is no dim ``scan``, or the reference, the numbers or what ``contact_area`` takes do not fit.

    Notes
    -----
    Gaps thinner than about twice the width of a blurred edge are not in labels at all, and count as contact: in grey
    levels such a gap does, to first order in its width, what a particle smaller by the width times the ratio of the
    contrasts would do. The recipe step ``contact`` tells what is found of the contact that gaps of each width take
    away: with a blur of 0.7 voxels nothing below 1.5 voxels, all above 2, half at 1.7.

    A contact that was lost and one won elsewhere on the same particle cancel. Errors of the reference and of a scan are
    taken as independent; the loss of the reference itself is 0 without one.
    """
    labels = as_volume(phases, STEP)
    if labels.dims != ("scan", *PLACES):
        raise OperandoError(f"{STEP}: expected phases with the dims scan, z, y, x, got {labels.dims}")
    if reference is not None and not 0 <= reference < labels.sizes["scan"]:
        raise OperandoError(f"{STEP}: expected a reference from 0 to {labels.sizes['scan'] - 1}, got {reference}")
    called, first, second = pair(labels, active, electrolyte, STEP)
    grains = beside(particles, labels, STEP)
    rows = [touching(one, grains_at(grains, at), (first, second), called) for at, one in single_volumes(labels)]
    known = _numbers(rows, numbers, labels.sizes["scan"])
    columns = _each(rows, known) | _together(rows)
    for prefix in ("", "total_"):
        columns |= _lost(prefix, columns[f"{prefix}contact_share"], columns[f"{prefix}contact_share_std"], reference)
    units = voxel(labels, STEP).units
    found = xr.Dataset(
        {name: (("scan", "particle")[: values.ndim], values, attrs(name, units)) for name, values in columns.items()},
        coords=series_coords(labels),
    ).assign_coords(particle=_names(known, numbers))
    settings = {"active": active, "electrolyte": electrolyte, "reference": reference, "tracked": numbers is not None}
    return recorded(found, STEP, settings, after=xr.Dataset(attrs=labels.attrs))


def _numbers(rows: list[Touching], numbers: xr.DataArray | None, scans: int) -> NDArray[np.int64]:
    """Return the number of each particle in each scan, dims (scan, particle)."""
    if numbers is None:
        known = np.unique(np.concatenate([row.numbers for row in rows]))
        return np.broadcast_to(known, (scans, known.size))
    along = [name for name in numbers.dims if name != "scan"]
    if len(along) != 1 or numbers.sizes.get("scan") != scans:
        raise OperandoError(f"{STEP}: expected numbers over {scans} scans and particles, got {dict(numbers.sizes)}")
    return numbers.transpose("scan", ...).to_numpy().astype(np.int64)


def _names(known: NDArray[np.int64], numbers: xr.DataArray | None) -> tuple[str, Any, dict[str, str]]:
    meaning = {"units": "1", "long_name": "number of the particle"}
    if numbers is None:
        return "particle", known[0], meaning
    along = next(name for name in numbers.dims if name != "scan")
    values = numbers[along].to_numpy() if along in numbers.coords else np.arange(1, known.shape[1] + 1)
    return "particle", values, meaning


def _each(rows: list[Touching], known: NDArray[np.int64]) -> dict[str, Floats]:
    names = ("contact_area", "contact_area_std", "surface_area", "surface_area_std", "contact_share")
    table = np.full((len(names) + 1, *known.shape), np.nan)
    for scan, (row, wanted) in enumerate(zip(rows, known, strict=True)):
        at = np.searchsorted(row.numbers, wanted).clip(0, max(row.numbers.size - 1, 0))
        there = (row.numbers[at] == wanted) if row.numbers.size else np.zeros(wanted.size, bool)
        own = np.stack([row.area[0], row.error[0], row.area[1], row.error[1], share(row), row.share_error])
        table[:, scan, there] = own[:, at[there]]
    return dict(zip((*names, "contact_share_std"), table, strict=True))


def _together(rows: list[Touching]) -> dict[str, Floats]:
    """Return the sums over all particles of each scan; errors of particles are independent."""
    contact, surface = (np.array([row.area[one].sum() for row in rows]) for one in (0, 1))
    errors = [np.array([np.sqrt((row.error[one] ** 2).sum()) for row in rows]) for one in (0, 1)]
    found = contact / np.where(surface > 0, surface, np.nan)
    weighed = [np.nansum((row.share_error * row.area[1]) ** 2) ** 0.5 for row in rows]
    return {
        "total_contact_area": contact,
        "total_contact_area_std": errors[0],
        "total_surface_area": surface,
        "total_surface_area_std": errors[1],
        "total_contact_share": found,
        "total_contact_share_std": np.array(weighed) / np.where(surface > 0, surface, np.nan),
    }


def _lost(prefix: str, shares: Floats, error: Floats, reference: int | None) -> dict[str, Floats]:
    if reference is None:
        return {f"{prefix}contact_loss": 1 - shares, f"{prefix}contact_loss_std": error.copy()}
    both = np.hypot(error, error[reference])
    both[reference] = np.where(np.isfinite(shares[reference]), 0.0, np.nan)
    return {f"{prefix}contact_loss": shares[reference] - shares, f"{prefix}contact_loss_std": both}
