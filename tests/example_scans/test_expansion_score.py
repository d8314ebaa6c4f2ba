"""The comparison of particles' change of volume with the truth."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from operando.example_scans.expansion_score import expansion_rows, matching

CENTER = np.array([[5.0, 5, 5], [20, 20, 20], [5, 20, 5]])
SHRUNK = np.array([[-0.01, -0.01, -0.01], [-0.05, -0.05, -0.05]])


def truth():
    return xr.Dataset(
        {
            "particle_center": (("particle", "axis"), CENTER),
            "particle_radius": (("scan", "particle"), np.full((2, 3), 4.0)),
            "particle_whole": ("particle", np.array([1, 1, 0], np.int8)),
            "particle_expansion": (("scan", "particle"), SHRUNK),
        },
        attrs={"voxel_size": 1.0},
    )


def test_particles_are_matched_by_their_centers():
    found = np.array([[20.5, 20, 20], [5, 5, 6.0], [40, 40, 40]])
    assert matching(CENTER, np.full(3, 4.0), found).tolist() == [1, 0, -1]
    assert matching(CENTER, np.full(3, 4.0), np.empty((0, 3))).tolist() == [-1, -1, -1]


def test_rows_count_from_the_first_scan_and_leave_out_cut_particles():
    since = 0.95 / 0.99 - 1
    found = xr.Dataset(
        {
            "particle_center": (("particle", "axis"), CENTER[::-1] + 0.1),
            "particle_expansion": (("scan", "particle"), [[0, 0, 0], [0.3, since + 0.002, since - 0.002]]),
            "particle_expansion_std": (("scan", "particle"), [[0, 0, 0], [0.001, 0.001, 0.001]]),
        }
    )
    count, error, mean = expansion_rows(truth(), found)
    assert (count.estimate, count.truth) == (2.0, 2.0)
    assert (error.estimate, error.sigma, error.pull) == pytest.approx((0.002, 0.001, 2.0))
    assert mean.estimate == pytest.approx(0.0, abs=1e-9)
    assert list(expansion_rows(truth(), xr.Dataset())) == []
