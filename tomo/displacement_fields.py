"""Displacements at the voxels of a volume, from those at the nodes of a volume correlation."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError

from .layout import PLACES
from .results import described
from .voxels import as_volume, voxel

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

_STEP = "displacement_field"
_TURNS = 4
"""Corrections of where a voxel came from: each leaves a share |F - 1| of the error."""


def displacement_field(found: xr.Dataset, volume: xr.DataArray) -> xr.DataArray:
    """Return how far what lies at each voxel of a moved volume has come since the reference.

    v(x) = u(x - v(x)), u linear between the nodes and beyond the outermost ones. It is what
    :func:`~operando.tomo.track` takes, put together along ``scan``.

    Parameters
    ----------
    found
        What :func:`~operando.tomo.correlate` returns for one volume; nodes that are NaN take the nearest one's.
    volume
        The moved volume, or its labels, dims (z, y, x); the field of a lazy one is lazy.

    Returns
    -------
    xarray.DataArray
        Dims (axis, z, y, x), float32, in the unit of the displacement.

    Raises
    ------
    OperandoError
        If ``found`` has no displacement at nodes (z, y, x), or is in another unit than the volume.

    Notes
    -----
    The equation is the definition of a displacement as seen from where something has come to.
    """
    seen = as_volume(volume, _STEP)
    if "displacement" not in found or set(found["displacement"].dims) != {*PLACES, "axis"}:
        got = tuple(found["displacement"].dims) if "displacement" in found else "none"
        raise OperandoError(f"{_STEP}: expected the displacement of one volume, dims z, y, x and axis, got {got}")
    size = voxel(seen, _STEP)
    unit = found["displacement"].attrs.get("units", size.units)
    if unit != size.units or seen.ndim != len(PLACES):
        raise OperandoError(f"{_STEP}: expected one volume in {unit}, got dims {tuple(seen.dims)} in {size.units}")
    nodes = _whole(found["displacement"].transpose("axis", *PLACES).to_numpy())
    origin = np.array([float(found[name][0]) for name in PLACES])
    apart = np.array([_apart(found[name].to_numpy(), edge) for name, edge in zip(PLACES, size.edges, strict=True)])
    first = np.array(
        [
            float(seen[name][0]) if name in seen.coords else 0.5 * edge
            for name, edge in zip(PLACES, size.edges, strict=True)
        ]
    )
    # Nodes have got one more on every side, so that the field goes on beyond them.
    how = {"nodes": nodes, "origin": origin - apart, "apart": apart, "first": first, "edges": np.array(size.edges)}
    data = _lazy(seen.data, how) if seen.chunks is not None else field_part(np.zeros(3, np.int64), seen.shape, **how)
    result = xr.DataArray(
        data, dims=("axis", *PLACES), coords={name: seen[name] for name in PLACES if name in seen.coords}
    )
    return described(
        result.assign_coords(axis=np.array(PLACES, dtype=object)),
        found,
        name="displacement",
        units=size.units,
        long_name="displacement since the reference of what lies here",
        step=f"tomo.{_STEP}",
        parameters={},
    )


def _apart(places: Floats, edge: float) -> float:
    return float(places[1] - places[0]) if places.size > 1 else edge


def _whole(nodes: Floats) -> Floats:
    """Return displacements (axis, z, y, x) without NaN, continued by a node on every side along a straight line."""
    from scipy import ndimage

    lost = np.isnan(nodes).any(axis=0)
    if lost.all():
        raise OperandoError(f"{_STEP}: expected nodes with displacements, got none")
    if lost.any():
        nearest = ndimage.distance_transform_edt(lost, return_distances=False, return_indices=True)
        nodes = nodes[(slice(None), *nearest)]
    for axis in range(1, 4):
        if nodes.shape[axis] == 1:
            nodes = np.repeat(nodes, 3, axis=axis)
            continue
        ends = [2 * nodes.take([a], axis) - nodes.take([b], axis) for a, b in ((0, 1), (-1, -2))]
        nodes = np.concatenate([ends[0], nodes, ends[1]], axis=axis)
    return nodes


def _lazy(array: Any, how: dict[str, Any]) -> Any:
    import dask.array as da

    return da.map_blocks(  # type: ignore[no-untyped-call]
        _of_chunk,
        array,
        dtype=np.float32,
        chunks=((3,), *array.chunks),
        new_axis=[0],
        meta=np.empty((0,) * 4, np.float32),
        how=how,
    )


def _of_chunk(block: NDArray[Any], how: dict[str, Any], block_info: Any = None) -> Singles:
    begin = np.array([low for low, _ in block_info[0]["array-location"]], np.int64)
    return field_part(begin, block.shape, **how)


def field_part(
    begin: NDArray[np.int64],
    shape: tuple[int, ...],
    *,
    nodes: Floats,
    origin: Floats,
    apart: Floats,
    first: Floats,
    edges: Floats,
) -> Singles:
    """Return the field (axis, z, y, x) of the voxels from one on."""
    from scipy import ndimage

    index = np.indices(shape).reshape(3, -1) + begin[:, np.newaxis]
    place = first[:, np.newaxis] + index * edges[:, np.newaxis]
    come = np.zeros_like(place)
    for _ in range(_TURNS):
        at = (place - come - origin[:, np.newaxis]) / apart[:, np.newaxis]
        come = np.array([ndimage.map_coordinates(one, at, order=1, mode="nearest") for one in nodes])
    return come.reshape(3, *shape).astype(np.float32)
