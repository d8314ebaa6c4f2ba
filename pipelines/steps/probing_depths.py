"""Recipe steps that say how deep a technique sees, one number a scan, by one definition for all."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.depth_profiles import DEPTH_FROM, PROBING_DEPTH, SHARE
from operando.errors import OperandoError
from operando.history import recorded

from .step import SIGNAL, normalized_of, one_signal, with_result
from .surfaces import emission_angle_of

_NANOMETERS = 1e3
_MEANING = "depth below the surface, along its normal, above which 95 % of the signal comes from"


def of_yield(
    _raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    signal: Literal["tey", "tfy"] = "tey",
    material: str,
    element: str,
    edge: str,
    density: float | None = None,
    escape_depth: float | None = None,
    escape_depth_std: float | None = None,
    attenuation_uncertainty: float = 0.1,
    line: str | None = None,
    incidence: float = 45.0,
    takeoff: float = 45.0,
    window: tuple[float, float] = (0.0, 20.0),
    of: str = "fraction",
) -> xr.Dataset:
    """Say how deep a yield sees: by the tables energy by energy, and, for the numbers ``of``, one depth a scan.

    The latter is the mean over the ``window`` (eV above e0) of the depths by the scan's own spectrum, on the scale of
    the tables. Its uncertainty holds their spread, the relative ``attenuation_uncertainty`` and, for electrons,
    ``escape_depth_std`` (nm; a fifth of ``escape_depth`` by default).
    """
    from operando import xas

    spectra = normalized_of(PROBING_DEPTH, processed)
    sample: dict[str, Any] = {"density": density, "escape_depth": escape_depth, "line": line}
    sample |= {"incidence": incidence, "takeoff": takeoff}
    tables = xas.probing_depth(signal, material, element, edge, energy=processed["energy"].to_numpy(), **sample)
    named = tables.rename({name: f"{signal}_{name}" for name in tables.data_vars}).drop_attrs(deep=False)
    several = SIGNAL in spectra.dims
    own = spectra.sel({SIGNAL: one_signal(spectra, signal)}, drop=True) if several else spectra
    seen = xas.probing_depth(signal, material, element, edge, spectrum=own, **sample)["information_depth"]
    start = processed["e0"].sel({SIGNAL: signal}, drop=True) if SIGNAL in processed["e0"].dims else processed["e0"]
    above = processed["energy"] - start
    inside = seen.where((above >= window[0]) & (above <= window[1]))
    depth, spread = xr.apply_ufunc(
        _mean_and_spread, inside, input_core_dims=[["energy"]], output_core_dims=[[], []], keep_attrs=True
    )
    relative = attenuation_uncertainty
    if signal == "tey" and escape_depth:
        relative = float(
            np.hypot(relative, (0.2 * escape_depth if escape_depth_std is None else escape_depth_std) / escape_depth)
        )
    std = (spread**2 + (relative * depth) ** 2) ** 0.5
    asked = {"signal": signal, "material": material, "element": element, "edge": edge, **sample}
    asked |= {"escape_depth_std": escape_depth_std, "attenuation_uncertainty": attenuation_uncertainty}
    asked |= {"window": list(window), "of": of}
    found = with_result(processed, recorded(named, "xas.probing_depth", asked, after=processed))
    if several:
        depth, std = (
            _for_signal(found, name, values, signal)
            for name, values in ((PROBING_DEPTH, depth), (f"{PROBING_DEPTH}_std", std))
        )
    return _with_depths(found, depth, std, of, "exponential")


def _mean_and_spread(depths: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of each row, to the last digit the same however many rows there are."""
    rows = np.ascontiguousarray(depths)
    known = np.isfinite(rows)
    count = np.maximum(known.sum(axis=-1), np.where(known.any(axis=-1), 0, np.nan))
    mean = np.where(known, rows, 0.0).sum(axis=-1) / count
    away = np.where(known, rows - mean[..., np.newaxis], 0.0)
    return mean, np.sqrt((away**2).sum(axis=-1) / count)


def of_lines(
    raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    attenuation_length: float | None = None,
    material: str | None = None,
    density: float | None = None,
    band_gap: float = 0.0,
    albedo: float = 0.0,
    attenuation_uncertainty: float = 0.11,
    emission_angle: float | None = None,
    of: str = "fraction",
) -> xr.Dataset:
    """Say from how deep lines come: 3.0 attenuation lengths along the normal, one depth a line and scan.

    The ``attenuation_length`` (nm), or that of the ``material`` (TPP-2M at the line's kinetic energy, with the
    ``albedo`` of single scattering); the ``emission_angle`` (deg) is that of the files if none is given.
    """
    from operando import xps

    if "position" not in processed:
        raise OperandoError("probing_depth: expected fitted lines, got none; put the step 'fit' before it")
    if (attenuation_length is None) == (material is None) or (material is not None and density is None):
        raise OperandoError("probing_depth: expected either attenuation_length (nm), or material with density")
    angle = emission_angle_of(PROBING_DEPTH, raw, emission_angle)
    if attenuation_length is not None:
        length = xr.zeros_like(processed["position"]) + attenuation_length
    else:
        if "photon_energy" not in raw:
            raise OperandoError(
                "probing_depth: expected the photon energy in the files, got none; give attenuation_length"
            )
        kinetic = (raw["photon_energy"] - processed["position"]).transpose(*processed["position"].dims)
        free = xps.imfp_tpp2m(kinetic, str(material), float(density or 0.0), band_gap)
        length = xps.effective_attenuation_length(free, albedo)
    depth = (-np.log(1 - SHARE) * length * np.cos(np.deg2rad(angle))).transpose(*processed["position"].dims)
    asked = {"attenuation_length": attenuation_length, "material": material, "density": density, "band_gap": band_gap}
    asked |= {"albedo": albedo, "attenuation_uncertainty": attenuation_uncertainty, "of": of}
    found = recorded(processed, "xps.probing_depth", asked)
    return _with_depths(found, depth, attenuation_uncertainty * depth, of, "exponential")


def of_volume(
    raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    above: float = 0.0,
    above_std: float = 0.0,
    dim: Literal["x", "y", "z"] = "z",
    of: str = "fraction",
) -> xr.Dataset:
    """Say from where to where a volume lies below the surface: ``above`` (um) is what lies over its first slice."""
    size = raw["voxel_size"].load() if "voxel_size" in raw.variables else None
    if size is None or dim not in raw.sizes:
        raise OperandoError("probing_depth: expected volumes with a voxel_size, got none; give it in the recipe's read")
    start = size * 0 + _NANOMETERS * above
    depth = start + SHARE * _NANOMETERS * size * raw.sizes[dim]
    std = size * 0 + _NANOMETERS * above_std
    asked = {"above": above, "above_std": above_std, "dim": dim, "of": of}
    found = _with_depths(recorded(processed, "tomo.probing_depth", asked), depth, std, of, "even")
    text = {"units": "nm", "long_name": "depth below the surface, along its normal, of the first slice"}
    found[DEPTH_FROM] = start.reset_coords(drop=True).assign_attrs(text)
    found[f"{DEPTH_FROM}_std"] = std.reset_coords(drop=True).assign_attrs(
        text | {"long_name": f"standard uncertainty: {text['long_name']}"}
    )
    return found


def _for_signal(found: xr.Dataset, name: str, values: xr.DataArray, signal: str) -> xr.DataArray:
    """Return the depths of all signals with those of one replaced; NaN for those that were not asked for."""
    dims = [dim for dim in found["normalized"].dims if dim != "energy"]
    whole = values.expand_dims({SIGNAL: found[SIGNAL]}).transpose(*dims)
    before = found[name] if name in found else whole * np.nan
    return whole.where(whole[SIGNAL] == signal, before)


def _with_depths(found: xr.Dataset, depth: xr.DataArray, std: xr.DataArray, of: str, weight: str) -> xr.Dataset:
    about = {"units": "nm", "of": of, "weight": weight}
    found = found.copy()
    found[PROBING_DEPTH] = depth.reset_coords(drop=True).assign_attrs(about | {"long_name": _MEANING})
    found[f"{PROBING_DEPTH}_std"] = std.reset_coords(drop=True).assign_attrs(
        {"units": "nm", "long_name": f"standard uncertainty: {_MEANING}"}
    )
    return found
