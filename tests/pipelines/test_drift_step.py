"""Drift between stacks, as the recipe's step finds it: within its errors, over independent beamtimes."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from image_stacks import stacks
from pulls import assert_unit_normal

from operando.example_scans import cell, parameters
from operando.pipelines.steps import images
from operando.xas import xpeem

SEEDS = range(601, 701)
FEW = [{"start": 846.0, "stop": 852.0, "step": 3.0}, {"start": 852.0, "stop": 860.0, "step": 2.0}]


def later_stack(seed, happened):
    """Return error and uncertainty of the drift of the second stack, counted from the first frame of the first."""
    measured, known = stacks(seed, happened=happened, energies=FEW)
    first, second = (xpeem.correct(measured).isel(scan=[at]) for at in (0, 1))
    bare = second.drop_vars("intensity").assign_coords(flag=("scan", np.zeros(1, np.int32)))
    found = images.drift(second, bare, first)
    errors = [found[name].values[0] - (known[name][1] - known[name][0, 0]).values for name in ("drift_y", "drift_x")]
    return np.stack(errors), np.stack([found[f"{name}_std"].values[0] for name in ("drift_y", "drift_x")])


@pytest.fixture(scope="module")
def later():
    happened = cell.run(parameters.load("small"))
    return [later_stack(seed, happened) for seed in SEEDS]


def test_later_stacks_pull_as_unit_normals(later):
    """One frame a stack, for all frames of a stack share the noise of the reference."""
    frames = later[0][0].shape[1]
    pulls = np.concatenate([error[:, at % frames] / std[:, at % frames] for at, (error, std) in enumerate(later)])
    assert_unit_normal(pulls)


def test_no_frame_of_a_later_stack_is_misplaced(later):
    errors = np.concatenate([error.ravel() for error, _ in later])
    assert np.isfinite(errors).all()
    assert np.abs(errors).max() < 0.15


def test_the_first_stack_is_its_own_reference():
    measured, known = stacks(601, energies=FEW)
    first = xpeem.correct(measured).isel(scan=[0])
    bare = first.drop_vars("intensity").assign_coords(flag=("scan", np.zeros(1, np.int32)))
    found = images.drift(first, bare, xr.Dataset())
    assert float(found["drift_y"][0, 0]) == float(found["drift_y_std"][0, 0]) == 0.0
    np.testing.assert_allclose(found["drift_x"][0], known["drift_x"][0] - known["drift_x"][0, 0], atol=0.15)
