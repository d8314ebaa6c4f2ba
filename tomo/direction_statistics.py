"""How directions are distributed: a histogram over the half sphere, and the order tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .block_results import Place, of_blocks
from .layout import PLACES

_STEP = "tomo.orientation_distribution"
Floats = NDArray[np.float64]


def orientation_distribution(
    direction: xr.DataArray, weight: xr.DataArray | None = None, *, bins: tuple[int, int] = (18, 36)
) -> xr.Dataset:
    """Return how the directions in a volume are distributed; a direction and its opposite are one.

    Parameters
    ----------
    direction
        Unit vectors, dims axis, z, y, x, such as ``orientation`` finds; vectors of 0 do not count.
    weight
        Of each voxel, dims z, y, x: a mask of the fibers, their linearity, or both multiplied. All alike by default.
    bins
        Number along the polar angle (from z) and along the azimuth (in the plane of y and x, from x to y). All bins
        have the same area on the sphere.

    Returns
    -------
    xarray.Dataset
        ``share`` (polar, azimuth) of the weight, middles of the bins in deg; ``order_tensor`` (axis, other_axis), the
        mean of n n^T, with its ``eigenvalue`` (principal), the largest first, and ``principal_direction`` (principal,
        axis); ``order`` = (3 l1 - 1) / 2: 0 where directions are isotropic, 1 where all are parallel.

    Raises
    ------
    OperandoError
        If dims are missing or no voxel has a weight.

    Notes
    -----
    S. G. Advani, C. L. Tucker, J. Rheol. 31, 751 (1987), doi:10.1122/1.549945.
    """
    if set(direction.dims) != {"axis", *PLACES}:
        raise OperandoError(f"{_STEP}: expected directions with the dims axis, z, y and x, got {tuple(direction.dims)}")
    vectors = direction.transpose("axis", *PLACES)
    volumes = [vectors] if weight is None else [vectors, weight.transpose(*PLACES)]
    parts = of_blocks(_summed, volumes, [(0, 0, 0)] * len(volumes), bins=bins)
    counts, tensor = sum(one for one, _ in parts), sum(one for _, one in parts)
    total = float(np.trace(tensor))
    if not total > 0:
        raise OperandoError(f"{_STEP}: expected voxels with a direction and a weight, got none")
    found = _described(counts / counts.sum(), tensor / total)
    return recorded(found, _STEP, {"bins": bins, "weight": weight is not None}, after=direction.to_dataset(name="n"))


def _summed(
    _: Place, vectors: NDArray[Any], weight: NDArray[Any] | None = None, *, bins: tuple[int, int]
) -> tuple[Floats, Floats]:
    """Return the weight in each bin, and the weighted sum of n n^T, of a block."""
    flat = vectors.reshape(3, -1).astype(np.float64)
    heavy = np.ones(flat.shape[1]) if weight is None else weight.ravel().astype(np.float64)
    known = (heavy > 0) & flat.any(axis=0)
    flat, heavy = flat[:, known], heavy[known]
    flat = np.where(flat[0] < 0, -flat, flat)
    turn = np.mod(np.arctan2(flat[1], flat[2]), 2 * np.pi)
    row = np.minimum(((1 - flat[0]) * bins[0]).astype(np.int64), bins[0] - 1)
    column = np.minimum((turn / (2 * np.pi) * bins[1]).astype(np.int64), bins[1] - 1)
    counts = np.bincount(row * bins[1] + column, heavy, bins[0] * bins[1])
    return counts.astype(np.float64).reshape(bins), (flat * heavy) @ flat.T


def _described(share: Floats, tensor: Floats) -> xr.Dataset:
    value, vector = np.linalg.eigh(tensor)
    principal = vector.T[::-1]
    principal = principal * np.where(principal[:, :1] < 0, -1.0, 1.0)
    rows, columns = share.shape
    columns_of: dict[str, tuple[Any, Any, str, str]] = {
        "share": (("polar", "azimuth"), share, "1", "share of the directions"),
        "order_tensor": (("axis", "other_axis"), tensor, "1", "mean of n n^T"),
        "eigenvalue": ("principal", value[::-1], "1", "eigenvalues of the order tensor"),
        "principal_direction": (("principal", "axis"), principal, "1", "principal directions, the most frequent first"),
        "order": ((), (3 * value[-1] - 1) / 2, "1", "order: 0 isotropic, 1 parallel"),
        "polar": ("polar", np.rad2deg(np.arccos(1 - (np.arange(rows) + 0.5) / rows)), "deg", "angle from z"),
        "azimuth": ("azimuth", (np.arange(columns) + 0.5) * 360 / columns, "deg", "angle from x towards y"),
    }
    found = xr.Dataset(
        {
            name: (dims, values, {"units": unit, "long_name": text})
            for name, (dims, values, unit, text) in columns_of.items()
        }
    )
    return found.set_coords(["polar", "azimuth"]).assign_coords(axis=list(PLACES), other_axis=list(PLACES))
