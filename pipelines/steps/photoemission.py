"""Recipe steps of photoemission: from counts to lines, shifts and amounts."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import xarray as xr

from operando.errors import OperandoError

from .step import with_result

Table = dict[str, Any]


def deglitch(raw: xr.Dataset, *, threshold: float = 8.0) -> xr.Dataset:
    """Leave out single points that stand out; they are flagged."""
    from operando import xps

    return xps.deglitch(raw, threshold=threshold)


def fit(
    raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    lines: list[Table] | None = None,
    species: list[str] | None = None,
    level: str | None = None,
    background: Table | None = None,
    links: dict[str, Table] | None = None,
    shifts: dict[str, Any] | None = None,
    satellites: Literal["Al Ka", "Mg Ka"] | None = None,
    weights: Literal["auto", "model", "data", "none"] = "auto",
    window: tuple[float, float] | None = None,
    background_systematic: bool = False,
) -> xr.Dataset:
    """Fit lines and background to every scan by itself, from the same starts: a new scan changes no other's result.

    ``lines``, ``background``, ``links`` and ``shifts`` are the tables of a model; or ``species`` of one ``level`` are
    taken from the table of known ones. ``background_systematic`` tells by how much the numbers hang on the background.
    """
    from operando import xps

    if (lines is None) == (species is None) or (species is not None and level is None):
        raise OperandoError("fit: expected either 'lines', or 'species' with their 'level'")
    table = {"lines": lines, "background": background, "links": links, "shifts": shifts}
    if species is not None:
        table["lines"] = xps.Model.from_species(species, str(level)).to_table()["lines"]
    model = xps.Model.from_json({key: value for key, value in table.items() if value})
    model = model.with_satellites(satellites) if satellites is not None else model
    found = xps.fit(raw, model, weights=weights, window=window, neighbors=False, lines=True)
    if background_systematic:
        found = xps.background_systematic(raw, model, found)
    return with_result(processed, found)


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

    fits = {level: _per_time(one, raw, level) for level, one in by_level("quantify", processed).items()}
    if peaks is not None:
        lost = [name for name in peaks if name not in processed["peak"].values]
        if lost:
            raise OperandoError(f"quantify: expected peaks among {_listed(processed)}, got {', '.join(lost)}")
        chosen = {level: np.isin(one["peak"].values, peaks) for level, one in fits.items()}
        fits = {level: _only(one, chosen[level]) for level, one in fits.items() if chosen[level].any()}
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


def rigid_shift(
    series: xr.Dataset,
    *,
    phases: dict[str, list[str]],
    electrode: str | None = None,
    chemical: list[str] | None = None,
    threshold: float = 5.0,
) -> xr.Dataset:
    """Tell the shifts of phases from those of single lines, by positions that were fitted freely; peaks by phase."""
    from operando import xps

    fits = by_level("rigid_shift", series)
    of_peak = {str(name): level for level, one in fits.items() for name in one["peak"].values}
    lost = [name for names in [*phases.values(), chemical or []] for name in names if name not in of_peak]
    if lost:
        raise OperandoError(f"rigid_shift: expected peaks among {_listed(series)}, got {', '.join(lost)}")
    tables: dict[str, dict[str, list[str]]] = {}
    for phase, names in phases.items():
        for name in names:
            tables.setdefault(phase, {}).setdefault(of_peak[name], []).append(name)
    departing = [(of_peak[name], name) for name in chemical or []]
    return xps.rigid_shift(fits, tables, electrode=electrode, chemical=departing, threshold=threshold, covariance=False)


def shift_trend(series: xr.Dataset, *, against: str | None = None, breakpoints: int | None = None) -> xr.Dataset:
    """Regress the shifts of phases on the potential; ``against`` is the phase from which the others are counted.

    Counted from a phase of the electrode, shifts are free of charging.
    """
    from operando import xps

    if "shift" not in series or "phase" not in series.coords:
        raise OperandoError("shift_trend: expected shifts of phases, got none; let the step 'fit' have 'shifts'")
    if "potential" not in series.coords:
        raise OperandoError("shift_trend: expected scans linked to a potential, got none; add [echem] to the recipe")
    shifts = series[["shift", "shift_std"]].load()
    if against is not None:
        shifts = _counted_from(series, shifts, against)
    return xps.regress_on_potential(shifts, breakpoints=breakpoints)


def by_level(step: str, fitted: xr.Dataset) -> dict[str, xr.Dataset]:
    """Return the fit level by level.

    Raises
    ------
    OperandoError
        If there is none.
    """
    if "area" not in fitted or "peak" not in fitted.dims:
        raise OperandoError(f"{step}: expected fitted lines, got none; put the step 'fit' before it")
    if "peak_region" not in fitted.coords:
        return {str(fitted.attrs.get("region") or "lines"): fitted}
    regions = fitted["peak_region"].values
    return {str(name): _only(fitted, regions == name) for name in dict.fromkeys(regions.tolist())}


def _only(fitted: xr.Dataset, chosen: np.ndarray) -> xr.Dataset:
    at = np.flatnonzero(chosen)
    return fitted.isel({dim: at for dim in ("peak", "other_peak") if dim in fitted.dims})


def _listed(fitted: xr.Dataset) -> str:
    return ", ".join(map(str, fitted["peak"].values))


def _per_time(fitted: xr.Dataset, raw: xr.Dataset, level: str) -> xr.Dataset:
    """Return a fit with areas per time counted, where electrons were counted: regions may differ in it."""
    time = xr.DataArray(1.0)
    for name in ("dwell", "sweeps") if "counts" in raw else ():
        if name not in raw:
            raise OperandoError(
                f"quantify: expected {name!r} in the files, by which counts of levels compare; got none"
            )
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
    known = (
        np.unique(raw["photon_energy"].values[np.isfinite(raw["photon_energy"].values)])
        if ("photon_energy" in raw)
        else np.empty(0)
    )
    if known.size != 1:
        got = ", ".join(f"{value:g}" for value in known) or "none"
        raise OperandoError(f"quantify: expected one photon energy in the files, got {got}; state photon_energy (eV)")
    return float(known[0])


def _counted_from(series: xr.Dataset, shifts: xr.Dataset, against: str) -> xr.Dataset:
    """Return the shifts of the other phases minus that of one, with the covariance of the fit."""
    phases = [str(name) for name in shifts["phase"].values]
    if against not in phases or len(phases) < 2:
        raise OperandoError(f"shift_trend: expected one of several phases ({', '.join(phases)}), got {against!r}")
    others = [name for name in phases if name != against]
    base = shifts.sel(phase=against, drop=True)
    own = shifts.sel(phase=others)
    names = [f"{phase}.shift" for phase in others]
    known = set(map(str, series["parameter"].values))
    shared = xr.zeros_like(own["shift_std"])
    if {*names, f"{against}.shift"} <= known:
        both = series["covariance"].sel(parameter=names, parameter_2=f"{against}.shift", drop=True).load()
        shared = xr.DataArray(both.transpose("scan", "parameter").values, dims=("scan", "phase"))
        shared = shared.assign_coords(phase=own["phase"])
    variance = own["shift_std"] ** 2 + base["shift_std"] ** 2 - 2 * shared
    moved: dict[str, xr.DataArray] = {"shift": own["shift"] - base["shift"], "shift_std": variance.clip(min=0.0) ** 0.5}
    found = own.assign({name: values.transpose("scan", "phase") for name, values in moved.items()})
    for name in moved:
        found[name].attrs = dict(own[name].attrs)
    return found
