"""The kernel that subtracts the pre-edge and divides by the edge step. It knows numbers only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Fit = tuple[int, int, Floats, Floats]
"""First point, end, least-squares operator (coefficient, point) and basis curves (coefficient, energy)."""

APART = 10.0
"""How far above e0 (eV) the noise of the pre-edge is given a second time, for its slope."""


@compiled
def fitted(values: Floats, fit: Floats, curves: Floats, out: Floats) -> None:
    """Write the least-squares curve: coefficients ``fit @ values`` times the rows of ``curves``."""
    out[:] = 0.0
    for k in range(fit.shape[0]):
        coefficient = 0.0
        for i in range(values.size):
            coefficient += fit[k, i] * values[i]
        for i in range(out.size):
            out[i] += coefficient * curves[k, i]


@compiled
def normalize_rows(
    mu: Floats,
    rows: Ints,
    fits: tuple[Fit, Fit, Floats],
    edge: tuple[int, float],
    out: tuple[Floats, Floats],
) -> None:
    """Normalize the chosen rows of ``mu``.

    ``fits`` are those of the pre-edge and the post-edge, and the weight E^nvict of the pre-edge. ``edge`` is the
    point where the edge step is measured, and the edge step if it is known, else NaN. ``out`` is (spectra, scalars):
    the normalized and the flattened spectrum, the pre-edge and the post-edge curve; the edge step at 0 and at 2 the
    root mean square of the pre-edge's residual.
    """
    pre_fit, post_fit, weight = fits
    center, known = edge
    spectra, scalars = out
    size = mu.shape[1]
    weighted, pre, rise, above = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    for s in rows:
        for i in range(size):
            weighted[i] = mu[s, i] * weight[i]
        fitted(weighted[pre_fit[0] : pre_fit[1]], pre_fit[2], pre_fit[3], pre)
        for i in range(size):
            pre[i] /= weight[i]
            above[i] = mu[s, i] - pre[i]
        fitted(above[post_fit[0] : post_fit[1]], post_fit[2], post_fit[3], rise)
        step = max(1e-12, abs(rise[center] if np.isnan(known) else known))
        residual = 0.0
        for i in range(pre_fit[0], pre_fit[1]):
            residual += above[i] ** 2
        scalars[0, s] = step
        scalars[2, s] = np.sqrt(residual / (pre_fit[1] - pre_fit[0]))
        for i in range(size):
            value = above[i] / step
            spectra[0, s, i] = value
            spectra[1, s, i] = value if i < center else value - rise[i] / step + rise[center] / step
            spectra[2, s, i] = pre[i]
            spectra[3, s, i] = pre[i] + rise[i]
