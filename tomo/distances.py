"""Distance of every voxel of a mask to what lies outside it."""

from __future__ import annotations

import math
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError

from .blocks import over_blocks
from .layout import PLACES
from .parabolas import along_x, lower_along_y, lower_along_z, squared_distances
from .results import described
from .voxels import as_volume, voxel
from .windows import over_windows

_Z, _Y, _X = -3, -2, -1


def as_mask(mask: xr.DataArray | NDArray[np.bool_], step: str) -> xr.DataArray:
    """Return a mask with named dims, z, y, x last.

    Raises
    ------
    OperandoError
        If it is no volume or its values are not true and false.
    """
    volume = as_volume(mask, step)
    if volume.dtype != np.bool_:
        raise OperandoError(
            f"{step}: expected a mask of true and false, got values of type {volume.dtype}; such as labels == 1"
        )
    return volume


def distance(mask: xr.DataArray | NDArray[np.bool_], cap: float | None = None) -> xr.DataArray:
    """Return the Euclidean distance of every voxel of a mask to the nearest voxel outside, middle to middle.

    Parameters
    ----------
    mask
        Dims (..., z, y, x); voxels may be longer along one dim than along another.
    cap
        Distance (um, px without coordinates) from which on it does not matter: longer ones read ``cap``. A lazy mask
        is then worked on in its own chunks, each with a margin of ``cap``; without it, chunks are joined along one dim
        after the other.

    Returns
    -------
    xarray.DataArray
        Distance, um (px), float32; 0 outside the mask, inf where a volume has nothing outside. It is exact. What lies
        beyond the faces of the volume counts as neither inside nor outside.

    Raises
    ------
    OperandoError
        If the mask is none, or ``cap`` is not positive.

    Notes
    -----
    Lower envelopes of parabolas along x, y and z: P. F. Felzenszwalb, D. P. Huttenlocher, Theory Comput. 8, 415 (2012),
    doi:10.4086/toc.2012.v008a019. The interface itself lies about half a voxel nearer than the voxels beyond it.

    Examples
    --------
    Voxels from the middle of a slab of five to what surrounds it:

    >>> import numpy as np
    >>> from operando import tomo
    >>> slab = np.zeros((9, 5, 5), bool)
    >>> slab[2:7] = True
    >>> print(float(tomo.distance(slab)[4, 2, 2]))
    3.0
    """
    volume = as_mask(mask, "tomo.distance")
    size = voxel(volume, "tomo.distance")
    if cap is not None and not 0 < cap < math.inf:
        raise OperandoError(f"tomo.distance: expected a cap above 0 {size.units}, got {cap:g}")
    if cap is not None:
        z, y, x = (math.ceil(cap / edge) for edge in size.edges)
        margin = (z, y, x)
        if volume.chunks is None:
            found = over_blocks(capped, volume, margin=margin, dtype=np.float32, edges=size.edges, cap=cap)
        else:
            found = _capped_lazily(volume, margin, size.edges, cap)
    elif volume.chunks is None:
        found = by_volume(capped, volume, dtype=np.float32, edges=size.edges, cap=math.inf)
    else:
        found = volume.copy(data=_joined_along_each(volume.data, size.edges)).drop_attrs()
    return described(
        found,
        volume,
        name="distance",
        units=size.units,
        long_name="distance to the nearest voxel outside",
        step="tomo.distance",
        parameters={"cap": cap},
    )


def capped(block: NDArray[np.bool_], edges: tuple[float, float, float], cap: float) -> NDArray[np.float32]:
    """Return the distance to the nearest voxel outside, at most ``cap``, of a whole array."""
    squared = squared_distances(np.ascontiguousarray(block), *edges)
    np.sqrt(squared, out=squared)
    return np.minimum(squared, np.float32(cap), out=squared)


def _capped_lazily(
    volume: xr.DataArray, margin: tuple[int, int, int], edges: tuple[float, float, float], cap: float
) -> xr.DataArray:
    within = over_windows(_capped_within, volume.data, margin, dtype=np.float32, edges=edges, cap=cap)
    return volume.copy(data=within).drop_attrs()


def _capped_within(
    window: NDArray[np.bool_], kept: tuple[slice, ...], *, edges: tuple[float, float, float], cap: float
) -> NDArray[np.float32]:
    """Return what ``capped`` gives of a block with margins, without these: they go as soon as a pass has seen them."""
    z, y, x = kept[_Z:]
    squared = np.ascontiguousarray(along_x(window.reshape(window.shape[_Z:]), edges[_X])[:, :, x])
    lower_along_y(squared, edges[_Y])
    squared = np.ascontiguousarray(squared[:, y])
    lower_along_z(squared, edges[_Z])
    found = np.sqrt(squared[z])
    np.minimum(found, np.float32(cap), out=found)
    return found.reshape(*window.shape[:_Z], *found.shape)


def by_volume(kernel: Any, volume: xr.DataArray, *, dtype: Any, **settings: Any) -> xr.DataArray:
    """Return ``kernel(block, **settings)`` of every whole volume of a stack in memory, several at once."""
    whole = volume.chunk(dict.fromkeys(PLACES, -1))
    return over_blocks(kernel, whole, margin=0, dtype=dtype, **settings).compute(scheduler="threads")


def _joined_along_each(mask: da.Array, edges: tuple[float, float, float]) -> da.Array:
    """Return distances of a lazy mask: each pass sees the volume whole along its dim and in the mask's chunks else."""
    chunks, last = mask.chunks, mask.ndim
    found = mask
    for axis, edge in zip((_X, _Y, _Z), reversed(edges), strict=True):
        at = last + axis
        parts = tuple((sum(sizes),) if number == at else sizes for number, sizes in enumerate(chunks))
        found = found.rechunk(parts).map_blocks(  # type: ignore[no-untyped-call]
            _pass, axis=axis, edge=edge, dtype=np.float32, meta=np.empty((0,) * last, np.float32)
        )
    whole: da.Array = da.sqrt(found).rechunk(chunks)
    return whole


def _pass(block: NDArray[Any], axis: int, edge: float) -> NDArray[np.float32]:
    lowered = np.empty(block.shape, np.float32)
    for place in np.ndindex(block.shape[:_Z]):
        if axis == _X:
            lowered[place] = along_x(np.ascontiguousarray(block[place]), edge)
        else:
            lowered[place] = block[place]
            (lower_along_y if axis == _Y else lower_along_z)(lowered[place], edge)
    return lowered
