"""Local thickness: how large a sphere fits into a mask and holds the voxel."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError

from .blocks import over_blocks
from .distances import as_mask, by_volume, distance
from .results import described
from .spheres import painted
from .voxels import voxel

_STEP = "tomo.local_thickness"


def local_thickness(mask: xr.DataArray | NDArray[np.bool_], max_radius: float | None = None) -> xr.DataArray:
    """Return the diameter of the largest sphere within a mask that covers each voxel.

    Parameters
    ----------
    mask
        Dims (..., z, y, x); cubic voxels.
    max_radius
        Radius (um, px without coordinates) that spheres do not exceed. A lazy mask is worked on in its chunks, each
        with a margin of twice this radius; without it, the largest distance in the mask is computed first, at once.

    Returns
    -------
    xarray.DataArray
        Diameter, um (px), float32; 0 outside the mask.

    Raises
    ------
    OperandoError
        If the mask is none or nothing lies outside it, voxels are not cubes, or ``max_radius`` is less than a voxel.

    Notes
    -----
    Exactly: d(c) is the :func:`distance` from the middle of voxel c to the middle of the nearest voxel outside, at most
    ``max_radius``. A sphere of radius d(c) around c covers the voxels whose middles are nearer to c than d(c); the
    thickness at r is 2 max d(c) over all c in the mask that are nearer to r than d(c) (T. Hildebrand, P. Rüegsegger,
    J. Microsc. 185, 67 (1997), doi:10.1046/j.1365-2818.1997.1340694.x). Spheres go on beyond the faces of the volume. A
    flat layer n voxels thick thus gets n + 1 voxels if n is odd, n if it is even; other programs give radii, or measure
    to the faces of voxels. Flat openings of few voxels are measured better by ``aperture``.

    Examples
    --------
    Of a ball: its diameter, everywhere:

    >>> import numpy as np
    >>> from operando import tomo
    >>> z, y, x = np.ogrid[:32, :32, :32]
    >>> ball = (z - 15.5) ** 2 + (y - 15.5) ** 2 + (x - 15.5) ** 2 < 10**2
    >>> print(round(float(tomo.local_thickness(ball).max())))
    19
    """
    volume = as_mask(mask, _STEP)
    size = voxel(volume, _STEP)
    edge = size.cube(_STEP)
    if max_radius is not None and not edge <= max_radius < math.inf:
        raise OperandoError(
            f"{_STEP}: expected a max_radius of at least a voxel, {edge:g} {size.units}, got {max_radius:g}"
        )
    largest = max_radius
    if volume.chunks is None:
        found = by_volume(_diameters, volume, dtype=np.float32, edge=edge, most=largest or math.inf)
    else:
        largest = largest or float(distance(volume).max())
        reach = 2 * math.ceil(min(largest / edge, float(max(volume.shape)))) + 1
        found = over_blocks(_diameters, volume, margin=reach, dtype=np.float32, edge=edge, most=largest)
    return described(
        found,
        volume,
        name="thickness",
        units=size.units,
        long_name="local thickness: diameter of the largest sphere within",
        step=_STEP,
        parameters={"max_radius": max_radius},
    )


def _diameters(block: NDArray[np.bool_], edge: float, most: float) -> NDArray[np.float32]:
    if math.isinf(most) and block.all():
        raise OperandoError(f"{_STEP}: expected something outside the mask, got only true; give a max_radius")
    return painted(block, most / edge) * np.float32(2 * edge)
