"""Thresholds that follow the grey levels around each voxel, where brightness drifts through the volume."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

from operando.errors import OperandoError

from .blocks import over_blocks
from .counted_voxels import Array, as_mask, kept_slices, native
from .layout import PLACES
from .results import described
from .voxels import as_volume

STEP = "tomo.threshold_local"

_REACH = 4.0
"""Standard deviations to which a Gaussian window reaches."""

_PER_SIGMA = 6.0
"""Standard deviations that the stated size of a Gaussian window holds."""


def threshold_local(
    volume: xr.DataArray | Array,
    size: int,
    *,
    method: Literal["gaussian", "mean"] = "gaussian",
    offset: float = 0.0,
    mask: xr.DataArray | Array | None = None,
) -> xr.DataArray:
    """Return, for every voxel, the weighted mean of the grey levels around it, less an offset.

    A voxel belongs to the bright phase where it is greater: ``volume > threshold_local(volume, 51)``.

    Parameters
    ----------
    volume
        Grey levels, dims (..., z, y, x); a lazy volume stays lazy.
    size
        Edge of the window, an odd number of voxels; larger than what is to be told from its surroundings.
    method
        ``gaussian``: standard deviation (size - 1)/6 along each dim; ``mean``: every voxel of the cube alike.
    offset
        In the unit of the grey levels.
    mask
        Voxels that count, truth values, dims (z, y, x) or those of the volume.

    Returns
    -------
    xarray.DataArray
        ``local_threshold`` (..., z, y, x), float32, in the unit of the volume; NaN where no voxel within reach counts.

    Raises
    ------
    OperandoError
        If the size is no odd number from 3, the method is unknown, or the mask does not fit.

    Notes
    -----
    T = w * (m g) / w * m - offset, with the window w and m = 1 for voxels that count: those of the mask, finite, in
    slices that are not missing, saturated or surplus in ``frame_flag``. Levels are mirrored at the outer faces.

    H. Knutsson, C.-F. Westin, Proc. CVPR, 515 (1993).

    Examples
    --------
    >>> import numpy as np
    >>> from operando import tomo
    >>> grey = np.random.default_rng(1).normal(100, 5, (16, 32, 32)).round().astype("u2")
    >>> grey[:, :, 16:] += 100
    >>> print(tomo.threshold_local(grey, 15).shape)
    (16, 32, 32)
    """
    grey = as_volume(volume, STEP)
    cover = as_mask(mask, grey, STEP)
    if size < 3 or size % 2 == 0 or method not in ("gaussian", "mean"):
        raise OperandoError(f"{STEP}: expected an odd size from 3 and 'gaussian' or 'mean', got {size} and {method!r}")
    kept = kept_slices(grey)
    complete = cover is None and grey.dtype.kind in "iub" and bool(kept.all())
    if not complete:
        grey = grey.where(kept if cover is None else kept & cover)
    sigma = (size - 1) / _PER_SIGMA
    reach = size // 2 if method == "mean" else int(_REACH * sigma + 0.5)
    margin = tuple(min(reach, grey.sizes[name]) for name in PLACES)
    settings = {"weights": window(method, size), "complete": complete, "offset": offset}
    found = over_blocks(_smoothed, grey, margin=margin, dtype=np.float32, **settings)  # type: ignore[arg-type]
    return described(
        found,
        grey,
        name="local_threshold",
        units=str(grey.attrs.get("units", "1")),
        long_name="grey level above which a voxel is bright among its neighbors",
        step=STEP,
        parameters={"size": size, "method": method, "offset": offset, "mask": mask is not None},
    )


def window(method: str, size: int) -> NDArray[np.float64]:
    """Return the weights of a window along one dim, odd in number; their sum is 1."""
    if method == "mean":
        return np.full(size, 1 / size)
    sigma = (size - 1) / _PER_SIGMA
    reach = int(_REACH * sigma + 0.5)
    weights = np.exp(-((np.arange(-reach, reach + 1) / sigma) ** 2) / 2)
    found: NDArray[np.float64] = weights / weights.sum()
    return found


def _smoothed(block: Array, weights: NDArray[np.float64], complete: bool, offset: float) -> NDArray[np.float32]:
    grey = native(block).astype(np.float64)
    if complete:
        return (_windowed(grey, weights) - offset).astype(np.float32)
    known = np.isfinite(grey)
    share = _windowed(known.astype(np.float64), weights)
    level = _windowed(np.where(known, grey, 0.0), weights)
    with np.errstate(invalid="ignore"):
        return (np.where(share > 0, level / share, np.nan) - offset).astype(np.float32)


def _windowed(grey: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    for axis in range(grey.ndim):
        grey = ndimage.correlate1d(grey, weights, axis=axis, mode="reflect")
    return grey
