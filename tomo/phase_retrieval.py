"""Phase contrast of a single distance turned into absorption contrast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operando.errors import OperandoError

WAVELENGTH = 1.2398419843320026e-3
"""Wavelength of a photon of 1 keV, um."""

_DECAY = 12
"""Lengths of the filter over which a frame goes on, mirrored, beyond its edges: exp(-12) = 6e-6 is left."""


@dataclass(frozen=True)
class Paganin:
    """What the single-distance retrieval of Paganin needs to know; parallel beam.

    Parameters
    ----------
    delta_beta
        Ratio of the decrement of the refractive index to the absorption index, the same in the whole sample.
    energy
        keV.
    distance
        From sample to detector, mm.

    Raises
    ------
    OperandoError
        If one of them is not positive.

    Examples
    --------
    >>> from operando import tomo
    >>> print(tomo.Paganin(delta_beta=500.0, energy=20.0, distance=100.0))
    Paganin(delta_beta=500.0, energy=20.0, distance=100.0)
    """

    delta_beta: float
    energy: float
    distance: float

    def __post_init__(self) -> None:
        for name in ("delta_beta", "energy", "distance"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise OperandoError(f"Paganin: expected a positive {name}, got {value}")

    @property
    def length(self) -> float:
        """Length of the filter, sqrt(distance delta/mu), um; delta/mu = (delta/beta) wavelength/(4 pi)."""
        squared = self.delta_beta * WAVELENGTH / self.energy / (4 * np.pi) * 1e3 * self.distance
        return float(np.sqrt(squared))


def paganin(transmission: NDArray[np.float32], length: float) -> NDArray[np.float32]:
    """Return the transmission behind the sample from that at a distance, frames (..., y, x).

    T = F^-1[ F[I/I0] / (1 + length^2 k^2) ], k the angular wave number; -ln T is then the attenuation along the ray.
    It holds for a sample of one material, or of one delta/beta, in the near field: Paganin et al.,
    J. Microsc. 206, 33 (2002), doi:10.1046/j.1365-2818.2002.01010.x.

    Parameters
    ----------
    length
        Of the filter, px (:attr:`Paganin.length` / pixel size).
    """
    from scipy import fft

    height, width = transmission.shape[-2:]
    shape = [fft.next_fast_len(n + 2 * int(np.ceil(_DECAY * length)), real=True) for n in (height, width)]
    low = [(full - n) // 2 for full, n in zip(shape, (height, width), strict=True)]
    pads = [(before, full - n - before) for before, full, n in zip(low, shape, (height, width), strict=True)]
    k_y = 2 * np.pi * np.fft.fftfreq(shape[0])[:, np.newaxis]
    k_x = 2 * np.pi * np.fft.rfftfreq(shape[1])
    damping = (1 + length**2 * (k_y**2 + k_x**2)).astype(np.float32)
    found = np.empty(transmission.shape, dtype=np.float32)
    for index in np.ndindex(transmission.shape[:-2]):
        waves = fft.rfft2(np.pad(transmission[index], pads, mode="symmetric")) / damping
        found[index] = fft.irfft2(waves, shape)[low[0] : low[0] + height, low[1] : low[1] + width]
    return found
