"""What a step would make of the slice that is shown, before it is applied: only what the slice depends on is read."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando import tomo
from operando.tomo.blocks import threads_at_hand
from operando.tomo.layout import PLACES
from operando.tomo.plate_kernels import plate_response
from operando.tomo.plates import ANY, checked_scales, half_gauss, margin, presmoothing
from operando.tomo.voxels import as_volume, voxel

Floats = NDArray[np.float32]


def segment_slice(
    volume: xr.DataArray, dim: str, at: int, thresholds: Sequence[float], names: Sequence[str] | None = None
) -> xr.DataArray:
    """Return the phases of one slice across ``dim``, as :func:`operando.tomo.segment` has them in the whole volume."""
    return tomo.segment(volume.isel({dim: slice(at, at + 1)}), thresholds, names).compute().isel({dim: 0})


def plate_slice(
    volume: xr.DataArray, dim: str, at: int, scales: Sequence[float] = (1.0, 2.0, 3.0), *, bright: bool = False
) -> xr.DataArray:
    """Return the answer of the plate filter in one slice, as :func:`operando.tomo.plate_filter` has it in the volume.

    Parameters
    ----------
    volume
        Grey values, dims (z, y, x), cubic voxels; of a lazy one only the slices within the filter's reach are read.
    dim, at
        The dim that the slice lies across, and its place.
    scales, bright
        Of the filter.

    Returns
    -------
    xarray.DataArray
        ``plate``, the two other dims, float32, in the unit of the grey values. The same to the last bit across ``z``;
        across the others sums run in another order.

    Raises
    ------
    OperandoError
        As the filter does.
    """
    grey = as_volume(volume, "plate_filter")
    voxel(grey, "plate_filter").cube("plate_filter")
    wanted = checked_scales(scales, "plate_filter")
    reach = margin(wanted)
    first = max(0, at - reach)
    slab = grey.isel({dim: slice(first, at + reach + 1)}).transpose(dim, *(name for name in PLACES if name != dim))
    values = np.ascontiguousarray(slab.to_numpy(), np.float32)
    found = slab.isel({dim: at - first}).copy(data=_responses(values, at - first, wanted, bright=bright))
    units = {"units": str(grey.attrs.get("units", "1")), "long_name": "answer of the filter for plates"}
    found.attrs = units
    return found.rename("plate")


def _responses(slab: Floats, plane: int, scales: tuple[float, ...], *, bright: bool) -> Floats:
    """Return the answers in one plane of a slab, in strips of rows on as many threads as dask would use."""
    reach, height = margin(scales), slab.shape[1]
    whole = np.zeros(slab.shape[1:], np.float32)
    ends = np.linspace(0, height, threads_at_hand() + 1).astype(int)

    def strip(start: int, stop: int) -> None:
        low, high = max(0, start - reach), min(height, stop + reach)
        part = np.ascontiguousarray(slab[:, low:high])
        best = np.zeros((1, stop - start, slab.shape[2]), np.float32)
        nothing = np.empty((0, 0, 0, 3), np.float32), np.empty((0, 0, 0), np.uint8), np.empty((0, 0, 0), np.float32)
        for number, scale in enumerate(scales):
            factor = (-1.0 if bright else 1.0) * scale**2
            weights = half_gauss(presmoothing(scale))
            plate_response(part, weights, factor, ANY, number, (plane, start - low), best, *nothing)
        whole[start:stop] = best[0]

    parts = [(int(start), int(stop)) for start, stop in pairwise(ends) if stop > start]
    with ThreadPoolExecutor(len(parts) or 1) as pool:
        list(pool.map(lambda part: strip(*part), parts))
    return whole
