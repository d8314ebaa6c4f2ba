"""Errors by fitting again what might as well have been measured."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.history import recorded

from .bootstrap_blocks import PERCENTILES, rows_redrawn
from .fitting import by_blocks
from .layout import ALONG
from .model import Model
from .model_text import as_table
from .refits import refit

_FEWEST = 20
_KINDS = ("parametric", "residual")
_TEXTS = {
    "std": "standard deviation of the draws",
    "bias": "mean of the draws less the fit",
    "percentile": "percentiles of the draws",
}


def bootstrap(
    spectra: xr.DataArray | xr.Dataset,
    model: Model,
    fit: xr.Dataset,
    *,
    draws: int = 400,
    seed: int = 0,
    kind: Literal["parametric", "residual"] = "parametric",
    weights: xr.DataArray | None = None,
) -> xr.Dataset:
    """Return by how much the results of a fit scatter where spectra are drawn from it and fitted again.

    Parameters
    ----------
    spectra, model
        As given to :func:`fit`.
    fit
        What :func:`fit` made of them; its weights and its window are used.
    draws
        Spectra drawn of each, at least 20; the error of a standard deviation is its 1 / sqrt(2 draws).
    seed
        The random numbers of a spectrum hang on this and on its own values only: not on chunks, order or what is
        beside it.
    kind
        ``"parametric"``: Poisson noise about the fitted curve for counts, else normal noise of the standard deviations
        or of the residual's. ``"residual"``: the residuals in standard deviations, drawn with replacement and scaled
        by sqrt(n / (n - p)): also covers noise of another kind.
    weights
        The standard deviations that the fit was given, if it was.

    Returns
    -------
    xarray.Dataset
        Of ``area, position, fwhm, fraction`` and the parameters of the shapes, dim ``peak`` in the place of the
        energy: ``..._std``, ``..._bias`` (mean of the draws less the fit) and ``..._percentile`` along ``percentile``
        (those of -2, -1, 0, 1, 2 standard deviations); ``converged``, the share of draws that could be fitted. NaN
        where nothing was fitted.

    Raises
    ------
    OperandoError
        If ``fit`` is not of these spectra and this model, there are too few draws, or kind or seed is none.

    Notes
    -----
    Each draw is fitted from the values of the fit. Where a line lies on its bound in the fit, draws come from a truth
    without it: use :func:`profile` there.
    Efron and Tibshirani, An Introduction to the Bootstrap (1993), doi:10.1201/9780429246593.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xps
    >>> energy = xr.DataArray(np.arange(157.0, 168.0, 0.1), dims="binding_energy", attrs={"units": "eV"})
    >>> line = 900 * np.exp(-(((energy - 161.5) / 0.6) ** 2)) + 460 * np.exp(-(((energy - 162.68) / 0.6) ** 2))
    >>> counts = (100 + line).assign_coords(binding_energy=energy).assign_attrs(units="count")
    >>> model = xps.Model([xps.Doublet("PS4", 161.4, 1.0, splitting=1.18, ratio=0.511)])
    >>> fitted = xps.fit(counts, model)
    >>> drawn = xps.bootstrap(counts, model, fitted, draws=20)
    >>> print(bool(abs(drawn["area_std"][0] / fitted["area_std"][0] - 1) < 0.5))
    True
    """
    if kind not in _KINDS:
        raise OperandoError(f"bootstrap: expected kind {' or '.join(map(repr, _KINDS))}, got {kind!r}")
    if draws < _FEWEST:
        raise OperandoError(f"bootstrap: expected at least {_FEWEST} draws, got {draws}")
    if seed < 0:
        raise OperandoError(f"bootstrap: expected a seed of at least 0, got {seed}")
    fitted = refit(spectra, model, fit, weights, "bootstrap")
    sizes = {"number": 2 + len(PERCENTILES), "quantity": len(fitted.plan.model.keys) + 1}
    how = {"draws": draws, "seed": seed, "residual": kind == "residual"}
    inputs = [*fitted.inputs, fitted.values]
    found, converged = by_blocks(rows_redrawn, inputs, [["number", "quantity", "peak"], []], fitted.plan, sizes, **how)
    ds = xr.Dataset()
    for k, key in enumerate([*fitted.plan.model.keys, "fraction"]):
        one, attrs = found.isel(quantity=k), fit[key].attrs
        parts = {"std": one.isel(number=0), "bias": one.isel(number=1)}
        parts["percentile"] = one.isel(number=slice(2, None)).rename(number="percentile").transpose(..., "percentile")
        for name, values in parts.items():
            text = f"{_TEXTS[name]}: {attrs['long_name']}"
            ds[f"{key}_{name}"] = values.assign_attrs(long_name=text, units=attrs["units"])
    ds["converged"] = converged.assign_attrs(long_name="share of the draws that could be fitted", units="1")
    coords = {name: one.variable for name, one in fitted.measured.coords.items() if ALONG not in one.dims}
    percentiles = ("percentile", np.array(PERCENTILES), {"units": "percent", "long_name": "percentile of the draws"})
    ds = ds.assign_coords(coords | {"peak": fit["peak"].variable, "percentile": percentiles})
    settings = {"draws": draws, "seed": seed, "kind": kind, "model": as_table(model)}
    return recorded(ds, "xps.bootstrap", settings, after=xr.Dataset(attrs=fit.attrs))
