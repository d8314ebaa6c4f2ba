"""Geodesic tortuosity: how much longer the shortest ways through a phase are than the way straight across."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from os import PathLike
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .distances import as_mask
from .each_volume import as_dims, dataset, of_each_volume
from .grids import grid_of
from .layout import PLACES
from .piece_store import open_folder
from .results import described
from .subvolumes import HALVES, SUBVOLUMES, spread_of_mean
from .voxels import voxel
from .way_blocks import WayStore, from_face, from_layer, lazy_field

_PREFIX = "operando-ways-"

Field = NDArray[np.float64]
Mask = xr.DataArray | NDArray[np.bool_]


def geodesic_distance(
    mask: Mask, dim: str = "z", start: Literal["first", "last"] = "first", store: str | PathLike[str] | None = None
) -> xr.DataArray:
    """Return how long the shortest way within a mask is from an outer layer of voxels to each voxel.

    Parameters
    ----------
    mask
        Dims (..., z, y, x); cubic voxels. A lazy one is worked on in its chunks, at once; a block at work takes about
        20 bytes a voxel. One in memory takes about 10 a voxel, the result among them.
    dim
        Dim across the layer.
    start
        Whether ways start in the first or the last layer along ``dim``.
    store
        Folder for the distances of a lazy mask, 8 bytes a voxel, that all workers reach; by default a temporary one
        that goes with the result.

    Returns
    -------
    xarray.DataArray
        Length from middle to middle, um (px), float64; inf where no way leads, NaN outside the mask.

    Raises
    ------
    OperandoError
        If the mask is none, voxels are not cubes, or the dim is none of z, y, x.

    Notes
    -----
    |grad u| = 1, u = 0 in the layer, solved on the 48 tetrahedra that lead from a voxel to its 26 neighbors: u is the
    least of u(p) + |x - p| over the points p of all triangles of neighbors, with u linear in each (F. Bornemann, C.
    Rasch, Comput. Vis. Sci. 9, 57 (2006), doi:10.1007/s00791-006-0016-y). Voxels are settled from near to far in layers
    of 1/sqrt(3) voxel (J. N. Tsitsiklis, IEEE Trans. Autom. Control 40, 1528 (1995), doi:10.1109/9.412624). Ways pass
    from voxel to voxel through faces, or at edges and corners where the voxels between belong to the mask, too.

    Plane fronts, and ways straight along a voxel's 26 directions, are exact. Beyond a corner or a hole of one voxel
    ways fan out and come out too long, by 0.35 voxel after 3 voxels, 0.5 after 10, 0.7 after 40 at most and by 0.6 of
    that on average; along the stairs of a slanted wall by 1 % at most. Chamfer distances on 26 neighbors stay too long
    by up to 13 % at any length.

    Examples
    --------
    >>> import numpy as np
    >>> from operando import tomo
    >>> channel = np.zeros((10, 6, 6), bool)
    >>> channel[:, 2:4, 2:4] = True
    >>> print(tomo.geodesic_distance(channel, "z")[:, 2, 2].values[:3].tolist())
    [0.0, 1.0, 2.0]
    """
    volume = as_mask(mask, "tomo.geodesic_distance")
    axis = PLACES.index(as_dims(dim, "tomo.geodesic_distance")[0])
    size = voxel(volume, "tomo.geodesic_distance")
    edge = size.cube("tomo.geodesic_distance")
    if start not in ("first", "last"):
        raise OperandoError(f"tomo.geodesic_distance: expected start = 'first' or 'last', got {start!r}")
    shape = volume.shape[: -len(PLACES)]
    field = partial(_field, axis=axis, last=start == "last", edge=edge, store=store)
    parts = [field(volume[at], name=f"volume_{n}") for n, at in enumerate(np.ndindex(shape))]
    away = volume.copy(data=parts[0] if not shape else _stacked(parts, volume))
    away.attrs = {}
    return described(
        away,
        volume,
        name="geodesic_distance",
        units=size.units,
        long_name=f"shortest way within the mask from the {start} layer along {dim}",
        step="tomo.geodesic_distance",
        parameters={"dim": dim, "start": start},
    )


def geodesic_tortuosity(
    mask: Mask, dims: str | Sequence[str] = PLACES, store: str | PathLike[str] | None = None
) -> xr.Dataset:
    """Return how much longer the shortest ways through a phase are than the way straight across the volume.

    Parameters
    ----------
    mask
        The phase, dims (..., z, y, x); cubic voxels, lazy or in memory.
    dims
        Directions, of z, y, x.
    store
        Folder for what lazy masks need, as :func:`geodesic_distance` takes it; by default temporary ones.

    Returns
    -------
    xarray.Dataset
        Dims (..., axis). ``tau_geodesic``: mean of u/L over the voxels of the phase in the last layer that ways lead
        to, u the :func:`geodesic_distance` from the first, L the distance of the layers; inf where no way leads
        through, with ``reason``. ``tau_geodesic_std``: how far it may lie from that of the material, from the
        differences of the parts of the last layer (:func:`operando.tomo.subvolumes.spread_of_mean`).
        ``tau_geodesic_spread``: standard deviation of u/L over these voxels, ``tau_geodesic_shortest`` the least.
        ``reached``: share of the phase in the last layer that ways lead to.

    Raises
    ------
    OperandoError
        If the mask is none or has one layer only, voxels are not cubes, or a dim is none of z, y, x.

    Notes
    -----
    O. Stenzel, O. Pecho, L. Holzer, M. Neumann, V. Schmidt, AIChE J. 62, 1834 (2016), doi:10.1002/aic.15160. It is a
    length over a length; the tortuosity factor of transport is another number, and larger. Its discretization makes it
    too large by about 0.5 voxel over the distance between bends, see :func:`geodesic_distance`.

    Examples
    --------
    >>> import numpy as np
    >>> from operando import tomo
    >>> channel = np.zeros((10, 6, 6), bool)
    >>> channel[:, 2:4, 2:4] = True
    >>> print(tomo.geodesic_tortuosity(channel, "z")["tau_geodesic"].values.tolist())
    [1.0]
    """
    step = "tomo.geodesic_tortuosity"
    volume = as_mask(mask, step)
    voxel(volume, step).cube(step)
    names = as_dims(dims, step)
    short = [name for name in names if volume.sizes[name] < 2]
    if short:
        raise OperandoError(f"{step}: expected two layers or more along {short[0]}, got {dict(volume.sizes)}")
    ds = of_each_volume(partial(_tortuosities, dims=names, store=store, numbers=count()), volume)
    return recorded(ds, step, {"dims": names}, after=xr.Dataset(attrs=volume.attrs))


def _stored(mask: xr.DataArray, axis: int, last: bool, store: str | PathLike[str] | None, name: str) -> WayStore:
    found = WayStore(grid_of(mask.data), open_folder(store, name, _PREFIX), temporary=store is None)
    from_face(mask, axis, last=last, store=found)
    return found


def _field(
    mask: xr.DataArray, *, axis: int, last: bool, edge: float, store: str | PathLike[str] | None, name: str
) -> Any:
    """Return the distances of a volume in its unit, NaN outside the mask."""
    if mask.chunks is not None:
        import dask.array as da

        return da.where(mask.data, lazy_field(_stored(mask, axis, last, store, name)) * edge, np.nan)
    inside = mask.to_numpy()
    away = from_layer(inside, axis, mask.shape[axis] - 1 if last else 0)
    away *= edge
    away[~inside] = np.nan
    return away


def _stacked(parts: list[Any], volume: xr.DataArray) -> Any:
    if volume.chunks is None:
        return np.stack(parts).reshape(volume.shape)
    import dask.array as da

    return da.stack(parts).reshape(volume.shape)  # type: ignore[no-untyped-call]


def _last_layer(mask: xr.DataArray, axis: int, store: str | PathLike[str] | None, name: str) -> Field:
    """Return the distances (edges of a voxel) of the voxels of the last layer from the first one."""
    if mask.chunks is None:
        return from_layer(mask.to_numpy(), axis, 0).take([-1], axis).squeeze(axis)
    found = _stored(mask, axis, False, store, name)
    across = [number for number in range(len(PLACES)) if number != axis]
    layer = np.empty([mask.shape[number] for number in across])
    for block in found.grid.layer(axis, found.grid.counts[axis] - 1):
        part = found.grid.part(block)
        layer[part[across[0]], part[across[1]]] = found.plane(block, axis, last=True)
    return layer


def _tortuosities(
    mask: xr.DataArray, dims: tuple[str, ...], store: str | PathLike[str] | None, numbers: Iterator[int]
) -> xr.Dataset:
    number = next(numbers)
    rows, reasons = [], []
    for dim in dims:
        axis = PLACES.index(dim)
        inside = mask.isel({dim: -1}).to_numpy()
        length = _last_layer(mask, axis, store, f"volume_{number}_{dim}") / (mask.shape[axis] - 1)
        rows.append(_statistics(length, inside))
        reasons.append("" if rows[-1][4] > 0 else f"no way leads through along {dim}")
    tau, std, spread, least, reached = np.array(rows).T
    axis_dim = ("axis",)
    return dataset(
        {
            "tau_geodesic": (axis_dim, tau, "1", "geodesic tortuosity, mean over the last layer"),
            "tau_geodesic_std": (axis_dim, std, "1", "its standard deviation over volumes of the material"),
            "tau_geodesic_spread": (axis_dim, spread, "1", "standard deviation of ways over the last layer"),
            "tau_geodesic_shortest": (axis_dim, least, "1", "geodesic tortuosity of the shortest way"),
            "reached": (axis_dim, reached, "1", "share of the last layer that ways lead to"),
            "reason": (axis_dim, np.array(reasons, dtype=object), "", "why there is no way"),
        },
        {"axis": (axis_dim, np.array(dims, dtype=object), "", "direction")},
    )


def _statistics(ratio: Field, inside: NDArray[np.bool_]) -> tuple[float, float, float, float, float]:
    """Return mean, its uncertainty, spread and least of ratios, and the share of voxels that are reached."""
    there = inside & np.isfinite(ratio)
    if not there.any():
        return np.inf, np.nan, np.nan, np.inf, 0.0
    edges = [np.linspace(0, size, HALVES * SUBVOLUMES + 1).astype(int)[:-1] for size in ratio.shape]
    whole, weight = (
        np.add.reduceat(np.add.reduceat(values, edges[0], 0), edges[1], 1)[np.newaxis]
        for values in (np.where(there, ratio, 0.0), there.astype(np.float64))
    )
    found = ratio[there]
    std = float(spread_of_mean(whole, weight))
    return float(found.mean()), std, float(found.std()), float(found.min()), float(there.sum() / inside.sum())
