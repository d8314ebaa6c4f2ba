"""Atomic fractions from the areas of core levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .core_levels import core_level
from .cross_sections import Light, sensitivity_factor
from .layout import QUANTITIES, labelled
from .mean_free_paths import Material, imfp_tpp2m

Floats = NDArray[np.float64]
Areas = xr.Dataset | xr.DataArray
LEVEL, OTHER = "level", "other_level"


def quantify(
    areas: Mapping[str, Areas],
    photon_energy: float,
    *,
    material: Material | None = None,
    attenuation_lengths: Mapping[str, float] | None = None,
    transmission: Mapping[str, float | xr.DataArray] | None = None,
    sensitivity: Mapping[str, float] | None = None,
    angle: float | None = None,
    asymmetry: Mapping[str, float] | None = None,
    light: Light = "unpolarized",
    uncertainty: float | Mapping[str, float] = 0.1,
) -> xr.Dataset:
    """Return the atomic fractions that the areas of core levels stand for, scan by scan.

    x_i = n_i / sum n, n_i = A_i / (sigma_i W_i lambda_i T_i); the solid is taken as homogeneous over the depth seen.

    Parameters
    ----------
    areas
        One level an element, such as ``{"S 2p": fit, "P 2p": fit}``: fits with ``area`` and ``area_std``, which are
        summed over ``peak`` (with ``area_covariance`` over ``other_peak`` if there is one, else as independent; lines
        on a bound, whose error is NaN, count as exact), or arrays of whole areas without errors. Area of both lines of
        a doublet, unless the level names one.
    photon_energy
        In eV.
    material
        The solid, whose mean free paths (TPP-2M) at the energies of the electrons are lambda.
    attenuation_lengths
        lambda itself (nm), level by level, instead of ``material``.
    transmission
        T of the analyser, level by level; 1 where the areas are those of spectra already divided by it.
    sensitivity
        sigma W for levels where it shall not be that of :func:`~operando.xps.sensitivity_factor`; against C 1s.
    angle, asymmetry, light
        See :func:`~operando.xps.sensitivity_factor`.
    uncertainty
        Relative uncertainty of sigma W lambda T, one for all levels or level by level, independent among them.

    Returns
    -------
    xarray.Dataset
        ``atomic_fraction`` (1; dim ``level`` with ``element``) with ``_std`` from the areas, ``_systematic`` from
        ``uncertainty`` (the same for all scans, so it cancels in trends), and ``_covariance`` of the areas' part over
        ``other_level``. NaN in scans where a level is missing.

    Raises
    ------
    OperandoError
        If fewer than two elements are given or one twice, dims do not agree, or what sigma, lambda or T are is not
        clear.

    Notes
    -----
    D. Briggs, J. T. Grant (eds.), Surface Analysis by Auger and X-ray Photoelectron Spectroscopy, IM Publications
    (2003).

    Examples
    --------
    Areas of a compound with three sulfur atoms to one of phosphorus:

    >>> import xarray as xr
    >>> from operando import xps
    >>> areas = {"S 2p": xr.DataArray(3 * 1.675), "P 2p": xr.DataArray(1.19)}
    >>> found = xps.quantify(areas, 1486.6, attenuation_lengths={"S 2p": 3.2, "P 2p": 3.2})
    >>> print(found["atomic_fraction"].values.round(2).tolist())
    [0.75, 0.25]
    """
    levels = list(areas)
    elements = [core_level(name).element for name in levels]
    if len(set(elements)) < max(2, len(elements)):
        raise OperandoError(f"quantify: expected one core level each of two or more elements, got {', '.join(levels)}")
    whole = [_whole(name, areas[name]) for name in levels]
    lengths = _lengths(levels, photon_energy, material, attenuation_lengths)
    factors = dict(sensitivity or {})
    scale = "C 1s" if factors else None
    for name in levels:
        if name not in factors:
            given = sensitivity_factor(
                name, photon_energy, relative_to=scale, angle=angle, asymmetry=asymmetry, light=light
            )
            factors[name] = float(given)
    seen = [(transmission or {}).get(name, 1.0) * (factors[name] * lengths[name]) for name in levels]
    unknown = _relative(levels, uncertainty)
    area, std = (_stacked([one[part] for one in whole], levels) for part in (0, 1))
    ds = _fractions(area, std, _stacked(seen, levels), unknown)
    ds = ds.assign_coords(_coordinates(next(iter(areas.values())), ds))
    names = {LEVEL: levels, "element": elements, OTHER: levels}
    dims = {LEVEL: LEVEL, "element": LEVEL, OTHER: OTHER}
    ds = ds.assign_coords({name: (dims[name], np.array(values, dtype=object)) for name, values in names.items()})
    said = {name: _said(value) for name, value in (transmission or {}).items()}
    parameters = {"photon_energy": photon_energy, "sensitivity": factors, "length": lengths, "transmission": said}
    parameters |= {"uncertainty": uncertainty}
    before = xr.Dataset(attrs=next(iter(areas.values())).attrs)
    return recorded(labelled(ds, QUANTITIES), "xps.quantify", parameters, after=before)


def _whole(name: str, given: Areas) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the whole area of a level and its standard uncertainty, NaN where it is not known."""
    if isinstance(given, xr.DataArray):
        total = given.sum("peak", skipna=False) if "peak" in given.dims else given
        return total, xr.full_like(total, np.nan, dtype=np.float64)
    if "area" not in given:
        raise OperandoError(f"quantify: expected a fit with 'area' for {name}, got {', '.join(map(str, given))}")
    area = given["area"]
    std = given["area_std"] if "area_std" in given else xr.full_like(area, np.nan, dtype=np.float64)
    if "peak" not in area.dims:
        return area, std
    if "area_covariance" in given:
        variance = given["area_covariance"].sum(("peak", "other_peak"), min_count=1)
    else:
        variance = (std**2).sum("peak", min_count=1)
    return area.sum("peak", skipna=False), variance**0.5


def _lengths(
    levels: list[str], photon_energy: float, material: Material | None, given: Mapping[str, float] | None
) -> dict[str, float]:
    """Return lambda (nm) of the electrons of every level."""
    if (material is None) == (given is None):
        raise OperandoError("quantify: expected either a material or attenuation lengths of all levels")
    if given is not None:
        missing = [name for name in levels if not given.get(name, 0) > 0]
        if missing:
            raise OperandoError(f"quantify: expected attenuation lengths above 0 nm, got none for {', '.join(missing)}")
        return {name: float(given[name]) for name in levels}
    solid = material or Material("", 0.0)
    kinetic = [photon_energy - binding_energy(name) for name in levels]
    paths = imfp_tpp2m(kinetic, solid.formula, solid.density, solid.band_gap, solid.valence_electrons)
    return dict(zip(levels, map(float, paths), strict=True))


def binding_energy(name: str) -> float:
    """Return the tabulated binding energy (eV) of a level, the mean of its pair; good to some eV.

    Raises
    ------
    OperandoError
        If none is tabulated.

    Notes
    -----
    W. T. Elam, B. D. Ravel, J. R. Sieber, Radiat. Phys. Chem. 63, 121 (2002), doi:10.1016/S0969-806X(01)00227-4.
    """
    import xraydb

    level = core_level(name)
    try:
        edges = xraydb.xray_edges(level.element)
        return float(np.mean([edges[shell].energy for shell in level.shells]))
    except (KeyError, ValueError):
        raise OperandoError(f"no binding energy of {name} is tabulated") from None


def _relative(levels: list[str], uncertainty: float | Mapping[str, float]) -> Floats:
    per_level = uncertainty if isinstance(uncertainty, Mapping) else dict.fromkeys(levels, uncertainty)
    values = np.array([per_level.get(name, np.nan) for name in levels], dtype=np.float64)
    if not (values >= 0).all():
        raise OperandoError(f"quantify: expected a relative uncertainty of every level, got {uncertainty}")
    return values


def _stacked(parts: Sequence[xr.DataArray | float], levels: list[str]) -> xr.DataArray:
    """Return one array with the dim ``level``, without coordinates but those of dims."""
    arrays = [xr.DataArray(part).reset_coords(drop=True).astype(np.float64) for part in parts]
    try:
        aligned = xr.align(*arrays, join="exact")
    except ValueError:
        sizes = "; ".join(f"{name} {dict(one.sizes)}" for name, one in zip(levels, arrays, strict=True))
        raise OperandoError(f"quantify: expected areas of the same scans for all levels, got {sizes}") from None
    return xr.concat(xr.broadcast(*aligned), LEVEL, coords="minimal", compat="override").transpose(..., LEVEL)


def _fractions(area: xr.DataArray, std: xr.DataArray, response: xr.DataArray, unknown: Floats) -> xr.Dataset:
    area, std, response = (one.transpose(*area.dims) for one in xr.broadcast(area, std, response))
    values = (area.to_numpy(), std.to_numpy(), response.to_numpy())
    fraction, turned = _closure(values[0], values[2])
    covariance = np.einsum("...ij,...j,...kj->...ik", turned, values[1] ** 2, turned)
    systematic = np.sqrt(((turned * (values[0] * unknown)[..., np.newaxis, :]) ** 2).sum(axis=-1))
    coords = {name: coord for name, coord in area.coords.items() if name in area.dims}
    return xr.Dataset(
        {
            "atomic_fraction": (area.dims, fraction),
            "atomic_fraction_std": (area.dims, np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))),
            "atomic_fraction_systematic": (area.dims, systematic),
            "atomic_fraction_covariance": ((*area.dims, OTHER), covariance),
        },
        coords=coords,
    )


def _closure(area: Floats, response: Floats) -> tuple[Floats, Floats]:
    """Return the fractions and their derivatives by the areas, dims (..., level, level of the area)."""
    atoms = area / response
    total = atoms.sum(axis=-1, keepdims=True)
    fraction = atoms / total
    turned = (np.eye(area.shape[-1]) - fraction[..., np.newaxis]) / (response * total)[..., np.newaxis, :]
    return fraction, turned


def _coordinates(first: Areas, ds: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return the coordinates of the first level that fit: of scans, not of peaks."""
    dims = set(ds["atomic_fraction"].dims) - {LEVEL}
    return {str(name): coord for name, coord in first.coords.items() if set(coord.dims) <= dims and name not in ds.dims}


def _said(value: float | xr.DataArray) -> float | str:
    return "an array" if isinstance(value, xr.DataArray) else float(value)
