"""The part of an image's Fourier transform that tells where it lies, on plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Complex = NDArray[np.complex64]
_SHORT = 0.35
"""Waves with more than this per px in y and in x show noise alone."""


@dataclass(frozen=True)
class Band:
    """The waves within images of ``shape`` (y, x) whose lengths lie between two limits.

    One of each pair that is complex conjugate is kept; ``inside`` tells them among the transform's first ``reach``
    rows of either sign and columns, whose wave numbers (rad/px) are ``axes``.
    """

    shape: tuple[int, int]
    reach: tuple[int, int]
    inside: NDArray[np.bool_]
    axes: tuple[NDArray[np.floating], NDArray[np.floating]]

    def __len__(self) -> int:
        return int(np.count_nonzero(self.inside))

    @property
    def wave(self) -> Floats:
        """Wave number of every wave in y and x, rad/px."""
        return np.stack([axis[place] for axis, place in zip(self.axes, np.nonzero(self.inside), strict=True)])

    def turned(self, displacement: Floats) -> Complex:
        """Return the factors that move images displaced by so much, dims (image, y x), back; dims (image, wave)."""
        y, x = (
            np.exp(1j * np.outer(*pair)).astype(np.complex64) for pair in zip(displacement.T, self.axes, strict=True)
        )
        rows, columns = np.nonzero(self.inside)
        factors: Complex = y.take(rows, axis=1)
        factors *= x.take(columns, axis=1)
        return factors

    def spectrum(self, image: NDArray[np.float32], windows: tuple[Floats, Floats]) -> tuple[Complex, Complex]:
        """Return the waves of a windowed image, and some that are shorter than what images show.

        Values that are not finite count as the mean.
        """
        from scipy import fft

        y, x = (window.astype(np.float32) for window in windows)
        finite = np.isfinite(image)
        if not finite.all():
            image = np.where(finite, image, image[finite].mean() if finite.any() else 0.0).astype(np.float32)
        shown = image - np.float32((y @ image @ x) / (y.sum() * x.sum()))
        shown *= y[:, None]
        shown *= x
        waves = fft.rfft2(shown, overwrite_x=True)
        (height, width), (rows, columns) = self.shape, self.reach
        short = waves[int(_SHORT * height) : int((1 - _SHORT) * height), int(_SHORT * width) :]
        kept = np.concatenate([waves[: rows + 1, : columns + 1], waves[-rows:, : columns + 1]])
        return kept[self.inside], short

    def image(self, waves: Complex, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return the image that waves of the band make on a grid of ``shape`` over the whole frame.

        The sum of its squares is that of the waves' real and imaginary parts.
        """
        from scipy import fft

        grid = np.zeros((shape[0], shape[1] // 2 + 1), dtype=np.complex64)
        kept = np.zeros(self.inside.shape, dtype=np.complex64)
        kept[self.inside] = waves
        up = self.reach[0] + 1
        grid[:up, : self.reach[1] + 1] = kept[:up]
        grid[-self.reach[0] :, : self.reach[1] + 1] = kept[up:]
        grid[-self.reach[0] :, 0] = np.conj(kept[1:up, 0][::-1])
        out: NDArray[np.float32] = fft.irfft2(grid, s=shape, norm="ortho") / np.float32(np.sqrt(2))
        return out

    def grid(self) -> tuple[int, int]:
        """Return the smallest fast grid that shows all waves of the band."""
        from scipy import fft

        rows, columns = (fft.next_fast_len(2 * reach + 2, real=True) for reach in self.reach)
        return rows, columns + columns % 2


def band_of(shape: tuple[int, int], limits: tuple[float, float]) -> Band:
    """Return the waves from the shorter to the longer of two lengths in px."""
    rows, columns = (min((size - 1) // 2, int(size / limits[0])) for size in shape)
    y, x = np.r_[0 : rows + 1, -rows:0], np.arange(columns + 1)
    radius = np.hypot(y[:, None] / shape[0], x / shape[1])
    inside = (radius <= 1 / limits[0]) & (radius >= 1 / limits[1])
    inside[rows + 1 :, 0] = False
    return Band(shape, (rows, columns), inside, (2 * np.pi / shape[0] * y, 2 * np.pi / shape[1] * x))


def window(size: int, low: float, high: float, taper: float) -> Floats:
    """Return 1 in the middle from ``low`` to ``high`` px, falling as a cosine over ``taper`` of the length to 0."""
    at = np.arange(size)
    edge = max(taper * (high - low + 1), 1e-6)
    part = np.clip(np.minimum(at - low + 0.5, high - at + 0.5) / edge, 0, 1)
    falling: Floats = 0.5 - 0.5 * np.cos(np.pi * part)
    return falling


def noise_of(short: Complex) -> float:
    """Return the noise in a wave from waves that show nothing else; a few that do are passed over."""
    return float(np.median(short.real**2 + short.imag**2) / np.log(2))
