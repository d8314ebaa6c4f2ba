"""Energies of an absorption edge: e0 on the grid, and the edge energy between the grid points."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.flags import Flag, raised
from operando.history import recorded
from operando.units import with_units

from .crossing import Floats, crossings, point_variance
from .edge_finding import edge_energies, finite_grids
from .layout import ALONG, PROCESSED, along_energy

_METHODS = ("half_height",)


def find_e0(mu: xr.DataArray) -> xr.DataArray:
    """Return e0 (eV), the grid energy of the steepest rise.

    The steepest point of the slope first, then, within 75 points of it, of the slope smoothed by a Lorentzian of
    about the energy step.

    Parameters
    ----------
    mu
        Absorption against ``energy`` (eV), with any other dims in any order, in memory or dask.

    Returns
    -------
    xarray.DataArray
        e0 without the dim ``energy``; NaN where fewer than about 14 points are finite.

    Raises
    ------
    OperandoError
        If ``mu`` has no dim ``energy`` with a coordinate in eV.

    Notes
    -----
    The same numbers as ``larch.xafs.find_e0`` (xraylarch 2026.3) on the same ascending energies, points that are not
    finite left out. Being a grid energy, e0 moves in steps: for trends use :func:`edge_energy`.
    """
    mu = along_energy(mu, "find_e0")
    e0 = xr.apply_ufunc(
        _found,
        mu,
        kwargs={"energy": mu[ALONG].to_numpy()},
        input_core_dims=[[ALONG]],
        dask="parallelized",
        output_dtypes=[np.float64],
        keep_attrs=False,
    )
    meaning = PROCESSED.long_names()["e0"]
    return _with_coordinates(e0.to_dataset(name="e0"), mu)["e0"].assign_attrs(units="eV", long_name=meaning)


def edge_energy(
    normalized: xr.DataArray | xr.Dataset,
    method: str = "half_height",
    level: float = 0.5,
    *,
    e0: float | xr.DataArray | None = None,
    window: tuple[float, float] = (-20.0, 30.0),
    noise: float | xr.DataArray | None = None,
) -> xr.Dataset:
    """Return where normalized absorption first rises through ``level``, between the grid points.

    E = E1 + (level - y1) (E2 - E1)/(y2 - y1), with (E1, y1) the last point below the level before the first that
    reaches it. Its variance is (s(level)^2 ((1 - t)^2 + t^2) + s(0)^2 g0^2 + s(1)^2 g1^2)/slope^2, with
    t = (E - E1)/(E2 - E1), s(y) the noise of one point at height y, and g0, g1 the ``pre_edge_gain`` and
    ``post_edge_gain`` of the normalization.

    Parameters
    ----------
    normalized
        Normalized absorption against ``energy`` (eV), or the Dataset that :func:`~operando.xas.normalize` returns,
        whose ``e0`` then places the window. Only with the Dataset is the noise of pre-edge, post-edge and edge step
        part of the uncertainty (g0 = g1 = 0 for an array).
    method
        ``"half_height"``, the only one.
    level
        The height sought, in edge steps.
    e0
        Middle of the window in eV, one number or one a spectrum; found from the data where it is None or NaN.
    window
        Where the crossing is sought, in eV relative to ``e0``. A pre-edge peak above ``level`` must stay outside.
    noise
        Standard deviation of one point in edge steps; by default taken from the data, see the notes.

    Returns
    -------
    xarray.Dataset
        ``edge_energy`` and ``edge_energy_std`` (eV), without the dim ``energy``; NaN where nothing crosses, and
        ``Flag.no_edge`` is raised there in the coordinate ``flag``, if there is one.

    Raises
    ------
    OperandoError
        If ``method`` is unknown, or ``normalized`` has no dim ``energy`` with a coordinate in eV.

    Notes
    -----
    The noise of a point is 1.4826 times the median of what the points within 50 eV below and 100 eV above the middle
    differ by from the quintic through their six neighbors, scaled to one point. It is taken below and above ``level``
    apart, and its square as linear in the height, as counted quanta have it. The uncertainty is that of independent
    noise alone: it leaves out the energy scale, it is too small where neighboring
    points share their noise (interpolated data), and it holds only while the noise is small against the rise from
    one point to the next (rebin finer data).
    """
    if method not in _METHODS:
        raise OperandoError(f"edge_energy: expected a method among {', '.join(_METHODS)}, got {method!r}")
    gains: list[float | xr.DataArray] = [0.0, 0.0]
    if isinstance(normalized, xr.Dataset):
        gains = [normalized.get(name, 0.0) for name in ("pre_edge_gain", "post_edge_gain")]
        e0 = normalized["e0"] if e0 is None and "e0" in normalized else e0
        history = normalized
        normalized = normalized["normalized"]
    else:
        history = xr.Dataset(attrs=normalized.attrs)
    spectra = along_energy(normalized, "edge_energy")
    found, std = xr.apply_ufunc(
        _crossed,
        spectra,
        np.nan if e0 is None else e0,
        np.nan if noise is None else noise,
        *gains,
        kwargs={"energy": spectra[ALONG].to_numpy(), "level": float(level), "window": window},
        input_core_dims=[[ALONG], [], [], [], []],
        output_core_dims=[[], []],
        join="exact",
        dask="parallelized",
        output_dtypes=[np.float64, np.float64],
        keep_attrs=False,
    )
    names = ("edge_energy", "edge_energy_std")
    ds = _with_coordinates(xr.Dataset(dict(zip(names, (found, std), strict=True))), spectra)
    ds = with_units(ds, dict.fromkeys(names, "eV"), {name: PROCESSED.long_names()[name] for name in names})
    if "flag" in ds.coords:
        lost = ds["edge_energy"].drop_vars("flag").isnull()
        lost = lost.any([dim for dim in lost.dims if dim not in ds["flag"].dims])
        ds = ds.assign_coords(flag=raised(ds["flag"], Flag.no_edge, lost))
    parameters = {"method": method, "level": level, "window": window, "noise": _one_or_many(noise)}
    return recorded(ds, "xas.edge_energy", {**parameters, "e0": _one_or_many(e0)}, after=history)


def _one_or_many(value: float | xr.DataArray | None) -> float | str | None:
    return "one a spectrum" if isinstance(value, xr.DataArray) else value


def _with_coordinates(ds: xr.Dataset, source: xr.DataArray) -> xr.Dataset:
    """Return ``ds`` with the attributes that the coordinates have in ``source``."""
    for name in ds.coords:
        if name in source.coords:
            ds[name].attrs = dict(source[name].attrs)
    return ds


def _found(mu: Floats, *, energy: Floats) -> Floats:
    rows = np.ascontiguousarray(mu, dtype=np.float64).reshape(-1, mu.shape[-1])
    e0 = np.full(len(rows), np.nan)
    for chosen, points in finite_grids(energy, rows):
        e0[chosen] = edge_energies(energy[points], rows[np.ix_(chosen, points)])
    return e0.reshape(mu.shape[:-1])


def _crossed(
    spectra: Floats,
    e0: Floats,
    noise: Floats,
    *gains: Floats,
    energy: Floats,
    level: float,
    window: tuple[float, float],
) -> tuple[Floats, Floats]:
    shape = spectra.shape[:-1]
    rows = np.ascontiguousarray(spectra, dtype=np.float64).reshape(-1, spectra.shape[-1])
    centers, sigmas, before, after = (
        np.broadcast_to(values, shape).reshape(-1).astype(np.float64) for values in (e0, noise, *gains)
    )
    found = np.full((2, len(rows)), np.nan)
    for chosen, points in finite_grids(energy, rows):
        if points.size < 2:
            continue
        x, y, center = energy[points], rows[np.ix_(chosen, points)], centers[chosen]
        center = np.where(np.isnan(center), edge_energies(x, y), center)
        found[0, chosen], part, slope = crossings(x, y, center + window[0], center + window[1], level)
        given = sigmas[chosen, None] ** 2
        variance = np.where(np.isnan(given), point_variance(x, y, center, (level, 0.0, 1.0)), given)
        weights = np.stack([(1 - part) ** 2 + part**2, before[chosen] ** 2, after[chosen] ** 2], axis=1)
        found[1, chosen] = np.sqrt((variance * weights).sum(axis=1)) / slope
    return found[0].reshape(shape), found[1].reshape(shape)
