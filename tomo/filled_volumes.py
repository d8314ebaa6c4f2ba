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
from .crack_levels import Levels
from .layout import PLACES
from .plate_noise import white
from .region_measures import regions
from .voxels import as_volume, voxel

STEP = "tomo.void_volumes"
_NEEDED = ("crack", "void", "share", "blur", "noise", "noise_blur", "matrix_level", "void_level")
_VOID, _CRACK = 1, 2
_BESIDE = 4
"""Added to the kind of a voxel that lies beside a particle."""
_PARTS = {
    "": "",
    "std": "standard uncertainty from noise: ",
    "systematic": "what may be lost beside particles: ",
    "uncertainty": "both uncertainties in quadrature: ",
}
LOST = 1 / 3
"""Share of a gap 2.2 voxels wide that is lost beside a particle, see ``segment_cracks``."""


def void_volumes(
    found: xr.Dataset, labels: xr.DataArray | None = None, *, volume: xr.DataArray | None = None
) -> xr.Dataset:
    """Return what cracks, and all that is empty, fill: of each volume, or of each object of a label image.

    Parameters
    ----------
    found
        What :func:`~operando.tomo.segment_cracks` returns, dims (..., z, y, x); lazy or in memory.
    labels
        Numbers of objects among the cracks or voids, 0 outside, of the same dims.
    volume
        The grey values that were segmented, to tell what lies beside particles. Only without labels.

    Returns
    -------
    xarray.Dataset
        Without labels, over the leading dims: ``crack_volume`` and ``void_volume``, cracks included (um^3), and
        ``crack_fraction`` and ``void_fraction`` of the voxels that count (1), each with ``_std``: what the noise of the
        voxels makes of it. With ``volume`` also ``_systematic``, a third of what lies within reach of brighter
        particles, since so much of a gap 2.2 voxels wide is lost there, and ``_uncertainty``, both in quadrature.
        With labels a table (object) with ``number``, ``void_volume`` and its ``_std``.

    Raises
    ------
    OperandoError
        If something of the segmentation is missing or no voxel counts.

    Notes
    -----
    V = v sum share, over the voxels of the object and those that lie nearer to it than to another one, as far as the
    blur carries a share of void; v is the volume of a voxel. The standard deviation is that of the sum of N voxels with
    white noise s and contrast c, v s sqrt(N)/c; noise that neighbors share counts as the white noise that was blurred.
    The levels of matrix and void are taken for known: an error d of the matrix moves V by v N d/c. What is thinner than
    2 voxels and lies on a particle is lost altogether, and in no uncertainty.
    """
    lacking = [name for name in _NEEDED if name not in found]
    if lacking:
        raise OperandoError(f"{STEP}: expected what segment_cracks returns, got nothing of {', '.join(lacking)}")
    share, edges = as_volume(found["share"], STEP), voxel(found["share"], STEP)
    levels = Levels(*(float(found[name]) for name in ("matrix_level", "void_level", "noise", "blur", "noise_blur")))
    numbers = labels if labels is not None else found["void"].astype(np.uint8) + found["crack"].astype(np.uint8)
    grown = nearest_labels(as_volume(numbers, STEP), levels.grown)
    if labels is None and volume is not None:
        grown = grown + _BESIDE * beside_particles(as_volume(volume, STEP), levels)
    table = regions(grown.astype(numbers.dtype), share)
    filled = table["volume"] * table["intensity_mean"]
    variance = table["voxels"] * (edges.volume * white(levels.noise, levels.noise_blur) / levels.contrast) ** 2
    if labels is None:
        ds = _of_volumes(table, filled, variance, share, systematic=volume is not None)
    else:
        ds = table[["number"]].assign(void_volume=filled, void_volume_std=np.sqrt(variance))
    for name, array in ds.data_vars.items():
        if name != "number":
            array.attrs = {"units": "1" if "fraction" in str(name) else f"{edges.units}^3", "long_name": _meaning(name)}
    return recorded(ds, STEP, {"labels": labels is not None, "reach": levels.grown}, after=found)


def beside_particles(volume: xr.DataArray, levels: Levels) -> xr.DataArray:
    """Return which voxels lie within reach of a particle that is brighter than the matrix, uint8."""
    reach = math.ceil(levels.reach)
    near = over_blocks(_near_bright, volume, margin=reach, dtype=np.uint8, bright=levels.bright, reach=reach)
    return near.assign_coords(volume.coords)


def _near_bright(block: NDArray[Any], *, bright: float, reach: int) -> NDArray[Any]:
    from scipy import ndimage

    found: NDArray[Any] = ndimage.maximum_filter(block > bright, 2 * reach + 1, mode="nearest").astype(np.uint8)
    return found


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


def _of_volumes(
    table: xr.Dataset, filled: xr.DataArray, variance: xr.DataArray, share: xr.DataArray, *, systematic: bool
) -> xr.Dataset:
    """Return volumes and fractions of cracks and voids over the dims before z, y, x."""
    leading = share.dims[: -len(PLACES)]
    whole = _counted(share)
    # What is beside a particle and no void has the number _BESIDE, and kind 0.
    kind, beside = table["number"].to_numpy() % _BESIDE, table["number"].to_numpy() > _BESIDE
    ds = xr.Dataset(coords={name: one for name, one in share.coords.items() if set(one.dims) <= set(leading)})
    for name, least in (("crack", _CRACK), ("void", _VOID)):
        total, spread, lost = (
            _summed(table, np.where(kind >= least, values, 0.0), share)
            for values in (filled.to_numpy(), variance.to_numpy(), LOST * np.where(beside, filled.to_numpy(), 0.0))
        )
        parts = {"": total, "_std": np.sqrt(spread)}
        if systematic:
            parts |= {"_systematic": np.abs(lost), "_uncertainty": np.hypot(np.sqrt(spread), lost)}
        for part, values in parts.items():
            ds[f"{name}_volume{part}"] = (leading, values)
            ds[f"{name}_fraction{part}"] = (leading, values / whole)
    return ds


def _summed(table: xr.Dataset, values: NDArray[np.float64], share: xr.DataArray) -> NDArray[np.float64]:
    """Return the sums of values of a table over the volumes that its rows belong to."""
    leading = share.dims[: -len(PLACES)]
    shape = tuple(share.sizes[dim] for dim in leading)
    rows = [table[dim].to_numpy() for dim in leading]
    index = np.ravel_multi_index(rows, shape) if leading else np.zeros(values.size, np.int64)
    total = np.bincount(index, values, minlength=math.prod(shape))
    return total.astype(np.float64).reshape(shape)


def _counted(share: xr.DataArray) -> NDArray[np.float64]:
    """Return the volume of the slices that count, over the dims before z, y, x."""
    leading = share.dims[: -len(PLACES)]
    slices = kept_slices(share).sum("z")
    each = slices.broadcast_like(share.isel(dict.fromkeys(PLACES, 0), drop=True)).transpose(*leading).to_numpy()
    if not (each > 0).all():
        raise OperandoError(f"{STEP}: expected voxels that count in every volume, got none; look at frame_flag")
    size: NDArray[np.float64] = each * share.sizes["y"] * share.sizes["x"] * voxel(share, STEP).volume
    return size


def _meaning(name: object) -> str:
    quantity, _, part = str(name).rpartition("_")
    quantity, part = (quantity, part) if part in _PARTS else (str(name), "")
    what = "cracks" if quantity.startswith("crack") else "all that is empty"
    return f"{_PARTS[part]}{'volume fraction' if 'fraction' in quantity else 'volume'} of {what}"
