"""Filtered back-projection of parallel-beam sinograms: a kernel over several rows at once.

One thread works on a block of rows, so that results do not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]

WINDOWS = ("ramp", "shepp-logan", "cosine", "hann")
"""Windows of the ramp filter, from the sharpest to the smoothest."""

_EDGE = 4
"""Pixels whose mean continues a sinogram that does not end in air."""


def ramp(length: int, window: str = "ramp") -> Singles:
    """Return the ramp filter |f|/2 of the non-negative frequencies of ``length`` pixels, with a window.

    It is the transform of the band-limited ramp, 1/4 at 0, -1/(pi n)^2 at odd n, 0 at even n, so that the mean is
    right (A. C. Kak, M. Slaney, Principles of Computerized Tomographic Imaging, doi:10.1137/1.9780898719277, eq. 61).
    """
    place = np.fft.fftfreq(length, 1 / length)
    odd = place % 2 == 1
    kernel = np.zeros(length)
    kernel[0] = 0.25
    kernel[odd] = -1 / (np.pi * place[odd]) ** 2
    frequency = np.fft.rfftfreq(length)
    shapes = {
        "ramp": np.ones_like(frequency),
        "shepp-logan": np.sinc(frequency),
        "cosine": np.cos(np.pi * frequency),
        "hann": 0.5 + 0.5 * np.cos(2 * np.pi * frequency),
    }
    found: Singles = (np.fft.rfft(kernel).real * shapes[window]).astype(np.float32)
    return found


def filtered(sinograms: Singles, window: str) -> Singles:
    """Return sinograms (row, angle, pixel) after the ramp filter; they go on as their edges are on both sides."""
    from scipy import fft

    pixels = sinograms.shape[-1]
    beside, edge = pixels // 2, min(_EDGE, pixels)
    length = fft.next_fast_len(2 * pixels + 2 * beside, real=True)
    weights = ramp(length, window)
    found = np.empty(sinograms.shape, dtype=np.float32)
    padded = np.zeros((sinograms.shape[1], length), dtype=np.float32)
    for row, sinogram in enumerate(sinograms):
        padded[:, :beside] = sinogram[:, :edge].mean(axis=-1, keepdims=True)
        padded[:, beside : beside + pixels] = sinogram
        padded[:, beside + pixels : pixels + 2 * beside] = sinogram[:, -edge:].mean(axis=-1, keepdims=True)
        found[row] = fft.irfft(fft.rfft(padded) * weights, length)[:, beside : beside + pixels]
    return found


def angle_weights(angles: Floats) -> Floats:
    """Return the share of half a turn, rad, that each projection stands for.

    Each is half the way to its neighbors, modulo 180 deg: uneven angles, a scan that ends at 180 deg and one over
    360 deg come out right. A gap counts no more than four median steps, so that its edges do not stand out.

    Parameters
    ----------
    angles
        rad.
    """
    if angles.size == 1:
        return np.array([np.pi])
    turn = np.mod(angles, np.pi)
    turn[np.isclose(turn, np.pi, rtol=0, atol=1e-6)] = 0.0
    order = np.argsort(turn, kind="stable")
    steps = np.diff(turn[order], append=turn[order[0]] + np.pi)
    typical = np.median(steps[steps > 1e-9]) if (steps > 1e-9).any() else np.pi
    steps = np.minimum(steps, 4 * typical)
    weights = np.empty_like(turn)
    weights[order] = (steps + np.roll(steps, 1)) / 2
    return weights


def back_projection(sinograms: Singles, angles: Floats, center: float, size: int, window: str = "ramp") -> Singles:
    """Return slices (row, y, x) from sinograms (row, angle, pixel) of line integrals; values per pixel.

    A voxel at (y, x) from the middle of the slice is seen at pixel ``center`` + x cos(angle) + y sin(angle).

    Parameters
    ----------
    angles
        rad.
    center
        Pixel, counted from 0, onto which the axis of rotation falls.
    size
        Voxels along y and x; the axis is in the middle, (size - 1)/2.
    window
        One of ``WINDOWS``.
    """
    sharp = filtered(sinograms, window) * angle_weights(angles).astype(np.float32)[:, np.newaxis]
    reach = int(np.ceil(size / np.sqrt(2))) + 2
    before = max(0, int(np.ceil(reach - center)))
    after = max(0, int(np.ceil(center + reach)) + 2 - sinograms.shape[-1])
    rays = np.ascontiguousarray(np.pad(sharp, ((0, 0), (0, 0), (before, after))).transpose(1, 2, 0))
    found = _back_projected(rays, np.cos(angles), np.sin(angles), center + before, size)
    slices: Singles = np.ascontiguousarray(found.transpose(2, 0, 1))
    return slices


@compiled
def _back_projected(rays: Singles, cosine: Floats, sine: Floats, center: float, size: int) -> Singles:
    """Add up rays (angle, pixel, row), interpolated linearly, in every voxel (y, x, row)."""
    rows = rays.shape[2]
    out = np.zeros((size, size, rows), dtype=np.float32)
    middle = (size - 1) / 2
    for y in range(size):
        for angle in range(rays.shape[0]):
            start = center + (y - middle) * sine[angle] - middle * cosine[angle]
            for x in range(size):
                place = start + x * cosine[angle]
                pixel = int(place)
                later = np.float32(place - pixel)
                sooner = np.float32(1) - later
                for row in range(rows):
                    out[y, x, row] += sooner * rays[angle, pixel, row] + later * rays[angle, pixel + 1, row]
    return out
