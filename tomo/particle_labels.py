"""Numbers of particles that touch each other, or seem to."""

from __future__ import annotations

import numpy as np
import xarray as xr

from .blocks import over_blocks
from .distances import distance
from .labels import label
from .object_selection import remove_small
from .results import described
from .rims import with_rim
from .voxels import as_volume, voxel

_STEP = "separate"
_MORE = 1.5
"""Voxels by which the surface of a particle may be farther from its inner part than that part is deep."""


def separate(mask: xr.DataArray, neck: float = 2.0, smallest: int = 1) -> tuple[xr.DataArray, xr.Dataset]:
    """Return numbers of the particles of a mask, parted where they touch, and their table.

    What is more than ``neck`` voxels from the outside is connected (:func:`~operando.tomo.label`, 26 neighbors); the
    other voxels of the mask take the number of the nearest of these inner parts, up to 1.5 voxels farther. Particles
    that touch over less than about twice the neck have numbers of their own; thinner ones have none.

    Parameters
    ----------
    mask
        Bool, dims (z, y, x), in memory or lazy.
    neck
        Voxels.
    smallest
        Voxels of the inner part below which a particle is left out.

    Returns
    -------
    labels, table
        As by :func:`~operando.tomo.label`; the table is that of the inner parts.
    """
    volume = as_volume(mask, _STEP)
    edge = max(voxel(volume, _STEP).edges)
    # Distances are cut where they no longer matter, so that a block needs its neighborhood alone.
    inner = distance(volume, cap=(neck + 1) * edge) > neck * edge
    cores, table = remove_small(*label(inner.assign_attrs(volume.attrs), 26), smallest)
    reach = neck + _MORE
    grown = over_blocks(with_rim, cores, margin=int(np.ceil(reach)) + 1, dtype=np.int32, rim=reach)
    found = grown.where(volume, 0).astype(np.int32)
    return described(
        found,
        volume,
        name="label",
        units="1",
        long_name="number of the particle in each voxel, 0 outside",
        step=f"tomo.{_STEP}",
        parameters={"neck": neck, "smallest": smallest},
    ), table
