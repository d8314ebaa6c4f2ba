"""Keep some of the objects of a label image, numbered afresh in the order they had."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .layout import PLACES
from .results import described
from .voxels import as_volume


def select(labels: xr.DataArray, table: xr.Dataset, keep: ArrayLike | xr.DataArray) -> tuple[xr.DataArray, xr.Dataset]:
    """Return the objects to keep, numbered from 1 in each volume, and their rows of the table.

    Parameters
    ----------
    labels, table
        As :func:`operando.tomo.label` returns them; lazy labels stay lazy.
    keep
        Bool for each ``object`` of the table, such as ``table["volume"] > 5``.

    Raises
    ------
    OperandoError
        If ``keep`` is not one bool for each object.
    """
    chosen = np.asarray(keep)
    if chosen.dtype != np.bool_ or chosen.shape != (table.sizes["object"],):
        came = f"{chosen.dtype} of the shape {chosen.shape}"
        raise OperandoError(f"tomo.select: expected a bool for each of {table.sizes['object']} objects, got {came}")
    volume = as_volume(labels, "tomo.select")
    leading = volume.dims[: -len(PLACES)]
    places = list(np.ndindex(volume.shape[: -len(PLACES)]))
    lookups, numbers = [], np.zeros(chosen.size, np.int64)
    for at in places:
        here = np.all(
            [np.ones(chosen.size, bool), *(table[dim] == index for dim, index in zip(leading, at, strict=True))], 0
        )
        kept = here & chosen
        numbers[kept] = np.arange(1, np.count_nonzero(kept) + 1)
        lookups.append(lookup(table["number"].to_numpy()[here], numbers[here]))
    parameters = {"kept": int(chosen.sum()), "of": chosen.size}
    table = table.isel(object=chosen)
    table = table.assign(number=table["number"].copy(data=numbers[chosen]))
    return relabel(volume, lookups, "tomo.select", parameters), recorded(table, "tomo.select", parameters)


def remove_small(labels: xr.DataArray, table: xr.Dataset, voxels: int) -> tuple[xr.DataArray, xr.Dataset]:
    """Return labels and table without the objects of fewer than ``voxels`` voxels, as :func:`select` does."""
    return select(labels, table, table["voxels"] >= voxels)


def lookup(old: NDArray[np.integer], new: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return a table of new labels by old ones; 0 for all others."""
    found = np.zeros(int(old.max(initial=0)) + 1, np.int64)
    found[old] = new
    return found


def relabel(
    labels: xr.DataArray, lookups: Sequence[NDArray[np.integer]], step: str, parameters: dict[str, Any]
) -> xr.DataArray:
    """Return labels replaced by what stands in their place in the lookup of their volume; lazy ones stay lazy.

    ``labels`` have the dims (..., z, y, x); there is one lookup for each volume, in C order of the leading dims. Labels
    beyond a lookup's end become 0.
    """
    places = list(np.ndindex(labels.shape[: -len(PLACES)]))
    changed = [_changed(labels.data[at], table.astype(labels.dtype)) for at, table in zip(places, lookups, strict=True)]
    data: Any
    if labels.chunks is None:
        data = np.stack(changed).reshape(labels.shape)
    else:
        import dask.array as da

        data = da.stack(changed).reshape(labels.shape) if labels.ndim > len(PLACES) else changed[0]  # type: ignore[no-untyped-call]
    return described(
        labels.copy(data=data),
        labels,
        name=str(labels.name or "labels"),
        units="1",
        long_name=str(labels.attrs.get("long_name", "number of the object, 0 outside")),
        step=step,
        parameters=parameters,
    )


def _changed(volume: Any, table: NDArray[np.integer]) -> Any:
    if isinstance(volume, np.ndarray):
        return _looked_up(volume, table)
    from dask.delayed import delayed

    return volume.map_blocks(_looked_up, delayed(table, pure=True), dtype=volume.dtype, meta=volume._meta)


def _looked_up(block: NDArray[np.integer], table: NDArray[np.integer]) -> NDArray[np.integer]:
    found: NDArray[np.integer] = np.where(block < table.size, table[np.minimum(block, table.size - 1)], 0)
    return found.astype(block.dtype, copy=False)
