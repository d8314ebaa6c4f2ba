"""Recipe steps from areas of lines to what a surface consists of: amounts and layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from operando.errors import OperandoError

from .photoemission import Table, by_level, listed, only
from .step import with_result


def quantify(
    raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    peaks: list[str] | None = None,
    photon_energy: float | None = None,
    material: Table | None = None,
    attenuation_lengths: dict[str, float] | None = None,
    sensitivity: dict[str, float] | None = None,
    uncertainty: float = 0.1,
) -> xr.Dataset:
    """Turn the areas of the levels that were fitted together into atomic fractions; of some ``peaks`` alone, if named.

    Counts are taken per time counted. ``material`` is a table for the mean free paths: ``formula``, ``density``
    (g/cm^3) and ``band_gap`` (eV).
    """
    from operando import xps

    fits = {level: per_time("quantify", one, raw, level) for level, one in by_level("quantify", processed).items()}
    if peaks is not None:
        lost = [name for name in peaks if name not in processed["peak"].values]
        if lost:
            raise OperandoError(f"quantify: expected peaks among {listed(processed)}, got {', '.join(lost)}")
        chosen = {level: np.isin(one["peak"].values, peaks) for level, one in fits.items()}
        fits = {level: only(one, chosen[level]) for level, one in fits.items() if chosen[level].any()}
    energy = _photon_energy(raw) if photon_energy is None else photon_energy
    found = xps.quantify(
        fits,
        energy,
        material=_material(material),
        attenuation_lengths=attenuation_lengths,
        sensitivity=sensitivity,
        uncertainty=uncertainty,
    )
    return with_result(processed, found)


def overlayer_thickness(
    raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    overlayer: list[str],
    substrate: list[str],
    reference_ratio: float,
    attenuation_length: float,
    substrate_attenuation_length: float | None = None,
    emission_angle: float | None = None,
    reference_ratio_std: float = 0.0,
    attenuation_uncertainty: float = 0.1,
) -> xr.Dataset:
    """Tell how thick an even layer is, from the peaks of ``overlayer`` and ``substrate``; lengths in nm.

    Counts are taken per time counted; ``reference_ratio`` is that of both thick and bare. The ``emission_angle`` (deg,
    from the normal) is that of the files if none is given.
    """
    from operando import xps

    step = "overlayer_thickness"
    (above, above_std), (below, below_std) = (_summed(step, raw, processed, names) for names in (overlayer, substrate))
    found = xps.overlayer_thickness(
        above,
        below,
        reference_ratio=reference_ratio,
        attenuation_length=attenuation_length,
        substrate_attenuation_length=substrate_attenuation_length,
        emission_angle=emission_angle_of(step, raw, emission_angle),
        overlayer_std=above_std,
        substrate_std=below_std,
        reference_ratio_std=reference_ratio_std,
        attenuation_uncertainty=attenuation_uncertainty,
    )
    return with_result(processed, _as_layers(found))


def layer_thicknesses(
    raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    layers: dict[str, list[str]],
    full: dict[str, float],
    attenuation_lengths: dict[str, float],
    emission_angle: float | None = None,
    attenuation_uncertainty: float = 0.1,
) -> xr.Dataset:
    """Tell how thick layers on one another are: the peaks of each, from the outermost down to the substrate.

    ``full`` are the areas (per time counted) that each shows when thick and bare, ``attenuation_lengths`` are in nm.
    """
    from operando import xps

    step = "layer_thicknesses"
    if set(full) != set(layers):
        raise OperandoError(f"{step}: expected full areas of {', '.join(layers)}, got those of {', '.join(full)}")
    sums = [_summed(step, raw, processed, names) for names in layers.values()]
    names = xr.DataArray(np.array(list(layers), dtype=object), dims="layer", name="layer")
    areas, std = (xr.concat([one[at] for one in sums], names) for at in (0, 1))
    found = xps.layer_thicknesses(
        areas.assign_attrs(history=processed.attrs["history"]),
        {name: full[name] for name in layers},
        attenuation_lengths,
        emission_angle=emission_angle_of(step, raw, emission_angle),
        area_std=std,
        attenuation_uncertainty=attenuation_uncertainty,
    )
    return with_result(processed, _as_layers(found))


def _as_layers(found: xr.Dataset) -> xr.Dataset:
    """Return thicknesses as the store and the report know those of layers."""
    return found.rename({name: f"layer_{name}" for name in found.data_vars})


def _summed(step: str, raw: xr.Dataset, processed: xr.Dataset, names: list[str]) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the area of several peaks per time counted, and its standard uncertainty."""
    fits = {level: per_time(step, one, raw, level) for level, one in by_level(step, processed).items()}
    lost = [name for name in names if name not in processed["peak"].values]
    if lost or not names:
        raise OperandoError(f"{step}: expected peaks among {listed(processed)}, got {', '.join(lost) or 'none'}")
    area, variance = xr.DataArray(0.0), xr.DataArray(0.0)
    for one in fits.values():
        own = only(one, np.isin(one["peak"].values, names))
        if own.sizes["peak"]:
            known = own["area_std"].notnull().any("peak")
            area = area + own["area"].sum("peak", skipna=False)
            variance = variance + own["area_covariance"].sum(["peak", "other_peak"]).where(known)
    return area.assign_attrs(history=processed.attrs["history"]), variance**0.5


def per_time(step: str, fitted: xr.Dataset, raw: xr.Dataset, level: str) -> xr.Dataset:
    """Return a fit with areas per time counted, where electrons were counted: regions may differ in it."""
    time = xr.DataArray(1.0)
    for name in ("dwell", "sweeps") if "counts" in raw else ():
        if name not in raw:
            raise OperandoError(f"{step}: expected {name!r} in the files, by which counts of levels compare; got none")
        values = raw[name].reset_coords(drop=True)
        if "binding_energy" in values.dims:
            first = int(np.argmax(raw["region"].values == level)) if "region" in raw.coords else 0
            values = values.isel(binding_energy=first, drop=True)
        time = time * values
    powers = {"area": 1, "area_std": 1, "area_covariance": 2}
    return fitted.assign({name: fitted[name] / time**power for name, power in powers.items() if name in fitted})


def _material(table: Table | None) -> Any:
    """Return the material that a table describes."""
    from operando import xps

    if table is None:
        return None
    try:
        return xps.Material(**table)
    except TypeError as error:
        text = str(error).rpartition("__init__() ")[2]
        raise OperandoError(f"quantify: expected a material with formula, density and band_gap: {text}") from None


def _photon_energy(raw: xr.Dataset) -> float:
    known = _known("photon_energy", raw)
    if known.size != 1:
        got = ", ".join(f"{value:g}" for value in known) or "none"
        raise OperandoError(f"quantify: expected one photon energy in the files, got {got}; state photon_energy (eV)")
    return float(known[0])


def emission_angle_of(step: str, raw: xr.Dataset, given: float | None) -> float:
    """Return the angle of emission (deg from the normal) that is given, else the one that the files state.

    Raises
    ------
    OperandoError
        If the files state none, or several.
    """
    known = _known("emission_angle", raw) if given is None else np.array([given])
    if known.size != 1:
        got = ", ".join(f"{value:g}" for value in known) or "none"
        said = f"{step}: expected one emission angle in the files, got {got}"
        raise OperandoError(f"{said}; state emission_angle (degrees from the surface's normal)")
    return float(known[0])


def _known(name: str, raw: xr.Dataset) -> np.ndarray:
    """Return the values of a condition that the files state, each once."""
    values = raw[name].values if name in raw else np.empty(0)
    return np.unique(values[np.isfinite(values)])
