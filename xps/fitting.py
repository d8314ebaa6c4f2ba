"""Fit lines and background to whole series of spectra."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr

from operando.errors import OperandoError, OperandoWarning
from operando.history import recorded

from .compiled_model import Compiled
from .fit_blocks import Plan, rows_drawn, rows_fitted, rows_refined
from .fit_kernels import POISSON, SQUARES
from .fit_products import OTHER_PEAK, PARAMETER, PARAMETER_2, labelled
from .joining import REGION
from .layout import ALONG, MEASURED
from .misfits import warn_of_misfits
from .model import Model
from .model_text import as_table
from .starts import linear, starts

Weights = Literal["auto", "model", "data", "none"]


def fit(
    spectra: xr.DataArray | xr.Dataset,
    model: Model,
    *,
    weights: Weights | xr.DataArray = "auto",
    window: tuple[float, float] | None = None,
    start: xr.Dataset | None = None,
    shifts: Sequence[float] | None = None,
    neighbors: bool = True,
    curves: bool = True,
    lines: bool = False,
) -> xr.Dataset:
    """Return the lines and the background that fit each spectrum best.

    m(E) = T(E) [sum_j A_j (f_j(E) + h C_j(E)) + b0 + b1 (E - Em) + ...], f_j the lines of unit area, C_j their
    inelastic background (:class:`Background`), T the analyser's transmission where the data have it: areas then hold
    at T = 1, and it is counts as measured that are fitted.

    Parameters
    ----------
    spectra
        Intensity against ``binding_energy`` (eV), with any other dims, in memory or dask; of a Dataset its
        ``counts``, else ``rate`` or ``intensity``, and its ``transmission``. Points that are NaN are left out.
    model
        The lines, their background and what ties them.
    weights
        ``"model"``: Poisson maximum likelihood, for counts; small counts and shared parameters stay unbiased.
        ``"data"``: squares over counts, at least 1. ``"none"``: plain squares, errors from the residual. ``"auto"``:
        ``"model"`` for counts, else ``"none"``. An array is taken as the standard deviation of each point.
    window
        The energies to fit (eV); all by default.
    start
        A fit of the same model from whose values to start, one for all or one a spectrum. Without it, or where it is
        NaN, a list of starts is tried and the lowest minimum kept.
    shifts
        By how much that list moves all lines together (eV); see :func:`~operando.xps.starts.starts`.
    neighbors
        Whether the results of the scans before and after are tried as starts, too, and kept where they are better.
    curves, lines
        Whether the fitted curves, and each line alone, are returned.

    Returns
    -------
    xarray.Dataset
        Dim ``peak`` in the place of the energy: ``area`` (measured unit times eV; at least 0), ``position, fwhm``
        (eV), ``fraction`` (1, of the area of all lines) and the parameters of the shapes; ``background_...``; each
        with its ``_std``. ``value``, ``value_std`` and ``covariance`` of the free parameters (``parameter``),
        ``reduced_chi_square`` (Pearson's with ``"model"``; variance of a point with ``"none"``), ``runs`` (z of Wald
        and Wolfowitz), ``fitted, background, residual, line`` on the energies. The standard uncertainty of what lies
        on a bound, or is not determined, is NaN, and others hold with it there. In the coordinate ``flag``, if there
        is one, are raised ``Flag.not_converged`` (also where nothing could be fitted) and ``Flag.at_bound``.

    Raises
    ------
    OperandoError
        If there are no spectra against ``binding_energy``, the weights are unknown or do not suit what was measured,
        or there are no more points than parameters.

    Warns
    -----
    OperandoWarning
        If spectra in memory are missed by their fit: chi-square 5 standard deviations above expectation, or runs 4
        below, or the residuals of at least 20 add up to a pattern that stands 5 out of noise, as a background of
        another form leaves it; if the background is taken off before; if lmfit is used, and how long it takes.

    Notes
    -----
    Levenberg-Marquardt with the analytic Jacobian, J_free = J C for the affine ties p = C p_free + d; with
    ``"model"`` Fisher scoring on the deviance. Every spectrum is fitted for itself and from the same starts, so that
    the result does not depend on chunks or order.
    A model with an :class:`Expression` that is not affine is fitted by lmfit (its leastsq) instead, from the same
    starts but without neighbors, to the same curve, weights and bounds; errors are those of the same information
    matrix, mapped by the derivatives of the expressions.

    D. W. Marquardt, J. Soc. Ind. Appl. Math. 11, 431 (1963), doi:10.1137/0111030.

    Examples
    --------
    A sulfur doublet on a flat background:

    >>> import numpy as np, xarray as xr
    >>> from operando import xps
    >>> energy = xr.DataArray(np.arange(157.0, 168.0, 0.1), dims="binding_energy", attrs={"units": "eV"})
    >>> line = 900 * np.exp(-(((energy - 161.5) / 0.6) ** 2)) + 460 * np.exp(-(((energy - 162.68) / 0.6) ** 2))
    >>> counts = (100 + line).assign_coords(binding_energy=energy).assign_attrs(units="count")
    >>> model = xps.Model([xps.Doublet("PS4", 161.4, 1.0, splitting=1.18, ratio=0.511)])
    >>> found = xps.fit(counts, model)
    >>> print(round(float(found["position"][0]), 2), found["position"].attrs["units"])
    161.5 eV
    """
    given = weights if isinstance(weights, xr.DataArray) else xr.DataArray(1.0)
    measured, response, sigma = as_measured(spectra, given, model, window)
    plan = planned(model, measured, weights, shifts)
    inputs = (measured, bare(response), bare(sigma), bare(known_background(measured, model)))
    begin = given_start(start, plan.model)
    if plan.model.expressed:
        from .lmfit_fits import fitted_by_lmfit

        found = fitted_by_lmfit(inputs, begin, plan, curves=curves)
    else:
        first = first_pass(inputs, begin, plan)
        sides = _sides(first[0]) if neighbors and "scan" in first[0].dims else [first[0] * np.nan] * 2
        found = _second(inputs, first, sides, plan, curves=curves)
    if lines:
        found["line"] = drawn_lines(found["value"], bare(response), plan)
    ds = labelled(found, measured, plan.model, plan.weighting)
    warn_of_misfits(ds, plan)
    parameters = {
        "model": as_table(model),
        "weights": weights if isinstance(weights, str) else "standard deviations given",
        "weighting": plan.weighting,
        "window": window,
        "start": "given" if start is not None else None,
        "shifts": None if shifts is None else list(shifts),
        "neighbors": neighbors and not plan.model.expressed,
    }
    parameters |= {"method": "lmfit"} if plan.model.expressed else {}
    ds = recorded(ds, "xps.fit", parameters, after=xr.Dataset(attrs=spectra.attrs))
    return ds.assign_attrs(model=model.to_json(), **({"region": at} if (at := spectra.attrs.get("region")) else {}))


def as_measured(
    spectra: xr.DataArray | xr.Dataset,
    sigma: xr.DataArray,
    model: Model,
    window: tuple[float, float] | None,
    step: str = "fit",
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Return what was measured, at ascending energies within the window, the response and the deviations there."""
    if isinstance(spectra, xr.Dataset):
        name = next((name for name in MEASURED if name in spectra), None)
        if name is None:
            raise OperandoError(f"{step}: expected one of {', '.join(MEASURED)}, got {', '.join(map(str, spectra))}")
        measured = spectra[name].assign_attrs(spectra.attrs | spectra[name].attrs)
        response = spectra.get("transmission", xr.DataArray(1.0))
    else:
        measured, response = spectra, xr.DataArray(1.0)
    if ALONG not in measured.dims or ALONG not in measured.coords:
        raise OperandoError(f"{step}: expected spectra with a dim and coordinate {ALONG!r}, got {tuple(measured.dims)}")
    energy = measured[ALONG].to_numpy()
    inside = np.isfinite(energy) & _of_model(measured, model, step)
    if window is not None:
        inside &= (energy >= min(window)) & (energy <= max(window))
    order = np.flatnonzero(inside)[np.argsort(energy[inside], kind="stable")]
    if order.size < 3:
        raise OperandoError(f"{step}: expected at least 3 energies within the window {window}, got {order.size}")
    kept = [_taken(one, order) for one in (measured, response, sigma)]
    return kept[0].transpose(..., ALONG), kept[1], kept[2]


def _of_model(measured: xr.DataArray, model: Model, step: str) -> np.ndarray:
    """Return which energies belong to the regions of the model.

    Raises
    ------
    OperandoError
        If the spectra lack one of them, or join regions that the lines of the model do not tell apart.
    """
    region = _region(measured)
    there = ", ".join(dict.fromkeys(region.tolist()))
    if model.regions == ("",):
        if REGION in measured.coords and len(set(region.tolist())) > 1:
            raise OperandoError(f"{step}: expected a region for every line, since the spectra join {there}; got none")
        return np.ones(region.size, dtype=bool)
    lost = [name for name in model.regions if name not in region]
    if lost:
        raise OperandoError(
            f"{step}: expected spectra of {', '.join(lost)} (xps.join puts regions on one axis), got {there}"
        )
    return np.isin(region, list(model.regions))


def _region(measured: xr.DataArray) -> np.ndarray:
    """Return the region of each energy."""
    if REGION in measured.coords and measured[REGION].dims == (ALONG,):
        return np.asarray(measured[REGION].to_numpy(), dtype=object)
    return np.full(measured.sizes[ALONG], measured.attrs.get(REGION, "one region"), dtype=object)


def _taken(values: xr.DataArray, order: np.ndarray) -> xr.DataArray:
    """Return values at chosen energies, in one chunk if lazy; those without energies as they are."""
    if ALONG not in values.dims:
        return values
    whole = np.array_equal(order, np.arange(values.sizes[ALONG]))
    taken = values if whole else values.isel({ALONG: order})
    return taken if taken.chunks is None else taken.chunk({ALONG: -1})


def planned(
    model: Model,
    measured: xr.DataArray,
    weights: Weights | xr.DataArray,
    shifts: Sequence[float] | None,
    step: str = "fit",
) -> Plan:
    """Return what all spectra of one call share.

    Raises
    ------
    OperandoError
        If the weights are unknown or do not suit what was measured, or there are no more points than parameters.
    """
    compiled = model.compiled
    counts = measured.attrs.get("units") == "count"
    if isinstance(weights, xr.DataArray):
        weighting, kind, unit = "given", SQUARES, 1.0
    elif weights not in ("auto", "model", "data", "none"):
        raise OperandoError(f"{step}: expected weights 'auto', 'model', 'data', 'none' or an array, got {weights!r}")
    else:
        weighting = ("model" if counts else "none") if weights == "auto" else weights
        kind, unit = (POISSON if weighting == "model" else SQUARES), (0.0 if weighting == "none" else 1.0)
    if weighting in ("model", "data") and not counts:
        got = measured.attrs.get("units", "no unit")
        raise OperandoError(f"{step}: weights {weighting!r} need counts, got {got!r}; use 'none' or give deviations")
    if measured.sizes[ALONG] <= compiled.varied:
        said = f"{step}: expected more points than the {compiled.varied} free parameters"
        raise OperandoError(f"{said}, got {measured.sizes[ALONG]}")
    task = (compiled.low, compiled.high, kind, unit)
    screening = (linear(compiled), starts(compiled, shifts))
    region = None if model.regions == ("",) else _region(measured)
    points = compiled.points(measured[ALONG].to_numpy().astype(np.float64), region)
    return Plan(compiled, points, task, screening, weighting)


def known_background(measured: xr.DataArray, model: Model, step: str = "fit") -> xr.DataArray:
    """Return the background that is taken off before the fit."""
    if not model.background.static or model.background.kind == "none":
        return xr.DataArray(0.0)
    from .backgrounds import shirley, tougaard

    if len(model.regions) > 1:
        raise OperandoError(
            f"{step}: expected an active background where regions are fitted together, got a static one"
        )
    said = f"{step}: a background taken off before the fit biases areas, and errors do not cover that"
    warnings.warn(f"{said}; let it be fitted with the lines (static=False)", OperandoWarning, stacklevel=3)
    if model.background.kind == "shirley":
        return shirley(measured)["background"]
    return tougaard(measured, model.background.loss)["background"]


def bare(values: xr.DataArray) -> xr.DataArray:
    """Return values without coordinates, so that only dims are matched."""
    return values.drop_vars(list(values.coords))


def given_start(start: xr.Dataset | None, model: Compiled, step: str = "fit") -> xr.DataArray:
    """Return the free parameters from which to start, NaN where none are given."""
    if start is None:
        return xr.DataArray(np.full(len(model.names), np.nan), dims=PARAMETER)
    if "value" not in start or PARAMETER not in start.coords:
        raise OperandoError(f"{step}: expected as start the result of a fit, got a dataset without 'value'")
    return bare(start["value"].reindex({PARAMETER: list(model.names)}))


def by_blocks(
    function: Any,
    inputs: Sequence[xr.DataArray],
    outputs: Sequence[Sequence[str]],
    plan: Plan,
    sizes: Mapping[str, int] | None = None,
    **more: Any,
) -> tuple[xr.DataArray, ...]:
    """Apply ``function`` to blocks of spectra; core dims are whatever the inputs have of energies and parameters."""
    known = {PARAMETER: len(plan.model.names), PARAMETER_2: len(plan.model.names), "peak": len(plan.model.peaks)}
    new = {dim for dims in outputs for dim in dims} - {str(dim) for one in inputs for dim in one.dims}
    result = xr.apply_ufunc(
        function,
        *inputs,
        kwargs={"plan": plan, **more},
        input_core_dims=[[dim for dim in (PARAMETER, PARAMETER_2, ALONG) if dim in one.dims] for one in inputs],
        output_core_dims=outputs,
        join="exact",
        dask="parallelized",
        dask_gufunc_kwargs={
            "output_sizes": {dim: size for dim, size in (known | dict(sizes or {})).items() if dim in new}
        },
        output_dtypes=[np.float64] * len(outputs),
        keep_attrs=False,
    )
    return result if isinstance(result, tuple) else (result,)


def _sides(free: xr.DataArray) -> list[xr.DataArray]:
    """Return the parameters of the scans before and after."""
    return [free.shift(scan=step) for step in (1, -1)]


def first_pass(
    inputs: tuple[xr.DataArray, ...], given: xr.DataArray, plan: Plan
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Return free parameters, objective and state of each spectrum for itself."""
    free, objective, state = by_blocks(rows_fitted, [*inputs, given], [[PARAMETER], [], []], plan)
    return free, objective, state


def _second(
    inputs: tuple[xr.DataArray, ...],
    found: tuple[xr.DataArray, ...],
    sides: Sequence[xr.DataArray],
    plan: Plan,
    *,
    curves: bool,
) -> dict[str, xr.DataArray]:
    """Return what is known of each spectrum once its neighbors have been tried."""
    names = ["value", "covariance", "peak_value", "peak_std", "peak_covariance", "number"]
    names += ["curve"] if curves else []
    outputs = [[PARAMETER], [PARAMETER, PARAMETER_2], *[["quantity", "peak"]] * 2, ["both", "peak", OTHER_PEAK]]
    outputs += [["number"], ["curve", ALONG]]
    sizes = {"quantity": len(plan.model.keys) + 1, "number": 4, "curve": 2, "both": 2}
    sizes |= {OTHER_PEAK: len(plan.model.peaks)}
    results = by_blocks(rows_refined, [*inputs, *found, *sides], outputs[: len(names)], plan, sizes, curves=curves)
    return dict(zip(names, results, strict=True))


def drawn_lines(values: xr.DataArray, response: xr.DataArray, plan: Plan) -> xr.DataArray:
    """Return each line alone."""
    (drawn,) = by_blocks(rows_drawn, [values, response], [["peak", ALONG]], plan, {ALONG: plan.points[0].size})
    return drawn
