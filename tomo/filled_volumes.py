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

from . import void_kernels
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
_LAZILY: dict[str, Any] = {"dask": "parallelized", "output_dtypes": [np.float32]}
_BESIDE = 4
"""Added to the kind of a voxel that lies beside a particle."""
_OWN = 7
"""Kind of a crack's own voxels beside a particle."""
_PARTS = {
    "": "",
    "std": "standard uncertainty from noise: ",
    "systematic": "standard uncertainty from grey values and from particles beside it: ",
    "uncertainty": "both uncertainties in quadrature: ",
    "unseen": "what gaps beside particles too thin to be found may hold at most: ",
    "sampling": "standard deviation over volumes of the material: ",
}
AWRY = 0.02
"""By how much of their volume voids beside particles may be wrong: the standard uncertainty."""
UNSEEN = 2.25
"""Width of gaps beside particles that may escape, standard deviations of an edge's blur."""
LOST = ((2.5, 3.0, 3.5), (1.0, 0.25, 0.0))
"""Widths of gaps that are found in part, likewise, and what may be lost over what is found."""


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
        The grey values that were segmented, to tell what lies beside particles, and how much of it may be missing.

    Returns
    -------
    xarray.Dataset
        Without labels, over the leading dims: ``crack_volume`` and ``void_volume``, cracks included (um^3), and
        ``crack_fraction`` and ``void_fraction`` of the voxels that count (1), each with ``_std``: what the
        noise of the voxels makes of it; ``_systematic``, what the uncertainties of the grey values of matrix
        and void change, where ``found`` has them, and, with ``volume``, in quadrature 2 % of what lies within
        reach of brighter particles; and ``_uncertainty``, both in quadrature. With ``volume`` also ``_unseen``: how
        much more void there may be at most because it is too thin to be seen beside particles. It is a bound to one
        side and in no uncertainty. The fractions also have ``_sampling``: by how much
        they may differ from those of the material that the volume was cut from
        (:func:`operando.tomo.subvolumes.spread_of_mean`). With labels a table (object) with ``number`` and
        ``void_volume``, its ``_std``, ``_systematic`` and ``_uncertainty``.

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
    by 0.05 to 0.4 %.

    Let S be the standard deviation of what blurs an edge, blur and voxel together, 0.76 voxels at a blur of 0.7. Voids
    as wide as 3 voxels have pulls of unit width with ``_uncertainty`` in simulated composites with given grey values:
    pores of 1.5 to 13 voxels radius, many of them cut into by particles, whose volumes are right within 0.3 % on
    average. Void beside a particle of which only a cap reaches into the volume comes out too small, since nothing tells
    the particle's grey value. Gaps beside particles that are open by less than 2.25 S escape for the most part.
    ``_unseen`` is the volume of such a gap around the surface of all particles where no void was found, a bound and no
    estimate, and what simulated gaps of their apertures lose for cracks beside particles; :func:`detection_limit` tells
    for a ``particle`` how much of a gap is found. Of thinner ones little is in the grey values: a gap of width w and
    contrast c beside a particle that is p brighter than the matrix moves its edge, which is known no better, by
    w c/(c + p), and differs from a particle that much smaller only in second order of w/S. The volume of thin cracks
    within the matrix is in none of these, but in the curve of :func:`detection_limit`.

    The method is operando's own, measured on simulated composites.
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
    grey = None if volume is None else _kept(as_volume(volume, STEP))
    near = None if grey is None else beside_particles(grey, levels)
    if labels is None:
        grown = grown if near is None else (grown + _BESIDE * near).astype(grown.dtype)
        table = regions(grown, share)
        ds = _of_volumes(table, share, levels, beside=near is not None)
        ds = ds.assign(_sampling(share, grown % _BESIDE))
        ds = ds if grey is None else ds.assign(_unseen(ds, _escaped(found, grey, grown, table, levels), share))
    else:
        table = regions(grown, share)
        beside = None if near is None else regions((grown * near).astype(grown.dtype), share)
        ds = _of_objects(table.isel(object=table["number"].to_numpy() > 1), beside, edges.volume, levels)
        ds = ds.assign(number=ds["number"] - 1)
    for name, array in ds.data_vars.items():
        if name != "number":
            array.attrs = {"units": "1" if "fraction" in str(name) else f"{edges.units}^3", "long_name": _meaning(name)}
    return recorded(ds, STEP, {"labels": labels is not None, "reach": levels.grown}, after=found)


def _after_others(labels: xr.DataArray, void: xr.DataArray) -> xr.DataArray:
    """Return labels higher by one, and 1 where void has none, so that it keeps what is empty around it."""
    return (labels + 1).where(labels > 0, void.astype(labels.dtype)).astype(labels.dtype)


def _kept(grey: xr.DataArray) -> xr.DataArray:
    """Return a volume whose slices that do not count are not finite."""
    kept = kept_slices(grey)
    return grey if bool(kept.all()) else grey.where(kept).transpose(*grey.dims)


def beside_particles(volume: xr.DataArray, levels: Levels) -> xr.DataArray:
    """Return which voxels lie within reach of a particle that is brighter than the matrix, uint8."""
    reach = math.ceil(levels.reach)
    near = over_blocks(_near_bright, volume, margin=reach, dtype=np.uint8, bright=levels.bright, reach=reach)
    return near.assign_coords(volume.coords)


def _escaped(
    found: xr.Dataset, volume: xr.DataArray, kind: xr.DataArray, table: xr.Dataset, levels: Levels
) -> dict[str, Floats]:
    """Return how much void beside particles may have escaped at most, of each volume."""
    aperture = as_volume(found["aperture"], STEP)
    edge = voxel(aperture, STEP).cube(STEP)
    face = over_blocks(_faces, volume, margin=1, dtype=np.float32, matrix=levels.matrix, bright=levels.bright)
    number = xr.apply_ufunc(_own_apart, kind, aperture, dask="parallelized", output_dtypes=[kind.dtype])
    sizes = {"edge": edge, "sigma": levels.sigma}
    most = xr.apply_ufunc(_hidden, number, aperture, face, kwargs=sizes, **_LAZILY)
    seen = regions(number, most.assign_coords(kind.coords))
    gap = _summed(seen, np.where(seen["number"] == _BESIDE, _filled(seen), 0.0), kind)
    mean = _summed(seen, np.where(seen["number"] == _OWN, seen["intensity_mean"], 0.0), kind)
    crack = mean * _summed(table, np.where(table["number"] == _CRACK + _BESIDE, _filled(table), 0.0), kind)
    return {"crack": crack, "void": crack + gap}


def _own_apart(kind: NDArray[Any], aperture: NDArray[np.floating]) -> NDArray[Any]:
    """Return kinds in which a crack's own voxels, whose aperture is known, have one of their own beside particles."""
    found = kind.copy()
    found[(kind == _CRACK + _BESIDE) & (aperture > 0)] = _OWN
    return found


def _hidden(
    kind: NDArray[Any], aperture: NDArray[np.floating], face: NDArray[np.floating], *, edge: float, sigma: float
) -> NDArray[np.float32]:
    """Return the share of voxels that gaps around particles may fill unseen; of cracks there, what is lost over found.

    Of cracks that goes by their aperture over the width of an edge, ``sigma`` voxels.
    """
    found = np.zeros(kind.shape, np.float32)
    free, own = kind == _BESIDE, kind == _OWN
    found[free] = UNSEEN * sigma * face[free]
    found[own] = np.interp(aperture[own] / (edge * sigma), *LOST)
    return found


def _faces(block: NDArray[Any], *, matrix: float, bright: float) -> NDArray[Any]:
    """Return how much surface of particles each voxel holds, voxel faces: the slope of what is cut off below them.

    Of a volume cut off at two levels, the sum of its slopes over what these differ by is the area of the surface at a
    level, averaged over all between (H. Federer, Trans. Amer. Math. Soc. 93, 418 (1959)).
    """
    found = np.empty(block.shape, np.float32)
    void_kernels.faces(np.ascontiguousarray(block, np.float32), matrix, bright, found)
    return found


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


def _of_volumes(table: xr.Dataset, share: xr.DataArray, levels: Levels, *, beside: bool) -> xr.Dataset:
    """Return volumes and fractions of cracks and voids over the dims before z, y, x."""
    leading, cube = share.dims[: -len(PLACES)], voxel(share, STEP).volume
    whole = _counted(share)
    filled, space, number = _filled(table), table["volume"].to_numpy(), table["number"].to_numpy()
    # What is beside a particle and no void has the number _BESIDE, and kind 0.
    kind = number % _BESIDE
    ds = xr.Dataset(coords={name: one for name, one in share.coords.items() if set(one.dims) <= set(leading)})
    for name, least in (("crack", _CRACK), ("void", _VOID)):
        total, within, near = (
            _summed(table, np.where(which, values, 0.0), share)
            for which, values in ((kind >= least, filled), (kind >= least, space), (number >= least + _BESIDE, filled))
        )
        for part, values in _parts(total, within, cube, levels, near if beside else None).items():
            ds[f"{name}_volume{part}"] = (leading, values)
            ds[f"{name}_fraction{part}"] = (leading, values / whole)
    return ds


def _unseen(ds: xr.Dataset, escaped: dict[str, Floats], share: xr.DataArray) -> dict[str, tuple[Any, Floats]]:
    dims, whole = ds["void_volume"].dims, _counted(share)
    volumes = {f"{name}_volume_unseen": (dims, values) for name, values in escaped.items()}
    return {**volumes, **{f"{name}_fraction_unseen": (dims, values / whole) for name, values in escaped.items()}}


def _of_objects(table: xr.Dataset, beside: xr.Dataset | None, cube: float, levels: Levels) -> xr.Dataset:
    """Return the numbers of objects, their volumes and how sure these are."""
    filled, near = _filled(table), None
    if beside is not None:
        where = [name for name in ("number", *table.coords) if "object" in table[name].dims and name != "object"]
        known = dict(zip(zip(*(beside[name].to_numpy() for name in where), strict=True), _filled(beside), strict=True))
        rows = zip(*(table[name].to_numpy() for name in where), strict=True)
        near = np.array([known.get(row, 0.0) for row in rows], np.float64)
    parts = _parts(filled, table["volume"].to_numpy(), cube, levels, near)
    return table[["number"]].assign({f"void_volume{part}": ("object", values) for part, values in parts.items()})


def _filled(table: xr.Dataset) -> Floats:
    found: Floats = (table["volume"] * table["intensity_mean"]).to_numpy()
    return found


def _parts(filled: Floats, space: Floats, cube: float, levels: Levels, beside: Floats | None) -> dict[str, Floats]:
    """Return volumes of void within a space of voxels of a size, and their uncertainties, also of those beside."""
    noise = white(levels.noise, levels.noise_blur) / levels.contrast * np.sqrt(space * cube)
    parts = {"": filled, "_std": noise}
    if beside is not None or levels.void_std > 0:
        shift = np.hypot((space - filled) * levels.matrix_std, filled * levels.void_std) / levels.contrast
        systematic = np.hypot(0.0 if beside is None else AWRY * beside, shift)
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
