"""Move images until a few common images explain them best, on plain arrays.

Each image is a sum of K common images, with weights of its own, moved by its drift, plus noise. Common images, weights
and drifts that leave the least squares are found by Gauss-Newton steps in the drifts alone (variable projection).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .fourier_band import Band, Complex, Floats

Reals = NDArray[np.float32]
_ROUNDS = 30
_STILL = 2e-3
"""Steps below it end the search, px."""
_LONGEST = 0.5
"""Longest step, px."""
_ABOVE_NOISE = 2.0
"""How far the power of a common image is above that of noise alone."""
_PER_NUMBER = 0.5
"""Noise power in the real part of a wave whose noise is 1."""
_SHARE = 3
"""Images to each common image, at least; but a few images may have those of an edge."""
_OF_AN_EDGE = 3
"""Common images of an absorption edge: what does not change, its height, and its position."""
_LEAST_FREE = 0.1
"""Share of an image that the common ones do not reach below which what they leave says little of its noise."""
_ROUNDING = 1e-6
"""Share of all power that the sums in single precision may lose."""


@dataclass(frozen=True)
class Fit:
    """What images have in common.

    The common ``images`` (K, number), orthonormal, as real and imaginary parts of waves; ``weights`` (image, K) with
    orthonormal columns and their ``spread`` (K), so that image i is sum_k weights_ik spread_k images_k; the share of
    each image that this is, and its power over that of the noise in one number.
    """

    images: Reals
    weights: Floats
    spread: Floats
    explained: Floats
    power: Floats


def refined(waves: Complex, band: Band, reference: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Return by how much each image must move further, its standard deviation (px), and how well it then fits.

    Parameters
    ----------
    waves
        Those of each image, moved to about the same place, divided by its noise; they are moved on in place.
    reference
        The image that does not move.

    Returns
    -------
    tuple
        Displacement and standard deviation, dims (image, y x), the share of each image that is explained, and the
        power of that over the noise in one number.
    """
    moved = np.zeros((len(waves), 2))
    kept = len(waves)
    for _ in range(_ROUNDS):
        fit = _common(waves, kept)
        kept = fit.weights.shape[1]
        step = _step(waves, band, fit, reference)
        moved += step
        waves *= band.turned(step)
        if np.abs(step).max() < _STILL:
            break
    fit = _common(waves, kept)
    return moved, _deviations(waves, band, fit, reference), fit.explained, fit.power


def _common(waves: Complex, most: int) -> Fit:
    """Return the common images that stand out of the noise, ``most`` at most."""
    real = _real(waves)
    gram = (real @ real.T).astype(np.float64)
    power, vectors = np.linalg.eigh(gram)
    power, vectors = power[::-1], vectors[:, ::-1]
    count = len(waves)
    edge = (1 + np.sqrt(2 * count / real.shape[1])) ** 2
    # The lower median: a common image may be one of the two in the middle.
    usual = max(float(power[count // 2]), _PER_NUMBER * real.shape[1])
    standing = int(np.count_nonzero(power > _ABOVE_NOISE * edge * usual))
    bound = max(count // _SHARE, _OF_AN_EDGE if count >= 2 * _OF_AN_EDGE else 1)
    chosen = min(max(standing, 1), most, bound)
    vectors, power = vectors[:, :chosen], power[:chosen]
    images = (vectors.T / np.sqrt(power)[:, None]).astype(np.float32) @ real
    shown, whole = (vectors**2 * power).sum(axis=1), np.diag(gram)
    left = max((whole - shown).sum(), _ROUNDING * whole.sum())
    noise = left / ((count - chosen) * (real.shape[1] - chosen))
    return Fit(images, vectors, np.sqrt(power), shown / whole, shown / noise)


def _real(waves: Complex) -> Reals:
    """Return real and imaginary part of every wave, dims (image, number)."""
    return np.ascontiguousarray(waves).view(np.float32)


def _slopes(band: Band, fit: Fit) -> Reals:
    """Return the slopes of the common images in y and in x (axis, K, number), without what they hold of the images."""
    waves = fit.images.view(np.complex64)
    slopes = np.stack([_real((1j * number * waves).astype(np.complex64)) for number in band.wave])
    inside = slopes @ fit.images.T
    return (slopes - inside @ fit.images).astype(np.float32)


def _curvature(slopes: NDArray[np.floating], fit: Fit, free: Floats, noise: Floats | None = None) -> Floats:
    """Return the matrix of second derivatives of the sum of squares by the drifts, (y x, image) twice.

    With ``noise``, the variance of each number, the covariance of the first derivatives.
    """
    blocks = np.einsum("akp,blp->abkl", slopes * (1.0 if noise is None else noise), slopes, optimize=True)
    scaled = fit.weights * fit.spread
    count = len(scaled)
    full = np.einsum("ik,abkl,jl,ij->aibj", scaled, blocks, scaled, free, optimize=True)
    matrix: Floats = full.reshape(2 * count, 2 * count)
    return matrix


def _free(fit: Fit) -> Floats:
    """Return the projection that leaves what the weights of the common images do not reach."""
    return np.eye(len(fit.weights)) - fit.weights @ fit.weights.T


def _moving(count: int, reference: int) -> NDArray[np.int64]:
    return np.delete(np.arange(2 * count), [reference, count + reference])


def _step(waves: Complex, band: Band, fit: Fit, reference: int) -> Floats:
    """Return the Gauss-Newton step of every image but the reference."""
    count, free, slopes = len(waves), _free(fit), _slopes(band, fit)
    along = np.einsum("ip,akp->aik", _real(waves), slopes, optimize=True)
    gradient = np.einsum("aik,ik->ai", free @ along, fit.weights * fit.spread).reshape(-1)
    moving = _moving(count, reference)
    curvature = _curvature(slopes, fit, free)[np.ix_(moving, moving)]
    curvature[np.diag_indices_from(curvature)] *= 1 + 1e-6
    step = np.zeros(2 * count)
    step[moving] = -np.linalg.solve(curvature, gradient[moving])
    return np.clip(step, -_LONGEST, _LONGEST).reshape(2, count).T


def _deviations(waves: Complex, band: Band, fit: Fit, reference: int) -> Floats:
    """Return the standard deviations of the drifts (image, y x), from what the fit leaves, pixel by pixel and by image.

    Images that the common ones explain worse than others are less certain, although all were divided by their noise.
    """
    count, free, slopes, grid = len(waves), _free(fit), _slopes(band, fit), band.grid()
    real = _real(waves)
    left = (free.astype(np.float32) @ real).view(np.complex64)
    noise, misfit = np.zeros(grid[0] * grid[1]), np.empty(count)
    for at, row in enumerate(left):
        square = band.image(row, grid).ravel() ** 2
        noise += square
        misfit[at] = square.sum()
    noise *= noise.size / real.shape[1] / (count - fit.weights.shape[1])
    misfit /= np.maximum(np.diag(free), _LEAST_FREE)
    misfit *= count / max(misfit.sum(), np.finfo(float).tiny)
    shown = np.stack([[band.image(row.view(np.complex64), grid).ravel() for row in axis] for axis in slopes])
    moving = _moving(count, reference)
    chosen = np.ix_(moving, moving)
    inverse = np.linalg.pinv(_curvature(slopes, fit, free)[chosen], hermitian=True)
    spread = _curvature(shown, fit, (free * misfit) @ free, noise)[chosen]
    variance = np.zeros(2 * count)
    variance[moving] = np.diag(inverse @ spread @ inverse)
    return np.sqrt(variance).reshape(2, count).T
