"""Histograms as sums of Gaussians, one a phase: levels, shares and the thresholds where their odds are even."""

from __future__ import annotations

from collections.abc import Sequence
from warnings import warn

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError, OperandoWarning
from operando.history import recorded

from .counted_voxels import Array
from .gaussian_mixtures import Mixture, covariance, crossings, probabilities, searched
from .histograms import as_histogram
from .multi_otsu import classes_of
from .phases import boundary_numbers, phase_numbers

STEP = "tomo.threshold_mixture"

FINEST = 1024
"""Bins that the fit works with at most; neighbors are put together before."""

def threshold_mixture(
    source: xr.Dataset | xr.DataArray | Array,
    classes: int = 3,
    *,
    levels: Sequence[float] | None = None,
    correlated_voxels: float = 1.0,
) -> xr.Dataset:
    """Return the Gaussians that the grey levels of phases follow, and the thresholds where their odds are even.

    Parameters
    ----------
    source
        What :func:`histogram` returns, dims (..., level); or a volume, whose histogram of default bins is taken.
    classes
        How many phases; ``levels`` tells it as well.
    levels
        About where the levels of the phases lie, ascending, in the unit of the levels; by default the search starts
        from the classes of :func:`threshold_multiotsu`, of the counts and of their square roots, in which rare phases
        show, and keeps the better end.
    correlated_voxels
        How many voxels share their noise: 1 where it is independent, (4 pi)^(3/2) s^3 after a Gaussian blur of s voxels.

    Returns
    -------
    xarray.Dataset
        ``threshold`` (..., boundary) between the means, NaN where the odds are nowhere even; ``grey_level`` (..., phase)
        and ``grey_spread``, mean and standard deviation of the phase; ``fraction`` (..., phase), its share (1); each
        with ``_std``. ``misfit`` (...): share of the voxels that the fit has in other bins, sum |counts - fit| / (2 sum counts).

    Raises
    ------
    OperandoError
        If classes or levels are no such things, or there are fewer grey levels than phases.

    Warns
    -----
    OperandoWarning
        If the search does not come to rest, or thresholds are nowhere.

    Notes
    -----
    P(bin) = Sum_k share_k [Phi((b - mean_k)/sigma_k) - Phi((a - mean_k)/sigma_k)] over the bin from a to b; likelihood
    by expectation and maximization of binned data, then Fisher scoring. A. P. Dempster, N. M. Laird, D. B. Rubin,
    J. R. Stat. Soc. B 39, 1 (1977), doi:10.1111/j.2517-6161.1977.tb01600.x.

    Voxels that two phases share belong to neither Gaussian: where interfaces are many they widen and shift the
    Gaussians, and a thin phase, all of whose voxels are shared, has no peak at all. ``misfit`` tells how much is not
    explained; the standard deviations do not hold that, nor that the volume is but a sample of the material.
    """
    started = None if levels is None else np.asarray(levels, dtype=np.float64)
    number = classes if started is None else started.size
    if number < 2 or not correlated_voxels > 0 or (started is not None and not (np.diff(started) > 0).all()):
        raise OperandoError(f"{STEP}: expected two phases or more, levels that ascend, and correlated_voxels above 0")
    counted = as_histogram(source, STEP)
    counts = counted["counts"].transpose(..., "level")
    rows = counts.to_numpy().reshape(-1, counts.sizes["level"])
    fits = [_columns(row, counted["level"], number, started, correlated_voxels) for row in rows]
    ds = _dataset(counts, fits, str(counted["level"].attrs.get("units", "1")), number)
    settings = {"classes": number, "levels": levels, "correlated_voxels": correlated_voxels}
    return recorded(ds, STEP, settings, after=counted)


def _dataset(counts: xr.DataArray, fits: list[dict[str, Floats]], units: str, number: int) -> xr.Dataset:
    leading, shape = counts.dims[:-1], counts.shape[:-1]
    texts = {
        "threshold": ("boundary", units, "grey level above which the next phase is the likelier"),
        "grey_level": ("phase", units, "mean grey level of the phase"),
        "grey_spread": ("phase", units, "standard deviation of the grey level of the phase"),
        "fraction": ("phase", "1", "share of the voxels of the phase"),
    }
    ds = xr.Dataset(coords={name: array for name, array in counts.coords.items() if "level" not in array.dims})
    for name, (dim, unit, text) in texts.items():
        for ending, meaning in (("", text), ("_std", f"standard uncertainty of the {text}")):
            values = np.array([fit[name + ending] for fit in fits]).reshape((*shape, -1))
            ds[name + ending] = ((*leading, dim), values, {"units": unit, "long_name": meaning})
    misfit = np.array([fit["misfit"] for fit in fits]).reshape(shape)
    ds["misfit"] = (leading, misfit, {"units": "1", "long_name": "share of the voxels that the fit has elsewhere"})
    return ds.assign_coords(phase=phase_numbers(number), boundary=boundary_numbers(number - 1))


def _columns(
    counts: NDArray[np.int64], level: xr.DataArray, number: int, started: Floats | None, correlated: float
) -> dict[str, Floats]:
    """Return everything that is told of one histogram."""
    width, places = float(level.attrs["bin_width"]), level.to_numpy().astype(np.float64)
    grouped, edges = _coarser(counts, np.append(places - width / 2, places[-1] + width / 2))
    fit, rest = _fitted(grouped, edges, number, started)
    limits = crossings(fit)
    if not rest:
        warn(f"{STEP}: the search for {number} phases did not come to rest", OperandoWarning, stacklevel=4)
    if np.isnan(limits).any():
        warn(f"{STEP}: two phases have nowhere even odds between their levels", OperandoWarning, stacklevel=4)
    spread = correlated * covariance(fit, grouped.sum(), edges)
    share, mean, sigma = np.sqrt(np.diag(spread)).reshape(3, number)
    slopes = _slopes_of_crossings(fit)
    expected = grouped.sum() * probabilities(fit, edges).sum(axis=0)
    return {
        "threshold": limits,
        "threshold_std": np.sqrt(np.einsum("bp,pq,bq->b", slopes, spread, slopes)),
        "grey_level": fit.mean,
        "grey_level_std": mean,
        "grey_spread": fit.sigma,
        "grey_spread_std": sigma,
        "fraction": fit.share,
        "fraction_std": share,
        "misfit": np.abs(grouped - expected).sum() / 2 / grouped.sum(),
    }


def _coarser(counts: NDArray[np.int64], edges: Floats) -> tuple[Floats, Floats]:
    """Return the counts from the first to the last bin that holds any, neighbors put together, and the bins' edges."""
    held = np.flatnonzero(counts)
    first, last = held[0], held[-1] + 1
    starts = np.arange(first, last, -(-(last - first) // FINEST))
    return np.add.reduceat(counts[:last], starts).astype(np.float64), edges[np.append(starts, last)]


def _fitted(counts: Floats, edges: Floats, number: int, started: Floats | None) -> tuple[Mixture, bool]:
    """Return the likeliest end of the searches and whether it came to rest."""
    middles = (edges[:-1] + edges[1:]) / 2
    if started is not None:
        starts = [_classes(counts, edges, (started[1:] + started[:-1]) / 2)]
    else:
        rooted = np.ceil(np.sqrt(counts)).astype(np.int64)
        found = [classes_of(each, middles, number, STEP)[0] for each in (counts.astype(np.int64), rooted)]
        starts = [_classes(counts, edges, limits) for limits in found]
    fit, _, rest = max((searched(start, counts, edges) for start in starts), key=lambda end: end[1])
    return fit.ascending(), rest


def _classes(counts: Floats, edges: Floats, limits: Floats) -> Mixture:
    """Return share, mean and standard deviation of the counts between limits."""
    middles = (edges[:-1] + edges[1:]) / 2
    group, number = np.searchsorted(limits, middles, side="left"), limits.size + 1
    size = np.bincount(group, counts, number)
    if not size.all():
        raise OperandoError(f"{STEP}: expected voxels about every level, got none below or above {limits.tolist()}")
    mean = np.bincount(group, counts * middles, number) / size
    square = np.bincount(group, counts * (middles - mean[group]) ** 2, number) / size
    return Mixture(size / size.sum(), mean, np.sqrt(np.maximum(square, (edges[1] - edges[0]) ** 2 / 4)))


def _slopes_of_crossings(fit: Mixture) -> Floats:
    """Return the derivatives of the crossings by shares, means and standard deviations, dims (boundary, parameter)."""
    whole = np.concatenate([fit.share, fit.mean, fit.sigma])
    step = 1e-5 * np.concatenate([fit.share, fit.sigma, fit.sigma])
    either = [[crossings(Mixture(*np.split(whole + way * move, 3))) for move in np.diag(step)] for way in (1, -1)]
    found: Floats = (np.subtract(*either) / (2 * step[:, np.newaxis])).T
    return found
