"""Merge repeated scans, with the error that their scatter shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from operando import flags
from operando.errors import OperandoError
from operando.history import recorded

from .layout import ALONG

SCAN = "scan"


def merge(scans: xr.Dataset, *, every: int | None = None, by: str | ArrayLike | None = None) -> xr.Dataset:
    """Return the means of repeated scans.

    Parameters
    ----------
    scans
        A series with the dim ``scan``.
    every
        How many scans in a row are repeats of each other.
    by
        A coordinate, or one label a scan: scans with the same label are repeats; in the order of their first scan. All
        scans are one group if neither is given.

    Returns
    -------
    xarray.Dataset
        Along ``scan`` one merged scan a group: means with ``<name>_std`` (standard error of the mean from the scatter
        of the repeats, NaN for a single one) and ``repeats`` (how many). Times span the group, sources are joined,
        flags are united, other numbers of a scan are averaged.

    Raises
    ------
    OperandoError
        If there is no dim ``scan``, both ways of grouping are given, or a coordinate is missing.
    """
    if SCAN not in scans.dims:
        raise OperandoError(f"merge: expected a series with the dim 'scan', got {tuple(scans.dims)}")
    groups = _groups(scans, every, by)
    merged = xr.concat([_merged(scans.isel(scan=group)) for group in groups], SCAN, coords="different", compat="equals")
    order = [SCAN, *(dim for dim in scans.dims if dim != SCAN)]
    parameters = {"every": every, "by": by if isinstance(by, str) else None, "groups": len(groups)}
    return recorded(merged.transpose(*order, missing_dims="ignore"), "xas.merge", parameters, after=scans)


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


def _merged(group: xr.Dataset) -> xr.Dataset:
    """Return one scan from repeats."""
    number = group.sizes[SCAN]
    out = xr.Dataset(coords={name: array for name, array in group.coords.items() if SCAN not in array.dims})
    for name, array in group.data_vars.items():
        if SCAN not in array.dims:
            out[name] = array
            continue
        known = array.notnull().sum(SCAN)
        out[name] = array.mean(SCAN, keep_attrs=True)
        if ALONG in array.dims:
            std = array.std(SCAN, ddof=1) / known.where(known > 1) ** 0.5 if number > 1 else out[name] * np.nan
            meaning = f"standard uncertainty of the {array.attrs.get('long_name', name)}"
            out[f"{name}_std"] = std.assign_attrs(units=array.attrs.get("units", "1"), long_name=meaning)
    out["repeats"] = xr.DataArray(float(number), attrs={"units": "1", "long_name": "scans that were merged"})
    return out.assign_coords(
        {str(name): _coordinate(group[name]) for name in group.coords if group[name].dims == (SCAN,)}
    )


def _coordinate(values: xr.DataArray) -> xr.DataArray:
    """Return what a coordinate of repeats says of their mean."""
    name, kind, array = str(values.name), values.dtype.kind, values.to_numpy()
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
    return xr.DataArray(array.mean() if kind == "f" else array[0], attrs=values.attrs)
