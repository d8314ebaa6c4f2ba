"""Tortuosity factor of masks larger than memory: slabs on many workers, or in files, solved together exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .conduction_in_slabs import conduct_in_slabs
from .distances import as_mask
from .grids import three
from .layout import PLACES
from .mask_slabs import MULTIPLE, MaskSlab
from .percolation import asked_axes, check_voxels
from .slab_holders import Slabs, SlabsHere, SlabsOfWorkers, cluster, workers_of
from .slab_threads import SlabThreads
from .tortuosity_factors import as_dataset, numbers_of
from .voxels import voxel

_STEP = "tomo.tortuosity_in_slabs"
_VOXELS = 1 << 26
"""Voxels of a slab held here, about, if nothing else is asked for."""


def tortuosity_in_slabs(
    mask: xr.DataArray | NDArray[np.bool_],
    dim: str | Sequence[str] = "z",
    *,
    slabs: int | None = None,
    tol: float = 1e-4,
    store: str | PathLike[str] | None = None,
    workers: int | None = None,
) -> xr.Dataset:
    """Return the tortuosity factor of a mask that no memory holds, cut into slabs across z.

    Parameters
    ----------
    mask
        What conducts, dims (..., z, y, x), cubic voxels, lazy or in memory; read twice for each axis, slab by slab.
    dim
        Axis of transport: ``z``, ``y`` or ``x``, several of them, or ``all``; slabs are cut across z for all.
    slabs
        Thickness of slabs, voxels, rounded up to a multiple of 4. By default each worker of a cluster has one; else
        they have about 7e7 voxels.
    tol
        Relative error of the effective diffusivity at which the solution ends.
    store
        Folder for the slabs where no cluster is used: one at a time is then in memory, and the others in files of 17
        bytes a voxel of the volume, which go in the end. All slabs are in memory without it.
    workers
        Threads here. A client of dask.distributed uses its workers, each of which holds its slabs to the end.

    Returns
    -------
    xarray.Dataset
        As :func:`operando.tomo.tortuosity` returns it of a mask between faces: to the last digit, whatever the slabs,
        of volumes of more than 6 voxels along some axis.

    Raises
    ------
    OperandoError
        If the mask is none, voxels are not cubes, a setting cannot be, the folder cannot be written, or a worker is
        lost.

    Warns
    -----
    OperandoWarning
        If a solution did not converge; its ``tortuosity_factor`` is then no more than a lower bound.

    Notes
    -----
    It is the one multigrid that :func:`operando.tomo.tortuosity` uses, not one on each slab: slabs own the two finest
    levels and hand each other outer planes before every step, so that iterations do not grow with their number. Where
    this is called lie the coarser levels, half a byte for a voxel of the whole. Of its slab a worker holds 18 bytes a
    voxel, and 20 while it begins. An iteration takes seven exchanges of two planes a slab, and hands on a quarter of a
    byte a voxel; in files it reads 37 bytes a voxel and writes 19.
    """
    whole = as_mask(mask, _STEP)
    axes = asked_axes(dim, _STEP)
    check_voxels(whole, _STEP)
    voxel(whole, _STEP).cube(_STEP)
    if not 0 < tol < 1 or (slabs is not None and slabs < 1):
        raise OperandoError(f"{_STEP}: expected a tol within 0 and 1, and slabs from 1 voxel on, got {tol} and {slabs}")
    leading = whole.dims[: -len(PLACES)]
    rows = []
    with SlabThreads(workers) as threads:
        for at in np.ndindex(*(whole.sizes[name] for name in leading)):
            found, filled = [], 0.0
            for name in axes:
                held, offsets = _cut(whole.data[at], PLACES.index(name), slabs, threads, store)
                try:
                    one, filled = conduct_in_slabs(held, offsets, three(whole.shape[-3:]), threads, tol)
                finally:
                    held.close()
                found.append(one)
            rows.append(numbers_of(found, filled, filled, axes))
    ds = as_dataset(rows, whole, axes)
    if isinstance(dim, str) and dim != "all":
        ds = ds.isel(axis=0)
    settings = {"dim": list(axes), "slabs": slabs, "tol": tol}
    return recorded(ds, _STEP, settings, after=xr.Dataset(attrs=whole.attrs))


def _cut(
    mask: Any, axis: int, slabs: int | None, threads: SlabThreads, store: str | PathLike[str] | None
) -> tuple[Slabs, list[int]]:
    """Return the slabs of one volume, and how many planes come before each."""
    shape, client = three(mask.shape), cluster()
    share = math.ceil(shape[0] / len(workers_of(client))) if client else _VOXELS // (shape[1] * shape[2])
    planes = max(1, math.ceil((slabs or share) / MULTIPLE)) * MULTIPLE
    offsets = list(range(0, shape[0], planes))
    parts = [mask[offset : offset + planes] for offset in offsets]
    settings = [(shape, offset, axis) for offset in offsets]
    if client is not None:
        return SlabsOfWorkers(parts, settings, client), offsets
    made = [MaskSlab(part, *given, threads.workers) for part, given in zip(parts, settings, strict=True)]
    return SlabsHere(made, store), offsets
