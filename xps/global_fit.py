"""Fit a whole series at once: widths, shapes and splittings are one number, areas and shifts one a scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import import_module
from typing import Any

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.history import recorded

from .compiled_model import AREA, SHIFT, Compiled
from .fit_blocks import Plan
from .fit_kernels import NOT_CONVERGED
from .fit_products import OTHER_PEAK, PARAMETER, PARAMETER_2, labelled
from .fitting import (
    Weights,
    as_measured,
    bare,
    by_blocks,
    drawn_lines,
    first_pass,
    given_start,
    known_background,
    planned,
)
from .global_blocks import pinned, rows_described, rows_known, rows_pinned
from .global_kernels import joint_covariance, joint_gain, joint_step
from .layout import ALONG, FIT
from .misfits import warn_of_misfits
from .model import POLYNOMIAL, Model
from .model_kernels import Floats
from .model_text import as_table
from .refits import without_expressions

# Dask's functions have no types, so its module is taken as it is.
da: Any = import_module("dask.array")

LOCAL = (AREA, SHIFT, *POLYNOMIAL)
"""What is one number a scan by default: the last part of the parameters' names."""
_ROUNDS, _ITERATIONS, _SLOW = 4, 150, 25
"""Searches of the single scans; steps of one joint fit; steps close to the minimum after which it is taken as found."""
_NEAR, _CONVERGED = 1e-7, 1e-16
"""What a step may still lower, in units of one squared deviation: below notice; below rounding."""


@dataclass(frozen=True)
class _Series:
    """What all steps of one global fit share; ``known`` gives objective, matrix, gradient and points at parameters."""

    plan: Plan
    places: np.ndarray
    known: Callable[[Floats], tuple[Floats, Floats, Floats, Floats]]

    @property
    def split(self) -> tuple[np.ndarray, np.ndarray]:
        """Places of the local and of the shared parameters."""
        return np.setdiff1d(np.arange(len(self.plan.model.names)), self.places), self.places


@dataclass(frozen=True)
class _Result:
    """Parameters, their covariance, state and degrees of freedom (those of its own) of each spectrum; those of all."""

    free: xr.DataArray
    covariance: xr.DataArray
    state: xr.DataArray
    left: xr.DataArray
    degrees: float


def fit_global(
    spectra: xr.DataArray | xr.Dataset,
    model: Model,
    *,
    shared: str | Sequence[str] | None = None,
    weights: Weights | xr.DataArray = "auto",
    window: tuple[float, float] | None = None,
    start: xr.Dataset | None = None,
    shifts: Sequence[float] | None = None,
    curves: bool = True,
    lines: bool = False,
) -> xr.Dataset:
    """Return the lines and the background that fit all spectra best, some parameters being one number for all.

    What does not change in a series, such as the widths, is found from all its spectra: areas of weak lines and the
    shift become more certain than where each spectrum is fitted for itself (:func:`fit`). It biases them where it
    does change.

    Parameters
    ----------
    spectra
        As :func:`fit` takes them; all are one series, whatever their dims.
    model
        The lines, their background and what ties them.
    shared
        Names of free parameters that are one number for all spectra, or patterns such as ``"*.fwhm"``. By default all
        but areas, shifts of phases and the polynomial: also positions that no shift moves.
    weights, window, shifts, curves, lines
        As of :func:`fit`.
    start
        A fit of the same model from whose values to start; by default each spectrum is fitted for itself first. The
        shared parameters start at its medians.

    Returns
    -------
    xarray.Dataset
        As :func:`fit` returns it (positions and widths in eV), the shared parameters the same in every spectrum, and
        ``covariance`` that of a spectrum's own and the shared parameters. ``reduced_chi_square`` of each spectrum
        counts its own parameters only; ``reduced_chi_square_total`` is that of the series. ``shared`` in the attributes
        names the shared ones. All is computed but the curves of lazy spectra.

    Raises
    ------
    OperandoError
        As :func:`fit`; if a name or pattern stands for no free parameter; if no spectrum can be fitted.

    Warns
    -----
    OperandoWarning
        If spectra are missed by their fit, as of :func:`fit`.

    Notes
    -----
    Levenberg-Marquardt (with ``"model"`` Fisher scoring) on all parameters together. The normal equations of the scans
    only meet in the shared ones: each scan's own are eliminated (Schur complement), so that time and memory grow with
    the number of scans, not its cube. After that each scan is searched again from several starts at the shared
    parameters found, and the whole again where that helps. Blocks of a lazy series are read once a step; sums are
    taken in the order of the scans, so that chunks do not matter.

    Examples
    --------
    Two scans that share position and width:

    >>> import numpy as np, xarray as xr
    >>> from operando import xps
    >>> energy = xr.DataArray(np.arange(157.0, 168.0, 0.1), dims="binding_energy", attrs={"units": "eV"})
    >>> line = 900 * np.exp(-(((energy - 161.5) / 0.6) ** 2)) + 460 * np.exp(-(((energy - 162.68) / 0.6) ** 2))
    >>> counts = (100 + line).assign_coords(binding_energy=energy).assign_attrs(units="count")
    >>> model = xps.Model([xps.Doublet("PS4", 161.4, 1.0, splitting=1.18, ratio=0.511)])
    >>> series = xr.concat([counts, 1.5 * counts], "scan").assign_attrs(units="count")
    >>> found = xps.fit_global(series, model)
    >>> print(found["area"].dims, found["fwhm"].values.round(2).ravel().tolist())
    ('scan', 'peak') [1.0, 1.0]
    """
    without_expressions(model.compiled, "fit_global")
    given = weights if isinstance(weights, xr.DataArray) else xr.DataArray(1.0)
    measured, response, sigma = as_measured(spectra, given, model, window, "fit_global")
    plan = planned(model, measured, weights, shifts, "fit_global")
    places = _places(plan.model, shared)
    inputs = (measured, bare(response), bare(sigma), bare(known_background(measured, model, "fit_global")))
    (first,) = da.compute(first_pass(inputs, given_start(start, plan.model, "fit_global"), plan)[0])
    result = _joint(inputs, first, _Series(plan, places, _known_of(inputs, first, plan)))
    found = _described(inputs, result, pinned(plan, _shared_of(result.free, places), places), curves=curves)
    if lines:
        found["line"] = drawn_lines(result.free, bare(response), plan)
    ds = labelled(found, measured, plan.model, plan.weighting)
    ds["reduced_chi_square_total"] = _total(ds["reduced_chi_square"], result)
    warn_of_misfits(ds, plan, "fit_global")
    names = [plan.model.names[k] for k in places]
    parameters = {
        "model": as_table(model),
        "shared": names,
        "weights": weights if isinstance(weights, str) else "standard deviations given",
        "weighting": plan.weighting,
        "window": window,
        "start": "given" if start is not None else None,
        "shifts": None if shifts is None else list(shifts),
    }
    ds = recorded(ds, "xps.fit_global", parameters, after=xr.Dataset(attrs=spectra.attrs))
    region = {"region": spectra.attrs["region"]} if "region" in spectra.attrs else {}
    return ds.assign_attrs(model=model.to_json(), shared=names, **region)


def _places(model: Compiled, shared: str | Sequence[str] | None) -> np.ndarray:
    """Return which free parameters are shared."""
    if shared is None:
        return np.array([k for k, name in enumerate(model.names) if name.rsplit(".", 1)[-1] not in LOCAL], np.int64)
    patterns = [shared] if isinstance(shared, str) else list(shared)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in model.names):
            said = f"fit_global: expected as shared names or patterns of free parameters ({', '.join(model.names)})"
            raise OperandoError(f"{said}, got {pattern!r}")
    chosen = [any(fnmatchcase(name, pattern) for pattern in patterns) for name in model.names]
    return np.flatnonzero(chosen).astype(np.int64)


def _known_of(
    inputs: tuple[xr.DataArray, ...], like: xr.DataArray, plan: Plan
) -> Callable[[Floats], tuple[Floats, Floats, Floats, Floats]]:
    """Return what gives objective, information matrix, gradient and points of all spectra (rows) at parameters."""
    outputs = [[], [PARAMETER, PARAMETER_2], [PARAMETER], []]

    def known(free: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        at = like.copy(data=free.reshape(like.shape))
        results = da.compute(*by_blocks(rows_known, [*inputs, at], outputs, plan))
        size = free.shape[-1]
        shapes = [(-1,), (-1, size, size), (-1, size), (-1,)]
        one, two, three, four = (
            np.ascontiguousarray(r.to_numpy().reshape(s)) for r, s in zip(results, shapes, strict=True)
        )
        return one, two, three, four

    return known


def _joint(inputs: tuple[xr.DataArray, ...], first: xr.DataArray, series: _Series) -> _Result:
    """Fit all spectra together, from the medians of what was found of each."""
    plan, places = series.plan, series.places
    rows = first.to_numpy().reshape(-1, first.sizes[PARAMETER])
    if not np.isfinite(rows).all(axis=1).any():
        raise OperandoError(
            "fit_global: expected spectra that can be fitted, got none with more points than parameters"
        )
    typical = np.nanmedian(rows, axis=0)[places]
    free, best, converged = first, np.inf, False
    for _ in range(_ROUNDS):
        again = _searched(inputs, free, pinned(plan, typical, places))
        lowest = float(np.nansum(again[1]))
        if not lowest < best * (1 - 1e-9):
            break
        rows, best, converged = _minimized(again[0].to_numpy().reshape(rows.shape), series)
        free = first.copy(data=rows.reshape(first.shape))
        typical = _shared_of(free, places)
    return _errors(free, series, converged=converged)


def _searched(inputs: tuple[xr.DataArray, ...], free: xr.DataArray, plan: Plan) -> tuple[xr.DataArray, xr.DataArray]:
    """Return parameters and objective of each spectrum at given shared ones, tried from several starts."""
    sides = [free.shift(scan=step) for step in (1, -1)] if "scan" in free.dims else []
    one, other = da.compute(*by_blocks(rows_pinned, [*inputs, free, *sides], [[PARAMETER], []], plan))
    return one, other


def _minimized(rows: Floats, series: _Series) -> tuple[Floats, float, bool]:
    """Lower what is made least by Levenberg-Marquardt steps; return parameters, objective, whether it converged.

    The steps are damped as those of a single fit (:func:`~operando.xps.fit_kernels.minimize`).
    """
    low, high, _, unit = series.plan.task
    free = np.ascontiguousarray(rows)
    objective, matrix, gradient, points = series.known(free)
    total, damping, near = objective.sum(), 1e-3, 0
    for _ in range(_ITERATIONS):
        step = joint_step((matrix, gradient), free, (low, high, damping), series.split)
        gain = joint_gain((matrix, gradient), step)
        scale = unit if unit > 0 else total / points.sum()
        trial = np.clip(free + step, low, high)
        if gain <= _CONVERGED * scale or (near > _SLOW and gain < _NEAR * scale):
            return trial, float(total), True
        found = series.known(trial)
        close = gain < _NEAR * scale
        if not (found[0].sum() <= total or (close and found[0].sum() < np.inf)):
            damping = max(8 * damping, 3e-3)
            if damping > 1e12:
                break
            continue
        damping *= 0.1 if total - found[0].sum() > 0.5 * gain else 1.0
        damping = 0.0 if gain < 0.1 * scale else damping
        free, (objective, matrix, gradient, _) = trial, found
        total, near = objective.sum(), near + close
    return free, float(total), False


def _errors(free: xr.DataArray, series: _Series, *, converged: bool) -> _Result:
    """Return the result with its errors; what lies on a bound has none."""
    low, high, _, unit = series.plan.task
    local, shared = series.split
    rows = np.ascontiguousarray(free.to_numpy().reshape(-1, low.size))
    good = np.isfinite(rows).all(axis=1)
    objective, matrix, gradient, points = series.known(rows)
    held = ~((rows > low) & (rows < high))
    own, of_shared = np.ascontiguousarray(held[:, local]), held[good][0][shared]
    left = np.where(good, points - (~own).sum(axis=1), 0)
    degrees = max(float(left.sum() - (~of_shared).sum()), 1.0)
    covariance = np.empty(matrix.shape)
    joint_covariance((matrix, gradient), (own, of_shared), (local, shared), covariance)
    covariance[~good] = np.nan
    covariance *= 1.0 if unit > 0 else objective.sum() / degrees
    state = np.where(good & converged, 0, NOT_CONVERGED)
    lead = [dim for dim in free.dims if dim != PARAMETER]
    shape = [free.sizes[dim] for dim in lead]
    return _Result(
        free,
        xr.DataArray(covariance.reshape(*shape, *covariance.shape[1:]), dims=[*lead, PARAMETER, PARAMETER_2]),
        xr.DataArray(state.reshape(shape).astype(np.float64), dims=lead),
        xr.DataArray(left.reshape(shape), dims=lead),
        degrees,
    )


def _shared_of(free: xr.DataArray, places: np.ndarray) -> Floats:
    """Return the values of the shared parameters."""
    rows = free.to_numpy().reshape(-1, free.sizes[PARAMETER])
    shared: Floats = rows[np.isfinite(rows).all(axis=1)][0][places]
    return shared


def _described(
    inputs: tuple[xr.DataArray, ...], result: _Result, plan: Plan, *, curves: bool
) -> dict[str, xr.DataArray]:
    """Return what is known of each spectrum; ``plan`` holds the shared parameters."""
    names = ["peak_value", "peak_std", "peak_covariance", "number"]
    outputs = [*[["quantity", "peak"]] * 2, ["both", "peak", OTHER_PEAK], ["number"], ["curve", ALONG]]
    sizes = {
        "quantity": len(plan.model.keys) + 1,
        "both": 2,
        OTHER_PEAK: len(plan.model.peaks),
        "number": 4,
        "curve": 2,
    }
    given, now = [*inputs, result.free, result.covariance], curves and inputs[0].chunks is None
    parts = by_blocks(rows_described, given, outputs[: 5 if now else 4], plan, sizes, curves=now)
    found = {"value": result.free, "covariance": result.covariance}
    found |= dict(zip(names, da.compute(*parts[:4]), strict=True))
    known = [found["number"].isel(number=slice(3)), result.state.expand_dims(number=1, axis=-1)]
    found["number"] = xr.concat(known, "number")
    if curves:
        found["curve"] = parts[4] if now else by_blocks(rows_described, given, outputs, plan, sizes, curves=True)[4]
    return found


def _total(reduced: xr.DataArray, result: _Result) -> xr.DataArray:
    """Return the reduced chi-square of all spectra, the shared parameters counted once."""
    total = (bare(reduced) * result.left).sum() / result.degrees
    return total.assign_attrs(reduced.attrs | {"long_name": FIT.long_names()["reduced_chi_square_total"]})
