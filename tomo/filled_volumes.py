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
from .subvolumes import SUBVOLUMES, spread_of_mean, sums
from .voxels import as_volume, voxel

STEP = "tomo.void_volumes"
Floats = NDArray[np.float64]
_NEEDED = ("crack", "void", "share", "blur", "noise", "noise_blur", "matrix_level", "void_level")
_VOID, _CRACK = 1, 2
_BESIDE = 4
"""Added to the kind of a voxel that lies beside a particle."""
_PARTS = {
    "": "",
    "std": "standard uncertainty from noise: ",
    "systematic": "what uncertain grey values, and particles beside it, may change: ",
    "uncertainty": "both uncertainties in quadrature: ",
    "sampling": "standard deviation over volumes of the material: ",
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
        voxels makes of it; ``_systematic``, what the uncertainties of the grey values of matrix and void change, where
        ``found`` has them, and, with ``volume``, in quadrature a third of what lies within reach of brighter particles,
        since so much of a gap 2.2 voxels wide is lost there; and ``_uncertainty``, both in quadrature. The fractions
        also have ``_sampling``: by how much they may differ from those of the material that the volume was cut from
        (:func:`operando.tomo.subvolumes.spread_of_mean`). With labels a table (object) with ``number``,
        ``void_volume``, its ``_std`` and, without ``volume``, ``_systematic`` and ``_uncertainty``.

    Raises
    ------
    OperandoError
        If something of the segmentation is missing or no voxel counts.

    Notes
    -----
    V = v sum share, over the voxels of the object and those that lie nearer to it than to another one or to void
    without a label, as far as the blur carries a share of void; v is the volume of a voxel. The standard deviation
    is that of the sum of N voxels with white noise s and contrast c, v s sqrt(N)/c; noise that neighbors share
    counts as the white noise that was blurred. Errors of the levels of matrix, m, and void, o, move V by ((v N - V)
    m + V o)/c; what moved thresholds change is far less, since both edges of a void lie beyond them: 10 % moved V
    by 0.1 to 0.4 %. What is thinner than 2 voxels and lies on a particle is lost altogether, and in no uncertainty.
    """
    lacking = [name for name in _NEEDED if name not in found]
    if lacking:
        raise OperandoError(f"{STEP}: expected what segment_cracks returns, got nothing of {', '.join(lacking)}")
    share, edges = as_volume(found["share"], STEP), voxel(found["share"], STEP)
    levels = _levels(found)
    void = as_volume(found["void"], STEP)
    numbers = (
        _after_others(as_volume(labels, STEP), void) if labels is not None else void.astype(np.uint8) + found["crack"]
    )
    grown = nearest_labels(as_volume(numbers, STEP), levels.grown)
    if labels is None and volume is not None:
        grown = grown + _BESIDE * beside_particles(as_volume(volume, STEP), levels)
    table = regions(grown.astype(numbers.dtype), share)
    if labels is None:
        ds = _of_volumes(table, share, levels, systematic=volume is not None or levels.void_std > 0)
        ds = ds.assign(_sampling(share, grown % _BESIDE))
    else:
        ds = _of_objects(table.isel(object=table["number"].to_numpy() > 1), edges.volume, levels)
        ds = ds.assign(number=ds["number"] - 1)
    for name, array in ds.data_vars.items():
        if name != "number":
            array.attrs = {"units": "1" if "fraction" in str(name) else f"{edges.units}^3", "long_name": _meaning(name)}
    return recorded(ds, STEP, {"labels": labels is not None, "reach": levels.grown}, after=found)


def _after_others(labels: xr.DataArray, void: xr.DataArray) -> xr.DataArray:
    """Return labels higher by one, and 1 where void has none, so that it keeps what is empty around it."""
    return (labels + 1).where(labels > 0, void.astype(labels.dtype)).astype(labels.dtype)


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


def _levels(found: xr.Dataset) -> Levels:
    names = ("matrix_level", "void_level", "noise", "blur", "noise_blur")
    unsure = (float(found.get(name, 0.0)) for name in ("matrix_level_std", "void_level_std"))
    return Levels(*(float(found[name]) for name in names), *unsure)


def _of_volumes(table: xr.Dataset, share: xr.DataArray, levels: Levels, *, systematic: bool) -> xr.Dataset:
    """Return volumes and fractions of cracks and voids over the dims before z, y, x."""
    leading, cube = share.dims[: -len(PLACES)], voxel(share, STEP).volume
    whole = _counted(share)
    filled, space = (table["volume"] * table["intensity_mean"]).to_numpy(), table["volume"].to_numpy()
    # What is beside a particle and no void has the number _BESIDE, and kind 0.
    kind, beside = table["number"].to_numpy() % _BESIDE, table["number"].to_numpy() > _BESIDE
    ds = xr.Dataset(coords={name: one for name, one in share.coords.items() if set(one.dims) <= set(leading)})
    for name, least in (("crack", _CRACK), ("void", _VOID)):
        total, within, lost = (
            _summed(table, np.where(kind >= least, values, 0.0), share)
            for values in (filled, space, LOST * np.where(beside, filled, 0.0))
        )
        parts = _parts(total, within, cube, levels, lost if systematic else None)
        for part, values in parts.items():
            ds[f"{name}_volume{part}"] = (leading, values)
            ds[f"{name}_fraction{part}"] = (leading, values / whole)
    return ds


def _of_objects(table: xr.Dataset, cube: float, levels: Levels) -> xr.Dataset:
    """Return the numbers of objects, their volumes and how sure these are."""
    space = table["volume"].to_numpy()
    lost = np.zeros(space.shape) if levels.void_std > 0 else None
    parts = _parts(space * table["intensity_mean"].to_numpy(), space, cube, levels, lost)
    return table[["number"]].assign({f"void_volume{part}": ("object", values) for part, values in parts.items()})


def _parts(filled: Floats, space: Floats, cube: float, levels: Levels, lost: Floats | None) -> dict[str, Floats]:
    """Return volumes of void within a space of voxels of a size, and their uncertainties."""
    noise = white(levels.noise, levels.noise_blur) / levels.contrast * np.sqrt(space * cube)
    parts = {"": filled, "_std": noise}
    if lost is not None:
        shift = np.hypot((space - filled) * levels.matrix_std, filled * levels.void_std) / levels.contrast
        systematic = np.hypot(lost, shift)
        parts |= {"_systematic": systematic, "_uncertainty": np.hypot(noise, systematic)}
    return parts


def _sampling(share: xr.DataArray, kind: xr.DataArray) -> dict[str, tuple[tuple[Any, ...], Floats]]:
    """Return how fractions of cracks and voids differ between volumes of the material."""
    leading = share.dims[: -len(PLACES)]
    shape = tuple(share.sizes[dim] for dim in leading)
    no_limits = np.empty((math.prod(shape), 0))
    found = {}
    for name, least in (("crack", _CRACK), ("void", _VOID)):
        parts = sums(share.where(kind >= least, np.float32(0)), None, no_limits, SUBVOLUMES)
        spread = [spread_of_mean(one[..., 0, 1], one[..., 0, 0]) for one in parts]
        found[f"{name}_fraction_sampling"] = (leading, np.array(spread).reshape(shape))
    return found


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
