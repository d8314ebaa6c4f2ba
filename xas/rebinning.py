"""Put finely or unevenly sampled scans on a coarser grid, with nothing counted twice or lost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from operando.errors import OperandoError
from operando.history import recorded

from .layout import ALONG, along_energy
from .wavenumber import EV_PER_K2

Floats = NDArray[np.float64]
_GAP = 3.0


def grid(
    e0: float,
    first: float,
    last: float,
    *,
    pre_edge: tuple[float, float] = (-30.0, 10.0),
    near_edge: tuple[float, float] = (30.0, 0.5),
    k_step: float = 0.05,
) -> Floats:
    """Return energies (eV) from ``first`` to ``last``: coarse before the edge, fine at it, even in k behind it.

    Parameters
    ----------
    e0, first, last
        Edge and ends (eV).
    pre_edge
        Where the pre-edge ends, relative to the edge, and its step (eV).
    near_edge
        Where the near-edge region ends, relative to the edge, and its step (eV).
    k_step
        Step behind it (1/angstrom).
    """
    begin, end = e0 + pre_edge[0], e0 + near_edge[0]
    pre = np.arange(first, min(begin, last), pre_edge[1])
    near = np.arange(max(begin, first), min(end, last), near_edge[1])
    k = np.arange(np.sqrt(max(near_edge[0], 0.0) / EV_PER_K2), np.sqrt(max(last - e0, 0.0) / EV_PER_K2), k_step)
    return np.unique(np.concatenate([pre, near, e0 + EV_PER_K2 * k**2 if last > end else np.empty(0)]))


def rebin(scans: xr.Dataset, energy: ArrayLike, *, counts: Sequence[str] = ()) -> xr.Dataset:
    """Return scans on a coarser grid: in each bin the mean of its points, weighted by how much of them lies in it.

    A point stands for the interval half way to its neighbors, and so does a bin; y_b = sum_p w_bp y_p/sum_p w_bp with
    w_bp the overlap. Sums of values times width are conserved. For ``counts`` it is y_b = sum_p w_bp y_p/w_p with w_p
    the width of the point: sums of counts are conserved.

    Parameters
    ----------
    scans
        Scans or series against ``energy`` (eV); any dims, in memory or dask.
    energy
        Middles of the bins (eV), ascending.
    counts
        The detectors that are to be summed, not averaged.

    Returns
    -------
    xarray.Dataset
        What runs along ``energy`` on the new grid, with ``<name>_std`` (the standard error of the weighted mean from
        the scatter in the bin, NaN for fewer than two points; of a sum as many times larger as it is) and ``points``
        (how many points a bin has). NaN in bins without a point; points that are not finite count as missing. A point
        does not reach into a gap, a step of more than three times both of those beside it, farther than to its other
        neighbor.

    Raises
    ------
    OperandoError
        If the middles do not ascend or the energies are none.

    Notes
    -----
    The scatter contains the curvature of the spectrum within a bin: choose bins narrower than its features.

    Both sums are definitions, made so that what is named is conserved.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> energy = np.arange(8300.0, 8310.0, 0.1)
    >>> coords = {"energy": ("energy", energy, {"units": "eV"})}
    >>> scan = xr.Dataset({"mu": ("energy", energy - 8300, {"units": "1"})}, coords)
    >>> coarse = xas.rebin(scan, np.arange(8301.0, 8309.0, 1.0))
    >>> print(coarse["mu"].values.round(2).tolist())
    [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    """
    middles = np.asarray(energy, dtype=np.float64)
    if middles.ndim != 1 or middles.size < 2 or not np.all(np.diff(middles) > 0):
        raise OperandoError("rebin: expected at least two energies in ascending order")
    along = [str(name) for name in scans.data_vars if ALONG in scans[name].dims]
    names = [name for name in along if name.removesuffix("_std") not in along or not name.endswith("_std")]
    unknown = [name for name in counts if name not in names]
    if unknown:
        raise OperandoError(f"rebin: expected counts among {', '.join(names) or 'nothing'}, got {unknown[0]!r}")
    own = along_energy(scans[names[0]], "rebin")[ALONG].to_numpy() if names else np.empty(0)
    if own.size < 2:
        raise OperandoError("rebin: expected scans with at least two energies")
    weights, widths = _overlaps(own, middles)
    out = scans.drop_vars([*along, ALONG])
    for name in names:
        array = along_energy(scans[name], "rebin")
        mean, std = xr.apply_ufunc(
            _binned,
            array,
            kwargs={"weights": weights, "widths": widths if name in counts else None},
            input_core_dims=[[ALONG]],
            output_core_dims=[["bin"], ["bin"]],
            dask="parallelized",
            dask_gufunc_kwargs={"output_sizes": {"bin": middles.size}},
            output_dtypes=[np.float64] * 2,
        )
        dims = [dim if dim != ALONG else "bin" for dim in array.dims]
        text = str(array.attrs.get("long_name", name))
        out[name] = mean.transpose(*dims).assign_attrs(array.attrs)
        out[f"{name}_std"] = std.transpose(*dims).assign_attrs(
            units=array.attrs.get("units", "1"), long_name=f"standard uncertainty of the {text}"
        )
    points = np.diff(weights.indptr).astype(np.float64)
    out["points"] = ("bin", points, {"units": "1", "long_name": "points that a bin is the mean of"})
    out = out.rename(bin=ALONG).assign_coords({ALONG: (ALONG, middles, dict(scans[ALONG].attrs))})
    return recorded(out, "xas.rebin", {"first": middles[0], "last": middles[-1], "bins": middles.size}, after=scans)


def _edges(energy: Floats) -> Floats:
    """Return the ends of the intervals that energies stand for."""
    inner = (energy[1:] + energy[:-1]) / 2
    return np.concatenate([[2 * energy[0] - inner[0]], inner, [2 * energy[-1] - inner[-1]]])


def _overlaps(own: Floats, middles: Floats) -> tuple[csr_array, Floats]:
    """Return how much of each point's interval lies in each bin (eV), dims bin, point; and the intervals' widths."""
    different, which = np.unique(own, return_inverse=True)
    points, bins = _edges(different), _edges(middles)
    starts, ends = _intervals(different)
    first = np.clip(np.searchsorted(points, bins[:-1], side="right") - 1, 0, different.size)
    stop = np.clip(np.searchsorted(points, bins[1:], side="left"), 0, different.size)
    counts = np.clip(stop - first, 0, None)
    row = np.repeat(np.arange(middles.size), counts)
    column = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    wide = np.minimum(ends[column], bins[row + 1]) - np.maximum(starts[column], bins[row])
    inside = wide > 0
    shape = (middles.size, different.size)
    overlaps = csr_array((wide[inside], (row[inside], column[inside])), shape=shape)
    return overlaps[:, which], (ends - starts)[which]


def _intervals(energy: Floats) -> tuple[Floats, Floats]:
    """Return where the intervals of energies start and end; into a gap they reach as far as to their other side."""
    edges, steps = _edges(energy), np.diff(energy)
    starts, ends = edges[:-1].copy(), edges[1:].copy()
    if steps.size > 2:
        beside = np.maximum(steps[:-2], steps[2:])
        gaps = np.flatnonzero(steps[1:-1] > _GAP * beside) + 1
        ends[gaps] = energy[gaps] + steps[gaps - 1] / 2
        starts[gaps + 1] = energy[gaps + 1] - steps[gaps + 1] / 2
    return starts, ends


def _binned(values: Floats, *, weights: csr_array, widths: Floats | None) -> tuple[Floats, Floats]:
    """Return weighted means along the last axis, or sums where there are widths of the points; and standard errors."""
    rows = np.asarray(values, dtype=np.float64).reshape(-1, values.shape[-1])
    finite = np.isfinite(rows)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Around a number near the values, so that large counts lose no digits.
        middle = np.where(finite, rows, 0.0).sum(axis=1, keepdims=True) / finite.sum(axis=1, keepdims=True)
        away = np.where(finite, rows - middle, 0.0)
        total, squares = (weights @ finite.T).T, (weights.power(2) @ finite.T).T
        offset = np.where(total > 0, (weights @ away.T).T / total, np.nan)
        spread = np.clip((weights @ (away**2).T).T / total - offset**2, 0.0, None)
        effective = total**2 / squares
        std = np.where(effective > 1.0 + 1e-9, np.sqrt(spread / (effective - 1)), np.nan)
    shape = (*values.shape[:-1], weights.shape[0])
    mean: Floats = (middle + offset).reshape(shape)
    if widths is None:
        return mean, std.reshape(shape)
    known = np.where(finite, rows, 0.0)
    shares = (weights @ (finite / widths).T).T
    summed = np.where(total > 0, (weights @ (known / widths).T).T, np.nan)
    return summed.reshape(shape), (shares * std).reshape(shape)
