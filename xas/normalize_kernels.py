"""The kernel that subtracts the pre-edge and divides by the edge step. It knows numbers only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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
    weight: Floats,
    pre_range: tuple[int, int],
    pre_fit: Floats,
    pre_curves: Floats,
    post_range: tuple[int, int],
    post_fit: Floats,
    post_curves: Floats,
    center: int,
    given_step: float,
    spectra: Floats,
    scalars: Floats,
) -> None:
    """Normalize the chosen rows of ``mu``.

    ``weight`` is E^nvict. ``spectra[0..3]`` receive the normalized and the flattened spectrum, the pre-edge and the
    post-edge curve; ``scalars[0]`` the edge step and ``scalars[2]`` the root mean square of the pre-edge's residual. An edge
    step that is not finite is measured at the point ``center``.
    """
    size = mu.shape[1]
    weighted, pre, rise, above = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    p1, p2 = pre_range
    q1, q2 = post_range
    for s in rows:
        for i in range(size):
            weighted[i] = mu[s, i] * weight[i]
        fitted(weighted[p1:p2], pre_fit, pre_curves, pre)
        for i in range(size):
            pre[i] /= weight[i]
            above[i] = mu[s, i] - pre[i]
        fitted(above[q1:q2], post_fit, post_curves, rise)
        step = max(1e-12, abs(rise[center] if np.isnan(given_step) else given_step))
        residual = 0.0
        for i in range(p1, p2):
            residual += above[i] ** 2
        scalars[0, s] = step
        scalars[2, s] = np.sqrt(residual / (p2 - p1))
        for i in range(size):
            value = above[i] / step
            spectra[0, s, i] = value
            spectra[1, s, i] = value if i < center else value - rise[i] / step + rise[center] / step
            spectra[2, s, i] = pre[i]
            spectra[3, s, i] = pre[i] + rise[i]
