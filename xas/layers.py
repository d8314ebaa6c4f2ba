"""A surface layer over a bulk from two yields that see to different depths."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import xarray as xr

from operando.errors import IllConditionedWarning, OperandoError
from operando.flags import Flag, raised
from operando.history import recorded
from operando.units import with_units

Number = float | xr.DataArray
_LIMIT = 10.0
_MEANINGS = {
    "surface": ("1", "fraction in the surface layer"),
    "bulk": ("1", "fraction below the surface layer"),
    "layer_thickness": ("nm", "thickness of the surface layer"),
    "surface_bulk_covariance": ("1", "covariance of the fractions in layer and bulk"),
    "condition_number": ("1", "condition number of the two depths"),
}


def depth_profile(
    tey: Number,
    tfy: Number | None = None,
    *,
    escape_depth: float,
    fluorescence_depth: Number | None = None,
    thickness: Number | None = None,
    surface: Number | None = None,
    bulk: Number | None = None,
    tey_std: Number | None = None,
    tfy_std: Number | None = None,
    escape_depth_std: float = 0.0,
) -> xr.Dataset:
    """Return what a layer and the bulk below it consist of, or how thick the layer is.

    f = xs (1 - exp(-t/L)) + xb exp(-t/L) for the electron yield, L the escape depth, and likewise for the
    fluorescence yield with its depth. Two numbers give two unknowns, so the caller says what is known: with the
    ``thickness`` t, xs and xb follow from both yields; with ``surface`` xs and ``bulk`` xb,
    t = -L ln[(xs - f)/(xs - xb)] follows from the electron yield; with ``surface`` alone, xb is taken from both
    yields together with t.

    Parameters
    ----------
    tey, tfy
        Fractions of one substance as the two yields show them (such as those of :func:`~operando.xas.lcf`), any dims.
    escape_depth
        Effective attenuation length of the electron yield (nm), the light's attenuation included.
    fluorescence_depth
        1/L = mu(E)/sin(in) + mu_f/sin(out) inverted (nm), see :func:`~operando.xas.probing_depth`.
    thickness, surface, bulk
        What is known: t (nm), xs, xb.
    tey_std, tfy_std
        Their standard uncertainties.
    escape_depth_std
        Standard uncertainty of the escape depth (nm).

    Returns
    -------
    xarray.Dataset
        ``surface`` and ``bulk`` with ``surface_bulk_covariance`` and ``condition_number``, or ``layer_thickness``
        (nm; and ``bulk``), with ``_std`` (from the yields) and ``_systematic`` (from the escape depth, on which a
        thickness scales). NaN where no thickness fits.

    Raises
    ------
    OperandoError
        If what is known leaves more or fewer unknowns than the yields can give.

    Warns
    -----
    IllConditionedWarning
        If the condition number exceeds 10: the layer is too thin, or both yields see equally deep;
        ``Flag.ill_conditioned`` is raised in the coordinate ``flag``, if there is one.
    """
    if not escape_depth > 0:
        raise OperandoError(f"depth_profile: expected an escape depth above 0 nm, got {escape_depth}")
    given = [
        name for name, value in (("thickness", thickness), ("surface", surface), ("bulk", bulk)) if value is not None
    ]
    errors = (_array(tey_std, np.nan), _array(tfy_std, np.nan), escape_depth_std)
    if given == ["thickness"] and tfy is not None and fluorescence_depth is not None:
        ds = _fractions(tey, tfy, _array(thickness), (escape_depth, _array(fluorescence_depth)), errors)
    elif given == ["surface", "bulk"]:
        ds = _thickness(tey, _array(surface), _array(bulk), escape_depth, errors)
    elif given == ["surface"] and tfy is not None and fluorescence_depth is not None:
        ds = _thickness_and_bulk(tey, tfy, _array(surface), (escape_depth, _array(fluorescence_depth)), errors)
    else:
        said = "the thickness and both yields, surface and bulk and the electron yield, or surface and both yields"
        raise OperandoError(f"depth_profile: expected {said}; got {', '.join(given) or 'nothing'} known")
    parameters = {"known": given, "escape_depth": escape_depth, "escape_depth_std": escape_depth_std}
    before = xr.Dataset(attrs=tey.attrs if isinstance(tey, xr.DataArray) else {})
    return recorded(_labelled(ds, tey), "xas.depth_profile", parameters, after=before)


def _array(value: Number | None, missing: float = 0.0) -> xr.DataArray:
    return value if isinstance(value, xr.DataArray) else xr.DataArray(missing if value is None else float(value))


def _fractions(
    tey: Number, tfy: Number, t: xr.DataArray, depths: tuple[float, xr.DataArray], errors: tuple[Any, Any, float]
) -> xr.Dataset:
    """Solve the two by two system [[1 - a, a], [1 - b, b]] (xs, xb) = (f_tey, f_tfy)."""
    tey_std, tfy_std, depth_std = errors
    a, b = _decayed(t / depths[0]), _decayed(t / depths[1])
    wide = b - a
    wide = wide.where(wide != 0)
    surface, bulk = (b * tey - a * tfy) / wide, ((1 - a) * tfy - (1 - b) * tey) / wide
    squares = ((b * tey_std) ** 2 + (a * tfy_std) ** 2, ((1 - a) * tfy_std) ** 2 + ((1 - b) * tey_std) ** 2)
    turn = (surface - bulk) * a * t / depths[0] ** 2
    return xr.Dataset(
        {
            "surface": surface,
            "bulk": bulk,
            "surface_std": np.sqrt(squares[0]) / abs(wide),
            "bulk_std": np.sqrt(squares[1]) / abs(wide),
            "surface_bulk_covariance": -(b * (1 - b) * tey_std**2 + a * (1 - a) * tfy_std**2) / wide**2,
            "surface_systematic": abs(b / wide * turn) * depth_std,
            "bulk_systematic": abs((1 - b) / wide * turn) * depth_std,
            "condition_number": _condition(a, b),
        }
    )


def _condition(a: xr.DataArray, b: xr.DataArray) -> xr.DataArray:
    """Return the ratio of the singular values of [[1 - a, a], [1 - b, b]]."""
    squares = (1 - a) ** 2 + a**2 + (1 - b) ** 2 + b**2
    half = (squares**2 / 4 - (b - a) ** 2).clip(min=0.0) ** 0.5
    return ((squares / 2 + half) / (squares / 2 - half)) ** 0.5


def _decayed(depths: xr.DataArray) -> xr.DataArray:
    """Return what is left after a number of depths."""
    left: xr.DataArray = xr.apply_ufunc(np.exp, -depths, dask="allowed")
    return left


def _thickness(
    tey: Number, surface: xr.DataArray, bulk: xr.DataArray, depth: float, errors: tuple[Any, Any, float]
) -> xr.Dataset:
    """Return the thickness that the electron yield tells."""
    share = (surface - tey) / (surface - bulk)
    share = share.where(share > 0)
    thickness = -depth * np.log(share)
    std = depth * errors[0] / abs(surface - tey)
    relative = abs(thickness) / depth * errors[2]
    return xr.Dataset(
        {"layer_thickness": thickness, "layer_thickness_std": std, "layer_thickness_systematic": relative}
    )


def _thickness_and_bulk(
    tey: Number,
    tfy: Number,
    surface: xr.DataArray,
    depths: tuple[float, xr.DataArray],
    errors: tuple[Any, Any, float],
) -> xr.Dataset:
    """Return thickness and bulk: with u = xs - f, ln(u_tey/u_tfy) = -t (1/L - 1/Lf)."""
    tey_std, tfy_std, depth_std = errors
    above, below = surface - tey, surface - tfy
    ratio = (above / below).where(above / below > 0)
    per_length = 1 / depths[0] - 1 / depths[1]
    logarithm: xr.DataArray = xr.apply_ufunc(np.log, ratio, dask="allowed")
    thickness = -logarithm / per_length
    lift = _decayed(-thickness / depths[1])
    bulk = surface - below * lift
    relative = np.sqrt((tey_std / above) ** 2 + (tfy_std / below) ** 2)
    part = 1 / (per_length * depths[1])
    moved = (lift * (1 + part) * tfy_std) ** 2 + (below * lift * part / above * tey_std) ** 2
    stretched = abs(thickness) / (depths[0] ** 2 * per_length) * depth_std
    return xr.Dataset(
        {
            "layer_thickness": thickness,
            "layer_thickness_std": relative / abs(per_length),
            "layer_thickness_systematic": stretched,
            "bulk": bulk,
            "bulk_std": np.sqrt(moved),
            "bulk_systematic": abs(below * lift / depths[1]) * stretched,
            "condition_number": _condition(_decayed(thickness / depths[0]), _decayed(thickness / depths[1])),
        }
    )


def _labelled(ds: xr.Dataset, like: Number) -> xr.Dataset:
    """Return the results with units, names and flags; say so where the depths hardly tell layer and bulk apart."""
    units, names = {}, {}
    for name in map(str, ds.data_vars):
        base = name.removesuffix("_std").removesuffix("_systematic")
        unit, meaning = _MEANINGS[base]
        kind = {"_std": "standard uncertainty of the ", "_systematic": "uncertainty from the escape depth of the "}
        units[name], names[name] = unit, kind.get(name.removeprefix(base), "") + meaning
    ds = with_units(ds.drop_attrs(deep=True), units, names)
    for coord in ds.coords:
        if isinstance(like, xr.DataArray) and coord in like.coords:
            ds[coord].attrs = dict(like[coord].attrs)
    if "condition_number" not in ds:
        return ds
    ill = ds["condition_number"] > _LIMIT
    if not ill.chunks and ill.any():
        worst = float(ds["condition_number"].max())
        said = f"depth_profile: layer and bulk are hardly told apart (condition number up to {worst:.0f}, above 10)"
        warnings.warn(f"{said}; a thicker layer or a shallower yield would", IllConditionedWarning, stacklevel=3)
    if "flag" in ds.coords:
        ds = ds.assign_coords(flag=raised(ds["flag"], Flag.ill_conditioned, ill.drop_vars("flag", errors="ignore")))
    return ds
