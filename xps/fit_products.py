"""The result of a fit as labelled data: names, units, flags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr

from operando.flags import Flag, raised

from .compiled_model import Compiled
from .fit_kernels import AT_BOUND, NOT_CONVERGED
from .layout import ALONG, FIT
from .line_shapes import SHAPES
from .model import BACKGROUND, POLYNOMIAL

PARAMETER, PARAMETER_2 = "parameter", "parameter_2"
_HEIGHTS = {"shirley": "1/eV", "tougaard": "eV^2"}
_LAST = ("peak", PARAMETER, PARAMETER_2, ALONG)


def labelled(found: Mapping[str, xr.DataArray], measured: xr.DataArray, model: Compiled, weighting: str) -> xr.Dataset:
    """Return all that was found of each spectrum, with units, names and flags."""
    variables = {name: values.variable for name, values in found.items()}
    results = dict(_results(variables, measured.variable, model))
    units, names = _labels(str(measured.attrs.get("units", "1")), model, weighting)
    for name, values in results.items():
        results[name] = values.transpose(..., *[dim for dim in _LAST if dim in values.dims])
        results[name].attrs = {"long_name": names[name]} | ({"units": units[name]} if name in units else {})
    coords: dict[str, xr.Variable] = {str(name): coord.variable for name, coord in measured.coords.items()}
    parameters = np.array(model.names, dtype=object)
    coords |= {dim: xr.Variable(dim, parameters, {"long_name": "free parameter"}) for dim in (PARAMETER, PARAMETER_2)}
    units_of = np.array([_unit_of(name, units) for name in model.names], dtype=object)
    coords["parameter_unit"] = xr.Variable(PARAMETER, units_of, {"long_name": "unit of the parameter"})
    coords["peak"] = xr.Variable("peak", np.array(model.peaks, dtype=object), {"long_name": "line"})
    if not any(ALONG in values.dims for values in results.values()):
        coords = {name: values for name, values in coords.items() if ALONG not in values.dims}
    if "flag" in coords:
        coords["flag"] = _flag(measured["flag"], found["number"].isel(number=3)).variable
    return xr.Dataset(results, coords)


def _results(
    found: Mapping[str, xr.Variable], measured: xr.Variable, model: Compiled
) -> Iterator[tuple[str, xr.Variable]]:
    """Yield the variables of the result by name."""
    for k, key in enumerate([*model.keys, "fraction"]):
        yield key, found["peak_value"].isel(quantity=k)
        yield f"{key}_std", found["peak_std"].isel(quantity=k)
    std = _deviations(found["covariance"])
    yield from _of_background(found["value"], std, model)
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


def _of_background(values: xr.Variable, std: xr.Variable, model: Compiled) -> Iterator[tuple[str, xr.Variable]]:
    """Yield the coefficients of the background: each is a free parameter or fixed."""
    for name, row in model.quantities.items():
        where, key = name.rsplit(".", 1)
        if where == BACKGROUND:
            free = model.names.index(name) if row.terms else 0
            one, spread = values.isel({PARAMETER: free}), std.isel({PARAMETER: free})
            yield f"{BACKGROUND}_{key}", one if row.terms else one * 0.0 + row.offset
            yield f"{BACKGROUND}_{key}_std", spread if row.terms else one * 0.0


def _labels(unit: str, model: Compiled, weighting: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return units and long names of all that a fit may give."""
    per_energy = [unit, *(f"{unit}/eV^{power}" if power > 1 else f"{unit}/eV" for power in range(1, len(POLYNOMIAL)))]
    units = FIT.units() | {"area": f"{unit}*eV" if unit != "1" else "eV"}
    units |= {f"{BACKGROUND}_{key}": one for key, one in zip(POLYNOMIAL, per_energy, strict=True)}
    units |= {f"{BACKGROUND}_height": _HEIGHTS.get(model.background.kind, "1")}
    units |= {"reduced_chi_square": f"({unit})^2" if weighting == "none" and unit != "1" else "1"}
    units |= dict.fromkeys(("fitted", "background", "residual", "line"), unit)
    names = FIT.long_names() | {f"{BACKGROUND}_height": "height of the inelastic background"}
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
    if where == BACKGROUND:
        return units[f"{BACKGROUND}_{key}"]
    return {"splitting": "eV", "shift": "eV"}.get(key) or units[key]


def _flag(flag: xr.DataArray, state: xr.DataArray) -> xr.DataArray:
    bare = state.drop_vars(list(state.coords)).fillna(NOT_CONVERGED).astype(np.int64)
    beyond = [dim for dim in bare.dims if dim not in flag.dims]
    flag = raised(flag.drop_vars(list(flag.coords)), Flag.not_converged, ((bare & NOT_CONVERGED) > 0).any(beyond))
    return raised(flag, Flag.at_bound, ((bare & AT_BOUND) > 0).any(beyond))
