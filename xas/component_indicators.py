"""How many components a matrix has: what Malinowski's theory of error says, and what noise alone would give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

Floats = NDArray[np.float64]
Rule = Literal["f_test", "ind", "noise", "larch"]
LEVEL = 0.05


@dataclass(frozen=True)
class Indicators:
    """What each number of components would leave, beginning with one component.

    The residual standard deviation of the data (``real_error``) and what of it the components hold themselves
    (``imbedded_error``); Malinowski's indicator function; the F ratio of each component to those after it and the
    probability that noise gives a larger one.
    """

    real_error: Floats
    imbedded_error: Floats
    indicator: Floats
    f_ratio: Floats
    significance: Floats


def indicators(squares: Floats, left: Floats, shape: tuple[int, int]) -> Indicators:
    """Return the indicators of a matrix from its squared singular values.

    ``left`` is the sum of the squares beyond each; ``shape`` is the matrix's rank and its larger side. Where nothing
    is left they are NaN.
    """
    small, large = shape
    number = np.arange(1, squares.size + 1)
    beyond = (small - number).astype(float)
    beyond[beyond <= 0] = np.nan
    real = np.sqrt(left / (large * beyond))
    every = np.arange(1, small + 1)
    degrees = (large - every + 1.0) * (small - every + 1.0)
    after = np.append(np.cumsum(degrees[::-1])[::-1][1:], 0.0)[: squares.size]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = after / degrees[: squares.size] * squares / left
    ratio[np.isnan(beyond)] = np.nan
    return Indicators(
        real, real * np.sqrt(number / small), real / beyond**2, ratio, np.asarray(fdtrc(1.0, beyond, ratio))
    )


def larch_indicator(squares: Floats, left: Floats, spectra: int, energies: int) -> Floats:
    """Return the indicator as larch's ``pca_train`` has it: what is left includes the last component itself."""
    beyond = (spectra - np.arange(1, squares.size + 1)).astype(float)
    beyond[beyond <= 0] = np.nan
    return np.asarray(np.sqrt(energies * (squares + left) / spectra / beyond) / beyond**2)


def significant(found: Indicators, values: Floats, noise: float, rule: Rule) -> int:
    """Return how many components a rule calls significant."""
    number = np.arange(1, values.size + 1)
    if rule == "noise":
        return int(np.count_nonzero(values > noise))
    if rule == "f_test":
        return int(number[found.significance <= LEVEL].max(initial=0))
    known = np.isfinite(found.indicator)
    return int(number[known][np.argmin(found.indicator[known])]) if known.any() else values.size


def noise_singular_value(error: float, shape: tuple[int, int]) -> float:
    """Return the largest singular value that noise of a standard deviation gives in a matrix of that shape."""
    return float(error * (np.sqrt(shape[0]) + np.sqrt(shape[1])))
