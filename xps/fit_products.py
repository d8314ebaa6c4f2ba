"""The result of a fit as labelled data: names, units, flags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr

from operando.flags import Flag, raised

from .affine import Affine
from .compiled_model import AREA, POSITION, SHIFT, Compiled, background_name
from .fit_kernels import NOT_CONVERGED
from .layout import ALONG, FIT
from .line_shapes import SHAPES
from .model import BACKGROUND, POLYNOMIAL

PARAMETER, PARAMETER_2 = "parameter", "parameter_2"
OTHER_PEAK, PHASE, PLACE = "other_peak", "phase", "background_region"
_HEIGHTS = {"shirley": "1/eV", "tougaard": "eV^2"}
_LAST = ("peak", OTHER_PEAK, PHASE, PLACE, PARAMETER, PARAMETER_2, ALONG)


def labelled(found: Mapping[str, xr.DataArray], measured: xr.DataArray, model: Compiled, weighting: str) -> xr.Dataset:
    """Return all that was found of each spectrum, with units, names and flags."""
    variables = {name: values.variable for name, values in found.items()}
    results = dict(_results(variables, measured.variable, model))
    units, names = _labels(str(measured.attrs.get("units", "1")), model, weighting)
    for name, values in results.items():
        results[name] = values.transpose(..., *[dim for dim in _LAST if dim in values.dims])
        unit = {"units": units[name]} if name in units else {"units_in": "parameter_unit"}
        results[name].attrs = {"long_name": names[name]} | unit
    coords: dict[str, xr.Variable] = {str(name): coord.variable for name, coord in measured.coords.items()}
    parameters = np.array(model.names, dtype=object)
    coords |= {dim: xr.Variable(dim, parameters, {"long_name": "free parameter"}) for dim in (PARAMETER, PARAMETER_2)}
    units_of = np.array([_unit_of(name, units) for name in model.names], dtype=object)
    coords["parameter_unit"] = xr.Variable(PARAMETER, units_of, {"long_name": "unit of the parameter"})
    coords |= _names(model)
    if not any(ALONG in values.dims for values in results.values()):
        coords = {name: values for name, values in coords.items() if ALONG not in values.dims}
    if "flag" in coords:
        at_bound = _at_bound(found["value"], model)
        coords["flag"] = _flag(measured["flag"], found["number"].isel(number=3), at_bound).variable
    ds = xr.Dataset(results, coords)
    free = slice(0, model.varied)
    return ds.isel({PARAMETER: free, PARAMETER_2: free}) if model.expressed else ds


def _names(model: Compiled) -> dict[str, xr.Variable]:
    """Return the names of lines, regions and phases."""
    peaks, regions, phases = (np.array(names, dtype=object) for names in (model.peaks, model.regions, model.phases))
    coords = {
        "peak": xr.Variable("peak", peaks, {"long_name": "line"}),
        OTHER_PEAK: xr.Variable(OTHER_PEAK, peaks, {"long_name": "line"}),
    }
    if model.regions != ("",):
        coords["peak_region"] = xr.Variable("peak", regions[model.places], {"long_name": "region of the line"})
        coords[PLACE] = xr.Variable(PLACE, regions, {"long_name": "region of the background"})
    if model.phases:
        coords[PHASE] = xr.Variable(PHASE, phases, {"long_name": "phase whose lines move together"})
    return coords


def _results(
    found: Mapping[str, xr.Variable], measured: xr.Variable, model: Compiled
) -> Iterator[tuple[str, xr.Variable]]:
    """Yield the variables of the result by name."""
    for k, key in enumerate([*model.keys, "fraction"]):
        yield key, found["peak_value"].isel(quantity=k)
        yield f"{key}_std", found["peak_std"].isel(quantity=k)
    for at, key in enumerate((AREA, POSITION)):
        yield f"{key}_covariance", found["peak_covariance"].isel(both=at)
    std = _deviations(found["covariance"])
    yield from _of_background(found["value"], found["covariance"], model)
    yield from _of_phases(found["value"], found["covariance"], model)
    yield from {"value": found["value"], "value_std": std, "covariance": found["covariance"]}.items()
    yield "reduced_chi_square", found["number"].isel(number=1)
    yield "runs", found["number"].isel(number=2)
    if "curve" in found:
        fitted = found["curve"].isel(curve=0)
        yield from {"fitted": fitted, "background": found["curve"].isel(curve=1), "residual": measured - fitted}.items()
    if "line" in found:
        yield "line", found["line"]


def _deviations(covariance: xr.Variable) -> xr.Variable:
    """Return the square roots of the diagonal."""
    diagonal = [covariance.isel({PARAMETER: k, PARAMETER_2: k}) for k in range(covariance.sizes[PARAMETER])]
    joined: xr.Variable = xr.Variable.concat(diagonal, PARAMETER)  # type: ignore[no-untyped-call]
    return (joined**0.5).transpose(..., PARAMETER)


def _of_background(values: xr.Variable, covariance: xr.Variable, model: Compiled) -> Iterator[tuple[str, xr.Variable]]:
    """Yield the coefficients of the background, those of several regions side by side."""
    first = background_name(model.regions[0])
    for key in [name.rsplit(".", 1)[1] for name in model.quantities if name.rsplit(".", 1)[0] == first]:
        rows = [model.quantities[f"{background_name(region)}.{key}"] for region in model.regions]
        yield from _beside(f"{BACKGROUND}_{key}", rows, (values, covariance), model, PLACE)


def _of_phases(values: xr.Variable, covariance: xr.Variable, model: Compiled) -> Iterator[tuple[str, xr.Variable]]:
    """Yield the shifts of the phases."""
    if model.phases:
        rows = [model.quantities[f"{phase}.{SHIFT}"] for phase in model.phases]
        yield from _beside(SHIFT, rows, (values, covariance), model, PHASE)


def _beside(
    name: str, rows: list[Affine], found: tuple[xr.Variable, xr.Variable], model: Compiled, dim: str
) -> Iterator[tuple[str, xr.Variable]]:
    """Yield quantities and their standard uncertainties along a dim of their own, if their regions have names."""
    several = [_quantity(row, *found, model) for row in rows]
    for end, at in (("", 0), ("_std", 1)):
        parts = [one[at] for one in several]
        alone = dim == PLACE and model.regions == ("",)
        yield f"{name}{end}", parts[0] if alone else xr.Variable.concat(parts, dim)  # type: ignore[no-untyped-call]


def _quantity(
    row: Affine, values: xr.Variable, covariance: xr.Variable, model: Compiled
) -> tuple[xr.Variable, xr.Variable]:
    """Return a quantity that is affine in the free parameters, and its standard uncertainty."""
    value = values.isel({PARAMETER: 0}) * 0.0 + row.offset
    variance = value * 0.0
    terms = [(model.names.index(name), factor) for name, factor in row.terms.items()]
    for one, factor in terms:
        value = value + factor * values.isel({PARAMETER: one})
        for other, second in terms:
            variance = variance + factor * second * covariance.isel({PARAMETER: one, PARAMETER_2: other})
    return value, variance**0.5


def _labels(unit: str, model: Compiled, weighting: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return units and long names of all that a fit may give."""
    per_energy = [unit, *(f"{unit}/eV^{power}" if power > 1 else f"{unit}/eV" for power in range(1, len(POLYNOMIAL)))]
    units = FIT.units() | {"area": f"{unit}*eV" if unit != "1" else "eV"}
    units |= {f"{BACKGROUND}_{key}": one for key, one in zip(POLYNOMIAL, per_energy, strict=True)}
    units |= {"area_covariance": f"({units['area']})^2", "position_covariance": "eV^2", SHIFT: "eV"}
    units |= {f"{BACKGROUND}_height": _HEIGHTS.get(model.background.kind, "1")}
    units |= {"reduced_chi_square": f"({unit})^2" if weighting == "none" and unit != "1" else "1"}
    units |= dict.fromkeys(("fitted", "background", "residual", "line"), unit)
    names = (
        FIT.long_names()
        | {SHIFT: "shift of the phase's lines from where they start"}
        | {f"{BACKGROUND}_height": "height of the inelastic background"}
    )
    names |= {f"{BACKGROUND}_{key}": f"{key} term of the background's polynomial" for key in POLYNOMIAL}
    for one in (one for shape in SHAPES.values() for one in shape.parameters):
        names.setdefault(one.name, one.meaning)
        units.setdefault(one.name, "1")
    names |= {
        f"{name}_std": f"standard uncertainty: {text}" for name, text in names.items() if not name.endswith("_std")
    }
    return units | {f"{name}_std": one for name, one in units.items() if not name.endswith("_std")}, names


def _unit_of(parameter: str, units: Mapping[str, str]) -> str:
    """Return the unit of a free parameter such as ``PS4.area``."""
    where, key = parameter.rsplit(".", 1)
    if where.endswith(BACKGROUND):
        return units[f"{BACKGROUND}_{key}"]
    return {"splitting": "eV", "shift": "eV"}.get(key) or units[key]


def _at_bound(values: xr.DataArray, model: Compiled) -> xr.DataArray:
    """Return whether a free parameter lies on its bound; areas that are nothing do not count."""
    low = [-np.inf if name.endswith(f".{AREA}") else bound for name, bound in zip(model.names, model.low, strict=True)]
    bare = values.drop_vars(list(values.coords))
    lowest, highest = (xr.DataArray(bounds, dims=PARAMETER) for bounds in (low, model.high))
    return ((bare <= lowest) | (bare >= highest)).any(PARAMETER)


def _flag(flag: xr.DataArray, state: xr.DataArray, at_bound: xr.DataArray) -> xr.DataArray:
    bare = state.drop_vars(list(state.coords)).fillna(NOT_CONVERGED).astype(np.int64)
    beyond = [dim for dim in bare.dims if dim not in flag.dims]
    flag = raised(flag.drop_vars(list(flag.coords)), Flag.not_converged, ((bare & NOT_CONVERGED) > 0).any(beyond))
    return raised(flag, Flag.at_bound, at_bound.any(beyond))
