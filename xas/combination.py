"""Take spectra apart into those of known substances: linear combination fitting."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from operando.errors import IllConditionedWarning, OperandoError
from operando.flags import Flag, raised
from operando.history import recorded
from operando.units import with_units

from .combination_kernels import combine_rows
from .edge_finding import finite_grids, picked
from .layout import ALONG, PROCESSED, along_energy
from .measures import by_point, one_or_many

Floats = NDArray[np.float64]
REFERENCE = "reference"
_OTHER = "other_reference"
_LIMIT = 30.0
_AT_BOUND, _NOT_CONVERGED = 3, 4
_OUTPUTS = (
    "fraction",
    "fraction_std",
    "fraction_covariance",
    "scale",
    "scale_std",
    "energy_shift",
    "energy_shift_std",
    "r_factor",
    "state",
    "residual",
)
_ANYWHERE = (-np.inf, np.inf)
_BACKGROUND = {None: 0, "constant": 1, "linear": 2}


@dataclass(frozen=True)
class _Fit:
    """What all spectra of one call share.

    ``shift`` is the lowest and the highest; ``total`` is NaN where the shares need not add up.
    """

    window: tuple[float, float]
    background: int
    bounds: tuple[float, float]
    total: float
    scale: bool
    shift: tuple[float, float]


def lcf(
    spectra: xr.DataArray | xr.Dataset,
    references: xr.DataArray | xr.Dataset,
    *,
    window: tuple[float, float] | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    sum_to_one: bool = True,
    scale: bool = False,
    background: Literal["constant", "linear"] | None = None,
    shift: float | tuple[float, float] | xr.DataArray = 0.0,
    noise: float | xr.DataArray | None = None,
    residual: bool = True,
) -> xr.Dataset:
    """Return the shares of the references that fit each spectrum best.

    mu(E) = c sum_k f_k R_k(E - s) + a + b E, the squares of the differences summed over the window; c = 1 unless
    ``scale``, a and b are zero unless there is a background, and s is the shift.

    Parameters
    ----------
    spectra
        Normalized absorption against ``energy`` (eV), with any other dims, in memory or dask; of a Dataset its
        ``normalized``.
    references
        The same of the known substances, dims ``reference`` and ``energy``, on energies of their own if need be
        (they are then interpolated by cubic splines). Where spectra and references both have a dim ``signal``, each
        signal has references of its own.
    window
        The energies to fit (eV); all that spectra and references share by default.
    bounds
        Lowest and highest share.
    sum_to_one
        Whether the shares add up to one.
    scale
        Whether the height of the spectrum is free (an edge step of its own): the shares are then fitted without an
        upper bound and divided by their sum, which is ``scale``.
    background
        What else the spectrum may hold: nothing, a constant, or a line.
    shift
        Energy by which the references are moved up (eV), one for all or one a spectrum; two numbers are the range
        within which it is fitted for each spectrum.
    noise
        Standard deviation of a point in edge steps: one number, one a spectrum, or along ``energy`` one a point, for
        the errors. Spectra for which it is None, or NaN at a point that is fitted, are judged by their residuals.
    residual
        Whether what the fit leaves of the spectra is returned too.

    Returns
    -------
    xarray.Dataset
        ``fraction``, ``fraction_std`` (1; dim ``reference`` in the place of ``energy``), ``fraction_covariance`` (with
        ``other_reference``), ``r_factor`` (sum of squares left over sum of squares), ``residual`` (energy), and
        ``energy_shift`` (eV) or ``scale`` with their ``_std`` where they were fitted. ``attrs["condition_number"]``
        is that of the references within the window. In the coordinate ``flag``, if there is one, are raised
        ``Flag.at_bound``, ``Flag.not_converged`` (also where nothing could be fitted) and ``Flag.ill_conditioned``.

    Raises
    ------
    OperandoError
        If the dims are not those described, the bounds cannot be met, or references and spectra share fewer energies
        than there are numbers to find.

    Warns
    -----
    IllConditionedWarning
        If the condition number exceeds 30: the references are too alike.

    Notes
    -----
    The shares are those of ``larch.math.lincombo_fit``. The errors come from the noise, or from the residuals, point by
    point (the sandwich HC3), so they hold where noise differs along the spectrum, and they are those of the free shares
    where some lie on a bound. Residuals hold what the references miss as well, noise does not; errors of the references
    are in neither. Errors of pre-edge line and edge step move all points together: with ``scale`` and a linear
    background they change no share (but ``scale``, as much as the edge step); otherwise residuals hold a part of them,
    noise nothing. J. G. MacKinnon, H. White, J. Econometrics 29, 305 (1985), doi:10.1016/0304-4076(85)90158-7.

    Examples
    --------
    A spectrum that is 30 % of one reference and 70 % of the other:

    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> energy = xr.DataArray(np.arange(8320.0, 8380.0, 0.5), dims="energy", attrs={"units": "eV"})
    >>> first, second = (0.5 + np.arctan((energy - at) / 2) / np.pi for at in (8333.0, 8336.0))
    >>> references = xr.concat([first, second], "reference").assign_coords(energy=energy, reference=["Ni2+", "Ni4+"])
    >>> spectrum = (0.3 * first + 0.7 * second).assign_coords(energy=energy)
    >>> found = xas.lcf(spectrum, references)
    >>> print(found["fraction"].values.round(3).tolist())
    [0.3, 0.7]
    """
    mu, known = along_energy(_normalized(spectra), "lcf"), _checked(_normalized(references))
    total = 1.0 if sum_to_one and not scale else np.nan
    limits = (float(bounds[0]), np.inf if scale else float(bounds[1]))
    least, most = _range(shift)
    start = shift if isinstance(shift, xr.DataArray) else xr.DataArray(float(np.clip(0.0, least, most)))
    fit = _Fit(window or _ANYWHERE, _degree(background), limits, total, scale, (least, most))
    fit = _asked(mu, known, fit, most=max(most, float(start.max())))
    error = None if noise is None else by_point(noise, mu, "lcf")
    if "signal" in known.dims and "signal" in mu.dims:
        results = []
        for name in mu["signal"].values:
            shifts = start.sel(signal=name) if "signal" in start.dims else start
            own = error.sel(signal=name) if error is not None and "signal" in error.dims else error
            results.append(_combined(mu.sel(signal=name), known.sel(signal=name), shifts, own, fit, residual=residual))
        number = max(one for _, one in results)
        ds = xr.concat([one for one, _ in results], "signal", coords="minimal", compat="override")
    else:
        ds, number = _combined(mu, known, start, error, fit, residual=residual)
    ds = _labelled(ds, mu, ill=number > _LIMIT).assign_attrs(condition_number=number)
    if number > _LIMIT:
        names = ", ".join(str(name) for name in known[REFERENCE].values)
        said = f"lcf: the references {names} are too alike (condition number {number:.0f}, above {_LIMIT:.0f})"
        warnings.warn(f"{said}; leave one out or widen the window", IllConditionedWarning, stacklevel=2)
    parameters = {**vars(fit), "references": known[REFERENCE].values, "condition_number": number}
    parameters |= {} if noise is None else {"noise": one_or_many(noise)}
    return recorded(ds, "xas.lcf", parameters, after=xr.Dataset(attrs=mu.attrs)).assign_attrs(condition_number=number)


def leaves_normalization(*, scale: bool = False, background: str | None = None, **_options: Any) -> bool:
    """Return whether a fit with such options leaves height and line free, so that a normalization moves no share."""
    return scale and background == "linear"


def _normalized(spectra: xr.DataArray | xr.Dataset) -> xr.DataArray:
    if isinstance(spectra, xr.DataArray):
        return spectra
    if "normalized" not in spectra:
        raise OperandoError("lcf: expected normalized absorption, got none; normalize the spectra first")
    return spectra["normalized"].assign_attrs(spectra.attrs)


def _checked(references: xr.DataArray) -> xr.DataArray:
    """Return the references, dims (signal) reference energy, where all of them are known."""
    known = along_energy(references, "lcf: references")
    others = set(map(str, known.dims)) - {REFERENCE, ALONG, "signal"}
    if REFERENCE not in known.dims or others:
        raise OperandoError(f"lcf: expected references with the dims 'reference' and 'energy', got {known.dims}")
    if REFERENCE not in known.coords:
        known = known.assign_coords({REFERENCE: np.arange(known.sizes[REFERENCE])})
    known = known.transpose(..., REFERENCE, ALONG).compute()
    finite = np.isfinite(known.to_numpy()).reshape(-1, known.sizes[ALONG]).all(axis=0)
    known = known.isel({ALONG: np.flatnonzero(finite)})
    if known.sizes[ALONG] < 4:
        raise OperandoError("lcf: expected references that share at least 4 energies, got fewer")
    return known


def _degree(background: str | None) -> int:
    """Return how many curves a background has."""
    if background not in _BACKGROUND:
        raise OperandoError(f"lcf: expected a background 'constant' or 'linear', got {background!r}")
    return _BACKGROUND[background]


def _range(shift: float | tuple[float, float] | xr.DataArray) -> tuple[float, float]:
    """Return the lowest and the highest shift."""
    if isinstance(shift, xr.DataArray):
        return (float(shift.min()), float(shift.min()))
    least, most = shift if isinstance(shift, tuple | list) else (shift, shift)
    if not least <= most:
        raise OperandoError(f"lcf: expected a shift or its range (lowest, highest), got {shift}")
    return float(least), float(most)


def _asked(mu: xr.DataArray, known: xr.DataArray, fit: _Fit, *, most: float) -> _Fit:
    """Return what is asked, with the window cut to what spectra and references share, moved up by ``most`` at most."""
    count, (low, high) = known.sizes[REFERENCE], fit.bounds
    if not low <= high or low * count > fit.total or high * count < fit.total:
        raise OperandoError(f"lcf: expected bounds between which {count} shares add up to one, got {fit.bounds}")
    grid, own = known[ALONG].to_numpy(), mu[ALONG].to_numpy()
    start = max(grid[0] + most, own.min(), fit.window[0])
    stop = min(grid[-1] + fit.shift[0], own.max(), fit.window[1])
    least = count + fit.background + 2
    if np.count_nonzero((own >= start) & (own <= stop)) < least:
        said = f"lcf: expected at least {least} energies that spectra and references share within the window"
        raise OperandoError(f"{said}, got none or too few from {start:g} to {stop:g} eV")
    return replace(fit, window=(float(start), float(stop)))


def _combined(
    mu: xr.DataArray,
    known: xr.DataArray,
    shift: xr.DataArray,
    noise: xr.DataArray | None,
    fit: _Fit,
    *,
    residual: bool,
) -> tuple[xr.Dataset, float]:
    """Return the fit of all spectra and the condition number of the references."""
    energy = mu[ALONG].to_numpy()
    spline = CubicSpline(known[ALONG].to_numpy(), known.to_numpy(), axis=-1)
    inside = (energy >= fit.window[0]) & (energy <= fit.window[1])
    curves = spline(energy[inside])
    number = float(np.linalg.cond(curves / np.linalg.norm(curves, axis=1, keepdims=True)))
    count = known.sizes[REFERENCE]
    names = _OUTPUTS if residual else _OUTPUTS[:-1]
    given = [shift] if noise is None else [shift, noise]
    results = xr.apply_ufunc(
        _rows_combined,
        mu,
        *(one.drop_vars([name for name in one.coords if name not in one.dims]) for one in given),
        kwargs={"energy": energy, "spline": (spline.x, spline.c), "fit": fit, "residual": residual},
        input_core_dims=[[ALONG], [], [ALONG]][: 1 + len(given)],
        output_core_dims=[[REFERENCE], [REFERENCE], [REFERENCE, _OTHER], *[[]] * 6, *[[ALONG]] * residual],
        dask="parallelized",
        dask_gufunc_kwargs={"output_sizes": {REFERENCE: count, _OTHER: count}},
        output_dtypes=[np.float64] * len(names),
        keep_attrs=False,
    )
    ds = xr.Dataset(dict(zip(names, results, strict=True)))
    ds = ds.assign_coords({REFERENCE: known[REFERENCE].variable, _OTHER: (_OTHER, known[REFERENCE].to_numpy())})
    unwanted = [] if fit.scale else ["scale", "scale_std"]
    unwanted += [] if fit.shift[0] < fit.shift[1] else ["energy_shift", "energy_shift_std"]
    return ds.drop_vars(unwanted), number


def _rows_combined(
    mu: Floats,
    shift: Floats,
    noise: Floats | None = None,
    *,
    energy: Floats,
    spline: tuple[Floats, Floats],
    fit: _Fit,
    residual: bool,
) -> tuple[Floats, ...]:
    """Fit an array of spectra along its last axis; NaN where there are too few finite points."""
    lead, count = mu.shape[:-1], spline[1].shape[2]
    rows = np.ascontiguousarray(mu, dtype=np.float64).reshape(-1, mu.shape[-1])
    size = count + fit.background
    solution, covariance = np.full((len(rows), size), np.nan), np.full((len(rows), size + 1, size + 1), np.nan)
    left = np.full(rows.shape, np.nan) if residual else np.empty(0)
    scalars = np.full((3, len(rows)), np.nan)
    scalars[2] = _NOT_CONVERGED
    errors = None if noise is None else np.array(np.broadcast_to(noise, mu.shape), float, order="C").reshape(rows.shape)
    starts = np.broadcast_to(shift, lead).astype(np.float64).reshape(-1)
    inside = np.flatnonzero((energy >= fit.window[0]) & (energy <= fit.window[1]))
    every = np.arange(len(rows))
    for chosen, points in finite_grids(energy[inside], picked(rows, every, inside)):
        if points.size > size + 1:
            at = inside[points]
            part = picked(rows, chosen, at)
            error = np.empty((0, 0)) if errors is None else picked(errors, chosen, at)
            solution[chosen], covariance[chosen], rest, scalars[:, chosen] = _grid_combined(
                (part, starts[chosen], error), energy[at], spline, fit
            )
            if residual:
                left[np.ix_(chosen, at)] = rest
    shares, spread = solution[:, :count], covariance[:, :count, :count]
    heights = (shares.sum(axis=1), spread.sum(axis=(1, 2))) if fit.scale else (np.ones(len(rows)), np.zeros(len(rows)))
    if fit.scale:
        height = np.where(heights[0] > 0, heights[0], np.nan)
        shares = shares / height[:, None]
        turn = (np.eye(count) - shares[:, :, None]) / height[:, None, None]
        spread = turn @ spread @ turn.transpose(0, 2, 1)
    std = np.sqrt(np.diagonal(spread, axis1=1, axis2=2))
    found, squares, state = scalars
    numbers = (heights[0], np.sqrt(heights[1]), found, np.sqrt(covariance[:, -1, -1]), squares, state)
    return (
        shares.reshape(*lead, count),
        std.reshape(*lead, count),
        spread.reshape(*lead, count, count),
        *(values.reshape(lead) for values in numbers),
        *([left.reshape(mu.shape)] if residual else []),
    )


def _grid_combined(
    spectra: tuple[Floats, Floats, Floats], energy: Floats, spline: tuple[Floats, Floats], fit: _Fit
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return coefficients, covariance (the shift last), residuals, and (shift, r factor, state) of finite spectra.

    Spectra come with the shifts from which they start, one that is not finite counts as none, and their noise, if it is
    known.
    """
    rows, starts, noise = spectra
    many, count = len(rows), spline[1].shape[2]
    size, free = count + fit.background, np.full(fit.background, np.inf)
    out = (
        np.empty((many, size)),
        np.empty(many),
        np.empty((many, size + 1, size + 1)),
        np.empty(rows.shape),
        np.empty(many, np.int64),
    )
    low = np.concatenate([np.full(count, fit.bounds[0]), -free])
    high = np.concatenate([np.full(count, fit.bounds[1]), free])
    extra = np.vander((energy - energy.mean()) / np.ptp(energy), fit.background, increasing=True).T
    model = (*spline, np.ascontiguousarray(extra))
    combine_rows((rows, noise), energy, model, (low, high, fit.total, np.nan_to_num(starts), *fit.shift), out)
    solution, shift, covariance, residual, state = out
    squares = np.einsum("ij,ij->i", residual, residual) / np.einsum("ij,ij->i", rows, rows)
    return solution, covariance, residual, np.stack([shift, squares, state.astype(float)])


def _labelled(ds: xr.Dataset, mu: xr.DataArray, *, ill: bool) -> xr.Dataset:
    """Return the results with units, names and flags."""
    state = ds["state"].astype(np.int64)
    ds = ds.drop_vars("state")
    for name in ds.coords:
        if name in mu.coords:
            ds[name].attrs = dict(mu[name].attrs)
    names = {str(name): PROCESSED.long_names()[str(name)] for name in ds.data_vars}
    ds = with_units(ds, {name: PROCESSED.units()[name] for name in names}, names)
    ds = ds.transpose(..., REFERENCE, _OTHER, ALONG, missing_dims="ignore")
    if "flag" not in ds.coords:
        return ds
    beyond = [dim for dim in state.dims if dim not in ds["flag"].dims]
    bare = state.drop_vars("flag")
    flag = raised(ds["flag"], Flag.at_bound, ((bare & _AT_BOUND) > 0).any(beyond))
    flag = raised(flag, Flag.not_converged, ((bare & _NOT_CONVERGED) > 0).any(beyond))
    return ds.assign_coords(flag=raised(flag, Flag.ill_conditioned) if ill else flag)
