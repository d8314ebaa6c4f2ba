"""The grey scale of every time step made that of the first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError

from .reference_levels import Sample, levels_of_masks, levels_of_peaks, levels_of_quantiles, sampled
from .results import described
from .voxels import as_volume

Floats = NDArray[np.float64]
_MOST = 2


def match_grey(
    volumes: xr.DataArray,
    *,
    phases: xr.DataArray | NDArray[np.generic] | None = None,
    peaks: Sequence[float] | None = None,
    quantiles: Sequence[float] | None = None,
) -> xr.DataArray:
    """Return volumes whose reference phases have the grey values that they have in the first.

    out = gain grey + offset. One reference phase gives the offset (gain 1), two give both. State one of:

    Parameters
    ----------
    volumes
        Dims ``scan``, z, y, x, in memory or dask.
    phases
        Where the reference phases are in all scans: a mask (z, y, x) of one, or labels 1 and 2 of two, 0 elsewhere;
        regions that do not change, off the surfaces. The safest.
    peaks
        Grey values near one or two peaks of the histogram of the first scan; the peaks next to them are followed.
    quantiles
        One or two quantiles of all grey values, from 0 to 1. Right only if the shares of the phases do not change: a
        growing crack looks like a change of the grey scale.

    Returns
    -------
    xarray.DataArray
        float32, with coordinates ``gain``, ``offset``, ``gain_std`` and ``offset_std`` (scan), the standard
        uncertainties by leaving out one of 16 groups of slices after the other (jackknife), and
        ``gain_offset_covariance``. At most 64 slices a scan are looked at, at once; lazy volumes are scaled when
        needed.

    Raises
    ------
    OperandoError
        If none or several references are stated, or not one or two phases, or they are not there.

    Notes
    -----
    The equation is the definition of gain and offset.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import tomo
    >>> volumes = xr.DataArray(np.full((2, 4, 4, 4), 100.0), dims=("scan", "z", "y", "x"))
    >>> volumes[1] += 7
    >>> print(tomo.match_grey(volumes, phases=np.ones((4, 4, 4), int))[1].mean().item())
    100.0
    """
    series = as_volume(volumes, "match_grey")
    if series.dims[:-3] != ("scan",):
        raise OperandoError(f"match_grey: expected volumes along scan, got the dims {tuple(series.dims)}")
    stated = {"phases": phases, "peaks": peaks, "quantiles": quantiles}
    given = [name for name, value in stated.items() if value is not None]
    if len(given) != 1:
        raise OperandoError(f"match_grey: expected one of phases, peaks and quantiles, got {given or 'none'}")
    levels = _levels(series, phases, peaks, quantiles)
    factors = np.array([_factors(levels[0], one) for one in levels])
    best, spread = factors[:, 0], factors[:, 1:] - factors[:, 1:].mean(axis=1, keepdims=True)
    share = (spread.shape[1] - 1) / spread.shape[1]
    covariance = share * np.einsum("sgi,sgj->sij", spread, spread)
    gain, offset = (xr.DataArray(best[:, column], dims="scan") for column in (0, 1))
    matched = (series.astype(np.float32) * gain.astype(np.float32) + offset.astype(np.float32)).transpose(*series.dims)
    units = str(volumes.attrs.get("units", ""))
    matched = matched.drop_attrs().assign_coords(_coordinates(best, covariance, units))
    return described(
        matched,
        volumes,
        name=str(volumes.name or "grey"),
        units=units,
        long_name=str(volumes.attrs.get("long_name", "grey value")),
        step="tomo.match_grey",
        parameters={
            "reference": given[0],
            "peaks": peaks,
            "quantiles": quantiles,
            "levels": levels[:, 0],
            "gain": best[:, 0],
            "offset": best[:, 1],
        },
    )


def _levels(
    series: xr.DataArray,
    phases: xr.DataArray | NDArray[np.generic] | None,
    peaks: Sequence[float] | None,
    quantiles: Sequence[float] | None,
) -> Floats:
    """Return the grey levels of the reference phases, dims (scan, 1 + group, phase)."""
    scans = [series.isel(scan=number) for number in range(series.sizes["scan"])]
    if phases is not None:
        labels, count = _labels(phases, series.shape[-3:])
        return np.array([levels_of_masks(sampled(one), labels, count) for one in scans])
    if quantiles is not None:
        wanted = _one_or_two(quantiles, "quantiles")
        if wanted.min() < 0 or wanted.max() > 1:
            raise OperandoError(f"match_grey: expected quantiles from 0 to 1, got {wanted.tolist()}")
        return np.array([levels_of_quantiles(sampled(one), wanted) for one in scans])
    return _followed(scans, _one_or_two(peaks or (), "peaks"))


def _followed(scans: list[xr.DataArray], starts: Floats) -> Floats:
    """Return the levels of peaks; each scan is searched from the quantiles at which the first scan has them."""
    first = sampled(scans[0])
    levels = [levels_of_peaks(first, scans[0], starts)]
    at = _quantiles_of(first, levels[0][0])
    for one in scans[1:]:
        sample = sampled(one)
        levels.append(levels_of_peaks(sample, one, levels_of_quantiles(sample, at)[0]))
    return np.array(levels)


def _quantiles_of(sample: Sample, grey: Floats) -> Floats:
    every = np.sort(np.concatenate([values[np.isfinite(values)] for values in sample.values]))
    found: Floats = np.searchsorted(every, grey) / every.size
    return found


def _labels(phases: xr.DataArray | NDArray[np.generic], shape: tuple[int, ...]) -> tuple[NDArray[np.integer], int]:
    labels = as_volume(phases, "match_grey").to_numpy()
    if labels.shape != shape or labels.dtype.kind not in "biu":
        raise OperandoError(
            f"match_grey: expected a mask or labels of the shape {shape}, got {labels.shape} of {labels.dtype}"
        )
    labels = labels.astype(np.uint8)
    count = int(labels.max(initial=0))
    if not 1 <= count <= _MOST:
        raise OperandoError(f"match_grey: expected one or two reference phases, got labels up to {count}")
    return labels, count


def _one_or_two(values: Sequence[float], name: str) -> Floats:
    found = np.asarray(values, dtype=np.float64).ravel()
    if not 1 <= found.size <= _MOST or not np.isfinite(found).all() or (found.size == _MOST and found[0] == found[1]):
        raise OperandoError(f"match_grey: expected one or two different {name}, got {list(values)}")
    return found


def _factors(first: Floats, now: Floats) -> Floats:
    """Return gain and offset, dims (1 + group, 2), that take the levels of now to those of the first scan."""
    if first.shape[-1] == 1:
        return np.column_stack([np.ones(len(first)), first[:, 0] - now[:, 0]])
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = (first[:, 1] - first[:, 0]) / (now[:, 1] - now[:, 0])
    if not np.isfinite(gain).all():
        raise OperandoError("match_grey: expected two reference phases of different grey, got the same in one scan")
    return np.column_stack([gain, first.mean(axis=1) - gain * now.mean(axis=1)])


def _coordinates(best: Floats, covariance: Floats, units: str) -> dict[str, xr.DataArray]:
    columns = {
        "gain": (best[:, 0], "1", "factor on the grey values"),
        "gain_std": (np.sqrt(covariance[:, 0, 0]), "1", "standard uncertainty of the factor"),
        "offset": (best[:, 1], units, "added to the grey values"),
        "offset_std": (np.sqrt(covariance[:, 1, 1]), units, "standard uncertainty of what is added"),
        "gain_offset_covariance": (covariance[:, 0, 1], units, "covariance of factor and what is added"),
    }
    return {
        name: xr.DataArray(values, dims="scan", attrs={"units": unit, "long_name": text})
        for name, (values, unit, text) in columns.items()
    }
