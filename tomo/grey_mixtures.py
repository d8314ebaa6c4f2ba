"""Histograms as sums of Gaussians, one a phase: levels, shares and the thresholds where their odds are even."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from warnings import warn

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from operando.errors import OperandoError, OperandoWarning
from operando.history import recorded

from .counted_voxels import Array
from .gaussian_mixtures import Mixture, covariance, crossings, probabilities, searched
from .histograms import as_histogram
from .multi_otsu import classes_of
from .phases import boundary_numbers, phase_numbers

STEP = "tomo.threshold_mixture"

FINEST = 256
"""Bins that the fit works with at most; neighbors are put together before."""
_RAREST = 1e-4
"""Share of the voxels below which a peak is none."""

Floats = NDArray[np.float64]


def threshold_mixture(
    source: xr.Dataset | xr.DataArray | Array,
    classes: int = 3,
    *,
    levels: Sequence[float] | None = None,
    partial_volume: bool = True,
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
        About where the levels of the phases lie, ascending, in the unit of the levels. By default the search starts
        from the peaks of the smoothed histogram, or from the classes of :func:`threshold_multiotsu` if it has too few.
    partial_volume
        Whether neighboring phases share voxels, in every proportion alike; all phases then have the same standard
        deviation, that of the noise. Without, such voxels widen and shift the Gaussians, and where interfaces are many
        they pass for a phase of their own.
    correlated_voxels
        How many voxels share their noise: 1 where it is independent, (4 pi)^(3/2) s^3 where the noise was blurred by a
        Gaussian of s voxels.

    Returns
    -------
    xarray.Dataset
        ``threshold`` (..., boundary) between the levels, NaN where the odds are nowhere even; ``grey_level`` and
        ``grey_spread`` (..., phase), mean and standard deviation of the pure phase; ``fraction`` (..., phase), its
        share, half of the voxels shared with a neighbor included (1); each with ``_std``. ``shared`` (..., boundary),
        share of the voxels between two phases; ``misfit`` (...), share of the voxels that the fit has in other bins,
        sum |counts - fit| / (2 sum counts).

    Raises
    ------
    OperandoError
        If classes or levels are no such things, there are fewer grey levels than phases, or a histogram is empty.

    Warns
    -----
    OperandoWarning
        If the search does not come to rest, or thresholds are nowhere.

    Notes
    -----
    P(bin) = Sum_k share_k [Phi((b - mean_k)/sigma_k) - Phi((a - mean_k)/sigma_k)] over the bin from a to b; likelihood
    by expectation and maximization of binned data, then Fisher scoring. A. P. Dempster, N. M. Laird, D. B. Rubin,
    J. R. Stat. Soc. B 39, 1 (1977), doi:10.1111/j.2517-6161.1977.tb01600.x; shared voxels: P. Santago, H. D. Gage,
    IEEE Trans. Med. Imaging 12, 566 (1993), doi:10.1109/42.241885.

    A phase so thin that all its voxels are shared has no peak, and no histogram shows it. Voxels that the darkest and
    the brightest of three phases share pass for the middle one. The standard deviations are those of the fit to this
    histogram: they hold neither that nor that the volume is but a sample of the material (:func:`fractions`).

    Examples
    --------
    >>> import numpy as np
    >>> from operando import tomo
    >>> grey = np.random.default_rng(1).normal(100, 5, (16, 32, 32)).round().astype("u2")
    >>> grey[:, :, 16:] += 100
    >>> print(tomo.threshold_mixture(tomo.histogram(grey), 2)["threshold"].values.round(-1).tolist())
    [150.0]
    """
    started = None if levels is None else np.asarray(levels, dtype=np.float64)
    number = classes if started is None else started.size
    if number < 2 or not correlated_voxels > 0 or (started is not None and not (np.diff(started) > 0).all()):
        raise OperandoError(f"{STEP}: expected two phases or more, levels that ascend, and correlated_voxels above 0")
    counted = as_histogram(source, STEP)
    counts = counted["counts"].transpose(..., "level")
    rows = counts.to_numpy().reshape(-1, counts.sizes["level"])
    law = _Law(number, started, partial_volume, correlated_voxels)
    fits = [_columns(row, counted["level"], law) for row in rows]
    ds = _dataset(counts, fits, str(counted["level"].attrs.get("units", "1")), number)
    settings = {"classes": number, "levels": levels, "partial_volume": partial_volume}
    return recorded(ds, STEP, settings | {"correlated_voxels": correlated_voxels}, after=counted)


@dataclass(frozen=True)
class _Law:
    """What is asked for: see :func:`threshold_mixture`."""

    number: int
    levels: Floats | None
    partial_volume: bool
    correlated: float


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
    shared = np.array([fit["shared"] for fit in fits]).reshape((*shape, -1))
    ds["shared"] = (
        (*leading, "boundary"),
        shared,
        {"units": "1", "long_name": "share of the voxels that two phases share"},
    )
    misfit = np.array([fit["misfit"] for fit in fits]).reshape(shape)
    ds["misfit"] = (leading, misfit, {"units": "1", "long_name": "share of the voxels that the fit has elsewhere"})
    return ds.assign_coords(phase=phase_numbers(number), boundary=boundary_numbers(number - 1))


def _columns(counts: NDArray[np.int64], level: xr.DataArray, law: _Law) -> dict[str, Floats]:
    """Return everything that is told of one histogram."""
    if not counts.any():
        raise OperandoError(f"{STEP}: expected voxels that count in every histogram, got none in one; leave it out")
    width, places = float(level.attrs["bin_width"]), level.to_numpy().astype(np.float64)
    grouped, edges = _coarser(counts, np.append(places - width / 2, places[-1] + width / 2))
    fit, rest = _fitted(grouped, edges, law)
    limits, slopes = crossings(fit), _slopes_of_crossings(fit)
    if not rest:
        warn(f"{STEP}: the search for {law.number} phases did not come to rest", OperandoWarning, stacklevel=3)
    if np.isnan(limits).any():
        warn(f"{STEP}: two phases have nowhere even odds between their levels", OperandoWarning, stacklevel=3)
    whole = np.zeros((law.number, fit.share.size))
    holds, component, weight = fit.parts()
    np.add.at(whole.T, component, holds * weight[:, np.newaxis])
    spread = law.correlated * covariance(fit, grouped.sum(), edges)
    shares, means, sigmas = np.split(np.arange(len(spread)), [fit.share.size, fit.share.size + law.number])
    expected = grouped.sum() * probabilities(fit, edges).sum(axis=0)
    return {
        "threshold": limits,
        "threshold_std": np.sqrt(np.einsum("bp,pq,bq->b", slopes, spread, slopes)),
        "grey_level": fit.mean,
        "grey_level_std": np.sqrt(np.diag(spread)[means]),
        "grey_spread": fit.sigma,
        "grey_spread_std": np.sqrt(np.diag(spread)[sigmas]),
        "fraction": whole @ fit.share,
        "fraction_std": np.sqrt(np.diag(whole @ spread[np.ix_(shares, shares)] @ whole.T)),
        "shared": fit.share[law.number :] if law.partial_volume else np.zeros(law.number - 1),
        "misfit": np.abs(grouped - expected).sum() / 2 / grouped.sum(),
    }


def _coarser(counts: NDArray[np.int64], edges: Floats) -> tuple[Floats, Floats]:
    """Return the counts from the first to the last bin that holds any, neighbors put together, and the bins' edges."""
    held = np.flatnonzero(counts)
    first, last = held[0], held[-1] + 1
    starts = np.arange(first, last, -(-(last - first) // FINEST))
    return np.add.reduceat(counts[:last], starts).astype(np.float64), edges[np.append(starts, last)]


def _fitted(counts: Floats, edges: Floats, law: _Law) -> tuple[Mixture, bool]:
    """Return the end of the search and whether it came to rest."""
    middles = (edges[:-1] + edges[1:]) / 2
    levels = law.levels
    if levels is None:
        levels = _peaks(counts, middles, law.number)
        if levels.size < law.number:
            levels = classes_of(counts.astype(np.int64), middles, law.number, STEP)[1]
    fit, _, rest = searched(_start(counts, middles, levels, law.partial_volume), counts, edges)
    return fit, rest


def _peaks(counts: Floats, middles: Floats, number: int) -> Floats:
    """Return the levels of the peaks that are left when the histogram is smoothed until as many as asked for stand out.

    B. W. Silverman, J. R. Stat. Soc. B 43, 97 (1981), doi:10.1111/j.2517-6161.1981.tb01155.x.
    """
    width = counts.size / 4
    found = np.empty(0, dtype=np.int64)
    while width > 0.5:
        smooth = gaussian_filter1d(counts, width, mode="constant")
        inner = (smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] >= smooth[2:])
        found = 1 + np.flatnonzero(inner & (smooth[1:-1] * width > _RAREST * counts.sum()))
        if found.size >= number:
            found = np.sort(found[np.argsort(-smooth[found], kind="stable")[:number]])
            break
        width /= 1.2
    return middles[found]


def _start(counts: Floats, middles: Floats, levels: Floats, partial_volume: bool) -> Mixture:
    """Return phases at levels that take the counts nearest to them."""
    nearest = np.abs(middles[:, np.newaxis] - levels).argmin(axis=1)
    size = np.maximum(np.bincount(nearest, counts, levels.size), 1e-6 * counts.sum())
    spread = np.diff(levels).min() / 6
    shares = size / size.sum()
    if partial_volume:
        shares = np.concatenate([0.9 * shares, np.full(levels.size - 1, 0.1 / (levels.size - 1))])
    return Mixture(shares, levels, np.full(levels.size, spread))


def _slopes_of_crossings(fit: Mixture) -> Floats:
    """Return the derivatives of the crossings by shares, means and standard deviations, dims (boundary, parameter)."""
    whole = np.concatenate([fit.share, fit.mean, fit.sigma])
    step = 1e-4 * np.concatenate([fit.share, fit.sigma, fit.sigma])
    ends = [fit.share.size, fit.share.size + fit.mean.size]
    high, low = (
        np.array([crossings(Mixture(*np.split(whole + way * move, ends))) for move in np.diag(step)]) for way in (1, -1)
    )
    found: Floats = ((high - low) / (2 * step[:, np.newaxis])).T
    return found
