"""How many independent shapes a series of spectra has, and which: principal components."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.flags import Flag
from operando.history import recorded

from .component_blocks import Blocks, Prepared
from .component_indicators import Indicators, Rule, indicators, larch_indicator, noise_singular_value, significant
from .component_matrix import COMPONENT, named, rows_of
from .labels import flagged
from .layout import ALONG, PCA

Floats = NDArray[np.float64]
_RULES = ("f_test", "ind", "noise", "larch")
_TALL, _MOST = 4, 20


def pca(
    spectra: xr.DataArray | xr.Dataset,
    *,
    components: int | None = None,
    window: tuple[float, float] | None = None,
    centered: bool = True,
    scaled: bool = False,
    weights: xr.DataArray | None = None,
    rule: Rule = "f_test",
    method: Literal["exact", "randomized"] = "exact",
) -> xr.Dataset:
    """Return the principal components of all spectra, and how many of them stand out of the noise.

    mu(E) = mean(E) + sum_k score_k component_k(E), the components orthogonal and in the order of their singular values.

    Parameters
    ----------
    spectra
        Normalized absorption against ``energy`` (eV), with any other dims, in memory or dask; of a Dataset its
        ``normalized``.
    components
        How many to return and to judge; 20 by default, or as many as there are.
    window
        The energies to take apart (eV); all by default.
    centered
        Whether the mean is subtracted first. N substances whose shares add up to one give N - 1 components of centered
        spectra and N of others.
    scaled
        Whether each spectrum, the mean subtracted, is brought to mean zero and standard deviation one, as larch does.
    weights
        1/std of the noise, along ``energy`` or along the other dims; the mean is weighted too.
    rule
        What ``significant`` counts: components up to the last that noise would give with a probability below 5 %
        (``f_test``), up to the minimum of Malinowski's indicator (``ind``) or of larch's form of it (``larch``), or
        above the largest singular value that noise gives (``noise``, needs ``weights``).
    method
        ``exact``: singular values of the matrix, or for tall stacks eigenvalues of the energy-by-energy products,
        summed block by block; a singular value below 1e-7 of the largest is then rounding. ``randomized``: dask's
        compressed decomposition, for many energies.

    Returns
    -------
    xarray.Dataset
        ``components`` (component, energy), ``score`` (component in the place of ``energy``; lazy if the spectra are),
        ``singular_value``, ``explained_variance``, ``real_error``, ``imbedded_error``, ``indicator``, ``f_ratio``,
        ``significance`` (component), ``significant``, ``noise_singular_value``, and ``mean`` (energy) if centered. The
        largest value of each component is positive; components of nearly equal singular values are defined only up to
        their rotation. A spectrum with missing energies is left out: its scores are NaN and ``Flag.not_finite`` is
        raised in the coordinate ``flag``, if there is one.

    Raises
    ------
    OperandoError
        If fewer than two spectra are whole, or the weights do not fit.

    Notes
    -----
    With lambda the squared singular values of a matrix of rank c and larger side r:
    RE(n) = [sum_{j>n} lambda_j/(r (c - n))]^1/2, IE(n) = RE (n/c)^1/2, IND(n) = RE/(c - n)^2, and
    F(1, c - n) = lambda_n/[(r - n + 1)(c - n + 1)] sum_{j>n} (r - j + 1)(c - j + 1)/sum_{j>n} lambda_j. They suppose
    noise that is the same everywhere and independent; where it is correlated (interpolated energies) and there are
    about as many spectra as energies, the indicator counts far too many components and the F test does not. Noise of
    standard deviation s has singular values up to s (r^1/2 + c^1/2). E. R. Malinowski, Anal. Chem. 49, 612 (1977),
    doi:10.1021/ac50012a027; E. R. Malinowski, J. Chemometrics 3, 49 (1989), doi:10.1002/cem.1180030107.

    Examples
    --------
    Mixtures of two substances have two components:

    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> energy = xr.DataArray(np.arange(8320.0, 8380.0, 0.5), dims="energy", attrs={"units": "eV"})
    >>> first, second = (0.5 + np.arctan((energy - at) / 2) / np.pi for at in (8333.0, 8336.0))
    >>> references = xr.concat([first, second], "reference").assign_coords(energy=energy, reference=["Ni2+", "Ni4+"])
    >>> share = xr.DataArray(np.linspace(0, 1, 12), dims="scan")
    >>> noise = np.random.default_rng(1).normal(0, 1e-3, (12, energy.size))
    >>> series = ((1 - share) * first + share * second + noise).assign_coords(energy=energy)
    >>> found = xas.pca(series, centered=False)
    >>> print(int(found["significant"]))
    2
    """
    mu = rows_of(spectra, "pca", window)
    _check(components, rule, method, weights)
    along, each = _weights(mu, weights)
    blocks = Blocks.of(mu, each)
    count, mean = blocks.moments()
    if count < 2:
        raise OperandoError(
            f"pca: expected at least 2 spectra without missing energies, got {count}; narrow the window"
        )
    prepared = Prepared(mean if centered else np.zeros(along.size), along, scaled)
    rank, large = sorted((count - centered, along.size))
    kept = min(rank, components or _MOST)
    values, curves, squares = _decomposed(blocks, prepared, kept, randomized=method == "randomized")
    ds = _scored(mu, prepared, curves[:kept])
    found = indicators(values[:kept] ** 2, squares, (rank, large))
    if rule == "larch":
        found = replace(found, indicator=larch_indicator(values[:kept] ** 2, squares, count, along.size))
    ds = ds.assign(_judged(found, values[:kept], squares, (rank, large), rule, known=weights is not None))
    if centered:
        ds = ds.assign(mean=(ALONG, mean))
    ds = flagged(named(ds, PCA, mu), Flag.not_finite, ds["score"].isnull())
    parameters: dict[str, Any] = {
        "components": kept,
        "window": window,
        "centered": centered,
        "scaled": scaled,
        "method": method,
    }
    parameters |= {"weights": weights is not None, "rule": rule, "spectra": count}
    parameters["significant"] = int(ds["significant"])
    return recorded(ds, "xas.pca", parameters, after=xr.Dataset(attrs=mu.attrs))


def _check(components: int | None, rule: str, method: str, weights: xr.DataArray | None) -> None:
    if components is not None and components < 1:
        raise OperandoError(f"pca: expected one component at least, got {components}")
    if rule not in _RULES:
        raise OperandoError(f"pca: expected a rule among {', '.join(_RULES)}, got {rule!r}")
    if method not in ("exact", "randomized"):
        raise OperandoError(f"pca: expected the method 'exact' or 'randomized', got {method!r}")
    if rule == "noise" and weights is None:
        raise OperandoError("pca: the rule 'noise' needs the noise; give weights = 1/std")


def _weights(mu: xr.DataArray, weights: xr.DataArray | None) -> tuple[Floats, Floats]:
    """Return the weights along the energies and one for each spectrum."""
    shape = mu.shape[:-1]
    along, each = np.ones(mu.shape[-1]), np.ones(shape)
    if weights is None:
        return along, each
    others = mu.dims[:-1]
    if ALONG in weights.dims and ALONG in weights.coords:
        weights = weights.reindex({ALONG: mu[ALONG]})
    if weights.dims == (ALONG,):
        along = weights.to_numpy().astype(float)
    elif weights.dims and set(weights.dims) <= set(others):
        like = mu.isel({ALONG: 0}, drop=True)
        each = weights.broadcast_like(like).transpose(*others).to_numpy().astype(float)
    else:
        said = f"pca: expected weights along 'energy' or along {others}, not both"
        raise OperandoError(f"{said}, got dims {weights.dims}")
    if along.size != mu.shape[-1] or each.shape != shape or not (np.isfinite(along).all() and np.isfinite(each).all()):
        raise OperandoError("pca: expected a weight for each energy or each spectrum, got some missing")
    if (along <= 0).any() or (each <= 0).any():
        raise OperandoError("pca: expected weights above zero; leave out what counts for nothing")
    return along, each


def _decomposed(blocks: Blocks, prepared: Prepared, kept: int, *, randomized: bool) -> tuple[Floats, Floats, Floats]:
    """Return singular values, components (rows), and the sum of squares beyond each of those kept."""
    if randomized:
        values, curves, squares = blocks.randomized(prepared, kept)
        left = np.clip(squares - np.cumsum(values**2), 0.0, None)
    else:
        if blocks.rows.shape[0] <= _TALL * blocks.rows.shape[1]:
            _, values, curves = np.linalg.svd(blocks.whole(prepared), full_matrices=False)
        else:
            found, turned = np.linalg.eigh(blocks.products(prepared))
            values, curves = np.sqrt(np.clip(found[::-1], 0.0, None)), turned[:, ::-1].T
        left = np.append(np.cumsum(values[::-1] ** 2)[::-1][1:], 0.0)[:kept]
    largest = np.abs(curves).argmax(axis=1)
    signs = np.sign(curves[np.arange(len(curves)), largest])
    return values, curves * signs[:, None], left


def _scored(mu: xr.DataArray, prepared: Prepared, curves: Floats) -> xr.Dataset:
    """Return components and scores in the units of the spectra."""
    score = xr.apply_ufunc(
        _scores,
        mu,
        kwargs={"prepared": prepared, "curves": curves},
        input_core_dims=[[ALONG]],
        output_core_dims=[[COMPONENT]],
        dask="parallelized",
        dask_gufunc_kwargs={"output_sizes": {COMPONENT: len(curves)}},
        output_dtypes=[np.float64],
        keep_attrs=False,
    )
    shown = xr.DataArray(curves / prepared.weight, {ALONG: mu[ALONG]}, (COMPONENT, ALONG))
    return xr.Dataset({"components": shown, "score": score}).assign_coords(
        {COMPONENT: (COMPONENT, np.arange(1, len(curves) + 1))}
    )


def _scores(mu: Floats, *, prepared: Prepared, curves: Floats) -> Floats:
    return np.asarray(prepared(mu) @ curves.T)


def _judged(
    found: Indicators, values: Floats, left: Floats, shape: tuple[int, int], rule: Rule, *, known: bool
) -> dict[str, Any]:
    """Return what is said of each component and of their number."""
    number = significant(found, values, noise_singular_value(1.0, shape), rule)
    error = (
        1.0
        if known
        else found.real_error[number - 1]
        if number
        else np.sqrt((values[0] ** 2 + left[0]) / np.prod(shape))
    )
    share = values**2 / (values[0] ** 2 + left[0])
    each = {"singular_value": values, "explained_variance": share, **vars(found)}
    return {
        **{name: (COMPONENT, numbers) for name, numbers in each.items()},
        "significant": ((), number),
        "noise_singular_value": ((), noise_singular_value(error, shape)),
    }
