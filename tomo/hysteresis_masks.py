"""Masks by two thresholds: pieces of what passes the loose one that somewhere pass the strict one."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError

from .counted_voxels import Array, as_mask, kept_slices
from .grids import each_block, grid_of, three
from .labels import label
from .layout import PLACES
from .piece_store import FolderStore, open_store
from .results import described
from .sure_pieces import find_sure, join_sure, paint_sure
from .voxels import as_volume

STEP = "tomo.hysteresis"

CONNECTIVITIES = (6, 18, 26)


def hysteresis(
    volume: xr.DataArray | Array,
    low: float,
    high: float,
    connectivity: int = 26,
    *,
    above: bool = True,
    mask: xr.DataArray | Array | None = None,
    store: Any = None,
) -> xr.DataArray:
    """Return the connected pieces of what lies above a low threshold that hold a voxel above a high one.

    What is faint counts where it hangs together with something that is sure. The answer is exact and the same whatever
    the chunks, also for pieces that run through many of them.

    Parameters
    ----------
    volume
        Grey levels or the response of a filter, dims (..., z, y, x).
    low, high
        In the unit of the levels. Levels on a threshold lie below it.
    connectivity
        Neighbors of a voxel: 6 (across faces), 18 (edges too) or 26 (corners too).
    above
        False: pieces below the high threshold that hold a voxel below the low one, such as voids in grey levels.
    mask
        Voxels that count, truth values, dims (z, y, x) or those of the volume.
    store
        Where :func:`label` keeps the pieces of a lazy volume for as long as the result is read.

    Returns
    -------
    xarray.DataArray
        ``mask`` (..., z, y, x), truth values; lazy for a lazy volume, whose pieces are found in one pass at once. False
        in slices that are missing, saturated or surplus in ``frame_flag``, and where the level is NaN.

    Raises
    ------
    OperandoError
        If there are no voxels, the low threshold is above the high one, the connectivity is another, or the mask
        does not fit.

    Notes
    -----
    J. Canny, IEEE Trans. Pattern Anal. Mach. Intell. 8, 679 (1986), doi:10.1109/TPAMI.1986.4767851.

    Examples
    --------
    What is above 1 counts where it hangs together with something above 3:

    >>> import numpy as np
    >>> from operando import tomo
    >>> volume = np.zeros((3, 3, 8))
    >>> volume[1, 1] = [2, 4, 2, 0, 2, 2, 0, 0]
    >>> print(tomo.hysteresis(volume, 1.0, 3.0).values[1, 1].astype(int).tolist())
    [1, 1, 1, 0, 0, 0, 0, 0]
    """
    grey = as_volume(volume, STEP)
    cover = as_mask(mask, grey, STEP)
    if not grey.size:
        raise OperandoError(f"{STEP}: expected a volume, got one without voxels, {dict(grey.sizes)}")
    if not low <= high or connectivity not in CONNECTIVITIES:
        raise OperandoError(
            f"{STEP}: expected low <= high and a connectivity of 6, 18 or 26, got {low}, {high} and {connectivity}"
        )
    counts = kept_slices(grey) if cover is None else kept_slices(grey) & cover
    loose, strict = (grey > low, grey > high) if above else (grey <= high, grey <= low)
    loose = (loose & counts).transpose(*grey.dims)
    chosen = (
        _in_memory(loose, strict, connectivity) if grey.chunks is None else _lazily(loose, strict, connectivity, store)
    )
    return described(
        chosen.drop_attrs(),
        grey,
        name="mask",
        units="1",
        long_name="whether the voxel is of a piece that passes both thresholds",
        step=STEP,
        parameters={"low": low, "high": high, "connectivity": connectivity, "above": above, "mask": mask is not None},
    )


def _in_memory(loose: xr.DataArray, strict: xr.DataArray, connectivity: int) -> xr.DataArray:
    pieces, table = label(loose, connectivity)
    chosen = np.empty(loose.shape, dtype=bool)
    for index in np.ndindex(*loose.shape[: -len(PLACES)]):
        numbers = pieces.values[index]
        chosen[index] = _kept(numbers[strict.values[index]], table.sizes["object"])[numbers]
    return loose.copy(data=chosen)


def _lazily(loose: xr.DataArray, strict: xr.DataArray, connectivity: int, where: Any) -> xr.DataArray:
    import dask.array as da

    chosen = []
    for number, index in enumerate(np.ndindex(*loose.shape[: -len(PLACES)])):
        one = loose.data[index]
        both, grid = [one, strict.data[index].rechunk(one.chunks)], grid_of(one)
        store = open_store(where, number, grid)
        settings = {"grid": grid, "store": store, "connectivity": connectivity}
        join_sure(grid, store, each_block(find_sure, both, grid, settings, None), connectivity)
        chosen.append(_painted(store))
    return loose.copy(data=da.stack(chosen).reshape(loose.shape) if loose.ndim > len(PLACES) else chosen[0])  # type: ignore[no-untyped-call]


def _painted(store: FolderStore) -> Any:
    import dask.array as da

    name, meta = f"hysteresis-{uuid4().hex}", np.empty((0, 0, 0), bool)
    return da.map_blocks(_mask, name=name, chunks=store.grid.sizes, dtype=bool, meta=meta, store=store)  # type: ignore[no-untyped-call]


def _mask(block_id: tuple[int, ...], store: FolderStore) -> NDArray[np.bool_]:
    return paint_sure(three(block_id), store)


def _kept(numbers: NDArray[np.integer], count: int) -> NDArray[np.bool_]:
    kept = np.zeros(count + 1, dtype=bool)
    kept[numbers] = True
    kept[0] = False
    return kept
