"""Merge repeated scans, with the error that their scatter shows."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from operando import flags
from operando.errors import OperandoError
from operando.history import recorded

from .layout import ALONG

Floats = NDArray[np.float64]
SCAN = "scan"
_FEWEST, _STANDS_OUT = 3, 5.0


def merge(
    scans: xr.Dataset,
    *,
    every: int | None = None,
    by: str | ArrayLike | None = None,
    weights: str | ArrayLike | None = None,
    leave_out: bool = False,
) -> xr.Dataset:
    """Return the means of repeated scans.

    y = sum_s w_s y_s/sum_s w_s, with the variance n/(n - 1) sum_s w_s^2 (y_s - y)^2/(sum_s w_s)^2 of n repeats.

    Parameters
    ----------
    scans
        A series with the dim ``scan``.
    every
        How many scans in a row are repeats of each other.
    by
        A coordinate, or one label a scan: scans with the same label are repeats; in the order of their first scan. All
        scans are one group if neither is given.
    weights
        A coordinate or variable, or one number a scan, 0 or more: how much a scan counts, such as its duration. All
        count alike by default.
    leave_out
        Whether repeats that stand out do not count.

    Returns
    -------
    xarray.Dataset
        Along ``scan`` one merged scan a group: means with ``<name>_std`` (standard error of the mean from the scatter
        of the repeats; for a single one what came with it, else NaN), ``repeats`` (how many count) and ``outliers``
        (how many of three or more stand out). Times span the group, sources are joined, flags are united, other
        numbers of a scan are averaged, and their ``_std`` is that of the mean scan and of the spread among the repeats.

    Raises
    ------
    OperandoError
        If there is no dim ``scan``, both ways of grouping are given, a coordinate is missing, or weights are negative
        or not one a scan.

    Notes
    -----
    A repeat stands out if its distance to the median of the repeats, taken as the median over the energies, is more
    than 5 times what is usual among them, in one of the variables. Looking for them computes lazy scans.

    Weighted means and their variance: P. R. Bevington, D. K. Robinson, Data Reduction and Error Analysis for the
    Physical Sciences, McGraw-Hill (2003).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> energy = np.arange(8300.0, 8400.0)
    >>> repeats = np.random.default_rng(1).normal(1.0, 0.1, (9, 100))
    >>> coords = {"energy": ("energy", energy, {"units": "eV"})}
    >>> merged = xas.merge(xr.Dataset({"mu": (("scan", "energy"), repeats, {"units": "1"})}, coords))
    >>> print(dict(merged["mu"].sizes), round(float(merged["mu_std"].mean()), 2))
    {'scan': 1, 'energy': 100} 0.03
    """
    if SCAN not in scans.dims:
        raise OperandoError(f"merge: expected a series with the dim 'scan', got {tuple(scans.dims)}")
    groups = _groups(scans, every, by)
    counting = _weights(scans, weights)
    merged = xr.concat(
        [_merged(scans.isel(scan=group), counting[group], leave_out) for group in groups],
        SCAN,
        data_vars="minimal",
        coords="minimal",
        compat="override",
    )
    order = [SCAN, *(dim for dim in scans.dims if dim != SCAN)]
    parameters = {
        "every": every,
        "by": by if isinstance(by, str) or by is None else "labels",
        "weights": weights if isinstance(weights, str) or weights is None else "numbers",
        "leave_out": leave_out,
        "groups": len(groups),
    }
    return recorded(merged.transpose(*order, missing_dims="ignore"), "xas.merge", parameters, after=scans)


def _weights(scans: xr.Dataset, given: str | ArrayLike | None) -> Floats:
    """Return how much each scan counts."""
    count = scans.sizes[SCAN]
    if isinstance(given, str) and given not in scans.variables:
        raise OperandoError(f"merge: expected weights among the coordinates and variables of the scans, got {given!r}")
    values = np.ones(count) if given is None else scans[given].to_numpy() if isinstance(given, str) else given
    weights = np.asarray(values, dtype=np.float64)
    if weights.shape != (count,) or not (weights >= 0).all():
        raise OperandoError(f"merge: expected one weight of 0 or more for each of {count} scans, got {weights}")
    return weights


def _groups(scans: xr.Dataset, every: int | None, by: str | ArrayLike | None) -> list[list[int]]:
    count = scans.sizes[SCAN]
    if every is not None and by is not None:
        raise OperandoError("merge: expected 'every' or 'by', got both")
    if every is not None:
        if every < 1:
            raise OperandoError(f"merge: expected every from 1, got {every}")
        return [list(range(start, min(start + every, count))) for start in range(0, count, every)]
    if isinstance(by, str) and by not in scans.coords:
        raise OperandoError(f"merge: expected a coordinate of the scans, got {by!r}")
    labels: Any = np.zeros(count) if by is None else scans[by].to_numpy() if isinstance(by, str) else np.asarray(by)
    if labels.shape != (count,):
        raise OperandoError(f"merge: expected one label for each of {count} scans, got shape {labels.shape}")
    found: dict[Any, list[int]] = {}
    for at, label in enumerate(labels.tolist()):
        found.setdefault(label, []).append(at)
    return list(found.values())


def _merged(group: xr.Dataset, weights: Floats, leave_out: bool) -> xr.Dataset:
    """Return one scan from repeats."""
    spectra = [
        name for name in group.data_vars if {SCAN, ALONG} <= set(group[name].dims) and not _is_error(group, name)
    ]
    outlying = _outlying([group[name] for name in spectra])
    counting = xr.DataArray(np.where(outlying & leave_out, 0.0, weights), dims=SCAN)
    out = xr.Dataset(coords={name: array for name, array in group.coords.items() if SCAN not in array.dims})
    for name, array in group.data_vars.items():
        if SCAN not in array.dims:
            out[name] = array
        elif name in spectra:
            mean, std = _mean(array, counting)
            if group.sizes[SCAN] == 1 and f"{name}_std" in group:
                std = group[f"{name}_std"].isel(scan=0)
            meaning = f"standard uncertainty of the {array.attrs.get('long_name', name)}"
            out[name] = mean.expand_dims(SCAN).assign_attrs(array.attrs)
            out[f"{name}_std"] = std.expand_dims(SCAN).assign_attrs(
                units=array.attrs.get("units", "1"), long_name=meaning
            )
        elif name not in out:
            out[name] = _number(group, str(name)).expand_dims(SCAN)
    out["repeats"] = _count(int((counting > 0).sum()), "scans that were merged")
    out["outliers"] = _count(int(outlying.sum()), "repeats that stand out")
    return out.assign_coords(
        {
            str(name): _coordinate(group, str(name)).expand_dims(SCAN)
            for name in group.coords
            if group[name].dims == (SCAN,)
        }
    )


def _is_error(group: xr.Dataset, name: Hashable) -> bool:
    return str(name).endswith("_std") and str(name).removesuffix("_std") in group.variables


def _count(number: int, meaning: str) -> xr.DataArray:
    return xr.DataArray([float(number)], dims=SCAN, attrs={"units": "1", "long_name": meaning})


def _mean(array: xr.DataArray, weights: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the weighted mean of repeats and its standard error."""
    counting = weights * array.notnull()
    total, number = counting.sum(SCAN), (counting > 0).sum(SCAN)
    mean = (array.fillna(0.0) * counting).sum(SCAN) / total.where(total > 0)
    away = ((array - mean).fillna(0.0) * counting) ** 2
    factor = number / (number - 1).where(number > 1)
    return mean, (factor * away.sum(SCAN)) ** 0.5 / total.where(total > 0)


def _outlying(spectra: list[xr.DataArray]) -> NDArray[np.bool_]:
    """Return which repeats stand out in one of the spectra."""
    count = spectra[0].sizes[SCAN] if spectra else 0
    found = np.zeros(count, np.bool_)
    if count < _FEWEST:
        return found
    for array in spectra:
        rows = array.transpose(SCAN, ...).to_numpy().reshape(count, -1)
        known = np.isfinite(rows).sum(axis=0) >= _FEWEST
        if known.any():
            distance = np.abs(rows[:, known] - np.nanmedian(rows[:, known], axis=0))
            missing = np.isnan(distance).all(axis=1)
            distance[missing] = 0.0
            usual = np.nanmedian(distance, axis=1)
            found |= usual > _STANDS_OUT * np.median(usual[~missing])
    return found


def _number(group: xr.Dataset, name: str) -> xr.DataArray:
    """Return the mean of a number of each repeat; of its ``_std`` that of one repeat and of the spread among them."""
    values = group[name]
    if not _is_error(group, name) or ALONG in values.dims:
        return values.mean(SCAN, keep_attrs=True)
    spread = group[name.removesuffix("_std")].var(SCAN)
    std = ((values**2).mean(SCAN) + spread) ** 0.5
    return std.reset_coords(drop=True).assign_attrs(values.attrs)


def _coordinate(group: xr.Dataset, name: str) -> xr.DataArray:
    """Return what a coordinate of repeats says of their mean."""
    values = group[name]
    kind, array = values.dtype.kind, values.to_numpy()
    if name == "flag":
        return xr.DataArray(np.bitwise_or.reduce(array).astype(np.int32), attrs=flags.attrs())
    if kind == "M":
        known = array[~np.isnat(array)]
        if not known.size:
            return xr.DataArray(np.datetime64("NaT", "ns"), attrs=values.attrs)
        middle = known.min() + (known - known.min()).mean()
        chosen = known.min() if name == "time_start" else known.max() if name == "time_end" else middle
        return xr.DataArray(chosen, attrs=values.attrs)
    if kind in "OUT":
        joined = "; ".join(dict.fromkeys(map(str, array)))
        return xr.DataArray(np.array(joined, dtype=object), attrs=values.attrs)
    if kind == "f":
        return _number(group, name).reset_coords(drop=True)
    return xr.DataArray(array[0], attrs=values.attrs)
