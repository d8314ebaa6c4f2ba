"""A surface layer over a bulk from two yields that see to different depths."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import IllConditionedWarning, OperandoError
from operando.flags import Flag
from operando.history import recorded

from .labels import flagged, labelled

Floats = NDArray[np.float64]
Number = float | xr.DataArray
THICKNESS, SURFACE, BULK = "layer_thickness", "surface", "bulk"
_LIMIT = 10.0
_THICKEST, _HALVINGS = 50.0, 64


@dataclass(frozen=True)
class _Yield:
    """A fraction as one yield shows it, its standard uncertainty, and the depth (nm) from which the yield decays."""

    fraction: xr.DataArray
    std: xr.DataArray
    depth: xr.DataArray


def depth_profile(
    tey: Number,
    tfy: Number | None = None,
    *,
    escape_depth: Number,
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
    fluorescence yield with its depth. Two numbers give two unknowns, so the caller says what is known of
    ``thickness`` t, ``surface`` xs and ``bulk`` xb: one of them, and the others follow from both yields; or xs and
    xb, and t = -L ln[(xs - f)/(xs - xb)] follows from the electron yield (with the fluorescence yield too, the mean
    weighted by the variances).

    Parameters
    ----------
    tey, tfy
        Fractions of one substance as the two yields show them (such as those of :func:`~operando.xas.lcf`), any dims.
    escape_depth
        Effective attenuation length of the electron yield (nm), the light's attenuation included; see
        :func:`~operando.xas.probing_depth`.
    fluorescence_depth
        That of the fluorescence yield (nm).
    thickness, surface, bulk
        What is known: t (nm), xs, xb.
    tey_std, tfy_std
        Standard uncertainties of the fractions.
    escape_depth_std
        Standard uncertainty of the escape depth (nm).

    Returns
    -------
    xarray.Dataset
        What was unknown of ``layer_thickness`` (nm; negative where noise outweighs a thin layer), ``surface`` and
        ``bulk`` (1), each with ``_std`` (from the yields) and ``_systematic`` (from the escape depth, with which a
        thickness scales); of two also ``<one>_<other>_covariance``, and the ``condition_number`` of the mixing of
        layer and bulk in the two yields. NaN where nothing fits.

    Raises
    ------
    OperandoError
        If what is known leaves more or fewer unknowns than the yields can give, or a depth is not positive.

    Warns
    -----
    IllConditionedWarning
        If the condition number exceeds 10: the layer is too thin, or both yields see equally deep;
        ``Flag.ill_conditioned`` is raised in the coordinate ``flag``, if there is one.

    Notes
    -----
    Escape depths: B. H. Frazer et al., Surf. Sci. 537, 161 (2003), doi:10.1016/S0039-6028(03)00613-7.

    Examples
    --------
    A layer of 2 nm of one substance on a bulk without it, seen by electrons from 5 nm:

    >>> import numpy as np
    >>> from operando import xas
    >>> found = xas.depth_profile(1 - np.exp(-2 / 5), escape_depth=5.0, surface=1.0, bulk=0.0)
    >>> print(round(float(found["layer_thickness"]), 2))
    2.0
    """
    given = {THICKNESS: thickness, SURFACE: surface, BULK: bulk}
    known = {name: _array(value) for name, value in given.items() if value is not None}
    shallow, deep = _Yield(_array(tey), _array(tey_std), _depth(escape_depth)), None
    if tfy is not None and fluorescence_depth is not None:
        deep = _Yield(_array(tfy), _array(tfy_std), _depth(fluorescence_depth))
    if set(known) == {SURFACE, BULK}:
        ds = _thickness(shallow, deep, known, escape_depth_std)
    elif len(known) == 1 and deep is not None:
        unknown = [name for name in given if name not in known]
        ds = _with_errors(_solved(shallow, deep, known), shallow, deep, unknown)
        ds = ds.assign({name: ds[name] * escape_depth_std for name in map(str, ds) if name.endswith("_systematic")})
    else:
        expected = "thickness, surface or bulk known with both yields and depths, or surface and bulk"
        raise OperandoError(f"depth_profile: expected {expected}; got {', '.join(known) or 'nothing'} known")
    ds = _labelled(ds, [value for value in (tey, tfy) if isinstance(value, xr.DataArray)])
    depths = {"escape_depth": escape_depth, "fluorescence_depth": fluorescence_depth}
    parameters = {name: "an array" if isinstance(value, xr.DataArray) else value for name, value in depths.items()}
    before = xr.Dataset(attrs=tey.attrs if isinstance(tey, xr.DataArray) else {})
    parameters |= {"escape_depth_std": escape_depth_std}
    return recorded(ds, "xas.depth_profile", {"known": list(known), **parameters}, after=before)


def _array(value: Number | None) -> xr.DataArray:
    """Return a number as an array with its dims alone; NaN for none."""
    if isinstance(value, xr.DataArray):
        return value.reset_coords(drop=True)
    return xr.DataArray(np.nan if value is None else float(value))


def _depth(value: Number) -> xr.DataArray:
    depth = _array(value)
    if not bool((depth.fillna(1.0) > 0).all()):
        raise OperandoError(f"depth_profile: expected depths above 0 nm, got {float(depth.min()):g}")
    return depth


def _left(thickness: xr.DataArray, depth: xr.DataArray) -> xr.DataArray:
    """Return the share of a yield that comes from below the layer."""
    left: xr.DataArray = xr.apply_ufunc(np.exp, -thickness / depth, dask="allowed")
    return left


def _logarithm(ratio: xr.DataArray) -> xr.DataArray:
    logarithm: xr.DataArray = xr.apply_ufunc(np.log, ratio.where(ratio > 0), dask="allowed")
    return logarithm


def _thickness(tey: _Yield, tfy: _Yield | None, known: dict[str, xr.DataArray], depth_std: float) -> xr.Dataset:
    """Return the thickness between a known layer and a known bulk, of two yields the weighted mean."""
    thickness, std = _one_thickness(tey, known)
    scaled = abs(thickness / tey.depth) * depth_std
    if tfy is not None:
        deeper, deeper_std = _one_thickness(tfy, known)
        share = deeper_std**2 / (std**2 + deeper_std**2)
        thickness, std, scaled = share * thickness + (1 - share) * deeper, std * share**0.5, scaled * share
    return xr.Dataset({THICKNESS: thickness, f"{THICKNESS}_std": std, f"{THICKNESS}_systematic": scaled})


def _one_thickness(seen: _Yield, known: dict[str, xr.DataArray]) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the thickness that one yield tells and its standard uncertainty."""
    above = known[SURFACE] - seen.fraction
    return -seen.depth * _logarithm(above / (known[SURFACE] - known[BULK])), abs(seen.depth * seen.std / above)


def _solved(tey: _Yield, tfy: _Yield, known: dict[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """Return thickness, surface and bulk from two yields and one of them."""
    if THICKNESS in known:
        thickness = known[THICKNESS]
        a, b = _left(thickness, tey.depth), _left(thickness, tfy.depth)
        wide = (b - a).where(b != a)
        surface, bulk = b * tey.fraction - a * tfy.fraction, (1 - a) * tfy.fraction - (1 - b) * tey.fraction
        return {THICKNESS: thickness, SURFACE: surface / wide, BULK: bulk / wide}
    if SURFACE in known:
        above, below = known[SURFACE] - tey.fraction, known[SURFACE] - tfy.fraction
        thickness = -_logarithm(above / below) / (1 / tey.depth - 1 / tfy.depth)
        return {THICKNESS: thickness, BULK: known[SURFACE] - below / _left(thickness, tfy.depth), **known}
    above, below = tey.fraction - known[BULK], tfy.fraction - known[BULK]
    thickness = xr.apply_ufunc(
        _covering, above / below, tey.depth, tfy.depth, dask="parallelized", output_dtypes=[np.float64]
    )
    return {THICKNESS: thickness, SURFACE: known[BULK] + above / (1 - _left(thickness, tey.depth)), **known}


def _covering(ratio: Floats, near: Floats, deep: Floats) -> Floats:
    """Return the thickness t at which (1 - exp(-t/near))/(1 - exp(-t/deep)) is ``ratio``, by bisection.

    It falls from deep/near for the thinnest layer to 1 for the thickest; NaN beyond.
    """
    ratio, near, deep = np.broadcast_arrays(ratio, near, deep)
    low, high = np.zeros(ratio.shape), _THICKEST * deep
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        beyond = np.expm1(-middle / near) > ratio * np.expm1(-middle / deep)
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    return np.where((ratio > 1) & (ratio < deep / near), (low + high) / 2, np.nan)


def _with_errors(found: dict[str, xr.DataArray], tey: _Yield, tfy: _Yield, unknown: list[str]) -> xr.Dataset:
    """Return two unknowns with what the yields' noise and 1 nm of escape depth do to them."""
    first, other = unknown
    near, deep = (_slopes(found, one.depth) for one in (tey, tfy))
    a, b, c, d = near[first], near[other], deep[first], deep[other]
    det = (a * d - b * c).where(lambda value: value != 0)
    return xr.Dataset(
        {
            first: found[first],
            f"{first}_std": ((d * tey.std) ** 2 + (b * tfy.std) ** 2) ** 0.5 / abs(det),
            f"{first}_systematic": abs(d * near["depth"] / det),
            other: found[other],
            f"{other}_std": ((c * tey.std) ** 2 + (a * tfy.std) ** 2) ** 0.5 / abs(det),
            f"{other}_systematic": abs(c * near["depth"] / det),
            f"{first}_{other}_covariance": -(c * d * tey.std**2 + a * b * tfy.std**2) / det**2,
            "condition_number": _condition(near[BULK], deep[BULK]),
        }
    )


def _slopes(found: dict[str, xr.DataArray], depth: xr.DataArray) -> dict[str, xr.DataArray]:
    """Return how a yield's fraction changes with each of the three, and with its depth."""
    left = _left(found[THICKNESS], depth)
    moved = (found[SURFACE] - found[BULK]) * left / depth
    return {SURFACE: 1 - left, BULK: left, THICKNESS: moved, "depth": -moved * found[THICKNESS] / depth}


def _condition(a: xr.DataArray, b: xr.DataArray) -> xr.DataArray:
    """Return the ratio of the singular values of [[1 - a, a], [1 - b, b]]."""
    squares = (1 - a) ** 2 + a**2 + (1 - b) ** 2 + b**2
    half = (squares**2 / 4 - (b - a) ** 2).clip(min=0.0) ** 0.5
    return ((squares / 2 + half) / (squares / 2 - half)) ** 0.5


def _labelled(ds: xr.Dataset, yields: list[xr.DataArray]) -> xr.Dataset:
    """Return the results with units, names, the coordinates of the yields and the flags of both."""
    ds = xr.Dataset(dict(zip(ds, xr.broadcast(*ds.data_vars.values()), strict=True))).drop_attrs()
    for one in yields:
        earlier = ds["flag"] if "flag" in ds.coords else None
        ds = ds.assign_coords({name: one[name] for name in one.coords if set(one[name].dims) <= set(ds.dims)})
        if earlier is not None and "flag" in one.coords:
            ds = ds.assign_coords(flag=(earlier | one["flag"]).assign_attrs(earlier.attrs))
    ds = labelled(ds, yields[0] if yields else xr.DataArray())
    return _judged(ds) if "condition_number" in ds else ds


def _judged(ds: xr.Dataset) -> xr.Dataset:
    """Raise the flag, and a warning if the numbers are there, where layer and bulk are hardly told apart."""
    ill = ds["condition_number"] > _LIMIT
    if not ill.chunks and bool(ill.any()):
        worst = float(ds["condition_number"].max())
        said = f"depth_profile: layer and bulk are hardly told apart (condition number up to {worst:.0f}, above 10)"
        warnings.warn(f"{said}; a thicker layer or a shallower yield would", IllConditionedWarning, stacklevel=4)
    return flagged(ds, Flag.ill_conditioned, ill)
