"""Coarser levels of what is shown: those of the files, or every so many voxels, so that only what is shown is read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando.stacked_rows import StackedRows, origin_of, stacked_rows

COARSEST = 512
"""Edge, in voxels, that the coarsest level does not exceed: what a graphics card draws in three dimensions."""
_PLACES = ("z", "y", "x")


def in_pieces(data: Any) -> Any:
    """Return a lazy array in the pieces in which its files deliver slices, if these are known.

    napari reads whole chunks and keeps them: chunks of many slices, as computations want them, are too large for it.
    """
    import dask.array as da

    origin = origin_of(data)
    one = origin.rows[0] if isinstance(origin, StackedRows) else origin
    grain = getattr(one, "grain", None)
    if grain is None:
        return data
    chunks = (*((1,) * (origin.ndim - 3)), grain[0], *origin.shape[-2:])
    meta = np.empty((0,) * origin.ndim, origin.dtype)
    return da.from_array(origin, chunks=chunks, name=False, meta=meta)  # type: ignore[no-untyped-call]


def strided(array: xr.DataArray) -> list[Any]:
    """Return coarser levels of an array, each of half the edges; none if it is small.

    Parameters
    ----------
    array
        Dims among which are z, y, x; lazy.

    Returns
    -------
    list
        Views of the array: one voxel of each two, four ... edges. Nothing is averaged, for a mean of eight voxels would
        need slices that are not shown.
    """
    found = []
    edges = [size for dim, size in array.sizes.items() if dim in _PLACES]
    by = 2
    while edges and max(edges) * 2 > COARSEST * by:
        steps = {dim: min(by, 1 << (array.sizes[dim].bit_length() - 1)) for dim in _PLACES if dim in array.dims}
        found.append(array.isel({dim: slice(step // 2, None, step) for dim, step in steps.items()}).data)
        by *= 2
    return found


def file_levels(raw: xr.Dataset, folder: Path) -> list[Any]:
    """Return the coarser levels that the files of a series of volumes hold; none unless all are OME-Zarr of one kind.

    Parameters
    ----------
    raw
        The ``raw`` node of a store, dim ``scan``.
    folder
        The folder that ``source`` starts from.
    """
    settings = dict(json.loads(raw.attrs.get("settings") or "{}"))
    made = raw["reconstructed"].values if "reconstructed" in raw.coords else [""] * raw.sizes["scan"]
    files = [folder / (str(own) or str(source)) for own, source in zip(made, raw["source"].values, strict=True)]
    own = all(map(bool, map(str, made)))
    if not (own or settings.get("reader") == "ome_zarr"):
        return []
    settings = {"reader": "ome_zarr"} if own else settings
    return ome_zarr_levels(files, settings)


def ome_zarr_levels(files: Sequence[Path], settings: Mapping[str, Any]) -> list[Any]:
    """Return the coarser levels of OME-Zarr stores, one volume after the other along the first axis."""
    from operando.tomo import read

    chosen = {name: value for name, value in settings.items() if name not in ("level", "voxel_size", "slices", "log")}
    first = int(settings.get("level") or 0)
    counts = {_levels_in(read(file, **{**chosen, "level": first})) for file in files}
    found = []
    for level in range(first + 1, min(counts)):
        volumes = [read(file, **{**chosen, "level": level})["grey"].data for file in files]
        if len({volume.shape for volume in volumes}) > 1:
            return []
        found.append(in_pieces(stacked_rows(volumes)))
    return found


def _levels_in(ds: xr.Dataset) -> int:
    return int(json.loads(ds.attrs.get("metadata") or "{}").get("levels", 1))
