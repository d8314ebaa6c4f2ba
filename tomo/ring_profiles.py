"""How far the grey values of a slice depart along circles around the axis of rotation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

SECTORS = 8
"""Parts of the circle that must agree."""
INNERMOST = 2
"""Smallest radius of a ring, voxels."""
_ANGLES = 2048
_SURE = 3.0
_LEAST_SHARE = 0.3
"""Share of a circle that must be fair to compare."""
_HIGHEST = 10.0
"""Noises by which a ring stands out at most; more is structure of the sample."""
_AGREE = 3.0
"""Noises by which the two sides of a ring may differ; their difference has 0.8 of it."""
_MEDIAN = 1.2533
"""Standard deviation of a median in those of a mean, for normal noise."""
_TO_SIGMA = 1.4826


def radii(shape: tuple[int, int], center: tuple[float, float]) -> int:
    """Return how many radii, one voxel apart from 0, fit into a slice around a center (y, x), voxels."""
    reach = min(min(at, size - 1 - at) for at, size in zip(center, shape, strict=True))
    return max(0, int(np.floor(reach)) + 1)


def ring_profile(image: NDArray[np.generic], known: Floats, center: tuple[float, float], width: int) -> Singles:
    """Return what is constant along each circle, dims (2 + ``SECTORS``, radius): height, noise, height by sectors.

    The slice is sampled in polar coordinates (J. Sijbers, A. Postnov, Phys. Med. Biol. 49, N247 (2004),
    doi:10.1088/0031-9155/49/14/N06). Each value is compared with the mean of what lies on both sides of it along the
    ray, outside a ring of ``width`` voxels, and only where both sides agree within the noise and the value stands out
    by no more than ten times the noise: edges of the sample do not count. The height is the median over the angles, its
    noise the standard uncertainty from the noise along the circle, infinite where too little is left to compare. Rings
    ``known`` (radius) are taken off the sides, which would otherwise make rings of their own of opposite sign.
    """
    polar = _polar(image, center)
    noise = _TO_SIGMA * float(np.median(np.abs(np.diff(polar[:, polar.shape[1] // 2 :], axis=0)))) / np.sqrt(2)
    before, after = _sides(polar - known, width)
    rest = polar - (before + after) / 2
    fair = (np.abs(after - before) <= _AGREE * noise) & (np.abs(rest) <= _HIGHEST * noise)
    return _medians(np.where(fair, rest, np.nan)).astype(np.float32)


def uncertainty(noise: Floats, sectors: Floats) -> Floats:
    """Return the larger one of the noise and of what the spread of the sectors (first axis) tells, infinite of few.

    Structure of the sample fills some sectors, a ring all.
    """
    known = np.isfinite(sectors).sum(axis=0)
    mean = np.nansum(sectors, axis=0) / np.maximum(known, 1)
    spread = np.sqrt(np.nansum((sectors - mean) ** 2, axis=0) / np.maximum(known * (known - 1), 1))
    found: Floats = np.where(known > SECTORS // 2, np.maximum(noise, spread), np.inf)
    return found


def _polar(image: NDArray[np.generic], center: tuple[float, float]) -> Floats:
    """Return values at (angle, radius); an even number of angles."""
    from scipy import ndimage

    count = radii((image.shape[0], image.shape[1]), center)
    angles = min(_ANGLES, SECTORS * int(np.ceil(2 * np.pi * max(count, 1) / SECTORS)))
    angle = (np.arange(angles) + 0.5) * (2 * np.pi / angles)
    radius = np.arange(count)
    places = [
        center[0] + np.sin(angle)[:, np.newaxis] * radius,
        center[1] + np.cos(angle)[:, np.newaxis] * radius,
    ]
    found: Floats = ndimage.map_coordinates(image.astype(np.float64), places, order=3, mode="nearest")
    return found


def _sides(polar: Floats, width: int) -> tuple[Floats, Floats]:
    """Return the means of three voxels on the inner and the outer side of each, across the axis if need be."""
    reach = width // 2 + 3
    opposite = np.roll(polar, polar.shape[0] // 2, axis=0)[:, reach:0:-1]
    beyond = np.full((polar.shape[0], reach), np.nan)
    rays = np.concatenate([opposite, polar, beyond], axis=1)
    means = (rays[:, :-2] + rays[:, 1:-1] + rays[:, 2:]) / 3
    return means[:, : polar.shape[1]], means[:, 2 * reach - 2 :]


def _medians(rest: Floats) -> Floats:
    """Return median over the angles (first axis) of what is not NaN, its noise, and the median of each sector."""
    count = np.isfinite(rest).sum(axis=0)
    height = _median(rest, 0.0)
    around = 2 * np.pi * np.maximum(np.arange(height.size), 0.5)
    independent = np.maximum(count * np.minimum(1, around / rest.shape[0]), 1)
    noise = _MEDIAN * _TO_SIGMA * _median(np.abs(rest - height), 0.0) / np.sqrt(independent)
    noise = np.where((count >= _LEAST_SHARE * rest.shape[0]) & (noise > 0), noise, np.inf)
    return np.array([height, noise, *(_median(part, np.nan) for part in np.split(rest, SECTORS))])


def _median(values: Floats, otherwise: float = 0.0) -> Floats:
    """Return the median along the first axis of what is not NaN."""
    ordered = np.sort(values, axis=0)
    count = np.isfinite(values).sum(axis=0)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    column = np.arange(values.shape[1])
    middle = (ordered[low, column] + ordered[np.minimum(high, len(ordered) - 1), column]) / 2
    found: Floats = np.where(count > 0, middle, otherwise)
    return found


def _widened(sure: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """Return radii within ``by`` voxels of sure ones, along the last axis."""
    from scipy import ndimage

    size = [1] * (sure.ndim - 1) + [2 * by + 1]
    found: NDArray[np.bool_] = ndimage.maximum_filter(sure, size=size, mode="constant", cval=0)
    return found


def rings_of(profiles: Singles, *, width: int, slices: int, threshold: float, alone: bool) -> tuple[Floats, Floats]:
    """Return what to take off at each radius (..., z, radius) and the significance of the clearest ring (..., z).

    A ring is where one scan departs by more than ``threshold`` standard uncertainties; the other scans, along the first
    dims, are corrected at its radii where they depart by more than three.

    Parameters
    ----------
    profiles
        Dims (..., z, 2 + SECTORS, radius), what :func:`ring_profile` returns.
    slices
        Neighboring slices that are averaged.
    alone
        Whether of rings that disturb each other only the highest count.
    """
    height, sigma = _averaged(profiles, slices)
    ratio = np.abs(height) / sigma
    ratio[..., :INNERMOST] = 0
    clear = ratio > threshold
    if alone:
        clear &= _highest(np.where(np.isfinite(sigma), np.abs(height), 0.0), 2 * (width // 2 + 3))
    shared = clear.reshape(-1, *ratio.shape[-2:]).any(axis=0)
    taken = _widened(np.broadcast_to(shared, ratio.shape), width // 2)
    taken &= _widened(ratio > _SURE, width // 2)
    taken[..., :INNERMOST] = False
    return np.where(taken, height, 0.0), ratio.max(axis=-1, initial=0.0)


def _averaged(profiles: Singles, slices: int) -> tuple[Floats, Floats]:
    """Return height and standard uncertainty (..., z, radius), weighted means over neighboring slices."""
    from scipy import ndimage

    def summed(values: Floats) -> Floats:
        total: Floats = slices * ndimage.uniform_filter1d(values, slices, axis=-2, mode="constant")
        return total

    noise = profiles[..., 1, :].astype(np.float64)
    weight = 1 / noise**2
    whole = summed(weight)
    some = whole > 1e-9 * weight.max(initial=0)
    whole = np.where(some, whole, 1.0)
    height = summed(weight * profiles[..., 0, :]) / whole
    sectors = []
    for part in np.moveaxis(profiles[..., 2:, :], -2, 0):
        own = summed(weight * np.isfinite(part))
        known = own > 1e-3 * whole
        sectors.append(np.where(known, summed(weight * np.nan_to_num(part)) / np.where(known, own, 1.0), np.nan))
    sigma = uncertainty(np.where(some, whole**-0.5, np.inf), np.array(sectors))
    return height, sigma


def _highest(height: Floats, reach: int) -> NDArray[np.bool_]:
    """Return radii at which nothing within ``reach`` voxels is higher."""
    from scipy import ndimage

    found: NDArray[np.bool_] = height >= ndimage.maximum_filter1d(height, 2 * reach + 1, axis=-1)
    return found


def without_rings(image: NDArray[np.generic], height: Floats, center: tuple[float, float]) -> NDArray[np.float32]:
    """Return a slice less the heights at its voxels' radii, by cubic splines between them."""
    if not height.any():
        return image.astype(np.float32)
    from scipy import ndimage

    y, x = (np.arange(size) - at for size, at in zip(image.shape, center, strict=True))
    radius = np.hypot(y[:, np.newaxis], x)
    near = _widened(height != 0, 1)[np.minimum(np.rint(radius).astype(int), height.size - 1)]
    added = np.zeros(image.shape)
    added[near] = ndimage.map_coordinates(height, radius[near][np.newaxis], order=3, mode="constant", cval=0.0)
    found: NDArray[np.float32] = (image.astype(np.float64) - added).astype(np.float32)
    return found
