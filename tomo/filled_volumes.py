"""Volumes of cracks and voids from the share of void of every voxel, which keeps thin ones whole."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .blocks import over_blocks
from .counted_voxels import kept_slices
from .crack_levels import VOXEL_VARIANCE
from .layout import PLACES
from .plate_noise import white
from .region_measures import regions
from .voxels import as_volume, voxel

STEP = "tomo.void_volumes"
_NEEDED = ("crack", "void", "share", "blur", "noise", "noise_blur", "matrix_level", "void_level")
_VOID, _CRACK = 1, 2


def void_volumes(found: xr.Dataset, labels: xr.DataArray | None = None) -> xr.Dataset:
    """Return what cracks, and all that is empty, fill: of each volume, or of each object of a label image.

    Parameters
    ----------
    found
        What :func:`~operando.tomo.segment_cracks` returns, dims (..., z, y, x); lazy or in memory.
    labels
        Numbers of objects among the cracks or voids, 0 outside, of the same dims.

    Returns
    -------
    xarray.Dataset
        Without labels, over the leading dims: ``crack_volume`` and ``void_volume``, cracks included (um^3), and
        ``crack_fraction`` and ``void_fraction`` of the voxels that count (1), each with ``_std``: what the noise of the
        voxels makes of it. With labels a table (object) with ``number``, ``void_volume`` and its ``_std``.

    Raises
    ------
    OperandoError
        If something of the segmentation is missing or no voxel counts.

    Notes
    -----
    V = v sum share, over the voxels of the object and those that lie nearer to it than to another one, as far as the
    blur carries a share of void; v is the volume of a voxel. The standard deviation is that of the sum of N voxels with
    white noise s and contrast c, v s sqrt(N)/c; noise that neighbors share counts as the white noise that was blurred.
    The levels of matrix and void are taken for known: an error d of the matrix moves V by v N d/c.
    """
    lacking = [name for name in _NEEDED if name not in found]
    if lacking:
        raise OperandoError(f"{STEP}: expected what segment_cracks returns, got nothing of {', '.join(lacking)}")
    share = as_volume(found["share"], STEP)
    own = labels is not None
    numbers = labels if labels is not None else found["void"].astype(np.uint8) + found["crack"].astype(np.uint8)
    reach = math.ceil(2.3 * math.sqrt(float(found["blur"]) ** 2 + VOXEL_VARIANCE))
    table = regions(nearest_labels(as_volume(numbers, STEP), reach), share)
    volume = table["volume"] * table["intensity_mean"]
    noise = white(float(found["noise"]), float(found["noise_blur"]))
    contrast = float(found["matrix_level"]) - float(found["void_level"])
    variance = table["voxels"] * (voxel(share, STEP).volume * noise / contrast) ** 2
    unit = f"{voxel(share, STEP).units}^3"
    if own:
        ds = table[["number"]].assign(void_volume=volume, void_volume_std=np.sqrt(variance))
    else:
        ds = _of_volumes(table, volume, variance, share)
    for name, array in ds.data_vars.items():
        if name != "number":
            array.attrs = {"units": "1" if "fraction" in str(name) else unit, "long_name": _meaning(str(name))}
    return recorded(ds, STEP, {"labels": own, "reach": reach}, after=found)


def nearest_labels(labels: xr.DataArray, reach: int) -> xr.DataArray:
    """Return labels grown by ``reach`` voxels: each voxel outside takes the nearest one, of equally near the lowest."""
    grown = over_blocks(_grown, labels, margin=reach, dtype=labels.dtype, reach=reach)
    return grown.assign_coords(labels.coords)


def _grown(block: NDArray[Any], *, reach: int) -> NDArray[Any]:
    out, nothing = block.copy(), np.iinfo(block.dtype).max
    if not block.any():
        return out
    inner = np.pad(np.where(block > 0, block, nothing), reach, constant_values=nothing)
    shells: dict[int, list[tuple[int, ...]]] = {}
    for offset in product(range(-reach, reach + 1), repeat=3):
        if 0 < sum(part**2 for part in offset) <= reach**2:
            shells.setdefault(sum(part**2 for part in offset), []).append(offset)
    for _, offsets in sorted(shells.items()):
        best = np.full_like(block, nothing)
        for offset in offsets:
            part = tuple(slice(reach + by, reach + by + size) for by, size in zip(offset, block.shape, strict=True))
            np.minimum(best, inner[part], out=best)
        np.copyto(out, best, where=(out == 0) & (best != nothing))
    return out


def _of_volumes(table: xr.Dataset, volume: xr.DataArray, variance: xr.DataArray, share: xr.DataArray) -> xr.Dataset:
    """Return volumes and fractions of cracks and voids over the dims before z, y, x."""
    leading = share.dims[: -len(PLACES)]
    shape = tuple(share.sizes[dim] for dim in leading)
    sums = np.zeros((2, 2, *shape))
    at = tuple(table[dim].to_numpy() for dim in leading)
    for kind, least in enumerate((_CRACK, _VOID)):
        counted = (table["number"] >= least).to_numpy()
        for column, values in enumerate((volume, variance)):
            np.add.at(sums[kind, column], tuple(part[counted] for part in at), values.to_numpy()[counted])
    whole = _counted(share)
    ds = xr.Dataset(coords={name: one for name, one in share.coords.items() if set(one.dims) <= set(leading)})
    for (found, found_variance), name in zip(sums, ("crack", "void"), strict=True):
        for quantity, size in (("volume", 1.0), ("fraction", whole)):
            ds[f"{name}_{quantity}"] = (leading, found / size)
            ds[f"{name}_{quantity}_std"] = (leading, np.sqrt(found_variance) / size)
    return ds


def _counted(share: xr.DataArray) -> NDArray[np.float64]:
    """Return the volume of the slices that count, over the dims before z, y, x."""
    leading = share.dims[: -len(PLACES)]
    slices = kept_slices(share).sum("z")
    each = slices.broadcast_like(share.isel(dict.fromkeys(PLACES, 0), drop=True)).transpose(*leading).to_numpy()
    if not (each > 0).all():
        raise OperandoError(f"{STEP}: expected voxels that count in every volume, got none; look at frame_flag")
    size: NDArray[np.float64] = each * share.sizes["y"] * share.sizes["x"] * voxel(share, STEP).volume
    return size


def _meaning(name: str) -> str:
    what = "cracks" if name.startswith("crack") else "all that is empty, cracks included"
    text = f"{'volume fraction' if 'fraction' in name else 'volume'} of {what}"
    return f"standard uncertainty from noise: {text}" if name.endswith("_std") else text
