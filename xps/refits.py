"""What a fit was made with, so that its spectra can be fitted again: at other values, backgrounds, or counts."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from operando.errors import OperandoError
from operando.history import entries

from .compiled_model import Compiled
from .fit_blocks import Plan
from .fit_products import PARAMETER, PARAMETER_2
from .fitting import Weights, as_measured, bare, known_background, planned
from .model import Model


@dataclass(frozen=True)
class Refit:
    """Spectra as their fit took them, and what it found.

    ``inputs`` are values, response, standard deviations and known background; ``values`` and ``covariance`` those of
    the free parameters.
    """

    measured: xr.DataArray
    inputs: tuple[xr.DataArray, ...]
    plan: Plan
    values: xr.DataArray
    covariance: xr.DataArray
    weights: Weights | xr.DataArray
    window: tuple[float, float] | None


def without_expressions(model: Compiled, step: str) -> None:
    """Raise if quantities of a model are tied by expressions that only lmfit can fit."""
    if model.expressed:
        name, one = next(iter(model.expressed.items()))
        said = f"{step}: expected ties that are affine, got {name} as {one.text!r}"
        raise OperandoError(f"{said}; only xps.fit takes such models")


def refit(
    spectra: xr.DataArray | xr.Dataset, model: Model, fit: xr.Dataset, sigma: xr.DataArray | None, step: str
) -> Refit:
    """Return the spectra as ``fit`` took them: its weights and its window.

    Raises
    ------
    OperandoError
        If ``fit`` is not the result of :func:`~operando.xps.fit` with this model, or needs the standard deviations.
    """
    made = next((one for one in reversed(entries(fit)) if one["step"].startswith("xps.fit")), None)
    if made is None or made["step"] != "xps.fit" or "value" not in fit or "covariance" not in fit:
        got = "a dataset without its history" if made is None else f"one of {made['step']}"
        together = made is not None and made["step"] == "xps.fit_global"
        remedy = ", whose spectra hang together; fit each for itself with xps.fit" if together else ""
        raise OperandoError(f"{step}: expected the result of xps.fit, got {got}{remedy}")
    compiled = model.compiled
    without_expressions(compiled, step)
    if list(fit[PARAMETER].to_numpy()) != list(compiled.names):
        raise OperandoError(f"{step}: expected the fit of this model, got one with other free parameters")
    settings = made["parameters"]
    deviations = settings["weighting"] == "given"
    if deviations and sigma is None:
        raise OperandoError(f"{step}: expected weights, the standard deviations that the fit was given, got none")
    weights = sigma if deviations and sigma is not None else settings["weights"]
    window = None if settings["window"] is None else (float(settings["window"][0]), float(settings["window"][1]))
    given = weights if isinstance(weights, xr.DataArray) else xr.DataArray(1.0)
    measured, response, spread = as_measured(spectra, given, model, window, step)
    plan = planned(model, measured, weights, None, step)
    inputs = (measured, bare(response), bare(spread), bare(known_background(measured, model, step)))
    values, covariance = fit["value"], fit["covariance"].transpose(..., PARAMETER, PARAMETER_2)
    lead = {dim: size for dim, size in measured.sizes.items() if dim in measured.dims[:-1]}
    if {dim: size for dim, size in values.sizes.items() if dim != PARAMETER} != lead:
        raise OperandoError(f"{step}: expected the fit of these spectra ({lead}), got one of {dict(values.sizes)}")
    return Refit(measured, inputs, plan, bare(values), bare(covariance), weights, window)
