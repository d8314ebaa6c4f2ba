"""Constrictivity: how narrow the bottlenecks of a phase are, by simulated mercury intrusion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .distances import as_mask, distance
from .each_volume import as_dims, dataset, of_each_volume
from .grids import Block, each_block, grid_of
from .intrusion import Intrusion
from .layout import PLACES
from .subvolumes import SUBVOLUMES, spread_of_mean, sums
from .thickness import local_thickness
from .voxels import voxel

_STEP = "tomo.constrictivity"


def constrictivity(
    mask: xr.DataArray | NDArray[np.bool_], dims: str | Sequence[str] = PLACES, max_radius: float | None = None
) -> xr.Dataset:
    """Return how much narrower the bottlenecks of a phase are than the phase itself.

    Parameters
    ----------
    mask
        The phase, dims (..., z, y, x), lazy or in memory; cubic voxels.
    dims
        Directions that it is intruded along, of z, y, x.
    max_radius
        Radius (um, px without coordinates) that spheres do not exceed; of lazy masks, chunks get margins of twice as
        much. By default the largest that fits in.

    Returns
    -------
    xarray.Dataset
        ``r_max``: the largest radius of spheres that fit into the phase and cover half of it or more. ``r_min`` (axis):
        the same of spheres that come in from a face of the volume, mean of the first and the last face along the axis.
        ``constrictivity`` (axis) = (r_min/r_max)^2, 1 without bottlenecks. Their ``_std``: of ``r_max`` from how the
        covered share differs between parts of the volume, of ``r_min`` half the difference of the two faces. Where
        less than half of the phase is reached from a face at all, ``r_min`` from there is 0 and ``reason`` says so.

    Raises
    ------
    OperandoError
        If the mask is none or nothing lies outside it, voxels are not cubes, or a dim is none of z, y, x.

    Notes
    -----
    O. Stenzel et al., AIChE J. 62, 1834 (2016), doi:10.1002/aic.15160; L. Holzer et al., J. Mater. Sci. 48, 2934
    (2013), doi:10.1007/s10853-012-6968-z; the two distributions of sizes: B. Münch, L. Holzer, J. Am. Ceram. Soc. 91,
    4059 (2008), doi:10.1111/j.1551-2916.2008.02736.x. Radii are distances from the middle of a voxel to that of the
    nearest one outside, square roots of whole numbers of voxels; a sphere covers the voxels whose middles are nearer
    to its own than the radius. Its middle moves through faces of voxels. The faces of the volume are no walls.
    Bottlenecks of few voxels are therefore known in coarse steps only: 1, 1.4, 1.7, 2, 2.2 voxels.

    Examples
    --------
    >>> import numpy as np
    >>> from operando import tomo
    >>> channel = np.zeros((16, 12, 12), bool)
    >>> channel[:, 3:9, 3:9] = True
    >>> print(tomo.constrictivity(channel, "z")["constrictivity"].values.tolist())
    [1.0]
    """
    volume = as_mask(mask, _STEP)
    size = voxel(volume, _STEP)
    edge = size.cube(_STEP)
    names = as_dims(dims, _STEP)
    if max_radius is not None and not edge <= max_radius < math.inf:
        raise OperandoError(
            f"{_STEP}: expected a max_radius of at least a voxel, {edge:g} {size.units}, got {max_radius:g}"
        )
    ds = of_each_volume(partial(_of_volume, dims=names, edge=edge, units=size.units, most=max_radius), volume)
    return recorded(ds, _STEP, {"dims": names, "max_radius": max_radius}, after=xr.Dataset(attrs=volume.attrs))


def _of_volume(mask: xr.DataArray, dims: tuple[str, ...], edge: float, units: str, most: float | None) -> xr.Dataset:
    largest = most or float(distance(mask).max())
    if math.isinf(largest):
        raise OperandoError(f"{_STEP}: expected something outside the mask, got only true; give a max_radius")
    widest, widest_std = _half_covered(mask, edge, largest)
    if not widest:
        raise OperandoError(f"{_STEP}: expected a mask with voxels of the phase, got none")
    faces = [(dim, layer) for dim in dims for layer in (0, -1)]
    found = np.array(Intrusion(mask, edge, largest).half_filled(faces)).reshape(-1, 2)
    narrow, narrow_std = found.mean(axis=1), np.abs(found[:, 0] - found[:, 1]) / 2
    ratio = (narrow / widest) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(narrow > 0, narrow_std / narrow, 0.0)
    reasons = [
        "" if pair.all() else f"less than half is reached along {dim}" for pair, dim in zip(found, dims, strict=True)
    ]
    along = ("axis",)
    return dataset(
        {
            "constrictivity": (along, ratio, "1", "square of bottleneck over opening"),
            "constrictivity_std": (along, 2 * ratio * np.hypot(relative, widest_std / widest), "1", "its uncertainty"),
            "r_min": (along, narrow, units, "radius of bottlenecks, half filled by intrusion"),
            "r_min_std": (along, narrow_std, units, "half the difference of the two faces"),
            "r_max": ((), widest, units, "radius of openings, half covered by spheres"),
            "r_max_std": ((), widest_std, units, "its standard deviation over volumes of the material"),
            "reason": (along, np.array(reasons, dtype=object), "", "why nothing can be said"),
        },
        {"axis": (along, np.array(dims, dtype=object), "", "direction")},
    )


def _half_covered(mask: xr.DataArray, edge: float, largest: float) -> tuple[float, float]:
    """Return the largest radius that covers half of a mask or more, and its uncertainty; 0 for an empty mask."""
    thickness = local_thickness(mask, max(largest, edge))
    tables = each_block(_sizes, [thickness.data], grid_of(thickness.data), {}, None).values()
    every = np.concatenate([values for values, _ in tables])
    radii, at = np.unique(every, return_inverse=True)
    number = np.bincount(at, np.concatenate([counts for _, counts in tables]), radii.size)
    if not number.size:
        return 0.0, 0.0
    share = np.cumsum(number[::-1])[::-1] / number.sum()
    widest = _radius(radii, share, 0.5)
    (parts,) = sums(thickness, None, [np.array([0.0, 2 * widest * (1 - 1e-5)])], SUBVOLUMES)
    covered = parts[..., 0]
    error = float(spread_of_mean(covered[..., 2], covered[..., 1:].sum(axis=-1)))
    if math.isnan(error):
        return widest, error
    return widest, (_radius(radii, share, 0.5 - error) - _radius(radii, share, 0.5 + error)) / 2


def _radius(radii: NDArray[np.float64], share: NDArray[np.float64], wanted: float) -> float:
    """Return the largest radius at which a share or more is covered."""
    enough = np.flatnonzero(share >= min(max(wanted, 0.0), 1.0))
    return float(radii[enough[-1]]) if enough.size else float(radii[0])


def _sizes(thickness: NDArray[np.float32], _: Block) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    values, counts = np.unique(thickness[thickness > 0], return_counts=True)
    return values.astype(np.float64) / 2, counts
