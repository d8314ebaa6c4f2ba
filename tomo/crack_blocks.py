"""What is found of cracks in a part of a volume: share of void, plates, and voids across them, slab by slab."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import particle_skins, plate_kernels, void_kernels
from .crack_levels import Levels
from .plate_noise import smoothed
from .plates import directed_responses, half_gauss

SEEN = np.dtype([("answer", np.float32), ("normal", np.int8, (3,))])
PACKED = np.dtype([("share", np.float32), ("seen", np.bool_), ("normal", np.int8, (3,))])
FOUND = np.dtype([("crack", np.bool_), ("void", np.bool_), ("share", np.float32), ("aperture", np.float32)])
DARK_BLUR = 0.7
SMOOTHING = 1.0
"""Standard deviations, voxels, of the Gaussians before a particle's skin and a crack's depth are judged."""
NEIGHBORS = 2
"""Voxels to either side over whose lines across a crack its aperture is averaged."""
NEARBY = 2
"""How far from the middle of a small void its voxels lie at most, along z, y, x, voxels."""
DARK = 0.5
"""Share of void that a plate has at least, of that of a thin sheet which answers as much: flanks of ridges lack it."""
HALF, SHALLOW = 0.5, 0.25
"""Share of void, smoothed by a voxel, that a void has; and that its middle has at least where it is small."""
SLAB = 32
"""Slices that are worked on at a time."""

Box = tuple[slice, slice, slice]
Shape = tuple[int, int, int]


def lengths(box: Box) -> Shape:
    """Return how many voxels a box has along z, y, x."""
    z, y, x = (side.stop - side.start for side in box)
    return z, y, x


def every(shape: tuple[int, ...]) -> Box:
    """Return the box that is all of a volume."""
    depth, height, width = shape
    return slice(0, depth), slice(0, height), slice(0, width)


def widened(box: Box, by: int, shape: tuple[int, ...]) -> Box:
    """Return a box and what lies around it, up to the faces of a volume."""
    z, y, x = (slice(max(0, side.start - by), min(size, side.stop + by)) for side, size in zip(box, shape, strict=True))
    return z, y, x


def inside(box: Box, outer: Box) -> Box:
    """Return where a box lies within another."""
    z, y, x = (slice(side.start - out.start, side.stop - out.start) for side, out in zip(box, outer, strict=True))
    return z, y, x


def slabs(box: Box) -> Iterator[Box]:
    """Yield the parts of a box, a few slices each."""
    z, y, x = box
    for start in range(z.start, z.stop, SLAB):
        yield slice(start, min(start + SLAB, z.stop)), y, x


def share_within(grey: NDArray[np.generic], box: Box, levels: Levels) -> NDArray[np.float32]:
    """Return the share of void in a box of a volume, as :func:`void_share` gives it."""
    found = np.empty(lengths(box), np.float32)
    reach = share_margin(levels)
    for slab in slabs(box):
        z = widened(slab, reach, grey.shape)[0]
        around = (z, *every(grey.shape)[1:])
        to = inside(slab, around)
        found[inside(slab, box)] = void_share(grey[z], to, levels=levels)[to]
    return found


def void_share(block: NDArray[np.generic], box: Box | None = None, *, levels: Levels) -> NDArray[np.generic]:
    """Return the share of void of every voxel, within ``box`` also beside particles; none where it is not finite."""
    grey = np.asarray(block, np.float32)
    grey = np.where(np.isfinite(grey), grey, np.float32(levels.matrix))
    share: NDArray[np.float32] = (np.float32(levels.matrix) - grey) / np.float32(levels.contrast)
    bright = grey > levels.bright
    if bright.any():
        from scipy import ndimage

        near = np.zeros(grey.shape, bool)
        part = box or every(grey.shape)
        near[part] = ndimage.maximum_filter(bright, 2 * math.ceil(levels.reach) + 1, mode="nearest")[part]
        dark = plate_kernels.smooth(np.maximum(share, np.float32(0)), half_gauss(DARK_BLUR))
        soft = plate_kernels.smooth(grey, half_gauss(DARK_BLUR))
        tables = particle_skins.void_begins(levels.sigma, DARK_BLUR), particle_skins.RATIOS, particle_skins.LAYERS
        blurs, greys = (levels.sigma, levels.reach, _faint(levels)), (levels.matrix, levels.void, levels.bright)
        particle_skins.correct_beside_particles(grey, soft, dark, near, greys, blurs, tables, share)
    return share


def _faint(levels: Levels) -> float:
    """Return how deep void may seem that is but noise: its mean where it is cut off at 0, and 1.5 deviations."""
    noise = smoothed(DARK_BLUR, levels.noise, levels.noise_blur)
    return particle_skins.SEEN + (levels.noise / math.sqrt(2 * math.pi) + 1.5 * noise) / levels.contrast


def share_margin(levels: Levels) -> int:
    """Return how far the share of void looks away from a voxel, voxels."""
    return math.ceil(levels.reach) + 2 + half_gauss(DARK_BLUR).size


def plates_seen(
    share: NDArray[np.generic], box: Box | None = None, *, scales: tuple[float, ...], factors: tuple[float, ...]
) -> NDArray[np.generic]:
    """Return the answer of the plate filter in a box, and its normal, 127 times its planarity long, dims (z, y, x)."""
    box = box or every(share.shape)
    found = np.empty(lengths(box), SEEN)
    for slab in slabs(box):
        answer, normal, _, planarity = directed_responses(share, scales, factors, slab[:2], least=DARK)
        part, along = found[inside(slab, box)], slab[2]
        part["answer"] = answer[..., along]
        part["normal"] = np.rint(127 * planarity[..., along, np.newaxis] * normal[..., along, :])
    return found


def packed(share: NDArray[np.float32], seen: NDArray[np.bool_], plates: NDArray[Any]) -> NDArray[np.generic]:
    """Return records of the share of void, whether a plate was seen, and its normal."""
    found = np.empty(share.shape, PACKED)
    found["share"], found["seen"], found["normal"] = share, seen, plates["normal"]
    return found


def cracks_across(
    block: NDArray[Any], *, reaches: tuple[float, float], grown: int, least: float
) -> NDArray[np.generic]:
    """Return what :func:`found_across` finds in a block of packed records."""
    share, seen, normal = (np.ascontiguousarray(block[name]) for name in ("share", "seen", "normal"))
    return found_across(share, seen, normal, every(block.shape), reaches=reaches, grown=grown, least=least)


def found_across(
    share: NDArray[np.float32],
    seen: NDArray[np.bool_],
    normal: NDArray[np.int8],
    box: Box,
    *,
    reaches: tuple[float, float],
    grown: int,
    least: float,
) -> NDArray[np.generic]:
    """Return records of crack, void, share of void within both, grown by ``grown`` voxels, and aperture in voxels.

    They are those of a box. Void is also what :func:`deep` finds in the smoothed share.
    """
    smooth = plate_kernels.smooth(share, half_gauss(SMOOTHING))
    aperture = np.zeros(share.shape, np.float32)
    near = widened(box, max(grown, NEIGHBORS), share.shape)
    void = np.zeros(share.shape, bool)
    void[near] = deep(smooth, near, least)
    z, y, x = ((side.start, side.stop) for side in near)
    void_kernels.across(smooth, seen, normal, reaches, (z, y, x), void, aperture)
    del smooth
    aperture, void, inner = _along_the_plane(np.ascontiguousarray(aperture[near])), void[near], inside(box, near)
    found = np.zeros(lengths(box), FOUND)
    found["aperture"], found["crack"], found["void"] = aperture[inner], aperture[inner] > 0, void[inner]
    if void.any():
        from scipy import ndimage
        from skimage.morphology import ball

        around = ndimage.binary_dilation(void, ball(grown)) if grown else void  # type: ignore[no-untyped-call]
        found["share"] = np.where(around[inner], share[box], np.float32(0))
    return found


def deep(smooth: NDArray[np.float32], box: Box, least: float) -> NDArray[np.bool_]:
    """Return where a smoothed share of void is one half, or half of that of a peak nearby.

    Both exceed what noise does: they are at least ``least``, and a peak is at least ``SHALLOW``.
    """
    from scipy import ndimage

    around = widened(box, NEARBY + 1, smooth.shape)
    share = smooth[around]
    peak = share >= np.float32(max(SHALLOW, least))
    found: NDArray[np.bool_] = smooth[box] >= np.float32(max(HALF, least))
    if peak.any():
        peak &= share == ndimage.maximum_filter(share, 3, mode="nearest")
        top = np.where(peak, np.minimum(share, np.float32(1)), np.float32(np.inf))
        top = ndimage.minimum_filter(top, 2 * NEARBY + 1, mode="nearest")[inside(box, around)]
        found |= smooth[box] >= HALF * top
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


def across_margin(reaches: tuple[float, float], grown: int) -> int:
    """Return how far the search across cracks looks away from a voxel, voxels."""
    climb, widest = reaches
    return math.ceil(climb + void_kernels.FLAT * widest) + 1 + half_gauss(SMOOTHING).size + max(grown, NEIGHBORS)


def tamed(answer: NDArray[Any], layer: int, faces: tuple[tuple[bool, bool], ...]) -> None:
    """Divide answers in a layer beside outer faces by the root of 2, as much as noise is stronger there.

    ``faces`` tells along z, y, x whether the volume begins and ends with the block.
    """
    for axis, (begins, ends) in enumerate(faces):
        size = answer.shape[axis]
        weight = np.ones(size, np.float32)
        weight[: layer if begins else 0] = weight[max(0, size - layer) if ends else size :] = math.sqrt(0.5)
        beside = np.moveaxis(answer, axis, -1)
        beside *= weight
