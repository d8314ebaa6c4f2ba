"""Put the regions of a scan on one axis, to be fitted together."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import pairwise
from operator import or_
from typing import Any

import numpy as np
import xarray as xr

from operando.entries import ENTRY
from operando.errors import OperandoError
from operando.flags import attrs
from operando.history import HISTORY, recorded

from .layout import ALONG, CONDITIONS

REGION = "region"


def join(regions: Iterable[xr.Dataset]) -> xr.Dataset:
    """Return the regions of one measurement, or of a series of them, on one axis of binding energies.

    Lines of several core levels can then be fitted together, with a shift that they share.

    Parameters
    ----------
    regions
        Spectra of one region each, as :func:`~operando.xps.read` gives them: dim ``binding_energy`` (eV), and
        ``scan`` in all of them or in none; the scans of all regions in the same order.

    Returns
    -------
    xarray.Dataset
        ``binding_energy`` ascending from region to region, with a coordinate ``region`` along it. What differs from
        region to region (``dwell``, ``sweeps``, ``pass_energy``) lies along it too. A scan starts with its first
        region and ends with its last; its flags are those of all.

    Raises
    ------
    OperandoError
        If there are fewer than two, they overlap, hold different quantities or differ in their number of scans.
    """
    parts = sorted(regions, key=lambda one: float(one[ALONG][0]))
    _check(parts)
    measured = {str(name) for name, array in parts[0].data_vars.items() if ALONG in array.dims}
    differing = {
        name for name in CONDITIONS if name in parts[0] and not all(_same(one[name], parts[0][name]) for one in parts)
    }
    pieces = [_piece(one, measured, differing) for one in parts]
    joined = xr.concat(pieces, ALONG, coords="minimal", compat="override", combine_attrs="drop")
    for name in joined.variables:
        joined[name].attrs = dict(parts[0][name].attrs) if name in parts[0].variables else {}
    joined = joined.assign(
        {name: parts[0][name] for name in CONDITIONS if name in parts[0] and name not in differing}
    ).assign_coords(_common(parts))
    common = {key: value for key, value in parts[0].attrs.items() if all(one.attrs.get(key) == value for one in parts)}
    names = ", ".join(str(one.attrs[REGION]) for one in parts)
    joined.attrs = {
        **{key: value for key, value in common.items() if key != HISTORY},
        REGION: names,
        "metadata": json.dumps(_said(parts), ensure_ascii=False),
    }
    remarks = [f"{one.attrs[REGION]}: {text}" for one in parts for text in json.loads(one.attrs.get("remarks", "[]"))]
    if remarks:
        joined.attrs["remarks"] = json.dumps(remarks, ensure_ascii=False)
    return recorded(joined, "xps.join", {"regions": names}, after=parts[0])


def _said(parts: Sequence[xr.Dataset]) -> dict[str, Any]:
    """Return what the files say of all regions, and of each what differs."""
    told = {str(one.attrs[REGION]): json.loads(one.attrs.get("metadata", "{}")) for one in parts}
    first = next(iter(told.values()))
    shared = {key: value for key, value in first.items() if all(own.get(key) == value for own in told.values())}
    own = {name: {key: value for key, value in one.items() if key not in shared} for name, one in told.items()}
    return {**shared, "regions": own}


def apart(joined: xr.Dataset) -> list[xr.Dataset]:
    """Return the regions that :func:`join` has put on one axis; spectra of one region as they are.

    What is the same along a region (``sweeps``), or missing, is of its scans again; times are those of all regions.
    """
    if REGION not in joined.coords or joined[REGION].dims != (ALONG,):
        return [joined]
    return [
        _apart(joined.isel({ALONG: cut}).drop_vars(REGION), name)
        for name, cut in windows([str(one) for one in joined[REGION].to_numpy()]).items()
    ]


def _apart(part: xr.Dataset, name: str) -> xr.Dataset:
    along = [one for one in CONDITIONS if one in part and ALONG in part[one].dims]
    own = {one: part[one].max(ALONG).assign_attrs(part[one].attrs) for one in along}
    told = json.loads(part.attrs.get("metadata", "{}"))
    told = {key: value for key, value in told.items() if key != "regions"} | dict(told.get("regions", {}).get(name, {}))
    return part.assign(own).assign_attrs({REGION: name, "metadata": json.dumps(told, ensure_ascii=False)})


def windows(region: Sequence[str]) -> dict[str, slice]:
    """Return where on a joined axis each region lies."""
    names = np.asarray(region, dtype=object)
    return {
        str(name): slice(int(np.flatnonzero(names == name)[0]), int(np.flatnonzero(names == name)[-1]) + 1)
        for name in dict.fromkeys(names.tolist())
    }


def _check(parts: Sequence[xr.Dataset]) -> None:
    if len(parts) < 2:
        raise OperandoError(f"join: expected several regions, got {len(parts)}")
    first = parts[0]
    for before, one in pairwise(parts):
        names = f"{before.attrs.get(REGION)} and {one.attrs.get(REGION)}"
        if float(one[ALONG][0]) <= float(before[ALONG][-1]):
            raise OperandoError(f"join: expected regions apart, got {names}, which overlap; read them one by one")
        if one.sizes.get("scan") != first.sizes.get("scan"):
            counts = f"{before.sizes.get('scan', 1)} and {one.sizes.get('scan', 1)}"
            raise OperandoError(f"join: expected as many scans in all regions, got {counts} of {names}")
        if set(one.data_vars) != set(first.data_vars):
            differing = ", ".join(sorted(map(str, set(one.data_vars) ^ set(first.data_vars))))
            raise OperandoError(f"join: expected the same quantities in {names}, got {differing} in one of them only")


def _same(one: xr.DataArray, other: xr.DataArray) -> bool:
    return one.dims == other.dims and bool(np.array_equal(one.to_numpy(), other.to_numpy(), equal_nan=True))


def _piece(one: xr.Dataset, measured: set[str], differing: set[str]) -> xr.Dataset:
    """Return what of a region lies along its axis, without its coordinates of scans."""
    points = np.full(one.sizes[ALONG], str(one.attrs[REGION]), dtype=object)
    along = {name: one[name].broadcast_like(one[next(iter(measured))]) for name in differing}
    piece = one[sorted(measured)].assign(along)
    return piece.reset_coords(drop=True).assign_coords({REGION: (ALONG, points)})


def _common(parts: Sequence[xr.Dataset]) -> dict[str, xr.Variable]:
    """Return time, source and flag of the joined scans."""
    first = parts[0]
    started, middles, ended = (
        xr.concat([one[name].reset_coords(drop=True) for one in parts], "part", combine_attrs="override")
        for name in ("time_start", "time", "time_end")
    )
    begin, end = started.min("part"), ended.max("part")
    middle = (begin + (end - begin) // 2).where(ended.notnull().all("part"), middles.min("part"))
    flag = reduce(or_, (one["flag"].variable for one in parts))
    times = {"time_start": begin, "time": middle, "time_end": end}
    found = {name: xr.Variable(array.dims, array.data, first[name].attrs) for name, array in times.items()}
    return {
        **found,
        "source": _sources(first),
        "flag": xr.Variable(flag.dims, flag.data.astype(np.int32), attrs()),
    }


def _sources(first: xr.Dataset) -> xr.Variable:
    """Return the file of each joined scan, with its number in the file where there are several."""
    files = [str(source).partition(ENTRY)[0] for source in np.atleast_1d(first["source"].to_numpy())]
    if "scan" not in first.dims:
        return xr.Variable((), np.array(files[0], dtype=object), first["source"].attrs)
    before = Counter[str]()
    names = []
    for file in files:
        before[file] += 1
        names.append(f"{file}{ENTRY}{before[file]}")
    return xr.Variable(("scan",), np.array(names, dtype=object), first["source"].attrs)
