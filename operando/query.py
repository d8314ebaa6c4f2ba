"""Questions across the techniques: what was measured when, and in which state was the cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from .flags import attrs as flag_attrs
from .history import recorded
from .schema import LINKED, SERIES

RAW = "raw"
"""Name of the nodes that hold series as measured."""

_STATE = ("potential", "voltage", "soc", "cycle", "half_cycle")
_TIMES = ("time_start", "time_end")
_COLUMNS = ("time", *_TIMES, "source", *_STATE, "flag")


def timeline(tree: xr.DataTree) -> xr.Dataset:
    """Return every scan of every series in order of time, with the state of the cell.

    Parameters
    ----------
    tree
        An experiment; its series are the nodes named ``raw`` that have a dim ``scan`` and a coordinate ``time``.

    Returns
    -------
    Dataset
        Over ``scan``, sorted by ``time`` (UTC; scans without one last): ``node`` (path of the series, such as
        ``/xas/Ni_K``), ``index`` (position in it), ``time_start``, ``time_end``, ``source``, ``potential`` and
        ``voltage`` (V), ``soc``, ``cycle``, ``half_cycle`` (NaN where not linked) and ``flag``.

    Notes
    -----
    Only coordinates are read, never spectra.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> import operando
    >>> times = np.datetime64("2024-03-01T08:00", "ns") + np.arange(2) * np.timedelta64(60, "m")
    >>> later = times + np.timedelta64(5, "m")
    >>> tree = xr.DataTree.from_dict(
    ...     {
    ...         "xas/Ni_K/raw": xr.Dataset(coords={"time": ("scan", times)}),
    ...         "xps/S_2p/raw": xr.Dataset(coords={"time": ("scan", later)}),
    ...     }
    ... )
    >>> found = operando.timeline(tree)
    >>> print(found["node"].values.tolist())
    ['/xas/Ni_K', '/xps/S_2p', '/xas/Ni_K', '/xps/S_2p']
    >>> print(found["index"].values.tolist())
    [0, 0, 1, 1]
    """
    parts = [_part(path, ds) for path, ds in _series(tree)]
    empty = _part("/", xr.Dataset(coords={"time": ("scan", np.array([], "M8[ns]"))}))
    columns = {name: np.concatenate([part[name] for part in parts or [empty]]) for name in empty}
    order = np.argsort(columns["time"], kind="stable")
    data = {name: ("scan", column[order], _attrs(name)) for name, column in columns.items()}
    time = data.pop("time")
    return recorded(xr.Dataset(data, coords={"time": time}), "timeline", {"series": len(parts)})


def _series(tree: xr.DataTree) -> Iterator[tuple[str, xr.Dataset]]:
    for node in tree.subtree:
        ds = node.dataset
        if node.name == RAW and "scan" in ds.dims and "time" in ds.coords:
            yield node.path.removesuffix(f"/{RAW}") or "/", node.to_dataset()


def _part(path: str, ds: xr.Dataset) -> dict[str, npt.NDArray[np.generic]]:
    """Return one series' columns, each of the length of its ``scan``; what is lazy is read at one go."""
    size = ds.sizes["scan"]
    ds = ds.coords.to_dataset()[[name for name in _COLUMNS if name in ds.coords]].load()
    columns: dict[str, npt.NDArray[np.generic]] = {
        "time": ds["time"].values.astype("M8[ns]"),
        "node": np.full(size, path, dtype=object),
        "index": np.arange(size),
    }
    for name in _TIMES:
        columns[name] = _coord(ds, name, np.full(size, np.datetime64("NaT", "ns")))
    columns["source"] = _coord(ds, "source", np.full(size, "", dtype=object)).astype(object)
    for name in _STATE:
        columns[name] = _coord(ds, name, np.full(size, np.nan))
    columns["flag"] = _coord(ds, "flag", np.zeros(size, "i4")).astype("i4")
    return columns


def _coord(ds: xr.Dataset, name: str, default: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    values: npt.NDArray[np.generic] = ds.coords[name].values if name in ds.coords else default
    return values


def _attrs(name: str) -> dict[str, Any]:
    if name == "flag":
        return flag_attrs()
    known = {var.name: var for var in (*SERIES, *LINKED)}
    if name in known:
        var = known[name]
        return {"long_name": var.meaning} | ({"units": var.units} if var.units else {})
    if name == "index":
        return {"units": "1", "long_name": "position of the scan in its series"}
    return {"long_name": "path of the series"}
