"""Whether error bars cover: one judgment for all pulls, with limits that correct code passes 99.9 % of the time."""

from __future__ import annotations

import numpy as np
from scipy import stats

RARE = 5e-4


def assert_unit_normal(pulls: np.ndarray) -> None:
    """Check at least 200 pulls: chi-square interval for the spread, 99.9 % intervals for mean and coverage."""
    n = pulls.size
    low, high = np.sqrt(stats.chi2.ppf([RARE, 1 - RARE], n - 1) / (n - 1))
    inside = int((np.abs(pulls) < 2).sum())
    assert n >= 200
    assert abs(pulls.mean()) <= 3.3 / np.sqrt(n)
    assert low < pulls.std(ddof=1) < high
    assert stats.binom.ppf(RARE, n, 0.9545) <= inside <= stats.binom.ppf(1 - RARE, n, 0.9545)
