"""Recipe steps that weigh how deep yields come from: saturation, self-absorption, layer and bulk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import xarray as xr

from operando.errors import OperandoError

from .step import SIGNAL, normalized_of, one_signal, with_result


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

    sample: dict[str, Any] = {"line": line, "incidence": incidence, "takeoff": takeoff}
    sample |= {"density": density, "thickness": thickness}
    return _corrected(
        "correct_self_absorption",
        processed,
        signal,
        lambda own: xas.correct_self_absorption(own, material, element, edge, **sample),
    )


def correct_tey_saturation(
    _raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    material: str,
    element: str,
    edge: str,
    escape_depth: float,
    signal: str = "tey",
    angle: float = 0.0,
    thickness: float | None = None,
    density: float | None = None,
) -> xr.Dataset:
    """Free the normalized absorption of one electron yield from saturation; ``angle`` is from the normal, degrees."""
    from operando import xas

    sample: dict[str, Any] = {"material": material, "element": element, "edge": edge, "angle": angle}
    sample |= {"thickness": thickness, "density": density}

    def undone(own: xr.Dataset) -> xr.Dataset:
        spectra = own["normalized"].assign_attrs(history=own.attrs["history"])
        found = xas.correct_tey_saturation(spectra, escape_depth, **sample)
        return own.assign(normalized=found).assign_attrs(history=found.attrs["history"])

    return _corrected("correct_tey_saturation", processed, signal, undone)


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
    tey = own.sel({SIGNAL: one_signal(shares["fraction"], electrons)}, drop=True) if SIGNAL in own.dims else own
    tfy = None
    if fluorescence_depth is not None:
        tfy = own.sel({SIGNAL: one_signal(shares["fraction"], fluorescence)}, drop=True)
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


def _corrected(
    step: str, processed: xr.Dataset, signal: str, correct: Callable[[xr.Dataset], xr.Dataset]
) -> xr.Dataset:
    """Return ``processed`` with the normalized absorption of one signal corrected, that of the others as it was."""
    spectra = normalized_of(step, processed)
    if SIGNAL not in spectra.dims:
        return with_result(processed, correct(processed))
    own = processed[["normalized"]].sel({SIGNAL: one_signal(spectra, signal)}, drop=True)
    corrected = correct(own)
    changed = spectra.where(spectra[SIGNAL] != signal, corrected["normalized"])
    changed = changed.transpose(*spectra.dims).assign_attrs(spectra.attrs)
    flags = {"flag": corrected["flag"]} if "flag" in corrected.coords else {}
    return processed.assign(normalized=changed).assign_coords(flags).assign_attrs(corrected.attrs)
