"""Recipe steps from normalized spectra to what they consist of, and how deep."""

from __future__ import annotations

from typing import Any, Literal

import xarray as xr

from operando.errors import OperandoError

from .step import with_result

_SIGNAL = "signal"


def correct_self_absorption(
    _raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    material: str,
    element: str,
    edge: str,
    signal: str = "tfy",
    line: str | None = None,
    incidence: float = 45.0,
    takeoff: float = 45.0,
    density: float | None = None,
    thickness: float | None = None,
) -> xr.Dataset:
    """Free the normalized absorption of one signal from self-absorption."""
    from operando import xas

    spectra = _normalized("correct_self_absorption", processed)
    sample: dict[str, Any] = {"line": line, "incidence": incidence, "takeoff": takeoff}
    sample |= {"density": density, "thickness": thickness}
    if _SIGNAL not in spectra.dims:
        return with_result(processed, xas.correct_self_absorption(processed, material, element, edge, **sample))
    own = processed[["normalized"]].sel({_SIGNAL: _one_of(spectra, signal)}, drop=True)
    corrected = xas.correct_self_absorption(own, material, element, edge, **sample)
    changed = spectra.where(spectra[_SIGNAL] != signal, corrected["normalized"])
    changed = changed.transpose(*spectra.dims).assign_attrs(spectra.attrs)
    flags = {"flag": corrected["flag"]} if "flag" in corrected.coords else {}
    return processed.assign(normalized=changed).assign_coords(flags).assign_attrs(corrected.attrs)


def lcf(
    _raw: xr.Dataset,
    processed: xr.Dataset,
    references: xr.Dataset,
    *,
    window: tuple[float, float] | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    sum_to_one: bool = True,
    scale: bool = False,
    background: Literal["constant", "linear"] | None = None,
    shift: float | tuple[float, float] = 0.0,
    shift_signal: str | None = None,
) -> xr.Dataset:
    """Take the spectra apart into the references; the shift may be fitted to one signal and hold for all."""
    from operando import xas

    spectra = _normalized("lcf", processed).assign_attrs(history=processed.attrs["history"])
    asked: dict[str, Any] = {"window": window, "bounds": bounds, "sum_to_one": sum_to_one, "scale": scale}
    asked |= {"background": background, "residual": False}
    if shift_signal is None:
        return _with_fit(processed, xas.lcf(spectra, references, shift=shift, **asked))
    first = xas.lcf(spectra.sel({_SIGNAL: [_one_of(spectra, shift_signal)]}), references, shift=shift, **asked)
    moved = first[["energy_shift", "energy_shift_std"]].isel({_SIGNAL: 0}, drop=True)
    rest = [name for name in spectra[_SIGNAL].values if name != shift_signal]
    others = xas.lcf(spectra.sel({_SIGNAL: rest}), references, shift=moved["energy_shift"], **asked)
    both = xr.concat([first[list(others.data_vars)], others], _SIGNAL, coords="minimal", compat="override")
    both = both.sel({_SIGNAL: spectra[_SIGNAL].values}).assign(moved)
    flag = first["flag"] | others["flag"]
    return _with_fit(
        processed, both.assign_coords(flag=flag.assign_attrs(first["flag"].attrs)).assign_attrs(first.attrs)
    )


def depth_profile(
    _raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    substance: str,
    escape_depth: float,
    escape_depth_std: float = 0.0,
    fluorescence_depth: float | None = None,
    thickness: float | None = None,
    surface: float | None = None,
    bulk: float | None = None,
    electrons: str = "tey",
    fluorescence: str = "tfy",
) -> xr.Dataset:
    """Find the layer's thickness, or what layer and bulk consist of, from the fractions of one substance."""
    from operando import xas

    if "fraction" not in processed:
        raise OperandoError("depth_profile: expected fractions, got none; put the step 'lcf' before it")
    shares = processed[["fraction", "fraction_std"]]
    if substance not in shares["reference"].values:
        known = ", ".join(map(str, shares["reference"].values))
        raise OperandoError(f"depth_profile: expected a substance among {known}, got {substance!r}")
    own = shares.sel(reference=substance, drop=True)
    tey = own.sel({_SIGNAL: _one_of(shares["fraction"], electrons)}, drop=True) if _SIGNAL in own.dims else own
    tfy = None
    if fluorescence_depth is not None:
        tfy = own.sel({_SIGNAL: _one_of(shares["fraction"], fluorescence)}, drop=True)
    found = xas.depth_profile(
        tey["fraction"].assign_attrs(history=processed.attrs["history"]),
        None if tfy is None else tfy["fraction"],
        escape_depth=escape_depth,
        escape_depth_std=escape_depth_std,
        fluorescence_depth=fluorescence_depth,
        thickness=thickness,
        surface=surface,
        bulk=bulk,
        tey_std=tey["fraction_std"],
        tfy_std=None if tfy is None else tfy["fraction_std"],
    )
    return with_result(processed, found)


def _with_fit(processed: xr.Dataset, fit: xr.Dataset) -> xr.Dataset:
    """Return the processed scans with a fit, without what only tells one batch from another."""
    fit.attrs.pop("condition_number", None)
    return with_result(processed, fit)


def _normalized(step: str, processed: xr.Dataset) -> xr.DataArray:
    if "normalized" not in processed:
        raise OperandoError(f"{step}: expected normalized absorption, got none; put the step 'normalize' before it")
    return processed["normalized"]


def _one_of(spectra: xr.DataArray, name: str) -> str:
    """Return the name of a signal that the spectra have."""
    known = [str(one) for one in spectra[_SIGNAL].values] if _SIGNAL in spectra.dims else []
    if name not in known:
        raise OperandoError(f"expected a signal among {', '.join(known) or 'several in normalize'}, got {name!r}")
    return name
