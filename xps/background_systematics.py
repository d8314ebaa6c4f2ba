"""By how much areas hang on which background was chosen."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from operando.errors import OperandoError, OperandoWarning
from operando.history import recorded

from .fit_blocks import Plan, as_stack, of_lines, rows_fitted
from .fit_products import PARAMETER
from .fitting import by_blocks, planned
from .layout import SYSTEMATIC
from .loss_functions import LOSS_FUNCTIONS
from .model import POLYNOMIAL, Background, Kind, Model
from .model_kernels import Floats
from .model_text import as_table
from .refits import Refit, refit

UNLIKELY = 0.01
"""A background is called worse where its weight is below this."""


def background_systematic(
    spectra: xr.DataArray | xr.Dataset,
    model: Model,
    fit: xr.Dataset,
    *,
    backgrounds: Sequence[Background] | None = None,
    weights: xr.DataArray | None = None,
) -> xr.Dataset:
    """Return the fit with the uncertainty that comes from the choice of the background.

    Other backgrounds often fit as well, and shift areas by more than the noise does; the residual does not tell, and
    standard uncertainties hold for the background chosen. All lines of a series are shifted alike: this uncertainty
    does not fall where scans are averaged, so it is kept apart from ``..._std``. Combine them as the root of the sum of
    squares.

    Parameters
    ----------
    spectra, model
        As given to :func:`fit`; the background must be an active one.
    fit
        What :func:`fit` made of them; its weights and its window are used.
    backgrounds
        What else might lie under the lines; :func:`alternatives` of the model's by default.
    weights
        The standard deviations that the fit was given, if it was.

    Returns
    -------
    xarray.Dataset
        ``fit`` with ``area_systematic``, and so on for ``position, fwhm, fraction`` and the parameters of the shapes,
        in their units; and ``background_weight`` along ``tried``, the model's own background first. NaN where nothing
        was fitted.

    Raises
    ------
    OperandoError
        If ``fit`` is not of these spectra and this model; if the background is taken off before the fit, or no other
        is given.

    Warns
    -----
    OperandoWarning
        If another background fits spectra in memory clearly better: the weight of the model's is below 1 %.

    Notes
    -----
    With a_k the value at background k and a_0 that of the fit, the uncertainty is sqrt(sum_k w_k (a_k - a_0)^2), the
    weights in proportion to exp(-AIC_k / 2), AIC_k the deviance (weighted squares; without known errors n log of the
    mean square) plus twice the number of parameters: backgrounds that do not fit do not count. A background unlike all
    that are tried is not covered.
    H. Akaike, IEEE Trans. Autom. Control 19 (1974) 716, doi:10.1109/TAC.1974.1100705.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xps
    >>> energy = xr.DataArray(np.arange(157.0, 168.0, 0.1), dims="binding_energy", attrs={"units": "eV"})
    >>> line = 900 * np.exp(-(((energy - 161.5) / 0.6) ** 2)) + 460 * np.exp(-(((energy - 162.68) / 0.6) ** 2))
    >>> counts = (100 + line).assign_coords(binding_energy=energy).assign_attrs(units="count")
    >>> model = xps.Model([xps.Doublet("PS4", 161.4, 1.0, splitting=1.18, ratio=0.511)])
    >>> fitted = xps.fit(counts, model)
    >>> found = xps.background_systematic(counts, model, fitted)
    >>> print(bool(found["area_systematic"][0] > 0))
    True
    """
    if model.background.static:
        raise OperandoError("background_systematic: expected an active background, got one taken off before the fit")
    others = tuple(alternatives(model.background) if backgrounds is None else backgrounds)
    if not others:
        raise OperandoError("background_systematic: expected at least one other background, got none")
    fitted = refit(spectra, model, fit, weights, "background_systematic")
    tried = [_tried(fitted, fitted.plan, fitted.values)]
    nothing = xr.DataArray(np.nan)
    for other in others:
        plan = planned(replace(model, background=other), fitted.measured, fitted.weights, None, "background_systematic")
        tried.append(_tried(fitted, plan, nothing))
    values, score = (xr.concat([one[k] for one in tried], "tried") for k in (0, 1))
    weight = _weights(score)
    spread = (weight * (values - values.isel(tried=0)).fillna(0.0) ** 2).sum("tried", skipna=False) ** 0.5
    _warn(weight)
    names = np.array([_label(one) for one in (model.background, *others)], dtype=object)
    ds = fit.assign_coords(tried=("tried", names, {"long_name": "background tried"}))
    texts = SYSTEMATIC.long_names()
    ds["background_weight"] = weight.transpose(..., "tried").assign_attrs(
        long_name=texts["background_weight"], units="1"
    )
    for k, key in enumerate([*fitted.plan.model.keys, "fraction"]):
        text = f"uncertainty from the choice of the background: {fit[key].attrs['long_name']}"
        one = spread.isel(quantity=k, drop=True).where(fit[key].notnull())
        ds[f"{key}_systematic"] = one.transpose(*fit[key].dims).assign_attrs(
            long_name=text, units=fit[key].attrs["units"]
        )
    settings = {"backgrounds": list(names), "model": as_table(model)}
    return recorded(ds, "xps.background_systematic", settings)


def alternatives(background: Background) -> tuple[Background, ...]:
    """Return other backgrounds that might lie under the lines as well.

    Shirley's and Tougaard's of each loss function, with a polynomial of the same degree and of one higher, and a
    polynomial alone, two degrees higher.
    """
    most = len(POLYNOMIAL) - 1
    low, high, higher = (min(background.polynomial + k, most) for k in range(3))
    found = [_like(background, "shirley", degree) for degree in (low, high)]
    found += [_like(background, "tougaard", degree, loss) for loss in LOSS_FUNCTIONS for degree in (low, high)]
    found += [_like(background, "none", higher), replace(background, polynomial=high)]
    return tuple(one for k, one in enumerate(found) if one != background and one not in found[:k])


def _like(background: Background, kind: Kind, polynomial: int, loss: str = "universal") -> Background:
    """Return a background of a kind; what is said of its height and constant holds where it does for that kind."""
    if kind == background.kind and (kind != "tougaard" or loss == background.loss):
        return replace(background, polynomial=polynomial)
    return Background(kind, polynomial, constant=background.constant, loss=loss)


def _tried(fitted: Refit, plan: Plan, given: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the numbers of the lines and Akaike's criterion where another background lies under them."""
    start = given if PARAMETER in given.dims else given.expand_dims({PARAMETER: len(plan.model.names)})
    sizes = {"quantity": len(plan.model.keys) + 1}
    values, score = by_blocks(rows_tried, [*fitted.inputs, start], [["quantity", "peak"], []], plan, sizes)
    return values, score


def rows_tried(values: Floats, *others: Floats, plan: Plan) -> tuple[Floats, Floats]:
    """Return the numbers of the lines (quantity, peak) and Akaike's criterion of each spectrum.

    ``others`` are response, deviations, known background; free parameters to start from, NaN where there are none.
    """
    lead, size = values.shape[:-1], len(plan.model.names)
    response, sigma, known, given = others
    free, objective, _ = rows_fitted(values, response, sigma, known, given, plan=plan)
    stack = as_stack(values, (response, sigma, known), plan)
    rows, points = free.reshape(-1, size), (stack[1] > 0).sum(axis=1).reshape(lead)
    found = of_lines(rows, np.zeros((len(rows), size, size)), plan)[0]
    if plan.task[3] == 0:
        objective = points * np.log(objective / np.maximum(points, 1))
    return found.reshape(*lead, *found.shape[1:]), objective + 2.0 * size


def _weights(score: xr.DataArray) -> xr.DataArray:
    """Return weights in proportion to exp(-score / 2); none where the fit's own is not known."""
    likely: xr.DataArray = xr.apply_ufunc(np.exp, (score.min("tried") - score) / 2, dask="allowed")
    likely = likely.fillna(0.0).where(score.isel(tried=0).notnull())
    return likely / likely.sum("tried")


def _label(background: Background) -> str:
    """Return what a background is called: its kind, its loss function, the degree of its polynomial."""
    kind = f"tougaard {background.loss}" if background.kind == "tougaard" else background.kind
    return f"{kind}, degree {background.polynomial}"


def _warn(weight: xr.DataArray) -> None:
    if weight.chunks is not None:
        return
    worse = int((weight.isel(tried=0) < UNLIKELY).sum())
    if worse:
        said = f"background_systematic: another background fits {worse} of {weight.isel(tried=0).size} spectra better"
        remedy = "look at background_weight and take that background in the model"
        warnings.warn(f"{said} (the model's has a weight below 1 %); {remedy}", OperandoWarning, stacklevel=3)
