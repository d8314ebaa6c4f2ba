"""Cracks: where they are, how much of every voxel they fill, and how far they are open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import HISTORY, recorded

from . import plate_kernels, void_kernels
from .blocks import over_blocks
from .counted_voxels import kept_slices
from .crack_levels import Levels, completed
from .hysteresis_masks import hysteresis
from .layout import PLACES
from .plate_noise import smoothed, spread, threshold
from .plates import checked_scales, directed_responses, half_gauss, margin
from .voxels import as_volume, voxel

SEEN = np.dtype([("answer", np.float32), ("normal", np.int8, (3,))])
PACKED = np.dtype([("share", np.float32), ("seen", np.bool_), ("normal", np.int8, (3,))])
FOUND = np.dtype([("crack", np.bool_), ("void", np.bool_), ("share", np.float32), ("aperture", np.float32)])
DARK_BLUR = 0.7
SMOOTHING = 1.0
"""Standard deviations, voxels, of the Gaussians before a particle's skin and a crack's depth are judged."""
NEIGHBORS = 2
"""Voxels to either side over whose lines across a crack its aperture is averaged."""
HALF = 0.5
FACE = 1.5
"""How far the mirror image at an outer face makes noise stronger, scales."""


def segment_cracks(
    volume: xr.DataArray | NDArray[np.generic],
    *,
    matrix: float | None = None,
    void: float | None = None,
    noise: float | None = None,
    blur: float | None = None,
    noise_blur: float | None = None,
    scales: Sequence[float] = (1.0, 2.0, 3.0),
    false_alarm: float = 1e-8,
    grow: float = 1e-3,
    widest: float = 8.0,
    store: str | PathLike[str] | None = None,
) -> xr.Dataset:
    """Return where cracks and other voids are, how much of every voxel they fill, and how far cracks are open.

    Parameters
    ----------
    volume
        Grey values, dims (..., z, y, x), cubic voxels; lazy or in memory. Void is darker than the matrix, particles are
        brighter. What is not finite, and slices that are missing, saturated or surplus in ``frame_flag``, hold no void.
    matrix, void
        Grey values of what cracks run through, and of void. Found from the volume, of a series the first, where not
        given: the phase that fills most voxels; the mean of what is dark and farther from all that is not than the blur
        reaches, or the darkest phase that fills cubes of 6 x 6 x 6 voxels.
    noise, noise_blur
        Standard deviation of the noise of a voxel (grey values) and of its Gaussian blur (voxels, 0: white); as
        :func:`estimate_noise` finds them where ``noise`` is not given.
    blur
        Standard deviation of the point spread function, voxels; as :func:`estimate_blur` finds it where not given.
    scales
        Of the plate filter, voxels. Their largest also limits how far a crack's middle is looked for.
    false_alarm
        Share of the voxels of pure noise in which a crack starts.
    grow
        Share of the voxels of pure noise into which a crack that has started could grow.
    widest
        How far a crack reaches at most from its middle to either side, voxels; what is wider, or ends within its plane
        less than 1.5 apertures from the middle, as balls and tubes do, is void but no crack.
    store
        Folder in which :func:`label` keeps the pieces of a lazy volume for as long as the result is read; a temporary
        one by default. Workers on other machines need one that they share.

    Returns
    -------
    xarray.Dataset
        Dims of the volume, lazy where it is: ``crack`` and ``void`` (bool), the cracks and all that is empty, cracks
        included; ``share`` (float32), the share of void of every voxel of both and around them as far as the blur
        carries it, else 0; ``aperture`` (float32, unit of the voxels) at voxels of ``crack``, else 0. And the numbers
        that were used: ``matrix_level`` and ``void_level`` with ``_std`` (0 where given), ``noise``, ``noise_blur``,
        ``blur``.

    Raises
    ------
    OperandoError
        If voxels are no cubes, a number is out of range, the void is not darker than the matrix, or one of the levels
        is not given and cannot be found.

    Notes
    -----
    share = (I_matrix - I) / (I_matrix - I_void), not cut at 0 and 1: noise then cancels in sums, and the volume of what
    is found is the sum of ``share`` times that of a voxel, also of cracks thinner than the blur. Where the slope of
    the grey values leads from void straight into a particle, the particle's own level takes the place of I_matrix;
    skins of particles without a void hold none. Let S be the standard deviation of what blurs an edge, blur and voxel
    together. Gaps against particles 31 times the noise brighter than the matrix keep their volume within 2 % from a
    width of 3.5 S on, lose half of it at 2.5 to 3 S and are not seen at 1.5 S, at blurs of 0.5 to 1 voxel; what
    :func:`detection_limit` tells of a ``particle``.

    Other voids are where the share, smoothed by one voxel, is at least one half: balls from a diameter of
    3.1 sqrt(blur^2 + 1.1) voxels on (3.9 at a blur of 0.7), whole within 5 % from 1.4 times that. Smaller pores are
    lost, in no uncertainty.

    Cracks are voxels whose share, smoothed by one voxel, is at least half that of the crack's middle, connected (26
    neighbors) to where the answer of the plate filter, divided at each scale by its spread in noise, exceeds what noise
    does. The aperture is the integral of the smoothed share along the normal, averaged over the crack's voxels in a
    cube of five voxels around each. Volumes and mean apertures were right within 1 % and 0.1 voxels on plates 3 and 5
    voxels wide, at any inclination, with a blur of 0.7 voxels and a contrast of 4 times the noise; the aperture of a
    single voxel had a standard deviation of 0.11 voxels. A lazy volume is read twice: once when this is called, to find
    what hangs together, once for the result.
    """
    grey = _counting(as_volume(volume, "segment_cracks"))
    edges = voxel(grey, "segment_cracks")
    edge = edges.cube("segment_cracks")
    scales = checked_search(scales, widest, "segment_cracks")
    levels = completed(grey, matrix=matrix, void=void, noise=noise, blur=blur, noise_blur=noise_blur)
    settings = {"scales": scales, "false_alarm": false_alarm, "grow": grow, "widest": widest}
    found = found_cracks(grey, levels, store=store, **settings)
    ds = levels.dataset(str(grey.attrs.get("units", "1")))
    for name, (units, text) in {
        "crack": ("1", "whether the voxel belongs to a crack"),
        "void": ("1", "whether the voxel is empty, cracks included"),
        "share": ("1", "share of void of the voxel"),
        "aperture": (edges.units, "aperture of the crack, along its normal"),
    }.items():
        field = found.data[name] * np.float32(edge) if name == "aperture" else found.data[name]
        ds[name] = (grey.dims, field, {"units": units, "long_name": text})
    ds = ds.assign_coords(grey.coords)
    source = xr.Dataset(attrs={HISTORY: grey.attrs[HISTORY]} if HISTORY in grey.attrs else {})
    return recorded(ds, "tomo.segment_cracks", {**levels.numbers(), **settings}, after=source)


def _counting(grey: xr.DataArray) -> xr.DataArray:
    """Return a volume whose slices that are missing, saturated or surplus are not finite."""
    kept = kept_slices(grey)
    return grey if bool(kept.all()) else grey.where(kept)


def checked_search(scales: Sequence[float], widest: float, step: str) -> tuple[float, ...]:
    """Return scales as numbers.

    Raises
    ------
    OperandoError
        If there is none, one is below 0.8, or ``widest`` is not from 1 to 64 voxels.
    """
    if not 1 <= widest <= 64:
        raise OperandoError(f"{step}: expected widest from 1 to 64 voxels, got {widest:g}")
    return checked_scales(scales, step)


def void_share(block: NDArray[np.generic], *, levels: Levels) -> NDArray[np.generic]:
    """Return the share of void of every voxel, also beside particles; voxels that are not finite hold none."""
    grey = np.asarray(block, np.float32)
    grey = np.where(np.isfinite(grey), grey, np.float32(levels.matrix))
    share: NDArray[np.float32] = (np.float32(levels.matrix) - grey) / np.float32(levels.contrast)
    bright = grey > levels.bright
    if bright.any():
        from scipy import ndimage

        near = ndimage.maximum_filter(bright, 2 * math.ceil(levels.reach) + 1, mode="nearest")
        dark = plate_kernels.smooth(np.maximum(share, np.float32(0)), half_gauss(DARK_BLUR))
        reaches = levels.reach, void_kernels.DIRECT * math.hypot(levels.sigma, DARK_BLUR)
        void_kernels.beside_particles(grey, dark, near, (levels.void, levels.bright), reaches, share)
    return share


def _share_margin(levels: Levels) -> int:
    return math.ceil(levels.reach) + 2 + half_gauss(DARK_BLUR).size


def plates_seen(
    block: NDArray[np.generic], *, scales: tuple[float, ...], factors: tuple[float, ...]
) -> NDArray[np.generic]:
    """Return the answer of the plate filter and its normal, 127 times its planarity long, dims (z, y, x)."""
    answer, normal, _, planarity = directed_responses(block, scales, factors)
    found = np.empty(answer.shape, SEEN)
    found["answer"] = answer
    found["normal"] = np.rint(127 * planarity[..., np.newaxis] * normal)
    return found


def packed(share: NDArray[np.float32], seen: NDArray[np.bool_], plates: NDArray[Any]) -> NDArray[np.generic]:
    """Return records of the share of void, whether a plate was seen, and its normal."""
    found = np.empty(share.shape, PACKED)
    found["share"], found["seen"], found["normal"] = share, seen, plates["normal"]
    return found


def cracks_across(block: NDArray[Any], *, reaches: tuple[float, float], grown: int, wide: float) -> NDArray[np.generic]:
    """Return records of crack, void, share of void within both, grown by ``grown`` voxels, and aperture in voxels.

    Void is also where the smoothed share is at least ``wide``.
    """
    share = np.ascontiguousarray(block["share"])
    smooth = plate_kernels.smooth(share, half_gauss(SMOOTHING))
    seen, normal = np.ascontiguousarray(block["seen"]), np.ascontiguousarray(block["normal"])
    aperture = np.zeros(block.shape, np.float32)
    void = smooth >= np.float32(wide)
    void_kernels.across(smooth, seen, normal, reaches, void, aperture)
    del smooth, seen, normal
    aperture = _along_the_plane(aperture)
    found = np.zeros(block.shape, FOUND)
    found["aperture"], found["crack"], found["void"] = aperture, aperture > 0, void
    if void.any():
        from scipy import ndimage
        from skimage.morphology import ball

        around = ndimage.binary_dilation(void, ball(grown)) if grown else void  # type: ignore[no-untyped-call]
        found["share"] = np.where(around, share, np.float32(0))
    return found


def _along_the_plane(aperture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean aperture of the crack's voxels in a cube around each: noise that one line meets averages out."""
    crack = aperture > 0
    if not crack.any():
        return aperture
    half = np.full(NEIGHBORS + 1, 1 / (2 * NEIGHBORS + 1), np.float32)
    total, count = plate_kernels.smooth(aperture, half), plate_kernels.smooth(crack.astype(np.float32), half)
    np.divide(total, count, out=aperture, where=crack)
    return aperture


def _across_margin(reaches: tuple[float, float], grown: int) -> int:
    climb, widest = reaches
    return math.ceil(climb + void_kernels.FLAT * widest) + 1 + half_gauss(SMOOTHING).size + max(grown, NEIGHBORS)


def found_cracks(
    grey: xr.DataArray, levels: Levels, *, store: str | PathLike[str] | None = None, **settings: Any
) -> xr.DataArray:
    """Return records of crack, void, share and aperture (voxels) of a volume, lazily of a lazy one."""
    from scipy.special import ndtri

    scales, widest = settings["scales"], settings["widest"]
    share = over_blocks(void_share, grey, margin=_share_margin(levels), dtype=np.float32, levels=levels)
    high, low = (threshold(settings[name], "segment_cracks") for name in ("false_alarm", "grow"))
    noise = levels.noise / levels.contrast
    factors = tuple(-(scale**2) / (high * spread(scale, noise, levels.noise_blur)) for scale in scales)
    plates = over_blocks(plates_seen, share, margin=margin(scales), dtype=SEEN, scales=scales, factors=factors)
    answer = _tamed(plates.copy(data=plates.data["answer"]), math.ceil(FACE * max(scales)))
    seen = hysteresis(answer, low / high, 1.0, store=store)
    both = xr.apply_ufunc(packed, share, seen, plates, dask="parallelized", output_dtypes=[PACKED])
    reaches = (max(scales) + 1, widest)
    wide = max(HALF, -float(ndtri(settings["false_alarm"])) * smoothed(SMOOTHING, noise, levels.noise_blur))
    work = {"reaches": reaches, "grown": levels.grown, "wide": wide}
    return over_blocks(cracks_across, both, margin=_across_margin(reaches, levels.grown), dtype=FOUND, **work)


def _tamed(answer: xr.DataArray, layer: int) -> xr.DataArray:
    """Return answers with those beside outer faces divided by the root of 2, as much as noise is stronger there."""
    for name in PLACES:
        weight = np.ones(answer.sizes[name], np.float32)
        weight[:layer] = weight[-layer:] = math.sqrt(0.5)
        answer = answer * xr.DataArray(weight, dims=name)
    return answer
