"""Tracks of cracks as the table that the store keeps of them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.history import recorded

from .layout import CRACKS

_STEP = "tomo.crack_table"


def crack_table(tracks: xr.Dataset) -> xr.Dataset:
    """Return what happened to each crack, as the node ``/xtm/cracks`` keeps it.

    Parameters
    ----------
    tracks
        What :func:`~operando.tomo.tracking.track` found, with a coordinate ``time`` along scan; without it, the table
        has no times.

    Returns
    -------
    xarray.Dataset
        For each ``crack`` (the number of its track): first and last scan, ``time_birth`` (of the first scan that shows
        it; it appeared after ``time_unseen``, the scan before), ``time_last``, its first, last and largest volume
        (um^3, or voxels), the tracks that it split from and merged into; for each ``scan`` also ``object`` (its number
        in the label image), ``volume`` and ``event``.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import tomo
    >>> labels = xr.DataArray(np.zeros((2, 8, 8, 8), int), dims=("scan", "z", "y", "x"))
    >>> labels[0, 2:4, 2:4, 2:4] = labels[1, 2:4, 2:4, 2:6] = 1
    >>> table = tomo.crack_table(tomo.track(labels))
    >>> print(dict(table.sizes))
    {'scan': 2, 'crack': 1}
    """
    first, last = tracks["first_scan"].to_numpy(), tracks["last_scan"].to_numpy()
    volume, each = tracks["volume"].to_numpy(), np.arange(first.size)
    units = {"units": tracks["volume"].attrs["units"]}
    found = tracks[["object", "volume", "event", "first_scan", "last_scan", "parent", "merged_into"]].rename(
        track="crack"
    )
    for name, values in {
        "volume_first": volume[first, each],
        "volume_last": volume[last, each],
        "volume_max": volume.max(axis=0, initial=0.0),
    }.items():
        found[name] = ("crack", values, units)
    if "time" in tracks.coords:
        time = tracks["time"].to_numpy().astype("datetime64[ns]")
        before = np.concatenate([[np.datetime64("NaT", "ns")], time])
        found["time_birth"], found["time_unseen"] = ("crack", time[first]), ("crack", before[first])
        found["time_last"] = ("crack", time[last])
    for name, meaning in CRACKS.long_names().items():
        if name in found.variables and name not in tracks.coords:
            found[name].attrs["long_name"] = meaning
    return recorded(found, _STEP, {}, after=tracks)
