"""Intervals by the profile of the likelihood: errors where those of the covariance are too simple."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.history import recorded

from .affine import Affine
from .compiled_model import Compiled
from .fit_blocks import Plan, as_stack
from .fit_products import PARAMETER
from .fitting import bare, by_blocks
from .layout import ALONG, INTERVALS
from .model import Model
from .model_kernels import Floats
from .model_text import as_table
from .profile_kernels import profile_rows
from .refits import refit

_ENDS = ("value", "lower", "upper")


def profile(
    spectra: xr.DataArray | xr.Dataset,
    model: Model,
    fit: xr.Dataset,
    parameter: str,
    *,
    z: float = 1.0,
    weights: xr.DataArray | None = None,
) -> xr.Dataset:
    """Return how far a parameter can go, the others refitted, until the fit is worse by ``z`` standard deviations.

    At few counts, beside a bound, or where lines overlap, an estimate does not scatter evenly to both sides: these
    limits then hold the truth as often as they should, value plus or minus standard uncertainty does not.

    Parameters
    ----------
    spectra, model
        As given to :func:`fit`.
    fit
        What :func:`fit` made of them; its weights and its window are used.
    parameter
        A quantity of the model such as ``"PS4.area"`` or ``"background.height"``, or one of all lines: ``"area"``,
        ``"position"``, ``"fwhm"`` ...
    z
        How many standard deviations: 1 for 68.3 %, 2 for 95.4 %.
    weights
        The standard deviations that the fit was given, if it was.

    Returns
    -------
    xarray.Dataset
        ``value``, ``lower`` and ``upper`` in the parameter's unit, dim ``peak`` in the place of the energy for a
        quantity of all lines. A limit is the bound where the fit is not that much worse there: the interval is then
        one-sided. It is infinite where there is none; NaN where nothing was fitted, or the quantity of a line is fixed
        or tied to a sum of several.

    Raises
    ------
    OperandoError
        If ``fit`` is not of these spectra and this model; if the model has no such parameter, or it is fixed, or hangs
        on several free ones.

    Notes
    -----
    With D(a) the least deviance (weighted squares) at the parameter a, the limits solve D(a) - D(best) = z^2; without
    known errors z^2 times the reduced chi-square. Where a lower minimum is met on the way, the profile starts again
    from there, so that ``value`` may differ from that of the fit.
    Venzon and Moolgavkar, Appl. Statist. 37 (1988) 87, doi:10.2307/2347496.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xps
    >>> energy = xr.DataArray(np.arange(157.0, 168.0, 0.1), dims="binding_energy", attrs={"units": "eV"})
    >>> line = 900 * np.exp(-(((energy - 161.5) / 0.6) ** 2)) + 460 * np.exp(-(((energy - 162.68) / 0.6) ** 2))
    >>> counts = (100 + line).assign_coords(binding_energy=energy).assign_attrs(units="count")
    >>> model = xps.Model([xps.Doublet("PS4", 161.4, 1.0, splitting=1.18, ratio=0.511)])
    >>> fitted = xps.fit(counts, model)
    >>> limits = xps.profile(counts, model, fitted, "PS4.position")
    >>> print(sorted(limits.data_vars)[:3])
    ['lower', 'upper', 'value']
    """
    if not z > 0:
        raise OperandoError(f"profile: expected z above 0, got {z}")
    fitted = refit(spectra, model, fit, weights, "profile")
    names = _names(parameter, fitted.plan.model)
    rows = [fitted.plan.model.quantities.get(name, Affine()) for name in names]
    if parameter in names and len(rows[0].terms) > 1:
        said = f"profile: expected a quantity that hangs on one free parameter, got {parameter!r}"
        raise OperandoError(f"{said}, which hangs on {', '.join(rows[0].terms)}")
    variance = bare(fit["reduced_chi_square"])
    rise = z**2 * (variance if fitted.plan.task[3] == 0 else xr.ones_like(variance))
    inputs = [*fitted.inputs, fitted.values, fitted.covariance, rise]
    sizes = {"peak": len(rows), "end": len(_ENDS)}
    (found,) = by_blocks(rows_profiled, inputs, [["peak", "end"]], fitted.plan, sizes, rows=rows)
    found = found.isel(peak=0) if parameter in names else found.assign_coords(peak=fit["peak"])
    coords = {name: one.variable for name, one in fitted.measured.coords.items() if ALONG not in one.dims}
    ds = xr.Dataset({name: found.isel(end=k) for k, name in enumerate(_ENDS)}).assign_coords(coords)
    unit = _unit(rows, fit)
    for name, text in INTERVALS.long_names().items():
        ds[name].attrs = {"long_name": f"{text}: {parameter}", "units": unit}
    settings = {"parameter": parameter, "z": z, "model": as_table(model)}
    return recorded(ds, "xps.profile", settings, after=xr.Dataset(attrs=fit.attrs))


def _names(parameter: str, model: Compiled) -> list[str]:
    """Return the quantities asked for: one, or one of every line."""
    if parameter in model.quantities:
        return [parameter]
    if parameter in model.keys:
        return [f"{peak}.{parameter}" for peak in model.peaks]
    known = ", ".join([*model.keys, *model.quantities])
    raise OperandoError(f"profile: expected one of {known}, got {parameter!r}")


def _unit(rows: list[Affine], fit: xr.Dataset) -> str:
    """Return the unit of quantities, that of the free parameters on which they hang."""
    free = [name for row in rows for name in row.terms]
    if not free:
        raise OperandoError("profile: expected a parameter that was fitted, got one that is fixed")
    return str(fit["parameter_unit"].sel({PARAMETER: free[0]}).item())


def rows_profiled(values: Floats, *others: Floats, plan: Plan, rows: list[Affine]) -> Floats:
    """Return value, lower and upper limit of quantities of each spectrum (quantity, 3).

    ``others`` are response, deviations, known background; free parameters, covariance, rise at the limit.
    """
    lead, size = values.shape[:-1], len(plan.model.names)
    stack = as_stack(values, (others[0], others[1], others[2]), plan)
    free, covariance = np.array(others[3]).reshape(-1, size), np.array(others[4]).reshape(-1, size, size)
    rise = np.array(np.broadcast_to(others[5], lead)).reshape(-1)
    terms = [next(iter(row.terms.items())) if len(row.terms) == 1 else ("", np.nan) for row in rows]
    places = sorted({plan.model.names.index(name) for name, _ in terms if name})
    out = np.empty((len(free), len(places), 3))
    profile_rows(plan.form, stack, plan.task, (free, covariance, np.array(places, np.int64), rise), out)
    found = np.full((len(free), len(rows), 3), np.nan)
    for k, (row, (name, factor)) in enumerate(zip(rows, terms, strict=True)):
        if name:
            one = row.offset + factor * out[:, places.index(plan.model.names.index(name))]
            found[:, k] = one if factor > 0 else one[:, [0, 2, 1]]
    return found.reshape(*lead, len(rows), 3)
