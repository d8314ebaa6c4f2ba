"""How thick thin layers are, from what they add and what they hide."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import lambertw

from operando.errors import OperandoError
from operando.history import recorded

from .layout import OVERLAYERS, labelled

Floats = NDArray[np.float64]
Number = float | xr.DataArray
LAYER = "layer"
_STEPS, _SAME = 100, 1e-15
_CLOSEST = 1e-10


def overlayer_thickness(
    overlayer: Number,
    substrate: Number,
    *,
    reference_ratio: Number,
    attenuation_length: Number,
    substrate_attenuation_length: Number | None = None,
    emission_angle: Number = 0.0,
    overlayer_std: Number = 0.0,
    substrate_std: Number = 0.0,
    reference_ratio_std: float = 0.0,
    attenuation_uncertainty: float = 0.1,
) -> xr.Dataset:
    """Return the thickness of an even layer that covers a substrate.

    Io/Is = R [1 - exp(-d/(lo cos th))] / exp(-d/(ls cos th)), R = Io8/Is8 the ratio of layer and substrate when both
    are thick and bare. Equal lengths give d = l cos th ln[1 + (Io/Is)/R]; unequal ones are solved for.

    Parameters
    ----------
    overlayer, substrate
        Areas Io and Is, any dims, on one scale.
    reference_ratio
        R: measured, or (N sigma W lambda T of the layer) / (the same of the substrate), N atoms per volume.
    attenuation_length
        lo: effective attenuation length (nm) in the layer of the electrons of the layer.
    substrate_attenuation_length
        ls: that, in the layer too, of the electrons of the substrate; lo by default (lines close in energy).
    emission_angle
        th from the surface's normal (deg), 0 to below 90.
    overlayer_std, substrate_std
        Standard uncertainties of the areas, taken as independent.
    reference_ratio_std, attenuation_uncertainty
        Standard uncertainty of R; relative one of the attenuation lengths, common to both.

    Returns
    -------
    xarray.Dataset
        ``thickness`` (nm) with ``_std`` (from the areas) and ``_systematic`` (from R and the lengths, with which a
        thickness scales). Negative where noise outweighs a thin layer; NaN where nothing fits, or the substrate is
        not seen.

    Raises
    ------
    OperandoError
        If a length or R is not above 0, or the angle lies outside 0 to 90 degrees.

    Notes
    -----
    J. M. Hill et al., Chem. Phys. Lett. 44, 225 (1976), doi:10.1016/0009-2614(76)80496-4; M. P. Seah, S. J. Spencer,
    Surf. Interface Anal. 33, 640 (2002), doi:10.1002/sia.1433. Rough or patchy layers come out wrong.

    Examples
    --------
    Equal intensities of layer and substrate, each as bright as the other where alone:

    >>> from operando import xps
    >>> found = xps.overlayer_thickness(1.0, 1.0, reference_ratio=1.0, attenuation_length=3.0)
    >>> print(round(float(found["thickness"]), 2), round(float(found["thickness_systematic"]), 2))
    2.08 0.21
    """
    lengths = _checked(attenuation_length, substrate_attenuation_length, emission_angle, reference_ratio)
    given = (overlayer, substrate, reference_ratio, *lengths, overlayer_std, substrate_std)
    arrays = xr.broadcast(*(_array(value) for value in given))
    above, below, ratio, own, other, above_std, below_std = (one.to_numpy() for one in arrays)
    below = np.where(below > 0, below, np.nan)
    share = above / below / ratio
    share_std = np.hypot(above_std / below / ratio, share * below_std / below)
    x, slope = _solved(share, own / other)
    unknown = share * slope * own * reference_ratio_std / ratio
    values = {
        "thickness": x * own,
        "thickness_std": slope * own * share_std,
        "thickness_systematic": np.hypot(unknown, attenuation_uncertainty * x * own),
    }
    ds = xr.Dataset({name: arrays[0].copy(data=value) for name, value in values.items()})
    parameters = {"reference_ratio": _said(reference_ratio), "attenuation_length": _said(attenuation_length)}
    parameters |= {"substrate_attenuation_length": _said(substrate_attenuation_length)}
    parameters |= {"emission_angle": _said(emission_angle), "reference_ratio_std": reference_ratio_std}
    parameters |= {"attenuation_uncertainty": attenuation_uncertainty}
    return _finished(ds, "xps.overlayer_thickness", parameters, (overlayer, substrate))


def overlayer_ratio(
    thickness: Number,
    *,
    reference_ratio: Number,
    attenuation_length: Number,
    substrate_attenuation_length: Number | None = None,
    emission_angle: Number = 0.0,
) -> xr.DataArray:
    """Return Io/Is for a layer of known thickness (nm): what :func:`overlayer_thickness` inverts.

    Parameters
    ----------
    thickness
        Of the layer, in nm; a number or an array of any dims, as all that follow.
    reference_ratio
        Io/Is of the thick layer over the bare substrate, (Io8/Is8) (1).
    attenuation_length, substrate_attenuation_length
        Effective attenuation lengths in the layer of its own line and of the substrate's (nm); the same by default.
    emission_angle
        Between electrons and surface normal, in degrees.

    Returns
    -------
    DataArray
        Io/Is (1), with the dims of what was given.

    Raises
    ------
    OperandoError
        If a length or the ratio is not above 0, or the angle lies outside 0 to 90 degrees.

    Notes
    -----
    J. M. Hill et al., Chem. Phys. Lett. 44, 225 (1976), doi:10.1016/0009-2614(76)80496-4.

    Examples
    --------
    >>> import numpy as np
    >>> from operando import xps
    >>> print(round(float(xps.overlayer_ratio(3.0 * np.log(2), reference_ratio=1.0, attenuation_length=3.0)), 3))
    1.0
    """
    own, other = _checked(attenuation_length, substrate_attenuation_length, emission_angle, reference_ratio)
    deep = _array(thickness)
    ratio = _array(reference_ratio) * -np.expm1(-deep / own) * np.exp(deep / other)
    return ratio.rename("ratio").assign_attrs(units="1", long_name="intensity of the layer per that of the substrate")


def layer_thicknesses(
    areas: xr.DataArray,
    full: Mapping[str, float],
    attenuation_lengths: Mapping[str, float],
    *,
    emission_angle: float = 0.0,
    area_std: xr.DataArray | None = None,
    attenuation_uncertainty: float = 0.1,
) -> xr.Dataset:
    """Return the thicknesses of layers that lie on one another, from lines close in energy.

    With i_k = A_k/F_k, the share of its full intensity that layer k shows, d_k = l_k cos th ln(1 + i_k / sum i_j over
    all j below k). The substrate, the last, has none.

    Parameters
    ----------
    areas
        Areas A with the dim ``layer`` (text coordinate), and any other dims: one line of each layer, or their sum.
    full
        F: the area of each layer if it were thick and bare, on one scale; a common factor does not matter. The order
        is that of the stack, from the surface inwards, the substrate last.
    attenuation_lengths
        l (nm) in each layer.
    emission_angle
        th from the surface's normal (deg).
    area_std
        Standard uncertainties of the areas, taken as independent.
    attenuation_uncertainty
        Relative uncertainty of the attenuation lengths, common to all.

    Returns
    -------
    xarray.Dataset
        ``thickness`` (nm; dim ``layer`` without the substrate) with ``_std`` and ``_systematic`` (from the
        attenuation lengths alone, not from F).

    Raises
    ------
    OperandoError
        If layers are missing, F or a length is not above 0, or the angle lies outside 0 to 90 degrees.

    Notes
    -----
    J. M. Hill et al., Chem. Phys. Lett. 44, 225 (1976), doi:10.1016/0009-2614(76)80496-4.

    Examples
    --------
    A film that shows half of its full intensity, on a substrate that shows the other half:

    >>> import xarray as xr
    >>> from operando import xps
    >>> areas = xr.DataArray([50.0, 50.0], dims="layer", coords={"layer": ["film", "substrate"]})
    >>> full = {"film": 100.0, "substrate": 100.0}
    >>> lengths = {"film": 3.0, "substrate": 3.0}
    >>> found = xps.layer_thicknesses(areas, full, lengths)
    >>> print(found["thickness"].values.round(2).tolist())
    [2.08]
    """
    stack = list(full)
    known = list(map(str, areas[LAYER].values)) if LAYER in areas.coords else []
    missing = [name for name in stack if name not in known or name not in attenuation_lengths]
    if len(stack) < 2 or missing or not all(value > 0 for value in full.values()):
        raise OperandoError(
            "layer_thicknesses: expected areas, full areas above 0 and attenuation lengths of all layers, "
            f"got {', '.join(missing) or full} without"
        )
    cosine = float(_cosine(emission_angle))
    lengths = np.array([float(_positive(attenuation_lengths[name])) for name in stack[:-1]])
    inward = areas.sel({LAYER: stack}).transpose(..., LAYER)
    std = (xr.zeros_like(inward) if area_std is None else area_std.sel({LAYER: stack})).transpose(*inward.dims)
    scale = np.array(list(full.values()), dtype=np.float64)
    depth, error = _stack_depths(inward.to_numpy() / scale, std.to_numpy() / scale)
    found = inward.isel({LAYER: slice(None, -1)}).copy(data=depth * lengths * cosine)
    ds = xr.Dataset(
        {
            "thickness": found,
            "thickness_std": (found.dims, error * lengths * cosine),
            "thickness_systematic": abs(found) * attenuation_uncertainty,
        }
    )
    parameters: dict[str, object] = {"full": dict(full), "attenuation_lengths": dict(attenuation_lengths)}
    parameters |= {"emission_angle": emission_angle, "attenuation_uncertainty": attenuation_uncertainty}
    return _finished(ds, "xps.layer_thicknesses", parameters, (areas,))


def _stack_depths(shown: Floats, std: Floats) -> tuple[Floats, Floats]:
    """Return d/(l cos th) of each layer but the last, and its standard uncertainty."""
    through = np.cumsum(shown[..., ::-1], axis=-1)[..., ::-1]
    spread = np.cumsum(std[..., ::-1] ** 2, axis=-1)[..., ::-1]
    whole, below = through[..., :-1], through[..., 1:]
    inside = (whole > 0) & (below > 0)
    ratio = np.divide(whole, below, out=np.full_like(whole, np.nan), where=inside)
    own = std[..., :-1] / np.where(inside, whole, np.nan)
    other = np.sqrt(spread[..., 1:]) * (1 - ratio) / np.where(inside, whole, np.nan)
    return np.log(ratio), np.hypot(own, other)


def _solved(share: Floats, quotient: Floats) -> tuple[Floats, Floats]:
    """Return x that solves ``[1 - exp(-x)] exp(k x) = share`` and dx/dshare, NaN where there is none.

    The logarithm of the left side is concave, so from below the root the tangents never step past it.
    """
    share, quotient = (np.asarray(part, dtype=np.float64) for part in np.broadcast_arrays(share, quotient))
    with np.errstate(all="ignore"):
        start = np.log(share) / quotient
        x = np.fmax(np.real(lambertw(share * quotient)) / quotient, start)
        for _ in range(_STEPS):
            grown = -np.expm1(-x)
            step = (np.log(share / grown) - quotient * x) / (np.exp(-x) / grown + quotient)
            x = x + np.where(np.isfinite(step), step, 0.0)
            if not (np.abs(step) > _SAME * np.abs(x)).any():
                break
        x = np.where(share > 0, x, _below_zero(share, quotient))
        slope = 1 / (np.exp(quotient * x) * (np.exp(-x) - quotient * np.expm1(-x)))
    return x, slope


def _below_zero(share: Floats, quotient: Floats) -> Floats:
    """Return x for shares that noise has made zero or negative, by Newton's rule from the nearest thin layer."""
    x = np.where(share <= 0, share, np.nan)
    for _ in range(_STEPS):
        value = -np.expm1(-x) * np.exp(quotient * x) - share
        step = value / (np.exp(quotient * x) * (np.exp(-x) - quotient * np.expm1(-x)))
        x = x - np.clip(step, -1, 1)
        if not (np.abs(step) > _SAME * np.abs(x)).any():
            break
    close = np.abs(-np.expm1(-x) * np.exp(quotient * x) - share) <= _CLOSEST * (1 + np.abs(share))
    return np.where(close, x, np.nan)


def _checked(own: Number, other: Number | None, angle: Number, ratio: Number) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the attenuation lengths along the normal."""
    _positive(ratio)
    cosine = _cosine(angle)
    return _positive(own) * cosine, _positive(own if other is None else other) * cosine


def _positive(value: Number) -> xr.DataArray:
    array = _array(value)
    if not bool((array.fillna(1.0) > 0).all()):
        raise OperandoError(f"expected attenuation lengths and a reference ratio above 0, got {float(array.min()):g}")
    return array


def _cosine(angle: Number) -> xr.DataArray:
    array = _array(angle)
    if not bool(((array >= 0) & (array < 90)).all()):
        raise OperandoError(f"expected emission angles from the normal of 0 to below 90 degrees, got {angle}")
    return array.copy(data=np.cos(np.deg2rad(array.to_numpy())))


def _array(value: Number) -> xr.DataArray:
    """Return a number as an array with its dims alone."""
    return value.reset_coords(drop=True) if isinstance(value, xr.DataArray) else xr.DataArray(float(value))


def _said(value: Number | None) -> object:
    return "an array" if isinstance(value, xr.DataArray) else value


def _finished(ds: xr.Dataset, step: str, parameters: Mapping[str, object], given: tuple[Number, ...]) -> xr.Dataset:
    """Return the result with units, the coordinates of what was given, and its history."""
    arrays = [value for value in given if isinstance(value, xr.DataArray)]
    for array in arrays:
        fitting = {name: coord for name, coord in array.coords.items() if set(coord.dims) <= set(ds.dims)}
        ds = ds.assign_coords({name: coord for name, coord in fitting.items() if name not in ds.coords})
    before = xr.Dataset(attrs=arrays[0].attrs if arrays else {})
    return recorded(labelled(ds, OVERLAYERS), step, parameters, after=before)
