"""Where a volume holds thin plates, such as cracks: the multi-scale plate filter, and what it gives in pure noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, overload

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import HISTORY, recorded

from . import plate_kernels
from .blocks import over_blocks
from .layout import PLACES
from .results import described
from .voxels import as_volume, voxel

PLATE = np.dtype([("plate", np.float32), ("normal", np.float32, (3,)), ("scale", np.float32)])
SMALLEST = 0.8
TRUNCATED = 4.0
"""Where a Gaussian ends, standard deviations."""

ANY = -1e30
"""Below any smoothed volume, relative to the answer."""

Floats = NDArray[np.float32]


@overload
def plate_filter(
    volume: xr.DataArray | NDArray[np.generic],
    scales: Sequence[float] = ...,
    *,
    bright: bool = ...,
    details: Literal[False] = ...,
) -> xr.DataArray: ...


@overload
def plate_filter(
    volume: xr.DataArray | NDArray[np.generic],
    scales: Sequence[float] = ...,
    *,
    bright: bool = ...,
    details: Literal[True],
) -> xr.Dataset: ...


def plate_filter(
    volume: xr.DataArray | NDArray[np.generic],
    scales: Sequence[float] = (1.0, 2.0, 3.0),
    *,
    bright: bool = False,
    details: bool = False,
) -> xr.DataArray | xr.Dataset:
    """Return how much each voxel looks like the middle of a dark plate, such as a crack.

    Parameters
    ----------
    volume
        Grey values, dims (..., z, y, x), cubic voxels; lazy or in memory.
    scales
        Standard deviations of the Gaussians, voxels, from 0.8; a plate w voxels wide answers most at about w / 2.
    bright
        Look for bright plates in place of dark ones.
    details
        Return also where plates face and at which scale they answered.

    Returns
    -------
    xarray.DataArray or xarray.Dataset
        ``plate``, float32, in the unit of the grey values, dims of the volume: the largest of
        s^2 (e1 - max(abs(e2), abs(e3))) over the scales s, 0 where none is positive; e1 >= e2 >= e3 are the
        eigenvalues of the Hessian of the volume smoothed to scale s, of the negative one for bright plates. With
        ``details`` a Dataset that holds ``plate``,
        ``normal`` (..., z, y, x, axis), the unit vector of e1 with z >= 0, and ``scale`` (voxels); both 0 where
        ``plate`` is 0. A lazy volume gives lazy ones, computed in one pass when asked for together.

    Raises
    ------
    OperandoError
        If dims are lacking, voxels are no cubes or a scale is below 0.8.

    Notes
    -----
    Pre-smoothing and difference stencils together have the variance s^2 along every axis, and the stencils of all six
    second derivatives are k_i k_j (1 - k^2 / 6) to fourth order, so that the answer does not depend on how a plate is
    inclined. The volume is mirrored at its outer faces. Voxels that are not finite leave 0 within reach of a scale.
    The scale normalization is that of T. Lindeberg, Int. J. Comput. Vis. 30, 117 (1998),
    doi:10.1023/A:1008097225773. Results are the same to the last bit whatever the chunks.

    Examples
    --------
    A dark plane stands out:

    >>> import numpy as np
    >>> from operando import tomo
    >>> volume = np.full((24, 24, 24), 100.0)
    >>> volume[12] = 0
    >>> answer = tomo.plate_filter(volume)
    >>> print(bool(answer[12, 12, 12] > 10 * answer[4, 12, 12]))
    True
    """
    grey = as_volume(volume, "plate_filter")
    voxel(grey, "plate_filter").cube("plate_filter")
    scales = checked_scales(scales, "plate_filter")
    factors = tuple((-1.0 if bright else 1.0) * scale**2 for scale in scales)
    parameters = {"scales": scales, "bright": bright}
    settings = {"scales": scales, "factors": factors}
    about = {
        "name": "plate",
        "units": str(grey.attrs.get("units", "1")),
        "long_name": f"answer of the filter for {'bright' if bright else 'dark'} plates",
        "step": "tomo.plate_filter",
    }
    if not details:
        found = over_blocks(plate_responses, grey, margin=margin(scales), dtype=np.float32, **settings)
        return described(found, grey, parameters=parameters, **about)
    found = over_blocks(plate_details, grey, margin=margin(scales), dtype=PLATE, **settings)
    plate = described(found.copy(data=found.data["plate"]), grey, parameters=parameters, **about)
    return _dataset(grey, plate, found, parameters)


def checked_scales(scales: Sequence[float], step: str) -> tuple[float, ...]:
    """Return scales as numbers.

    Raises
    ------
    OperandoError
        If there is none or one is too small for the stencils.
    """
    numbers = tuple(float(scale) for scale in scales)
    if not numbers or not min(numbers) >= SMALLEST or not math.isfinite(max(numbers)):
        raise OperandoError(f"{step}: expected scales of {SMALLEST} voxels or more, got {list(numbers)}")
    return numbers


def margin(scales: Sequence[float]) -> int:
    """Return how far the filter looks away from a voxel, voxels."""
    return max(half_gauss(presmoothing(scale)).size for scale in scales) - 1 + plate_kernels.REACH


def presmoothing(scale: float) -> float:
    """Return the standard deviation of the Gaussian before the stencils, so that both together have a scale."""
    return math.sqrt(scale**2 - plate_kernels.STENCIL_VARIANCE)


def half_gauss(sigma: float) -> Floats:
    """Return the middle and one half of a normalized Gaussian kernel."""
    bell = np.exp(-0.5 * (np.arange(round(TRUNCATED * sigma + 0.5) + 1) / sigma) ** 2)
    half: Floats = (bell / (bell[0] + 2 * bell[1:].sum())).astype(np.float32)
    return half


def plate_responses(
    block: NDArray[np.generic], *, scales: tuple[float, ...], factors: tuple[float, ...]
) -> NDArray[np.generic]:
    """Return the largest of factor (e1 - max(|e2|, |e3|)) over the scales, dims (z, y, x), float32."""
    grey = np.ascontiguousarray(block, np.float32)
    best = np.zeros(grey.shape, np.float32)
    no_normal, no_scale = np.empty((0, 0, 0, 3), np.float32), np.empty((0, 0, 0), np.uint8)
    no_planarity = np.empty((0, 0, 0), np.float32)
    for number, (scale, factor) in enumerate(zip(scales, factors, strict=True)):
        weights = half_gauss(presmoothing(scale))
        plate_kernels.plate_response(
            grey, weights, factor, ANY, number, (0, 0), best, no_normal, no_scale, no_planarity
        )
    return best


def plate_details(
    block: NDArray[np.generic], *, scales: tuple[float, ...], factors: tuple[float, ...]
) -> NDArray[np.generic]:
    """Return records of answer, normal and scale, dims (z, y, x)."""
    best, normal, number_of, _ = directed_responses(block, scales, factors)
    found = np.empty(best.shape, PLATE)
    found["plate"], found["normal"] = best, normal
    found["scale"] = np.array([0.0, *scales], np.float32)[number_of]
    return found


def directed_responses(
    block: NDArray[np.generic],
    scales: tuple[float, ...],
    factors: tuple[float, ...],
    rows: tuple[slice, slice] | None = None,
    *,
    least: float = ANY,
) -> tuple[Floats, Floats, NDArray[np.uint8], Floats]:
    """Return answer, normal, number of the scale from 1, and planarity 1 - max(abs(e2), abs(e3)) / e1.

    They are those of ``rows`` of the block along z and y, by default of all. Bright plates answer only where the
    smoothed block is at least ``least`` s^2 (e1 - max(|e2|, |e3|)): a thin sheet has 1, the flank of a dark one 0.
    """
    grey = np.ascontiguousarray(block, np.float32)
    along_z, along_y = rows or (slice(0, grey.shape[0]), slice(0, grey.shape[1]))
    corner = along_z.start, along_y.start
    shape = (along_z.stop - along_z.start, along_y.stop - along_y.start, grey.shape[2])
    best, number_of = np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
    normal, planarity = np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32)
    for number, (scale, factor) in enumerate(zip(scales, factors, strict=True), 1):
        weights = half_gauss(presmoothing(scale))
        bound = least * scale**2 / abs(factor)
        plate_kernels.plate_response(grey, weights, factor, bound, number, corner, best, normal, number_of, planarity)
    return best, normal, number_of, planarity


def _dataset(grey: xr.DataArray, plate: xr.DataArray, found: xr.DataArray, parameters: dict[str, object]) -> xr.Dataset:
    ds = plate.to_dataset()
    normal = {"units": "1", "long_name": "direction that plates face"}
    ds["normal"] = ((*grey.dims, "axis"), found.data["normal"], normal)
    ds["scale"] = (grey.dims, found.data["scale"], {"units": "px", "long_name": "scale at which plates answer most"})
    ds = ds.assign_coords(axis=("axis", np.array(PLACES, dtype=object)))
    history = xr.Dataset(attrs={HISTORY: grey.attrs[HISTORY]} if HISTORY in grey.attrs else {})
    return recorded(ds, "tomo.plate_filter", parameters, after=history)
