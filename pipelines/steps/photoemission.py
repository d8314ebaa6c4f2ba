"""Recipe steps of photoemission: from counts to lines, shifts and amounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.history import entries

from .step import with_result

if TYPE_CHECKING:
    from operando.xps import Model

Table = dict[str, Any]
_IN_MEMORY = 2**28
"""Bytes up to which spectra are read once for a global fit, not once a step of it."""
_LIMITED = ("area", "position", "fwhm")
_PERCENTILES = (15.866, 84.134)
_REFERRED = "binding energy of the line's maximum on the scale of the reference"


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
    limits: Literal["profile", "bootstrap"] | None = None,
    draws: int = 400,
) -> xr.Dataset:
    """Fit lines and background to every scan by itself, from the same starts: a new scan changes no other's result.

    ``lines``, ``background``, ``links`` and ``shifts`` are the tables of a model, ties such as ``{ link = "a.fwhm" }``
    or ``{ expression = "2 * {a.fwhm}" }``; or ``species`` of one ``level`` are taken from the table of known ones.
    ``background_systematic`` tells by how much the numbers hang on the background. ``limits`` are for few counts: a
    ``_lower`` and an ``_upper`` one of 68.3 % for area, position and width, by the profile of the likelihood or by
    ``draws`` spectra drawn and fitted again for each.
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
    if limits == "profile":
        found = _profiled(raw, model, found)
    elif limits == "bootstrap":
        found = _redrawn(raw, model, found, draws)
    return with_result(processed, found)


def fit_global(raw: xr.Dataset, series: xr.Dataset, *, shared: list[str] | None = None) -> xr.Dataset:
    """Fit all scans at once with the model of the step ``fit``, ``shared`` parameters being one number for all.

    ``shared`` are names or patterns such as ``"*.fwhm"``; by default all but areas, shifts and the polynomial.
    """
    from operando import xps

    made = next((one for one in reversed(entries(series)) if one["step"] == "xps.fit"), None)
    if made is None or not series.attrs.get("model"):
        raise OperandoError("fit_global: expected fitted lines, got none; put the step 'fit' before it")
    settings, model = made["parameters"], xps.Model.from_json(series.attrs["model"])
    spectra = raw.compute() if raw.nbytes < _IN_MEMORY else raw
    ends = settings["window"]
    window = None if ends is None else (float(ends[0]), float(ends[1]))
    start = series[["value"]].load() if "value" in series else None
    found: xr.Dataset = xps.fit_global(
        spectra, model, shared=shared, weights=settings["weights"], window=window, start=start, lines=True
    )
    return found


def charge_reference(
    _raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    level: str,
    energy: float,
    moves_with: dict[str, str],
    peak: str | None = None,
    energy_std: float = 0.0,
) -> xr.Dataset:
    """Refer the positions of levels to one line of known ``energy``; ``moves_with`` says what each level moves with.

    Levels that move with something else than the reference are refused, those that it does not name are left out.
    The measured ``position`` stays: the new one is ``referred_position``, along ``referred_peak``.
    """
    from operando import xps

    fits = by_level("charge_reference", processed)
    lost = [name for name in (level, *moves_with) if name not in fits]
    if lost:
        raise OperandoError(f"charge_reference: expected levels among {', '.join(fits)}, got {', '.join(lost)}")
    alone = "scan" not in processed.dims
    chosen = {name: fits[name].expand_dims("scan") if alone else fits[name] for name in {level: "", **moves_with}}
    referred = xps.charge_reference(chosen, {level: energy}, peak=peak, moves_with=moves_with, energy_std=energy_std)
    first = referred[level].isel(scan=0) if alone else referred[level]
    found = first[["charge_shift", "charge_shift_std", "charge_shift_systematic"]]
    found = found.drop_vars([*found.coords])
    for name, text in (("position", _REFERRED), ("position_std", f"standard uncertainty: {_REFERRED}")):
        whole = xr.concat([one[name].reset_coords(drop=True) for one in referred.values()], "peak")
        whole = (whole.isel(scan=0) if alone else whole).rename(peak="referred_peak")
        found[f"referred_{name}"] = whole.assign_attrs(units="eV", long_name=text)
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
        raise OperandoError(f"rigid_shift: expected peaks among {listed(series)}, got {', '.join(lost)}")
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


def _profiled(raw: xr.Dataset, model: Model, found: xr.Dataset) -> xr.Dataset:
    """Return a fit with limits by the profile of the likelihood, of what is free in any line."""
    from operando import xps

    known = model.compiled.quantities
    for key in _LIMITED:
        if any(known[f"{peak}.{key}"].varies for peak in model.compiled.peaks):
            ends = xps.profile(raw, model, found, key)
            found = _limited(found, key, ends["lower"], ends["upper"], "profile").assign_attrs(
                history=ends.attrs["history"]
            )
    return found


def _redrawn(raw: xr.Dataset, model: Model, found: xr.Dataset, draws: int) -> xr.Dataset:
    """Return a fit with limits by the bootstrap, and by how much its draws are off on average."""
    from operando import xps

    drawn = xps.bootstrap(raw, model, found, draws=draws)
    known = drawn["percentile"].to_numpy()
    places = [int(np.abs(known - percent).argmin()) for percent in _PERCENTILES]
    for key in (*_LIMITED, "fraction"):
        lower, upper = (drawn[f"{key}_percentile"].isel(percentile=at, drop=True) for at in places)
        found = _limited(found, key, lower, upper, "bootstrap")
    return found.assign_attrs(history=drawn.attrs["history"])


def _limited(found: xr.Dataset, key: str, lower: xr.DataArray, upper: xr.DataArray, by: str) -> xr.Dataset:
    for end, values in (("lower", lower), ("upper", upper)):
        found[f"{key}_{end}"] = values.variable.copy()
        text = f"{end} limit, 68.3 %, by {by}: {found[key].attrs['long_name']}"
        found[f"{key}_{end}"].attrs = {"units": found[key].attrs["units"], "long_name": text}
    return found


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
    return {str(name): only(fitted, regions == name) for name in dict.fromkeys(regions.tolist())}


def only(fitted: xr.Dataset, chosen: np.ndarray) -> xr.Dataset:
    """Return a fit with chosen lines alone."""
    at = np.flatnonzero(chosen)
    return fitted.isel({dim: at for dim in ("peak", "other_peak") if dim in fitted.dims})


def listed(fitted: xr.Dataset) -> str:
    """Return the names of the lines as text."""
    return ", ".join(map(str, fitted["peak"].values))


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
