"""Refuse a step on a volume that this machine's memory cannot hold, before it starts."""

from __future__ import annotations

import psutil  # type: ignore[import-untyped]
import xarray as xr

from operando.pipelines.scratch import IN_MEMORY


def affordable(volume: xr.DataArray, *operations: str) -> xr.DataArray:
    """Return a volume on which every one of the operations fits into the memory that is free.

    Volumes of up to 256 MiB are not asked about.

    Raises
    ------
    OperandoError
        If one does not fit, with what it would take and what to do.
    """
    if volume.nbytes <= IN_MEMORY:
        return volume
    from dask.system import CPU_COUNT

    from operando import tomo

    chunks = volume.data.chunksize[-3:] if volume.chunks is not None else None
    free = float(psutil.virtual_memory().available)
    for operation in operations:
        needed = tomo.cost(operation, volume.shape[-3:], dtype=volume.dtype, chunks=chunks, workers=CPU_COUNT)
        tomo.check_cost(needed, free)
    return volume
