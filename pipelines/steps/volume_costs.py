"""Refuse a step on a volume that this machine's memory cannot hold, before it starts."""

from __future__ import annotations

from typing import Any

import psutil  # type: ignore[import-untyped]
import xarray as xr

from operando.pipelines.scratch import IN_MEMORY

_ROWS = 8
"""Rows of the detector whose slices are made together."""


def affordable(volume: xr.DataArray, *operations: str) -> xr.DataArray:
    """Return a volume on which every one of the operations fits into the memory that is free.

    Volumes of up to 256 MiB are not asked about.

    Raises
    ------
    OperandoError
        If one does not fit, with what it would take and what to do.
    """
    if volume.nbytes > IN_MEMORY:
        chunks = volume.data.chunksize[-3:] if volume.chunks is not None else None
        for operation in operations:
            _require(operation, volume.shape[-3:], dtype=volume.dtype, chunks=chunks)
    return volume


def affordable_slices(projections: xr.DataArray, size: int | None) -> None:
    """Refuse projections (angle, y, x) whose slices of ``size`` voxels a side the free memory cannot hold.

    Raises
    ------
    OperandoError
        With what it would take and what to do.
    """
    if projections.nbytes > IN_MEMORY:
        across = size or projections.sizes["x"]
        shape, angles = (projections.sizes["y"], across, across), projections.sizes["angle"]
        _require("reconstruct", shape, dtype=projections.dtype, chunks=(_ROWS, across, across), angles=angles)


def _require(operation: str, shape: tuple[int, ...], **about: Any) -> None:
    from dask.system import CPU_COUNT

    from operando import tomo

    needed = tomo.cost(operation, shape, **about, workers=CPU_COUNT)
    tomo.check_cost(needed, float(psutil.virtual_memory().available))
