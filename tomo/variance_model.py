"""How the variance of a quantity falls as the volume grows that it is measured in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 30
_FLOOR = 1e-3

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class VarianceModel:
    """Var(L) = (k - b/L)/L^3 of cubes of edge L, with the covariance of k and b."""

    k: float
    b: float
    covariance: Floats

    @staticmethod
    def none() -> VarianceModel:
        """Return a model that knows nothing."""
        return VarianceModel(math.nan, math.nan, np.full((2, 2), math.nan))

    @property
    def k_std(self) -> float:
        """Uncertainty of k."""
        return math.sqrt(self.covariance[0, 0])

    def std(self, edge: float) -> tuple[float, float]:
        """Return the standard deviation of cubes of an edge, and its uncertainty; NaN where the model is below 0."""
        terms = _terms(np.array([edge]))[0]
        variance = self.k * terms[0] + self.b * terms[1]
        if not variance > 0:
            return math.nan, math.nan
        return math.sqrt(variance), math.sqrt(max(terms @ self.covariance @ terms, 0.0)) / (2 * math.sqrt(variance))


def fit_variances(edge: Floats, variance: Floats, boxes: NDArray[np.int64]) -> VarianceModel:
    """Return the model of variances between ``boxes`` boxes of each edge that fill one volume.

    Notes
    -----
    Weighted least squares; the weights follow from the model, so that chance lows do not pull it down. Where the
    variance does not fall short at small sizes, b is 0.
    """
    together = edge * boxes ** (1 / 3)
    terms = (boxes / (boxes - 1))[:, np.newaxis] * (_terms(edge) - _terms(together))
    found = _solved(terms, variance, boxes)
    if found[0][1] < 0:
        (k, _), covariance = _solved(terms[:, :1], variance, boxes)
        return VarianceModel(k, 0.0, np.pad(covariance, (0, 1)))
    (k, b), covariance = found
    return VarianceModel(k, b, covariance)


def _terms(edge: Floats) -> Floats:
    return np.stack([edge**-3.0, -(edge**-4.0)], axis=-1)


def _solved(terms: Floats, variance: Floats, boxes: NDArray[np.int64]) -> tuple[tuple[float, float], Floats]:
    expected = variance
    for _ in range(_ROUNDS):
        weight = np.sqrt((boxes - 1) / 2) / expected
        weighted = terms * weight[:, np.newaxis]
        scale = np.linalg.norm(weighted, axis=0)
        found = np.linalg.lstsq(weighted / scale, variance * weight)[0] / scale
        expected = np.maximum(terms @ found, _FLOOR * variance)
    unscaled = weighted / scale
    covariance: Floats = np.linalg.pinv(unscaled.T @ unscaled) / np.outer(scale, scale)
    return (float(found[0]), float(found[1]) if found.size > 1 else 0.0), covariance
