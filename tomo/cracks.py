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

from .blocks import over_blocks
from .counted_voxels import kept_slices
from .crack_blocks import (
    FOUND,
    SEEN,
    SMOOTHING,
    across_margin,
    cracks_across,
    packed,
    plates_seen,
    share_margin,
    tamed,
    void_share,
)
from .crack_levels import Levels, completed
from .crack_passes import Search, found_lazily
from .hysteresis_masks import hysteresis
from .layout import PLACES
from .plate_noise import smoothed, spread, threshold
from .plates import checked_scales, margin
from .voxels import as_volume, voxel

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
    is found is the sum of ``share`` times that of a voxel, also of cracks thinner than the blur. Beside particles,
    whose blur outshines void, it goes by the particle's own level, and by how thick a layer of matrix lies between
    particle and void (:mod:`operando.tomo.particle_skins`); skins of particles without a void hold none. Let S be the
    standard deviation of what blurs an edge, blur and voxel together. Gaps against particles 31 times the noise
    brighter than the matrix keep their volume within 1 % from a width of 3.5 S on, lose at most a fifth at 3 S, half at
    2 to 2.6 S, and are hardly seen at 1.5 S, at blurs of 0.5 to 1 voxel; what :func:`detection_limit` tells of a
    ``particle``.

    Other voids are where the share, smoothed by one voxel, is at least one half, or half of that of a peak within 2
    voxels: a peak is at least 1/4, and no less than what ``false_alarm`` of the voxels of noise exceed. Balls are found
    from a diameter of 2.2 sqrt(blur^2 + 1.1) voxels on (2.8 at a blur of 0.7), all from 1.1 times that, where the noise
    is below 0.3 of the contrast. Smaller pores are lost, in no uncertainty. A matrix that is by itself darker by a
    quarter of the contrast in places of a few voxels seems to hold pores there.

    Cracks are voxels whose share, smoothed by one voxel, is at least half that of the crack's middle, connected (26
    neighbors) to where the answer of the plate filter, divided at each scale by its spread in noise, exceeds what noise
    does, and where the share, smoothed to the scale, is at least half that of a thin sheet which answers as much: what
    lies beside a bright ring or a lost slice bends the grey values, too, but is not dark. The aperture is the integral
    of the smoothed share along the normal, averaged over the crack's voxels in a cube of five voxels around each.
    Volumes and mean apertures were right within 1 % and 0.1 voxels on plates 3 and 5 voxels wide, at any inclination,
    with a blur of 0.7 voxels and a contrast of 4 times the noise; the aperture of a single voxel had a standard
    deviation of 0.11 voxels. A lazy volume is read twice: once when this is called, to find what hangs together, once
    for the result.

    The method is operando's own, measured on simulated composites (``benchmarks/bench_void_pulls.py``).
    """
    grey = as_volume(volume, "segment_cracks")
    edges = voxel(grey, "segment_cracks")
    edge = edges.cube("segment_cracks")
    scales = checked_search(scales, widest, "segment_cracks")
    levels = completed(_counting(grey), matrix=matrix, void=void, noise=noise, blur=blur, noise_blur=noise_blur)
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


def found_cracks(
    grey: xr.DataArray, levels: Levels, *, store: str | PathLike[str] | None = None, **settings: Any
) -> xr.DataArray:
    """Return records of crack, void, share and aperture (voxels) of a volume, lazily of a lazy one."""
    if not grey.size:
        raise OperandoError(f"segment_cracks: expected a volume, got one without voxels, {dict(grey.sizes)}")
    search = _search(levels, **settings)
    if grey.chunks is not None:
        return found_lazily(grey, levels, search, store)
    share = over_blocks(void_share, _counting(grey), margin=share_margin(levels), dtype=np.float32, levels=levels)
    plate: dict[str, Any] = {"scales": search.scales, "factors": search.factors}
    plates = over_blocks(plates_seen, share, margin=margin(search.scales), dtype=SEEN, **plate)
    for index in np.ndindex(*plates.shape[: -len(PLACES)]):
        tamed(plates.data[index]["answer"], search.layer, ((True, True),) * len(PLACES))
    seen = hysteresis(plates.copy(data=plates.data["answer"]), search.loose, 1.0)
    both = xr.apply_ufunc(packed, share, seen, plates)
    work = {"reaches": search.reaches, "grown": levels.grown, "least": search.least}
    return over_blocks(cracks_across, both, margin=across_margin(search.reaches, levels.grown), dtype=FOUND, **work)


def _search(levels: Levels, *, scales: tuple[float, ...], false_alarm: float, grow: float, widest: float) -> Search:
    """Return what plates and voids are looked for by in the noise of a volume."""
    from scipy.special import ndtri

    high, low = (threshold(share, "segment_cracks") for share in (false_alarm, grow))
    noise = levels.noise / levels.contrast
    return Search(
        scales=scales,
        factors=tuple(-(scale**2) / (high * spread(scale, noise, levels.noise_blur)) for scale in scales),
        loose=low / high,
        layer=math.ceil(FACE * max(scales)),
        reaches=(max(scales) + 1, widest),
        least=-float(ndtri(false_alarm)) * smoothed(SMOOTHING, noise, levels.noise_blur),
    )
