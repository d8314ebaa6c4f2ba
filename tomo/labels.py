"""Number the connected objects of a mask, in memory or in volumes larger than it."""

from __future__ import annotations

from os import PathLike
from typing import Any
from uuid import uuid4

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError

from .grids import Grid, each_block, grid_of, three
from .layout import PLACES
from .piece_joining import find_pieces, join_pieces, paint_block, summed
from .piece_store import FolderStore, MemoryStore, PieceStore, open_store
from .region_sums import Sums
from .region_table import region_table, voxels_of
from .results import described
from .voxels import as_volume

CONNECTIVITIES = (6, 18, 26)


def label(
    mask: xr.DataArray | NDArray[np.bool_],
    connectivity: int = 26,
    *,
    store: str | PathLike[str] | None = None,
    workers: int | None = None,
) -> tuple[xr.DataArray, xr.Dataset]:
    """Return the connected objects of a mask, numbered, and what they measure.

    Parameters
    ----------
    mask
        Bool, dims (..., z, y, x), z, y, x in um; a plain array of three dims is one in voxels. Each volume along
        further dims such as ``scan`` is numbered by itself, one after the other.
    connectivity
        Neighbours of a voxel: 6 (across faces), 18 (edges too) or 26 (corners too).
    store
        Folder for the pieces of a lazy mask, kept: the labels are painted from it whenever they are read. By default a
        temporary one (in dask's ``temporary-directory``) that vanishes with the labels; workers on other machines need
        one that they share.
    workers
        Threads; as many as there are processors by default. A client of dask.distributed uses its own workers.

    Returns
    -------
    labels : xarray.DataArray
        Number of the object in each voxel, 0 outside; int32, or uint32 above 2^31 - 1 objects. Objects are numbered
        from 1 in the order of their first voxels (z, then y, then x), whatever the chunks. In memory for a mask in
        memory; lazy, in the chunks of the mask, for a lazy one.
    table : xarray.Dataset
        As :func:`operando.tomo.regions` returns it, from the same pass.

    Raises
    ------
    OperandoError
        If the mask is not bool, the connectivity is another, there are more than 2^32 - 1 objects, or the store
        holds pieces already.

    Notes
    -----
    Two tasks a chunk. The first joins runs of voxels along x to pieces (L. He, Y. Chao, K. Suzuki, IEEE Trans. Image
    Process. 17, 749 (2008), doi:10.1109/TIP.2008.919369), adds up their sums, and keeps the runs and the sides of the
    chunk. Pieces that touch across faces, edges and corners of chunks are then united; the second, lazy one paints the
    runs. Sums are whole numbers, so that the table is the same to the last digit for all chunks. A chunk at work
    takes a byte a voxel in the first pass and 4 in the second, and up to 16 bytes a run of voxels.

    Examples
    --------
    Two boxes:

    >>> import numpy as np
    >>> from operando import tomo
    >>> mask = np.zeros((8, 8, 8), bool)
    >>> mask[1:3, 1:3, 1:3] = mask[5:7, 5:8, 5:7] = True
    >>> labels, table = tomo.label(mask)
    >>> print(table["voxels"].values.tolist())
    [8, 12]
    """
    volume = as_volume(mask, "tomo.label")
    _check(volume, connectivity)
    places = list(np.ndindex(volume.shape[: -len(PLACES)]))
    passes = _in_memory if volume.chunks is None else _lazily
    data, sums = passes(volume.data, places, connectivity, store, workers)
    parameters = {"connectivity": connectivity}
    table = region_table(sums, volume, "tomo.label", parameters)
    labels = described(
        volume.copy(data=data),
        volume,
        name="labels",
        units="1",
        long_name="number of the object, 0 outside",
        step="tomo.label",
        parameters=parameters,
    )
    return labels, table


def _check(volume: xr.DataArray, connectivity: int) -> None:
    if volume.dtype != np.bool_:
        raise OperandoError(f"tomo.label: expected a mask (bool), got {volume.dtype}; compare it first, as in grey > 0")
    if connectivity not in CONNECTIVITIES:
        raise OperandoError(f"tomo.label: expected a connectivity of 6, 18 or 26, got {connectivity}")
    if not volume.size:
        raise OperandoError(f"tomo.label: expected a volume, got one without voxels, {dict(volume.sizes)}")
    voxels_of(volume, "tomo.label")


def _in_memory(
    masks: NDArray[np.bool_], places: list[tuple[int, ...]], connectivity: int, _: Any, workers: int | None
) -> tuple[NDArray[np.integer], list[Sums]]:
    labels = np.empty(masks.shape, np.uint32)
    totals = []
    for at in places:
        grid = grid_of(masks[at])
        store = MemoryStore(grid)
        totals.append(_first_pass(masks[at], grid, store, connectivity, workers))
        each_block(paint_block, [labels[at]], grid, {"store": store}, workers)
    return labels.view(_label_type(totals)), totals


def _lazily(
    masks: Any, places: list[tuple[int, ...]], connectivity: int, where: str | PathLike[str] | None, workers: int | None
) -> tuple[Any, list[Sums]]:
    import dask.array as da

    stores = [open_store(where, number, grid_of(masks[at])) for number, at in enumerate(places)]
    totals = [
        _first_pass(masks[at], store.grid, store, connectivity, workers)
        for at, store in zip(places, stores, strict=True)
    ]
    labels = [_painted(store, _label_type(totals)) for store in stores]
    return labels[0] if masks.ndim == len(PLACES) else da.stack(labels).reshape(masks.shape), totals  # type: ignore[no-untyped-call]


def _first_pass(mask: Any, grid: Grid, store: PieceStore, connectivity: int, workers: int | None) -> Sums:
    settings = {"grid": grid, "store": store, "connectivity": connectivity}
    sums = each_block(find_pieces, [mask], grid, settings, workers)
    numbers = join_pieces(grid, store, sums, connectivity)
    store.put_numbers(numbers)
    members = {block: numbers.of(block).astype(np.int64) - 1 for block in sums}
    return summed(grid, sums, members, numbers.count)


def _painted(store: FolderStore, dtype: type[np.integer[Any]]) -> Any:
    import dask.array as da

    return da.map_blocks(  # type: ignore[no-untyped-call]
        _paint,
        name=f"labels-{uuid4().hex}",
        chunks=store.grid.sizes,
        dtype=dtype,
        meta=np.empty((0, 0, 0), dtype),
        store=store,
        label_type=dtype,
    )


def _paint(block_id: tuple[int, ...], store: FolderStore, label_type: type[np.integer[Any]]) -> NDArray[np.integer]:
    block = three(block_id)
    return paint_block(np.empty(store.grid.extent(block), np.uint32), block, store).view(label_type)


def _label_type(totals: list[Sums]) -> type[np.integer[Any]]:
    """Return int32 where it holds the number of objects of every volume, else uint32."""
    return np.int32 if max(map(len, totals)) <= np.iinfo(np.int32).max else np.uint32
