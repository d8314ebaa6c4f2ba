"""Exponential, error function and arctangent without branches, so that loops over them run several points at once.

The polynomials are Chebyshev fits of our own; each function's error is absolute and holds everywhere.
"""

from __future__ import annotations

from operando.kernels import compiled_sums

DEEPEST = -80.0
"""Exponents below this count as this: exp(-80) = 2e-35 is nothing beside a line."""


@compiled_sums
def exp_falling(y: float) -> float:
    """Return exp(y) for y <= 0, error below 1e-12: the 128th power of a short polynomial."""
    y = max(y, DEEPEST) / 128
    p = 2.02106421800137e-06 * y + 2.387875421926538e-05
    p = (p * y + 0.00019775293140076623) * y + 0.0013886006247665003
    p = (p * y + 0.00833325494323709) * y + 0.041666653647558054
    p = (p * y + 0.1666666654222741) * y + 0.4999999999395192
    p = (p * y + 0.9999999999988588) * y + 0.9999999999999964
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    return p * p


@compiled_sums
def erfc_scaled(a: float) -> float:
    """Return erfc(a) exp(a^2) for a >= 0; its product with exp(-a^2) has an error below 1e-13."""
    t = (a - 3.75) / (a + 3.75)
    p = -3.1295868879615476e-06 * t - 7.557607800639917e-06
    p = (p * t + 3.491407301116343e-05) * t + 6.540842175339507e-05
    p = (p * t - 0.0002831044592338029) * t + 0.0002945600540945278
    p = (p * t + 0.0017548051799870935) * t - 0.009746924572693527
    p = (p * t + 0.028362277174873315) * t - 0.05869337622437021
    p = (p * t + 0.09230432349012345) * t - 0.10880393069235395
    p = (p * t + 0.08227673842027147) * t + 0.00358541549062451
    p = (p * t - 0.1402405985850925) * t + 1.237512630837818
    return p / (1 + 2 * a)


@compiled_sums
def arctan_ratio(y: float, x: float) -> float:
    """Return atan(y / x) for x > 0 and any y, error below 1e-13."""
    size = abs(y)
    t = min(size, x) / max(size, x)
    s = t * t
    p = -0.0001124367596016531 * s + 0.0010182697360567002
    p = (p * s - 0.004344643015394806) * s + 0.01174642901050956
    p = (p * s - 0.022994749256829535) * s + 0.03563652077126017
    p = (p * s - 0.04713074559577251) * s + 0.05688664321889939
    p = (p * s - 0.0661556664148777) * s + 0.07682489346522477
    p = (p * s - 0.0908958678308009) * s + 0.11110992975824872
    p = (p * s - 0.1428570785262614) * s + 0.19999999814897454
    p = (p * s - 0.3333333333121758) * s + 0.9999999999999597
    p *= t
    p = p if size <= x else 1.5707963267948966 - p
    return p if y >= 0 else -p
