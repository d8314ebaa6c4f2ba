"""Read numbers off normalized spectra, each with the uncertainty that the noise of points and fits gives it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError

from .crossing import Located
from .edge_finding import edge_energies, finite_grids, picked
from .labels import labelled
from .layout import ALONG, along_energy
from .local_fits import ENOUGH
from .normalization import FITTED, OTHER_FITTED
from .point_noise import Noise, noise_sides

Floats = NDArray[np.float64]
Work = Callable[[Floats, Floats, Floats], Sequence[Located]]
"""What reads the numbers off: energies, rows and e0 in, a number a row each out. It must be picklable."""

_FITS = ("e0", "fit_covariance", "post_edge_gain")
_LEVEL = 0.5
_SAME = 1e-6
"""Difference of energies (eV) that are the same."""


def measured(
    normalized: xr.DataArray | xr.Dataset,
    step: str,
    work: Work,
    names: Sequence[str],
    *,
    e0: float | xr.DataArray | None = None,
    noise: float | xr.DataArray | None = None,
    level: float = _LEVEL,
) -> xr.Dataset:
    """Return the numbers that ``work`` reads off the spectra, named, with their ``_std``.

    ``e0`` and ``noise`` (of one point, in edge steps; with the dim ``energy`` of each) are found where they are None or
    NaN; ``level`` parts the points below the edge from those above, whose noise differs.

    Raises
    ------
    OperandoError
        If there is no dim ``energy`` with a coordinate in eV.
    """
    fits: list[float | xr.DataArray] = [0.0, xr.DataArray(np.zeros((3, 3)), dims=(FITTED, OTHER_FITTED)), 0.0]
    if isinstance(normalized, xr.Dataset):
        fits = [normalized.get(name, other) for name, other in zip(_FITS, fits, strict=True)]
        e0 = normalized["e0"] if e0 is None and "e0" in normalized else e0
        normalized = normalized["normalized"]
    spectra = along_energy(normalized, step)
    results = xr.apply_ufunc(
        _numbers,
        spectra,
        np.nan if e0 is None else e0,
        by_point(noise, spectra, step),
        *fits,
        kwargs={"energy": spectra[ALONG].to_numpy(), "work": work, "count": len(names), "level": float(level)},
        input_core_dims=[[ALONG], [], [ALONG], [], [FITTED, OTHER_FITTED], []],
        output_core_dims=[[]] * (2 * len(names)),
        join="exact",
        dask="parallelized",
        output_dtypes=[np.float64] * (2 * len(names)),
        keep_attrs=False,
    )
    both = [part for name in names for part in (name, f"{name}_std")]
    return labelled(xr.Dataset(dict(zip(both, results, strict=True))), spectra)


def by_point(noise: float | xr.DataArray | None, spectra: xr.DataArray, step: str) -> xr.DataArray:
    """Return the noise of every point of spectra, dims energy and others of theirs; NaN where it is not known.

    Raises
    ------
    OperandoError
        If it lies at other energies than the spectra, along other dims, or belongs to other scans or regions.
    """
    if isinstance(noise, xr.DataArray):
        if not set(noise.dims) <= set(spectra.dims):
            raise OperandoError(f"{step}: expected noise with dims among {spectra.dims}, got {noise.dims}")
        for dim in set(noise.indexes) & set(spectra.indexes) - {ALONG}:
            if not noise.indexes[dim].equals(spectra.indexes[dim]):
                raise OperandoError(f"{step}: expected noise with the {dim} of the spectra, got another one")
    if not (isinstance(noise, xr.DataArray) and ALONG in noise.dims):
        return (np.nan if noise is None else noise) * xr.DataArray(np.ones(spectra.sizes[ALONG]), dims=ALONG)
    energy, own = spectra[ALONG].to_numpy(), noise[ALONG].to_numpy() if ALONG in noise.coords else None
    if noise.sizes[ALONG] != energy.size or not (own is None or np.allclose(own, energy, rtol=0, atol=_SAME)):
        got = f"{noise.sizes[ALONG]} others" if own is None else f"{own.size} from {own.min():g} to {own.max():g} eV"
        raise OperandoError(f"{step}: expected noise at the energies of the spectra, got {got}")
    return along_energy(noise.assign_coords({ALONG: spectra[ALONG]}), step)


def require_points(step: str, energy: Floats, smoothing: float) -> None:
    """Refuse a smoothing within which nowhere lie as many points as a fit needs.

    Raises
    ------
    OperandoError
        Saying how far apart the energies are.
    """
    known = np.sort(energy[np.isfinite(energy)])
    finest = np.min(known[ENOUGH:] - known[:-ENOUGH], initial=np.inf) / ENOUGH
    if not ENOUGH * finest < 2 * smoothing:
        least = ENOUGH * finest / 2
        raise OperandoError(
            f"{step}: expected a smoothing above {least:.3g} eV for these energies, got {smoothing:g} eV"
        )


def one_or_many(value: float | xr.DataArray | None) -> float | str | None:
    """Return what a history keeps of a number that may differ from spectrum to spectrum."""
    if isinstance(value, xr.DataArray):
        return "one a point" if ALONG in value.dims else "one a spectrum"
    return value


def _numbers(
    spectra: Floats, e0: Floats, noise: Floats, *fits: Floats, energy: Floats, work: Work, count: int, level: float
) -> tuple[Floats, ...]:
    """Return value and uncertainty, one after the other, of each number of spectra along the last axis."""
    shape, many = spectra.shape[:-1], spectra[..., 0].size
    rows = np.ascontiguousarray(spectra, dtype=np.float64).reshape(many, spectra.shape[-1])
    center, zero, gain = (
        np.broadcast_to(values, shape).reshape(many).astype(np.float64) for values in (e0, fits[0], fits[2])
    )
    covariance = np.broadcast_to(fits[1], (*shape, 3, 3)).reshape(many, 3, 3)
    given = np.broadcast_to(noise, spectra.shape).reshape(rows.shape) if np.isfinite(noise).any() else None
    found = np.full((count, 2, many), np.nan)
    for chosen, points in finite_grids(energy, rows):
        if points.size < 2:
            continue
        x, y, middle = energy[points], picked(rows, chosen, points), center[chosen]
        middle = np.where(np.isnan(middle), edge_energies(x, y), middle)
        variance = np.full((chosen.size, 1), np.nan) if given is None else picked(given, chosen, points) ** 2.0
        sides = noise_sides(x, y, middle, level, variance)
        uncertain = Noise(sides, zero[chosen], covariance[chosen], gain[chosen], variance)
        for k, (value, slopes) in enumerate(work(x, y, middle)):
            known = np.isfinite(value)
            found[k, 0, chosen] = value
            found[k, 1, chosen] = np.where(known, uncertain.std(x, y, np.where(known[:, None], slopes, 0.0)), np.nan)
    return tuple(found.reshape(2 * count, *shape))
