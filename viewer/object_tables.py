"""Tables of the objects of one scan, such as cracks: what each measures and since when it is seen. Knows no window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

import operando
from operando.kind_colors import kind_colors

from .colors import flag_names, shades
from .stores import node_of

NUMBER, KIND, VOLUME, APERTURE, TRACK, BIRTH = "number", "kind", "volume (µm³)", "aperture (µm)", "track", "first seen"
PLACES = ("z (µm)", "y (µm)", "x (µm)")
COLORED = (NUMBER, APERTURE, BIRTH, VOLUME, KIND)
"""By what objects can be colored."""


def tables_of(source: str | Path, series: str) -> tuple[xr.Dataset | None, xr.Dataset | None]:
    """Return the objects of a series in a store and their tracks, in memory; None where the recipe made none.

    Parameters
    ----------
    series
        Such as ``"xtm/composite"``.
    """
    tree = operando.open(source)
    objects = node_of(tree, f"{series}/objects")
    found = (node.path.strip("/") for node in tree.leaves if node.path.strip("/").startswith(f"{series}/"))
    tracks = next((ds for path in found if _is_tracks(ds := tree[path].to_dataset())), None)
    return None if objects is None else objects.load(), None if tracks is None else tracks.load()


def table_of(objects: xr.Dataset, tracks: xr.Dataset | None, scan: int) -> pd.DataFrame:
    """Return the objects of one scan, one a row.

    Parameters
    ----------
    objects
        As :func:`operando.tomo.regions` or the step ``objects`` returns them, dim ``object``.
    tracks
        As the step ``track`` returns them, dims ``scan, crack``.
    scan
        Its number, from 0.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`NUMBER` ... as far as they are known: numbers in the label image, kind, volume (um^3), mean
        aperture (um), centroid (um), track, and the time of the scan that shows the track first (UTC).
    """
    own = objects.isel(object=np.flatnonzero(_scans(objects) == scan))
    columns: dict[str, Any] = {NUMBER: own["number"].values}
    if "kind" in own:
        names = flag_names(own["kind"])
        columns[KIND] = [names.get(int(value), "").replace("_", " ") for value in own["kind"].values]
    for name, column in (("aperture_mean", APERTURE), ("volume", VOLUME)):
        if name in own:
            columns[column] = own[name].values
    columns |= dict(zip(PLACES, own["centroid"].transpose("axis", "object").values, strict=True))
    table = pd.DataFrame(columns)
    if tracks is None:
        return table
    found = table.merge(_tracks(tracks, scan), how="left", on=NUMBER)
    return found[[*(name for name in found if name not in PLACES), *PLACES]]


def colors_by(table: pd.DataFrame, column: str) -> dict[int, Any]:
    """Return the color of each object by a column; none by the number, for which napari has colors of its own."""
    if column not in table or column == NUMBER:
        return {}
    numbers = table[NUMBER].to_numpy()
    if column == KIND:
        names = sorted(set(table[KIND]))
        known = dict(zip(names, kind_colors(names), strict=True))
        return {int(number): known[kind] for number, kind in zip(numbers, table[KIND], strict=True)}
    return dict(zip(map(int, numbers), shades(_values(table[column])), strict=True))


def _values(column: pd.Series[Any]) -> NDArray[np.float64]:
    if column.dtype.kind == "M":
        return np.where(column.isna(), np.nan, column.to_numpy("datetime64[s]").astype(np.float64))
    return column.to_numpy(np.float64)


def _is_tracks(ds: xr.Dataset) -> bool:
    return {"object", "first_scan"} <= set(ds.variables) and {"scan", "crack"} <= set(ds.dims)


def _scans(objects: xr.Dataset) -> NDArray[np.int64]:
    if "scan" not in objects.coords:
        return np.zeros(objects.sizes["object"], np.int64)
    return np.atleast_1d(objects["scan"].values).astype(np.int64)


def _tracks(tracks: xr.Dataset, scan: int) -> pd.DataFrame:
    """Return which track each object of a scan belongs to, and when that began."""
    number = tracks["object"].isel(scan=scan).values
    there = number > 0
    columns: dict[str, Any] = {NUMBER: number[there], TRACK: tracks["crack"].values[there]}
    if "time_birth" in tracks:
        columns[BIRTH] = tracks["time_birth"].values[there]
    return pd.DataFrame(columns).drop_duplicates(NUMBER)
