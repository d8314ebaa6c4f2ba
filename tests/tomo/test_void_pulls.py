"""Volumes of voids of three voxels or more in simulated composites of a seed each: right within their uncertainties."""

from __future__ import annotations

import numpy as np
import pytest
from judged_voids import judged
from scipy import stats

COMPOSITES = 20
RARE = 5e-4


@pytest.mark.parametrize("coarse", [False, True])
def test_voids_of_three_voxels_have_volumes_within_ten_percent_and_pulls_of_unit_width(coarse):
    """``benchmarks/bench_void_pulls.py`` judges 204 of each."""
    each = [judged(seed, coarse=coarse) for seed in range(20_000, 20_000 + COMPOSITES)]
    found = [one for one in each if one is not None]
    pulls = np.array([one.pull for one in found])
    n = pulls.size
    low, high = np.sqrt(stats.chi2.ppf([RARE, 1 - RARE], n - 1) / (n - 1))
    assert n > 0.8 * COMPOSITES
    assert abs(pulls.mean()) <= 3.3 / np.sqrt(n)
    assert low < pulls.std(ddof=1) < high
    assert all(abs(one.found / one.true - 1) < 0.1 for one in found)
