"""How a sample damps its own fluorescence, and the way back. It knows numbers only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .edge_scale import EdgeScale

Floats = NDArray[np.float64]
_STEPS, _CLOSE = 60, 1e-15


@dataclass(frozen=True)
class Damping:
    """What light meets: the tables' scale (1/nm), the attenuation of the emitted line, sines of the angles, thickness.

    With N the normalized absorption, 1/L(N) = mu(N)/sin(in) + mu_f/sin(out) and the yield is N L (1 - exp(-d/L)).
    """

    scale: EdgeScale
    emitted: float
    into: float
    out_of: float
    thickness: float

    def damped(self, normalized: Floats) -> Floats:
        """Return the yield, one where the normalized absorption is one above the edge."""
        return self._yield(normalized, self._per_length(self.scale.below)) / self._above()

    def undamped(self, damped: Floats) -> tuple[Floats, Floats]:
        """Return the normalized absorption, and by how much its relative error exceeds that of the yield.

        The energies are the last axis; the second result is the largest of each spectrum, and infinite where no
        absorption is strong enough for the yield, which is NaN in the first. For a thin sample by Newton's method:
        the yield rises with the absorption and bends down, so that from the thick sample's absorption, which is too
        small, no step passes the root.
        """
        base, seen = self._per_length(self.scale.below), damped * self._above()
        with np.errstate(invalid="ignore", divide="ignore"):
            left = 1 - seen * self._step
            found: Floats = np.where(left > 0, seen * base / left, np.nan)
            for _ in range(0 if np.isinf(self.thickness) else _STEPS):
                step = (seen - self._yield(found, base)) / self._slope(found, base)
                found = found + step
                if not np.any(np.abs(step) > _CLOSE * np.abs(found)):
                    break
            gain = self._each(found, base) / self._slope(found, base)
        lost = np.isnan(found) & np.isfinite(damped)
        return found, np.where(lost, np.inf, np.nan_to_num(gain)).max(axis=-1)

    @property
    def _step(self) -> float:
        return self.scale.step / self.into

    def _above(self) -> float:
        return float(self._yield(np.ones(1), self._per_length(np.array([self.scale.below_above])))[0])

    def _per_length(self, below: Floats) -> Floats:
        return np.asarray(below / self.into + self.emitted / self.out_of)

    def _each(self, normalized: Floats, base: Floats) -> Floats:
        """Return the yield of each unit of absorption."""
        inverse = base + normalized * self._step
        return np.asarray(-np.expm1(-self.thickness * inverse) / inverse)

    def _yield(self, normalized: Floats, base: Floats) -> Floats:
        return normalized * self._each(normalized, base)

    def _slope(self, normalized: Floats, base: Floats) -> Floats:
        """Return how the yield rises with the normalized absorption."""
        inverse = base + normalized * self._step
        if np.isinf(self.thickness):
            return np.asarray(base / inverse**2)
        lost = np.exp(-self.thickness * inverse)
        return np.asarray(base * (1 - lost) / inverse**2 + normalized / inverse * self._step * self.thickness * lost)
