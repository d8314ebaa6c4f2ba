"""One number of an experiment against time, with its error, its intervals and its clock."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from .clock import seconds_since
from .echem import typical_interval
from .errors import OperandoError
from .flags import Flag
from .history import recorded
from .linking import CLOCK

SCAN, TIME = "scan", "time"
STAGES = ("processed", "raw")
"""Nodes of a series that a short name looks into, in this order."""
GAP_FACTOR = 3.0
"""Scans farther apart than this many typical intervals have a gap between them."""

Array = npt.NDArray[np.float64]


def quantity(data: xr.DataTree | xr.Dataset, name: str, *, without: int = 0, **choice: Any) -> xr.Dataset:
    """Return one number a scan, or a sample of the log, in order of time, with all that tells how sure it is.

    Parameters
    ----------
    data
        An experiment, or one of its nodes.
    name
        Path of the variable, such as ``"xas/Ni_K/processed/edge_energy"`` or ``"echem/charge"``; the stage
        (``processed``, else ``raw``) may be left out. In a node the variable's name alone.
    without
        Flags (:class:`operando.flags.Flag`, joined by ``|``) whose scans are left out; none by default.
    choice
        A value for every further dim, such as ``signal="tey"``; the position for a dim without labels.

    Returns
    -------
    Dataset
        Along ``scan`` or ``time``: ``value`` and ``value_std`` (NaN where no uncertainty is stated) in the variable's
        units, ``segment`` (nothing is joined across a change of it) and the coordinates of the scans or samples.
        Values that are not finite or have no time are left out. ``attrs``: ``quantity``, ``node`` and ``clock``.

    Raises
    ------
    OperandoError
        If there is no such variable, or a further dim has no choice.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> import operando
    >>> edge = np.array([[8343.0, 8343.1], [8343.4, np.nan], [8343.8, 8343.9]])
    >>> times = np.datetime64("2024-03-01T08:00", "ns") + np.arange(3) * np.timedelta64(10, "m")
    >>> scans = xr.Dataset(
    ...     {"edge_energy": (("scan", "signal"), edge, {"units": "eV"})},
    ...     {"signal": ["tey", "tfy"], "time": ("scan", times)},
    ... )
    >>> found = operando.quantity(scans, "edge_energy", signal="tfy")
    >>> print(found["value"].values.tolist(), found["value"].attrs["units"])
    [8343.1, 8343.9] eV
    """
    ds, node, variable = _found(data, name)
    array = _chosen(ds, variable, choice)
    dim = str(array.dims[0])
    std = f"{variable}_std"
    error = _chosen(ds, std, choice) if std in ds.variables else xr.full_like(array, np.nan, dtype=float)
    along = {str(key): ds[key].variable for key in ds.variables if ds[key].dims == (dim,) and str(key) != variable}
    kept = {key: var for key, var in along.items() if key in ds.coords or (dim == TIME and key in _OF_LOG)}
    units = {"units": str(array.attrs.get("units", "1"))}
    named = str(array.attrs.get("long_name", variable))
    out = xr.Dataset(
        {
            "value": (dim, array.values.astype(float), {**units, "long_name": named}),
            "value_std": (dim, error.values.astype(float), {**units, "long_name": f"standard uncertainty: {named}"}),
        },
        {key: var.compute() for key, var in kept.items() if key not in ("value", "value_std")},
    )
    if without and "flag" in out.variables:
        out["value"] = out["value"].where((out["flag"].astype(int) & int(without)) == 0)
    out = _in_order(out, dim)
    about = {"quantity": variable, "node": node} | ({CLOCK: ds.attrs[CLOCK]} if CLOCK in ds.attrs else {})
    segment = xr.Variable(dim, _segments(out, dim), {"units": "1", "long_name": "piece without a gap"})
    out = out.assign_coords(segment=segment).assign_attrs(about)
    return recorded(out, "quantity", {"name": name, "without": int(without), **choice}, after=ds)


_OF_LOG = ("segment", "flag", "half_cycle", "cycle", "potential", "voltage", "current", "charge", "soc")


def dim_of(one: xr.Dataset) -> str:
    """Return ``scan`` or ``time``, along which a quantity lies."""
    return str(one["value"].dims[0])


def name_of(one: xr.Dataset) -> str:
    """Return a quantity's name for a message."""
    return "/".join(part for part in (str(one.attrs.get("node", "")), str(one.attrs.get("quantity", "value"))) if part)


def seconds(one: xr.Dataset, origin: np.datetime64) -> tuple[Array, Array]:
    """Return start and end (s after ``origin``) of what each value is the mean over; equal for an instant."""
    middle = seconds_since(one[TIME].values, origin)
    edges = [
        seconds_since(one[key].values, origin) if key in one.variables and dim_of(one) == SCAN else middle
        for key in ("time_start", "time_end")
    ]
    start, end = (np.where(np.isnan(edge), middle, edge) for edge in edges)
    return np.minimum(start, end), np.maximum(start, end)


def interval(one: xr.Dataset) -> float:
    """Return the typical time (s) between scans, or between samples of a log; 0 for a single one."""
    time = seconds_since(one[TIME].values, one[TIME].values[0]) if one["value"].size > 1 else np.zeros(0)
    if not time.size:
        return 0.0
    return float(np.median(np.diff(time))) if dim_of(one) == SCAN else typical_interval(time)


def clock_sigma(one: xr.Dataset, other: xr.Dataset) -> float:
    """Return the standard uncertainty (s) of the time of one quantity against that of another; 0 on one clock."""
    first, second = (json.loads(ds.attrs[CLOCK]) if CLOCK in ds.attrs else {} for ds in (one, other))
    if first.get("name") == second.get("name"):
        return 0.0
    return float(np.hypot(first.get("sigma", 0.0), second.get("sigma", 0.0)))


def _found(data: xr.DataTree | xr.Dataset, name: str) -> tuple[xr.Dataset, str, str]:
    """Return the node that holds a variable, its path and the variable's name."""
    if isinstance(data, xr.Dataset):
        if name in data.variables:
            return data, "", name
        known = [str(key) for key in data.data_vars]
        raise OperandoError(f"quantity: expected one of {', '.join(known) or 'no variables'}, got {name!r}")
    path, _, variable = name.strip("/").rpartition("/")
    nodes = {node.path.strip("/"): node for node in data.leaves}
    for place in (path, *(f"{path}/{stage}" for stage in STAGES)):
        node = nodes.get(place)
        if node is not None and variable in node.dataset.variables:
            return node.to_dataset(), path, variable
    near = [place for place, node in nodes.items() if variable in node.dataset.variables]
    found = f"; {variable!r} is in {', '.join(near[:4])}" if near else f"; no node holds {variable!r}"
    raise OperandoError(f"quantity: expected a path such as 'xas/Ni_K/processed/edge_energy', got {name!r}{found}")


def _chosen(ds: xr.Dataset, name: str, choice: dict[str, Any]) -> xr.DataArray:
    """Return a variable along ``scan`` or ``time`` alone."""
    array = ds[name]
    along = [dim for dim in (SCAN, TIME) if dim in array.dims]
    if not along:
        raise OperandoError(f"quantity: expected {name!r} along 'scan' or 'time', got dims {array.dims}")
    for dim in [str(dim) for dim in array.dims if dim not in along]:
        labels = [str(value) for value in array[dim].values] if dim in array.coords else []
        if dim not in choice or (labels and str(choice[dim]) not in labels):
            listed = ", ".join(labels[:12]) or f"0 to {array.sizes[dim] - 1}"
            raise OperandoError(
                f"quantity: {name!r} needs a {dim} among {listed}, got {choice.get(dim, 'none')!r}; give {dim}="
            )
        array = array.isel({dim: labels.index(str(choice[dim])) if labels else int(choice[dim])})
    return array


def _in_order(out: xr.Dataset, dim: str) -> xr.Dataset:
    """Return the values that are finite and have a time, in its order."""
    if TIME not in out.coords:
        raise OperandoError("quantity: expected scans or samples with a time, got none")
    good = np.isfinite(out["value"].values) & ~np.isnat(out[TIME].values)
    if dim == TIME and "flag" in out.variables:
        good &= (out["flag"].values.astype(int) & int(Flag.clock_step)) == 0
    at = np.flatnonzero(good)
    return out.isel({dim: at[np.argsort(out[TIME].values[at], kind="stable")]})


def _segments(out: xr.Dataset, dim: str) -> npt.NDArray[np.int64]:
    """Return the pieces of a log as it states them, those of scans by the time between them."""
    if dim == TIME and "segment" in out.variables:
        return np.asarray(out["segment"].values, np.int64)
    if out.sizes[dim] < 2:
        return np.zeros(out.sizes[dim], np.int64)
    gap = np.diff(seconds_since(out[TIME].values, out[TIME].values[0])) > GAP_FACTOR * interval(out)
    return np.array(np.r_[0, np.cumsum(gap)], np.int64)
